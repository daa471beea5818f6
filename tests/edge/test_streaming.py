"""Streams through the whole application in the real Worker, hand in hand with the provider.

The provider sends a piece only after the client has received the one before, so whatever would hold a piece back makes
these tests stop, not slow. No test measures time; the waits only bound a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import HEAD, HeldConnection, held_upstream
from tests.edge.hosts import (
    FAILURE_BOUND_S,
    PAID_MODEL,
    PAID_ROUTE,
    audit,
    chunk_event,
    client_of,
    read_settled,
    usage_event,
)
from tests.openai_shapes import data_of, stream_findings


@dataclass
class Conversation:
    """A stream that has begun: the client's end with what it received at first, and the provider's."""

    client: httpx.AsyncClient
    answer: httpx.Response
    arriving: AsyncIterator[bytes]
    first: bytes
    upstream: HeldConnection

    async def pass_on(self, event: bytes, said: str) -> bytes:
        """Send one event; return what the client receives, once it holds what was said."""
        await self.upstream.send_chunk(event)
        received = b""
        async with asyncio.timeout(FAILURE_BOUND_S):
            while said.encode() not in received:
                received += await anext(self.arriving)
        return received

    async def rest(self) -> str:
        async with asyncio.timeout(FAILURE_BOUND_S):
            return b"".join([piece async for piece in self.arriving]).decode()

    async def record(self) -> dict[str, Any]:
        return await read_settled(self.client, self.answer.headers["x-harpoon-decision-id"])


@contextlib.asynccontextmanager
async def conversation(worker: EdgeWorker, port: int, **fields: Any) -> AsyncIterator[Conversation]:
    body = {"model": PAID_MODEL, "messages": [{"role": "user", "content": "Count."}], "stream": True, **fields}
    async with held_upstream(port) as upstream, client_of(worker.url, "stream") as client:
        request = client.build_request("POST", "/v1/chat/completions", json=body)
        sending = asyncio.create_task(client.send(request, stream=True))
        async with asyncio.timeout(FAILURE_BOUND_S):
            held = await upstream.accept()
            await held.send(HEAD)
            await held.send_chunk(chunk_event("piece 0;"))
            answer = await sending
        assert answer.status_code == 200
        arriving = answer.aiter_raw()
        async with asyncio.timeout(FAILURE_BOUND_S):
            first = await anext(arriving)
        assert b"piece 0;" in first
        try:
            yield Conversation(client, answer, arriving, first, held)
        finally:
            await answer.aclose()


async def test_every_piece_arrives_before_the_next_is_sent(audited_worker: EdgeWorker, upstream_port: int) -> None:
    async with conversation(audited_worker, upstream_port, stream_options={"include_usage": True}) as talk:
        seen = talk.first.decode()
        for number in range(1, 30):
            received = (await talk.pass_on(chunk_event(f"piece {number};"), f"piece {number};")).decode()
            assert len(data_of(received)) == 1
            seen += received
        seen += (await talk.pass_on(chunk_event(None, "stop"), '"stop"')).decode()
        await talk.upstream.send_chunk(usage_event(30, 20))
        await talk.upstream.send_chunk(b"data: [DONE]\n\n")
        await talk.upstream.send_chunk(b"")
        seen += await talk.rest()
        record = await talk.record()
    assert stream_findings(seen, include_usage=True) == []
    assert (record["state"], record["outcome"]["outcome"], record["outcome"]["usage"]) == (
        "settled",
        "success",
        "reported",
    )
    assert (record["cost_usd_micros"], record["selected"]) == (17, PAID_ROUTE)
    assert f": harpoon-cost-usd {record['cost_usd']}\n\ndata: [DONE]" in seen


async def test_a_client_that_leaves_ends_the_upstream_and_pays_what_was_counted(
    audited_worker: EdgeWorker, upstream_port: int
) -> None:
    async with conversation(audited_worker, upstream_port) as talk:
        for number in range(1, 6):
            await talk.pass_on(chunk_event(f"piece {number};"), f"piece {number};")
        await talk.answer.aclose()

        async def keep_sending() -> None:
            while True:
                await talk.upstream.send_chunk(chunk_event("unheard;"))
                await asyncio.sleep(0.02)

        more = asyncio.create_task(keep_sending())
        async with asyncio.timeout(FAILURE_BOUND_S):
            await talk.upstream.wait_closed_by_peer()
        more.cancel()
        await asyncio.wait({more})
        record = await talk.record()
    assert (record["state"], record["outcome"]["outcome"], record["outcome"]["usage"]) == (
        "settled",
        "user_terminated",
        "counted",
    )
    assert record["outcome"]["output_tokens"] >= 6
    assert record["outcome"]["input_tokens"] > 0
    assert record["cost_usd_micros"] > 0


@pytest.mark.parametrize("how", ["reset", "ended", "error event", "not JSON"])
async def test_a_stream_that_breaks_says_so_and_never_looks_complete(
    audited_worker: EdgeWorker, upstream_port: int, how: str
) -> None:
    async with conversation(audited_worker, upstream_port) as talk:
        await talk.pass_on(chunk_event("piece 1;"), "piece 1;")
        if how == "reset":
            talk.upstream.reset()
        elif how == "ended":
            await talk.upstream.send_chunk(b"")
        elif how == "error event":
            await talk.upstream.send_chunk(b'data: {"error": {"message": "out of memory"}}\n\n')
        else:
            await talk.upstream.send_chunk(b"data: {half\n\n")
        rest = await talk.rest()
        record = await talk.record()
    events = data_of(rest)
    assert "[DONE]" not in rest
    error = json.loads(events[-1])["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["type"] == "upstream_error"
    assert (record["state"], record["outcome"]["outcome"], record["outcome"]["usage"]) == (
        "settled",
        "error",
        "counted",
    )
    assert record["outcome"]["output_tokens"] >= 2


async def test_nothing_of_all_this_is_held_in_the_end(audited_worker: EdgeWorker) -> None:
    report = await audit(audited_worker.url, "stream")
    (account,) = report["accounts"]
    assert account[0:2] == ["tenant", None]
    assert account[3] == 0
    assert set(report["states"]) == {"settled"}
