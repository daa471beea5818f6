"""The platform as an httpx transport: no socket, and timeouts by the platform's own clock.

A read timeout that passes on that clock is a ReadTimeout here, so a test sees a client's timeouts in no time at all. On
a virtual clock a call's own time passes by being answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx

from gateway.simulator.pace import PodGone
from gateway.simulator.platform.app import Dropped, PlatformApp
from gateway.simulator.platform.clock import VirtualClock, sleep_until
from gateway.simulator.platform.forms import Outcome

_Message = MutableMapping[str, Any]


class PlatformTransport(httpx.AsyncBaseTransport):
    """Serves requests to any host: to the pod exposed at the URL's port, else to the panels."""

    def __init__(self, app: PlatformApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer `request`. Raises: httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ConnectError."""
        body = await request.aread()
        platform, url = self._app.platform, request.url
        wanted_s = request.extensions.get("timeout", {}).get("read")
        limit_us = None if wanted_s is None else int(wanted_s * 1_000_000)
        if (
            isinstance(platform.clock, VirtualClock)
            and url.path.startswith("/api/")
            and not platform.pod_at(url.port or 0)
        ):
            query = url.query.decode("latin-1")
            outcome = self._app.panel.answer(request.method, url.path, query, request.headers.get, body)
            return _at_once(platform.clock, outcome, limit_us, request)
        if url.port is not None and platform.is_closed(url.port):
            raise httpx.ConnectError("nobody listens there", request=request)
        return await self._exchanged(request, body, limit_us)

    async def _exchanged(self, request: httpx.Request, body: bytes, limit_us: int | None) -> httpx.Response:
        url, messages = request.url, asyncio.Queue[_Message | None]()

        async def run() -> None:
            try:
                query = url.query.decode("latin-1")
                await self._app.exchange(
                    url.port, request.method, url.path, query, request.headers.get, body, messages.put
                )
            except (Dropped, PodGone):
                await messages.put(None)

        stream = _Stream(self._app, asyncio.ensure_future(run()), messages, limit_us, request)
        try:
            start = await stream.next()
        except BaseException:
            await stream.aclose()
            raise
        headers = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
        return httpx.Response(start["status"], headers=headers, stream=stream, request=request)


class _Stream(httpx.AsyncByteStream):
    """The parts of an answer, each within the limit of silence; closing it ends the answer."""

    def __init__(
        self,
        app: PlatformApp,
        running: asyncio.Task[None],
        messages: asyncio.Queue[_Message | None],
        limit_us: int | None,
        request: httpx.Request,
    ) -> None:
        self._clock = app.platform.clock
        self._running = running
        self._messages = messages
        self._limit_us = limit_us
        self._request = request

    async def next(self) -> _Message:
        """The next part. Raises: httpx.ReadTimeout; httpx.RemoteProtocolError for an answer that ends too early."""
        getting = asyncio.ensure_future(self._messages.get())
        waits: set[asyncio.Future[Any]] = {getting}
        if self._limit_us is not None:
            waits.add(asyncio.ensure_future(sleep_until(self._clock, self._clock.now_us() + self._limit_us)))
        try:
            await asyncio.wait({*waits, self._running}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done() and self._running.done() and self._running.exception() is None:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits - {getting}:
                one.cancel()
        if not getting.done():
            getting.cancel()
            if self._running.done():
                self._running.result()
            raise httpx.ReadTimeout("the platform was silent for too long", request=self._request)
        message = getting.result()
        if message is None:
            raise httpx.RemoteProtocolError("the platform closed the connection", request=self._request)
        return message

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.next()
            more = message.get("more_body", False)
            if message["body"]:
                yield message["body"]

    async def aclose(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


def _at_once(clock: VirtualClock, outcome: Outcome, limit_us: int | None, request: httpx.Request) -> httpx.Response:
    """An answer after its time has passed. Raises: httpx.ReadTimeout, httpx.RemoteProtocolError."""
    if outcome.is_dropped:
        raise httpx.RemoteProtocolError("the platform closed the connection", request=request)
    if limit_us is not None and outcome.delay_us > limit_us:
        clock.advance(limit_us)
        raise httpx.ReadTimeout("the platform was silent for too long", request=request)
    clock.advance(outcome.delay_us)
    headers = {"content-type": outcome.content_type, "x-harpoon-simulated": "1"} if outcome.body else {}
    if outcome.cookie:
        headers["set-cookie"] = outcome.cookie
    return httpx.Response(outcome.status, headers=headers, content=outcome.body, request=request)
