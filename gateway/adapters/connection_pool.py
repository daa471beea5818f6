"""The open connections to every provider: who gets one, who waits, and how one is made.

Decides how many there are at a time, to one origin and in all; that an idle one is used again while it is young and
quiet; that of those who wait the first who can go on does, before anybody who came later; and that whoever gets none in
time has sent nothing. What goes over a connection is `http_connection`'s business. Addresses are tried the way RFC 8305
("Happy Eyeballs") wants it, so that a broken IPv6 route costs a quarter of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohappyeyeballs import start_connection

from gateway.adapters.http_connection import Connection

#: One of getaddrinfo's answers: family, type, protocol, canonical name, address.
Address = tuple[int, int, int, str, tuple[Any, ...]]
#: Finds a host's addresses. Raises: OSError.
Resolve = Callable[[str, int], Awaitable[list[Address]]]
_HEAD_START_S = 0.25
#: Servers end idle connections after seconds, so one that was in use just now is not worth a look (a system call).
_TRUSTED_S = 0.1
#: How many hosts' addresses are remembered.
_MAX_KNOWN = 1024


class Origin(NamedTuple):
    """Where a connection leads: ASCII host, and whether TLS is spoken to it."""

    host: str
    port: int
    is_tls: bool


class PoolClosed(Exception):
    """There are no connections any more."""


class Resolver:
    """The machine's own name look-up, remembered for `keep_s` seconds; who asks for the same at a time shares one."""

    def __init__(self, keep_s: int) -> None:
        self._keep_s = keep_s
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Future[list[Address]]] = {}

    async def __call__(self, host: str, port: int) -> list[Address]:
        """The addresses of a host; one that is an address itself is not looked up. Raises: OSError."""
        for family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                socket.inet_pton(family, host)
                return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
        until, addresses = self._known.get((host, port), (0.0, []))
        if asyncio.get_running_loop().time() < until:
            return addresses
        asked = self._asked.get((host, port))
        if asked is None:
            # Look-ups run in a few threads that other work needs as well: hundreds at a time would block it all.
            asked = self._asked[host, port] = asyncio.ensure_future(self._look_up(host, port))
            asked.add_done_callback(lambda ended: self._answered(host, port, ended))
        return await asyncio.shield(asked)  # who leaves must not end it for the others

    async def _look_up(self, host: str, port: int) -> list[Address]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        addresses: list[Address] = [*found]
        self._known[host, port] = loop.time() + self._keep_s, addresses
        return addresses

    def _answered(self, host: str, port: int, asked: asyncio.Future[list[Address]]) -> None:
        del self._asked[host, port]
        if not asked.cancelled():
            asked.exception()  # seen, even if all who asked have left; else asyncio would complain of it


