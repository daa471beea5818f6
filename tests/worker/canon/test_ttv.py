"""Restricted means of times that were partly cut short: against truth that is known, and cases worked out by hand."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.canon.ttv import MILLION, Estimate, Sample, calibrate, ratio_ppm, restricted_mean

SECOND_US = 1_000_000
HORIZON_US = 120 * SECOND_US


def reached(*times: int) -> list[Sample]:
    return [Sample(time, True) for time in times]


def cut(*times: int) -> list[Sample]:
    return [Sample(time, False) for time in times]


def test_where_nothing_was_cut_short_it_is_the_mean() -> None:
    found = restricted_mean(reached(10, 20, 60), 50)
    assert (found.mean_us, found.naive_us, found.samples, found.reached, found.open_ppm) == (27, 27, 3, 3, 0)
    assert restricted_mean(reached(7), 50) == Estimate(7, 0, 50, 1, 1, 7, 0)
    assert restricted_mean(reached(7, 7), 50) == Estimate(7, 7, 7, 2, 2, 7, 0)
    assert restricted_mean(reached(0, 0), 50).mean_us == 0


def test_a_case_worked_out_by_hand() -> None:
    """Of 4: one arrives at 10 (S = 3/4), one is cut off at 20, one arrives at 30 (S = 3/8), one at 50 (S = 0)."""
    found = restricted_mean([*reached(10, 30, 50), *cut(20)], 100)
    area = Fraction(10) + Fraction(3, 4) * 20 + Fraction(3, 8) * 20
    assert found.mean_us == 33 == (area + Fraction(1, 2)) // 1
    assert found.naive_us == 28
    # Greenwood: (15 + 7.5)^2 / (4 * 3) + 7.5^2 / (2 * 1) = 70.3125, its root 8.385, times 1.96.
    assert (found.mean_us - found.low_us, found.high_us - found.mean_us) == (17, 16)
    # Outwards: the mean is 32.5, and the interval from 16.07 to 48.93.
    assert (found.low_us, found.high_us) == (16, 49)


def test_who_is_cut_off_the_moment_another_arrives_was_still_there() -> None:
    assert restricted_mean([*cut(10), *reached(10, 30)], 50).mean_us == 10 + round(20 * 2 / 3)


def test_what_is_not_known_up_to_the_horizon_is_said() -> None:
    found = restricted_mean([*reached(10), *cut(20)], 100)
    assert (found.mean_us, found.open_ppm) == (10 + 45, 500_000)
    assert restricted_mean(cut(20, 30), 100).mean_us == 100
    assert restricted_mean([*reached(10), *cut(100)], 100).open_ppm == 0


#: Two groups of the study of maintenance chemotherapy that survival analyses are shown by, in weeks; 0 = censored.
MAINTAINED = "9 1, 13 1, 13 0, 18 1, 23 1, 28 0, 31 1, 34 1, 45 0, 48 1, 161 0"
NOT_MAINTAINED = "5 1, 5 1, 8 1, 8 1, 12 1, 16 0, 23 1, 27 1, 30 1, 33 1, 43 1, 45 1"


@pytest.mark.parametrize(
    ("text", "mean_us", "error_us"), [(MAINTAINED, 52_600_000, 19_830_000), (NOT_MAINTAINED, 22_700_000, 4_180_000)]
)
def test_it_agrees_with_what_survival_libraries_print(text: str, mean_us: int, error_us: int) -> None:
    """Restricted mean and standard error up to 161, as R's survfit has printed them for decades, to their digits."""
    pairs = [part.split() for part in text.split(",")]
    samples = [Sample(int(time) * SECOND_US, known == "1") for time, known in pairs]
    found = restricted_mean(samples, 161 * SECOND_US, z_ppm=MILLION)
    assert abs(found.mean_us - mean_us) <= 50_000
    assert abs(found.high_us - found.mean_us - error_us) <= 5_000
    assert abs(found.mean_us - found.low_us - error_us) <= 5_000


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # All cut short: nothing is known at all, and no interval of no width says otherwise.
        (cut(20, 30), Estimate(100, 0, 100, 2, 0, 25, MILLION)),
        (cut(0), Estimate(100, 0, 100, 1, 0, 0, MILLION)),
        # None has come by H: that much is known of each.
        (cut(100, 100), Estimate(100, 100, 100, 2, 0, 100, 0)),
        (reached(200, 300), Estimate(100, 100, 100, 2, 2, 100, 0)),
        # One that arrives and one that is cut off in the same microsecond: S = 1/2 from there on.
        ([*reached(10), *cut(10)], Estimate(55, 0, 100, 2, 1, 10, 500_000)),
        # Open from 20: the tail of half of 80 may be nothing, and Greenwood's half width is 1.96 * 31.8 = 62.4.
        ([*reached(10, 10), *cut(20, 20)], Estimate(55, 0, 100, 4, 2, 15, 500_000)),
        # Just at the horizon, and at once.
        (reached(100, 0), Estimate(50, 0, 100, 2, 2, 50, 0)),
    ],
)
def test_the_ends_of_what_can_be_known(samples: list[Sample], expected: Estimate) -> None:
    assert restricted_mean(samples, 100) == expected
    assert restricted_mean(samples[::-1], 100) == expected


