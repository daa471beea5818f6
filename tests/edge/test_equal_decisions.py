"""The same requests in the same order get the same decisions in the Worker as on CPython, byte for byte.

So are their certificates, and all of them hold. Lanes are tenants of their own and run side by side; within a lane each
request waits until the one before it is settled on both hosts, because what was spent and held is part of the next
decision.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.decision_table import LANES, Row, decision_table
from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of, read_settled
from tests.worker.canon.problem_kit import HASHER
from worker.canon.certificate import verify_certificate

COMPARED_HEADERS = (
    "x-harpoon-route",
    "x-harpoon-complexity",
    "x-harpoon-policy",
    "x-harpoon-attempts",
    "x-harpoon-cost-usd",
    "x-harpoon-cost-estimate-usd",
    "x-harpoon-simulated",
    "x-should-retry",
)
COMPARED_FIELDS = ("state", "decision_digest", "selected", "ranking", "cost_usd_micros")


async def decide(client: httpx.AsyncClient, row: Row) -> dict[str, Any]:
    """What one host made of a row: what its caller sees, and what it recorded."""
    answer = await client.post("/v1/chat/completions", content=row.body, headers=row.headers)
    seen: dict[str, Any] = {"status": answer.status_code}
    seen |= {name: answer.headers.get(name) for name in COMPARED_HEADERS}
    decision_id = answer.headers.get("x-harpoon-decision-id")
    assert decision_id is not None, f"{row.name}: {answer.status_code} {answer.text[:300]}"
    record = await read_settled(client, decision_id)
    found = await client.get(f"/v1/decisions/{decision_id}/certificate")
    assert found.status_code == 200, f"{row.name}: {found.text[:300]}"
    verify_certificate(found.json(), HASHER)
    seen["certificate"] = found.json()["digest"]
    return {**seen, **{name: record[name] for name in COMPARED_FIELDS}, "inputs": record["inputs"]}


async def compare_lane(gateway: str, worker: str, rows: list[Row]) -> list[str]:
    """How the hosts differ, one line a difference."""
    tenant, differences = f"lane-{rows[0].lane}", []
    async with client_of(gateway, tenant) as cpython, client_of(worker, tenant) as edge:
        for row in rows:
            expected, found = await asyncio.gather(decide(cpython, row), decide(edge, row))
            differences += [
                f"{row.name}: {name} is {expected[name]!r} on CPython, {found[name]!r} in the Worker"
                for name in expected
                if expected[name] != found[name]
            ]
    return differences


async def test_both_hosts_decide_alike(gateway: str, product_worker: EdgeWorker) -> None:
    rows = decision_table()
    assert len(rows) >= 200
    lanes = [[row for row in rows if row.lane == lane] for lane in range(LANES)]
    found = await asyncio.gather(*(compare_lane(gateway, product_worker.url, lane) for lane in lanes))
    differences = [line for lane in found for line in lane]
    assert not differences, f"{len(differences)} differences:\n" + "\n".join(differences[:12])
