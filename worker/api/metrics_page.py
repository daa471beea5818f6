"""GET /metrics: the counts of this process, for Prometheus. They are of all tenants, so they need a token."""

from __future__ import annotations

from functools import partial
from typing import Any

from worker.api.answers import Receive, Scope, Send, send_body, send_error
from worker.api.health import VERSION
from worker.api.session_counts import SessionCounts
from worker.api.session_reporters import reader_of
from worker.errors import HarpoonError
from worker.exposition import CONTENT_TYPE, Page, exposition
from worker.services import Services
from worker.sessions.session_exposition import add_sessions


class MetricsPage:
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._began_us = services.clock.monotonic_us()
        self._sessions = SessionCounts(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        try:
            if not services.keyring.is_open:
                await reader_of(services, scope)
        except HarpoonError as problem:
            await send_error(send, problem, [(b"x-request-id", services.ids.new("req").encode())])
            return
        counts = await self._sessions.latest()
        text = exposition(
            services.metrics,
            is_up=not services.watch.all_down(services.configured),
            uptime_us=services.clock.monotonic_us() - self._began_us,
            build=(("version", VERSION), ("host", services.host), ("catalogue", services.catalogue.source.version)),
            more=None if services.spool is None else partial(self._add_sessions, counts=counts),
        )
        await send_body(send, 200, [(b"content-type", CONTENT_TYPE)], text.encode())

    def _add_sessions(self, page: Page, counts: dict[str, Any] | None) -> None:
        add_sessions(page, self._services.session_metrics, counts, self._services.sessions.spool_max_events)
