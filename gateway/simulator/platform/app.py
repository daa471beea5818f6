"""The platform over HTTP: the panels under /api, pods at the ports they are exposed at and under /pods/<name>/.

An answer that is to come late comes late by the platform's clock; one that is not to come ends its connection.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway.simulator.app import live, read_body, send_reply, unless_left
from gateway.simulator.exchange import Reply
from gateway.simulator.pace import PodGone
from gateway.simulator.platform.clock import PlatformClock, VirtualClock, sleep_until
from gateway.simulator.platform.forms import Outcome
from gateway.simulator.platform.inference import PodServer
from gateway.simulator.platform.panel import Panel
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.settings import PlatformSettings


class Dropped(ConnectionError):
    """The connection is to be closed unanswered; a server that can do so has done it already."""


class PlatformApp:
    """An ASGI application. `platform` is there for tests to look at and to interfere with."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.panel = Panel(platform)
        self.pods = PodServer(platform)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
        elif scope["type"] == "http":
            body = await read_body(receive, self.platform.settings.most_body_bytes)
            if body is not None:
                await unless_left(self._answer(scope, body, receive, send), receive)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            await self.exchange(
                _port_of(scope), scope["method"], path, _query_of(scope), _headers_of(scope), body, send
            )
        except (Dropped, PodGone):
            await _drop(scope, receive)

    async def exchange(
        self,
        port: int | None,
        method: str,
        path: str,
        query: str,
        header: Callable[[str], str | None],
        body: bytes,
        send: Send,
    ) -> None:
        """Answer one request. Args: port: that it came to. Raises: Dropped, PodGone."""
        pod = None if port is None else self.platform.pod_at(port)
        if pod is not None:
            await self._send_pod(pod, method, path, header, body, send)
        elif path.startswith("/pods/"):
            pod, _, rest = path.removeprefix("/pods/").partition("/")
            try:
                await self._send_pod(pod, method, f"/{rest}", header, body, send)
            except PodGone:
                self.platform.pump.catch_up()
                await send_reply(_unavailable(self.pods.status(pod)), send)
        elif path.startswith("/api/"):
            await self._send_panel(self.panel.answer(method, path, query, header, body), send)
        else:
            await send_reply(_whole(404, {"error": "the panels are below /api, pods below /pods/<name>"}), send)

    async def _send_panel(self, outcome: Outcome, send: Send) -> None:
        if outcome.is_dropped:
            raise Dropped("closed on purpose")
        if outcome.delay_us:
            await sleep_until(self.platform.clock, self.platform.clock.now_us() + outcome.delay_us)
        headers = [("content-length", f"{len(outcome.body)}"), ("x-harpoon-simulated", "1")]
        if outcome.body:
            headers.append(("content-type", outcome.content_type))
        if outcome.cookie:
            headers.append(("set-cookie", f"{outcome.cookie}; Path=/; HttpOnly"))
        await send_reply(Reply(outcome.status, headers, outcome.body), send)

    async def _send_pod(
        self, pod: str, method: str, path: str, header: Callable[[str], str | None], body: bytes, send: Send
    ) -> None:
        reply, due_us = await self.pods.reply(pod, method, path, header, body)
        if due_us:
            await sleep_until(self.platform.clock, due_us)
        await send_reply(reply, send)


def create_platform(
    settings: PlatformSettings | None = None, clock: PlatformClock | None = None, **changes: Any
) -> PlatformApp:
    """A platform behind an ASGI application; its time stands still but for what somebody waits for, unless a clock says
    otherwise. Args: changes: fields of PlatformSettings."""
    return PlatformApp(Platform(replace(settings or PlatformSettings(), **changes), clock or VirtualClock(jumps=True)))


def _whole(status: int, value: object) -> Reply:
    body = json.dumps(value).encode()
    return Reply(status, [("content-type", "application/json"), ("content-length", f"{len(body)}")], body)


def _unavailable(why: str) -> Reply:
    return _whole(503, {"error": {"message": why, "type": "unavailable", "param": None, "code": "pod_unavailable"}})


def _port_of(scope: Scope) -> int | None:
    server = scope.get("server")
    return server[1] if server else None


def _query_of(scope: Scope) -> str:
    query: bytes = scope.get("query_string", b"")
    return query.decode("latin-1")


def _headers_of(scope: Scope) -> Callable[[str], str | None]:
    names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return names.get


async def _drop(scope: Scope, receive: Receive) -> None:
    """Close the connection unanswered, if the server lets us. Raises: Dropped if it doesn't."""
    close = (scope.get("state") or {}).get("close_connection")
    if close is None:
        raise Dropped("closed on purpose")
    close()
    while (await receive())["type"] != "http.disconnect":
        pass
