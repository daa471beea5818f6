"""What a whole path takes, from what its actions take or what may happen: once for each path, in exact integers.

    time       E[min(TTV, H)], the restricted mean: a path that may never arrive still has one
    over actions, which are taken to fail and to harm independently:
               time and cost are sums, risk is 1 - prod(1 - r), success is prod p
    over scenarios: the mean of each figure by weight; p is E[p], for E[log p] would be another order
The one division of each figure comes last and is rounded against the path: time, cost and risk up, success down.
The cost a bound is compared with is the worst of any scenario that can happen, because a budget is no average. A rule
that asks for a least time, cost or risk, or for a greatest success, gets the figure rounded the other way, and the
least cost: so no rule is kept that exact fractions would break.
"""

from __future__ import annotations

from typing import NamedTuple

from worker.canon.problem import MILLION, Action, Features, Path, ProblemError, Scenario, check_features
from worker.ledger.canonical import MAX_INT


class Measured(NamedTuple):
    """A path's figures. `time_us`: restricted to the horizon, for the total; `ttv_us`: not, for ties and rules."""

    time_us: int
    ttv_us: int
    cost_usd_micros: int
    risk_ppm: int
    success_ppm: int
    worst_cost_usd_micros: int


def measure(path: Path, horizon_us: int) -> Measured:
    """The figures of a path. Raises: ProblemError for a figure outside its domain, also one that is a sum."""
    if path.features is not None:
        return _whole(path.id, path.features, horizon_us)
    if path.scenarios:
        return _expected(path.id, path.scenarios, horizon_us)
    return _whole(path.id, _cumulated(path.id, path.actions), horizon_us)


def least_or_most(path: Path, measured: Measured, feature: str, *, is_least: bool) -> int:
    """The figure a rule's bound is compared with, rounded against the path.

    Args: is_least: the bound is the least that the figure may be, else the most.
    """
    is_usual = is_least == (feature == "success_ppm")
    if is_usual or path.features is not None:
        figure: int = getattr(measured, "worst_cost_usd_micros" if feature == "cost_usd_micros" else feature)
        return figure
    if path.scenarios:
        figures: list[tuple[int, int]] = [(weight, getattr(one, feature)) for weight, one in path.scenarios if weight]
        if feature == "cost_usd_micros":
            return min(cost for _, cost in figures)
        total = sum(weight * figure for weight, figure in figures)
        return -(-total // MILLION) if feature == "success_ppm" else total // MILLION
    if feature == "ttv_us":
        return measured.ttv_us
    if feature == "cost_usd_micros":
        return measured.cost_usd_micros
    chance: int = 1
    scale: int = MILLION ** (len(path.actions) - 1)
    for action in path.actions:
        assert action.features is not None
        chance *= action.features.success_ppm if feature == "success_ppm" else MILLION - action.features.risk_ppm
    up = -(-chance // scale)
    return up if feature == "success_ppm" else MILLION - up


def _whole(name: str, features: Features, horizon_us: int) -> Measured:
    ttv_us, cost, risk, success = _checked(name, features)
    return Measured(ttv_us if ttv_us < horizon_us else horizon_us, ttv_us, cost, risk, success, cost)


def _cumulated(name: str, actions: tuple[Action, ...]) -> Features:
    ttv_us = cost = 0
    safe = success = 1
    for action in actions:
        if action.features is None:
            raise ProblemError(f"the path {name} has no features", param=name)
        features = _checked(name, action.features)
        ttv_us += features.ttv_us
        cost += features.cost_usd_micros
        safe *= MILLION - features.risk_ppm
        success *= features.success_ppm
    if ttv_us > MAX_INT or cost > MAX_INT:
        raise ProblemError(f"the sums of the path {name} are beyond 2^53-1: choose larger units", param=name)
    scale = MILLION ** (len(actions) - 1)
    return Features(ttv_us, cost, MILLION - safe // scale, success // scale)


def _expected(name: str, scenarios: tuple[Scenario, ...], horizon_us: int) -> Measured:
    weights = time_us = ttv_us = cost = risk = success = worst = 0
    for weight, features in scenarios:
        _checked(name, features)
        if type(weight) is not int:
            raise ProblemError(f"the weights of the path {name} must be whole numbers", param=name)
        weights += weight
        time_us += weight * min(features.ttv_us, horizon_us)
        ttv_us += weight * features.ttv_us
        cost += weight * features.cost_usd_micros
        risk += weight * features.risk_ppm
        success += weight * features.success_ppm
        if weight:
            worst = max(worst, features.cost_usd_micros)
    if weights != MILLION or min(scenario.weight_ppm for scenario in scenarios) < 0:
        raise ProblemError(f"the weights of the path {name} must add up to {MILLION}", param=name)
    return Measured(
        -(-time_us // MILLION),
        -(-ttv_us // MILLION),
        -(-cost // MILLION),
        -(-risk // MILLION),
        success // MILLION,
        worst,
    )


def _checked(name: str, features: Features) -> Features:
    ttv_us, cost, risk, success = features
    is_whole = type(ttv_us) is int and type(cost) is int and type(risk) is int and type(success) is int
    if not (
        is_whole
        and 0 <= ttv_us <= MAX_INT
        and 0 <= cost <= MAX_INT
        and 0 <= risk <= MILLION
        and 0 <= success <= MILLION
    ):
        check_features(features, name)
    return features
