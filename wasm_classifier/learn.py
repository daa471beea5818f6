"""A correction of the score learned from a gateway's own outcomes, and whether it helps on outcomes it did not see.

The score's length stays the backbone; what is fitted is a strongly held-back ridge regression of what the larger model
gains over the smaller, on counts and on the subject (`correction.COLUMNS`). With few outcomes it hardly moves from no
correction. Whole numbers and fractions only, no chance: the same outcomes teach the same on every host. Nothing here
reads a ledger or switches a correction on; that is the caller's, after looking at `Report.is_better`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Final, NamedTuple

from wasm_classifier.correction import (
    COLUMNS,
    COUNTED,
    MEAN_LIMIT,
    ONE,
    WEIGHT_LIMIT,
    Correction,
    columns,
    length_column,
    shift_of,
    shifted_ppm,
)
from wasm_classifier.features import extract
from wasm_classifier.reference import p_small_fails_ppm

PPM: Final = 1_000_000
#: Below this many different texts nothing is fitted.
OUTCOMES_LEAST: Final = 100
#: Each of so many parts is judged by a correction fitted on the others.
PARTS: Final = 5
#: Added to the squares of the counts and of the subjects, in outcomes; chosen on MMLU-Pro outcomes, not on a test.
COUNTS_RIDGE: Final = 1_000
SUBJECTS_RIDGE: Final = 3_000
#: The least gain, in ppm, that a standard deviation of the length stands for: length is believed until disproved.
LENGTH_LEAST_PPM: Final = 20_000
_WIDTH: Final = len(COLUMNS) + 1


class Outcome(NamedTuple):
    """How well each model did on one text, in ppm: 0 is wrong or retried, PPM is right or accepted."""

    text: bytes
    small_ppm: int
    large_ppm: int


class Row(NamedTuple):
    """One outcome in numbers: the length column and then COLUMNS, the score, the bytes, the larger model's gain."""

    values: tuple[int, ...]
    p_ppm: int
    byte_count: int
    gain_ppm: int
    part: int


