"""Whether an answer was really streamed, and where it paused: pure judgements over the times of its pieces.

A pause by itself proves nothing about its cause. Streams of the same server that are silent together point to something
they share: a card that takes turns with others, a server that was stopped, or the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

#: Pieces that come within so much of each other came together.
TOGETHER_US: Final = 1_000
#: With fewer pieces, or in less time, nobody can tell streaming from buffering.
LEAST_PIECES: Final = 4
LEAST_TOTAL_US: Final = 100_000
#: A silence between pieces that counts as a pause: so long, and so many times the usual one.
PAUSE_US: Final = 1_000_000
PAUSE_TIMES: Final = 10


class Cadence(StrEnum):
    """How the pieces of one answer came."""

    streamed = "streamed"
    bursts = "in bursts"
    buffered = "buffered"
    unclear = "can't be told"


class Silence(NamedTuple):
    """A stretch without a piece of any of `streams` answers under way; microseconds on the monotonic clock."""

    at_us: int
    length_us: int
    streams: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of one answer: how many, at how many different moments, and the silences between them."""

    pieces: int
    moments: int
    usual_gap_us: int
    longest_gap_us: int


def pieces_of(times_us: Sequence[int]) -> Pieces:
    """The pieces of one answer by their times, in order."""
    gaps = [after - before for before, after in pairwise(times_us)]
    apart = sorted(gap for gap in gaps if gap > TOGETHER_US)
    usual = apart[(len(apart) - 1) // 2] if apart else 0
    return Pieces(len(times_us), len(apart) + bool(times_us), usual, max(gaps, default=0))


def cadence_of(times_us: Sequence[int], total_us: int) -> Cadence:
    """How one answer came. Args: times_us: of its pieces since the request was sent; total_us: until its end."""
    found = pieces_of(times_us)
    if found.pieces < LEAST_PIECES:
        return Cadence.unclear
    if found.moments * 4 > found.pieces:
        return Cadence.streamed
    if total_us < LEAST_TOTAL_US:
        return Cadence.unclear
    spread_us = times_us[-1] - times_us[0]
    return Cadence.buffered if spread_us * 10 <= total_us else Cadence.bursts


def pauses_of(times_us: Sequence[int]) -> list[int]:
    """The silences within one answer that are out of the ordinary, in microseconds."""
    usual = pieces_of(times_us).usual_gap_us
    gaps = [after - before for before, after in pairwise(times_us)]
    return [gap for gap in gaps if gap >= PAUSE_US and (gap >= PAUSE_TIMES * usual or len(gaps) == 1)]


def common_silences(streams: Sequence[Sequence[int]]) -> list[Silence]:
    """The pauses that all answers under way had together, two at least, longest first.

    streams: for each answer the times of its pieces on one clock; it is under way from its first to its last.
    """
    under_way = [times for times in streams if len(times) > 1]
    moments = sorted({time for times in under_way for time in times})
    silences = []
    for before, after in pairwise(moments):
        if after - before >= PAUSE_US:
            silent = sum(times[0] <= before and times[-1] >= after for times in under_way)
            if silent > 1:
                silences.append(Silence(before, after - before, silent))
    return sorted(silences, key=lambda one: (-one.length_us, one.at_us))
