"""Sees everything that leases do to the platform, and holds it against the laws while it happens."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

import httpx

from bench.lease_world import WorldTransport
from gateway.hostedai.lease import Lease
from gateway.simulator.platform.platform import Platform

TENANTS: Final = ("red", "green", "blue")


class Broken(AssertionError):
    """A law does not hold."""


def demand(holds: bool, otherwise: str) -> None:
    """Raises: Broken."""
    if not holds:
        raise Broken(otherwise)


class Watch:
    """Sees every call to the panel and every decision on a lease, and holds them against the laws."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.by_hand: int | None = None
        self._tokens: dict[str, int] = {}
        self._highest = 0

    def call(self, request: httpx.Request) -> None:
        """A call that names a hold must name one of the team it is for. Raises: Broken."""
        if request.method != "POST" or not request.content:
            return
        body = json.loads(request.content)
        named = body.get("subscription_id") or body.get("pool_subscription_id")
        hold = self._platform.holds.get(int(named)) if named else None
        if hold is not None and (hold.team not in TENANTS or body.get("team_id", hold.team) != hold.team):
            raise Broken(f"{request.url.path} named hold {named} of {hold.team}")
        if hold is not None and hold.id == self.by_hand:
            raise Broken(f"{request.url.path} named hold {named}, which was made by hand")

    def lease(self, lease: Lease) -> None:
        """A hand-out has a token above all before it, and is the lease's own pod. Raises: Broken."""
        if lease.token != self._tokens.get(lease.id, 0):
            demand(lease.token > self._highest, f"token {lease.token} after {self._highest}")
            self._highest = self._tokens[lease.id] = lease.token
        if not lease.base_url:
            return
        pod = self._platform.pod_at(httpx.URL(lease.base_url).port or 0)
        if pod is not None:
            hold, _ = self._platform.pod_named(pod)
            demand(hold.team == lease.team, f"the endpoint of {lease.team} is a pod of {hold.team}")

    def holds(self) -> None:
        """A team has a pool once. Raises: Broken."""
        seen = Counter((hold.team, hold.pool) for hold in self._platform.live_holds() if hold.leaving_us is None)
        demand(all(count == 1 for count in seen.values()), f"held twice: {seen}")


class WatchedTransport(WorldTransport):
    """The world's network, watched."""

    def __init__(self, platform: Platform, watch: Watch) -> None:
        super().__init__(platform)
        self._watch = watch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._watch.call(request)
        try:
            return await super().handle_async_request(request)
        finally:
            self._watch.holds()
