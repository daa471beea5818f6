"""A learned correction of the score: a text counts for more or fewer bytes than it has, by what it is made of.

The score without it is a length in disguise: each score is that of some length (`bytes_of`). A correction multiplies
that length by a power of two, and what comes out is scored again, so a corrected score keeps its scale, its classes
and its ends. `learn.py` fits one; this file applies it, names it and writes it down. Whole numbers only: the same text
gives the same score on every host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from wasm_classifier.choices import is_worded
from wasm_classifier.domain import DOMAINS
from wasm_classifier.features import Features, extract
from wasm_classifier.reference import (
    LENGTH_CURVE,
    MODEL_VERSION,
    P_CEILING,
    P_FLOOR,
    Score,
    complexity_of,
    score_of,
)

#: What a column's standard deviation, a doubling of the length and a byte are counted in.
ONE: Final = 1_024
_ONE_BITS: Final = 10
FORMAT: Final = "harpoon-correction-1"
#: Counts that are columns, by their logarithm.
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
COLUMNS: Final = (*COUNTED, "choices_in_figures", *[f"domain_{name.replace(' ', '_')}" for name in DOMAINS])
#: Bounds of a file's numbers, so that no product leaves 63 bits, and of the whole shift, in doublings.
MEAN_LIMIT: Final = 64 * ONE
WEIGHT_LIMIT: Final = 64 * ONE * ONE
SHIFT_LIMIT: Final = 12
_DIGEST_SHOWN: Final = 12
_MEMBERS: Final = ("lowest", "highest", "means", "deviations", "weights")
_SEGMENTS: Final = tuple([LENGTH_CURVE[at : at + 2] for at in range(len(LENGTH_CURVE) - 1)])


class CorrectionError(ValueError):
    """What should be a correction is none of this model."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Column by column: the least and the largest value learned from, the mean, the deviation, and the weight.

    A value beyond those learned from is taken for the nearest of them: what was never seen teaches nothing. `weights`
    are doublings of the length for a deviation of the column, times ONE * ONE.
    """

    lowest: tuple[int, ...]
    highest: tuple[int, ...]
    means: tuple[int, ...]
    deviations: tuple[int, ...]
    weights: tuple[int, ...]

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all that a score depends on."""
        told = [FORMAT, MODEL_VERSION, list(COLUMNS), *[list(numbers) for numbers in _numbers(self)]]
        return sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()

    @property
    def model_version(self) -> str:
        """What a decision names: the model's version and the digest's first digits."""
        return f"{MODEL_VERSION}+{self.digest[:_DIGEST_SHOWN]}"


def _numbers(correction: Correction) -> tuple[tuple[int, ...], ...]:
    """The columns' numbers in the order of _MEMBERS."""
    return (correction.lowest, correction.highest, correction.means, correction.deviations, correction.weights)


def classify_corrected(correction: Correction, text: bytes, model_version: str) -> Score:
    """Score one text, any bytes of any length; only the probability and its class differ from `reference.classify`.

    Args: model_version: the correction's, which takes a while to work out.
    """
    features = extract(text)
    score = score_of(features)
    p_ppm = corrected_ppm(correction, features, score.p_small_fails_ppm)
    return replace(score, p_small_fails_ppm=p_ppm, complexity=complexity_of(p_ppm), model_version=model_version)


def corrected_ppm(correction: Correction, features: Features, p_ppm: int) -> int:
    """The corrected probability. Args: p_ppm: the one without a correction."""
    return shifted_ppm(p_ppm, shift_of(correction, columns(features)))


