"""How far figures that were estimated from runs can be trusted: Hoeffding's inequality, in integers.

A mean of n independent runs, each between 0 and B, is off by t or more with a chance of at most exp(-2nt^2/B^2) on
either side. Of k candidates so estimated the one with the least true mean, if it leads by a gap D, is missed with a
chance of at most (k-1) * exp(-nD^2 / 2B^2). Both say how likely an error of chance is, and nothing about runs that were
not independent or not like what comes. Everything is rounded to the safe side.
"""

from __future__ import annotations

from typing import Final

from worker.canon.fixed_point import neg_ln_micronats

_MILLION: Final = 1_000_000


def runs_needed(candidates: int, gap: int, span: int, error_ppm: int) -> int:
    """Runs of each candidate after which picking another than the best has at most this chance.

    Args: candidates: how many are compared, at least 1. gap, span: the true lead of the best, and B, in one unit, at
    least 1. error_ppm: the chance, at least `candidates - 1`. Raises: ValueError.
    """
    if candidates < 1 or not 1 <= gap <= span or not 1 <= error_ppm <= _MILLION:
        raise ValueError("there must be a candidate, a gap within the span, and a chance from 1 to 1000000 ppm")
    others = max(1, candidates - 1)
    if error_ppm < others:
        raise ValueError("so small a chance can't be told apart in parts per million")
    # n >= 2 B^2 ln((k-1) / error) / D^2
    return max(1, -(-2 * span * span * _log_of_one_in(error_ppm // others) // (gap * gap * _MILLION)))


def half_width(runs: int, span: int, error_ppm: int) -> int:
    """How far the mean of so many runs may be from the truth, but for this chance; never more than the span.

    Raises: ValueError.
    """
    if runs < 1 or span < 1 or not 2 <= error_ppm <= _MILLION:
        raise ValueError("there must be a run, a span, and a chance from 2 to 1000000 ppm")
    # t = B * sqrt(ln(2 / error) / 2n)
    square = -(-span * span * _log_of_one_in(error_ppm // 2) // (2 * runs * _MILLION))
    return min(span, _root_up(square))


def _log_of_one_in(ppm: int) -> int:
    """ln(1 / p) in micro-nats, rounded up."""
    return neg_ln_micronats(ppm) + 1


def _root_up(square: int) -> int:
    """The least integer whose square is at least `square` (Newton's iteration, from above)."""
    if square < 2:
        return square
    root = 1 << -(-square.bit_length() // 2)
    while True:
        better = (root + square // root) // 2
        if better >= root:
            return root if root * root == square else root + 1
        root = better
