"""POST /v1/embeddings: vectors by the way of a chat request, with its policy, budget, ledger, events and fallback."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import httpx
import pytest

from tests.contracts.misbehaving_server import Server
from tests.worker.api.application_kit import Application, Provider, application, causes, http_answer, refuses, says

MODEL = "hashed-words-256"


async def embed(harpoon: Application, given: Any = "A share of a GPU.", **fields: Any) -> httpx.Response:
    return await harpoon.client.post("/embeddings", json={"model": MODEL, "input": given, **fields})


def vectors(answer: httpx.Response) -> list[list[float]]:
    assert answer.status_code == 200, answer.text
    value = answer.json()
    assert (value["object"], [item["index"] for item in value["data"]]) == ("list", list(range(len(value["data"]))))
    return [item["embedding"] for item in value["data"]]


def nearness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_a_text_becomes_a_unit_vector_and_texts_that_share_words_are_near(harpoon: Application) -> None:
    answer = await embed(harpoon, ["the lease of a GPU pool", "a lease of the GPU pool", "bananas ripen slowly"])
    one, near, far = vectors(answer)
    assert len(one) == 256
    assert math.isclose(nearness(one, one), 1)
    assert nearness(one, near) > 0.9 > 0.5 > nearness(one, far)
    assert answer.headers["x-harpoon-simulated"] == "1"
    assert answer.headers["x-harpoon-route"].startswith(f"simulator/{MODEL}@")
    assert answer.json()["model"].endswith("-simulated")
    assert vectors(await embed(harpoon, "bananas ripen slowly")) == [far]


async def test_it_is_charged_for_its_input_alone_and_recorded_as_any_session(harpoon: Application) -> None:
    answer = await embed(harpoon, ["word " * 400], covenant={"budget_usd": 1})
    tokens = answer.json()["usage"]["prompt_tokens"]
    record = await harpoon.settled()
    outcome = record["outcome"]
    assert (outcome["input_tokens"], outcome["output_tokens"], outcome["usage"]) == (tokens, 0, "reported")
    assert answer.headers["x-harpoon-policy"] == "priority=balanced; budget_usd=1"
    assert 0 < record["charged_usd_micros"] < tokens
    assert await harpoon.entries("ACTION") == 1


async def test_base64_holds_the_same_numbers(harpoon: Application) -> None:
    (plain,) = vectors(await embed(harpoon))
    packed = (await embed(harpoon, encoding_format="base64", dimensions=256)).json()["data"][0]["embedding"]
    assert list(struct.unpack("<256f", base64.b64decode(packed))) == pytest.approx(plain, abs=1e-7)


async def test_lists_of_tokens_are_passed_on(harpoon: Application) -> None:
    assert len(vectors(await embed(harpoon, [[1, 2, 3], [4]]))) == 2
    assert len(vectors(await embed(harpoon, [1, 2, 3]))) == 1


MALFORMED = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": [""]}, "input"),
    ({"input": [[]]}, "input"),
    ({"input": [1, "two"]}, "input"),
    ({"input": [[-1]]}, "input"),
    ({"input": [[True]]}, "input"),
    ({"input": {"text": "a"}}, "input"),
    ({"input": ["a"] * 2_049}, "input"),
    ({"model": None}, "model"),
    ({"model": "auto"}, "model"),
    ({"model": "simulator/Auto"}, "model"),
    ({"dimensions": 0}, "dimensions"),
    ({"encoding_format": "int8"}, "encoding_format"),
    ({"stream": True}, "stream"),
    ({"user": 7}, "user"),
]


@pytest.mark.parametrize(("fields", "param"), MALFORMED)
async def test_what_is_no_request_is_a_400_that_names_the_member(
    harpoon: Application, fields: dict[str, Any], param: str
) -> None:
    answer = await harpoon.client.post("/embeddings", json={"model": MODEL, "input": "text", **fields})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert await harpoon.rows("SELECT 1 FROM decision") == []


async def test_a_model_that_chats_embeds_nothing_and_the_other_way_round(harpoon: Application) -> None:
    refused = await embed(harpoon, model="llama-3.1-8b-instruct")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "nothing_admissible")
    assert "MODEL_CAPABILITY" in refused.text
    chat = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    refused = await harpoon.client.post("/chat/completions", json=chat)
    assert "MODEL_CAPABILITY" in refused.text
    assert (await embed(harpoon, model="no-such")).status_code == 404


async def test_a_budget_that_is_too_small_refuses_before_anything_is_sent(harpoon: Application) -> None:
    answer = await embed(harpoon, "word " * 1_000, covenant={"budget_usd": 0})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (402, "false")


def answers_embeddings(**members: Any) -> Provider:
    value = {"data": [{"embedding": [0.5, 0.5]}], "model": "m", "usage": {"prompt_tokens": 9, "total_tokens": 9}}
    return says(http_answer(200, json.dumps({**value, **members}).encode()))


async def test_a_provider_gets_its_model_id_and_nothing_of_ours() -> None:
    provider = answers_embeddings()
    async with (
        Server(provider) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon,
    ):
        body = {"model": "text-embedding-3-small", "input": "Grüße", "x": {"kept": 1}, "covenant": {"budget_usd": 1}}
        answer = await harpoon.client.post("/embeddings", json=body)
        assert answer.json()["data"] == [{"embedding": [0.5, 0.5], "object": "embedding", "index": 0}]
        assert provider.calls == [{"model": "text-embedding-3-small", "input": "Grüße", "x": {"kept": 1}}]
        assert (await harpoon.settled())["outcome"]["input_tokens"] == 9


async def test_without_usage_the_planned_input_is_charged() -> None:
    async with (
        Server(answers_embeddings(usage=None)) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon,
    ):
        body = {"model": "text-embedding-3-small", "input": "word " * 40}
        assert (await harpoon.client.post("/embeddings", json=body)).status_code == 200
        outcome = (await harpoon.settled())["outcome"]
        assert (outcome["usage"], outcome["output_tokens"]) == ("counted", 0)
        assert outcome["input_tokens"] == -(-len(json.dumps(body, separators=(",", ":"))) // 4)


@pytest.mark.parametrize("data", [None, [], [{}], ["x"], [{"embedding": None}], [{"embedding": {}}]])
async def test_an_answer_that_is_no_list_of_embeddings_is_malformed(data: Any) -> None:
    async with (
        Server(answers_embeddings(data=data)) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon,
    ):
        body = {"model": "text-embedding-3-small", "input": "text"}
        assert (await harpoon.client.post("/embeddings", json=body)).status_code == 503
        assert causes(await harpoon.settled()) == ["malformed"]


async def test_a_large_answer_is_bounded_by_its_bytes_and_not_by_its_numbers() -> None:
    vectors = [{"embedding": [0] * 1_000_100}]
    async with (
        Server(answers_embeddings(data=vectors)) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon,
    ):
        answer = await harpoon.client.post("/embeddings", json={"model": "text-embedding-3-small", "input": "text"})
        assert answer.status_code == 200, answer.text[:200]
        assert len(answer.json()["data"][0]["embedding"]) == 1_000_100


async def test_a_providers_refusal_is_passed_on_in_its_words() -> None:
    words = b'{"error":{"message":"dimensions are not supported"}}'
    async with (
        Server(refuses(400, words)) as server,
        application(OPENAI_BASE_URL=f"http://127.0.0.1:{server.port}/v1") as harpoon,
    ):
        answer = await harpoon.client.post("/embeddings", json={"model": "text-embedding-3-small", "input": "a"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "provider_rejected")
        assert "dimensions are not supported" in answer.text
        assert (await harpoon.settled())["charged_usd_micros"] == 0