class ConnectionPool:
    """Connections by origin. Use it on one event loop.

    Args: keepalive_s: how long an idle one is kept. tls: asked for the context when the first TLS connection is made.
    """

    def __init__(
        self,
        *,
        most: int,
        most_per_origin: int,
        keepalive_s: int,
        resolve: Resolve,
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self._most = most
        self._most_per_origin = most_per_origin
        self._keepalive_s = keepalive_s
        self._resolve = resolve
        self._tls = tls
        self._idle: dict[Origin, list[Connection]] = {}
        self._origins: dict[Connection, Origin] = {}
        #: Connections and those that are being made.
        self._counts: dict[Origin, int] = {}
        self._count = 0
        #: In the order they came; each is given a connection, or None if it may look again.
        self._waiters: deque[tuple[Origin, asyncio.Future[Connection | None]]] = deque()
        self._cleaning: asyncio.TimerHandle | None = None
        self._is_closed = False

    def idle(self, origin: Origin) -> Connection | None:
        """An open connection that nobody uses, taken out, or None."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            rested_s = connection.loop.time() - connection.idle_since
            is_young = rested_s < self._keepalive_s
            if is_young and connection.is_open and (rested_s < _TRUSTED_S or connection.is_quiet):
                return connection
            connection.close()
        return None

    async def connect(self, origin: Origin) -> Connection:
        """A connection that nobody uses: made, or waited for where there may be no more of them.

        Raises: PoolClosed; OSError, for whatever keeps it from being made.
        """
        has_waited = False
        while True:
            if self._is_closed:
                raise PoolClosed
            connection = self.idle(origin)
            if connection is not None:
                return connection
            if self._has_room(origin):
                return await self._make(origin)
            connection = await self._turn(origin, is_first=has_waited)
            if connection is not None and connection.is_open:
                return connection
            has_waited = True

    async def aclose(self) -> None:
        """End every connection; harmless twice."""
        self._is_closed = True
        if self._cleaning is not None:
            self._cleaning.cancel()
            self._cleaning = None
        for connection in list(self._origins):
            connection.close()
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        # A closed transport says so to its protocol in the loop's next turn.
        await asyncio.sleep(0)

    def _has_room(self, origin: Origin) -> bool:
        if self._counts.get(origin, 0) >= self._most_per_origin:
            return False
        if self._count < self._most:
            return True
        # All are taken, but some may lie idle at other origins.
        for idle in self._idle.values():
            if idle:
                idle.pop(0).close()
                return True
        return False

    async def _turn(self, origin: Origin, *, is_first: bool) -> Connection | None:
        """Wait for a connection to `origin`; None = one may be made now. `is_first`: stands before all others."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        entry = (origin, waiter)
        if is_first:
            self._waiters.appendleft(entry)
        else:
            self._waiters.append(entry)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It was this one's turn: somebody else takes it.
                given = waiter.result()
                if given is not None and given.is_open:
                    self._freed(given)
                else:
                    self._next_turn()
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiters.remove(entry)

    def _next_turn(self) -> None:
        """There may be room: the first of those who wait looks again whose origin may have one connection more."""
        for origin, waiter in self._waiters:
            if not waiter.done() and self._counts.get(origin, 0) < self._most_per_origin:
                waiter.set_result(None)
                return

    def _hand_on(self, connection: Connection, origin: Origin) -> bool:
        """Give a connection that was freed to the first who can use it or its room; whether it is gone from here."""
        for waiting, waiter in self._waiters:
            if waiter.done():
                continue
            if waiting == origin:
                waiter.set_result(connection)
                return True
            if self._counts.get(waiting, 0) < self._most_per_origin:
                # It waits because there are as many as there may be in all.
                connection.close()
                return True
        return False

    async def _make(self, origin: Origin) -> Connection:
        self._counts[origin] = self._counts.get(origin, 0) + 1
        self._count += 1
        loop = asyncio.get_running_loop()
        connection = Connection(loop, self._freed, self._gone)
        self._origins[connection] = origin
        try:
            found = await start_connection(
                await self._resolve(origin.host, origin.port), happy_eyeballs_delay=_HEAD_START_S, loop=loop
            )
            connection.socket = found
            try:
                await loop.create_connection(
                    lambda: connection,
                    sock=found,
                    ssl=self._tls() if origin.is_tls else None,
                    # No certificate says the dot that ends a name which is to be looked up as it is.
                    server_hostname=origin.host.removesuffix(".") if origin.is_tls else None,
                )
            except BaseException:
                with contextlib.suppress(OSError):
                    found.close()
                raise
        except BaseException:
            connection.close()
            raise
        if self._is_closed:
            connection.close()
            raise PoolClosed
        if not connection.is_open:
            connection.close()
            raise ConnectionResetError  # before anybody wrote to it
        return connection

    def _freed(self, connection: Connection) -> None:
        origin = self._origins[connection]
        if self._waiters and self._hand_on(connection, origin):
            return
        self._idle.setdefault(origin, []).append(connection)
        if self._cleaning is None:
            self._cleaning = connection.loop.call_later(self._keepalive_s, self._clean)

    def _gone(self, connection: Connection) -> None:
        origin = self._origins.pop(connection)
        self._count -= 1
        left = self._counts[origin] - 1
        if left:
            self._counts[origin] = left
        else:
            del self._counts[origin]
        idle = self._idle.get(origin)
        if idle is not None and connection in idle:
            idle.remove(connection)
        if not left:
            self._idle.pop(origin, None)
        if self._waiters:
            self._next_turn()

    def _clean(self) -> None:
        """End what has lain idle for too long."""
        self._cleaning = None
        for idle in list(self._idle.values()):
            for connection in list(idle):
                if connection.loop.time() - connection.idle_since >= self._keepalive_s:
                    connection.close()
        first = min((idle[0].idle_since for idle in self._idle.values() if idle), default=None)
        if first is not None and not self._is_closed:
            loop = asyncio.get_running_loop()
            self._cleaning = loop.call_at(first + self._keepalive_s, self._clean)
