"""The Transport port on CPython: providers through aiohttp, the simulator in this process.

Decides which exception leaves, so that a caller knows whether a failed request may have reached the provider:

    never sent          NotSent, NotSentInTime (a ConnectError, a ConnectTimeout); httpx.UnsupportedProtocol
    may have been sent  httpx.ReadTimeout, ReadError, RemoteProtocolError
    our own mistake     httpx.LocalProtocolError: to be mended, not repeated

It never retries, follows no redirect, keeps no cookie, reads no proxy from the environment and decodes no content.
One exception is aiohttp's own: it sends a request of an idempotent method (never POST) once more if a kept
connection turns out to be closed (RFC 9110 section 9.2.2). It drives aiohttp's session itself: httpx-aiohttp's
transport costs some 20 us a request more, for translations that a gateway with a few fixed addresses does not need.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import httpx
import yarl

from worker.ports import NotSent, NotSentInTime

#: Requests to this host never leave the process.
SIMULATOR_HOST = "simulator.internal"
#: How many addresses and timeouts are remembered in the form aiohttp wants; more than any catalogue has providers.
MAX_REMEMBERED = 256


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

    Sessions are opened by the first request, in its event loop. `ssl_context` None means certifi's authorities.
    """

    def __init__(
        self,
        simulator: httpx.AsyncBaseTransport | None = None,
        settings: TransportSettings | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._simulator = simulator
        self._settings = settings or TransportSettings()
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None
        self._targets: dict[str, yarl.URL] = {}
        self._timeouts: dict[tuple[float, float, float], aiohttp.ClientTimeout] = {}
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Perform one exchange; the body arrives through the response's `stream`, which the caller must close.

        Raises: httpx.TransportError, here and while the body is read; the module says which means what.
        """
        if request.url.host == SIMULATOR_HOST:
            if self._simulator is None:
                raise NotSent("No simulator runs in this process.", request=request)
            return await self._simulator.handle_async_request(request)
        session = self._session or self._open(request)
        try:
            response = await session.request(
                request.method,
                self._target(request.url),
                headers=[(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=request.content or None,
                allow_redirects=False,
                timeout=self._timeout(request.extensions.get("timeout")),
            )
        except Exception as exc:
            raise _converted(exc, request) from exc
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=_ProviderStream(response, request), request=request
        )

    def _target(self, url: httpx.URL) -> yarl.URL:
        """The address as aiohttp knows it; a provider has one, so it is parsed once."""
        text = str(url)
        target = self._targets.get(text)
        if target is None:
            if len(self._targets) >= MAX_REMEMBERED:
                self._targets.clear()
            target = self._targets[text] = yarl.URL(text, encoded=True)
        return target

    def _timeout(self, wanted: dict[str, float] | None) -> aiohttp.ClientTimeout:
        """Limits of one exchange, made once per set of values (they are settings, so there are few)."""
        settings = self._settings
        pool, connect, silence = (
            (wanted["pool"], wanted["connect"], wanted["read"])
            if wanted
            else (settings.connect_timeout_s, settings.connect_timeout_s, settings.read_timeout_s)
        )
        found = self._timeouts.get((pool, connect, silence))
        if found is None:
            if len(self._timeouts) >= MAX_REMEMBERED:
                self._timeouts.clear()
            found = aiohttp.ClientTimeout(total=None, connect=pool, sock_connect=connect, sock_read=silence)
            self._timeouts[pool, connect, silence] = found
        return found

    async def aclose(self) -> None:
        """Close every connection and the simulator; later requests fail with NotSent. Harmless twice."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        if self._simulator is not None:
            await self._simulator.aclose()

    def _open(self, request: httpx.Request) -> aiohttp.ClientSession:
        if self._is_closed:
            raise NotSent("The transport is closed.", request=request)
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections,
                limit_per_host=settings.max_connections_per_host,
                keepalive_timeout=settings.keepalive_s,
                ttl_dns_cache=settings.dns_cache_s,
                ssl=self._ssl_context or httpx.create_ssl_context(trust_env=False),
            ),
            # A cookie of one tenant's response must not travel with another tenant's request.
            cookie_jar=aiohttp.DummyCookieJar(),
            # Bodies are passed on as they are, so no compression is asked for unless the request does.
            headers={"accept": "*/*", "accept-encoding": "identity", "user-agent": settings.user_agent},
            auto_decompress=False,
            trust_env=False,
        )
        return self._session


class _ProviderStream(httpx.AsyncByteStream):
    """A response body whose failures are httpx.TransportError; a body cut short is a failure, not an end."""

    __slots__ = ("_request", "_response")

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except Exception as exc:
            raise _converted(exc, self._request) from exc

    async def aclose(self) -> None:
        # A body that was read to its end has given its connection back already; any other connection is closed.
        self._response.close()


# First match wins. A request counts as never sent only when aiohttp says that there was no connection.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[httpx.TransportError], str], ...] = (
    ((aiohttp.ClientConnectorError, aiohttp.ServerFingerprintMismatch), NotSent, "can't be connected to"),
    ((aiohttp.ConnectionTimeoutError,), NotSentInTime, "gave no connection in time"),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), httpx.UnsupportedProtocol, "has no usable http or https URL"),
    ((aiohttp.ServerTimeoutError, TimeoutError), httpx.ReadTimeout, "was silent for too long"),
    ((aiohttp.ClientPayloadError,), httpx.RemoteProtocolError, "ended its response too early or broke its framing"),
    ((aiohttp.ServerDisconnectedError,), httpx.RemoteProtocolError, "closed the connection before it answered"),
    ((aiohttp.ClientResponseError,), httpx.RemoteProtocolError, "sent something that is not HTTP"),
    ((aiohttp.ClientError, OSError), httpx.ReadError, "lost the connection"),
    ((ValueError, TypeError), httpx.LocalProtocolError, "was given something that can't be written as HTTP"),
)


def _converted(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """What leaves in place of `error`; the message names the host and aiohttp's exception, and no header or body."""
    cause = error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ is not None else error
    for kinds, meaning, words in _MEANINGS:
        if isinstance(cause, kinds):
            return meaning(f"{request.url.host} {words} ({type(cause).__name__}).", request=request)
    return httpx.ReadError(f"{request.url.host} failed ({type(cause).__name__}).", request=request)
