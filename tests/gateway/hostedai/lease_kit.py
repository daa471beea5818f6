"""The simulated platform on real sockets, and a gateway that leases of it, both on the platform's own clock.

The clock jumps to whatever anybody waits for next, so that hours pass in the time that their calls take.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from bench.lease_world import Gateway
from gateway.adapters.provider_transport import ProviderTransport
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.hostedai.admin import HostedAiAdmin
from gateway.hostedai.client import HostedAiClient, Panel
from gateway.hostedai.lease import Lease, Rules
from gateway.simulator.platform.app import PlatformApp
from gateway.simulator.platform.clock import ROUNDS_BEFORE_A_JUMP, PlatformClock, sleep_until
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.quirks import NAMES, Quirks
from gateway.simulator.platform.server import PlatformServer
from gateway.simulator.platform.settings import DEFAULT_KEY, DEFAULT_TEAM, VIRTUAL_EPOCH_US, PlatformSettings

MILLION = 1_000_000
TEAM = DEFAULT_TEAM
#: What takes something away for good is injected where it is meant; a panel that is busy half of the time is no quirk.
_ELSEWHERE = {"pod_failures": 0, "pending_pods": 0, "stuck_unsubscribing": 0, "busy_503": 10}
#: Every quirk at once, each on half of the occasions, so that both forms of each are met.
EVERY_QUIRK = Quirks(**{name: _ELSEWHERE.get(name, 50) for name in NAMES})


class _Plan:
    __slots__ = ("callback", "is_off")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.is_off = False

    def cancel(self) -> None:
        self.is_off = True


class GatedClock:
    """A platform's clock that jumps to what is waited for, but never while bytes are on their way between sockets.

    `under_way`: requests that a client has sent and not yet seen the end of; `parked`: those of them that the platform
    has and answers when its time comes.
    """

    def __init__(self) -> None:
        self.under_way = self.parked = 0
        self._now_us = 0
        self._plans: list[tuple[int, int, _Plan]] = []
        self._count = self._quiet = 0
        self._is_watching = False

    def now_us(self) -> int:
        return self._now_us

    def call_at(self, time_us: int, callback: Callable[[], None]) -> _Plan:
        plan = _Plan(callback)
        self._count += 1
        self._quiet = 0
        heappush(self._plans, (max(time_us, self._now_us), self._count, plan))
        if not self._is_watching:
            self._is_watching = True
            asyncio.get_running_loop().call_soon(self._watch)
        return plan

    def _watch(self) -> None:
        while self._plans and self._plans[0][2].is_off:
            heappop(self._plans)
        if not self._plans:
            self._is_watching = False
            return
        self._quiet = 0 if self.under_way > self.parked else self._quiet + 1
        if self._quiet > ROUNDS_BEFORE_A_JUMP:
            self._quiet = 0
            at_us, _, plan = heappop(self._plans)
            self._now_us = max(self._now_us, at_us)
            plan.callback()
        asyncio.get_running_loop().call_soon(self._watch)


class _GatedTransport(httpx.AsyncBaseTransport):
    """Counts what is under way."""

    def __init__(self, inner: httpx.AsyncBaseTransport, clock: GatedClock) -> None:
        self._inner = inner
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._clock.under_way += 1
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            self._clock.under_way -= 1
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _GatedStream(response.stream, self._clock)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _GatedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, clock: GatedClock) -> None:
        self._inner = inner
        self._clock = clock
        self._is_over = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk

    async def aclose(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._clock.under_way -= 1
        await self._inner.aclose()


class _GatedApp(PlatformApp):
    """Counts what has come in whole and is not answered yet."""

    def __init__(self, platform: Platform, clock: GatedClock) -> None:
        super().__init__(platform)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_come = False

        async def counted() -> Any:
            nonlocal has_come
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body") and not has_come:
                has_come = True
                self._clock.parked += 1
            return message

        try:
            await super().__call__(scope, counted, send)
        finally:
            self._clock.parked -= has_come


class PlatformTime:
    """`worker.ports.Clock` on the platform's clock."""

    def __init__(self, clock: PlatformClock) -> None:
        self._clock = clock

    def now_us(self) -> int:
        return VIRTUAL_EPOCH_US + self._clock.now_us()

    def monotonic_us(self) -> int:
        return self._clock.now_us()

    @contextlib.asynccontextmanager
    async def timeout(self, delay_us: int) -> AsyncIterator[object]:
        async with asyncio.timeout(None) as limit:
            now = asyncio.get_running_loop().time
            handle = self._clock.call_at(self._clock.now_us() + delay_us, lambda: limit.reschedule(now()))
            try:
                yield limit
            finally:
                handle.cancel()

    async def sleep(self, delay_us: int) -> None:
        await sleep_until(self._clock, self._clock.now_us() + delay_us)

    def call_later(self, delay_us: int, callback: Callable[[], object]) -> Any:
        return self._clock.call_at(self._clock.now_us() + delay_us, lambda: callback() and None)


class World:
    """One platform over HTTP with what talks to it."""

    def __init__(self, app: PlatformApp, server: PlatformServer, transport: httpx.AsyncBaseTransport) -> None:
        self.app = app
        self.platform: Platform = app.platform
        self.url = server.url
        self.transport = transport
        self.time = PlatformTime(app.platform.clock)
        self.client = HostedAiClient(transport, self.time, Panel(server.url, DEFAULT_KEY))
        settings = app.platform.settings
        self.admin = HostedAiAdmin(
            transport, self.time, Panel(server.url), settings.admin_username, settings.admin_password
        )

    def gateway(self, database: SqliteDatabase, rules: Rules | None = None, seen: Any = None) -> Gateway:
        """A gateway that drives leases; `start` and `kill` it."""
        more = {} if seen is None else {"seen": seen}
        return Gateway(
            self.transport, database, Random(1), clock=self.time, url=self.url, rules=rules or Rules(), **more
        )

    def ours(self) -> list[Any]:
        """What the platform knows to be held by our team."""
        return [hold for hold in self.platform.live_holds() if hold.team == TEAM]

    async def until(self, holds: Callable[[], bool], longest_s: int = 40_000) -> None:
        """Let time pass until something is so."""
        for _ in range(longest_s // 5):
            self.platform.pump.catch_up()
            if holds():
                return
            await self.time.sleep(5 * MILLION)
        raise AssertionError("it never came to be")


@contextlib.asynccontextmanager
async def world(**changes: Any) -> AsyncIterator[World]:
    """A platform on sockets of this machine, until the context ends. Args: changes: fields of PlatformSettings."""
    clock = GatedClock()
    app = _GatedApp(Platform(PlatformSettings(**changes), clock), clock)
    async with PlatformServer(app) as server:
        transport = _GatedTransport(ProviderTransport(), clock)
        try:
            yield World(app, server, transport)
        finally:
            await transport.aclose()


@contextlib.asynccontextmanager
async def memory() -> AsyncIterator[SqliteDatabase]:
    """A database in memory."""
    database = SqliteDatabase(":memory:")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def serving(lease: Lease | object) -> Lease:
    """The lease that was acquired, which it must be."""
    assert isinstance(lease, Lease), lease
    return lease
