"""Where a decision turns: held against deciding again at every single value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.decision_kit import ALPHA, BETA, CATALOGUE, offer, weights
from worker.budget import funds_of
from worker.canon.decide import Decision, Terms, decide, terms_of, total_us
from worker.canon.flips import Flip, find_flips, find_tie, selected_route
from worker.canon.gates import Bounds, bounds_of
from worker.covenant.policy import BUDGET_SCOPES, QUALITIES, Policy
from worker.routing.candidates import NOTHING_OBSERVED, Candidate, Load, build_candidates
from worker.routing.catalogue import PRIORITIES, Weights, compile_catalogue

LOAD = Load(4, 0, 1, 10, 10, 100_000, "simple", frozenset())
HORIZON_US = 40
EXAMPLES = settings(max_examples=100)
#: Each priority weighs differently, and two of them forbid something.
PRIORITY_WEIGHTS: dict[str, Weights] = {
    "balanced": weights(cost_us_per_usd_micro=3),
    "cost_optimized": weights(cost_us_per_usd_micro=100),
    "max_performance": weights(cost_us_per_usd_micro=0),
    "max_security": weights(max_risk_ppm=10, private_only=True),
}
WORLD = compile_catalogue(replace(CATALOGUE, weights=PRIORITY_WEIGHTS, horizon_us=HORIZON_US))
ROUTE = WORLD.routes[0]


def bounds(policy: Policy) -> Bounds:
    return bounds_of(WORLD, policy, funds_of(policy, []), frozenset({"alpha"}), None, True)


def redecide(policy: Policy, candidates: Sequence[Candidate]) -> Decision:
    return decide(candidates, LOAD, bounds(policy), policy.deadline_us or HORIZON_US)


def candidate(name: str, **changes: Any) -> Candidate:
    """Its worst case is 4 tokens in and 10 out at the route's price."""
    price = changes.pop("price", 1)
    private = changes.pop("private", True)
    factor = changes.pop("factor", 1_000_000)
    route = ROUTE._replace(
        id=name,
        private=private,
        tier_factor_ppm=(factor,) * 3,
        input_price=price * 1_000_000,
        output_price=price * 1_000_000,
    )
    made = Candidate(route, 10, 5, 1, 950_000, 1, 100, 4 * price, NOTHING_OBSERVED)
    return made._replace(**changes)


#: Few different values, so that thresholds and totals often meet.
CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.sampled_from([f"r{number}" for number in range(12)]),
        ttv_us=st.integers(0, 60),
        cost_usd_micros=st.integers(0, 6),
        risk_ppm=st.sampled_from([0, 5, 11, 500_001]),
        success_ppm=st.sampled_from([1, 600_000, 800_000, 950_000]),
        price=st.integers(0, 4),
        private=st.booleans(),
        factor=st.sampled_from([1_000_000, 1_500_001, 3_000_000]),
    ),
    max_size=7,
    unique_by=lambda made: made.route.id,
)
POLICIES = st.builds(
    lambda budget, scope, deadline, quality, priority: Policy(
        budget_usd_micros=budget,
        budget_scope=None if budget is None else scope,
        deadline_us=deadline,
        quality=quality,
        priority=priority,
    ),
    st.none() | st.integers(0, 70),
    st.sampled_from([None, "total", "per_request"]),
    st.none() | st.integers(1, 70),
    st.sampled_from([None, *QUALITIES]),
    st.sampled_from([None, *PRIORITIES]),
)


def turns_on(dimension: str, policies: Sequence[tuple[int | None, Policy]], made: Sequence[Candidate]) -> list[Flip]:
    """The turns that deciding at every value of a grid finds, in its order."""
    selected = [(at, selected_route(redecide(policy, made))) for at, policy in policies]
    pairs = zip(selected[1:], selected, strict=False)
    return [Flip(dimension, at, now, before) for (at, now), (_, before) in pairs if now != before]


@EXAMPLES
@given(CANDIDATES, POLICIES)
def test_budget_and_deadline_turn_where_a_grid_says_so(made: list[Candidate], policy: Policy) -> None:
    flips = find_flips(redecide(policy, made), policy, redecide)
    # Nothing here costs more than 56 or takes more than 60, so the grid reaches beyond every threshold.
    budgets = [(at, replace(policy, budget_usd_micros=at)) for at in range(80)]
    budgets.append((None, replace(policy, budget_usd_micros=None, budget_scope=None)))  # type: ignore[arg-type]
    deadlines: list[tuple[int | None, Policy]] = [(at, replace(policy, deadline_us=at)) for at in range(1, 80)]
    deadlines.append((None, replace(policy, deadline_us=None)))
    assert [flip for flip in flips if flip.dimension == "budget"] == turns_on("budget", budgets, made)
    assert [flip for flip in flips if flip.dimension == "deadline"] == turns_on("deadline", deadlines, made)


@EXAMPLES
@given(CANDIDATES, POLICIES)
def test_quality_and_priority_are_all_tried(made: list[Candidate], policy: Policy) -> None:
    decision = redecide(policy, made)
    flips = [flip for flip in find_flips(decision, policy, redecide) if flip.dimension in ("quality", "priority")]
    now = selected_route(decision)
    others = [("quality", at, replace(policy, quality=at)) for at in (*QUALITIES, None)]
    others += [("priority", at, replace(policy, priority=at)) for at in PRIORITIES]
    expected = [
        Flip(dimension, at, selected_route(redecide(changed, made)), now)
        for dimension, at, changed in others
        if selected_route(redecide(changed, made)) != now
    ]
    assert flips == expected


