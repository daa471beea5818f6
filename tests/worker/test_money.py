"""Micro-dollars in and out of text."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.money import parse_usd, usd_text

GOLDEN = [
    ("0", 0),
    ("0.000001", 1),
    ("0.000012", 12),
    ("0.1", 100_000),
    ("0.25", 250_000),
    ("1", 1_000_000),
    ("1.5", 1_500_000),
    ("10", 10_000_000),
    ("1000000", 10**12),
    ("999999999.999999", 10**15 - 1),
]


@pytest.mark.parametrize(("text", "micros"), GOLDEN)
def test_golden_amounts(text: str, micros: int) -> None:
    assert usd_text(micros) == text
    assert parse_usd(text) == micros


@pytest.mark.parametrize(("text", "micros"), [(" 2 ", 2_000_000), ("2.50", 2_500_000), ("007", 7_000_000)])
def test_an_operator_may_write_more_than_we_do(text: str, micros: int) -> None:
    assert parse_usd(text) == micros


def test_a_correction_may_be_negative() -> None:
    assert usd_text(-1) == "-0.000001"
    assert usd_text(-2_500_000) == "-2.5"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1_000", "$2", "2 0", "0.0000001", "1.1.1", "nan", "inf"),
        *("0x10", "1000000000", "٣", "²", "1.²", "½"),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="dollars"):
        parse_usd(text)


@given(st.integers(0, 10**15 - 1))
def test_amounts_survive_their_text(micros: int) -> None:
    text = usd_text(micros)
    assert parse_usd(text) == micros
    assert Decimal(text) * 1_000_000 == micros
    assert json.loads(text, parse_int=Decimal, parse_float=Decimal) == Decimal(text)
