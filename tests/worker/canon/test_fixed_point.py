"""-ln p in micro-nats: exact against decimal arithmetic, on a sample here and on all inputs by `main`.

python -m tests.worker.canon.test_fixed_point     all one million inputs, about half a minute
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest

from worker.canon import fixed_point
from worker.canon.fixed_point import neg_ln_micronats

PPM = 1_000_000
PRECISE = Context(prec=40)


def wrong(inputs: Iterable[int]) -> list[int]:
    """Those inputs whose result is not the exact value rounded to nearest (no exact value lies on a half)."""
    ln_ppm = PRECISE.ln(Decimal(PPM))
    found = []
    for p_ppm in inputs:
        exact = PRECISE.multiply(PRECISE.subtract(ln_ppm, PRECISE.ln(Decimal(p_ppm))), Decimal(PPM))
        if neg_ln_micronats(p_ppm) != int(exact.to_integral_value(ROUND_HALF_EVEN)):
            found.append(p_ppm)
    return found


@pytest.mark.parametrize(
    ("p_ppm", "micronats"),
    [
        (1_000_000, 0),
        (999_999, 1),
        (999_000, 1_001),
        (990_000, 10_050),
        (900_000, 105_361),
        (500_000, 693_147),
        (367_879, 1_000_001),
        (100_000, 2_302_585),
        (2, 13_122_363),
        (1, 13_815_511),
    ],
)
def test_golden_values(p_ppm: int, micronats: int) -> None:
    assert neg_ln_micronats(p_ppm) == micronats


def test_rounding_is_exact_at_both_ends_and_at_every_power_of_two() -> None:
    around_powers = [p for bit in range(20) for p in range((1 << bit) - 2, (1 << bit) + 3) if 1 <= p <= PPM]
    assert wrong([*range(1, 1_000), *around_powers, *range(PPM - 1_000, PPM + 1)]) == []


def test_rounding_is_exact_on_a_sample_of_the_whole_range() -> None:
    assert wrong(range(1, PPM + 1, 211)) == []


def test_rounding_is_exact_at_every_entry_of_the_table() -> None:
    edges = [entry << shift for entry in range(64, 128) for shift in range(14)]
    assert wrong(p for edge in edges for p in (edge - 1, edge) if p <= PPM) == []


def test_more_probable_never_costs_more() -> None:
    values = [neg_ln_micronats(p) for p in range(1, PPM + 1, 97)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("p_ppm", [0, -1, PPM + 1, -(10**9), 10**12])
def test_what_is_not_a_probability_is_refused(p_ppm: int) -> None:
    with pytest.raises(ValueError, match="parts per million"):
        neg_ln_micronats(p_ppm)


def test_the_table_holds_rounded_logarithms() -> None:
    unit = Decimal(2**64)
    table = [int((PRECISE.ln(Decimal(i) / 64) * unit).to_integral_value()) for i in range(64, 128)]
    assert list(fixed_point._LN_SIXTYFOURTHS) == table
    assert int((PRECISE.ln(Decimal(2)) * unit).to_integral_value()) == fixed_point._LN_2
    assert int((PRECISE.ln(Decimal(PPM)) * unit).to_integral_value()) == fixed_point._LN_PPM


if __name__ == "__main__":
    print("wrong:", wrong(range(1, PPM + 1)))
