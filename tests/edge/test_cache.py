"""The answer cache in the real Worker: answers lie in the tenant's object, and its other requests wait there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import HEAD, HeldConnection, HeldUpstream, held_upstream
from tests.edge.hosts import (
    FAILURE_BOUND_S,
    PAID_MODEL,
    audit,
    chunk_event,
    client_of,
    paid_answer,
    read_settled,
    usage_event,
)

STATUS = "cf-aig-cache-status"
TENANT = "stream"
REFUSAL = b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
async def client(audited_worker: EdgeWorker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(audited_worker.url, TENANT) as client:
        yield client


@pytest.fixture
async def upstream(upstream_port: int) -> AsyncIterator[HeldUpstream]:
    async with held_upstream(upstream_port) as upstream:
        yield upstream


def asking(client: httpx.AsyncClient, words: str, **fields: Any) -> asyncio.Task[httpx.Response]:
    """Ask, with a wish for the cache; each test has words of its own, because the object lives on."""
    body = {"model": PAID_MODEL, "messages": [{"role": "user", "content": words}], "max_tokens": 50, **fields}
    return asyncio.create_task(
        client.post("/v1/chat/completions", json=body, headers={"cf-aig-cache-ttl": "3600"}, timeout=FAILURE_BOUND_S)
    )


async def called(upstream: HeldUpstream) -> HeldConnection:
    async with asyncio.timeout(FAILURE_BOUND_S):
        return await upstream.accept()


async def open_decisions(worker: EdgeWorker, count: int) -> None:
    """Wait until so many requests of the tenant hold a reservation."""
    async with asyncio.timeout(FAILURE_BOUND_S):
        while (await audit(worker.url, TENANT))["states"].get("open", 0) < count:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


async def test_the_same_question_is_answered_once_and_costs_once(
    audited_worker: EdgeWorker, client: httpx.AsyncClient, upstream: HeldUpstream
) -> None:
    first = asking(client, "Once?")
    await (await called(upstream)).answer(paid_answer(9, 4))
    kept = await first
    record = await read_settled(client, kept.headers["x-harpoon-decision-id"])
    again = await asking(client, "Once?")
    assert (kept.headers[STATUS], again.headers[STATUS]) == ("MISS", "HIT")
    assert again.content == kept.content
    assert again.headers["x-harpoon-cost-usd"] == "0"
    free = await read_settled(client, again.headers["x-harpoon-decision-id"])
    assert (free["state"], free["cost_usd_micros"], free["outcome"]["cached"]) == ("settled", 0, True)
    assert (record["cost_usd_micros"] > 0, "cached" in record["outcome"]) == (True, False)
    assert upstream.connections.empty()
    await audit(audited_worker.url, TENANT)


async def test_a_stream_is_sent_again_as_a_stream(client: httpx.AsyncClient, upstream: HeldUpstream) -> None:
    first = asking(client, "Streamed?", stream=True)
    held = await called(upstream)
    await held.send(HEAD)
    await held.send_chunk(chunk_event("Grüße "))
    smile = chunk_event("SMILE").replace(b"SMILE", "😀".encode())
    await held.send_chunk(smile + chunk_event(None, "stop") + usage_event(9, 4) + b"data: [DONE]\n\n")
    await held.send_chunk(b"")
    kept = await first
    await read_settled(client, kept.headers["x-harpoon-decision-id"])
    again = await asking(client, "Streamed?", stream=True)
    assert (kept.headers[STATUS], again.headers[STATUS]) == ("MISS", "HIT")
    assert again.headers["content-type"].startswith("text/event-stream")
    first_cost = next(line for line in kept.text.splitlines() if line.startswith(": harpoon-cost-usd "))
    assert again.text == kept.text.replace(first_cost, ": harpoon-cost-usd 0")
    assert "😀" in again.text


async def test_who_asks_the_same_meanwhile_waits_for_the_first(
    audited_worker: EdgeWorker, client: httpx.AsyncClient, upstream: HeldUpstream
) -> None:
    leader = asking(client, "At once?")
    held = await called(upstream)
    followers = [asking(client, "At once?") for _ in range(3)]
    await open_decisions(audited_worker, 4)
    await held.answer(paid_answer(9, 4))
    told = await asyncio.gather(leader, *followers)
    assert [answer.headers[STATUS] for answer in told] == ["MISS", "HIT", "HIT", "HIT"]
    assert {answer.content for answer in told} == {told[0].content}
    assert upstream.connections.empty()
    for answer in told:
        assert (await read_settled(client, answer.headers["x-harpoon-decision-id"]))["state"] == "settled"
    await audit(audited_worker.url, TENANT)


async def test_a_first_that_fails_fails_nobody_else(
    audited_worker: EdgeWorker, client: httpx.AsyncClient, upstream: HeldUpstream
) -> None:
    leader = asking(client, "Failing?")
    held = await called(upstream)
    follower = asking(client, "Failing?")
    await open_decisions(audited_worker, 2)
    await held.send(REFUSAL)
    held.writer.close()
    # The first may repeat a refusal that cost nothing, and the other asks by itself: answer either way.
    serving = asyncio.create_task(answer_all(upstream))
    assert (await follower).status_code == 200
    assert (await leader).status_code in (200, 503)
    serving.cancel()


async def answer_all(upstream: HeldUpstream) -> None:
    while True:
        await (await upstream.accept()).answer(paid_answer(9, 4))


async def test_a_first_whose_client_leaves_still_answers_the_others(
    audited_worker: EdgeWorker, client: httpx.AsyncClient, upstream: HeldUpstream
) -> None:
    async with client_of(audited_worker.url, TENANT) as leaving:
        leader = asking(leaving, "Leaving?")
        held = await called(upstream)
        follower = asking(client, "Leaving?")
        await open_decisions(audited_worker, 2)
        leader.cancel()
        await asyncio.wait([leader])
    await held.answer(paid_answer(9, 4))
    answer = await follower
    assert (answer.status_code, answer.headers[STATUS]) == (200, "HIT")
    assert upstream.connections.empty()
