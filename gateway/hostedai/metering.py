"""What each request on a lease held of it, and what that costs: pure, in integers that add up.

Requests that run at the same time share the lease's time equally: during a time t with n of them each holds t/n. A
request is charged hourly/3600 x held seconds. Fractions of a micro-dollar are carried over to the lease's next request,
so that all requests of a lease together are charged what their time costs, to less than a micro-dollar, and never more;
time in which nothing ran is the lease's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.hostedai.lease import HOUR_US

#: Parts of a microsecond that shares are counted in.
_PARTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """What a request held. `held_us` is rounded down; `share_ppm`: its mean share of the lease while it ran."""

    held_us: int
    usd_micros: int
    share_ppm: int


@dataclass(slots=True)
class LeaseMeter:
    """The clock of one lease, which runs at 1/n while n requests run. Times are of one clock, in microseconds."""

    hourly_usd_micros: int
    _at_us: int = 0
    _progress: int = 0
    _carried: int = 0
    _running: dict[int, tuple[int, int]] = field(default_factory=dict)
    _next: int = 1

    @property
    def running(self) -> int:
        """How many requests run now."""
        return len(self._running)

    def _pass(self, now_us: int) -> None:
        if self._running:
            self._progress += max(0, now_us - self._at_us) * _PARTS // len(self._running)
        self._at_us = max(self._at_us, now_us)

    def begin(self, now_us: int) -> int:
        """A request begins; the number that ends it."""
        self._pass(now_us)
        number, self._next = self._next, self._next + 1
        self._running[number] = (self._progress, self._at_us)
        return number

    def end(self, number: int, now_us: int) -> Held:
        """A request ends. Raises: KeyError if it has ended before."""
        self._pass(now_us)
        began, began_us = self._running.pop(number)
        held = self._progress - began
        owed = held * self.hourly_usd_micros + self._carried
        usd_micros, self._carried = divmod(owed, HOUR_US * _PARTS)
        wall_us = self._at_us - began_us
        return Held(held // _PARTS, usd_micros, held // wall_us if wall_us else _PARTS // (len(self._running) + 1))
