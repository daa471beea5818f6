"""What earlier decision engines got wrong, D1 to D8 and D13 of docs/canon.md: each once, as it showed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.worker.canon.problem_kit import (
    HASHER,
    candidate,
    cite,
    decided,
    denials,
    features,
    item,
    path,
    posed,
    problem_of,
)
from worker.canon.problem import Features, Path, ProblemError, read_problem
from worker.canon.resolve import resolve
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

ONLY_TIME = {"cost_us_per_usd_micro": 0, "risk_us_per_ppm": 0, "improbability_us_per_micronat": 0}


def test_d1_when_every_candidate_is_denied_none_is_selected() -> None:
    """The first of the list used to be selected all the same."""
    resolution = decided(candidate("first", risk_ppm=9), candidate("second", risk_ppm=8), bounds={"max_risk_ppm": 7})
    assert (resolution.selected, resolution.ranking, resolution.totals) == (None, (), (None, None))
    assert [verdict.reason_codes for verdict in resolution.verdicts] == [("RISK_BOUND_EXCEEDED",)] * 2


@pytest.mark.parametrize("level", ["EVIDENCE", "PROPOSED", "CANON"])
def test_d2_a_prerequisite_is_met_at_canon_and_at_no_lower_level(level: str) -> None:
    """An item used to count from the moment it was in the store."""
    resolution = decided(path("x", {"prerequisites": ["law"]}), canon=[item("law", level)])
    assert (resolution.selected == "x") is (level == "CANON")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_d3_every_action_of_a_path_is_gated_not_only_the_next(place: int) -> None:
    actions: list[dict[str, Any]] = [{}, {}, {}]
    actions[place] = {"prerequisites": ["nowhere"]}
    resolution = decided(path("x", *actions))
    assert denials(resolution, "x") == [("MISSING_CANON_PREREQS", "nowhere", f"x.{place + 1}")]


def test_d4_authority_is_each_action_s_own_and_has_to_be_relevant() -> None:
    """The citations of one candidate, or of the whole run, used to cover all; any four strings were an authority."""
    canon = [item("law", applies_to=["pay"])]
    bounds = {"required_kinds": ["policy"]}
    paths = [
        path("covered", {"tags": ["pay"], "cites": [cite("law")]}),
        path("beside", {"tags": ["pay"]}),
        path("irrelevant", {"tags": ["read"], "cites": [cite("law")]}),
        path("invented", {"tags": ["pay"], "cites": [cite(name) for name in ("a", "b", "c", "d")]}),
    ]
    resolution = decided(*paths, bounds=bounds, canon=canon)
    assert [resolution.problem.candidates[at].id for at in resolution.ranking] == ["covered"]
    refused = [verdict.reason_codes for verdict in resolution.verdicts if verdict.findings]
    assert refused == [("AUTHORITY_BOUNDARY_FAIL",)] * 3


def test_d5_a_path_that_can_t_succeed_is_denied_however_fast_it_is() -> None:
    """p = 0 used to be counted as one in a billion, so that a hopeless path of 1 beat a certain one of 3."""
    weights = {**ONLY_TIME, "improbability_us_per_micronat": 1}
    resolution = decided(
        candidate("hopeless", ttv_us=1, success_ppm=0), candidate("certain", ttv_us=3), weights=weights
    )
    assert resolution.selected == "certain"
    assert denials(resolution, "hopeless") == [("SUCCESS_PROB_TOO_LOW", "success_ppm", "")]
    # A floor of nothing is no way around it, and more than certainty is no bonus but an error.
    assert decided(candidate("hopeless", success_ppm=0), bounds={"min_success_ppm": 0}).selected is None
    with pytest.raises(ProblemError, match="success_ppm"):
        decided(candidate("x", success_ppm=2_000_000))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, "7"])
@pytest.mark.parametrize("first", [True, False])
def test_d6_what_is_no_number_raises_wherever_it_is_listed(value: Any, first: bool) -> None:
    """A total of NaN used to be selected if it came first."""
    broken = {"id": "broken", "features": {**features(), "ttv_us": value}}
    listed = [broken, candidate("sound")] if first else [candidate("sound"), broken]
    with pytest.raises(ProblemError, match="ttv_us"):
        read_problem(posed(*listed), HASHER)


def test_d7_ties_go_by_time_risk_cost_and_id_and_nothing_given_is_changed() -> None:
    """The order of the input used to decide, and the input to be written into."""
    flat = {**ONLY_TIME, "cost_us_per_usd_micro": 1}
    rows = {
        "slow": features(ttv_us=5, cost_usd_micros=0, risk_ppm=0),
        "risky": features(ttv_us=2, cost_usd_micros=3, risk_ppm=7),
        "b": features(ttv_us=2, cost_usd_micros=3, risk_ppm=1),
        "a": features(ttv_us=2, cost_usd_micros=3, risk_ppm=1),
    }
    for names in (list(rows), list(reversed(rows))):
        plain = posed(*[{"id": name, "features": rows[name]} for name in names], weights=flat)
        before = copy.deepcopy(plain)
        problem = read_problem(plain, HASHER)
        resolution = resolve(problem, HASHER)
        assert [problem.candidates[at].id for at in resolution.ranking] == ["a", "b", "risky", "slow"]
        assert plain == before
        assert problem == read_problem(before, HASHER)


def test_d7_features_are_asked_for_exactly_once_for_each_candidate() -> None:
    """The witness tells something else every time; the decision is consistent with what it told the first time."""
    asked: list[str] = []

    def witness(path: Path) -> Features:
        asked.append(path.id)
        return Features(ttv_us=len(asked), cost_usd_micros=0, risk_ppm=0, success_ppm=1_000_000)

    problem = problem_of(*[candidate(name) for name in "abcde"])
    resolution = resolve(problem, HASHER, feature_fn=witness)
    assert asked == [*"abcde"]
    assert resolution.totals == (1, 2, 3, 4, 5)
    assert [path.features.ttv_us for path in resolution.problem.candidates if path.features] == [1, 2, 3, 4, 5]
    assert resolve(resolution.problem, HASHER) == resolution._replace(extra=resolve(problem, HASHER).extra)


def test_d8_the_shipped_weights_are_of_one_unit_and_none_is_idle() -> None:
    """Weights of 0.1 on milliseconds used to make penalties of 5 on 300,000: nothing but time ever counted.

    Here a weight says how many microseconds a unit is worth; by those of a balanced request, 20 ms of a usual
    request's 3 s are outweighed by a plausible difference in cost, risk or success, each by itself.
    """
    for row in DEFAULT_CATALOGUE.weights.values():
        assert min(getattr(row, name) for name in ONLY_TIME) > 0
    balanced = {name: getattr(DEFAULT_CATALOGUE.weights["balanced"], name) for name in ONLY_TIME}
    usual = features(ttv_us=3_000_000, cost_usd_micros=300, risk_ppm=40_000, success_ppm=950_000)
    for better in ({"cost_usd_micros": 100}, {"risk_ppm": 10_000}, {"success_ppm": 999_999}):
        slower = {**usual, "ttv_us": 3_020_000, **better}
        pair = [{"id": "usual", "features": usual}, {"id": "better", "features": slower}]
        assert decided(*pair, weights=balanced).selected == "better", better


def test_d13_doing_nothing_is_no_free_option_and_more_is_never_better() -> None:
    """A built-in option of score 0 used to win always; a rival scorer ranked higher totals first."""
    resolution = decided(candidate("slow", ttv_us=9), candidate("quick", ttv_us=7))
    assert resolution.selected == "quick"
    assert {path.id for path in resolution.problem.candidates} == {"slow", "quick"}
    # Who wants doing nothing among the candidates puts it there, and says what it takes.
    nothing = candidate("nothing", ttv_us=120_000_000, cost_usd_micros=0, risk_ppm=0)
    assert decided(nothing, candidate("quick", ttv_us=7), weights=ONLY_TIME).selected == "quick"
