"""The simulator as an httpx transport: the same answers as over HTTP, in process and without a socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import httpx

from gateway.simulator.exchange import Simulator


class SimulatorTransport(httpx.AsyncBaseTransport):
    """Serves requests to any host."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer `request`. Raises nothing of its own; a request body that fails raises what it raises."""
        body = await request.aread()
        reply = await self._simulator.reply(request.method, request.url.path, request.headers.get, body)
        if reply.events is None:
            return httpx.Response(reply.status, headers=reply.headers, content=reply.body, request=request)
        return httpx.Response(reply.status, headers=reply.headers, stream=_EventStream(reply.events), request=request)


class _EventStream(httpx.AsyncByteStream):
    """The events of one answer; closing it ends them, whether or not they were read."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            yield event

    async def aclose(self) -> None:
        await self._events.aclose()
