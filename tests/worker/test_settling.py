"""The other ends of a reservation: moved to the next route, orphaned and swept, and corrected by a late word."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.worker.decision_kit import (
    BETA,
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
from worker.admission import Settled
from worker.admitting import ORPHAN_GRACE_US
from worker.covenant.policy import Policy
from worker.errors import StateError
from worker.settling import SWEEP_LIMIT

CAP = 1_000
LATER_US = NOW_US + 60 * SECOND_US
EXPIRES_US = NOW_US + 30 * SECOND_US + ORPHAN_GRACE_US


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world(config(default_cap=CAP)) as found:
        yield found


async def test_a_fallback_moves_the_reservation(state: World) -> None:
    await state.mediator.admit(facts())
    grant = await state.mediator.advance(fallback())
    assert (grant.granted, grant.output_tokens, grant.charged_usd_micros) == (True, 10, 0)
    assert await state.account() == (CAP, 0, WORST_BETA, 0)
    found = await state.decision()
    assert (found["route"], found["attempt"], found["held"]) == (BETA, 2, WORST_BETA)
    assert await state.mediator.settle(settlement(route=BETA)) == Settled(40)
    assert await state.account() == (CAP, 40, 0, 0)
    assert await state.kinds() == ["ACTION", "ACTION", "SESSION_COMPLETION"]


async def test_a_failed_attempt_that_may_have_cost_money_is_charged_at_its_worst_case(state: World) -> None:
    await state.mediator.admit(facts())
    grant = await state.mediator.advance(fallback(unbilled=False))
    assert (grant.granted, grant.charged_usd_micros) == (True, WORST_ALPHA)
    assert await state.account() == (CAP, WORST_ALPHA, WORST_BETA, 0)
    assert await state.mediator.settle(settlement(route=BETA)) == Settled(WORST_ALPHA + 40)
    assert await state.account() == (CAP, WORST_ALPHA + 40, 0, 0)


@pytest.mark.parametrize(
    ("policy", "cap", "unbilled", "granted"),
    [
        (Policy(), 120, True, True),
        (Policy(), 119, True, False),
        (Policy(), 180, False, True),
        (Policy(), 179, False, False),
        (Policy(budget_usd_micros=120), None, True, True),
        (Policy(budget_usd_micros=119), None, True, False),
        (Policy(budget_usd_micros=180), None, False, True),
        (Policy(budget_usd_micros=179), None, False, False),
        (Policy(budget_usd_micros=179, budget_scope="per_hour"), None, False, False),
        (Policy(budget_usd_micros=4_000_000, budget_scope="per_1m_tokens"), None, False, True),
        (Policy(budget_usd_micros=3_999_999, budget_scope="per_1m_tokens"), None, False, False),
    ],
)
async def test_a_fallback_is_refused_when_the_budget_cannot_bear_it(
    policy: Policy, cap: int | None, unbilled: bool, granted: bool
) -> None:
    async with world(config(default_cap=cap)) as state:
        await state.mediator.admit(facts(policy=policy))
        spent = 0 if unbilled else WORST_ALPHA
        grant = await state.mediator.advance(fallback(unbilled=unbilled))
        assert (grant.granted, grant.charged_usd_micros) == (granted, spent)
        assert await state.account() == (cap, spent, WORST_BETA if granted else 0, 0)
        used = settlement(route=BETA) if granted else settlement(usage="unknown", outcome="error")
        assert await state.mediator.settle(used) == Settled(spent + (40 if granted else 0))


async def test_a_fallback_to_nowhere_is_refused(state: World) -> None:
    await state.mediator.admit(facts(model="alpha/m"))
    assert not (await state.mediator.advance(fallback())).granted  # this request never had beta
    await state.mediator.settle(settlement(usage="none"))
    assert not (await state.mediator.advance(fallback())).granted  # and now it is over
    with pytest.raises(StateError):
        await state.mediator.advance(fallback(7))
    with pytest.raises(StateError):
        await state.mediator.settle(settlement(7))


async def test_a_settlement_of_another_tenant_finds_nothing(state: World) -> None:
    await state.mediator.admit(facts())
    with pytest.raises(StateError):
        await state.mediator.settle(settlement(tenant="other"))
    assert await state.account() == (CAP, 0, WORST_ALPHA, 0)
    assert await state.mediator.read("other", facts().decision_id) is None


async def test_a_sweep_leaves_what_may_still_be_settled(state: World) -> None:
    await state.mediator.admit(facts())
    assert await state.mediator.next_expiry_us() == EXPIRES_US
    assert await state.mediator.sweep(EXPIRES_US) == 0
    assert await state.mediator.sweep(EXPIRES_US + 1) == 1
    assert await state.mediator.sweep(EXPIRES_US + 1) == 0
    assert await state.mediator.next_expiry_us() is None
    found = await state.decision()
    assert (found["state"], found["charged"], found["expires_us"]) == ("unsettled", WORST_ALPHA, None)
    assert await state.account() == (CAP, WORST_ALPHA, 0, 0)
    (event,) = await state.events()
    assert event["outcome"] == {"status": "error"}
    assert event["metadata"]["usage_source"] == "unknown"


async def test_a_sweep_takes_everything_when_nobody_else_lives(state: World) -> None:
    many = SWEEP_LIMIT + 3
    for number in range(many):
        await state.mediator.admit(facts(number, tenant=f"t{number}"))
    assert await state.mediator.sweep(NOW_US, everything=True) == many
    assert await state.rows("SELECT SUM(spent), SUM(reserved) FROM account") == [(many * WORST_ALPHA, 0)]


@pytest.mark.parametrize("billed_first", [False, True])
@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize(
    ("usage", "tokens", "cost", "overrun"),
    [("reported", (10, 5), 40, 0), ("none", (0, 0), 0, 0), ("counted", (100, 0), 200, 80)],
)
async def test_a_settlement_after_a_sweep_ends_like_one_before(
    state: World, billed_first: bool, swept: bool, usage: str, tokens: tuple[int, int], cost: int, overrun: int
) -> None:
    await state.mediator.admit(facts())
    await state.mediator.advance(fallback(unbilled=not billed_first))
    if swept:
        await state.mediator.sweep(LATER_US)
    charged = (WORST_ALPHA if billed_first else 0) + cost
    late = settlement(route=BETA, usage=usage, input_tokens=tokens[0], output_tokens=tokens[1])
    assert await state.mediator.settle(late) == Settled(charged)
    assert await state.account() == (CAP, charged, 0, overrun)
    found = await state.decision()
    assert (found["state"], found["charged"]) == ("settled", charged)
    before = await state.dump()
    assert await state.mediator.settle(late) == Settled(charged)
    assert await state.dump() == before


async def test_a_late_word_that_knows_nothing_changes_nothing(state: World) -> None:
    await state.mediator.admit(facts())
    await state.mediator.sweep(LATER_US)
    before = await state.dump()
    assert await state.mediator.settle(settlement(usage="unknown")) == Settled(WORST_ALPHA)
    assert await state.dump() == before
