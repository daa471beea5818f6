"""Learning from outcomes: exact, repeatable, told on outcomes held back, and never below what is asked of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_classifier.learn import (
    ONE,
    OUTCOMES_LEAST,
    PPM,
    Outcome,
    fit,
    learn,
    logarithm,
    predicted_gain_ppm,
    recovered_ppm,
)

LAW = "the plaintiff sued the defendant in court over clause {}"
CELLS = "the enzyme copies dna in cell number {} before mitosis starts, as the lab report says"


def office(count: int, seed: int = 1) -> list[Outcome]:
    """Outcomes where the small model fails on law more often than not, and on biology seldom."""
    chance = random.Random(seed)
    outcomes = []
    for number in range(count):
        is_law = chance.random() < 0.5
        fails = chance.random() < (0.7 if is_law else 0.1)
        outcomes.append(Outcome((LAW if is_law else CELLS).format(number).encode(), 0 if fails else PPM, PPM))
    return outcomes


def test_what_outcomes_show_is_learned_and_told_on_outcomes_held_back() -> None:
    report = learn(office(400))
    assert report.is_better
    assert report.after_ppm > 600_000 > report.before_ppm
    assert (report.fitted_count, report.held_back_count) == (300, 100)
    gains = [predicted_gain_ppm(report.correction, text.format(7).encode()) for text in (LAW, CELLS)]
    assert gains[0] > 400_000 > 350_000 > gains[1]


def test_the_same_outcomes_in_any_order_teach_the_same() -> None:
    outcomes = office(150)
    assert learn(outcomes) == learn(outcomes[::-1])


def test_outcomes_without_a_pattern_teach_nothing_worth_switching_on() -> None:
    outcomes = [
        outcome._replace(small_ppm=PPM * (number % 2)) for number, outcome in enumerate(sorted(office(200, seed=3)))
    ]
    report = learn(outcomes)
    assert abs(report.after_ppm - 500_000) < 150_000


def test_too_few_outcomes_or_none_with_a_gain_are_refused() -> None:
    with pytest.raises(ValueError, match=f"{OUTCOMES_LEAST} outcomes are needed, 99"):
        learn(office(99))
    with pytest.raises(ValueError, match="gains nothing"):
        learn([outcome._replace(small_ppm=PPM) for outcome in office(120)])
    with pytest.raises(ValueError, match="no outcomes"):
        fit([])


def test_one_outcome_or_equal_ones_can_be_fitted() -> None:
    one = Outcome(b"x", 0, PPM)
    assert predicted_gain_ppm(fit([one]), b"x") == predicted_gain_ppm(fit([one] * 20), b"x") == PPM


def test_the_share_recovered_is_a_half_by_chance_and_highest_in_the_right_order() -> None:
    outcomes = [Outcome(b"", 0, PPM), Outcome(b"", PPM, PPM), Outcome(b"", 0, PPM), Outcome(b"", PPM, PPM)]
    assert recovered_ppm([2, 1, 2, 1], outcomes) == 750_000
    assert recovered_ppm([1, 2, 1, 2], outcomes) == 250_000
    assert recovered_ppm([0, 0, 0, 0], outcomes) == 625_000  # as they stand


@given(st.integers(0, 10**6))
def test_the_logarithm_is_exact_at_powers_and_never_falls(count: int) -> None:
    assert logarithm(count) <= logarithm(count + 1)
    assert logarithm((1 << count % 40) - 1) == count % 40 * ONE