def shift_of(correction: Correction, row: tuple[int, ...]) -> int:
    """By how much of a doubling, times ONE, a text counts for more bytes; at most SHIFT_LIMIT doublings either way."""
    total = 0
    for value, low, high, mean, deviation, weight in zip(row, *_numbers(correction), strict=True):
        total += (max(low, min(value, high)) - mean) * ONE // deviation * weight
    return max(-SHIFT_LIMIT * ONE, min(total // (ONE * ONE), SHIFT_LIMIT * ONE))


def shifted_ppm(p_ppm: int, shift: int) -> int:
    """The score of a text of so many doublings more, between P_FLOOR and P_CEILING; a shift of 0 changes nothing."""
    if shift == 0:
        return p_ppm
    power = max(0, length_column(p_ppm) + shift)
    octave, rest = power >> _ONE_BITS, power & (ONE - 1)
    return min(P_FLOOR + _ppm_of((ONE + rest << octave) - ONE), P_CEILING)


def columns(features: Features) -> tuple[int, ...]:
    """What a correction weighs: the logarithms of the counts, and marks of kind and subject."""
    figures = features.choice_count > 1 and not is_worded(features.choice_count, features.numeric_choice_count)
    return (
        *[logarithm(getattr(features, name) << _ONE_BITS) for name in COUNTED],
        ONE * figures,
        *[ONE * (features.domain == place) for place in range(len(DOMAINS))],
    )


def length_column(p_ppm: int) -> int:
    """The logarithm of the length that has this score."""
    return logarithm(bytes_of(p_ppm))


def logarithm(count: int) -> int:
    """ONE times the base-two logarithm of a count plus one, straight between the powers of two.

    Args: count: times ONE.
    """
    whole = count + ONE
    octave = whole.bit_length() - 1 - _ONE_BITS
    return octave * ONE + (whole >> octave) - ONE


def bytes_of(p_ppm: int) -> int:
    """The length, in bytes times ONE, whose own term gives this score; beyond the curve's end it goes on straight."""
    wanted = max(0, p_ppm - P_FLOOR)
    (x0, y0), (x1, y1) = next((one for one in _SEGMENTS if wanted < one[1][1]), _SEGMENTS[-1])
    return x0 * ONE + (wanted - y0) * (x1 - x0) * ONE // (y1 - y0)


def _ppm_of(count: int) -> int:
    """The inverse of `bytes_of`, P_FLOOR aside."""
    (x0, y0), (x1, y1) = next((one for one in _SEGMENTS if count < one[1][0] * ONE), _SEGMENTS[-1])
    return y0 + (count - x0 * ONE) * (y1 - y0) // ((x1 - x0) * ONE)


def to_plain(correction: Correction, *, switched_on: bool, report: Mapping[str, int]) -> dict[str, Any]:
    """A correction as the members of its file. Args: report: what was found when it was judged, for people."""
    return {
        "format": FORMAT,
        "model": MODEL_VERSION,
        "switched_on": switched_on,
        "report": dict(report),
        "columns": list(COLUMNS),
        **{name: list(numbers) for name, numbers in zip(_MEMBERS, _numbers(correction), strict=True)},
        "digest": correction.digest,
    }


def from_plain(plain: object) -> Correction:
    """The correction in a file's members, which must be switched on. Raises: CorrectionError saying what is wrong."""
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise CorrectionError(f"it is no correction of the form {FORMAT}: `harpoon learn` writes them")
    if plain.get("model") != MODEL_VERSION:
        raise CorrectionError(f"it corrects another model than {MODEL_VERSION}: learn again")
    if plain.get("columns") != list(COLUMNS):
        raise CorrectionError("its columns are not this model's: learn again")
    found = Correction(
        _whole_numbers(plain, "lowest", 0, MEAN_LIMIT),
        _whole_numbers(plain, "highest", 0, MEAN_LIMIT),
        _whole_numbers(plain, "means", 0, MEAN_LIMIT),
        _whole_numbers(plain, "deviations", 1, MEAN_LIMIT),
        _whole_numbers(plain, "weights", -WEIGHT_LIMIT, WEIGHT_LIMIT),
    )
    if plain.get("digest") != found.digest:
        raise CorrectionError("its digest is not that of its numbers: it was changed since it was learned")
    if plain.get("switched_on") is not True:
        raise CorrectionError("it is not switched on: `harpoon learn --enable` does that where it helps")
    return found


def _whole_numbers(plain: Mapping[str, Any], name: str, least: int, most: int) -> tuple[int, ...]:
    """Raises: CorrectionError unless there is one number for each column, all within bounds."""
    values = plain.get(name)
    if not isinstance(values, list) or len(values) != len(COLUMNS):
        raise CorrectionError(f"{name} must be {len(COLUMNS)} whole numbers")
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise CorrectionError(f"{name} must be whole numbers from {least} to {most}")
    return tuple(values)
