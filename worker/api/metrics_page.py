"""GET /metrics: the counts of this process, for Prometheus. They are of all tenants, so they need a token."""

from __future__ import annotations

from worker.api.answers import Receive, Scope, Send, send_body, send_error
from worker.api.auth import authenticate
from worker.api.health import VERSION
from worker.errors import HarpoonError
from worker.exposition import CONTENT_TYPE, exposition
from worker.services import Services


class MetricsPage:
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._began_us = services.clock.monotonic_us()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        try:
            await authenticate(services, scope)
        except HarpoonError as problem:
            await send_error(send, problem, [(b"x-request-id", services.ids.new("req").encode())])
            return
        text = exposition(
            services.metrics,
            is_up=not services.watch.all_down(services.configured),
            uptime_us=services.clock.monotonic_us() - self._began_us,
            build=(("version", VERSION), ("host", services.host), ("catalogue", services.catalogue.source.version)),
        )
        await send_body(send, 200, [(b"content-type", CONTENT_TYPE)], text.encode())
