"""In the real Worker: a trace from its caller to its provider and its record, and a line of JSON on the console."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import HEAD, held_upstream
from tests.edge.hosts import (
    FAILURE_BOUND_S,
    PAID_MODEL,
    chunk_event,
    client_of,
    held_settings,
    read_settled,
    usage_event,
)
from worker.trace_context import parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=state"}


@pytest.fixture(scope="module")
def logging_worker(upstream_port: int) -> Iterator[EdgeWorker]:
    """The product's Worker with a line for each request."""
    variables = {**held_settings(f"http://127.0.0.1:{upstream_port}/v1"), "HARPOON_LOG_REQUESTS": "on"}
    with EdgeWorker(label="logging", variables=variables) as worker:
        yield worker


def lines_of(worker: EdgeWorker) -> list[dict[str, Any]]:
    """The JSON lines on the console; wrangler may have written something in front of one."""
    return [
        json.loads(line[line.index("{") :]) for line in worker.read_log().splitlines() if '"event":"request"' in line
    ]


async def test_a_trace_goes_through_the_worker_and_its_log(logging_worker: EdgeWorker, upstream_port: int) -> None:
    body = {
        "model": PAID_MODEL,
        "messages": [{"role": "user", "content": "canary-in-the-prompt"}],
        "stream": True,
    }
    async with held_upstream(upstream_port) as upstream, client_of(logging_worker.url, "stream") as client:
        request = client.build_request("POST", "/v1/chat/completions", json=body, headers=CALLER)
        sending = asyncio.create_task(client.send(request, stream=True))
        async with asyncio.timeout(FAILURE_BOUND_S):
            held = await upstream.accept()
            await held.send(HEAD)
            await held.send_chunk(chunk_event("canary-in-the-answer") + chunk_event(None, "stop"))
            await held.send_chunk(usage_event(9, 5) + b"data: [DONE]\n\n")
            await held.send_chunk(b"")
            answer = await sending
            await answer.aread()
        sent = dict(line.split(": ", 1) for line in held.request.decode().lower().split("\r\n") if ": " in line)
        told, forwarded = (parse_traceparent(headers["traceparent"]) for headers in (answer.headers, sent))
        assert told is not None
        assert forwarded is not None
        assert told.trace_id == forwarded.trace_id == TRACE
        assert len({SPAN, told.span_id, forwarded.span_id}) == 3
        assert sent["tracestate"] == "vendor=state"
        record = await read_settled(client, answer.headers["x-harpoon-decision-id"])
        assert record["outcome"]["trace_id"] == TRACE
        async with asyncio.timeout(FAILURE_BOUND_S):
            while not (lines := [one for one in lines_of(logging_worker) if one["trace_id"] == TRACE]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    (line,) = lines
    assert (line["status"], line["tenant"], line["outcome"]) == (200, "stream", "success")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["input_tokens"], line["output_tokens"]) == (9, 5)
    assert "canary" not in logging_worker.read_log()
