"""GET /health: that the service lives, and whether anybody behind it is known to; `?detailed=true` goes and looks.

The plain answer asks nobody: it tells what calls and probes of this process have shown, and what the spool of sessions
counted lately. The detailed one asks every configured provider for its models, which costs nothing, and the database
for the caller's circuit breakers. It needs a token where tokens are set, and what a probe found holds for
PROBE_HOLDS_US, so that nobody can be made to hammer a provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from worker.api.answers import Receive, Scope, Send, send_error, send_json
from worker.api.auth import authenticate
from worker.api.session_counts import DEGRADED, HEALTHY, UNHEALTHY, SessionCounts
from worker.errors import HarpoonError, MalformedRequest, StateError
from worker.probing import probe_provider
from worker.routing.catalogue import Route
from worker.routing.estimates import FAILURES_TO_OPEN
from worker.services import Services
from worker.upstream.listing import is_listed
from worker.upstream.watch import Sighting

VERSION = "0.1.0"
DEPLOYMENT_MODES = ("native", "hosted_ai", "lightweight")
_YES, _NO = ("true", "1"), ("false", "0")


class Health:
    """The endpoint, as an ASGI application. Its plain form is open to everyone: it tells nothing about a tenant."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._began_us = services.clock.monotonic_us()
        self._sessions = SessionCounts(services)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        try:
            if not _is_detailed(scope):
                await send_json(send, await self._with_sessions(self._plain(is_degraded=self._all_down())), [])
                return
            tenant = await authenticate(services, scope)
            await send_json(send, await self._with_sessions(await self._detailed(tenant)), [])
        except HarpoonError as problem:
            await send_error(send, problem, [(b"x-request-id", services.ids.new("req").encode())])

    async def _with_sessions(self, plain: dict[str, Any]) -> dict[str, Any]:
        """With how the sessions are, where there is a spool; the worse of the two states is the whole's."""
        if self._services.spool is None:
            return plain
        status, told = await self._sessions.health()
        if status == UNHEALTHY and not self._services.sessions.is_alone:
            status = DEGRADED  # chats go on
        return {**plain, "status": plain["status"] if status == HEALTHY else status, **told}

    def _all_down(self) -> bool:
        if self._services.sessions.is_alone:
            return False
        return self._services.watch.all_down(self._services.configured)

    def _plain(self, *, is_degraded: bool) -> dict[str, Any]:
        services = self._services
        return {
            "status": "degraded" if is_degraded else "healthy",
            "deployment_modes": list(DEPLOYMENT_MODES),
            "version": VERSION,
            "host": services.host,
            "providers": {
                provider.id: "configured" if provider.id in services.configured else "not configured"
                for provider in services.catalogue.source.providers
            },
        }

    async def _detailed(self, tenant: str) -> dict[str, Any]:
        """The plain answer, and the truth about every provider and the database."""
        services = self._services
        *_, observed = await asyncio.gather(
            *[probe_provider(services, one) for one in sorted(services.configured)], self._observed(tenant)
        )
        uptime_us = services.clock.monotonic_us() - self._began_us
        return {
            **self._plain(is_degraded=self._all_down() or observed is None),
            "uptime_s": uptime_us // 1_000_000,
            "process": services.metrics.process,
            "state": {"reachable": observed is not None},
            "details": {
                provider.id: self._detail(provider.id, observed or {})
                for provider in services.catalogue.source.providers
            },
        }

    async def _observed(self, tenant: str) -> dict[str, dict[str, Any]] | None:
        """What the tenant's past attempts say of each route; None if the database doesn't answer."""
        try:
            return await self._services.mediator.observations(tenant, self._services.clock.now_us())
        except StateError:
            return None

    def _detail(self, provider: str, observed: dict[str, dict[str, Any]]) -> dict[str, Any]:
        services = self._services
        routes = [route for route in services.catalogue.routes if route.provider == provider]
        is_configured = provider in services.configured
        return {
            "configured": is_configured,
            "simulated": any(route.simulated for route in routes),
            **_sighting(services.watch.of(provider), is_configured=is_configured),
            "models": sorted({route.model for route in routes}),
            "not_listed": _not_listed(routes, services.watch.of(provider).listed),
            "routes": {route.id: _breaker(observed[route.id]) for route in routes if route.id in observed},
        }


def _sighting(seen: Sighting, *, is_configured: bool) -> dict[str, Any]:
    """What is known of a provider, as plain values."""
    failure = {"cause": seen.cause, "http_status": seen.status or None, "at_us": seen.failed_us}
    probe = {"result": seen.probe, "http_status": seen.probe_status or None, "at_us": seen.probed_us}
    status = "down" if seen.is_down else "up" if seen.is_known else "unknown"
    return {
        "status": status if is_configured else "not configured",
        "reachable": (seen.probe_status != 0) if seen.probe else None,
        "probe": probe if seen.probe else None,
        "calls": {
            "answered": seen.answered,
            "failed": seen.failed,
            "failed_in_a_row": seen.failed_in_a_row,
            "last_answer_at_us": seen.answered_us or None,
            "last_failure": failure if seen.failed_us else None,
        },
    }


def _not_listed(routes: Sequence[Route], listed: frozenset[str]) -> list[str] | None:
    """The models of the catalogue that the provider does not list, with the ids it was looked for under.

    None if the provider gave no list. Not a verdict: some providers serve what they don't list.
    """
    if not listed:
        return None
    return sorted({f"{route.model} ({route.served_id})" for route in routes if not is_listed(route.served_id, listed)})


def _breaker(observation: dict[str, Any]) -> dict[str, Any]:
    """The state of a route's circuit breaker: half-open = rested after failures, and the next request tries it."""
    failures = observation["failures"]
    resting = "open" if observation["open"] else "half-open" if failures >= FAILURES_TO_OPEN else "closed"
    return {"breaker": resting, "failed_in_a_row": failures}


def _is_detailed(scope: Scope) -> bool:
    """Raises: MalformedRequest for a value that is neither yes nor no."""
    given = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("detailed", ["false"])
    if given[-1] in _YES:
        return True
    if given[-1] not in _NO:
        raise MalformedRequest("detailed must be true or false", param="detailed")
    return False
