"""Usage that is lost: a client disconnects, a row is dropped, the usage chunk is missing (regression list, 2)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.openai_shapes import data_of, stream_findings
from tests.worker.api.application_kit import (
    DONE_CHUNK,
    EVENT_STREAM,
    USAGE,
    USAGE_CHUNK,
    Application,
    Provider,
    answers,
    ask,
    chunk_bytes,
    http_answer,
    one_provider,
    read_call,
    served,
    streams,
    two_providers,
)
from tests.worker.decision_kit import NOW_US, SECOND_US, WORST_ALPHA, config, facts, settlement, world
from worker.errors import StateError

CLIENTS = 16
#: 17 bytes in UTF-8, four to a token.
WORDS, WORDS_TOKENS = ("Grüße ", "aus", " Köln"), 5


async def events(harpoon: Application) -> list[dict[str, Any]]:
    """What billing, analytics and audit will be told, oldest first."""
    return [json.loads(str(event)) for (event,) in await harpoon.rows("SELECT event FROM outbox ORDER BY id")]


async def leave_within(client: httpx.AsyncClient) -> None:
    """Ask for a stream, read its first event, and leave."""
    async with client.stream("POST", "/chat/completions", json=ask(stream=True)) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                return


async def test_a_client_that_disconnects_mid_stream_is_recorded_and_charged() -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + b"".join(map(chunk_bytes, WORDS)))
        await reader.read(-1)  # until the gateway hangs up

    async with one_provider(play, HARPOON_BUDGET_USD="1") as (harpoon, _), served(harpoon.app) as client:
        await asyncio.gather(*(leave_within(client) for _ in range(CLIENTS)))
        await harpoon.none_open()
        rows = await harpoon.rows("SELECT state, charged FROM decision")
        money = await harpoon.money()
        told = await events(harpoon)
        completions = await harpoon.entries("SESSION_COMPLETION")
    assert [state for state, _ in rows] == ["settled"] * CLIENTS
    charged = [int(str(amount)) for _, amount in rows]
    assert min(charged) > 0
    assert money == (sum(charged), 0, 0)
    assert (completions, len(told)) == (CLIENTS, CLIENTS)
    async with one_provider(play) as (harpoon, _), served(harpoon.app) as client:
        await leave_within(client)
        outcome = (await harpoon.settled())["outcome"]
    assert (outcome["outcome"], outcome["usage"]) == ("user_terminated", "counted")
    assert outcome["output_tokens"] == WORDS_TOKENS
    assert outcome["input_tokens"] > 0


#: What becomes of a request, by the words of its question: the provider does it, or the covenant forbids it.
ENDS = ("answer", "stream", "fail", "break", "silent", "no-money", "nowhere")


async def any_end(writer: asyncio.StreamWriter, words: str) -> None:
    if words == "answer":
        message = {"role": "assistant", "content": "hi", "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        writer.write(http_answer(200, json.dumps({"choices": [choice], "usage": USAGE}).encode()))
    elif words == "stream":
        writer.write(EVENT_STREAM + chunk_bytes("hi") + chunk_bytes(None, "stop") + USAGE_CHUNK + DONE_CHUNK)
    elif words == "fail":
        writer.write(http_answer(500, b"{}"))
    elif words == "break":
        writer.write(EVENT_STREAM + chunk_bytes("hi"))
    await writer.drain()


class AnyEnd(Provider):
    """It ends each call as the question wants it to; "silent" hangs up after reading."""

    def __init__(self) -> None:
        super().__init__(self._nothing)

    async def _nothing(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        raise NotImplementedError

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = await read_call(reader)
        await any_end(writer, call["messages"][-1]["content"])


def body_for(end: str) -> dict[str, Any]:
    covenants = {"no-money": {"budget_usd": 0}, "nowhere": {"residency": ["JP"]}}
    covenant = {"covenant": covenants[end]} if end in covenants else {}
    question = [{"role": "user", "content": end}]
    return {"model": "auto", "messages": question, "stream": end in ("stream", "break"), "max_tokens": 20, **covenant}


async def test_no_row_is_dropped_however_a_request_ends() -> None:
    """Every decision that a client was told of is in the books and closed, and each that was let in is an event."""
    bodies = [body_for(end) for end in ENDS * 10]
    settings = {"HARPOON_MAX_RETRIES": "0", "HARPOON_MAX_FALLBACKS": "0", "HARPOON_ESTIMATES": "catalogue"}
    async with two_providers(AnyEnd(), answers(), **settings) as harpoon, served(harpoon.app) as client:
        told = await asyncio.gather(*(client.post("/chat/completions", json=body) for body in bodies))
        await harpoon.none_open()
        rows = await harpoon.rows("SELECT decision_id, state, charged FROM decision")
        counts = [await harpoon.entries(kind) for kind in ("DENY", "SESSION_COMPLETION")]
        sessions = await harpoon.rows("SELECT COUNT(*) FROM outbox")
        money = await harpoon.money()
        listed = await client.get("/decisions", params={"limit": "200"})
    assert {answer.headers["x-harpoon-decision-id"] for answer in told} == {str(row[0]) for row in rows}
    assert len(rows) == len(bodies) == len(listed.json()["data"])
    denied = [row for row in rows if row[1] == "denied"]
    assert len(denied) == 2 * 10
    assert counts == [len(denied), len(rows) - len(denied)]
    assert sessions == [(len(rows) - len(denied),)]
    assert money == (sum(int(str(row[2])) for row in rows), 0, 0)
    assert {answer.status_code for answer in told} == {200, 402, 403, 503}


async def test_a_row_whose_writing_failed_is_made_good() -> None:
    """What can't be settled now is not forgotten: it stays reserved, and is charged at its worst case later."""
    async with world(config(default_cap=1_000)) as state:
        await state.mediator.admit(facts())
        state.books.refuse = True
        with pytest.raises(StateError):
            await state.mediator.settle(settlement())
        state.books.refuse = False
        assert await state.account() == (1_000, 0, WORST_ALPHA, 0)
        assert await state.mediator.sweep(NOW_US + 3_600 * SECOND_US) == 1
        assert await state.account() == (1_000, WORST_ALPHA, 0, 0)
        assert (await state.decision())["state"] == "unsettled"
        assert len(await state.events()) == 1


