"""One event at a time to each key, several keys at a time: how destinations are served that take single events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from worker.ports import Clock
from worker.sessions.destination import Failed, Fate, Outcome, Shaped

#: After so many failures, of a batch that nothing was taken of, the rest waits.
GIVE_UP_AFTER: Final = 3


async def in_lanes(
    batch: Sequence[Shaped], send: Callable[[Shaped], Awaitable[Outcome]], clock: Clock, at_once: int, budget_us: int
) -> list[Outcome]:
    """The outcome of each event. Args: send: delivers one; budget_us: none is begun later than that."""
    outcomes: list[Outcome] = [Fate.NOT_TRIED] * len(batch)
    lanes: dict[str, list[int]] = {}
    for place, shaped in enumerate(batch):
        lanes.setdefault(shaped.key, []).append(place)
    waiting = iter(lanes.values())
    run = _Run(clock.monotonic_us() + budget_us)

    async def work() -> None:
        # One iterator for all: who is done with a key takes the next one.
        for lane in waiting:
            for place in lane:
                if run.is_over(clock.monotonic_us()):
                    return
                outcome = outcomes[place] = await send(batch[place])
                run.note(outcome)
                if isinstance(outcome, Failed) and not outcome.is_permanent:
                    break

    await asyncio.gather(*[work() for _ in range(min(at_once, len(lanes)))])
    return outcomes


class _Run:
    """Whether the rest of a batch is worth trying."""

    def __init__(self, until_us: int) -> None:
        self._until_us = until_us
        self._failures = 0
        self._is_reached = False
        self._is_down = False

    def note(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            self._is_down = self._is_down or outcome.is_down or outcome.is_gone
            self._failures += not outcome.is_permanent
        else:
            # Somebody is there: what fails besides, fails by itself.
            self._is_reached = True

    def is_over(self, now_us: int) -> bool:
        fails = self._failures >= GIVE_UP_AFTER and not self._is_reached
        return self._is_down or fails or now_us >= self._until_us
