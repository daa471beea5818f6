"""The Transport port on CPython: providers over HTTP/1.1, the simulator in this process.

Decides which exception leaves, so that a caller knows whether a failed request may have reached the provider:

    never sent          NotSent, NotSentInTime (a ConnectError, a ConnectTimeout); httpx.UnsupportedProtocol
    may have been sent  httpx.ReadTimeout, ReadError, RemoteProtocolError
    our own mistake     httpx.LocalProtocolError: to be mended, not repeated

It follows no redirect, keeps no cookie, reads no proxy from the environment and decodes no content. It repeats nothing
but a GET whose kept connection turns out to have been closed (RFC 9110 section 9.2.2). The client is our own, of what
asyncio, ssl and llhttp are made of, because a gateway with a few fixed addresses needs no more of one, and because it
decides a gateway's throughput: docs/dependencies.md says what was measured.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from dataclasses import dataclass

import httpx

from gateway.adapters.connection_pool import ConnectionPool, Origin, PoolClosed, Resolve, Resolver
from gateway.adapters.http_connection import Connection
from worker.ports import NotSent, NotSentInTime

#: Requests to this host never leave the process.
SIMULATOR_HOST = "simulator.internal"
#: How many request heads are remembered as they are written; a gateway sends few different ones.
MAX_REMEMBERED = 256
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_NO_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
#: What frames a request is written here and nowhere else.
_OURS = frozenset({b"connection", b"content-length", b"host", b"keep-alive", b"te", b"transfer-encoding", b"upgrade"})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Limits of the outbound side; the timeouts hold for requests that bring none of their own."""

    #: Open connections to all hosts together, and to one host.
    max_connections: int = 1024
    max_connections_per_host: int = 512
    #: How long an idle connection is kept. A POST that meets a connection closed by the server can't be retried.
    keepalive_s: int = 15
    dns_cache_s: int = 60
    #: Waiting for a free connection, name look-up, connecting and the TLS handshake together.
    connect_timeout_s: int = 10
    #: Longest silence between two reads.
    read_timeout_s: int = 120
    user_agent: str = "harpoon"


class ProviderTransport(httpx.AsyncBaseTransport):
    """A `worker.ports.Transport`: `simulator` answers for `simulator.internal`, the network for every other host.

    `ssl_context` None means certifi's authorities; `resolve` None means the machine's own name look-up.
    """

    def __init__(
        self,
        simulator: httpx.AsyncBaseTransport | None = None,
        settings: TransportSettings | None = None,
        ssl_context: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._simulator = simulator
        self._settings = settings = settings or TransportSettings()
        self._ssl_context = ssl_context
        self._heads: dict[tuple[object, ...], tuple[Origin, bytes]] = {}
        self._pool = ConnectionPool(
            most=settings.max_connections,
            most_per_origin=settings.max_connections_per_host,
            keepalive_s=settings.keepalive_s,
            resolve=resolve or Resolver(settings.dns_cache_s),
            tls=self._tls,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Perform one exchange; the body arrives through the response's `stream`, which the caller must close.

        Raises: httpx.TransportError, here and while the body is read; the module says which means what.
        """
        if request.url.host == SIMULATOR_HOST:
            if self._simulator is None:
                raise NotSent("No simulator runs in this process.", request=request)
            return await self._simulator.handle_async_request(request)
        origin, head = self._head(request)
        content = request.content
        if content or request.method != "GET":
            data = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(content), content)
        else:
            data = head + b"\r\n"
        wanted = request.extensions.get("timeout")
        silence_s = wanted["read"] if wanted else self._settings.read_timeout_s
        kept = self._pool.idle(origin)
        connection = kept or await self._connect(origin, request)
        exchange = connection.begin(request, data, silence_s)
        try:
            return await exchange.response()
        except httpx.RemoteProtocolError:
            if kept is None or request.method != "GET" or not exchange.is_unanswered:
                raise
        connection = await self._connect(origin, request)
        return await connection.begin(request, data, silence_s).response()

    async def aclose(self) -> None:
        """Close every connection and the simulator; later requests fail with NotSent. Harmless twice."""
        await self._pool.aclose()
        if self._simulator is not None:
            await self._simulator.aclose()

    async def _connect(self, origin: Origin, request: httpx.Request) -> Connection:
        """Raises: NotSent; NotSentInTime."""
        wanted = request.extensions.get("timeout")
        limit_s = wanted["pool"] if wanted else self._settings.connect_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._pool.connect(origin)
        except PoolClosed:
            raise NotSent("The transport is closed.", request=request) from None
        except TimeoutError as problem:
            raise NotSentInTime(f"{origin.host} gave no connection in time.", request=request) from problem
        except (OSError, LookupError, ValueError, RuntimeError) as problem:
            words = f"{origin.host} can't be connected to ({type(problem).__name__})."
            raise NotSent(words, request=request) from problem

    def _tls(self) -> ssl.SSLContext:
        # Made when it is first needed: certifi's authorities take 15 ms to read and some megabytes.
        if self._ssl_context is None:
            self._ssl_context = httpx.create_ssl_context(trust_env=False)
        return self._ssl_context

    def _head(self, request: httpx.Request) -> tuple[Origin, bytes]:
        """Where a request goes, and its head as it is written, up to its length: one and the same for nearly all."""
        key = (request.method, str(request.url), *request.headers.raw)
        found = self._heads.get(key)
        if found is None:
            if len(self._heads) >= MAX_REMEMBERED:
                self._heads.clear()
            found = self._heads[key] = _origin_of(request), _head_of(request, self._settings.user_agent)
        return found


def _origin_of(request: httpx.Request) -> Origin:
    """Raises: httpx.UnsupportedProtocol."""
    url = request.url
    if url.scheme not in _PORTS or not url.raw_host:
        raise httpx.UnsupportedProtocol(f"{url.host or 'it'} has no usable http or https URL.", request=request)
    return Origin(url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme], url.scheme == "https")


def _head_of(request: httpx.Request, user_agent: str) -> bytes:
    """The request line and the headers (RFC 9112 section 3). Raises: httpx.LocalProtocolError."""
    method, target, host = request.method.encode(), request.url.raw_path, request.url.netloc
    if not _TOKEN(method) or re.search(rb"[\x00-\x20\x7f]", target):
        raise httpx.LocalProtocolError("A method or a path can't be written as HTTP.", request=request)
    usual = {b"accept": b"*/*", b"accept-encoding": b"identity", b"user-agent": user_agent.encode()}
    if request.url.userinfo:
        # A name and a password in the address are said as RFC 7617 wants it, unless the request brings a key.
        words = f"{request.url.username}:{request.url.password}".encode()
        usual[b"authorization"] = b"Basic " + base64.b64encode(words)
    lines = [b"%b %b HTTP/1.1" % (method, target), b"host: " + host]
    for name, value in request.headers.raw:
        lower = name.lower()
        if not _TOKEN(name) or _NO_VALUE(value):
            # Neither is shown: it may be a secret.
            raise httpx.LocalProtocolError("A header can't be written as HTTP.", request=request)
        if lower not in _OURS:
            usual.pop(lower, None)
            lines.append(b"%b: %b" % (name, value))
    lines += [b"%b: %b" % item for item in usual.items()]
    return b"\r\n".join(lines) + b"\r\n"
