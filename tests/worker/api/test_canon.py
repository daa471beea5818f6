"""/api/canon and /api/why-not: decided, recorded, then told; to the tenant alone; once under a key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.openai_shapes import error_findings
from tests.worker.api.application_kit import Application, application, ask
from tests.worker.canon.store_kit import (
    BANS,
    BOUNDS,
    DENIED,
    TRIALS,
    candidate,
    new_item,
    new_rule,
    problem,
    waiting_for,
)
from tests.worker.decision_kit import hasher
from worker.canon.certificate import verify_certificate
from worker.canon.minimal_fix import CITE

ROOT = "http://localhost"
DECIDE, PROMOTE, ITEMS, WHY_NOT = "/api/canon/decide", "/api/canon/promote", "/api/canon/items", "/api/why-not"
AGENTS = "/api/canon/non-interference"


class Caller:
    """Somebody with a token, and what they can say."""

    def __init__(self, harpoon: Application, token: str = "") -> None:
        self.harpoon = harpoon
        self.headers = {"authorization": f"Bearer {token}"} if token else {}

    async def post(self, path: str, body: Any, key: str = "", status: int = 200) -> dict[str, Any]:
        headers = {**self.headers, **({"idempotency-key": key} if key else {})}
        answer = await self.harpoon.client.post(ROOT + path, json=body, headers=headers)
        return self._value(answer, status)

    async def get(self, path: str, status: int = 200, **query: Any) -> dict[str, Any]:
        answer = await self.harpoon.client.get(ROOT + path, params=query, headers=self.headers)
        return self._value(answer, status)

    def _value(self, answer: httpx.Response, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        value: dict[str, Any] = answer.json()
        if status >= 400:
            assert error_findings(value) == []
            error: dict[str, Any] = value["error"]
            return error
        return value

    async def raise_to_canon(self, plain: dict[str, Any]) -> str:
        name = plain["id"]
        await self.post(ITEMS, plain, status=201)
        await self.post(PROMOTE, {"itemId": name, "evidenceRefs": ["entry:0"]})
        done = await self.post(PROMOTE, {"itemId": name, "trials": TRIALS, "scenarios": [waiting_for(name)]})
        assert done["outcome"] == "ALLOW", done
        return str(done["item"]["content_hash"])


@pytest.fixture
async def me(harpoon: Application) -> Caller:
    return Caller(harpoon)


async def ledger(harpoon: Application) -> list[tuple[Any, ...]]:
    return await harpoon.rows("SELECT kind, seq, evidence FROM ledger ORDER BY id")


@pytest.mark.parametrize("code", sorted(DENIED))
async def test_every_code_of_a_problem_is_reached_by_itself(me: Caller, code: str) -> None:
    found = await me.post(DECIDE, problem(DENIED[code], candidate("b"), bounds=BOUNDS, invariants=BANS))
    assert (found["outcome"], found["selected"]) == ("ALLOW", "b")
    assert [one["reason_codes"] for one in found["denied"]] == [[code]]
    alone = await me.post(DECIDE, problem(DENIED[code], bounds=BOUNDS, invariants=BANS, goal="ship it"))
    assert (alone["outcome"], alone["selected"]) == ("DENY", None)
    verify_certificate(alone["certificate"], hasher())
    kind, seq, evidence = (await ledger(me.harpoon))[alone["ledger"]["seq"]]
    assert (kind, seq, json.loads(evidence)) == ("DENY", alone["ledger"]["seq"], alone["certificate"])
    newest, before = (await me.get(WHY_NOT, actionId="a"))["data"]
    assert (newest["reasonCodes"], newest["goal"], newest["id"]) == ([code], "ship it", alone["denied"][0]["whyNotId"])
    assert (before["seq"], newest["seq"]) == (found["ledger"]["seq"], alone["ledger"]["seq"])


async def test_a_full_run_is_ranked_explained_and_certified(me: Caller) -> None:
    found = await me.post(DECIDE, problem(candidate("slow", ttv_us=9_000), candidate("fast"), candidate("dear")))
    assert found["ranking"] == ["dear", "fast", "slow"]
    assert found["explanations"][-1]["total_us"] == 8_000
    verify_certificate(found["certificate"], hasher())
    assert (await ledger(me.harpoon))[-1][0] == "PLAN"
    listed = await me.get(ITEMS)
    assert found["canon_hash"] == found["certificate"]["canon_hash"] == listed["canon_hash"]


ACTION: dict[str, Any] = {
    "actionId": "deploy-42",
    "intent": {"objective": "ship it", "proposedAction": "deploy", "target": "shop"},
}


async def test_one_action_is_allowed_with_a_proof(me: Caller) -> None:
    digest = await me.raise_to_canon(new_item())
    for ref in ({"id": "review-first", "hash": digest}, f"review-first@{digest}"):
        found = await me.post(DECIDE, {**ACTION, "canonRefs": [ref]})
        assert found["outcome"] == "ALLOW"
        proof = found["proof"]
        assert (proof["evaluatedRefs"], proof["canonVersion"]) == (["review-first"], found["canon_hash"])
        assert proof["ledgerPointer"] == found["ledger"]
        verify_certificate(found["certificate"], hasher())
    rows = await me.harpoon.rows("SELECT seq, leaf_hash FROM ledger ORDER BY seq DESC LIMIT 1")
    assert proof["ledgerPointer"] == {"seq": rows[0][0], "leaf_hash": rows[0][1].hex()}  # type: ignore[union-attr]


CONTEXTS: list[tuple[str, dict[str, Any]]] = [
    ("COST_BOUND_EXCEEDED", {"features": {**candidate("a")["features"], "cost_usd_micros": 2_000}, "bounds": BOUNDS}),
    ("RISK_BOUND_EXCEEDED", {"features": {**candidate("a")["features"], "risk_ppm": 50_001}, "bounds": BOUNDS}),
    ("SUCCESS_PROB_TOO_LOW", {"features": {**candidate("a")["features"], "success_ppm": 0}}),
    ("MISSING_CANON_PREREQS", {"prerequisites": ["nobody"]}),
    ("INVARIANT_VIOLATION", {"tags": ["force"]}),
]


@pytest.mark.parametrize(("code", "context"), CONTEXTS)
async def test_one_action_is_denied_with_what_would_admit_it(me: Caller, code: str, context: dict[str, Any]) -> None:
    digest = await me.raise_to_canon(new_item())
    rule = new_rule()
    await me.post(ITEMS, rule, status=201)
    await me.post(PROMOTE, {"itemId": "no-force", "evidenceRefs": ["review-first"]})
    forced = problem(candidate("calm"), candidate("forced", tags=["deploy", "force"]))
    await me.post(PROMOTE, {"itemId": "no-force", "trials": TRIALS, "scenarios": [forced]})
    found = await me.post(DECIDE, {**ACTION, "canonRefs": [f"review-first@{digest}"], "context": context})
    assert found["outcome"] == "DENY"
    denial = found["denialTrace"]
    assert (denial["code"], denial["codes"]) == (code, [code])
    assert denial["minimalFix"]
    assert denial.get("failedInvariant") == ("no-force" if code == "INVARIANT_VIOLATION" else None)
    assert denial.get("missingCanon") == (["nobody"] if code == "MISSING_CANON_PREREQS" else None)
    (trace,) = (await me.get(WHY_NOT, actionId="deploy-42", tenantId="local"))["data"]
    assert (trace["id"], trace["kind"], trace["goal"]) == (denial["whyNotId"], "DECIDE", "ship it")


async def test_the_fix_that_is_told_admits_the_action(me: Caller) -> None:
    digest = await me.raise_to_canon(new_item())
    denied = await me.post(DECIDE, ACTION)
    (fix,) = denied["denialTrace"]["minimalFix"]
    assert (fix["op"], fix["subject"]) == (CITE, "review-first")
    assert (await me.post(DECIDE, {**ACTION, "canonRefs": [f"{fix['subject']}@{digest}"]}))["outcome"] == "ALLOW"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({}, 400, "invalid_request", "candidates"),
        ({**ACTION, "candidates": []}, 400, "invalid_request", "candidates"),
        ({**problem(candidate("a")), "canon": []}, 400, "canon_is_stored", "canon"),
        ({**ACTION, "canon": []}, 400, "canon_is_stored", "canon"),
        ({**problem(candidate("a")), "note": 1}, 400, "invalid_request", "note"),
        ({"candidates": [candidate("a")]}, 400, "bad_problem", "weights"),
        (problem({"id": "a"}), 400, "bad_problem", "candidates[0].features"),
        (problem(*(candidate(f"c{n}") for n in range(201))), 413, "too_many_candidates", "candidates"),
        (problem(candidate("a", ttv_us=0.5)), 400, "invalid_request", None),
        (problem(candidate("a", ttv_us=-1)), 400, "bad_problem", "candidates[0].features.ttv_us"),
        ({**ACTION, "actionId": "a b"}, 400, "bad_problem", "candidates[0].id"),
        ({**ACTION, "intent": "deploy"}, 400, "invalid_request", "intent"),
        ({**ACTION, "intent": {}}, 400, "invalid_request", "intent.proposedAction"),
        ({**ACTION, "intent": {"proposedAction": "ship it"}}, 400, "invalid_request", "intent.proposedAction"),
        ({**ACTION, "intent": {"proposedAction": "*"}}, 400, "invalid_request", "intent.proposedAction"),
        ({**ACTION, "intent": {"proposedAction": "x", "target": 7}}, 400, "invalid_request", "intent.target"),
        ({**ACTION, "intent": {"proposedAction": "x", "why": ""}}, 400, "invalid_request", "why"),
        ({**ACTION, "canonRefs": "review-first"}, 400, "invalid_request", "canonRefs"),
        ({**ACTION, "canonRefs": [7]}, 400, "bad_problem", None),
        ({**ACTION, "context": {"mood": 1}}, 400, "invalid_request", "mood"),
        ({**ACTION, "context": {"tags": "x"}}, 400, "invalid_request", "tags"),
        ({**ACTION, "context": {"features": 7}}, 400, "bad_problem", "candidates[0].features"),
        ({**ACTION, "tenantId": "acme"}, 403, "other_tenant", "tenantId"),
        ({**ACTION, "tenantId": 7}, 403, "other_tenant", "tenantId"),
        ({**ACTION, "idempotencyKey": 7}, 400, "invalid_request", "idempotencyKey"),
        ({**ACTION, "idempotencyKey": "a b"}, 400, "invalid_request", "idempotencyKey"),
        ([], 400, "invalid_request", None),
    ],
)
async def test_what_is_not_asked_well_is_refused_and_leaves_nothing(
    me: Caller, body: Any, status: int, code: str, param: str | None
) -> None:
    await me.get(ITEMS)
    before = await ledger(me.harpoon)
    error = await me.post(DECIDE, body, status=status)
    assert error["code"] == code, error
    if param is not None:
        assert error["param"] == param
    assert await ledger(me.harpoon) == before


async def test_a_body_is_bounded(me: Caller) -> None:
    error = await me.post(DECIDE, {**ACTION, "intent": {"objective": "x" * 530_000}}, status=413)
    assert error["code"] == "request_too_large"


async def test_a_certificate_that_no_row_could_hold_is_refused(me: Caller) -> None:
    path = candidate("a", resources=[f"{n:0100}" for n in range(200)])
    many = [{**path, "id": f"c{n}"} for n in range(20)]
    body = problem(*many)
    assert len(json.dumps(body)) < 524_288
    answer = await me.harpoon.client.post(ROOT + DECIDE, json=body)
    assert answer.status_code in (200, 413), answer.text


async def test_the_same_key_does_it_once_and_answers_the_same(me: Caller) -> None:
    asked = problem(candidate("a"), candidate("b", prerequisites=["nobody"]))
    first = await me.post(DECIDE, asked, "k-1")
    entries = len(await ledger(me.harpoon))
    assert await me.post(DECIDE, asked, "k-1") == first
    assert await me.post(DECIDE, {**dict(reversed(asked.items())), "idempotencyKey": "k-1"}) == first
    assert len(await ledger(me.harpoon)) == entries
    answer = await me.harpoon.client.post(ROOT + DECIDE, json=asked, headers={"idempotency-key": "k-1"})
    assert answer.headers["idempotency-replayed"] == "true"
    again = await me.harpoon.client.post(ROOT + DECIDE, json=asked)
    assert "idempotency-replayed" not in again.headers
    assert again.json()["ledger"] != first["ledger"]


async def test_the_same_key_for_something_else_is_refused(me: Caller) -> None:
    await me.post(DECIDE, problem(candidate("a")), "k-1")
    entries = len(await ledger(me.harpoon))
    for path, body in ((DECIDE, problem(candidate("b"))), (ITEMS, new_item()), (PROMOTE, {"itemId": "catalogue"})):
        assert (await me.post(path, body, "k-1", status=422))["code"] == "idempotency_key_reused"
    assert len(await ledger(me.harpoon)) == entries
    # Two keys in one request are one too many; what was refused may be said again under its key.
    both = {**problem(candidate("c")), "idempotencyKey": "k-2"}
    assert (await me.post(DECIDE, both, "k-3", status=400))["param"] == "idempotencyKey"
    assert (await me.post(DECIDE, {}, "k-4", status=400))["code"] == "invalid_request"
    await me.post(DECIDE, problem(candidate("c")), "k-4")


async def test_of_many_at_once_under_one_key_one_happens(me: Caller) -> None:
    asked = problem(candidate("a"))
    found = await asyncio.gather(*(me.post(DECIDE, asked, "k-1") for _ in range(16)))
    assert all(one == found[0] for one in found)
    assert [kind for kind, _, _ in await ledger(me.harpoon)].count("PLAN") == 1


async def test_so_many_answers_are_kept_as_the_setting_says() -> None:
    async with application(HARPOON_IDEMPOTENCY_KEPT="2") as harpoon:
        me = Caller(harpoon)
        first = [await me.post(DECIDE, problem(candidate("a")), f"k-{n}") for n in range(3)]
        assert await harpoon.rows("SELECT COUNT(*) FROM canon_answer") == [(2,)]
        assert await me.post(DECIDE, problem(candidate("a")), "k-2") == first[2]
        assert await me.post(DECIDE, problem(candidate("a")), "k-1") == first[1]
        assert await me.post(DECIDE, problem(candidate("a")), "k-0") != first[0]
    async with application(HARPOON_IDEMPOTENCY_KEPT="0") as harpoon:
        me = Caller(harpoon)
        one = await me.post(DECIDE, problem(candidate("a")), "k-1")
        assert (await me.post(DECIDE, problem(candidate("a")), "k-1"))["ledger"] != one["ledger"]


async def test_items_are_proposed_promoted_demoted_and_told(me: Caller) -> None:
    made = await me.post(ITEMS, new_item(), status=201)
    assert (made["item"]["level"], made["act"]) == ("EVIDENCE", "propose")
    await me.raise_to_canon(new_item("review-twice"))
    assert (await me.post(PROMOTE, {"itemId": "nobody"}, status=404))["code"] == "item_not_found"
    assert (await me.post(ITEMS, new_item("review-twice"), status=409))["code"] == "item_is_canon"
    fallen = await me.post(ITEMS, {"act": "demote", "id": "review-twice", "reason": "it let one through"})
    assert fallen["item"]["level"] == "PROPOSED"
    found = await me.get(f"{ITEMS}/review-twice")
    assert [one["level"] for one in found["history"]] == ["EVIDENCE", "PROPOSED", "CANON", "PROPOSED"]
    assert found["history"][-1]["reason"] == "it let one through"
    assert found["item"]["content"] == new_item("review-twice")["content"]
    canon = await me.get(ITEMS, seq=found["history"][2]["seq"])
    assert [item["id"] for item in canon["data"] if item["level"] == "CANON"][-1] == "review-twice"
    assert [item["id"] for item in (await me.get(ITEMS, level="EVIDENCE"))["data"]] == ["review-first"]
    assert len((await me.get(ITEMS, kind="table"))["data"]) == 3
    assert (await me.get(ITEMS, at_us=0))["data"] == []
    assert (await me.get(f"{ITEMS}/nobody", 404))["code"] == "item_not_found"


async def test_the_log_of_a_canons_life_verifies(me: Caller) -> None:
    digest = await me.raise_to_canon(new_item())
    await me.post(DECIDE, {**ACTION, "canonRefs": [f"review-first@{digest}"]})
    await me.post(DECIDE, ACTION)
    await me.post(ITEMS, {"act": "demote", "id": "review-first", "reason": "it let one through"})
    verified = await me.get("/api/ledger/verify")
    assert (verified["ok"], verified["size"]) == (True, len(await ledger(me.harpoon)))


async def test_a_promotion_that_failed_can_be_looked_up(me: Caller) -> None:
    await me.post(ITEMS, new_item(), status=201)
    denied = await me.post(PROMOTE, {"itemId": "review-first", "to": "CANON", "tests": dict.fromkeys("ABCD", True)})
    assert denied["outcome"] == "DENY"
    (trace,) = (await me.get(WHY_NOT, actionId="review-first"))["data"]
    assert (trace["kind"], trace["violatedInvariantIds"]) == ("PROMOTE", ["INV_PROMOTION_GATE"])
    assert (await ledger(me.harpoon))[-1][0] == "DENY"


async def test_a_request_that_was_denied_can_be_looked_up_too(me: Caller) -> None:
    answer = await me.harpoon.client.post("/chat/completions", json=ask(covenant={"residency": ["JP"]}))
    assert answer.status_code == 403
    decision = answer.headers["x-harpoon-decision-id"]
    (trace,) = (await me.get(WHY_NOT, actionId=decision))["data"]
    assert (trace["kind"], trace["violatedInvariantIds"]) == ("REQUEST", ["POLICY_RESIDENCY"])
    await me.post(DECIDE, problem(candidate("a", prerequisites=["nobody"])))
    listed = (await me.get(WHY_NOT, tenantId="local"))["data"]
    assert [one["kind"] for one in listed] == ["DECIDE", "REQUEST"]
    assert (await me.get(WHY_NOT, tenantId="local", limit=1))["data"] == listed[:1]
    assert (await me.get(WHY_NOT, actionId="nobody"))["data"] == []


async def test_a_demoted_catalogue_serves_nothing_and_its_refusals_are_certified(me: Caller) -> None:
    assert (await me.harpoon.client.post("/chat/completions", json=ask())).status_code == 200
    await me.post(ITEMS, {"act": "demote", "id": "catalogue", "reason": "wrong models"})
    for stream in (False, True):
        answer = await me.harpoon.client.post("/chat/completions", json=ask(stream=stream))
        assert answer.status_code == 403, answer.text
        assert "MISSING_CANON_PREREQS: catalogue" in answer.json()["error"]["message"]
        decision = answer.headers["x-harpoon-decision-id"]
        verify_certificate(await me.get(f"/v1/decisions/{decision}/certificate"), hasher())
        (trace,) = (await me.get(WHY_NOT, actionId=decision))["data"]
        assert trace["missingCanonIds"] == ["catalogue"]
    await me.post(PROMOTE, {"itemId": "catalogue", "trials": TRIALS, "scenarios": [waiting_for("catalogue")]})
    assert (await me.harpoon.client.post("/chat/completions", json=ask())).status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (WHY_NOT, {}, 400),
        (WHY_NOT, {"limit": 5}, 400),
        (WHY_NOT, {"tenantId": "acme"}, 403),
        (WHY_NOT, {"actionId": "a b"}, 400),
        (WHY_NOT, {"actionId": "a", "limit": 0}, 400),
        (WHY_NOT, {"actionId": "a", "limit": 1_001}, 400),
        (WHY_NOT, {"actionId": "a", "who": "me"}, 400),
        (ITEMS, {"level": "HIGH"}, 400),
        (ITEMS, {"kind": "rumour"}, 400),
        (ITEMS, {"seq": "-1"}, 400),
        (ITEMS, {"at_us": "now"}, 400),
        (f"{ITEMS}/a b", {}, 400),
    ],
)
async def test_what_can_not_be_looked_up(me: Caller, path: str, query: dict[str, Any], status: int) -> None:
    await me.get(path, status, **query)


@pytest.fixture
async def two() -> AsyncIterator[tuple[Caller, Caller, Caller]]:
    tokens = [f"hk_{tenant}_0123456789abcdef" for tenant in ("acme", "other", "third")]
    async with application(HARPOON_TOKENS=",".join(tokens[:2])) as harpoon:
        yield Caller(harpoon, tokens[0]), Caller(harpoon, tokens[1]), Caller(harpoon, tokens[2])


async def test_a_token_opens_its_own_tenants_canon_alone(two: tuple[Caller, Caller, Caller]) -> None:
    acme, other, stranger = two
    nobody = Caller(acme.harpoon)
    for caller in (stranger, nobody):
        for path, body in ((DECIDE, ACTION), (PROMOTE, {"itemId": "catalogue"}), (ITEMS, new_item()), (AGENTS, {})):
            assert (await caller.post(path, body, status=401))["code"] == "invalid_api_key"
        for path in (ITEMS, AGENTS, f"{ITEMS}/catalogue", f"{WHY_NOT}?actionId=a"):
            await caller.get(path, 401)
    await acme.post(ITEMS, new_item(), "k-1", status=201)
    await acme.post(DECIDE, problem(candidate("a", prerequisites=["nobody"])))
    assert (await other.get(f"{ITEMS}/review-first", 404))["code"] == "item_not_found"
    assert (await other.get(WHY_NOT, actionId="a"))["data"] == []
    assert (await other.post(DECIDE, {**ACTION, "tenantId": "acme"}, status=403))["code"] == "other_tenant"
    # Keys are each tenant's own.
    assert (await other.post(ITEMS, new_item("b"), "k-1", status=201))["item"]["id"] == "b"
    assert (await acme.post(DECIDE, {**ACTION, "tenantId": "acme"}))["outcome"] == "DENY"


async def test_where_the_log_can_not_be_written_nothing_is_decided(me: Caller) -> None:
    await me.post(DECIDE, problem(candidate("a")))
    await me.harpoon.rows(
        "CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'the log is full'); END"
    )
    before = await me.harpoon.rows("SELECT * FROM canon_item")
    for path, body in (
        (DECIDE, problem(candidate("a"))),
        (DECIDE, ACTION),
        (PROMOTE, {"itemId": "catalogue"}),
        (ITEMS, new_item()),
        (ITEMS, {"act": "demote", "id": "catalogue", "reason": "x"}),
        (AGENTS, {"agentId": "i", "action": {"id": "a", "work_us": 1}}),
        (AGENTS, {"act": "grant", "agentId": "i", "slack_us": 1, "reason": "x"}),
    ):
        error = await me.post(path, body, "k-1", status=500)
        assert "full" not in error["message"]
    assert await me.harpoon.rows("SELECT * FROM canon_item") == before
    for table in ("canon_denial", "canon_answer", "commitment", "slack"):
        assert await me.harpoon.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)]
