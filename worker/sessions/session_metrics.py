"""What this process has seen of captures and deliveries: counts and times, apart for each step of an event's way.

capture: from the request's last byte until the event is durable. queue: from there until its delivery begins. delivery:
from there until the destination said yes. Counts are of one process and of all tenants; times are in microseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Final

from worker.sessions.destinations.prometheus import SessionCounters

#: Upper bounds of the buckets, in microseconds: captures take less than a millisecond, deliveries up to hours.
SESSION_BUCKETS_US: Final = (
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
    3_600_000_000,
)
#: How many of the latest times the averages and percentiles are of.
KEPT_TIMES: Final = 1_000


class Times:
    """A histogram for Prometheus, and the latest times for people."""

    __slots__ = ("bounds", "counts", "latest", "sum_us")

    def __init__(self) -> None:
        self.bounds = SESSION_BUCKETS_US
        self.counts = [0] * (len(SESSION_BUCKETS_US) + 1)
        self.sum_us = 0
        self.latest: deque[int] = deque(maxlen=KEPT_TIMES)

    def observe(self, duration_us: int, count: int = 1) -> None:
        """So many events took so long, together or each."""
        self.counts[bisect_left(SESSION_BUCKETS_US, duration_us)] += count
        self.sum_us += duration_us * count
        self.latest.append(duration_us)


class SessionMetrics:
    """The counts of one process. Who delivers calls `delivered` and `failed`."""

    def __init__(self) -> None:
        self.captured_total = 0
        self.refused_total: dict[str, int] = {}
        self.routed: dict[str, int] = {}
        self.failures: dict[str, int] = {}
        self.capture = Times()
        self.queue = Times()
        self.delivery: dict[str, Times] = {}
        #: Of destinations of the type prometheus, by their names.
        self.counters: dict[str, SessionCounters] = {}
        #: Why the routes' last change is not in force; "" = it is.
        self.routes_problem = ""

    def captured(self, count: int, elapsed_us: int) -> None:
        """So many events became durable by one request, all of them after `elapsed_us`."""
        self.captured_total += count
        self.capture.observe(elapsed_us, count)

    def refused(self, code: str) -> None:
        """A request to capture was refused with an error of this code."""
        self.refused_total[code] = self.refused_total.get(code, 0) + 1

    def delivered(self, destination: str, queued_us: Iterable[int], elapsed_us: int) -> None:
        """A destination took events, each of which had waited so long, in a delivery that took `elapsed_us`."""
        count = 0
        for waited_us in queued_us:
            self.queue.observe(max(0, waited_us))
            count += 1
        self.routed[destination] = self.routed.get(destination, 0) + count
        self.delivery.setdefault(destination, Times()).observe(elapsed_us, count)

    def failed(self, destination: str, count: int = 1) -> None:
        """A destination did not take so many events."""
        self.failures[destination] = self.failures.get(destination, 0) + count


def milliseconds(times: Times) -> dict[str, float | None]:
    """Average, p95 and p99 of the latest times in milliseconds; None where there are none."""
    ordered = sorted(times.latest)
    if not ordered:
        return {"average_ms": None, "p95_ms": None, "p99_ms": None}
    return {
        "average_ms": sum(ordered) // len(ordered) / 1_000,
        "p95_ms": percentile(ordered, 95) / 1_000,
        "p99_ms": percentile(ordered, 99) / 1_000,
    }


def percentile(ordered: list[int], percent: int) -> int:
    """The least of sorted values that at least so many per cent are not above (nearest rank)."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
