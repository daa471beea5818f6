"""A Transport that sends what is for hosted.ai to the pod that a lease holds, and takes down what each request used.

Everything else goes through unchanged. Without a lease nothing is sent, and the route counts as one that could not be
reached: the request falls back along its ranking, which holds no route that its policy forbids.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httpx

from gateway.hostedai.desk import LeaseDesk
from gateway.hostedai.dialect import LeaseSettings
from gateway.hostedai.keeper import LeaseKeeper
from gateway.hostedai.lease import Lease
from gateway.hostedai.lease_store import Use
from gateway.hostedai.metering import LeaseMeter
from gateway.hostedai.settings import LEASED_HOST, LEASED_URL
from worker.ports import Clock, NotSent, NotSentInTime, Transport
from worker.upstream.providers import POOL_HEADER

#: The usage of an answer stands at its end, its id at its beginning.
_ENDS_BYTES: Final = 4_096
_ID = re.compile(rb'"id"\s*:\s*"([!-~]{1,80}?)"')
_INPUT = re.compile(rb'"prompt_tokens"\s*:\s*([0-9]{1,9})')
_OUTPUT = re.compile(rb'"completion_tokens"\s*:\s*([0-9]{1,9})')
_POOL: Final = POOL_HEADER.decode()


class LeasedTransport(httpx.AsyncBaseTransport):
    """A `worker.ports.Transport` over another one."""

    def __init__(
        self,
        inner: Transport,
        desk: LeaseDesk,
        keeper: LeaseKeeper,
        clock: Clock,
        settings: LeaseSettings,
    ) -> None:
        self._inner = inner
        self._desk = desk
        self._keeper = keeper
        self._clock = clock
        self._settings = settings
        self._meters: dict[str, LeaseMeter] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Perform one exchange. Raises: httpx.TransportError; NotSent while no lease serves."""
        if request.url.host != LEASED_HOST:
            return await self._inner.handle_async_request(request)
        pool = self._settings.classes.get(request.headers.get(_POOL, "")) or next(iter(self._settings.classes.values()))
        lease = await self._lease(pool, request)
        meter = self._meter_of(lease)
        self._keeper.begun(lease.pool_name)
        number, began_us = meter.begin(self._clock.monotonic_us()), self._clock.now_us()
        use = _Use(self, self._clock, lease, meter, number, began_us)
        try:
            response = await self._inner.handle_async_request(_to_pod(request, lease))
        except BaseException:
            use.end()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream), "a Transport answers with an asynchronous stream"
        response.stream = _MeteredStream(response.stream, use)
        return response

    def _meter_of(self, lease: Lease) -> LeaseMeter:
        """The lease's meter; with a new one those of leases go that are over and on which nothing runs."""
        meter = self._meters.get(lease.id)
        if meter is None:
            board = self._desk.board
            self._meters = {name: one for name, one in self._meters.items() if one.running or name in board}
            meter = self._meters[lease.id] = LeaseMeter(lease.hourly_usd_micros)
        return meter

    async def _lease(self, pool: str, request: httpx.Request) -> Lease:
        """The lease that serves a pool, waited for a little if one is on its way. Raises: NotSent; NotSentInTime."""
        if request.method == "GET":  # a look at whether the provider is there is no wish for a lease
            lease = self._desk.serving(pool, self._clock.now_us())
            if lease is None:
                raise NotSent("No lease is held.", request=request)
            return lease
        self._keeper.want(pool)
        ends_us = self._clock.monotonic_us() + self._settings.wait_us
        while True:
            lease = self._desk.serving(pool, self._clock.now_us())
            if lease is not None:
                return lease
            left_us = ends_us - self._clock.monotonic_us()
            if left_us <= 0:
                raise NotSentInTime(f"No lease of {pool} is held.", request=request)
            await self._desk.change(min(left_us, 250_000))

    async def aclose(self) -> None:
        """Close what is behind."""
        await self._inner.aclose()

    def used(self, use: Use, pool: str) -> None:
        """A request has ended."""
        self._keeper.used(pool, use)


def _to_pod(request: httpx.Request, lease: Lease) -> httpx.Request:
    url = httpx.URL(lease.base_url + request.url.path.removeprefix(httpx.URL(LEASED_URL).path))
    headers = [pair for pair in request.headers.raw if pair[0].lower() != POOL_HEADER]
    sent = httpx.Request(
        request.method, url, headers=headers, stream=httpx.ByteStream(request.content), extensions=request.extensions
    )
    sent.read()
    return sent


@dataclass(slots=True)
class _Use:
    """One request on a lease: what was seen of its answer, and its end, which comes once."""

    transport: LeasedTransport
    clock: Clock
    lease: Lease
    meter: LeaseMeter
    number: int
    began_us: int
    head: bytes = b""
    tail: bytes = b""
    is_over: bool = False

    def saw(self, chunk: bytes) -> None:
        if len(self.head) < _ENDS_BYTES:
            self.head += chunk[: _ENDS_BYTES - len(self.head)]
        self.tail = (self.tail + chunk)[-_ENDS_BYTES:] if len(chunk) < _ENDS_BYTES else chunk[-_ENDS_BYTES:]

    def end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        clock = self.clock
        held = self.meter.end(self.number, clock.monotonic_us())
        found = _ID.search(self.head)
        use = Use(
            lease_id=self.lease.id,
            request_id="" if found is None else found[1].decode(),
            token=self.lease.token,
            began_us=self.began_us,
            ended_us=clock.now_us(),
            held_us=held.held_us,
            usd_micros=held.usd_micros,
            input_tokens=_last(_INPUT, self.tail),
            output_tokens=_last(_OUTPUT, self.tail),
        )
        self.transport.used(use, self.lease.pool_name)


def _last(pattern: re.Pattern[bytes], data: bytes) -> int:
    found = pattern.findall(data)
    return int(found[-1]) if found else 0


class _MeteredStream(httpx.AsyncByteStream):
    """An answer's bytes, the end of which ends the use."""

    def __init__(self, inner: httpx.AsyncByteStream, use: _Use) -> None:
        self._inner = inner
        self._use = use

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._use.saw(chunk)
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._use.end()
