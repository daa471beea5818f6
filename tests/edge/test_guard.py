"""Redaction in the real Worker: the provider sees placeholders, the client its own words, the ledger neither."""

from __future__ import annotations

import asyncio
import json

from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import HEAD, HeldConnection, held_upstream
from tests.edge.hosts import FAILURE_BOUND_S, PAID_MODEL, chunk_event, client_of, read_settled, usage_event

EMAIL = "jane.doe@example.com"


async def body_of(held: HeldConnection) -> str:
    """The body of the request that the provider was sent."""
    length = next(line for line in held.request.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    async with asyncio.timeout(FAILURE_BOUND_S):
        return (await held.reader.readexactly(int(length.partition(b":")[2]))).decode()


async def test_a_prompt_leaves_redacted_and_its_stream_comes_back_restored(
    audited_worker: EdgeWorker, upstream_port: int
) -> None:
    body = {
        "model": PAID_MODEL,
        "messages": [{"role": "user", "content": f"Write to {EMAIL}."}],
        "covenant": "remove PII first",
        "stream": True,
    }
    async with held_upstream(upstream_port) as upstream, client_of(audited_worker.url, "stream") as client:
        request = client.build_request("POST", "/v1/chat/completions", json=body)
        sending = asyncio.create_task(client.send(request, stream=True))
        async with asyncio.timeout(FAILURE_BOUND_S):
            held = await upstream.accept()
            sent = await body_of(held)
            await held.send(HEAD)
            for piece in ("Written to [EM", "AIL_1", "]; [EMAIL_2] is unknown", " [EM"):
                await held.send_chunk(chunk_event(piece))
            await held.send_chunk(chunk_event(None, "stop") + usage_event(9, 5) + b"data: [DONE]\n\n")
            await held.send_chunk(b"")
            answer = await sending
            text = (await answer.aread()).decode()
        assert json.loads(sent)["messages"][0]["content"] == "Write to [EMAIL_1]."
        assert answer.headers["x-harpoon-redacted"].startswith("email=1; ")
        events = [json.loads(event[6:]) for event in text.split("\n\n") if event.startswith("data: {")]
        said = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
        assert said == f"Written to {EMAIL}; [EMAIL_2] is unknown [EM"
        record = await read_settled(client, answer.headers["x-harpoon-decision-id"])
        assert record["inputs"]["redacted"] == ["email:1"]
        assert EMAIL not in json.dumps(record)
