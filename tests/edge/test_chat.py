"""The OpenAI surface of the real Worker: plain, streamed, models, decisions, and the official SDK against it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of, error_of, read_settled, token
from tests.openai_shapes import answer_findings, data_of, model_findings, models_findings, stream_findings

MODEL = "simulator/llama-3.1-8b-instruct"
ROUTE = re.compile(r"simulator/llama-3\.1-8b-instruct@(private-1x|shared-4x|shared-8x)")
QUESTION = {"role": "user", "content": "What is a vGPU?"}


@pytest.fixture
async def client(product_worker: EdgeWorker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(product_worker.url, "chat") as client:
        yield client


@pytest.fixture
async def sdk(product_worker: EdgeWorker) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{product_worker.url}/v1", api_key=token("chat"), max_retries=0, timeout=60
    ) as sdk:
        yield sdk


async def ask(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    answer = await client.post("/v1/chat/completions", json={"model": MODEL, "messages": [QUESTION], **fields})
    assert answer.status_code == 200, answer.text
    return answer


def text_of(answer: httpx.Response) -> str:
    """The text of a plain answer of OpenAI's shape."""
    assert answer_findings(answer.json()) == []
    return str(answer.json()["choices"][0]["message"]["content"])


def check_headers(answer: httpx.Response) -> None:
    """The headers of every answer that a route gave."""
    assert re.fullmatch("req_[0-9a-f]{32}", answer.headers["x-request-id"])
    assert re.fullmatch("dec_[0-9a-f]{32}", answer.headers["x-harpoon-decision-id"])
    assert answer.headers["openai-processing-ms"].isdecimal()
    assert ROUTE.fullmatch(answer.headers["x-harpoon-route"])
    assert answer.headers["x-harpoon-complexity"] in ("simple", "moderate", "complex")
    assert answer.headers["x-harpoon-policy"].startswith("priority=balanced")
    assert answer.headers["x-harpoon-attempts"] == "1"
    assert answer.headers["x-harpoon-simulated"] == "1"


async def test_a_plain_answer_is_openai_s_and_says_what_it_cost(client: httpx.AsyncClient) -> None:
    answer = await ask(client)
    assert "vGPU" in text_of(answer)
    assert answer.json()["model"].endswith("-simulated")
    check_headers(answer)
    decision = await read_settled(client, answer.headers["x-harpoon-decision-id"])
    assert (decision["object"], decision["state"]) == ("decision", "settled")
    assert decision["request_id"] == answer.headers["x-request-id"]
    assert decision["cost_usd"] == answer.headers["x-harpoon-cost-usd"]
    assert decision["cost_usd_micros"] > 0
    assert decision["selected"] == answer.headers["x-harpoon-route"]
    assert (decision["outcome"]["outcome"], decision["outcome"]["usage"]) == ("success", "reported")
    assert re.fullmatch("[0-9a-f]{64}", decision["decision_digest"])


