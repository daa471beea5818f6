"""A platform, and the gateway that leases of it, in one process and in virtual time: no socket, no waiting.

The panel answers exactly what it answers over HTTP, with every quirk; only the bytes between are missing. A gateway can
be killed at any moment and started anew on the same state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import httpx

from bench.virtual_time import START_US, VirtualClock
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.hostedai.client import HostedAiClient, Panel
from gateway.hostedai.desk import DeskSettings, LeaseDesk
from gateway.hostedai.driver import LeaseDriver, ModelsHealth, PodSettings
from gateway.hostedai.lease import Lease, Rules
from gateway.hostedai.lease_store import LeaseStore
from gateway.simulator.platform.panel import Panel as SimulatedPanel
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.settings import DEFAULT_KEY, PlatformSettings

MILLION = 1_000_000


class LoopClock:
    """The platform's clock on the running virtual loop."""

    def now_us(self) -> int:
        return VirtualClock().monotonic_us()

    def call_at(self, time_us: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return VirtualClock().call_later(max(0, time_us - self.now_us()), callback)


class WorldTransport(httpx.AsyncBaseTransport):
    """The panel below /api, and the pods at their node ports."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.panel = SimulatedPanel(platform)
        self.calls: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if not path.startswith("/api/"):
            return self._pod(request)
        self.calls.append((request.method, path))
        query = request.url.query.decode()
        outcome = self.panel.answer(request.method, path, query, request.headers.get, request.content)
        await asyncio.sleep(outcome.delay_us / MILLION)
        if outcome.is_dropped:
            raise httpx.RemoteProtocolError("the connection closed", request=request)
        headers = {"set-cookie": outcome.cookie} if outcome.cookie else {}
        return httpx.Response(outcome.status, headers=headers, content=outcome.body, request=request)

    def _pod(self, request: httpx.Request) -> httpx.Response:
        platform = self.platform
        platform.pump.catch_up()
        name = platform.pod_at(request.url.port or 0)
        if name is None:
            raise httpx.ConnectError("refused", request=request)
        hold, pod = platform.pod_named(name)
        ready_us = platform.serves_from_us(hold, pod)
        status = 200 if ready_us is not None and ready_us <= platform.now_us else 503
        return httpx.Response(status, json={"data": []}, request=request)


class SeededIds:
    """Ids by chance that can be repeated."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def new(self, prefix: str) -> str:
        return f"{prefix}_{self._chance.getrandbits(128):032x}"


class Gateway:
    """What leases: a driver and a desk over a store. `kill` leaves everything as it is."""

    def __init__(self, transport: httpx.AsyncBaseTransport, database: SqliteDatabase, chance: Random, **more: Any):
        clock = more.pop("clock", None) or VirtualClock()
        url = more.pop("url", "http://panel.test")
        self.store = LeaseStore(database, more.pop("rules", Rules()))
        self.client = HostedAiClient(transport, clock, Panel(url, DEFAULT_KEY))
        self.desk = LeaseDesk(self.client, self.store, clock, SeededIds(chance), more.pop("desk", DeskSettings()))
        self.idle: set[str] = set()
        self.seen: Callable[[Lease], None] = more.pop("seen", lambda _: None)
        self.driver = LeaseDriver(
            self.client,
            ModelsHealth(transport, clock, httpx.Headers(), 10 * MILLION),
            self.store,
            clock,
            PodSettings(),
            f"gateway-{chance.getrandbits(32)}",
            is_idle=lambda lease: lease.id in self.idle,
            changed=self._changed,
        )
        self.desk.driver = self.driver
        self._task: asyncio.Task[None] | None = None

    def _changed(self, lease: Lease) -> None:
        self.desk.note(lease)
        self.seen(lease)

    async def start(self) -> None:
        """Begin to drive, once the wheel is free."""
        await self.store.open()
        await self.desk.refresh()
        self._task = asyncio.create_task(self.driver.run())

    async def kill(self) -> None:
        """Stop as a killed process does: whatever was under way stays as it is."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def platform_of(settings: PlatformSettings) -> Platform:
    """A platform on the running virtual loop, whose time is the gateway's."""
    assert settings.epoch_us == START_US
    return Platform(settings, LoopClock())
