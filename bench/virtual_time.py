"""An event loop whose time passes only while nobody has anything to do: hours of waiting take milliseconds.

Every timer of asyncio runs on it, so timeouts, sleeps and group commits happen in the order they would, exactly
repeatable. A loop with nothing left to wait for is stuck, and says so instead of sleeping for ever.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


class Stuck(RuntimeError):
    """Nothing is scheduled and nothing can arrive: somebody waits for what never comes."""


class _InstantSelector(selectors.BaseSelector):
    """Hands over what is ready, and lets virtual time pass instead of waiting."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._passed = passed

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if not ready:
            if timeout is None:
                raise Stuck("every task waits for something that nobody will bring about")
            if timeout > 0:
                self._passed(timeout)
        return ready

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, which begins at 0 seconds."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_InstantSelector(self._pass))

    def _pass(self, duration_s: float) -> None:
        self._now_s += duration_s

    def time(self) -> float:
        return self._now_s


class VirtualClock:
    """`worker.ports.Clock` on the running virtual loop."""

    def now_us(self) -> int:
        """UTC wall time in microseconds since 1970."""
        return START_US + self.monotonic_us()

    def monotonic_us(self) -> int:
        """Microseconds since the loop began."""
        return round(asyncio.get_running_loop().time() * 1_000_000)

    def timeout(self, delay_us: int) -> AbstractAsyncContextManager[object]:
        """A context that ends its body with TimeoutError once `delay_us` microseconds have passed."""
        return asyncio.timeout(delay_us / 1_000_000)

    async def sleep(self, delay_us: int) -> None:
        """Return once `delay_us` microseconds have passed."""
        await asyncio.sleep(delay_us / 1_000_000)

    def call_later(self, delay_us: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Have `callback` called once `delay_us` microseconds have passed."""
        return asyncio.get_running_loop().call_later(delay_us / 1_000_000, callback)
