"""Decision problems in real workerd: equal to brute force there, and the same certificates as on CPython."""

from __future__ import annotations

import json

import httpx

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of
from tests.worker.canon.problem_kit import HASHER
from tests.worker.canon.problem_proof import prove
from tests.worker.routing.readings_proof import prove as prove_readings
from worker.canon.certificate import verify_certificate

FAILURE_BOUND_S = 120
PROBLEMS, BATCH = 300, 25


async def test_hundreds_of_random_problems_have_the_same_certificates_in_workerd(proof_worker: EdgeWorker) -> None:
    """Each is also decided again from its certificate, in another order of its parts, and verified, over there."""
    said: list[str] = []
    async with httpx.AsyncClient(base_url=proof_worker.url, timeout=FAILURE_BOUND_S) as client:
        for first in range(0, PROBLEMS, BATCH):
            answer = await client.get("/problems", params={"first": first, "count": BATCH})
            assert answer.status_code == 200, answer.text
            said += answer.json()
    assert said == [json.loads(prove(seed, HASHER))["digest"] for seed in range(PROBLEMS)]


async def test_decisions_that_rest_on_readings_of_pools_are_the_same_in_workerd(proof_worker: EdgeWorker) -> None:
    async with httpx.AsyncClient(base_url=proof_worker.url, timeout=FAILURE_BOUND_S) as client:
        answer = await client.get("/readings", params={"first": 0, "count": 20})
        assert answer.status_code == 200, answer.text
    assert answer.json() == [prove_readings(seed, HASHER) for seed in range(20)]


async def test_the_worker_s_certificate_of_a_request_is_checked_without_it(product_worker: EdgeWorker) -> None:
    """The same file format on both hosts: what workerd certifies, CPython derives again."""
    async with client_of(product_worker.url, "chat") as client:
        body = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]}
        answer = await client.post("/v1/chat/completions", json=body)
        decision = answer.headers["x-harpoon-decision-id"]
        found = await client.get(f"/v1/decisions/{decision}/certificate")
        missing = await client.get(f"/v1/decisions/dec_{'0' * 32}/certificate")
        told = await client.get(f"/v1/decisions/{decision}")
    assert (found.status_code, missing.status_code) == (200, 404), found.text
    certificate = found.json()
    verify_certificate(certificate, HASHER)
    assert certificate["decision_digest"] == told.json()["decision_digest"]
    assert certificate["selected"] == told.json()["selected"]
