"""The canon in a real Durable Object: every code of a problem, promotion by tests, keys, and denials that stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.edge.harness import EdgeWorker
from tests.edge.hosts import client_of, error_of
from tests.worker.canon.store_kit import (
    BANS,
    BOUNDS,
    DENIED,
    TRIALS,
    candidate,
    new_item,
    problem,
    waiting_for,
)
from tests.worker.decision_kit import hasher
from worker.canon.certificate import verify_certificate

DECIDE, PROMOTE, ITEMS, WHY_NOT = "/api/canon/decide", "/api/canon/promote", "/api/canon/items", "/api/why-not"
AGENTS = "/api/canon/non-interference"


@pytest.fixture
async def client(plain_worker: EdgeWorker) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(plain_worker.url, "plain") as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, body: Any, key: str = "", status: int = 200) -> dict[str, Any]:
    answer = await client.post(path, json=body, headers={"idempotency-key": key} if key else {})
    assert answer.status_code == status, answer.text
    value: dict[str, Any] = answer.json()
    return value


async def test_every_code_of_a_problem_is_reached(client: httpx.AsyncClient) -> None:
    for code, path in DENIED.items():
        name = code.lower()
        action = {**path, "id": name, "actions": [{**path["actions"][0], "id": name}]}
        found = await post(client, DECIDE, problem(action, bounds=BOUNDS, invariants=BANS))
        assert (found["outcome"], found["denied"][0]["reason_codes"]) == ("DENY", [code])
        verify_certificate(found["certificate"], hasher())
        (trace,) = (await client.get(WHY_NOT, params={"actionId": name})).json()["data"]
        assert (trace["id"], trace["reasonCodes"]) == (found["denied"][0]["whyNotId"], [code])


async def test_the_seventh_code_is_reached_where_agents_share_something(client: httpx.AsyncClient) -> None:
    await post(client, ITEMS, new_item("edge-gpu", kind="table", content={"resource": {"capacity": 1}}), status=201)
    await post(client, PROMOTE, {"itemId": "edge-gpu", "evidenceRefs": ["entry:0"]})
    shown = {"itemId": "edge-gpu", "trials": TRIALS, "scenarios": [waiting_for("edge-gpu")]}
    assert (await post(client, PROMOTE, shown))["outcome"] == "ALLOW"
    work = {"id": "edge-work", "work_us": 1_000, "uses": {"edge-gpu": 1}}
    found = await asyncio.gather(
        *(post(client, AGENTS, {"agentId": f"agent-{number}", "action": work}, f"race-{number}") for number in range(8))
    )
    assert [one["outcome"] for one in found].count("ALLOW") == 1
    codes = {code for one in found if one["outcome"] == "DENY" for code in one["denialTrace"]["codes"]}
    assert codes == {"NON_INTERFERENCE_VIOLATION"}
    path = candidate("edge-crowd", resources=["edge-gpu"])
    decided = await post(client, DECIDE, problem(path))
    assert decided["denied"][0]["reason_codes"] == ["NON_INTERFERENCE_VIOLATION"]
    verify_certificate(decided["certificate"], hasher())
    (committed,) = (await client.get(AGENTS)).json()["commitments"]
    await post(client, AGENTS, {"act": "settle", "agentId": committed["agentId"]})
    assert (await post(client, DECIDE, problem(path)))["outcome"] == "ALLOW"


async def test_an_item_rises_by_tests_and_gives_authority(client: httpx.AsyncClient) -> None:
    made = await post(client, ITEMS, new_item("edge-review"), status=201)
    digest = made["item"]["content_hash"]
    action = {"actionId": "edge-1", "intent": {"proposedAction": "deploy"}, "canonRefs": [f"edge-review@{digest}"]}
    assert (await post(client, DECIDE, action))["denialTrace"]["codes"] == ["AUTHORITY_BOUNDARY_FAIL"]
    assert (await post(client, PROMOTE, {"itemId": "edge-review", "to": "CANON"}))["outcome"] == "DENY"
    await post(client, PROMOTE, {"itemId": "edge-review", "evidenceRefs": ["entry:0"]})
    body = {"itemId": "edge-review", "trials": TRIALS, "scenarios": [waiting_for("edge-review")]}
    assert (await post(client, PROMOTE, body))["outcome"] == "ALLOW"
    allowed = await post(client, DECIDE, action)
    assert allowed["proof"]["evaluatedRefs"] == ["edge-review"]
    await post(client, ITEMS, {"act": "demote", "id": "edge-review", "reason": "it let one through"})
    history = (await client.get(f"{ITEMS}/edge-review")).json()["history"]
    assert [one["act"] for one in history] == ["propose", "promote", "promote", "demote"]
    then = (await client.get(ITEMS, params={"seq": history[2]["seq"]})).json()
    assert then["canon_hash"] == allowed["canon_hash"]


async def test_of_many_at_once_under_one_key_one_happens(client: httpx.AsyncClient) -> None:
    asked = problem(candidate("keyed", prerequisites=["nobody"]))
    found = await asyncio.gather(*(post(client, DECIDE, asked, "edge-key") for _ in range(16)))
    assert all(one == found[0] for one in found)
    assert len((await client.get(WHY_NOT, params={"actionId": "keyed"})).json()["data"]) == 1
    other = await client.post(DECIDE, json=problem(candidate("other")), headers={"idempotency-key": "edge-key"})
    assert (other.status_code, error_of(other)["code"]) == (422, "idempotency_key_reused")


async def test_a_demoted_catalogue_serves_nothing_until_it_is_canon_again(client: httpx.AsyncClient) -> None:
    async def chat(**fields: Any) -> httpx.Response:
        question = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}], **fields}
        return await client.post("/v1/chat/completions", json=question)

    assert (await chat()).status_code == 200
    await post(client, ITEMS, {"act": "demote", "id": "catalogue", "reason": "wrong models"})
    for stream in (False, True):
        refused = await chat(stream=stream)
        assert refused.status_code == 403, refused.text
        assert "MISSING_CANON_PREREQS: catalogue" in error_of(refused)["message"]
        decision = refused.headers["x-harpoon-decision-id"]
        (trace,) = (await client.get(WHY_NOT, params={"actionId": decision})).json()["data"]
        assert trace["reasonCodes"][0] == "MISSING_CANON_PREREQS"
        assert trace["missingCanonIds"] == ["catalogue"]
    shown = {"itemId": "catalogue", "trials": TRIALS, "scenarios": [waiting_for("catalogue")]}
    assert (await post(client, PROMOTE, shown))["outcome"] == "ALLOW"
    assert (await chat()).status_code == 200


async def test_a_caller_without_a_token_or_of_another_tenant_is_refused(
    client: httpx.AsyncClient, plain_worker: EdgeWorker
) -> None:
    other = await client.post(DECIDE, json={**problem(candidate("a")), "tenantId": "acme"})
    assert (other.status_code, error_of(other)["code"]) == (403, "other_tenant")
    wrong = await client.post(DECIDE, json={**problem(candidate("a")), "canon": []})
    assert (wrong.status_code, error_of(wrong)["code"]) == (400, "canon_is_stored")
    async with client_of(plain_worker.url, None) as nobody:
        assert (await nobody.post(DECIDE, json=problem(candidate("a")))).status_code == 401
        assert (await nobody.get(ITEMS)).status_code == 401
