"""Waits on shared cards: the closed forms are the sheet's, exact where they can be, and never fall with company."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.routing.pool_waits import (
    INTERFERENCE_PPM,
    MILLION,
    MOST_WAIT_US,
    SPATIAL,
    TEMPORAL,
    PoolReading,
    PoolWait,
    busy_turn_wait_us,
    may_be_late,
    present_ppm,
    shared_ttv_us,
    turn_wait_us,
    waits_us,
)

SECOND = 1_000_000
SWITCH = 1_500_000


def turns(neighbours: int = 3, busy_ppm: int = MILLION, quantum_s: int = 30, **changes: int) -> PoolReading:
    return PoolReading(TEMPORAL, quantum_s * SECOND, SWITCH, quantum_s * SECOND, neighbours, busy_ppm)._replace(
        **changes
    )


def space(neighbours: int, busy_ppm: int) -> PoolReading:
    return PoolReading(SPATIAL, 0, 0, 0, neighbours, busy_ppm)


def test_neighbours_that_never_rest_give_the_sheets_waits() -> None:
    assert turn_wait_us(3, 30 * SECOND, SWITCH) == (80_250_000, 96_000_000)
    assert waits_us(turns(), SECOND) == (80_250_000, 96_000_000)
    assert waits_us(turns(1, quantum_s=2), SECOND) == (3_250_000, 5_000_000)


def test_nobody_there_or_nobody_at_work_is_no_wait() -> None:
    for reading in (turns(0), turns(0, 0), turns(3, 0), space(0, MILLION), space(3, 0)):
        assert waits_us(reading, 3 * SECOND)[0] == 0
    assert waits_us(turns(0), 10**9) == (0, 0)


@pytest.mark.parametrize("neighbours", [1, 2, 5, 9])
@pytest.mark.parametrize("busy_ppm", [1, 250_000, 999_999])
def test_the_mean_wait_is_that_of_a_binomial_number_of_neighbours(neighbours: int, busy_ppm: int) -> None:
    chance, turn = Fraction(busy_ppm, MILLION), 31_500_000
    mean = Fraction(SWITCH)
    for count in range(1, neighbours + 1):
        weight = comb(neighbours, count) * chance**count * (1 - chance) ** (neighbours - count)
        mean += weight * (2 * count - 1) * turn / 2
    found = busy_turn_wait_us(neighbours, busy_ppm, 30 * SECOND, SWITCH)
    assert abs(found - mean) <= 32  # the chance of somebody is a whole ppm, of a turn
    assert abs(Fraction(present_ppm(neighbours, busy_ppm), MILLION) - (1 - (1 - chance) ** neighbours)) * MILLION <= 1


def test_work_longer_than_a_turn_waits_again_after_each() -> None:
    long, short = waits_us(turns(2, quantum_s=10), 45 * SECOND), waits_us(turns(2, quantum_s=10), 10 * SECOND)
    gap = 2 * 11_500_000 + SWITCH
    assert long[0] - short[0] == long[1] - short[1] == 4 * gap


def test_in_space_a_busy_neighbour_halves_the_speed_and_a_little_more() -> None:
    work = 9_500_000
    assert waits_us(space(1, MILLION), work) == (10_500_000, 10_500_000)  # 2 / (1 - 0.05) of 9.5 s is 20 s
    assert waits_us(space(1, 0), work) == (0, 10_500_000)
    assert waits_us(space(64, MILLION), work)[0] == 65 * work * 10 - work  # a tenth of the speed is always left
    assert INTERFERENCE_PPM == 50_000


READINGS = st.builds(
    PoolReading,
    st.sampled_from([SPATIAL, TEMPORAL]),
    st.integers(1_000, 3_600_000_000),
    st.integers(0, 60_000_000),
    st.integers(0, 1_000),
    st.integers(0, 63),
    st.integers(0, MILLION - 1),
)
WORK = st.integers(0, 600_000_000)


@given(READINGS, WORK)
def test_more_company_and_longer_turns_never_shorten_a_wait(reading: PoolReading, work_us: int) -> None:
    reading = reading._replace(turn_us=reading.quantum_us * reading.turn_us // 1_000)
    expected, worst = waits_us(reading, work_us)
    assert 0 <= expected <= worst <= MOST_WAIT_US
    for change in (
        {"neighbours": reading.neighbours + 1},
        {"busy_ppm": reading.busy_ppm + 1},
        {"switch_us": reading.switch_us + 1},
        {"turn_us": min(reading.quantum_us, reading.turn_us + 1)},
    ):
        more = waits_us(reading._replace(**change), work_us)
        assert more[0] >= expected, change
        assert more[1] >= worst, change


@given(READINGS, st.integers(0, 1_000_000))
def test_longer_quanta_never_shorten_the_wait_of_work_that_fits_a_turn(reading: PoolReading, work_us: int) -> None:
    reading = reading._replace(quantum_us=max(reading.quantum_us, work_us), turn_us=0)
    whole, longer = reading._replace(turn_us=reading.quantum_us), reading._replace(quantum_us=reading.quantum_us + 1)
    for before, after in ((reading, longer), (whole, longer._replace(turn_us=longer.quantum_us))):
        assert waits_us(before, work_us) <= waits_us(after, work_us)
        assert waits_us(before, work_us)[1] <= waits_us(after, work_us)[1]


@given(READINGS, st.integers(0, 10_000_000), st.integers(100_000, 10_000_000))
def test_times_stay_integers_that_every_host_holds(reading: PoolReading, alone_us: int, ratio_ppm: int) -> None:
    ttv_us, wait = shared_ttv_us(reading._replace(turn_us=0), alone_us, ratio_ppm)
    assert all(type(value) is int and 0 <= value < 2**53 for value in (ttv_us, *wait[1:]))


def test_what_was_seen_corrects_the_mean_and_never_shortens_the_worst_case() -> None:
    reading = turns(1, 500_000, 10)
    alone = 2 * SECOND
    expected, worst = waits_us(reading, alone)
    assert shared_ttv_us(reading, alone, MILLION) == (
        alone + expected,
        PoolWait(reading, expected, worst, alone + worst),
    )
    ttv_us, wait = shared_ttv_us(reading, alone, MILLION // 2)
    assert (ttv_us, wait.worst_ttv_us) == ((alone + expected) // 2, alone + worst)
    ttv_us, wait = shared_ttv_us(reading, alone, 2 * MILLION)
    assert (ttv_us, wait.worst_ttv_us) == (2 * (alone + expected), 2 * (alone + worst))


def test_only_turns_behind_busy_neighbours_may_break_a_deadline() -> None:
    late = PoolWait(turns(1, 100_000, 10), 1, 13_000_000, 15_000_000)
    assert may_be_late(late, 14_999_999)
    assert not may_be_late(late, 15_000_000)
    assert not may_be_late(late, None)
    for reading in (turns(0), turns(1, 0), space(3, MILLION)):
        assert not may_be_late(late._replace(reading=reading), 1)
