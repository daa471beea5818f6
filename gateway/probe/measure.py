"""Requests that are timed: the first one of each model, several one after the other, and more and more at once.

Whether a first request is a cold one nobody outside can know: others may have used the model a moment ago. It is called
first, and what follows warm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.probe.cadence import Silence, common_silences
from gateway.probe.chat import Chat, Timed
from gateway.probe.compatibility import wait_us
from gateway.probe.limits import LimitReached
from gateway.probe.prompts import TIMED, numbered
from gateway.probe.statistics import percentile
from gateway.report.summary import nearest_rank

#: Requests of a level: so many at least, and so many for each that is under way.
LEAST_OF_LEVEL: Final = 8
EACH_OF_LEVEL: Final = 2
#: The knee: answers take so many times as long as alone, while throughput grew by less than so many per cent.
KNEE_TIMES: Final = 2
KNEE_GAIN_PERCENT: Final = 10
#: What takes less longer than that is no reason to stop.
KNEE_US: Final = 100_000


@dataclass(slots=True)
class Level:
    """What became of requests sent `concurrency` at a time. ended_us: on the monotonic clock, 0 = still under way."""

    concurrency: int
    began_us: int
    timed: list[Timed] = field(default_factory=list)
    ended_us: int = 0
    silences: list[Silence] = field(default_factory=list)

    @property
    def answered(self) -> list[Timed]:
        return [one for one in self.timed if one.is_ok]

    @property
    def failed(self) -> list[Timed]:
        return [one for one in self.timed if not one.is_ok]

    @property
    def median_us(self) -> int | None:
        """Of the whole answers."""
        times = sorted(one.total_us for one in self.answered)
        return nearest_rank(times, 50) if times else None

    @property
    def per_hour(self) -> int:
        """Whole answers an hour at this pace."""
        span_us = self.ended_us - self.began_us
        return len(self.answered) * 3_600_000_000 // span_us if span_us > 0 else 0

    @property
    def tokens_per_s_milli(self) -> int | None:
        """Thousandths of tokens a second of all answers together; None if the tokens aren't told."""
        span_us = self.ended_us - self.began_us
        tokens = [one.tokens for one in self.answered if one.tokens is not None]
        if span_us <= 0 or not tokens or len(tokens) < len(self.answered):
            return None
        return sum(tokens) * 1_000_000_000 // span_us


@dataclass(slots=True)
class Load:
    """All levels in the order they ran, and why no higher one did.

    refused_at: the least concurrency at which a request failed. alone: how a lone request ended after it.
    """

    levels: list[Level] = field(default_factory=list)
    stopped: str = ""
    refused_at: int = 0
    alone: Timed | None = None

    @property
    def served_at(self) -> int:
        """The most at once of which none failed, below the least at which one did."""
        whole = [level.concurrency for level in self.levels if level.ended_us and level.timed and not level.failed]
        return max((one for one in whole if not self.refused_at or one < self.refused_at), default=0)


async def measure_first(
    chat: Chat, models: Sequence[str], found: list[Timed], number: int = 0, enough: int = 0
) -> None:
    """One request to each model, one after the other. enough: so many that answer, 0 = all. Raises: LimitReached."""
    for at, model in enumerate(models):
        if enough and sum(one.is_ok for one in found) >= enough:
            return
        timed, _ = await chat.timed(model, numbered(number + at, TIMED))
        found.append(timed)


async def measure_warm(chat: Chat, model: str, count: int, found: list[Timed], number: int = 100) -> None:
    """So many requests, one after the other. Raises: LimitReached."""
    for at in range(count):
        timed, _ = await chat.timed(model, numbered(number + at, TIMED))
        found.append(timed)
        if timed.failure and timed.retry_after:
            await chat.rest(wait_us(timed.retry_after))


async def measure_load(chat: Chat, model: str, most: int, load: Load) -> None:
    """Levels of 1, 2, 4 and so on up to `most` at once, until requests fail or more at once only makes all slower.

    Where requests fail, the exact concurrency is looked for between the last two levels. Raises: LimitReached.
    """
    for concurrency in levels_up_to(most):
        level = await _run_level(chat, model, concurrency, load)
        if level.failed:
            load.refused_at = concurrency
            load.stopped = f"requests failed at {concurrency} at once"
            await _look_alone(chat, model, level, load)
            await _narrow(chat, model, load)
            return
        if is_knee(load.levels):
            load.stopped = f"at {concurrency} at once answers took {KNEE_TIMES} times as long, and no more came of it"
            return
    load.stopped = f"{most} at once is the most that --concurrency allows"


def levels_up_to(most: int) -> list[int]:
    """1, 2, 4, ... and `most` itself."""
    levels = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return [*levels, most]


def is_knee(levels: Sequence[Level]) -> bool:
    """Whether the last level is so much slower than the first, beyond chance, and hardly gave more than the one before.

    Beyond chance: its median lies above the whole interval of the first one's.
    """
    if len(levels) < 2:
        return False
    first, before, last = percentile([one.total_us for one in levels[0].answered], 50), levels[-2], levels[-1]
    if not first.value or last.median_us is None:
        return False
    is_slow = last.median_us >= KNEE_TIMES * first.value and last.median_us - first.value >= KNEE_US
    is_beyond_chance = first.high is not None and last.median_us > first.high
    return is_slow and is_beyond_chance and last.per_hour * 100 < before.per_hour * (100 + KNEE_GAIN_PERCENT)


async def _run_level(chat: Chat, model: str, concurrency: int, load: Load) -> Level:
    """Raises: LimitReached, with what was measured kept."""
    clock = chat.endpoint.clock
    level = Level(concurrency, clock.monotonic_us())
    load.levels.append(level)
    each = max(EACH_OF_LEVEL, -(-LEAST_OF_LEVEL // concurrency))
    number = 1_000 * concurrency
    await run_workers(chat, concurrency, [(model, numbered(number + at, TIMED)) for at in range(each * concurrency)],
                      level.timed)  # fmt: skip
    level.ended_us = clock.monotonic_us()
    level.silences = common_silences([one.at_us for one in level.answered])
    return level


async def run_workers(chat: Chat, concurrency: int, tasks: Sequence[tuple[str, str]], found: list[Timed]) -> None:
    """Have so many requests under way at once until all tasks (model, prompt) are done.

    Raises: LimitReached, after those under way have ended.
    """
    waiting = iter(tasks)
    stops: list[LimitReached] = []

    async def work() -> None:
        for model, text in waiting:
            if stops:
                return
            try:
                timed, _ = await chat.timed(model, text)
            except LimitReached as stop:
                stops.append(stop)
                return
            found.append(timed)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(tasks))):
            group.create_task(work())
    if stops:
        raise stops[0]


async def _look_alone(chat: Chat, model: str, level: Level, load: Load) -> None:
    """After a level that failed: wait as told, then ask once, alone. A limit on requests at once lets that one pass."""
    told = next((one.retry_after for one in level.failed if one.retry_after), "")
    await chat.rest(wait_us(told))
    load.alone, _ = await chat.timed(model, numbered(999, TIMED))


async def _narrow(chat: Chat, model: str, load: Load) -> None:
    """Halve what lies between the most that went well and the least that did not. Raises: LimitReached."""
    if load.alone is None or not load.alone.is_ok:
        return
    while load.refused_at - load.served_at > 1 and load.served_at:
        level = await _run_level(chat, model, (load.refused_at + load.served_at) // 2, load)
        if level.failed:
            load.refused_at = level.concurrency
            told = next((one.retry_after for one in level.failed if one.retry_after), "")
            await chat.rest(wait_us(told))
