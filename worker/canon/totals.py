"""What a candidate's total is, and the order of candidates: one definition, for requests and for problems.

    total = E[min(TTV, H)] + lC*cost + lR*risk - lP*ln p + tier penalty

all in integer microseconds; least first, ties by (ttv, risk, cost, id), ids unique. The tier penalty multiplies time
and cost by a factor of at least one. Failure enters by p alone and risk is harm besides it: nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from worker.canon.fixed_point import neg_ln_micronats

_MILLION: Final = 1_000_000

#: (total, ttv, risk, cost, id, position); the position tells whose key it is and is never reached by a comparison.
Key = tuple[int, int, int, int, str, int]


class Weighing(Protocol):
    """The lambdas: what a unit of cost, risk and improbability weighs, in microseconds."""

    @property
    def cost_us_per_usd_micro(self) -> int: ...

    @property
    def risk_us_per_ppm(self) -> int: ...

    @property
    def improbability_us_per_micronat(self) -> int: ...


class Terms(NamedTuple):
    """The summands of a total, in microseconds."""

    time_us: int
    cost_us: int
    risk_us: int
    improbability_us: int
    tier_penalty_us: int

    @property
    def total_us(self) -> int:
        return self.time_us + self.cost_us + self.risk_us + self.improbability_us + self.tier_penalty_us


@lru_cache(maxsize=4096)
def _improbability(success_ppm: int) -> int:
    """-ln p, remembered: the same few chances come again and again."""
    return neg_ln_micronats(success_ppm)


def total_of(
    time_us: int, cost_usd_micros: int, risk_ppm: int, success_ppm: int, tier_factor_ppm: int, weights: Weighing
) -> int:
    """The total in microseconds. Args: time_us: the restricted mean, already cut off at the horizon.

    Raises: ValueError for a success probability of zero or above one.
    """
    spent = time_us + weights.cost_us_per_usd_micro * cost_usd_micros
    return (
        spent
        + spent * (tier_factor_ppm - _MILLION) // _MILLION
        + weights.risk_us_per_ppm * risk_ppm
        + weights.improbability_us_per_micronat * _improbability(success_ppm)
    )


def terms_of(
    time_us: int, cost_usd_micros: int, risk_ppm: int, success_ppm: int, tier_factor_ppm: int, weights: Weighing
) -> Terms:
    """What `total_of` is the sum of. Raises: ValueError as it does."""
    cost_us = weights.cost_us_per_usd_micro * cost_usd_micros
    return Terms(
        time_us,
        cost_us,
        weights.risk_us_per_ppm * risk_ppm,
        weights.improbability_us_per_micronat * _improbability(success_ppm),
        (time_us + cost_us) * (tier_factor_ppm - _MILLION) // _MILLION,
    )


def rank(keys: Iterable[Key]) -> tuple[int, ...]:
    """The positions of the keys, best first: a total order, in which no order of arrival shows."""
    return tuple([key[-1] for key in sorted(keys)])