class Moments(NamedTuple):
    """Sums over rows, exact, so that parts can be put together."""

    rows: int
    gain: int
    values: tuple[int, ...]
    gains: tuple[int, ...]  # value times gain
    squares: tuple[tuple[int, ...], ...]  # value times value
    lowest: tuple[int, ...]
    highest: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The share of the gain recovered, in ppm, on outcomes the correction had not seen: half is what chance gives.

    `length_ppm`: by the text's length alone. `error_ppm`: the standard error of after less before. `correction`: the
    one to use, fitted on all outcomes.
    """

    correction: Correction
    count: int
    length_ppm: int
    before_ppm: int
    after_ppm: int
    error_ppm: int

    @property
    def is_better(self) -> bool:
        """Whether what was gained is more than its standard error."""
        return self.after_ppm - self.before_ppm > self.error_ppm


def learn(outcomes: Sequence[Outcome]) -> Report:
    """Fit on all outcomes, and judge each fifth of them by a fit on the others; texts alone say which fifth.

    Raises:
        ValueError: fewer than OUTCOMES_LEAST different texts, or the larger model gains nothing.
    """
    count = len({outcome.text for outcome in outcomes})
    if count < OUTCOMES_LEAST:
        raise ValueError(f"outcomes of {OUTCOMES_LEAST} different texts are needed, there are {count}")
    rows = rows_of(outcomes)
    parts = [[row for row in rows if row.part == part] for part in range(PARTS)]
    moments = [moments_of(part) for part in parts]
    total = sum(row.gain_ppm for row in rows)
    if total <= 0:
        raise ValueError("the larger model gains nothing on these outcomes, so there is nothing to tell apart")
    length = before = after = squares = 0
    told: list[tuple[int, int]] = []
    for place, held in enumerate(parts):
        correction = fit(combined([one for other, one in enumerate(moments) if other != place]))
        scores = [shifted_ppm(row.p_ppm, shift_of(correction, row.values[1:])) for row in held]
        ranks = [shares([row.byte_count for row in held]), shares([row.p_ppm for row in held]), shares(scores)]
        for row, by_length, by_score, by_correction in zip(held, *ranks, strict=True):
            length += row.gain_ppm * by_length
            before += row.gain_ppm * by_score
            after += row.gain_ppm * by_correction
            told.append((row.gain_ppm, by_correction - by_score))
    mean = (after - before) // total
    squares = sum((gain * (change - mean) // PPM) ** 2 for gain, change in told)
    error = PPM * root(squares) // total
    return Report(fit(combined(moments)), len(rows), length // total, before // total, after // total, error)


def rows_of(outcomes: Iterable[Outcome]) -> list[Row]:
    """The outcomes in numbers, in an order that depends on them alone."""
    found = []
    for outcome in outcomes:
        features, digest = extract(outcome.text), sha256(outcome.text).digest()
        p_ppm = p_small_fails_ppm(features)
        values = (length_column(p_ppm), *columns(features))
        gain = outcome.large_ppm - outcome.small_ppm
        part = int.from_bytes(digest[:4], "big") % PARTS
        found.append((digest, Row(values, p_ppm, len(outcome.text), gain, part)))
    return [row for _, row in sorted(found)]


def moments_of(rows: Sequence[Row]) -> Moments:
    """The sums over some rows."""
    by_column = [[row.values[place] for row in rows] for place in range(_WIDTH)]
    gains = [row.gain_ppm for row in rows]
    half = [[_product(by_column[left], by_column[right]) for right in range(left + 1)] for left in range(_WIDTH)]
    return Moments(
        len(rows),
        sum(gains),
        tuple(sum(column) for column in by_column),
        tuple(_product(column, gains) for column in by_column),
        tuple(tuple(half[max(left, right)][min(left, right)] for right in range(_WIDTH)) for left in range(_WIDTH)),
        tuple(min(column, default=MEAN_LIMIT) for column in by_column),
        tuple(max(column, default=0) for column in by_column),
    )


def combined(parts: Sequence[Moments]) -> Moments:
    """The sums over the rows of all parts."""
    return Moments(
        sum(part.rows for part in parts),
        sum(part.gain for part in parts),
        tuple(map(sum, zip(*[part.values for part in parts], strict=True))),
        tuple(map(sum, zip(*[part.gains for part in parts], strict=True))),
        tuple(
            tuple(map(sum, zip(*lines, strict=True))) for lines in zip(*[part.squares for part in parts], strict=True)
        ),
        tuple(map(min, zip(*[part.lowest for part in parts], strict=True))),
        tuple(map(max, zip(*[part.highest for part in parts], strict=True))),
    )


def fit(sums: Moments) -> Correction:
    """The correction that the summed outcomes ask for.

    Raises:
        ValueError: no outcomes.
    """
    count = sums.rows
    if not count:
        raise ValueError("no outcomes to fit")
    mean_gain = sums.gain // count
    means = [total // count for total in sums.values]

    def centred(left: int, right: int) -> int:
        product = sums.squares[left][right] - means[left] * sums.values[right] - means[right] * sums.values[left]
        return product + count * means[left] * means[right]

    deviations = [max(1, root(centred(place, place) // count)) for place in range(_WIDTH)]
    gains = [
        sums.gains[place] - means[place] * sums.gain - mean_gain * sums.values[place] + count * means[place] * mean_gain
        for place in range(_WIDTH)
    ]
    slope = max(LENGTH_LEAST_PPM, gains[0] // (count * deviations[0]))
    places = range(1, _WIDTH)
    squares = [
        [centred(left, right) * ONE * ONE // (deviations[left] * deviations[right]) for right in places]
        for left in places
    ]
    for place in range(len(COLUMNS)):
        ridge = COUNTS_RIDGE if place <= len(COUNTED) else SUBJECTS_RIDGE
        squares[place][place] += ridge * ONE * ONE
    products = [
        (gains[place] - slope * centred(0, place) // deviations[0]) * ONE // deviations[place] for place in places
    ]
    # A gain becomes doublings of the length: so many of them as have that gain.
    weights = [int(Fraction(value * ONE * ONE * deviations[0], slope)) for value in _solved(squares, products)]
    bounded = tuple(max(-WEIGHT_LIMIT, min(weight, WEIGHT_LIMIT)) for weight in weights)
    return Correction(sums.lowest[1:], sums.highest[1:], tuple(means[1:]), tuple(deviations[1:]), bounded)


def shares(scores: Sequence[int]) -> list[int]:
    """For each score the share of thresholds, in ppm, at which its text is sent to the larger model.

    Of equal scores the earlier text is sent first.
    """
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    found = [0] * len(scores)
    for rank, place in enumerate(order):
        found[place] = PPM * (2 * (len(scores) - rank) - 1) // (2 * len(scores))
    return found


def root(square: int) -> int:
    """The integer square root of a number from 0 on."""
    guess = 1 << (square.bit_length() + 1) // 2
    while guess * guess > square:
        guess = (guess + square // guess) // 2
    return guess


def _product(left: Sequence[int], right: Sequence[int]) -> int:
    return sum([one * other for one, other in zip(left, right, strict=True)])


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
