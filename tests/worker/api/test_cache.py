"""The answer cache over HTTP: who is served from it, who never is, and that the books know."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.contracts.misbehaving_server import Server
from tests.openai_shapes import answer_findings, stream_findings
from tests.worker.api.application_kit import (
    DONE_CHUNK,
    EVENT_STREAM,
    USAGE_CHUNK,
    Application,
    Provider,
    answers,
    application,
    ask,
    chunk_bytes,
    http_answer,
    refuses,
    says,
    served,
    streams,
    two_providers,
)

STATUS = "cf-aig-cache-status"
ON = {"HARPOON_CACHE": "on"}


async def post(harpoon: Application, *, path: str = "chat/completions", **given: Any) -> httpx.Response:
    """A chat request; `headers` are the request's, the rest its body's members."""
    headers = given.pop("headers", {})
    return await harpoon.client.post(f"/{path}", json=ask(**given), headers=headers)


def never() -> Provider:
    """A provider that must not be asked."""
    return refuses(500)


async def outcome(harpoon: Application, answer: httpx.Response) -> dict[str, Any]:
    """How a request ended, as its decision tells, once it is settled."""
    await harpoon.none_open()
    found = (await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")).json()
    return {**found["outcome"], "cost": found["cost_usd_micros"], "state": found["state"]}


async def test_the_same_question_is_answered_once() -> None:
    provider = answers("A share of a GPU.")
    async with two_providers(provider, never(), **ON) as harpoon:
        first, second = await post(harpoon), await post(harpoon)
        assert len(provider.calls) == 1
        assert (first.headers[STATUS], second.headers[STATUS]) == ("MISS", "HIT")
        assert second.content == first.content
        assert answer_findings(second.json()) == []
        assert second.headers["x-request-id"] != first.headers["x-request-id"]
        assert second.headers["x-harpoon-decision-id"] != first.headers["x-harpoon-decision-id"]
        assert second.headers["x-harpoon-route"] == first.headers["x-harpoon-route"]
        assert (second.headers["x-harpoon-attempts"], second.headers["x-harpoon-cost-usd"]) == ("0", "0")


async def test_the_books_say_that_it_was_cached_and_cost_nothing() -> None:
    async with two_providers(answers(), never(), **ON) as harpoon:
        first = await outcome(harpoon, await post(harpoon))
        spent = await harpoon.money()
        second = await outcome(harpoon, await post(harpoon))
        assert "cached" not in first
        assert (second["cached"], second["cost"], second["state"]) == (True, 0, "settled")
        assert (second["outcome"], second["usage"], second["attempts"]) == ("success", "none", [])
        assert (second["input_tokens"], second["output_tokens"], second["route"]) == (0, 0, first["route"])
        assert await harpoon.money() == spent
        assert await harpoon.entries("SESSION_COMPLETION") == 2
        events = [json.loads(str(row[0])) for row in await harpoon.rows("SELECT event FROM outbox ORDER BY id")]
        assert [event["metadata"].get("cached") for event in events] == [None, True]


async def test_an_answer_lies_in_memory_and_in_no_table() -> None:
    words = "Nobody writes this down."
    async with two_providers(answers(words), never(), **ON) as harpoon:
        assert words in (await post(harpoon)).text
        assert words in (await post(harpoon)).text
        await harpoon.none_open()
        tables = [row[0] for row in await harpoon.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        assert len(tables) > 5
        for table in tables:
            assert words not in str(await harpoon.rows(f"SELECT * FROM {table}")), table


async def test_nothing_is_kept_unless_the_operator_says_so(harpoon: Application) -> None:
    for _ in range(2):
        answer = await post(harpoon, headers={"cf-aig-cache-ttl": "3600", "cf-aig-cache-key": "k"})
        assert STATUS not in answer.headers
        assert answer.headers["x-harpoon-attempts"] == "1"


async def test_a_request_asks_for_it_where_the_operator_lets_it() -> None:
    provider = answers()
    async with two_providers(provider, never(), HARPOON_CACHE="ask") as harpoon:
        told = [(await post(harpoon)).headers.get(STATUS) for _ in range(2)]
        wish = {"cf-aig-cache-ttl": "60"}
        told += [(await post(harpoon, headers=wish)).headers.get(STATUS) for _ in range(2)]
        assert told == [None, None, "MISS", "HIT"]
        assert len(provider.calls) == 3


async def test_a_stream_is_sent_again_as_a_stream() -> None:
    provider = streams("A ", "share.")
    async with two_providers(provider, never(), **ON) as harpoon, served(harpoon.app) as client:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        first = await client.post("/chat/completions", json=ask(**options))
        again = await client.post("/chat/completions", json=ask(**options))
        assert (first.headers[STATUS], again.headers[STATUS]) == ("MISS", "HIT")
        assert again.headers["content-type"] == first.headers["content-type"]
        assert stream_findings(again.text, include_usage=True) == []
        assert events_of(again.text) == events_of(first.text)
        assert "\n: harpoon-cost-usd 0\n\ndata: [DONE]\n\n" in again.text
        assert "\n: harpoon-cost-usd 0\n" not in first.text
        assert again.headers["x-harpoon-cost-estimate-usd"] == "0"
        assert (await outcome(harpoon, again))["cached"] is True
        # Another form of the answer is another answer.
        assert (await client.post("/chat/completions", json=ask(stream=True))).headers[STATUS] == "MISS"
        assert len(provider.calls) == 2


def events_of(text: str) -> list[str]:
    return [event for event in text.split("\n\n") if not event.startswith(":")]


async def test_calls_of_tools_are_an_answer_like_any_other() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]},
        "logprobs": None,
        "finish_reason": "tool_calls",
    }
    value = {"id": "c1", "object": "chat.completion", "created": 7, "model": "m", "choices": [choice]}
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    async with two_providers(says(http_answer(200, json.dumps(value).encode())), never(), **ON) as harpoon:
        assert (await post(harpoon, tools=tools)).headers[STATUS] == "MISS"
        again = await post(harpoon, tools=tools)
        assert again.headers[STATUS] == "HIT"
        assert again.json()["choices"][0]["message"]["tool_calls"] == [call]


@pytest.mark.parametrize(
    "covenant",
    [
        {"requirements": ["no_logging"]},
        {"priority": "max_security"},
        {"residency": ["DE"]},
        {"residency_exclude": ["US"]},
    ],
)
async def test_a_policy_that_wants_no_copy_gets_none(covenant: dict[str, Any]) -> None:
    async with application(**ON) as harpoon:
        model = "llama-3.1-8b-instruct"
        kept = await post(harpoon, model=model)
        told = [await post(harpoon, model=model, covenant=covenant) for _ in range(2)]
        assert kept.headers[STATUS] == "MISS"
        for answer in told:
            assert (answer.status_code in (200, 403), STATUS in answer.headers) == (True, False), answer.text
        assert (await post(harpoon, model=model)).headers[STATUS] == "HIT", "what others kept is still there"


async def test_a_stored_covenant_is_obeyed_as_well() -> None:
    async with application(**ON) as harpoon:
        made = await harpoon.client.post(
            "http://localhost/v2/covenant", json={"covenant": {"priority": "max_security"}, "description": "x"}
        )
        named = made.json()["covenant_id"]
        for _ in range(2):
            answer = await post(harpoon, covenant_id=named)
            assert "priority=max_security" in answer.headers["x-harpoon-policy"]
            assert (answer.status_code, STATUS in answer.headers) == (200, False)


async def test_a_prompt_that_leaves_redacted_is_answered_anew() -> None:
    provider = answers("Written to [EMAIL_1].")
    async with two_providers(provider, never(), HARPOON_REDACT="always", **ON) as harpoon:
        secret = {"role": "user", "content": "Write to jane.doe@example.com."}
        for _ in range(2):
            answer = await post(harpoon, messages=[secret])
            assert STATUS not in answer.headers
            assert "jane.doe@example.com" in answer.text
        assert len(provider.calls) == 2
        assert (await post(harpoon)).headers[STATUS] == "MISS"
        assert (await post(harpoon)).headers[STATUS] == "HIT", "nothing was replaced in this one"


def plain(finish: str | None, **members: Any) -> Provider:
    """A provider whose answer ends like this; None = it doesn't say."""
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": "A"}, **members}
    if finish is not None:
        choice["finish_reason"] = finish
    return says(http_answer(200, json.dumps({"choices": [choice]}).encode()))


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        (plain("length"), {}),
        (plain("content_filter"), {}),
        (plain(None), {}),
        (says(EVENT_STREAM, chunk_bytes("A"), chunk_bytes(None, "length"), USAGE_CHUNK, DONE_CHUNK), {"stream": True}),
        (says(EVENT_STREAM, chunk_bytes("A"), USAGE_CHUNK, DONE_CHUNK), {"stream": True}),
        (says(EVENT_STREAM, chunk_bytes("A")), {"stream": True}),
        (refuses(400, b'{"error":{"message":"no"}}'), {}),
    ],
)
async def test_an_answer_that_is_not_whole_is_not_kept(provider: Provider, fields: dict[str, Any]) -> None:
    async with two_providers(provider, provider, **ON) as harpoon, served(harpoon.app) as client:
        for _ in range(2):
            answer = await client.post("/chat/completions", json=ask(**fields))
            assert answer.headers[STATUS] == "MISS"
            await harpoon.none_open()
        assert len(provider.calls) >= 2


