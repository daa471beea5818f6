"""What a tenant's Durable Object keeps when the runtime ends, politely or not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx

from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import held_upstream
from tests.edge.hosts import (
    FAILURE_BOUND_S,
    PAID_BODY,
    PAID_WORST_MICROS,
    audit,
    client_of,
    error_of,
    paid_answer,
    read_settled,
)

#: The tenant's budget is two worst cases. The first request costs 30 tokens in and 20 out, rounded up.
CAP = 2 * PAID_WORST_MICROS
COST = 17
IMPATIENT = {"x-harpoon-covenant": '{"deadline_s": 3}'}


async def ask(client: httpx.AsyncClient, content: bytes = PAID_BODY, **headers: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", content=content, **headers)


async def read(client: httpx.AsyncClient, decision_id: str) -> dict[str, Any]:
    record: dict[str, Any] = (await client.get(f"/v1/decisions/{decision_id}")).json()
    return record


async def test_state_survives_a_restart_and_a_kill_between_admission_and_settlement(
    audited_worker: EdgeWorker, upstream_port: int
) -> None:
    async with held_upstream(upstream_port) as upstream, client_of(audited_worker.url, "lasting") as client:
        asking = asyncio.create_task(ask(client))
        await (await upstream.accept()).answer(paid_answer(30, 20))
        paid_id = (await asking).headers["x-harpoon-decision-id"]
        paid = await read_settled(client, paid_id)
        before = await audit(audited_worker.url, "lasting")

    await asyncio.to_thread(audited_worker.restart)
    async with held_upstream(upstream_port) as upstream, client_of(audited_worker.url, "lasting") as client:
        assert await read(client, paid_id) == paid
        after = await audit(audited_worker.url, "lasting")
        assert after["accounts"] == before["accounts"] == [["tenant", CAP, COST, 0, 0]]

        hanging = asyncio.create_task(ask(client, headers=IMPATIENT))
        await upstream.accept()
        held = await audit(audited_worker.url, "lasting")
        assert held["accounts"] == [["tenant", CAP, COST, PAID_WORST_MICROS, 0]]
        await asyncio.to_thread(audited_worker.restart, crash=True)
        with contextlib.suppress(httpx.TransportError):
            await hanging

    async with held_upstream(upstream_port) as upstream, client_of(audited_worker.url, "lasting") as client:
        assert await read(client, paid_id) == paid
        await wait_until_nothing_is_held(audited_worker)
        found = await audit(audited_worker.url, "lasting")
        assert found["accounts"] == [["tenant", CAP, COST + PAID_WORST_MICROS, 0, 0]]
        assert found["states"] == {"settled": 1, "unsettled": 1}
        assert found["entries"]["SESSION_COMPLETION"] == found["entries"]["ACTION"] == found["events"] == 2

        refused = await ask(client)
        left = PAID_WORST_MICROS - COST
        assert refused.status_code == 402
        assert f"({PAID_WORST_MICROS} against {left} micro-dollars)" in error_of(refused)["reasons"][0]
        smaller = asyncio.create_task(ask(client, json.dumps({**json.loads(PAID_BODY), "max_tokens": 900}).encode()))
        await (await upstream.accept()).answer(paid_answer(30, 20))
        assert (await smaller).status_code == 200


async def wait_until_nothing_is_held(worker: EdgeWorker) -> None:
    """The object's alarm settles what nobody else will."""
    async with asyncio.timeout(FAILURE_BOUND_S):
        while (await audit(worker.url, "lasting"))["states"].get("open"):  # noqa: ASYNC110  (in another process)
            await asyncio.sleep(0.1)
