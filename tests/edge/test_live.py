"""What can be looked at, from the real Worker: the follower asks the tenant's Durable Object, again and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import HEAD, held_upstream
from tests.edge.hosts import FAILURE_BOUND_S, PAID_MODEL, chunk_event, client_of, read_settled, usage_event
from tests.event_stream import Event, Reader, events_of, last_id_of

LIVE = "/api/live"
ANSWERED = ["classification", "candidates", "decision", "attempt", "first_token", "cost", "settled"]


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def question(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}


@contextlib.asynccontextmanager
async def feed(client: httpx.AsyncClient, **headers: str) -> AsyncIterator[Reader]:
    async with asyncio.timeout(FAILURE_BOUND_S), client.stream("GET", LIVE, headers=headers) as answer:
        assert answer.status_code == 200
        reader = Reader(answer)
        await reader.until_text("id: ")
        yield reader


async def test_a_request_is_explained_listed_and_told(product_worker: EdgeWorker) -> None:
    async with client_of(product_worker.url, "chat") as client:
        body = question("What is a vGPU?", covenant={"deadline_s": 20})
        explained = (await client.post("/v2/route", json=body)).json()
        answer = await client.post("/v1/chat/completions", json=body)
        record = await read_settled(client, answer.headers["x-harpoon-decision-id"])
        assert (explained["decision_digest"], explained["ranking"]) == (record["decision_digest"], record["ranking"])
        assert explained["flips"]
        unknown = await client.post("/v2/route", json={"text": "a", "covenant_id": "cov-00000000"})
        assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "covenant_id")

        page = (await client.get("/v1/decisions", params={"limit": 1})).json()
        assert (page["data"], page["object"]) == ([record], "list")
        catalogue = (await client.get("/v2/catalogue")).json()
        assert catalogue["catalogue_hash"] == record["inputs"]["catalogue"]

        for name in (record["request_id"], record["id"]):
            told = await client.get(LIVE, params={"request_id": name})
            events = events_of(told.text)
            assert names(events) == ANSWERED
            assert events[2].data["decision_digest"] == record["decision_digest"]
        for position, event in enumerate(events):
            back = {"last-event-id": event.id}
            again = await client.get(LIVE, params={"request_id": record["id"]}, headers=back)
            assert events_of(again.text) == events[position + 1 :]
            assert again.status_code == (204 if event is events[-1] else 200)
        assert (await client.get(LIVE, params={"request_id": "req_nobodys"})).status_code == 404


async def test_the_first_token_is_told_while_the_answer_is_still_coming(
    audited_worker: EdgeWorker, upstream_port: int
) -> None:
    async with held_upstream(upstream_port) as upstream, client_of(audited_worker.url, "stream") as client:
        async with feed(client) as reader:
            body = question("Count.", model=PAID_MODEL, stream=True)
            asking = asyncio.create_task(client.post("/v1/chat/completions", json=body))
            held = await upstream.accept()
            await held.send(HEAD)
            await held.send_chunk(chunk_event("one"))
            events = await reader.until("first_token")
            assert names(events) == ANSWERED[:5]
        # The reader has gone; it comes back to where it was.
        async with feed(client, **{"last-event-id": last_id_of(reader.text)}) as back:
            for event in (chunk_event(None, "stop"), usage_event(9, 2), b"data: [DONE]\n\n", b""):
                await held.send_chunk(event)
            assert (await asking).status_code == 200
            assert names(await back.until("settled")) == ANSWERED[5:]


async def test_tenants_are_told_nothing_of_each_other(product_worker: EdgeWorker) -> None:
    async with client_of(product_worker.url, "chat") as chat, client_of(product_worker.url, "lane-1") as lane:
        async with feed(lane) as reader:
            answer = await chat.post("/v1/chat/completions", json=question("Of mine."))
            await lane.post("/v1/chat/completions", json=question("Of the other."))
            events = await reader.until("settled")
            assert names(events) == ANSWERED
            assert answer.headers["x-request-id"] not in reader.text
        foreign = await lane.get(LIVE, params={"request_id": answer.headers["x-request-id"]})
        assert foreign.status_code == 404
