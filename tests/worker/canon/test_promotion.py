"""Promotion: four tests, each computed, each able to fail, and no way around them."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.canon.store_kit import (
    TRIALS,
    candidate,
    new_item,
    new_rule,
    problem,
    trial,
    waiting_for,
)
from tests.worker.decision_kit import NOW_US, hasher
from worker.canon.canon_settings import CanonSettings
from worker.canon.invariants import INV_PROMOTION_GATE, INVARIANTS, Rise
from worker.canon.items import EVIDENCE, LEVELS, Item, Snapshot, item_from_plain, snapshot_of
from worker.canon.problem import ProblemError
from worker.canon.promotion import (
    PromotionError,
    grounds_of,
    judge_scenarios,
    judge_trials,
    next_level,
    read_references,
    read_trials,
    wilson_reaches,
)

USUAL = CanonSettings()
#: One scenario that passes C and D; what spoils either.
OPENS = waiting_for("review-first")
UNCHANGED = problem(candidate("now"))
FORBIDDEN = {**waiting_for("review-first"), "must_stay_denied": ["then"]}


def item(plain: dict[str, Any], level: str = "CANON") -> Item:
    return item_from_plain({**plain, "level": level, "at_us": NOW_US}, hasher())


def canon(*plain: dict[str, Any]) -> Snapshot:
    return snapshot_of(hasher(), [item(one) for one in plain])


def passed(trials: list[dict[str, Any]], settings: CanonSettings = USUAL) -> tuple[bool, bool]:
    a, b = judge_trials(read_trials(trials, 1_000), settings)
    return a.passed, b.passed


def safe(
    scenarios: list[dict[str, Any]], plain: dict[str, Any] | None = None, known: Snapshot | None = None
) -> tuple[bool, bool]:
    references = read_references(scenarios, hasher(), 32, 200)
    raised = item(plain or new_item())
    c, d = judge_scenarios(references, known or canon(), raised, hasher())
    return c.passed, d.passed


def test_there_is_one_level_above_each_and_none_above_the_highest() -> None:
    assert [next_level(level) for level in LEVELS] == ["PROPOSED", "CANON", None]


def test_what_passes_every_test() -> None:
    assert passed(TRIALS) == (True, True)
    assert safe([OPENS]) == (True, True)


@pytest.mark.parametrize("wanted", list(itertools.product((True, False), repeat=4)))
def test_every_combination_of_the_four_comes_about_by_itself(wanted: tuple[bool, bool, bool, bool]) -> None:
    a, b, c, d = wanted
    # Without a failure without the item, it could not have failed; in one context it is not reproducible.
    trials = [one if a else {**one, "outcome": "success"} for one in TRIALS[:1]]
    trials += [one if b else {**one, "context": "c0"} for one in TRIALS[1:]]
    scenarios = [OPENS if d else UNCHANGED]
    if not c:
        # Where nothing changes, nothing opens: a path that must stay denied and is not, either way.
        scenarios = [FORBIDDEN if d else {**UNCHANGED, "must_stay_denied": ["now"]}]
    found = (*passed(trials), *safe(scenarios))
    assert found == wanted
    gate = INVARIANTS[INV_PROMOTION_GATE]
    assert gate.predicate(Rise("PROPOSED", "CANON", dict(zip("ABCD", found, strict=True)))) == all(wanted)


def test_resistance_needs_a_failure_without_it_and_enough_attempts() -> None:
    without = trial(0, with_item=False, outcome="failure")
    assert passed([without, *(trial(number) for number in (1, 2))])[0] is False
    assert passed([without, *(trial(number) for number in (1, 2, 3))])[0] is True
    assert passed([trial(number) for number in range(1, 9)])[0] is False
    assert passed([trial(0, with_item=False), *(trial(number) for number in range(1, 9))])[0] is False
    assert passed([without])[0] is False
    # A trial that broke the item was an attempt to break it.
    assert passed([without, trial(1), trial(2), trial(3, outcome="failure")])[0] is True


def test_reproducibility_counts_an_artefact_once_and_as_a_failure_if_it_ever_was_one() -> None:
    four = TRIALS[:-1]
    assert passed(four)[1] is False
    again = trial(9, artefact_hash=TRIALS[1]["artefact_hash"])
    assert passed([*four, again])[1] is False
    assert passed([*TRIALS, {**again, "outcome": "failure"}])[1] is False
    assert passed([*TRIALS, {**again, "context": "elsewhere"}])[1] is True


def test_reproducibility_needs_a_rate_of_success_that_is_not_luck() -> None:
    failures = [trial(number, outcome="failure") for number in range(10, 14)]
    assert passed([*TRIALS, *failures[:1]])[1] is False
    more = [trial(number) for number in range(20, 24)]
    assert passed([*TRIALS, *failures[:1], *more])[1] is True
    assert passed([*TRIALS, *failures, *more])[1] is False


@given(tried=st.integers(0, 400), part=st.integers(0, 400), threshold=st.integers(1, 999_999))
def test_wilsons_bound_is_the_one_of_the_formula(tried: int, part: int, threshold: int) -> None:
    successes, z_squared = min(part, tried), Fraction(USUAL.z_squared_ppm, 1_000_000)
    reached = wilson_reaches(successes, tried, threshold, USUAL.z_squared_ppm)
    if not tried:
        assert not reached
        return
    rate, t = Fraction(successes, tried), Fraction(threshold, 1_000_000)
    # The lower root p of (rate - p)^2 = z^2 p (1 - p) / n is at least t where the parabola is not negative at t.
    assert reached == (rate >= t and (rate - t) ** 2 >= z_squared * t * (1 - t) / tried)


TRIAL = st.builds(
    lambda number, agrees, with_item, artefact, context: trial(
        number,
        with_item=with_item,
        outcome="success" if agrees else "failure",
        artefact_hash=f"{artefact:064x}",
        context=f"c{context}",
    ),
    st.integers(0, 10**6),
    st.booleans(),
    st.booleans(),
    st.integers(0, 12),
    st.integers(0, 3),
)


@given(trials=st.lists(TRIAL, max_size=24, unique_by=lambda one: one["trial_id"]), artefact=st.integers(100, 120))
def test_an_agreeing_trial_more_never_revokes_a_or_b(trials: list[dict[str, Any]], artefact: int) -> None:
    before = passed(trials)
    after = passed([*trials, trial(2 * 10**6, artefact_hash=f"{artefact:064x}")])
    assert all(not was or remains for was, remains in zip(before, after, strict=True))


@given(trials=st.permutations(TRIALS))
def test_the_order_of_trials_tells_nothing(trials: list[dict[str, Any]]) -> None:
    assert judge_trials(read_trials(trials, 99), USUAL) == judge_trials(read_trials(TRIALS, 99), USUAL)


def test_a_set_without_scenarios_shows_nothing() -> None:
    assert safe([]) == (False, False)


def test_an_item_may_not_open_a_path_that_broke_a_hard_rule_or_must_stay_denied() -> None:
    # With the rule in force the path by force is denied, whatever is promoted.
    forced = problem(candidate("calm"), candidate("forced", tags=["deploy", "force"], prerequisites=["review-first"]))
    assert safe([forced], known=canon(new_rule())) == (True, False)
    assert safe([forced])[1] is True
    assert safe([{**forced, "must_stay_denied": ["forced"]}]) == (False, True)
    assert safe([OPENS, UNCHANGED, FORBIDDEN]) == (False, True)


def test_a_rule_has_an_impact_where_it_denies_and_a_fact_where_it_admits() -> None:
    forced = problem(candidate("calm"), candidate("forced", tags=["deploy", "force"]))
    assert safe([forced], new_rule()) == (True, True)
    assert safe([UNCHANGED], new_rule()) == (True, False)
    assert safe([UNCHANGED, OPENS]) == (True, True)
    # What is not at CANON has no impact, so a set that is judged for it can't show any.
    references = read_references([OPENS], hasher(), 9, 9)
    assert not judge_scenarios(references, canon(), item(new_item(), EVIDENCE), hasher())[1].passed


def test_grounds_are_looked_up_and_not_believed() -> None:
    own, known = item(new_item()), {"review-first": object(), "other": object()}

    def stand(*refs: str) -> bool:
        return grounds_of(refs, known, 3, own).passed

    assert stand("other")
    assert stand("entry:0")
    assert stand("nonsense", "entry:2")
    assert not stand()
    assert not stand("review-first")
    assert not stand("entry:3")
    assert not stand("entry:")
    assert not stand("entry:-1")
    assert not stand("entry:²")
    assert not stand("entry:" + "9" * 16)
    assert not stand("unknown")
    assert not grounds_of(["other"], known, 3, own._replace(at_us=0)).passed
    nowhere = own._replace(provenance=own.provenance._replace(ref=""))
    assert not grounds_of(["other"], known, 3, nowhere).passed


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        [None],
        [{}],
        [{**TRIALS[0], "note": "x"}],
        [{**TRIALS[0], "trial_id": ""}],
        [{**TRIALS[0], "trial_id": "a b"}],
        [{**TRIALS[0], "context": 7}],
        [{**TRIALS[0], "with_item": 1}],
        [{**TRIALS[0], "with_item": "true"}],
        [{**TRIALS[0], "outcome": "maybe"}],
        [{**TRIALS[0], "outcome": ["success"]}],
        [{**TRIALS[0], "seed": -1}],
        [{**TRIALS[0], "seed": True}],
        [{**TRIALS[0], "seed": 2**53}],
        [{**TRIALS[0], "artefact_hash": "0" * 63}],
        [TRIALS[0], TRIALS[0]],
        TRIALS * 2,
        [trial(number) for number in range(11)],
    ],
)
def test_what_are_no_trials(wrong: object) -> None:
    with pytest.raises(PromotionError) as problem:
        read_trials(wrong, 10)
    assert str(problem.value.param).startswith("trials")


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [[]],
        [{**OPENS, "canon": []}],
        [{**OPENS, "must_stay_denied": "then"}],
        [{**OPENS, "must_stay_denied": ["nobody"]}],
        [{**OPENS, "must_stay_denied": [7]}],
        [problem(*(candidate(f"c{number}") for number in range(4)))],
        [OPENS] * 3,
    ],
)
def test_what_are_no_scenarios(wrong: object) -> None:
    with pytest.raises(PromotionError) as found:
        read_references(wrong, hasher(), 2, 3)
    assert str(found.value.param).startswith("scenarios")


def test_a_scenario_that_is_no_problem_says_so() -> None:
    with pytest.raises(ProblemError):
        read_references([{"candidates": []}], hasher(), 2, 3)