async def test_an_answer_without_what_openai_requires_is_kept_as_it_was_mended() -> None:
    provider = plain("stop")
    async with two_providers(provider, never(), **ON) as harpoon:
        first, again = await post(harpoon), await post(harpoon)
        assert again.headers[STATUS] == "HIT"
        assert again.content == first.content
        assert answer_findings({**again.json(), "usage": None}) == answer_findings({**first.json(), "usage": None})


async def test_a_large_answer_is_not_kept() -> None:
    settings = {**ON, "HARPOON_CACHE_MAX_ENTRY_BYTES": "1000"}
    for provider, fields in ((answers("x" * 1_000), {}), (streams("x" * 600, "y" * 600), {"stream": True})):
        async with two_providers(provider, never(), **settings) as harpoon:
            for _ in range(2):
                answer = await post(harpoon, **fields)
                assert (answer.status_code, answer.headers[STATUS]) == (200, "MISS")


async def test_skip_cache_neither_reads_nor_writes() -> None:
    provider = answers()
    async with two_providers(provider, never(), **ON) as harpoon:
        skip = {"cf-aig-skip-cache": "true"}
        told = [await post(harpoon, headers=skip), await post(harpoon), await post(harpoon, headers=skip)]
        assert [answer.headers.get(STATUS) for answer in told] == [None, "MISS", None]
        assert len(provider.calls) == 3


