"""A crowd of requests on one budget in a real Durable Object: exactly the affordable ones pass."""

from __future__ import annotations

import asyncio

import httpx

from tests.edge.harness import EdgeWorker
from tests.edge.held_upstream import HeldConnection, held_upstream
from tests.edge.hosts import (
    AFFORDABLE,
    FAILURE_BOUND_S,
    PAID_BODY,
    PAID_ROUTE,
    PAID_WORST_MICROS,
    audit,
    client_of,
    error_of,
    paid_answer,
    read_settled,
)

CROWD = 64
CAP = AFFORDABLE * PAID_WORST_MICROS
#: 30 tokens in and 20 out, at 0.15 and 0.60 micro-dollars each, rounded up.
COST = 17


async def test_of_sixty_four_at_once_exactly_the_affordable_pass(
    audited_worker: EdgeWorker, upstream_port: int
) -> None:
    async with held_upstream(upstream_port) as upstream, client_of(audited_worker.url, "crowd") as client:
        asking = [asyncio.create_task(client.post("/v1/chat/completions", content=PAID_BODY)) for _ in range(CROWD)]
        async with asyncio.timeout(FAILURE_BOUND_S):
            held: list[HeldConnection] = [await upstream.accept() for _ in range(AFFORDABLE)]
            # Nobody is answered before the last is refused: all that was held stays held.
            refused = await wait_for_answers(asking, CROWD - AFFORDABLE)
        assert len(refused) == CROWD - AFFORDABLE
        assert upstream.connections.empty()
        at_the_peak = await audit(audited_worker.url, "crowd")
        for connection in held:
            await connection.answer(paid_answer(30, 20))
        answers = await asyncio.gather(*asking)
        admitted = [answer for answer in answers if answer not in refused]
        records = [await read_settled(client, answer.headers["x-harpoon-decision-id"]) for answer in admitted]

    assert at_the_peak["accounts"] == [["tenant", CAP, 0, CAP, 0]]
    assert at_the_peak["states"] == {"open": AFFORDABLE, "denied": CROWD - AFFORDABLE}
    check_refused(refused)
    assert [answer.status_code for answer in admitted] == [200] * AFFORDABLE
    for record in records:
        (candidate,) = record["candidates"]
        assert (candidate["route"], candidate["worst_case_usd_micros"]) == (PAID_ROUTE, PAID_WORST_MICROS)
        assert (record["state"], record["cost_usd_micros"]) == ("settled", COST)
    found = await audit(audited_worker.url, "crowd")
    assert found["accounts"] == [["tenant", CAP, AFFORDABLE * COST, 0, 0]]
    assert found["states"] == {"settled": AFFORDABLE, "denied": CROWD - AFFORDABLE}
    assert (found["entries"]["DENY"], found["entries"]["ACTION"]) == (CROWD - AFFORDABLE, AFFORDABLE)
    assert (found["entries"]["SESSION_COMPLETION"], found["events"]) == (AFFORDABLE, AFFORDABLE)
    assert found["checks"] >= CROWD + AFFORDABLE


async def wait_for_answers(asking: list[asyncio.Task[httpx.Response]], count: int) -> list[httpx.Response]:
    """The first answers to come, whichever they are."""
    waiting, answered = set(asking), set[asyncio.Task[httpx.Response]]()
    while len(answered) < count:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answered |= done
    return [task.result() for task in answered]


def check_refused(answers: list[httpx.Response]) -> None:
    for answer in answers:
        assert answer.status_code == 402
        assert error_of(answer)["code"] == "budget_exceeded"
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-harpoon-decision-id"].startswith("dec_")
