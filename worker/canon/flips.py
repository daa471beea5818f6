"""Where a decision would turn: exactly, by deciding again under another policy, with the same gates and totals.

Budget and deadline only ever let more candidates in as they grow, and no admissible candidate's total depends on them
(within its deadline a time is never cut off at the horizon). So the choice changes at no other value than the least
budget, or the least deadline, that admits some candidate; each of those is decided at, and just below. Quality and
priority have four values, which are all tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from worker.canon.codes import COST_BOUND_EXCEEDED
from worker.canon.decide import Decision
from worker.covenant.policy import MAX_BUDGET_USD_MICROS, MAX_DEADLINE_US, QUALITIES, Policy
from worker.routing.candidates import Candidate
from worker.routing.catalogue import PRIORITIES

#: The decision between some candidates under some policy, everything else being as it is.
Redecide = Callable[[Policy, Sequence[Candidate]], Decision]


class Flip(NamedTuple):
    """The choice turns at a value of one covenant dimension; None as a route = none is admissible.

    `dimension`: budget (`at` in micro-dollars) or deadline (microseconds): `selected` from `at` on, `instead_of` just
    below it; `at` None = only without any limit. quality or priority: `selected` at that value, `instead_of` now.
    """

    dimension: str
    at: int | str | None
    selected: str | None
    instead_of: str | None


class Tie(NamedTuple):
    """By how much a losing candidate's time, or its cost, would have to fall; None = even nothing is too much."""

    ttv_us: int | None
    cost_usd_micros: int | None


def find_flips(decision: Decision, policy: Policy, redecide: Redecide) -> tuple[Flip, ...]:
    """Every flip, by dimension, then by value. Pure, if `redecide` is."""
    candidates = decision.candidates

    def select(changed: Policy) -> str | None:
        return selected_route(redecide(changed, candidates))

    def with_budget(amount: int | None) -> Policy:
        return replace(
            policy, budget_usd_micros=amount, budget_scope=policy.budget_scope if amount is not None else None
        )

    def with_deadline(deadline_us: int | None) -> Policy:
        return replace(policy, deadline_us=deadline_us)

    budgets = [_least_budget(one, with_budget, redecide) for one in candidates]
    deadlines = [one.ttv_us for one in candidates if one.ttv_us <= MAX_DEADLINE_US]
    flips = _turns("budget", lambda at: select(with_budget(at)), 0, budgets, MAX_BUDGET_USD_MICROS)
    flips += _turns("deadline", lambda at: select(with_deadline(at)), 1, deadlines, MAX_DEADLINE_US)
    now = selected_route(decision)
    for quality in (*QUALITIES, None):
        if quality != policy.quality:
            flips += _turn("quality", quality, select(replace(policy, quality=quality)), now)
    for priority in PRIORITIES:
        if priority != policy.effective_priority:
            flips += _turn("priority", priority, select(replace(policy, priority=priority)), now)
    return tuple(flips)


def selected_route(decision: Decision) -> str | None:
    """The id of the best admissible route, or None."""
    return decision.candidates[decision.ranking[0]].route.id if decision.ranking else None


def _turn(dimension: str, at: int | str | None, selected: str | None, instead_of: str | None) -> list[Flip]:
    return [Flip(dimension, at, selected, instead_of)] if selected != instead_of else []


def _turns(
    dimension: str,
    select: Callable[[int | None], str | None],
    least: int,
    thresholds: Iterable[int | None],
    most: int,
) -> list[Flip]:
    """The flips of a dimension that has an order: at each threshold, and where the limit is lifted altogether."""
    flips: list[Flip] = []
    for at in sorted({threshold for threshold in thresholds if threshold is not None}):
        if at > least:
            flips += _turn(dimension, at, select(at), select(at - 1))
    return flips + _turn(dimension, None, select(None), select(most))


def _least_budget(candidate: Candidate, with_budget: Callable[[int], Policy], redecide: Redecide) -> int | None:
    """The least budget, in micro-dollars, that admits the candidate; None = no budget does.

    What the cost gate says a budget of nothing lacks is nearly always that budget: it is tried before the search.
    """

    def admits(amount: int) -> bool:
        return bool(redecide(with_budget(amount), (candidate,)).ranking)

    refused, admitted = -1, MAX_BUDGET_USD_MICROS
    if not admits(admitted):
        return None
    for denial in redecide(with_budget(0), (candidate,)).verdicts[0].denials:
        if denial.code == COST_BOUND_EXCEEDED and denial.value < admitted and admits(denial.value):
            admitted = denial.value
            if not admits(admitted - 1):
                return admitted
    return _least(admits, refused, admitted)


def _least(holds: Callable[[int], bool], below: int, at: int) -> int:
    """The least integer for which `holds` does, by bisection: it doesn't at `below`, it does at `at` and beyond."""
    while at - below > 1:
        middle = (below + at) // 2
        if holds(middle):
            at = middle
        else:
            below = middle
    return at


def find_tie(candidate: Candidate, best_us: int, total: Callable[[Candidate], int]) -> Tie:
    """How far a losing candidate is from the total of the best, in its own units. Pure, if `total` is."""

    def least_fall(value: int, changed: Callable[[int], Candidate]) -> int | None:
        if total(changed(0)) > best_us:
            return None
        return _least(lambda fall: total(changed(value - fall)) <= best_us, -1, value)

    return Tie(
        least_fall(candidate.ttv_us, lambda ttv_us: candidate._replace(ttv_us=ttv_us)),
        least_fall(candidate.cost_usd_micros, lambda cost: candidate._replace(cost_usd_micros=cost)),
    )
