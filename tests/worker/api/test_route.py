"""POST /v2/route: what admission would decide, number by number, and nothing done; GET /v2/catalogue beside it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway.adapters.host import PySha3Hasher
from tests.worker.api.application_kit import Application, application, ask
from worker.configuration import read_configuration
from worker.routing.identity import hash_of, without_addresses

TERMS = {"time_us", "cost_us", "risk_us", "improbability_us", "tier_penalty_us"}
#: Two providers beside the simulator; nothing is ever sent to them here.
BESIDE = {
    "HARPOON_SIMULATOR": "on",
    "GROQ_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_API_KEY": "sk-a-secret",
}


async def explain(harpoon: Application, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await harpoon.client.post("http://localhost/v2/route", content=content, headers=headers)


async def stored(harpoon: Application) -> list[Any]:
    return [await harpoon.rows(f"SELECT * FROM {table}") for table in ("tenant", "account", "decision", "ledger")]


async def test_every_candidate_with_its_numbers_and_where_they_come_from() -> None:
    async with application(**BESIDE) as harpoon:
        told = (await explain(harpoon, ask())).json()
    assert told["object"] == "route_explanation"
    assert told["refusal"] is None
    assert told["classification"]["complexity"] == "simple"
    assert told["policy"]["budget_usd_micros"] is None
    by_route = {one["route"]: one for one in told["candidates"]}
    assert len(by_route) == len(told["candidates"])
    verdicts = [one["verdict"] for one in told["candidates"]]
    assert (verdicts.count("selected"), verdicts.count("admitted")) == (1, len(told["ranking"]) - 1)
    winner = by_route[told["selected"]]
    assert winner["verdict"] == "selected"
    assert "difference" not in winner
    for route in told["ranking"]:
        one = by_route[route]
        assert set(one["terms"]) == TERMS
        assert sum(one["terms"].values()) == one["total_us"]
        if one is not winner:
            assert one["difference"] == {name: one["terms"][name] - winner["terms"][name] for name in TERMS}
            assert sum(one["difference"].values()) == one["total_us"] - winner["total_us"]
            assert set(one["to_tie"]) == {"ttv_us", "cost_usd_micros"}
    groq = by_route["groq/llama-3.1-8b-instruct@serverless"]
    assert groq["estimate_sources"] == {
        "ttv_us": {"source": "catalogue", "version": "2026-11-20"},
        "cost_usd_micros": {
            "source": "price table",
            "priced_on": "2025-12-01",
            "price_source": "Groq pricing page",
            "pool": "serverless",
        },
        "success_ppm": {
            "source": "classifier and model profile",
            "classifier": told["classification"]["model_version"],
            "failure_factor_ppm": 1_000_000,
        },
        "risk_ppm": {"source": "pool table", "pool": "serverless", "version": "2026-11-20"},
    }
    dear = by_route["simulator/qwen3-30b-a3b@shared-8x"]
    assert (dear["verdict"], dear["terms"], dear["denials"][0]["reason_code"]) == (
        "denied",
        None,
        "RISK_BOUND_EXCEEDED",
    )
    absent = by_route["workers-ai/llama-3.1-8b-instruct@serverless"]
    assert (absent["verdict"], absent["denials"][0]["subject"]) == ("denied", "PROVIDER_CONFIGURED")
    dimensions = [flip["dimension"] for flip in told["flips"]]
    assert dimensions == sorted(dimensions, key=["budget", "deadline", "quality", "priority"].index)
    assert {"dimension", "at", "selected", "instead_of"} == set(told["flips"][0])


@pytest.mark.parametrize(
    "fields",
    [{}, {"covenant": {"budget_usd": 0.001, "deadline_s": 2}}, {"covenant": {"residency": ["US"]}}, {"max_tokens": 7}],
)
async def test_it_is_the_decision_of_the_same_bytes_and_leaves_no_trace(
    harpoon: Application, fields: dict[str, Any]
) -> None:
    await harpoon.client.post("chat/completions", json=ask())
    await harpoon.none_open()
    before = await stored(harpoon)
    body = json.dumps(ask(**fields)).encode()
    told = (await explain(harpoon, body)).json()
    assert await stored(harpoon) == before
    answer = await harpoon.client.post("chat/completions", content=body)
    record = (await harpoon.client.get(f"decisions/{answer.headers['x-harpoon-decision-id']}")).json()
    for member in ("decision_digest", "ranking", "selected"):
        assert told[member] == record[member]
    assert told["policy"] == record["inputs"]["policy"]
    kept = [{name: one[name] for name in record["candidates"][at]} for at, one in enumerate(told["candidates"])]
    assert kept == record["candidates"]


async def test_what_of_a_covenant_is_left_out_is_told(harpoon: Application) -> None:
    answer = await explain(harpoon, {"text": "a", "covenant": "hello"})
    assert answer.headers["x-harpoon-covenant-warnings"] == "the covenant's words set no limit"
    assert "x-harpoon-covenant-warnings" not in (await explain(harpoon, {"text": "a"})).headers


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("mlx/auto", "set NATIVE_API_KEY, or NATIVE_BASE_URL if"),
        ("gpt-4o", "set OPENAI_API_KEY, or OPENAI_BASE_URL if"),
        ("HOSTED_AI/gemma", "set HOSTED_AI_API_KEY, or HOSTED_AI_BASE_URL if"),
        ("Qwen/Qwen-30B", "configure one of hosted-ai, native, or use"),
    ],
)
async def test_a_model_that_nobody_serves_here_says_what_to_set(model: str, how: str) -> None:
    async with application(HARPOON_SIMULATOR="off", GROQ_BASE_URL="http://127.0.0.1:9/v1") as harpoon:
        told = (await explain(harpoon, {"text": "a", "model": model})).json()
    assert f"here: {how}" in told["refusal"]["message"]


async def test_a_covenant_in_a_header_counts_as_in_a_request(harpoon: Application) -> None:
    covenant = {"x-harpoon-covenant": '{"priority": "max_security"}'}
    told = (await explain(harpoon, ask(), **covenant)).json()
    answer = await harpoon.client.post("chat/completions", content=json.dumps(ask()), headers=covenant)
    record = (await harpoon.client.get(f"decisions/{answer.headers['x-harpoon-decision-id']}")).json()
    assert told["decision_digest"] == record["decision_digest"]
    assert told["policy"]["priority"] == "max_security"


async def test_a_refusal_is_an_answer_that_says_what_would_be_enough(harpoon: Application) -> None:
    async def within(micros: int) -> dict[str, Any]:
        answer = await explain(harpoon, ask(), **{"x-harpoon-covenant": f'{{"budget_usd": {micros}e-6}}'})
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        return told

    told = await within(1)
    assert (told["selected"], told["ranking"]) == (None, [])
    assert told["refusal"]["kind"] == "budget"
    assert "no route fits the budget" in told["refusal"]["message"]
    assert told["refusal"]["reasons"][0].startswith("COST_BOUND_EXCEEDED: request")
    flips = [flip for flip in told["flips"] if flip["dimension"] == "budget"]
    assert flips
    assert flips[0]["instead_of"] is None
    for flip in flips:
        assert (await within(flip["at"]))["selected"] == flip["selected"]
        assert (await within(flip["at"] - 1))["selected"] == flip["instead_of"]


async def test_text_is_a_message_to_auto(harpoon: Application) -> None:
    by_text = (await explain(harpoon, b'{"text":"What is a vGPU?"}')).json()
    messages = b'{"messages":[{"role": "user", "content": "What is a vGPU?"}],"model":"auto"}'
    assert by_text == (await explain(harpoon, messages)).json()
    named = (await explain(harpoon, {"text": "Hi", "model": "simulator/qwen3-30b-a3b", "max_tokens": 9})).json()
    assert {one["route"].split("@")[0] for one in named["candidates"]} == {"simulator/qwen3-30b-a3b"}
    assert {one["output_limit_tokens"] for one in named["candidates"]} == {9}


async def test_what_was_observed_is_named(harpoon: Application) -> None:
    await harpoon.client.post("chat/completions", json=ask())
    await harpoon.none_open()
    told = (await explain(harpoon, ask())).json()
    sources = [one["estimate_sources"]["ttv_us"] for one in told["candidates"] if "estimate_sources" in one]
    observed = [source for source in sources if source["source"] == "observed"]
    assert [source["samples"] for source in observed] == [1]
    assert observed[0]["ratio_ppm"] > 0


BAD: list[tuple[bytes, int, str | None]] = [
    (b"", 400, None),
    (b"[]", 400, None),
    (b"{}", 400, "messages"),
    (b'{"text": 5}', 400, "text"),
    (b'{"text": "a", "messages": []}', 400, "text"),
    (b'{"text": "a", "model": 5}', 400, "model"),
    (b'{"text": "a", "model": "gpt-9"}', 404, "model"),
    (b'{"text": "a", "max_tokens": 0}', 400, "max_tokens"),
    (b'{"text": "a", "covenant": {"budget_usd": -1}}', 422, "covenant.budget_usd"),
    (b'{"text": "a", "covenant_id": "cov-00000000"}', 404, "covenant_id"),
]


@pytest.mark.parametrize(("body", "status", "param"), BAD)
async def test_what_can_not_be_explained(harpoon: Application, body: bytes, status: int, param: str | None) -> None:
    answer = await explain(harpoon, body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert await harpoon.rows("SELECT * FROM ledger") == []


async def test_a_token_is_needed_where_there_are_tokens() -> None:
    async with application(HARPOON_TOKENS="hk_acme_secret") as harpoon:
        assert (await explain(harpoon, ask())).status_code == 401
        assert (await harpoon.client.get("http://localhost/v2/catalogue")).status_code == 401
        known = {"authorization": "Bearer hk_acme_secret"}
        assert (await explain(harpoon, ask(), **known)).status_code == 200
        assert (await harpoon.client.get("http://localhost/v2/catalogue", headers=known)).status_code == 200


async def test_the_catalogue_in_force_and_nothing_secret() -> None:
    async with application(**BESIDE) as harpoon:
        answer = await harpoon.client.get("http://localhost/v2/catalogue")
        told = answer.json()
        explained = await harpoon.client.post("chat/completions", json=ask())
        record = (await harpoon.client.get(f"decisions/{explained.headers['x-harpoon-decision-id']}")).json()
    assert told["configured"] == ["groq", "openai", "simulator"]
    assert told["catalogue_hash"] == record["inputs"]["catalogue"]
    canonical = dict(read_configuration({"HARPOON_OPEN": "1", **BESIDE}).catalogue.canonical)
    hasher = PySha3Hasher()
    await hasher.load()
    assert told["catalogue_hash"] == hash_of(canonical, hasher.sha3_256)
    assert told["catalogue"] == without_addresses(canonical)
    assert "sk-a-secret" not in answer.text
    assert "http" not in answer.text
    assert [one["id"] for one in told["catalogue"]["providers"]] == [one["id"] for one in canonical["providers"]]
