"""Admit and settle: what is held, charged, recorded and told, in one commit each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.worker.decision_kit import (
    ALPHA,
    BETA,
    CATALOGUE,
    CLASSIFICATION,
    NOW_US,
    SECOND_US,
    WORST_ALPHA,
    World,
    config,
    facts,
    fallback,
    hasher,
    offer,
    settlement,
    world,
)
from worker.admission import BUDGET, POLICY, UNAVAILABLE, Attempt, Settled
from worker.admitting import ORPHAN_GRACE_US
from worker.covenant.policy import Policy
from worker.errors import StateError, UnknownModel
from worker.ledger.canonical import parse_canonical
from worker.routing.estimates import OPEN_FOR_US

CAP = 1_000
LATER_US = NOW_US + 60 * SECOND_US
EXPIRES_US = NOW_US + 30 * SECOND_US + ORPHAN_GRACE_US


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world(config(default_cap=CAP)) as found:
        yield found


async def test_admission_reserves_the_worst_case(state: World) -> None:
    admission = await state.mediator.admit(facts())
    assert admission.routes == (ALPHA, BETA)
    assert (admission.output_tokens, admission.estimate_usd_micros, admission.refusal) == (10, 30, None)
    assert await state.account() == (CAP, 0, WORST_ALPHA, 0)
    assert await state.decision() == {
        "state": "open",
        "route": ALPHA,
        "attempt": 1,
        "held": WORST_ALPHA,
        "expires_us": EXPIRES_US,
        "charged": 0,
    }
    assert await state.kinds() == ["ACTION"]
    assert await state.events() == []


async def test_settlement_charges_what_was_used_and_frees_the_rest(state: World) -> None:
    await state.mediator.admit(facts())
    assert await state.mediator.settle(settlement()) == Settled(20)
    assert await state.account() == (CAP, 20, 0, 0)
    found = await state.decision()
    assert (found["state"], found["held"], found["expires_us"], found["charged"]) == ("settled", 0, None, 20)
    assert await state.kinds() == ["ACTION", "SESSION_COMPLETION"]


@pytest.mark.parametrize("usage", ["reported", "counted", "none", "unknown"])
async def test_saying_it_twice_changes_nothing(state: World, usage: str) -> None:
    await state.mediator.admit(facts())
    first = await state.mediator.settle(settlement(usage=usage))
    before = await state.dump()
    assert await state.mediator.settle(settlement(usage=usage)) == first
    if usage != "unknown":
        assert await state.mediator.settle(settlement(input_tokens=999)) == first
    assert await state.dump() == before


@pytest.mark.parametrize(("usage", "cost", "end"), [("none", 0, "settled"), ("unknown", WORST_ALPHA, "unsettled")])
async def test_usage_nobody_reported(state: World, usage: str, cost: int, end: str) -> None:
    await state.mediator.admit(facts())
    assert await state.mediator.settle(settlement(usage=usage, outcome="error")) == Settled(cost)
    assert await state.account() == (CAP, cost, 0, 0)
    assert (await state.decision())["state"] == end


async def test_an_overrun_is_recorded_and_counts_before_the_next_request(state: World) -> None:
    await state.mediator.admit(facts())
    assert await state.mediator.settle(settlement(input_tokens=900, output_tokens=45)) == Settled(990)
    assert await state.account() == (CAP, 990, 0, 930)
    refusal = (await state.mediator.admit(facts(2))).refusal
    assert refusal is not None
    assert refusal.kind == BUDGET
    assert refusal.reasons == ("COST_BOUND_EXCEEDED: tenant (60 against 10 micro-dollars) [2 of 2]",)
    # Beyond the cap even: nothing is left, and nothing goes below that.
    await state.mediator.admit(facts(3, model="alpha/m", input_bytes=1, max_output_tokens=1))
    await state.mediator.settle(settlement(3, input_tokens=500))
    assert await state.account() == (CAP, 1_500, 0, 930 + 507)
    assert (await state.mediator.admit(facts(4, input_bytes=1, max_output_tokens=1))).refusal is not None


async def test_a_free_route_is_served_from_an_empty_account() -> None:
    free = replace(CATALOGUE, offers=(offer("alpha", 0), offer("beta", 2_000_000)))
    async with world(config(default_cap=10)) as state:
        await state.mediator.admit(facts(input_bytes=1, max_output_tokens=1))
        await state.mediator.settle(settlement(input_tokens=90))
        mediator = state.with_config(config(free, default_cap=10))
        assert (await mediator.admit(facts(2))).routes == (ALPHA,)
        await mediator.settle(settlement(2))
        assert await state.account() == (10, 100, 0, 97)


async def test_a_denial_is_recorded_before_the_caller_sees_it(state: World) -> None:
    admission = await state.mediator.admit(facts(policy=Policy(residency=("US",)), needs=("vision",)))
    assert admission.routes == ()
    assert admission.refusal is not None
    assert admission.refusal.kind == POLICY
    assert admission.refusal.reasons == (
        "INVARIANT_VIOLATION: MODEL_CAPABILITY [2 of 2]",
        "INVARIANT_VIOLATION: POLICY_RESIDENCY [2 of 2]",
    )
    assert await state.kinds() == ["DENY"]
    entry = (await state.entries())[-1]
    assert entry["payload"] == {
        "catalogue": config().catalogue_hash,
        "decision": admission.digest,
        "decision_id": admission.decision_id,
    }
    assert (await state.decision())["state"] == "denied"
    assert await state.rows("SELECT * FROM account") == []
    assert await state.mediator.settle(settlement()) == Settled(0)  # nothing was admitted, so nothing is charged
    assert await state.kinds() == ["DENY"]


async def test_a_denial_that_cannot_be_logged_is_no_answer(state: World) -> None:
    await state.rows("DROP TABLE ledger")
    for policy in (Policy(), Policy(residency=("US",))):
        with pytest.raises(StateError):
            await state.mediator.admit(facts(policy=policy))
    assert await state.rows("SELECT * FROM decision") == []
    assert await state.rows("SELECT * FROM account") == []


async def test_an_unknown_model_leaves_nothing(state: World) -> None:
    before = await state.dump()
    with pytest.raises(UnknownModel):
        await state.mediator.admit(facts(model="gpt-9"))
    assert await state.dump() == before
    assert all(rows == [] for rows in before.values())


async def test_resting_routes_are_an_outage_not_a_policy(state: World) -> None:
    for number in range(3):
        await state.mediator.admit(facts(number))
        failed = tuple(Attempt(route, "connect", 0, 1) for route in (ALPHA, BETA))
        await state.mediator.settle(settlement(number, usage="none", outcome="error", attempts=failed))
    refusal = (await state.mediator.admit(facts(3))).refusal
    assert refusal is not None
    assert refusal.kind == UNAVAILABLE
    assert refusal.reasons == ("INVARIANT_VIOLATION: PROVIDER_AVAILABLE (3 against 0) [2 of 2]",)
    rested = facts(4, at_us=NOW_US + SECOND_US + OPEN_FOR_US)
    assert (await state.mediator.admit(rested)).routes == (ALPHA, BETA)


async def test_a_callers_own_mistake_rests_no_route(state: World) -> None:
    for number in range(5):
        await state.mediator.admit(facts(number))
        rejected = (Attempt(ALPHA, "rejected", 400, 1),)
        await state.mediator.settle(settlement(number, usage="none", outcome="error", attempts=rejected))
    assert (await state.mediator.admit(facts(9))).refusal is None


async def test_frozen_estimates_learn_nothing() -> None:
    async with world(config(frozen_estimates=True)) as state:
        for number in range(4):
            await state.mediator.admit(facts(number))
            failed = (Attempt(ALPHA, "connect", 0, 1),)
            await state.mediator.settle(settlement(number, usage="none", outcome="error", attempts=failed))
        assert await state.rows("SELECT * FROM estimate") == []


async def test_genesis_is_written_once_for_each_tenant(state: World) -> None:
    for number, tenant in enumerate(("acme", "acme", "other", "acme")):
        await state.mediator.admit(facts(number, tenant=tenant))
    for tenant, decisions in (("acme", 3), ("other", 1)):
        entries = await state.entries(tenant)
        assert [entry["kind"] for entry in entries] == ["STRUCTURE_UPDATE"] * 4 + ["ACTION"] * decisions
        assert [entry["payload"]["item"] for entry in entries[:4]] == [
            "catalogue",
            "default_policy",
            "pool_table",
            "price_table",
        ]
        assert all(entry["payload"]["level"] == "CANON" for entry in entries[:4])
        assert entries[0]["payload"]["hash"] == config().catalogue_hash


async def test_another_catalogue_is_logged_before_it_is_used(state: World) -> None:
    await state.mediator.admit(facts())
    dearer = config(replace(CATALOGUE, offers=(offer("alpha", 3_000_000), offer("beta", 9_000_000))), default_cap=CAP)
    await state.with_config(dearer).admit(facts(2))
    await state.with_config(dearer).admit(facts(3))
    entries = await state.entries()
    assert [entry["kind"] for entry in entries] == ["STRUCTURE_UPDATE"] * 4 + ["ACTION"] + ["STRUCTURE_UPDATE"] * 4 + [
        "ACTION"
    ] * 2
    first, second = entries[0:4], entries[5:9]
    same = {old["payload"]["item"] for old, new in zip(first, second, strict=True) if old["payload"] == new["payload"]}
    assert same == {"default_policy", "pool_table"}
    assert [entry["payload"]["catalogue"] for entry in entries if entry["kind"] == "ACTION"] == [
        config().catalogue_hash,
        dearer.catalogue_hash,
        dearer.catalogue_hash,
    ]


async def a_busy_day(state: World) -> None:
    for number in range(12):
        tenant = ("acme", "other")[number % 2]
        await state.mediator.admit(facts(number, tenant=tenant, policy=Policy(deadline_us=number % 3 or 1_000_000)))
        if number % 3 == 0:
            await state.mediator.advance(fallback(number, tenant=tenant, unbilled=number % 2 == 0))
        if number % 4:
            await state.mediator.settle(settlement(number, tenant=tenant))
    await state.mediator.sweep(LATER_US)


async def test_the_ledger_has_no_gaps_and_every_leaf_hash_is_of_the_stored_text(state: World) -> None:
    await a_busy_day(state)
    sha3 = hasher()
    for tenant in ("acme", "other"):
        rows = await state.rows("SELECT seq, at_us, kind, entry, leaf_hash FROM ledger WHERE tenant = ?", tenant)
        assert [row[0] for row in rows] == list(range(len(rows)))
        assert len(rows) > 8
        for seq, at_us, kind, entry, leaf_hash in rows:
            text = str(entry).encode()
            assert leaf_hash == sha3.sha3_256(b"\x00" + text)
            parsed = parse_canonical(text)
            assert isinstance(parsed, dict)
            assert sorted(parsed.keys() - {"evidence"}) == ["at_us", "kind", "payload", "seq", "tenant", "v"]
            assert [parsed[key] for key in ("seq", "at_us", "kind", "tenant", "v")] == [seq, at_us, kind, tenant, 2]


async def test_a_stored_decision_is_the_text_its_digest_is_of(state: World) -> None:
    await a_busy_day(state)
    for digest, snapshot in await state.rows(
        "SELECT d.digest, l.evidence FROM decision d JOIN ledger l ON l.id = d.entry_id"
    ):
        text = str(snapshot).encode()
        parse_canonical(text)
        assert hasher().sha3_256(text).hex() == digest


async def test_a_decision_can_be_read_back(state: World) -> None:
    admission = await state.mediator.admit(facts())
    found = await state.mediator.read("acme", facts().decision_id)
    assert found is not None
    assert found["decision"]["v"] == 2
    assert len(found["decision"]["candidates"]) == 2
    assert (found["state"], found["charged_usd_micros"], found["outcome"]) == ("open", 0, None)
    await state.mediator.settle(settlement())
    found = await state.mediator.read("acme", facts().decision_id)
    assert found is not None
    assert (found["id"], found["request_id"], found["at_us"]) == (facts().decision_id, facts().request_id, NOW_US)
    assert (found["state"], found["charged_usd_micros"]) == ("settled", 20)
    assert found["decision_digest"] == admission.digest
    assert found["outcome"]["attempts"] == [[ALPHA, "ok", 200, SECOND_US]]
    assert await state.mediator.read("acme", "dec_0") is None


async def test_what_was_learnt_stretches_the_next_estimate(state: World) -> None:
    await state.mediator.admit(facts())
    await state.mediator.settle(settlement())
    # Planned 100 ms and 1 ms for each of the five tokens, seen 1 s.
    assert await state.rows("SELECT route, samples, ratio_ppm, failures FROM estimate") == [(ALPHA, 1, 9_523_809, 0)]
    assert (await state.mediator.admit(facts(2))).refusal is None


def test_the_classification_of_the_kit_is_one() -> None:
    assert facts().classification is CLASSIFICATION