async def test_a_key_of_its_own_makes_other_words_the_same_question() -> None:
    provider = answers()
    async with two_providers(provider, never(), **ON) as harpoon:
        own = {"cf-aig-cache-key": "greeting"}
        other = [{"role": "user", "content": "Anything else?"}]
        told = [await post(harpoon, headers=own), await post(harpoon, headers=own, messages=other)]
        assert [answer.headers[STATUS] for answer in told] == ["MISS", "HIT"]
        assert (await post(harpoon)).headers[STATUS] == "MISS", "without the key the body counts"


@pytest.mark.parametrize("value", ["59", "2678401", "soon", ""])
async def test_a_time_that_nobody_can_keep_is_refused(value: str) -> None:
    async with application(**ON) as harpoon:
        answer = await post(harpoon, headers={"cf-aig-cache-ttl": value})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "cf-aig-cache-ttl")


async def test_tenants_share_nothing() -> None:
    tokens = {name: f"hk_{name}_0123456789abcdef" for name in ("acme", "other")}
    provider = answers()
    async with two_providers(provider, never(), HARPOON_TOKENS=",".join(tokens.values()), **ON) as harpoon:
        own_key = {"cf-aig-cache-key": "shared"}
        for token in tokens.values():
            for headers in ({}, own_key):
                answer = await post(harpoon, headers={"authorization": f"Bearer {token}", **headers})
                assert answer.headers[STATUS] == "MISS"
        assert len(provider.calls) == 4


