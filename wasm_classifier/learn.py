"""A correction of the score learned from a gateway's own outcomes, and whether it helps on outcomes it did not see.

The score's length stays the backbone; what is fitted is a small ridge regression of what the larger model gains over
the smaller, on counts and on the subject. Whole numbers and fractions only, no chance: the same outcomes give the same
correction on every host. Nothing here reads a ledger or switches a correction on; that is the caller's, after looking
at `Report.is_better`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Final, NamedTuple

from wasm_classifier.choices import is_worded
from wasm_classifier.domain import DOMAINS
from wasm_classifier.features import Features, extract
from wasm_classifier.reference import effective_bytes, p_small_fails_ppm

PPM: Final = 1_000_000
#: Below this many outcomes nothing is fitted.
OUTCOMES_LEAST: Final = 100
#: Of so many outcomes one is held back.
HELD_BACK_ONE_IN: Final = 4
#: Added to the squares of every column but the backbone, in outcomes; chosen on MMLU-Pro outcomes, not on a test.
RIDGE: Final = 100
#: What a column's standard deviation is scaled to.
ONE: Final = 1_024
#: The least gain, in ppm, that a standard deviation of the length stands for: length is believed until disproved.
BACKBONE_LEAST_PPM: Final = 20_000

#: Counts that are columns of their own, by their logarithm.
COUNTED: Final = (
    "byte_count",
    "stem_bytes",
    "statement",
    "stem_quantity_count",
    "number_count",
    "math_sign_count",
    "sentence_count",
    "question_count",
    "shortest_choice_bytes",
    "numeric_choice_count",
)


class Outcome(NamedTuple):
    """How well each model did on one text, in ppm: 0 is wrong or retried, PPM is right or accepted."""

    text: bytes
    small_ppm: int
    large_ppm: int


@dataclass(frozen=True, slots=True)
class Correction:
    """A fitted correction. Column by column: the mean taken off, the deviation divided by, and the weight.

    The first column is the backbone. `weights` are gain in ppm for ONE scaled deviation, times ONE.
    """

    mean_gain_ppm: int
    means: tuple[int, ...]
    deviations: tuple[int, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The share of the gain recovered, in ppm, on the outcomes held back: half of it is what chance gives."""

    correction: Correction
    fitted_count: int
    held_back_count: int
    before_ppm: int
    after_ppm: int

    @property
    def is_better(self) -> bool:
        """Whether the correction recovered more of the gain than the score without it."""
        return self.after_ppm > self.before_ppm


def learn(outcomes: Sequence[Outcome]) -> Report:
    """Fit on three outcomes of four and judge on the rest; which is which depends on the texts alone.

    Raises:
        ValueError: fewer than OUTCOMES_LEAST outcomes, or none held back shows a gain.
    """
    if len(outcomes) < OUTCOMES_LEAST:
        raise ValueError(f"{OUTCOMES_LEAST} outcomes are needed, {len(outcomes)} are given")
    ordered = sorted(outcomes, key=lambda outcome: (sha256(outcome.text).digest(), outcome))
    held = ordered[::HELD_BACK_ONE_IN]
    fitted = [outcome for place, outcome in enumerate(ordered) if place % HELD_BACK_ONE_IN]
    correction = fit(fitted)
    before = [p_small_fails_ppm(extract(outcome.text)) for outcome in held]
    after = [predicted_gain_ppm(correction, outcome.text) for outcome in held]
    return Report(correction, len(fitted), len(held), recovered_ppm(before, held), recovered_ppm(after, held))