def test_a_story_of_two_routes() -> None:
    """Fast and dear against slow and cheap: each covenant dimension turns once, at a value that can be checked."""
    fast = candidate("fast", ttv_us=10, cost_usd_micros=6, price=4)  # holds 56, totals 10 + 18
    slow = candidate("slow", ttv_us=20, cost_usd_micros=1, price=1)  # holds 14, totals 20 + 3
    decision = redecide(Policy(), [fast, slow])
    assert selected_route(decision) == "slow"
    assert find_flips(decision, Policy(), redecide) == (
        Flip("budget", 14, "slow", None),
        Flip("deadline", 10, "fast", None),
        Flip("deadline", 20, "slow", "fast"),
        Flip("priority", "max_performance", "fast", "slow"),
    )


@pytest.mark.parametrize("scope", BUDGET_SCOPES)
def test_a_price_limit_turns_at_the_price(scope: str) -> None:
    policy = Policy(budget_usd_micros=10_000_000, budget_scope=scope)
    made = [candidate("slow", price=2)]
    flips = [flip for flip in find_flips(redecide(policy, made), policy, redecide) if flip.dimension == "budget"]
    # Windows are accounts, and there are none here; the mediator's tests have them.
    expected = {"per_1m_tokens": [Flip("budget", 2_000_000, "slow", None)], "total": [Flip("budget", 28, "slow", None)]}
    assert flips == expected.get(scope, expected["total"] if scope == "per_request" else [])


def test_the_budget_is_found_without_the_gates_help_too() -> None:
    """With money already spent from an account, a denial's value is not the budget that would do."""
    spent = 17

    def after_spending(policy: Policy, candidates: Sequence[Candidate]) -> Decision:
        left = None if policy.budget_usd_micros is None else max(0, policy.budget_usd_micros - spent)
        return redecide(replace(policy, budget_usd_micros=left, budget_scope=None), candidates)

    policy = Policy(budget_usd_micros=5)
    flips = find_flips(after_spending(policy, [candidate("one")]), policy, after_spending)
    assert flips == (Flip("budget", 14 + spent, "one", None),)


def test_a_horizon_can_make_no_deadline_another_choice() -> None:
    """Without a deadline time counts up to the horizon only; with one it counts in full."""
    endless = candidate("endless", ttv_us=5_000, cost_usd_micros=0)
    steady = candidate("steady", ttv_us=39, cost_usd_micros=5)
    decision = redecide(Policy(), [endless, steady])
    assert selected_route(decision) == "endless"
    deadlines = [flip for flip in find_flips(decision, Policy(), redecide) if flip.dimension == "deadline"]
    assert deadlines == [Flip("deadline", 39, "steady", None), Flip("deadline", None, "endless", "steady")]


@EXAMPLES
@given(CANDIDATES, POLICIES)
def test_a_tie_is_as_near_as_it_says(made: list[Candidate], policy: Policy) -> None:
    decision = redecide(policy, made)
    for position in decision.ranking[1:]:
        loser, asked = made[position], bounds(policy)
        best_us = decision.totals[decision.ranking[0]]
        assert best_us is not None

        def total(one: Candidate, asked: Bounds = asked) -> int:
            return total_us(one, asked, policy.deadline_us or HORIZON_US, 0)

        def least(values: Sequence[Candidate], best_us: int = best_us) -> int | None:
            return next((fall for fall, one in enumerate(values) if total(one) <= best_us), None)

        tie = find_tie(loser, best_us, total)
        times = [loser._replace(ttv_us=loser.ttv_us - fall) for fall in range(loser.ttv_us + 1)]
        costs = [loser._replace(cost_usd_micros=loser.cost_usd_micros - n) for n in range(loser.cost_usd_micros + 1)]
        assert (tie.ttv_us, tie.cost_usd_micros) == (least(times), least(costs))


@EXAMPLES
@given(CANDIDATES, POLICIES, st.integers(1, 100))
def test_the_terms_are_the_total(made: list[Candidate], policy: Policy, horizon_us: int) -> None:
    asked = bounds(policy)
    for one in made:
        assert sum(terms_of(one, asked, horizon_us, 0)) == total_us(one, asked, horizon_us, 0)


def test_the_terms_of_the_documentation() -> None:
    """The kit's own catalogue, where sums are easy: alpha wins at 110,000 + 30,000, and beta's tier doubles its own."""
    world = compile_catalogue(replace(CATALOGUE, offers=(offer("alpha", 1_000_000), offer("beta", 2_000_000))))
    load = LOAD._replace(input_bytes=40)
    alpha, beta = build_candidates(world, "auto", load, {})
    assert (alpha.route.id, beta.route.id) == (ALPHA, BETA)
    asked = bounds_of(world, Policy(), (), frozenset({"alpha", "beta"}), None, True)
    assert terms_of(alpha, asked, 120_000_000, 0) == Terms(110_000, 30_000, 5_000, 105_361, 0)
    assert terms_of(beta, asked, 120_000_000, 0) == Terms(110_000, 60_000, 5_000, 105_361, 170_000)