async def test_a_kept_answer_is_refused_like_any_other_once_the_money_is_gone() -> None:
    """The cache is looked into after admission, so a budget, a limit or a policy that refuses is not got round."""
    provider = answers()
    async with two_providers(provider, never(), HARPOON_LIMIT_REQUESTS_PER_MINUTE="3", **ON) as harpoon:
        assert (await post(harpoon, max_tokens=10)).headers[STATUS] == "MISS"
        assert (await post(harpoon, max_tokens=10)).headers[STATUS] == "HIT"
        broke = await post(harpoon, max_tokens=10, covenant={"budget_usd": 0})
        assert (broke.status_code, STATUS in broke.headers) == (402, False)
        limited = await post(harpoon, max_tokens=10)
        assert (limited.status_code, STATUS in limited.headers) == (429, False)


async def test_an_answer_of_a_route_that_this_decision_forbids_is_not_served() -> None:
    """Two servers of one model and a key that makes both questions one: who must stay local gets the local answer."""
    away, local, own_key = answers("From afar."), answers("From here."), {"cf-aig-cache-key": "k"}
    async with Server(local) as here:
        settings = {"NATIVE_BASE_URL": f"http://127.0.0.1:{here.port}/v1", "NATIVE_ATTESTS": "local_only"}
        async with two_providers(away, never(), **settings, **ON) as harpoon:
            first = await post(harpoon, model="hosted-ai/qwen3-30b-a3b", headers=own_key)
            asked = {"model": "qwen3-30b-a3b", "headers": own_key, "covenant": {"requirements": ["local_only"]}}
            second, third = await post(harpoon, **asked), await post(harpoon, **asked)
            assert [answer.headers[STATUS] for answer in (first, second, third)] == ["MISS", "MISS", "HIT"]
            assert (len(away.calls), len(local.calls)) == (1, 1)
            assert third.headers["x-harpoon-route"].startswith("native/")
            assert "From here." in third.text


async def test_embeddings_and_responses_are_kept_under_keys_of_their_own() -> None:
    async with application(**ON) as harpoon:
        vectors = {"model": "hashed-words-256", "input": "the lease of a GPU pool"}
        told = [await harpoon.client.post("/embeddings", json=vectors) for _ in range(2)]
        assert [answer.headers[STATUS] for answer in told] == ["MISS", "HIT"]
        assert told[0].json() == told[1].json()
        for fields in ({}, {"stream": True}):
            asked = {"model": "auto", "input": "What is a vGPU?", **fields}
            told = [await harpoon.client.post("/responses", json=asked) for _ in range(2)]
            assert [answer.headers[STATUS] for answer in told] == ["MISS", "HIT"]
            assert events_of(told[0].text) == events_of(told[1].text)


async def test_other_surfaces_are_served_from_it_too() -> None:
    async with application(**ON) as harpoon:
        told = [await harpoon.client.post("http://localhost/run", json={"text": "What is a vGPU?"}) for _ in range(2)]
        assert [answer.status_code for answer in told] == [200, 200], told[0].text
        assert [answer.headers[STATUS] for answer in told] == ["MISS", "HIT"]


async def test_what_the_cache_did_is_counted() -> None:
    async with application(**ON) as harpoon:
        for headers in ({}, {}, {"cf-aig-skip-cache": "true"}):
            await post(harpoon, headers=headers)
        page = (await harpoon.client.get("http://localhost/metrics")).text
        for result in ("hit", "miss", "bypass"):
            assert f'harpoon_cache_lookups_total{{result="{result}",process="0"}} 1' in page
