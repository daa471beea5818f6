"""The spool's counts for pages that are asked for often: read at most once in two seconds."""

from __future__ import annotations

import logging
from typing import Any, Final

from worker.errors import StateError
from worker.services import Services
from worker.sessions.session_figures import is_reachable
from worker.sessions.session_metrics import milliseconds

HOLDS_US: Final = 2_000_000
HEALTHY, DEGRADED, UNHEALTHY = "healthy", "degraded", "unhealthy"
_log = logging.getLogger("harpoon")


class SessionCounts:
    """What the spool of all tenants counted, as of lately."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._counts: dict[str, Any] | None = None
        self._read_us: int | None = None

    async def latest(self) -> dict[str, Any] | None:
        """The counts; None if there is no spool, or it can't be read."""
        spool, clock = self._services.spool, self._services.clock
        if spool is None:
            return None
        now_us = clock.monotonic_us()
        if self._read_us is None or now_us - self._read_us >= HOLDS_US:
            self._read_us = now_us
            try:
                self._counts = await spool.figures(None, clock.now_us())
            except StateError as problem:
                self._counts = None
                _log.error("the spool can't be read: %s", problem.message)
        return self._counts

    async def health(self) -> tuple[str, dict[str, Any]]:
        """How the sessions are, and what /health says of them.

        unhealthy: the spool can't be read; degraded: a destination that is on failed last, no more may wait, or the
        last change of the routes can't be used.
        """
        services = self._services
        counts = await self.latest()
        average_ms = milliseconds(services.session_metrics.capture)["average_ms"]
        if counts is None:
            told = {
                "events_captured_last_minute": None,
                "average_latency_ms": average_ms,
                "destinations_reachable": None,
            }
            return UNHEALTHY, told
        reachable = [is_reachable(one) for one in counts["destinations"] if one["is_on"]]
        is_full = counts["waiting"] >= services.sessions.spool_max_events
        told = {
            "events_captured_last_minute": counts["captured_last_minute"],
            "average_latency_ms": average_ms,
            "destinations_reachable": sum(reachable),
        }
        if services.session_metrics.routes_problem:
            # What is wrong the log says: it names files of the machine.
            told["routes_refused"] = True
            return DEGRADED, told
        return DEGRADED if is_full or not all(reachable) else HEALTHY, told