@pytest.mark.parametrize("include_usage", [False, True])
async def test_a_streamed_answer_is_openai_s_and_ends_with_its_cost(
    client: httpx.AsyncClient, include_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    answer = await ask(client, stream=True, **options)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert stream_findings(answer.text, include_usage=include_usage) == []
    choices = [choice for data in data_of(answer.text)[:-1] for choice in json.loads(data)["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == text_of(await ask(client))
    check_headers(answer)
    assert float(answer.headers["x-harpoon-cost-estimate-usd"]) > 0
    closing = re.search(r"\n: harpoon-cost-usd ([0-9.]+)\n\ndata: \[DONE\]\n\n$", answer.text)
    assert closing is not None
    decision = await read_settled(client, answer.headers["x-harpoon-decision-id"])
    assert (decision["state"], decision["cost_usd"]) == ("settled", closing[1])
    assert decision["outcome"]["usage"] == "reported"


async def test_a_covenant_is_obeyed_and_told_back(client: httpx.AsyncClient) -> None:
    covenant = {"budget_usd": 0.5, "deadline_s": 30, "priority": "max_security", "requirements": ["no_logging"]}
    answer = await ask(client, model="auto", covenant=covenant)
    assert answer.headers["x-harpoon-route"].endswith("@private-1x")
    assert answer.headers["x-harpoon-policy"] == (
        "priority=max_security; budget_usd=0.5; deadline_s=30; requires=no_logging"
    )


async def test_what_is_not_admissible_is_refused_with_every_reason(client: httpx.AsyncClient) -> None:
    body = {"model": "auto", "messages": [QUESTION], "covenant": {"residency": ["JP"]}}
    answer = await client.post("/v1/chat/completions", json=body)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (403, "nothing_admissible")
    assert any("POLICY_RESIDENCY" in reason for reason in error["reasons"])
    assert answer.headers["x-should-retry"] == "false"
    decision = await read_settled(client, answer.headers["x-harpoon-decision-id"])
    assert (decision["state"], decision["selected"], decision["cost_usd_micros"]) == ("denied", None, 0)
    assert all(candidate["denials"] for candidate in decision["candidates"])


async def test_models_are_listed_and_found_one_by_one(client: httpx.AsyncClient) -> None:
    listing = (await client.get("/v1/models")).json()
    assert models_findings(listing) == []
    ids = [model["id"] for model in listing["data"]]
    assert ids[0] == "auto"
    assert {MODEL, "llama-3.1-8b-instruct", "groq/qwen3-32b"} <= set(ids)
    for model in (MODEL, "auto", "openai/gpt-4o"):
        found = (await client.get(f"/v1/models/{model}")).json()
        assert (model_findings(found), found["id"]) == ([], model)
    unknown = await client.get("/v1/models/nobody/nothing")
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "model_not_found")


async def test_a_decision_is_its_tenant_s_alone(client: httpx.AsyncClient, product_worker: EdgeWorker) -> None:
    decision_id = (await ask(client)).headers["x-harpoon-decision-id"]
    async with client_of(product_worker.url, "refused") as stranger:
        answer = await stranger.get(f"/v1/decisions/{decision_id}")
    assert (answer.status_code, error_of(answer)["code"]) == (404, "decision_not_found")


async def test_the_service_says_that_it_lives_and_where_to_go(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()
    assert (health["status"], health["host"]) == ("healthy", "workerd")
    assert "/v1/chat/completions" in (await client.get("/")).json()["endpoints"]
    nowhere = await client.get("/v1/nowhere")
    assert (nowhere.status_code, error_of(nowhere)["code"]) == (404, "not_found")


async def test_the_official_sdk_gets_a_plain_answer_and_its_headers(sdk: openai.AsyncOpenAI) -> None:
    raw = await sdk.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": "What is a vGPU?"}]
    )
    completion = raw.parse()
    assert "vGPU" in (completion.choices[0].message.content or "")
    assert completion.usage is not None
    assert completion._request_id == raw.headers["x-request-id"]


async def test_the_official_sdk_gets_a_stream(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "What is a vGPU?"}],
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"covenant": {"priority": "cost_optimized"}},
    )
    chunks = [chunk async for chunk in stream]
    assert "vGPU" in "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert chunks[-1].usage is not None


async def test_the_official_sdk_lists_and_retrieves_models(sdk: openai.AsyncOpenAI) -> None:
    ids = [model.id async for model in sdk.models.list()]
    assert "auto" in ids
    assert (await sdk.models.retrieve(MODEL)).owned_by == "simulator"


async def test_the_official_sdk_maps_refusals_to_its_exceptions(
    sdk: openai.AsyncOpenAI, product_worker: EdgeWorker
) -> None:
    async def ask_for(client: openai.AsyncOpenAI, model: str, covenant: dict[str, Any]) -> None:
        await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], extra_body={"covenant": covenant}
        )

    with pytest.raises(openai.NotFoundError, match="not in the catalogue"):
        await ask_for(sdk, "nothing", {})
    with pytest.raises(openai.PermissionDeniedError, match="POLICY_RESIDENCY"):
        await ask_for(sdk, "auto", {"residency": ["JP"]})
    with pytest.raises(openai.UnprocessableEntityError, match="budget_usd"):
        await ask_for(sdk, "auto", {"budget_usd": "two"})
    with pytest.raises(openai.APIStatusError, match="budget") as caught:
        await ask_for(sdk, "auto", {"budget_usd": 0})
    assert (caught.value.status_code, caught.value.code) == (402, "budget_exceeded")
    stranger = sdk.with_options(api_key=token("nobody"))
    with pytest.raises(openai.AuthenticationError):
        await ask_for(stranger, "auto", {})