async def test_a_stream_whose_usage_chunk_is_missing_is_counted() -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + b"".join(map(chunk_bytes, WORDS)) + chunk_bytes(None, "stop") + DONE_CHUNK)

    async with one_provider(play) as (harpoon, _):
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=True))
        record = await harpoon.settled()
    assert stream_findings(answer.text, include_usage=False) == []
    outcome = record["outcome"]
    assert (outcome["usage"], outcome["output_tokens"]) == ("counted", WORDS_TOKENS)
    assert outcome["input_tokens"] == -(-len(answer.request.content) // 4)
    assert record["charged_usd_micros"] > 0


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": 9}, "9", [9, 4]])
async def test_a_plain_answer_whose_usage_is_missing_is_counted(usage: Any) -> None:
    async with one_provider(answers("x" * 40, usage=usage).play) as (harpoon, _):
        answer = await harpoon.client.post("/chat/completions", json=ask())
        record = await harpoon.settled()
    assert answer.status_code == 200
    assert (record["outcome"]["usage"], record["outcome"]["output_tokens"]) == ("counted", 10)
    assert record["charged_usd_micros"] > 0


@pytest.mark.parametrize("asked", [False, True])
async def test_usage_is_asked_for_and_charged_whether_or_not_the_client_wants_its_chunk(asked: bool) -> None:
    """Nobody's usage depends on what his client knows of `stream_options`."""
    provider = streams(*WORDS)
    options = {"stream_options": {"include_usage": True}} if asked else {}
    async with two_providers(provider, answers()) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=True, **options))
        outcome = (await harpoon.settled())["outcome"]
    assert provider.calls[0]["stream_options"] == {"include_usage": True}
    assert outcome["usage"] == "reported"
    assert (outcome["input_tokens"], outcome["output_tokens"]) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    assert stream_findings(answer.text, include_usage=asked) == []
    shown = [chunk["usage"] for chunk in map(json.loads, data_of(answer.text)[:-1]) if chunk.get("usage")]
    assert shown == ([USAGE] if asked else [])
