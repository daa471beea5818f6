"""A correction: exact, bounded, and refused unless it is whole, of this model and switched on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_classifier.correction import (
    COLUMNS,
    ONE,
    SHIFT_LIMIT,
    WEIGHT_LIMIT,
    Correction,
    CorrectionError,
    bytes_of,
    classify_corrected,
    columns,
    from_plain,
    length_column,
    logarithm,
    shift_of,
    shifted_ppm,
    to_plain,
)
from wasm_classifier.domain import DOMAINS
from wasm_classifier.features import extract
from wasm_classifier.reference import LENGTH_CURVE, MODEL_VERSION, P_CEILING, P_FLOOR, classify

LAW = b"Is the plaintiff liable to the defendant for negligence?"
HARDER_LAW = Correction(
    lowest=(0,) * len(COLUMNS),
    highest=(64 * ONE,) * len(COLUMNS),
    means=(0,) * len(COLUMNS),
    deviations=(ONE,) * len(COLUMNS),
    weights=tuple(2 * ONE * ONE * (name == "domain_law") for name in COLUMNS),
)
scores = st.integers(P_FLOOR, P_CEILING)
shifts = st.integers(-SHIFT_LIMIT * ONE, SHIFT_LIMIT * ONE)


def test_a_text_of_the_subject_counts_for_four_times_its_bytes_and_no_other_text() -> None:
    plain, corrected = classify(LAW), classify_corrected(HARDER_LAW, LAW, "v")
    assert bytes_of(corrected.p_small_fails_ppm) == pytest.approx(4 * bytes_of(plain.p_small_fails_ppm), rel=0.05)
    assert (corrected.task, corrected.domain, corrected.model_version) == (plain.task, plain.domain, "v")
    assert classify_corrected(HARDER_LAW, b"hello", MODEL_VERSION) == classify(b"hello")


def test_a_value_beyond_those_learned_from_is_taken_for_the_nearest() -> None:
    row = columns(extract(LAW))
    narrow = replace(HARDER_LAW, weights=(ONE * ONE,) * 25, lowest=row, highest=row)
    assert (
        shift_of(narrow, columns(extract(b""))) == shift_of(narrow, row) == shift_of(narrow, columns(extract(LAW * 99)))
    )


@given(scores)
def test_without_a_shift_nothing_changes_and_a_length_has_its_score(p_ppm: int) -> None:
    assert shifted_ppm(p_ppm, 0) == p_ppm
    assert abs(shifted_ppm(p_ppm, 1) - p_ppm) <= 2_000


@given(scores, scores, shifts)
def test_a_shift_keeps_the_order_and_the_bounds(one: int, other: int, shift: int) -> None:
    low, high = sorted((one, other))
    assert P_FLOOR <= shifted_ppm(low, shift or 1) <= shifted_ppm(high, shift or 1) <= P_CEILING


def test_the_curves_corners_are_lengths() -> None:
    for size, ppm in LENGTH_CURVE:
        assert bytes_of(P_FLOOR + ppm) == size * ONE
    assert bytes_of(0) == 0


@given(st.integers(0, 10**9))
def test_the_logarithm_is_exact_at_powers_and_never_falls(count: int) -> None:
    assert logarithm(count) <= logarithm(count + 1)
    assert logarithm(((1 << count % 40) - 1) * ONE) == count % 40 * ONE
    assert length_column(P_FLOOR) == 0


@given(st.binary(max_size=400), st.lists(st.integers(-WEIGHT_LIMIT, WEIGHT_LIMIT), min_size=25, max_size=25))
def test_any_bytes_and_any_weights_give_a_score(text: bytes, weights: list[int]) -> None:
    correction = Correction((0,) * 25, (9 * ONE,) * 25, (7,) * 25, (1,) * 25, tuple(weights))
    assert abs(shift_of(correction, columns(extract(text)))) <= SHIFT_LIMIT * ONE
    assert P_FLOOR <= classify_corrected(correction, text, "v").p_small_fails_ppm <= P_CEILING


def test_there_is_a_column_for_each_count_kind_and_subject() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == len(columns(extract(b""))) == 11 + len(DOMAINS)


def test_what_is_written_is_read_again_and_named_by_its_numbers() -> None:
    plain = json.loads(json.dumps(to_plain(HARDER_LAW, switched_on=True, report={"texts": 1})))
    assert from_plain(plain) == HARDER_LAW
    assert HARDER_LAW.model_version == f"{MODEL_VERSION}+{HARDER_LAW.digest[:12]}"
    assert HARDER_LAW.digest == "d69e39897a74aacc2312ae3d9ceae911abc7c6889338e26a8e8bc4fa946ddc7e"


BROKEN: dict[str, dict[str, Any]] = {
    "another format": {"format": "harpoon-correction-0"},
    "another model": {"model": "reference-1"},
    "another column": {"columns": [*COLUMNS[:-1], "luck"]},
    "a number changed": {"weights": [1, *HARDER_LAW.weights[1:]]},
    "a number missing": {"means": [0] * (len(COLUMNS) - 1)},
    "no numbers": {"means": "0"},
    "a fraction": {"means": [0.5, *HARDER_LAW.means[1:]]},
    "a truth": {"means": [True, *HARDER_LAW.means[1:]]},
    "nothing to divide by": {"deviations": [0, *HARDER_LAW.deviations[1:]]},
    "too heavy": {"weights": [WEIGHT_LIMIT + 1, *HARDER_LAW.weights[1:]]},
    "a range gone": {"lowest": []},
    "another digest": {"digest": "0" * 64},
    "not switched on": {"switched_on": False},
    "nearly switched on": {"switched_on": 1},
}


@pytest.mark.parametrize("changed", BROKEN.values(), ids=BROKEN)
def test_anything_else_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(CorrectionError):
        from_plain({**to_plain(HARDER_LAW, switched_on=True, report={}), **changed})


@pytest.mark.parametrize("value", [None, [], "x", 3, {}])
def test_what_is_no_correction_is_refused(value: object) -> None:
    with pytest.raises(CorrectionError, match="harpoon learn"):
        from_plain(value)
