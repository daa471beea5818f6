"""The platform's time: microseconds since it began, virtual (a test moves it) or the host's, times a factor.

Whoever waits does so on one of these clocks, so the same platform runs in a test within a millisecond, in a
demonstration sixty times as fast as life, or in real time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

MILLION = 1_000_000
#: How often the loop runs with nobody asking for a later time, before a clock that jumps does so: long enough that
#: requests made together are all there.
ROUNDS_BEFORE_A_JUMP = 25


class Cancels(Protocol):
    """What a planned call gives back."""

    def cancel(self) -> None:
        """Call it off; harmless when it has been called."""


class PlatformClock(Protocol):
    """What the platform needs of time."""

    def now_us(self) -> int:
        """Microseconds since the platform began; never goes back."""
        ...

    def call_at(self, time_us: int, callback: Callable[[], None]) -> Cancels:
        """Have `callback` called in this event loop once that time has come."""
        ...


async def sleep_until(clock: PlatformClock, time_us: int) -> None:
    """Return once `clock` says at least `time_us`."""
    loop = asyncio.get_running_loop()
    while clock.now_us() < time_us:
        due: asyncio.Future[None] = loop.create_future()
        handle = clock.call_at(time_us, lambda due=due: due.done() or due.set_result(None))  # type: ignore[misc]
        try:
            await due
        finally:
            handle.cancel()


class ScaledClock:
    """The host's monotonic clock, `speed` times as fast; 1 = real time."""

    def __init__(self, speed: int = 1) -> None:
        if speed < 1:
            raise ValueError("a speed is a whole number from 1")
        self._speed = speed
        self._began_ns = time.monotonic_ns()

    def now_us(self) -> int:
        return (time.monotonic_ns() - self._began_ns) * self._speed // 1_000

    def call_at(self, time_us: int, callback: Callable[[], None]) -> Cancels:
        delay_us = max(0, time_us - self.now_us())
        return asyncio.get_running_loop().call_later(delay_us / self._speed / MILLION, callback)


class _Planned:
    __slots__ = ("callback", "called_off")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.called_off = False

    def cancel(self) -> None:
        self.called_off = True


class VirtualClock:
    """Time that `advance` moves. With `jumps` it moves by itself to the next thing anybody waits for."""

    def __init__(self, *, jumps: bool = False) -> None:
        self._now_us = 0
        self._jumps = jumps
        self._plans: list[tuple[int, int, _Planned]] = []
        self._count = 0
        self._quiet_rounds = 0
        self._is_watching = False

    def now_us(self) -> int:
        return self._now_us

    def call_at(self, time_us: int, callback: Callable[[], None]) -> Cancels:
        plan = _Planned(callback)
        self._count += 1
        heappush(self._plans, (max(time_us, self._now_us), self._count, plan))
        self._quiet_rounds = 0
        if self._jumps and not self._is_watching:
            self._is_watching = True
            asyncio.get_running_loop().call_soon(self._watch)
        return plan

    def advance(self, by_us: int) -> None:
        """Let time pass, and everything that was planned for it happen, in order."""
        until_us = self._now_us + by_us
        while self._plans and self._plans[0][0] <= until_us:
            self._take_one()
        self._now_us = max(self._now_us, until_us)

    def _take_one(self) -> None:
        at_us, _, plan = heappop(self._plans)
        if not plan.called_off:
            self._now_us = max(self._now_us, at_us)
            plan.callback()

    def _watch(self) -> None:
        self._quiet_rounds += 1
        while self._plans and self._plans[0][2].called_off:
            heappop(self._plans)
        if not self._plans:
            self._is_watching = False
            return
        if self._quiet_rounds > ROUNDS_BEFORE_A_JUMP:
            self._quiet_rounds = 0
            self._take_one()
        asyncio.get_running_loop().call_soon(self._watch)
