"""Reading a problem: a malformed one is refused by one error that names the member, and what is read writes back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.worker.canon.problem_kit import HASHER, candidate, cite, features, item, path, posed, problem_of
from worker.canon.measure import measure
from worker.canon.problem import DEFAULT_HORIZON_US, ProblemError, problem_to_plain, read_problem
from worker.canon.resolve import resolve

FULL = posed(
    path("a", {"tags": ["pay"], "prerequisites": ["law"], "cites": [cite("law")], "writes": ["disk"]}),
    {"id": "b", "scenarios": [{"weight_ppm": 400_000, **features()}, {"weight_ppm": 600_000, **features(ttv_us=9)}]},
    {"id": "c", "actions": [{"id": "c.1", "features": features()}], "tier_factor_ppm": 1_500_000},
    goal="ship it",
    horizon_us=5_000,
    bounds={"max_cost_usd_micros": 5, "max_risk_ppm": 6, "min_success_ppm": 7, "required_kinds": ["policy"]},
    canon=[item("law")],
    invariants=[{"id": "r", "rule": {"op": "at_most", "feature": "ttv_us", "value": 3}}],
)
MISSING = object()
#: Where in FULL a value is put (or taken away), and the member that the error names.
MALFORMED: list[tuple[tuple[Any, ...], Any, str]] = [
    ((), [], "problem"),
    (("weights",), MISSING, "weights"),
    (("candidates",), MISSING, "candidates"),
    (("surprise",), 1, "problem.surprise"),
    (("goal",), 1, "goal"),
    (("goal",), "\ud800", "goal"),
    (("goal",), "x" * 2_000, "goal"),
    (("horizon_us",), 0, "horizon_us"),
    (("horizon_us",), 1.0, "horizon_us"),
    (("horizon_us",), 2**53, "horizon_us"),
    (("candidates",), {}, "candidates"),
    (("candidates", 0), 1, "candidates[0]"),
    (("candidates", 0, "id"), "b", "candidates"),
    (("candidates", 0, "id"), "a b", "candidates[0].id"),
    (("candidates", 0, "id"), "", "candidates[0].id"),
    (("candidates", 0, "surprise"), 1, "candidates[0].surprise"),
    (("candidates", 0, "actions"), [], "candidates[0].actions"),
    (("candidates", 0, "features"), MISSING, "candidates[0].features"),
    (("candidates", 0, "scenarios"), FULL["candidates"][1]["scenarios"], "candidates[0].features"),
    (("candidates", 2, "features"), features(), "candidates[2].features"),
    (("candidates", 0, "features", "ttv_us"), -1, "candidates[0].features.ttv_us"),
    (("candidates", 0, "features", "ttv_us"), True, "candidates[0].features.ttv_us"),
    (("candidates", 0, "features", "cost_usd_micros"), 2**53, "candidates[0].features.cost_usd_micros"),
    (("candidates", 0, "features", "risk_ppm"), 1_000_001, "candidates[0].features.risk_ppm"),
    (("candidates", 0, "features", "success_ppm"), float("nan"), "candidates[0].features.success_ppm"),
    (("candidates", 0, "features", "success_ppm"), MISSING, "candidates[0].features.success_ppm"),
    (("candidates", 0, "features", "joy"), 1, "candidates[0].features.joy"),
    (("candidates", 0, "tier_factor_ppm"), 999_999, "candidates[0].tier_factor_ppm"),
    (("candidates", 0, "actions", 0, "surprise"), 1, "candidates[0].actions[0].surprise"),
    (("candidates", 0, "actions", 0, "tags"), ["pay", "pay"], "candidates[0].actions[0].tags"),
    (("candidates", 0, "actions", 0, "tags"), "pay", "candidates[0].actions[0].tags"),
    (("candidates", 0, "actions", 0, "writes", 0), "a,b", "candidates[0].actions[0].writes[0]"),
    (("candidates", 0, "actions", 0, "cites", 0, "hash"), "abc", "candidates[0].actions[0].cites[0].hash"),
    (("candidates", 0, "actions", 0, "cites"), [cite("law"), cite("law")], "candidates[0].actions[0].cites"),
    (("candidates", 1, "scenarios", 0, "weight_ppm"), 400_001, "candidates[1].scenarios"),
    (("candidates", 1, "scenarios", 0, "weight_ppm"), -1, "candidates[1].scenarios[0].weight_ppm"),
    (("candidates", 1, "scenarios"), [], "candidates[1].scenarios"),
    (("weights", "cost_us_per_usd_micro"), -1, "weights.cost_us_per_usd_micro"),
    (("weights", "risk_us_per_ppm"), MISSING, "weights.risk_us_per_ppm"),
    (("weights", "joy"), 1, "weights.joy"),
    (("bounds", "max_risk_ppm"), 1_000_001, "bounds.max_risk_ppm"),
    (("bounds", "max_cost_usd_micros"), None, "bounds.max_cost_usd_micros"),
    (("bounds", "min_success_ppm"), "1", "bounds.min_success_ppm"),
    (("bounds", "required_kinds"), ["belief"], "bounds.required_kinds"),
    (("bounds", "min_joy"), 1, "bounds.min_joy"),
    (("canon", 0, "level"), "GOSPEL", "canon[0].level"),
    (("canon", 0, "provenance", "ref"), "", "canon[0].provenance.ref"),
    (("canon",), [item("law"), item("law")], "canon"),
    (("invariants", 0, "rule"), {"op": "at_most", "feature": "joy", "value": 1}, "invariants[0].rule"),
    (("invariants", 0, "rule"), {"op": "at_most", "feature": "ttv_us", "value": -1}, "invariants[0].rule"),
    (("invariants", 0, "rule"), {"op": "forbids", "field": "id", "name": "x"}, "invariants[0].rule"),
    (("invariants", 0, "severity"), "MILD", "invariants[0].severity"),
    (("invariants", 0, "surprise"), 1, "invariants[0]"),
]


def changed(where: tuple[Any, ...], value: Any) -> Any:
    plain = copy.deepcopy(FULL)
    if not where:
        return value
    inner: Any = plain
    for step in where[:-1]:
        inner = inner[step]
    if value is MISSING:
        del inner[where[-1]]
    else:
        inner[where[-1]] = value
    return plain


@pytest.mark.parametrize(("where", "value", "member"), MALFORMED, ids=[str(at) for at in range(len(MALFORMED))])
def test_a_malformed_problem_is_refused_by_one_error_that_names_the_member(
    where: tuple[Any, ...], value: Any, member: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        read_problem(changed(where, value), HASHER)
    # The weights of scenarios that don't add up are the whole list's fault, as is an empty one.
    assert refused.value.param in (member, member.rpartition(".")[0] + ".features")
    assert str(refused.value.param) in refused.value.message


def test_what_is_read_writes_back_and_reads_the_same() -> None:
    problem = read_problem(FULL, HASHER)
    plain = problem_to_plain(problem)
    assert read_problem(plain, HASHER) == problem
    assert problem_to_plain(read_problem(plain, HASHER)) == plain


def test_the_least_problem_has_defaults_and_a_candidate_is_its_own_action() -> None:
    problem = read_problem({"candidates": [candidate("a")], "weights": FULL["weights"]}, HASHER)
    assert (problem.goal, problem.horizon_us, problem.canon.items) == ("", DEFAULT_HORIZON_US, ())
    assert [action.id for action in problem.candidates[0].actions] == ["a"]
    assert read_problem({"candidates": [], "weights": FULL["weights"]}, HASHER).candidates == ()


def test_nobody_to_choose_from_selects_nobody() -> None:
    resolution = resolve(problem_of(), HASHER)
    assert (resolution.selected, resolution.ranking) == (None, ())


def test_a_total_beyond_exact_integers_raises_and_is_never_compared() -> None:
    with pytest.raises(ProblemError, match="larger units"):
        resolve(problem_of(candidate("a", cost_usd_micros=2**52)), HASHER)
    heavy = [{"id": f"a{at}", "features": features(ttv_us=2**53 - 1)} for at in range(2)]
    with pytest.raises(ProblemError, match="larger units"):
        resolve(problem_of({"id": "a", "actions": heavy}), HASHER)


def test_e_ttv_is_the_restricted_mean_and_p_is_the_mean_of_p() -> None:
    """A tenth of the time it takes for ever: the mean is cut off at the horizon, the tie-break's is not."""
    (one,) = problem_of(
        {
            "id": "a",
            "scenarios": [
                {"weight_ppm": 900_000, **features(ttv_us=100, success_ppm=1_000_000, risk_ppm=1)},
                {"weight_ppm": 100_000, **features(ttv_us=10**9, success_ppm=0, risk_ppm=0)},
            ],
        }
    ).candidates
    measured = measure(one, 1_000)
    assert (measured.time_us, measured.ttv_us) == (190, 100_000_090)
    assert (measured.success_ppm, measured.risk_ppm) == (900_000, 1)  # risk 0.9 rounds against the path
