"""The simulator over HTTP: a raw ASGI application, to be mounted (at /simulator) or served by itself.

A client that goes away ends its answer at once, also in the middle of a wait. What is answered is decided in
gateway.simulator.exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.simulator.exchange import Reply, Simulator


def create_app(simulator: Simulator) -> ASGIApp:
    """An ASGI application that serves `simulator`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _serve(simulator, scope, receive, send)
        elif scope["type"] == "lifespan":
            await live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    return app


async def live(receive: Receive, send: Send) -> None:
    """The lifespan of an application that needs nothing at its start or end."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _serve(simulator: Simulator, scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(receive, simulator.max_body_bytes)
    if body is not None:
        await unless_left(_answer(simulator, scope, body, send), receive)


async def unless_left(answer: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Answer, unless the client leaves first; then the answer ends where it is. Raises what `answer` raises."""
    answering = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        answering.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)
    if not answering.cancelled():
        answering.result()


async def read_body(receive: Receive, max_bytes: int) -> bytes | None:
    """The request's body, at most one byte more than `max_bytes` of it; None if the client left before its end."""
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        part = event.get("body", b"")
        # What is over the limit is drained, not kept, so that the refusal still reaches the client.
        parts.append(part[: max(max_bytes + 1 - size, 0)])
        size += len(parts[-1])
        if not event.get("more_body", False):
            return b"".join(parts)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(simulator: Simulator, scope: Scope, body: bytes, send: Send) -> None:
    names = {name: value for name, value in scope["headers"]}

    def header(name: str) -> str | None:
        value = names.get(name.encode("ascii"))
        return value.decode("latin-1") if value is not None else None

    path = scope["path"].removeprefix(scope.get("root_path", ""))
    reply = await simulator.reply(scope["method"], path, header, body)
    await send_reply(reply, send)


async def send_reply(reply: Reply, send: Send) -> None:
    """Send an answer, event by event if it has them; they are closed however it ends."""
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.events is None:
        await send({"type": "http.response.body", "body": reply.body})
        return
    async with aclosing(reply.events) as events:
        async for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
