"""How far a figure from few requests can be trusted: percentiles with intervals, rates with intervals, means.

Percentiles are values that were measured (nearest rank), and their intervals are two more of them: the order statistics
that enclose the true percentile in at least 95 of 100 probes, whatever the distribution (binomial tails, exact). Where
no value measured is far enough out, that side has no bound, and says so. Rates: Clopper and Pearson's exact interval.
Means: percentile bootstrap, seeded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.report.summary import nearest_rank

#: An interval leaves at most so much on either side: 95 % in all.
TAIL: Final = 0.025
MILLION: Final = 1_000_000
RESAMPLES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of `n` measurements and its 95 % interval. None: no value; no bound to this side at this n."""

    n: int
    value: int | None
    low: int | None
    high: int | None


def percentile(values: Sequence[int], percent: int) -> Estimate:
    """A percentile by nearest rank, with the order statistics around it."""
    ordered, n = sorted(values), len(values)
    if not n:
        return Estimate(0, None, None, None)
    low, high = _ranks(n, percent)
    return Estimate(
        n,
        nearest_rank(ordered, percent),
        ordered[low - 1] if low else None,
        ordered[high - 1] if high else None,
    )


def _ranks(n: int, percent: int) -> tuple[int, int]:
    """1-based ranks around a percentile, 0 = none that far out."""
    share = percent / 100
    masses = [math.exp(_log_choose(n, k) + k * math.log(share) + (n - k) * math.log1p(-share)) for k in range(n + 1)]
    low, below = 0, 0.0
    for rank in range(1, n + 1):  # the value of rank r is below the percentile unless fewer than r values are
        below += masses[rank - 1]
        if below > TAIL:
            break
        low = rank
    high, above = 0, 0.0
    for rank in range(n, 0, -1):
        above += masses[rank]
        if above > TAIL:
            break
        high = rank
    return low, high


def rate(successes: int, n: int) -> Estimate:
    """A share in parts per million, rounded down, with its interval rounded outwards."""
    if not n:
        return Estimate(0, None, None, None)
    low = 0 if not successes else _root(lambda p: _at_least(successes, n, p) - TAIL)
    high = MILLION if successes == n else MILLION - _root(lambda p: _at_least(n - successes, n, p) - TAIL)
    return Estimate(n, successes * MILLION // n, low, high)


def mean(values: Sequence[int], seed: int = 1) -> Estimate:
    """An average, rounded up, with a bootstrap interval; one value has none."""
    n = len(values)
    if not n:
        return Estimate(0, None, None, None)
    average = -(-sum(values) // n)
    if n == 1:
        return Estimate(1, average, None, None)
    chance = random.Random(seed)
    means = sorted(sum(chance.choices(values, k=n)) // n for _ in range(RESAMPLES))
    cut = int(RESAMPLES * TAIL)
    return Estimate(n, average, means[cut], means[RESAMPLES - 1 - cut])


def _root(rising: Callable[[float], float]) -> int:
    """The largest ppm at which a rising function is not above zero."""
    low, high = 0, MILLION
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rising(middle / MILLION) <= 0 else (low, middle)
    return low


def _at_least(k: int, n: int, share: float) -> float:
    """The chance of k or more successes among n."""
    if share <= 0:
        return 0.0 if k else 1.0
    logs = (_log_choose(n, one) + one * math.log(share) + (n - one) * math.log1p(-share) for one in range(k, n + 1))
    return math.fsum(math.exp(one) for one in logs)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
