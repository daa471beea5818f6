"""An object's alarms drop old evidence in a real Durable Object, also of a tenant that asks no more."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator

import httpx
import pytest

from tests.edge.conftest import HERE, PRODUCT_ENTRY
from tests.edge.harness import EdgeWorker
from tests.edge.hosts import FAILURE_BOUND_S, client_of, read_settled, settings

QUESTION = {
    "model": "auto",
    "messages": [{"role": "user", "content": "What is a vGPU?"}],
    "covenant": {"deadline_s": 3},
}


@pytest.fixture(scope="module")
def worker(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeWorker]:
    product = tmp_path_factory.mktemp("entry") / "product_entry.py"
    shutil.copy(PRODUCT_ENTRY, product)
    variables = {**settings(["idle"], {}), "GATEWAY_URL": gateway}
    with EdgeWorker(HERE / "retention_entry.py", added=[product], label="retention", variables=variables) as worker:
        yield worker


async def test_alarms_drop_the_record_of_a_tenant_that_asks_no_more(worker: EdgeWorker) -> None:
    async with client_of(worker.url, "idle") as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION)
        assert answer.status_code == 200, answer.text
        decision = answer.headers["x-harpoon-decision-id"]
        assert (await read_settled(client, decision))["candidates"]
        before = (await client.get("/api/ledger/checkpoint")).json()
        async with asyncio.timeout(FAILURE_BOUND_S):
            # Looking sets no alarm: what drops it is the alarm that the request's own one has set.
            while True:
                report = await verified(client)
                if report["dropped"]:
                    break
                await asyncio.sleep(0.2)
        assert (report["ok"], report["size"], report["dropped"]) == (True, before["size"] + 1, 1), report
        assert (await client.get(f"/v1/decisions/{decision}")).json()["candidates"] == []
        last = (await client.get("/api/ledger/entries", params={"after": before["size"] - 1})).json()["data"]
        assert [(one["evidence"], '"act":"retention"' in one["entry"]) for one in last] == [(None, True)]


async def verified(client: httpx.AsyncClient) -> dict[str, int]:
    answer = await client.get("/api/ledger/verify")
    assert answer.status_code == 200, answer.text
    report: dict[str, int] = answer.json()
    return report
