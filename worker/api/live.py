"""GET /api/live: what happens to a request, or to all of a tenant's, told while it happens as server-sent events.

The feed is the ledger read as it grows, asked for again and again: that works between processes, across restarts and
at the edge, and no request waits for another's I/O. What this process has noted itself is told sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from worker.api.answers import Headers, Receive, Scope, Send, header_of, send_body, send_error
from worker.api.auth import authenticate
from worker.api.chat import read_body
from worker.api.live_feed import Feed, Position, position_from_text
from worker.api.query import id_in, read_query
from worker.api.relaying import STREAM_HEADERS, Watch
from worker.errors import HarpoonError, StateError, TooManyLiveConnections, UnknownDecision
from worker.services import Services

#: Ledger entries looked at in one read: those of a whole tenant are all told, those of one request are few among many.
TENANT_ENTRIES = 100
REQUEST_ENTRIES = 1_000
#: How long a client that lost its connection waits before it comes back, in milliseconds.
RETRY_MS = 1_000
RETRY_AFTER_S = 5
_log = logging.getLogger("harpoon")


class _Reader:
    """One connection: whose it is, what it asked for, and where it has come to."""

    def __init__(self, services: Services, tenant: str, request: str | None, resumed: Position | None) -> None:
        self._services = services
        self._tenant = tenant
        self._request = request
        self._resumed = resumed
        self._after_id = None if resumed is None else resumed.after_id
        self._notes_seen = services.live.end
        self.feed = Feed(resumed or Position(0))
        self.more = False
        self.over = False

    async def poll(self) -> bytes:
        """The events since the last poll. Raises: StateError; UnknownDecision if there is no such request."""
        services = self._services
        # What is noted by now was admitted before, so the ledger below has it.
        noted = services.live.end
        limit = TENANT_ENTRIES if self._request is None else REQUEST_ENTRIES
        found = await services.mediator.follow(self._tenant, self._after_id, limit, self._request)
        if self._request is not None:
            if found["decision_id"] is None:
                raise UnknownDecision("no request or decision of yours has this id; its id is in x-request-id")
            self._request = found["decision_id"]
        self._after_id, self.more, self.over = found["cursor"], found["more"], found["over"]
        events = self.feed.read(found["rows"], found["cursor"])
        told = self.feed.tell(services.live.between(self._notes_seen, noted))
        self._notes_seen = noted
        return events + told

    async def pump(self, first: bytes, send: Send) -> None:
        """Send events until the request has ended or the host is closing."""
        limits, clock = self._services.limits, self._services.clock
        ready = f"retry: {RETRY_MS}\n".encode() + (b"\n" + first if first else self._where())
        sent_us = clock.monotonic_us()
        while True:
            if not ready and clock.monotonic_us() - sent_us >= limits.live_keep_alive_us:
                ready = b": still here\n" + self._where()
            if ready:
                await send({"type": "http.response.body", "body": ready, "more_body": True})
                sent_us = clock.monotonic_us()
            if self.over or self._services.live.is_closed:
                return
            if not self.more:
                await asyncio.sleep(limits.live_poll_us / 1_000_000)
            ready = await self.poll()

    def _where(self) -> bytes:
        """An id without an event: a client that has not been told anything yet also knows where to go on."""
        return f"id: {self.feed.position.to_text()}\n\n".encode()


class Live:
    """The endpoint, as an ASGI application. Connections are counted, whose they are and when they must have ended.

    Where there are tokens, nobody gets more than half of them (one at least): one tenant can't shut out the others.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open_feeds: dict[object, tuple[str, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        headers: Headers = [(b"x-request-id", services.ids.new("req").encode())]
        place = object()
        try:
            try:
                reader = await self._open(scope, receive, place)
                first = await reader.poll() if reader is not None else b""
            except HarpoonError as problem:
                if isinstance(problem, TooManyLiveConnections):
                    headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
                await send_error(send, problem, headers)
                return
            if reader is None:
                return
            if reader.over and not first:
                # Nothing is left to tell. A browser's EventSource takes this status, and no other, for the end.
                await send_body(send, 204, headers, b"")
                return
            await self._serve(reader, first, headers, receive, send)
        finally:
            self._open_feeds.pop(place, None)

    async def _open(self, scope: Scope, receive: Receive, place: object) -> _Reader | None:
        """The reader of a request, counted. None = the client left. Raises: HarpoonError."""
        services = self._services
        tenant = await authenticate(services, scope)
        request = id_in(read_query(scope, ("request_id",)), "request_id", ("req_", "dec_"))
        last = header_of(scope, b"last-event-id")
        resumed = position_from_text(last) if last else None
        if await read_body(scope, receive, services.limits.json.max_bytes) is None:
            return None
        now_us = services.clock.monotonic_us()
        # A runtime may drop a task without a word; what it held is free again when it must have ended.
        for past in [one for one, (_, end_us) in self._open_feeds.items() if end_us < now_us]:
            del self._open_feeds[past]
        most = services.limits.live_connections
        share = most if services.keyring.is_open else -(-most // 2)
        held = sum(1 for holder, _ in self._open_feeds.values() if holder == tenant)
        if held >= share or len(self._open_feeds) >= most:
            raise TooManyLiveConnections("as many live feeds are open as this process serves; close one, or come back")
        end_us = now_us + services.limits.live_limit_us + services.limits.last_send_us
        self._open_feeds[place] = tenant, end_us
        return _Reader(services, tenant, request, resumed)

    async def _serve(self, reader: _Reader, first: bytes, headers: Headers, receive: Receive, send: Send) -> None:
        services = self._services
        watch = Watch(receive)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS + headers})
            with contextlib.suppress(TimeoutError):
                async with services.clock.timeout(services.limits.live_limit_us):
                    await reader.pump(first, send)
        except asyncio.CancelledError:
            if not watch.left:
                raise
        except StateError as problem:
            # The client comes back by itself, with the id of the last event.
            _log.error("a live feed ended: %s", problem.message)
        finally:
            await watch.stop()
        if not watch.left:
            with contextlib.suppress(TimeoutError):
                async with services.clock.timeout(services.limits.last_send_us):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
