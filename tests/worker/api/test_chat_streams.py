"""Streams and waits: nothing is kept back, and whoever leaves, stalls or breaks off is noticed and settled."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.contracts.misbehaving_server import reset
from tests.openai_shapes import data_of, error_findings, stream_findings
from tests.worker.api.application_kit import (
    DONE_CHUNK,
    EVENT_STREAM,
    PATIENCE_S,
    USAGE_CHUNK,
    answers_bytes,
    ask,
    causes,
    chunk_bytes,
    framed,
    gone,
    one_provider,
    says,
    served,
    stream_to,
    streams,
    two_providers,
)
from worker.money import usd_text


async def test_the_first_chunk_arrives_before_the_last_is_sent() -> None:
    """The provider waits for the client to have read each chunk: a gateway that keeps one back would stop here."""
    read = asyncio.Queue[str]()

    async def play(writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM)
        for word in ("one", "two", "three"):
            writer.write(chunk_bytes(word))
            assert await read.get() == word
        writer.write(chunk_bytes(None, "stop") + USAGE_CHUNK + DONE_CHUNK)

    async with one_provider(play) as (harpoon, _), served(harpoon.app) as client:
        text = ""
        async with client.stream("POST", "/chat/completions", json=ask(stream=True)) as answer:
            async for line in answer.aiter_lines():
                text += line + "\n"
                if line.startswith("data: {") and (delta := json.loads(line[6:])["choices"][0]["delta"]):
                    read.put_nowait(delta["content"])
        assert stream_findings(text, include_usage=False) == []
        record = await harpoon.settled()
        assert (record["outcome"]["usage"], record["outcome"]["output_tokens"]) == ("reported", 4)


async def read_first_chunk(client: httpx.AsyncClient, **fields: Any) -> httpx.Headers:
    """Ask for a stream, read its first event, and leave."""
    async with client.stream("POST", "/chat/completions", json=ask(stream=True, **fields)) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                break
    return answer.headers


async def test_a_client_that_leaves_midway_pays_for_what_was_made() -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + chunk_bytes("Grüße ") + chunk_bytes("aus") + chunk_bytes(" Köln"))
        await reader.read(-1)  # until the gateway hangs up

    async with one_provider(play) as (harpoon, server), served(harpoon.app) as client:
        headers = await read_first_chunk(client)
        await gone(server)
        record = await harpoon.settled()
        outcome = record["outcome"]
        assert (record["state"], outcome["outcome"], outcome["usage"]) == ("settled", "user_terminated", "counted")
        assert outcome["output_tokens"] == 5  # 17 bytes, four to a token
        assert record["charged_usd_micros"] > 0
        decision = await client.get(f"/decisions/{headers['x-harpoon-decision-id']}")
        assert decision.json()["outcome"]["outcome"] == "user_terminated"
        assert (await client.get("/models")).status_code == 200


async def test_a_client_that_leaves_a_provider_hanging_is_noticed() -> None:
    """Before the first byte nobody can know what was used, so the worst case stands; the provider is hung up on."""
    reached = asyncio.Event()

    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        reached.set()
        await reader.read(-1)

    async with one_provider(play) as (harpoon, server), served(harpoon.app) as client:
        request = asyncio.ensure_future(client.post("/chat/completions", json=ask(stream=True, max_tokens=50)))
        await reached.wait()
        request.cancel()
        await gone(server)
        record = await harpoon.settled()
        assert (record["state"], record["outcome"]["outcome"]) == ("unsettled", "user_terminated")
        assert causes(record) == ["called_off"]
        assert record["charged_usd_micros"] > 0
        assert (await client.get("/models")).status_code == 200


async def test_a_plain_answer_whose_client_left_is_settled_with_its_true_usage() -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def play(writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
        reached.set()
        await go_on.wait()
        await says(answers_bytes()).play(writer, _)

    async with one_provider(play) as (harpoon, _), served(harpoon.app) as client:
        request = asyncio.ensure_future(client.post("/chat/completions", json=ask()))
        await reached.wait()
        request.cancel()
        go_on.set()
        record = await harpoon.settled()
        assert (record["state"], record["outcome"]["usage"]) == ("settled", "counted")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_before_the_first_byte_is_a_504(stream: bool) -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        await reader.read(-1)

    async with one_provider(play, request_us=300_000) as (harpoon, server):
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=stream, max_tokens=5))
        assert answer.status_code == 504
        assert error_findings(answer.json()) == []
        assert answer.headers["x-harpoon-attempts"] == "1"
        await gone(server)
        record = await harpoon.settled()
        assert (record["state"], record["outcome"]["outcome"]) == ("unsettled", "timeout")
        assert record["charged_usd_micros"] > 0


def broken_off(text: str) -> dict[str, Any]:
    """The error a stream ended with; it must be its last event, and no [DONE] follows."""
    data = data_of(text)
    assert "[DONE]" not in data
    assert [one for one in data if '"error"' in one] == data[-1:]
    value: dict[str, Any] = json.loads(data[-1])
    assert error_findings(value) == []
    error: dict[str, Any] = value["error"]
    return error


async def test_a_deadline_within_a_stream_is_an_error_event() -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + chunk_bytes("one") + chunk_bytes("two"))
        await reader.read(-1)

    async with one_provider(play, request_us=1_000_000) as (harpoon, server):
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=True))
        assert answer.status_code == 200
        assert broken_off(answer.text)["code"] == "deadline_exceeded"
        await gone(server)
        record = await harpoon.settled()
        outcome = record["outcome"]
        assert (record["state"], outcome["outcome"], outcome["usage"]) == ("settled", "timeout", "counted")
        assert outcome["output_tokens"] == 2


CUTS = [
    ("reset", b"", True),
    ("closed within the coding", b"", False),
    ("ended without a finish reason", b"0\r\n\r\n", False),
    ("half an event", framed(b'data: {"choices":[{"finish_reason":"stop"'), False),
    ("an error event", framed(b'data: {"error":{"message":"x"}}\n\n'), False),
    ("no JSON", framed(b"data: oops\n\n"), False),
]


@pytest.mark.parametrize(("end", "is_reset"), [cut[1:] for cut in CUTS], ids=[cut[0] for cut in CUTS])
async def test_a_stream_cut_off_upstream_never_looks_complete(end: bytes, is_reset: bool) -> None:
    read = asyncio.Event()

    async def play(writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + chunk_bytes("one"))
        await read.wait()
        writer.write(end)
        if is_reset:
            reset(writer)

    async with one_provider(play) as (harpoon, _), served(harpoon.app) as client:
        text = ""
        async with client.stream("POST", "/chat/completions", json=ask(stream=True)) as answer:
            async for line in answer.aiter_lines():
                text += line + "\n"
                read.set()
        assert broken_off(text)["type"] == "upstream_error"
        record = await harpoon.settled()
        outcome = record["outcome"]
        assert (record["state"], outcome["outcome"], outcome["usage"]) == ("settled", "error", "counted")
        assert outcome["output_tokens"] == 1


async def test_a_stream_cut_off_before_its_first_byte_falls_back() -> None:
    async with two_providers(says(EVENT_STREAM + b"0\r\n\r\n"), streams("Hi"), HARPOON_MAX_FALLBACKS="9") as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=True))
        assert stream_findings(answer.text, include_usage=False) == []
        assert answer.headers["x-harpoon-route"].startswith("openai/")
        # The first attempt may have cost its worst case: what is shown is all that is charged.
        record = await harpoon.settled()
        cost = usd_text(record["charged_usd_micros"])
        assert answer.text.endswith(f": harpoon-cost-usd {cost}\n\ndata: [DONE]\n\n")
        assert record["charged_usd_micros"] > 100


async def test_a_stream_that_opens_with_an_error_falls_back_for_nothing() -> None:
    error = says(EVENT_STREAM + framed(b": wait\n\n") + framed(b'data: {"error":{"message":"overloaded"}}\n\n'))
    async with two_providers(error, streams("Hi"), HARPOON_MAX_FALLBACKS="9") as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=True))
        assert stream_findings(answer.text, include_usage=False) == []
        record = await harpoon.settled()
        assert causes(record)[-2:] == ["status", "ok"]
        assert f": harpoon-cost-usd {usd_text(record['charged_usd_micros'])}\n" in answer.text
        assert 0 < record["charged_usd_micros"] < 10


RUNNING = [
    ({"prompt_tokens": 900, "completion_tokens": 1}, 900, 10),
    ({"prompt_tokens": 1, "completion_tokens": 50}, None, 50),
]


@pytest.mark.parametrize(("usage", "tokens_in", "tokens_out"), RUNNING)
async def test_usage_seen_before_the_end_is_a_lower_bound(
    usage: dict[str, int], tokens_in: int | None, tokens_out: int
) -> None:
    async with one_provider(says(EVENT_STREAM, chunk_bytes("x" * 40, usage=usage)).play) as (harpoon, _):
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=True))
        assert broken_off(answer.text)["type"] == "upstream_error"
        outcome = (await harpoon.settled())["outcome"]
        assert (outcome["usage"], outcome["output_tokens"]) == ("counted", tokens_out)
        assert outcome["input_tokens"] == (tokens_in or -(-len(answer.request.content) // 4))


async def test_what_came_whole_before_a_broken_event_reaches_the_client() -> None:
    event = b'data: {"choices":[{"index":0,"delta":{"content":"paid"},"finish_reason":null}]}\n\n'
    async with one_provider(says(EVENT_STREAM, framed(event * 2 + b"data: oops\n\n")).play) as (harpoon, _):
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=True))
        assert broken_off(answer.text)["code"] == "stream_broken"
        assert answer.text.count("paid") == 2
        assert (await harpoon.settled())["outcome"]["output_tokens"] == 2


async def test_a_client_that_reads_nothing_does_not_outlast_its_deadline() -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + chunk_bytes("one"))
        await reader.read(-1)

    offered: list[bytes] = []

    async def read_nothing(body: bytes) -> None:
        offered.append(body)
        await asyncio.Event().wait()

    async with one_provider(play, request_us=300_000, last_send_us=50_000) as (harpoon, server):
        await asyncio.wait_for(stream_to(harpoon, read_nothing), PATIENCE_S)
        await gone(server)
        record = await harpoon.settled()
        assert (record["state"], record["outcome"]["outcome"]) == ("settled", "timeout")
        assert b"deadline_exceeded" in offered[-1]


async def test_a_stream_that_our_host_calls_off_is_no_departure_of_the_client() -> None:
    async def play(writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(EVENT_STREAM + chunk_bytes("one"))
        await reader.read(-1)

    streaming = asyncio.Event()

    async def read(body: bytes) -> None:
        streaming.set()

    async with one_provider(play) as (harpoon, server):
        request = asyncio.ensure_future(stream_to(harpoon, read))
        await asyncio.wait_for(streaming.wait(), PATIENCE_S)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await gone(server)
        record = await harpoon.settled()
        assert (record["outcome"]["outcome"], record["outcome"]["usage"]) == ("error", "counted")


async def test_many_clients_leaving_at_any_moment_leave_nothing_reserved() -> None:
    """The client hangs up after every possible number of reads; each request is settled once, whatever the moment."""
    words = [chunk_bytes(f"w{number} ") for number in range(8)]
    provider = says(EVENT_STREAM, *words, chunk_bytes(None, "stop"), USAGE_CHUNK, DONE_CHUNK)

    async def leave(client: httpx.AsyncClient, reads: int) -> None:
        async with client.stream("POST", "/chat/completions", json=ask(stream=True)) as answer:
            async for _ in answer.aiter_raw(chunk_size=64):
                reads -= 1
                if reads <= 0:
                    break

    async with one_provider(provider.play) as (harpoon, _):
        async with served(harpoon.app) as client:
            await asyncio.gather(*[leave(client, reads) for reads in range(24)])
            await harpoon.none_open()
        assert await harpoon.entries("SESSION_COMPLETION") == 24
        rows = await harpoon.rows("SELECT state, charged FROM decision")
        assert {state for state, _ in rows} == {"settled"}
        assert await harpoon.money() == (sum(int(str(charged)) for _, charged in rows), 0, 0)