def test_the_interval_holds_all_that_may_come_after_the_last_session() -> None:
    """99 arrive by 10 and one leaves at 20: its part of the mean is anything from nothing to the rest of H."""
    (low, found, high) = (
        restricted_mean([*reached(*[10] * 99), last], 1_000_000, z_ppm=1)
        for last in (*reached(21), *cut(20), *cut(10**6))
    )
    assert found.open_ppm == 10_000
    assert found.low_us <= low.mean_us < found.mean_us == high.mean_us <= found.high_us


def test_something_open_is_never_told_as_nothing() -> None:
    samples = [*reached(*[10] * 1_500_000), *cut(20)]
    assert restricted_mean(samples, 100).open_ppm == 1


@pytest.mark.parametrize(("samples", "horizon_us"), [([], 10), (reached(1), 0), (reached(-1), 10), (reached(1), 2**53)])
def test_what_is_no_sample_raises(samples: list[Sample], horizon_us: int) -> None:
    with pytest.raises(ValueError, match="there must be"):
        restricted_mean(samples, horizon_us)


def exact(samples: list[Sample], horizon_us: int) -> Fraction:
    """The same by fractions, one microsecond at a time."""
    share, area = Fraction(1), Fraction(0)
    for time in range(horizon_us):
        at_risk = sum(sample.time_us >= time for sample in samples)
        arrived = sum(sample.time_us == time and sample.is_reached for sample in samples)
        if at_risk:
            share *= Fraction(at_risk - arrived, at_risk)
        area += share
    return area


@given(st.lists(st.builds(Sample, st.integers(0, 40), st.booleans()), min_size=1, max_size=12), st.integers(1, 50))
def test_it_is_the_area_under_the_estimate(samples: list[Sample], horizon_us: int) -> None:
    found = restricted_mean(samples, horizon_us)
    assert abs(found.mean_us - exact(samples, horizon_us)) <= Fraction(1, 2) + Fraction(1, 1_000)
    assert 0 <= found.low_us <= found.mean_us <= found.high_us <= horizon_us
    assert restricted_mean(samples[::-1], horizon_us) == found


def synthetic(seed: int, count: int) -> list[Sample]:
    """What is seen of times of which 5 % never end, each watched for a random time."""
    chance = random.Random(seed)
    seen = []
    for _ in range(count):
        time_us = int(chance.expovariate(1 / (20 * SECOND_US))) + SECOND_US if chance.random() < 0.95 else 10**12
        leaves_us = int(chance.expovariate(1 / (40 * SECOND_US)))
        seen.append(Sample(min(time_us, leaves_us, HORIZON_US), time_us <= min(leaves_us, HORIZON_US)))
    return seen


def test_it_finds_the_truth_where_the_naive_means_do_not() -> None:
    """The truth is known exactly: 5 % never arrive, the others after 1 s and an exponential time of 20 s."""
    true_us = int((0.95 * (1 + 20 * (1 - math.exp(-119 / 20))) + 0.05 * 120) * SECOND_US)
    inside = 0
    for seed in range(1, 41):
        seen = synthetic(seed, 2_000)
        found = restricted_mean(seen, HORIZON_US)
        arrived = [sample.time_us for sample in seen if sample.is_reached]
        inside += found.low_us <= true_us <= found.high_us
        assert abs(found.mean_us - true_us) * 10 < true_us
        # As if the cut ones had arrived, or had never been: a third too early.
        assert found.naive_us * 3 < true_us * 2
        assert sum(arrived) // len(arrived) * 3 < true_us * 2
    # A 95 % interval: of 40 it misses two on average, and more than six once in a hundred times.
    assert inside >= 34


def test_calibration_compares_what_was_predicted_alike() -> None:
    pairs = [(10, sample) for sample in reached(20, 20)] + [(100, sample) for sample in reached(50, 50)]
    low, high = calibrate(pairs, 1_000, 2)
    assert (low.predicted_us, low.actual.mean_us, low.ratio_ppm) == (10, 20, 2 * MILLION)
    assert (high.predicted_us, high.actual.mean_us, high.ratio_ppm) == (100, 50, MILLION // 2)
    (whole,) = calibrate(pairs, 1_000)
    assert (whole.predicted_us, whole.actual.mean_us) == (55, 35)
    assert len(calibrate(pairs, 1_000, 9)) == 2
    assert ratio_ppm(5, 0) == 5 * MILLION


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.builds(Sample, st.integers(0, 9), st.booleans())), min_size=1, max_size=12
    ),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_groups_hold_equal_predictions_together_in_any_order(
    pairs: list[tuple[int, Sample]], groups: int, chance: random.Random
) -> None:
    """Else one prediction has two ratios, and which depends on the order of the file."""
    found = calibrate(pairs, 10, groups)
    assert 1 <= len(found) <= groups
    assert sum(group.actual.samples for group in found) == len(pairs)
    assert [group.predicted_us for group in found] == sorted({group.predicted_us for group in found})
    shuffled = pairs[:]
    chance.shuffle(shuffled)
    assert calibrate(shuffled, 10, groups) == found


def test_one_prediction_has_one_ratio() -> None:
    pairs = [(10, sample) for sample in reached(20, 50, 20, 50)]
    (whole,) = calibrate(pairs, 1_000, 2)
    assert (whole.actual.mean_us, whole.ratio_ppm) == (35, 3_500_000)
