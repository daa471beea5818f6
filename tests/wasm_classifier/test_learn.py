"""Learning from outcomes: exact, repeatable, told on outcomes held back, and never below what is asked of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_classifier.correction import Correction, corrected_ppm
from wasm_classifier.features import extract
from wasm_classifier.learn import (
    OUTCOMES_LEAST,
    PARTS,
    PPM,
    Outcome,
    combined,
    fit,
    learn,
    moments_of,
    root,
    rows_of,
    shares,
)
from wasm_classifier.reference import p_small_fails_ppm

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


def scored(correction: Correction, text: str) -> int:
    features = extract(text.encode())
    return corrected_ppm(correction, features, p_small_fails_ppm(features))


def test_what_outcomes_show_is_learned_and_told_on_outcomes_held_back() -> None:
    report = learn(office(2_000))
    assert report.is_better
    assert report.after_ppm > 600_000 > report.before_ppm
    assert report.after_ppm - report.before_ppm > 5 * report.error_ppm
    assert report.count == 2_000
    assert scored(report.correction, LAW.format(7)) > 2 * scored(report.correction, CELLS.format(7))


def test_few_outcomes_move_a_score_less_than_many() -> None:
    few, many = (learn(office(count)).correction for count in (120, 2_000))
    moved = [
        abs(scored(one, LAW.format(7)) - p_small_fails_ppm(extract(LAW.format(7).encode()))) for one in (few, many)
    ]
    assert 0 < moved[0] < moved[1]


def test_the_same_outcomes_in_any_order_teach_the_same() -> None:
    outcomes = office(150)
    assert learn(outcomes) == learn(outcomes[::-1])


@pytest.mark.parametrize("seed", range(5))
def test_outcomes_without_a_pattern_teach_nothing_worth_switching_on(seed: int) -> None:
    chance = random.Random(seed)
    report = learn([outcome._replace(small_ppm=PPM * (chance.random() < 0.5)) for outcome in office(300, seed)])
    assert abs(report.after_ppm - report.before_ppm) <= 3 * report.error_ppm


def test_too_few_outcomes_or_none_with_a_gain_are_refused() -> None:
    with pytest.raises(ValueError, match=f"{OUTCOMES_LEAST} different texts are needed, there are 99"):
        learn(office(99))
    with pytest.raises(ValueError, match=r"there are 1$"):
        learn(office(1) * 200)
    with pytest.raises(ValueError, match="gains nothing"):
        learn([outcome._replace(small_ppm=PPM) for outcome in office(120)])
    with pytest.raises(ValueError, match="no outcomes"):
        fit(moments_of([]))


def test_one_outcome_or_equal_ones_change_nothing() -> None:
    one = Outcome(b"how long is a text of some words?", 0, PPM)
    for outcomes in ([one], [one] * 20):
        assert set(fit(moments_of(rows_of(outcomes))).weights) == {0}


def test_parts_put_together_are_the_whole() -> None:
    rows = rows_of(office(60))
    assert combined([moments_of(rows[:13]), moments_of(rows[13:40]), moments_of(rows[40:])]) == moments_of(rows)


def test_equal_texts_are_never_on_both_sides_of_a_judgement() -> None:
    once = [row.part for row in rows_of(office(50))]
    assert len(set(once)) == PARTS
    assert [row.part for row in rows_of(office(50) * 2)] == [part for part in once for _ in range(2)]


def test_the_highest_score_is_sent_at_most_thresholds_and_the_earlier_of_equal_ones() -> None:
    assert shares([2, 1, 3]) == [500_000, 166_666, 833_333]
    assert shares([0, 0]) == [750_000, 250_000]
    assert shares([]) == []


@given(st.integers(0, 10**30))
def test_the_root_is_the_whole_part(square: int) -> None:
    assert root(square) ** 2 <= square < (root(square) + 1) ** 2
