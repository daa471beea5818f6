"""Looking at a tenant's state: it says what admission would do, shows what was decided, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.worker.decision_kit import (
    ALPHA,
    BETA,
    CLASSIFICATION,
    NOW_US,
    SECOND_US,
    WORST_ALPHA,
    WORST_BETA,
    World,
    config,
    facts,
    fallback,
    settlement,
    world,
)
from worker.admission import BUDGET, UNKNOWN_COVENANT, Attempt, Facts
from worker.covenant.policy import Policy
from worker.covenant_store import Draft
from worker.errors import UnknownModel
from worker.inspection import SEARCHED_DECISIONS
from worker.ledger.entry import ENTRIES_PER_LOG

CAP = 1_000


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world(config(default_cap=CAP)) as found:
        yield found


async def explained(state: World, asked: Facts) -> dict[str, Any]:
    """What is explained, after which everything stored is as it was."""
    before = await state.dump()
    found = await state.mediator.explain(asked)
    assert await state.dump() == before
    assert found is not None
    return found


ASKED = {
    "plain": facts(),
    "a budget for the request": facts(policy=Policy(budget_usd_micros=70)),
    "a budget for the month": facts(policy=Policy(budget_usd_micros=500, budget_scope="per_month")),
    "a deadline and a quality": facts(policy=Policy(deadline_us=115_000, quality="high")),
    "nothing admissible": facts(policy=Policy(residency=("US",)), needs=("vision",)),
    "too dear": facts(policy=Policy(budget_usd_micros=5)),
    "no limit of its own": facts(max_output_tokens=0, policy=Policy(budget_usd_micros=100)),
    "one provider": facts(model="beta/m"),
}


@pytest.mark.parametrize("name", ASKED)
async def test_an_explanation_is_the_decision_that_admission_makes_next(state: World, name: str) -> None:
    asked = ASKED[name]
    # A state with a past: a settled request, one that is held, and a failure.
    await state.mediator.admit(facts(90))
    await state.mediator.settle(settlement(90, attempts=(Attempt(BETA, "timeout", 0, 9), Attempt(ALPHA, "ok", 200, 8))))
    await state.mediator.admit(facts(91))
    found = await explained(state, asked)
    admission = await state.mediator.admit(asked)
    assert (found["decision_digest"], found["decision"]) == (
        admission.digest,
        (await state.mediator.read("acme", asked.decision_id) or {})["decision"],
    )
    assert found["selected"] == (admission.routes[0] if admission.routes else None)
    refusal = admission.refusal
    assert found["refusal"] == (refusal and {"kind": refusal.kind, "reasons": list(refusal.reasons)})


async def test_even_the_first_look_of_a_tenant_leaves_no_trace(state: World) -> None:
    found = await explained(state, facts())
    assert await state.rows("SELECT * FROM ledger") == []
    assert found["decision_digest"] == (await state.mediator.admit(facts())).digest


async def test_totals_are_split_and_losers_told_what_they_lack(state: World) -> None:
    found = await explained(state, facts(policy=Policy(residency=("DE",))))
    alpha, beta = found["terms"]
    assert alpha == {
        "time_us": 110_000,
        "cost_us": 30_000,
        "risk_us": 5_000,
        "improbability_us": 105_361,
        "tier_penalty_us": 0,
    }
    assert beta["tier_penalty_us"] == 170_000
    rows = [row.split(" ") for row in found["decision"]["candidates"]]
    assert [sum(terms.values()) for terms in found["terms"]] == [int(row[-2]) for row in rows]
    # Beta counts time and cost twice: it would need 100,000 us less of either.
    assert found["ties"] == [None, {"ttv_us": 100_000, "cost_usd_micros": None}]
    assert found["observed"][0] == {"samples": 0, "ratio_ppm": 1_000_000, "failures": 0, "open": False}


async def test_flips_count_what_the_accounts_have_spent(state: World) -> None:
    policy = Policy(budget_usd_micros=300, budget_scope="per_day")
    await state.mediator.admit(facts(90, policy=policy))
    await state.mediator.settle(settlement(90))  # 20 are spent of the day's 300
    found = await explained(state, facts(policy=policy, model="alpha/m"))
    budgets = [flip for flip in found["flips"] if flip["dimension"] == "budget"]
    assert budgets == [{"dimension": "budget", "at": 20 + WORST_ALPHA, "selected": ALPHA, "instead_of": None}]
    for amount, routes in ((20 + WORST_ALPHA - 1, ()), (20 + WORST_ALPHA, (ALPHA,))):
        changed = facts(amount, policy=Policy(budget_usd_micros=amount, budget_scope="per_day"), model="alpha/m")
        assert (await state.mediator.admit(changed)).routes == routes


async def test_a_stored_covenant_is_resolved_as_admission_does(state: World) -> None:
    policy = Policy(budget_usd_micros=WORST_BETA, deadline_us=SECOND_US)
    stored = await state.mediator.create_covenant(Draft("acme", ("cov-00000001",), NOW_US, policy, "{}"))
    asked = facts(covenant_id=stored["covenant_id"])
    found = await explained(state, asked)
    assert found["decision"]["policy"]["budget_usd_micros"] == WORST_BETA
    assert [flip["at"] for flip in found["flips"] if flip["dimension"] == "budget"] == [WORST_ALPHA]
    assert found["decision_digest"] == (await state.mediator.admit(asked)).digest
    # Its lifetime budget is held by now, so the next request would be refused.
    later = facts(2, covenant_id=stored["covenant_id"])
    after = await explained(state, later)
    assert after["decision_digest"] == (await state.mediator.admit(later)).digest
    nobodys = await state.mediator.explain(facts(covenant_id="cov-00000000"))
    assert nobodys == {"refusal": {"kind": UNKNOWN_COVENANT, "reasons": []}}


async def test_a_refusal_names_what_stands_in_the_way(state: World) -> None:
    found = await explained(state, facts(policy=Policy(budget_usd_micros=5)))
    assert found["selected"] is None
    assert found["refusal"]["kind"] == BUDGET
    assert found["terms"] == [None, None]
    assert {"dimension": "budget", "at": WORST_ALPHA, "selected": ALPHA, "instead_of": None} in found["flips"]


async def test_an_unknown_model_can_not_be_explained(state: World) -> None:
    with pytest.raises(UnknownModel):
        await state.mediator.explain(facts(model="gpt-9"))


# Past decisions.


async def test_decisions_are_listed_page_by_page_newest_first(state: World) -> None:
    for number in range(1, 8):
        await state.mediator.admit(facts(number))
    await state.mediator.admit(facts(9, tenant="other"))
    await state.mediator.settle(settlement(3))
    for size in range(1, 9):
        seen: list[dict[str, Any]] = []
        while page := await state.mediator.decisions("acme", size, seen[-1]["id"] if seen else None):
            assert len(page) <= size
            seen += page
        assert [int(one["id"][4:], 16) for one in seen] == [7, 6, 5, 4, 3, 2, 1]
        assert seen == [await state.mediator.read("acme", one["id"]) for one in seen]
    assert [one["state"] for one in seen] == ["open"] * 4 + ["settled"] + ["open"] * 2


async def test_decisions_of_one_request(state: World) -> None:
    for number in range(1, 4):
        await state.mediator.admit(facts(number))
    await state.mediator.admit(facts(8, tenant="other"))
    wanted = facts(2).request_id
    assert [one["request_id"] for one in await state.mediator.decisions("acme", 5, None, wanted)] == [wanted]
    assert await state.mediator.decisions("acme", 5, facts(2).decision_id, wanted) == []
    assert await state.mediator.decisions("acme", 5, None, facts(8).request_id) == []
    assert SEARCHED_DECISIONS == 10_000  # said in the documentation


# The ledger as it grows.


def kinds(found: dict[str, Any]) -> list[str]:
    return [row["kind"] for row in found["rows"]]


async def test_the_ledger_is_followed_without_loss_or_repetition(state: World) -> None:
    start = await state.mediator.follow("acme", None, 100)
    assert (start["rows"], start["more"]) == ([], False)
    cursor, seen = start["cursor"], []
    for number in range(1, 4):
        await state.mediator.admit(facts(number))
        if number > 1:
            await state.mediator.settle(settlement(number))
    await state.mediator.admit(facts(4, policy=Policy(residency=("US",))))
    while True:
        found = await state.mediator.follow("acme", cursor, 2)
        assert found["cursor"] >= cursor
        cursor = found["cursor"]
        seen += found["rows"]
        if not found["more"]:
            break
    assert [(row["kind"], int(row["payload"]["decision_id"][4:], 16)) for row in seen] == [
        ("ACTION", 1),
        ("ACTION", 2),
        ("SESSION_COMPLETION", 2),
        ("ACTION", 3),
        ("SESSION_COMPLETION", 3),
        ("DENY", 4),
    ]
    assert [row["id"] for row in seen] == sorted({row["id"] for row in seen})
    assert all(row["request_id"] == f"req_{row['payload']['decision_id'][4:]}" for row in seen)
    assert seen[2]["admitted_id"] == seen[1]["id"]
    assert (seen[2]["admitted_us"], seen[2]["at_us"]) == (NOW_US, NOW_US + SECOND_US)
    assert (await state.mediator.follow("acme", None, 100))["cursor"] == cursor  # the present


async def test_one_request_is_followed_from_its_beginning_to_its_end(state: World) -> None:
    for number in range(1, 14):
        await state.mediator.admit(facts(number))
    await state.mediator.advance(fallback(7))
    for name in (facts(7).decision_id, facts(7).request_id):
        found = await state.mediator.follow("acme", None, 5, name)
        assert (found["decision_id"], found["over"]) == (facts(7).decision_id, False)
        seen = found["rows"]
        while found["more"]:
            found = await state.mediator.follow("acme", found["cursor"], 5, name)
            seen += found["rows"]
        assert [row["kind"] for row in seen] == ["ACTION", "ACTION"]
        assert [row["id"] == row["admitted_id"] for row in seen] == [True, False]
        assert not found["over"]
    await state.mediator.settle(settlement(7, route=BETA))
    found = await state.mediator.follow("acme", found["cursor"], 5, facts(7).decision_id)
    assert (kinds(found), found["over"]) == (["SESSION_COMPLETION"], True)
    assert (await state.mediator.follow("acme", found["cursor"], 5, facts(7).decision_id))["over"]


async def test_a_denied_request_is_over_at_once(state: World) -> None:
    await state.mediator.admit(facts(policy=Policy(residency=("US",))))
    found = await state.mediator.follow("acme", None, 100, facts().decision_id)
    assert (kinds(found), found["over"]) == (["DENY"], True)


async def test_nobody_follows_another_tenant(state: World) -> None:
    await state.mediator.admit(facts(1))
    await state.mediator.admit(facts(2, tenant="other"))
    for tenant, number in (("acme", 1), ("other", 2)):
        # Whatever cursor a client makes up, it stays within its own log.
        for cursor in (0, 1, ENTRIES_PER_LOG, 2 * ENTRIES_PER_LOG - 1, 2 * ENTRIES_PER_LOG):
            rows = (await state.mediator.follow(tenant, cursor, 100))["rows"]
            assert {row["payload"]["decision_id"] for row in rows} <= {facts(number).decision_id}
        other = facts(3 - number)
        for name in (other.decision_id, other.request_id):
            found = await state.mediator.follow(tenant, None, 100, name)
            assert (found["decision_id"], found["rows"]) == (None, [])


async def test_a_cursor_beyond_the_present_goes_on_at_the_present(state: World) -> None:
    for number, known in ((1, 0), (2, 1)):  # without a log, and with one
        found = await state.mediator.follow("acme", 2**52, 100)
        assert (found["rows"], found["more"]) == ([], False)
        assert (found["cursor"] > 0) == bool(known)
        await state.mediator.admit(facts(number))
        rows = (await state.mediator.follow("acme", found["cursor"], 100))["rows"]
        assert [row["payload"]["decision_id"] for row in rows] == [facts(number).decision_id]


async def test_a_tenant_without_a_log_waits_for_its_first_entry(state: World) -> None:
    empty = await state.mediator.follow("acme", None, 100)
    assert (empty["cursor"], empty["rows"], empty["more"], empty["over"]) == (0, [], False, False)
    await state.mediator.admit(facts())
    assert kinds(await state.mediator.follow("acme", 0, 100)) == ["ACTION"]
    assert CLASSIFICATION.model_version in str(await state.mediator.follow("acme", 0, 100))