def fit(outcomes: Sequence[Outcome]) -> Correction:
    """The correction that outcomes ask for.

    Raises:
        ValueError: no outcomes.
    """
    if not outcomes:
        raise ValueError("no outcomes to fit")
    rows = [columns(extract(outcome.text)) for outcome in outcomes]
    count, width = len(rows), len(rows[0])
    gains = [outcome.large_ppm - outcome.small_ppm for outcome in outcomes]
    mean_gain = sum(gains) // count
    means = tuple(sum(row[place] for row in rows) // count for place in range(width))
    spreads = [sum((row[place] - means[place]) ** 2 for row in rows) // count for place in range(width)]
    deviations = tuple(max(1, _root(spread)) for spread in spreads)
    scaled = [_scaled(row, means, deviations) for row in rows]
    slope = sum(row[0] * (gain - mean_gain) for row, gain in zip(scaled, gains, strict=True)) // (count * ONE)
    slope = max(slope, BACKBONE_LEAST_PPM)
    rest = [gain - mean_gain - slope * row[0] // ONE for row, gain in zip(scaled, gains, strict=True)]
    squares = [
        [
            sum(row[left] * row[right] for row in scaled) + (RIDGE * ONE * ONE if left == right else 0)
            for right in range(1, width)
        ]
        for left in range(1, width)
    ]
    products = [sum(row[place] * value for row, value in zip(scaled, rest, strict=True)) for place in range(1, width)]
    weights = [int(value * ONE * ONE) for value in _solved(squares, products)]
    return Correction(mean_gain, means, deviations, (slope * ONE, *weights))


def predicted_gain_ppm(correction: Correction, text: bytes) -> int:
    """By how much the larger model is expected to do better on a text, in ppm; may be below 0."""
    row = _scaled(columns(extract(text)), correction.means, correction.deviations)
    total = sum(value * weight for value, weight in zip(row, correction.weights, strict=True))
    return correction.mean_gain_ppm + total // (ONE * ONE)


def columns(features: Features) -> tuple[int, ...]:
    """What is regressed on: the logarithm of the effective length, of the counts, and marks of kind and subject."""
    figures = features.choice_count > 1 and not is_worded(features.choice_count, features.numeric_choice_count)
    return (
        logarithm(effective_bytes(features)),
        *[logarithm(getattr(features, name)) for name in COUNTED],
        ONE * figures,
        *[ONE * (features.domain == place) for place in range(len(DOMAINS))],
    )


def logarithm(count: int) -> int:
    """ONE times the base-two logarithm of a count plus one, straight between the powers of two."""
    power = (count + 1).bit_length() - 1
    return power * ONE + ((count + 1) * ONE >> power) - ONE


def recovered_ppm(scores: Sequence[int], outcomes: Sequence[Outcome]) -> int:
    """Share of the gain recovered by sending the highest scores to the larger model, averaged over how many are sent.

    Args:
        scores: one for each outcome; of equal scores the earlier outcome is sent first.
        outcomes: what sending and not sending gave.

    Raises:
        ValueError: the larger model gains nothing over these outcomes.
    """
    gains = [outcome.large_ppm - outcome.small_ppm for outcome in outcomes]
    total = sum(gains)
    if total <= 0:
        raise ValueError("the larger model gains nothing on the outcomes held back")
    order = sorted(range(len(gains)), key=lambda place: (-scores[place], place))
    reached = area = 0
    for place in order:
        area += 2 * reached + gains[place]
        reached += gains[place]
    return PPM * area // (2 * total * len(gains))


def _scaled(row: Sequence[int], means: Sequence[int], deviations: Sequence[int]) -> list[int]:
    return [(value - mean) * ONE // deviation for value, mean, deviation in zip(row, means, deviations, strict=True)]


def _root(square: int) -> int:
    """The integer square root."""
    root = 1 << (square.bit_length() + 1) // 2
    while root * root > square:
        root = (root + square // root) // 2
    return root


def _solved(squares: list[list[int]], products: list[int]) -> list[Fraction]:
    """The solution of a symmetric positive definite system, by elimination."""
    rows = [[Fraction(value) for value in (*row, product)] for row, product in zip(squares, products, strict=True)]
    for place, pivot in enumerate(rows):
        for lower in rows[place + 1 :]:
            share = Fraction(lower[place], pivot[place])
            if share:
                lower[place:] = [
                    value - share * above for value, above in zip(lower[place:], pivot[place:], strict=True)
                ]
    solution: list[Fraction] = []
    for place in range(len(rows) - 1, -1, -1):
        known = sum(
            (value * found for value, found in zip(rows[place][place + 1 : -1], solution, strict=True)), Fraction(0)
        )
        solution.insert(0, Fraction(rows[place][-1] - known, rows[place][place]))
    return solution
