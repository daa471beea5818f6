"""How long value takes, from sessions of which some were cut short: the restricted mean E[min(TTV, H)], in integers.

A session that was cut off (the deadline came, the client left, the attempt failed) says only that its value took longer
than that. To count it as if it had arrived then makes everything look fast, to leave it out even more so. Kaplan and
Meier's estimate of the share that has not arrived yet at t, S(t), uses both kinds of sessions; the area under it up to
H is the restricted mean, and Greenwood's formula says how far it may be off by chance.

It assumes that being cut off says nothing about what was still to come. A client that leaves because it sees that
nothing comes breaks that, and the true mean is then later than told. Beyond the last session S stays where it is, which
is the latest the truth can be; `open_ppm` is how much of it that is, and the interval begins where the truth would be
if all of that arrived at once. Of fewer than two sessions whose min(TTV, H) is known there is no spread, and the
interval is everything up to H. Its ends are rounded outwards. Nothing here decides: an estimate becomes part of
decisions by promotion alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from worker.ledger.canonical import MAX_INT

MILLION: Final = 1_000_000
#: Two-sided 95 %.
Z_PPM: Final = 1_960_000
#: S(t) in parts of this; each step rounds down by less than one part.
_SCALE: Final = 10**18
_FINE: Final = 10**6
#: Sessions whose min(TTV, H) is known, of which there can be a spread.
_FEWEST_KNOWN: Final = 2


class Sample(NamedTuple):
    """How long one session was watched, in microseconds, and whether its value had come by then."""

    time_us: int
    is_reached: bool


class Estimate(NamedTuple):
    """E[min(TTV, H)] with its interval, microseconds; of how many sessions, and how many of them reached their value.

    `naive_us`: the mean of min(time, H) as if all had reached it; it is there to be compared. `open_ppm`: the share of
    which nothing is known between the last session and H, 0 = all is.
    """

    mean_us: int
    low_us: int
    high_us: int
    samples: int
    reached: int
    naive_us: int
    open_ppm: int


class Calibration(NamedTuple):
    """Sessions that were predicted alike, and what came: `ratio_ppm` is actual over predicted."""

    predicted_us: int
    actual: Estimate
    ratio_ppm: int


def restricted_mean(samples: Sequence[Sample], horizon_us: int, z_ppm: int = Z_PPM) -> Estimate:
    """The estimate up to the horizon. Args: z_ppm: the interval's half width in standard deviations.

    Raises: ValueError without any sample, or for a time or a horizon that is none.
    """
    if not samples or not 1 <= horizon_us <= MAX_INT or min(sample.time_us for sample in samples) < 0:
        raise ValueError("there must be a session, no negative time, and a horizon")
    # Whoever is cut off in the very microsecond in which another arrives was there until then.
    ordered = sorted(samples, key=lambda sample: (sample.time_us, not sample.is_reached))
    share, area, last_us, at_risk = _SCALE, 0, 0, len(ordered)
    steps: list[tuple[int, int, int]] = []
    position = 0
    while position < len(ordered) and ordered[position].time_us < horizon_us:
        time_us, arrived, gone = ordered[position].time_us, 0, 0
        while position < len(ordered) and ordered[position].time_us == time_us:
            arrived += ordered[position].is_reached
            gone += 1
            position += 1
        area += share * (time_us - last_us)
        last_us = time_us
        if arrived:
            # Down by less than one part of 10^18 each: of a million steps that is no microsecond in the area.
            share = share * (at_risk - arrived) // at_risk
            steps.append((area, arrived, at_risk))
        at_risk -= gone
    is_open = position == len(ordered)
    tail = share * (horizon_us - last_us)
    area += tail
    variance = _variance(steps, area)
    half = z_ppm * (_root(variance) + 1) * (_SCALE // (MILLION * _FINE)) if variance else 0
    low_us, high_us = (area - (tail if is_open else 0) - half) // _SCALE, -(-(area + half) // _SCALE)
    if sum(sample.is_reached or sample.time_us >= horizon_us for sample in ordered) < _FEWEST_KNOWN:
        low_us, high_us = 0, horizon_us
    return Estimate(
        mean_us=_nearest(area, _SCALE),
        low_us=max(0, low_us),
        high_us=min(horizon_us, high_us),
        samples=len(ordered),
        reached=sum(sample.is_reached for sample in ordered),
        naive_us=_nearest(sum(min(sample.time_us, horizon_us) for sample in ordered), len(ordered)),
        open_ppm=-(-share * MILLION // _SCALE) if is_open else 0,
    )


def calibrate(pairs: Sequence[tuple[int, Sample]], horizon_us: int, groups: int = 1) -> tuple[Calibration, ...]:
    """Predicted times against actual ones, in groups of about one size from the shortest prediction to the longest.

    Equal predictions are in one group, so there may be fewer groups than asked for, and no order of the pairs matters.
    A perfect predictor has every ratio at a million. Args: pairs: a prediction in microseconds, and what came.
    Raises: ValueError as `restricted_mean`.
    """
    ordered = sorted(pairs, key=lambda pair: pair[0])
    groups = max(1, min(groups, len(ordered)))
    told = [predicted_us for predicted_us, _ in ordered]
    cuts = [bisect_left(told, told[len(told) * at // groups]) for at in range(groups)] if told else [0]
    edges = [*sorted(set(cuts)), len(told)]
    found = []
    for start, end in pairwise(edges):
        group = ordered[start:end]
        actual = restricted_mean([sample for _, sample in group], horizon_us)
        predicted_us = _nearest(sum(min(told_us, horizon_us) for told_us, _ in group), len(group))
        found.append(Calibration(predicted_us, actual, ratio_ppm(actual.mean_us, predicted_us)))
    return tuple(found)


def ratio_ppm(actual_us: int, predicted_us: int) -> int:
    """Actual over predicted in ppm, to the nearest; nothing predicted divides nothing."""
    return _nearest(actual_us * MILLION, max(1, predicted_us))


def _variance(steps: Sequence[tuple[int, int, int]], whole: int) -> int:
    """Greenwood's sum, in squared microseconds times 10^12: the area still to come after each arrival, weighed."""
    found = 0
    for area, arrived, at_risk in steps:
        if at_risk > arrived:
            rest = (whole - area) // (_SCALE // _FINE)
            found += rest * rest * arrived // (at_risk * (at_risk - arrived))
    return found


def _nearest(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _root(square: int) -> int:
    """The greatest integer whose square is at most `square` (Newton's iteration, from above)."""
    if square < 2:
        return square
    root = 1 << -(-square.bit_length() // 2)
    while True:
        better = (root + square // root) // 2
        if better >= root:
            return root
        root = better
