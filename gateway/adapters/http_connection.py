"""One HTTP/1.1 connection to a provider, and the exchange that is under way on it.

llhttp (through httptools) finds where heads, chunks and bodies end; what arrived together is handed on together, and
nothing is waited for that is not needed. Decides when a connection may be used again: after an answer that was read to
its end and says nothing against it, with not a byte beyond it and none of ours unsent. Where connections come from is
`connection_pool`'s business. It knows no retry and no redirect.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

import httptools
import httpx

#: A head may have so many bytes, and so many may follow each other in a body without being any of it (extensions of
#: chunks, trailers); providers' heads have some hundreds.
MAX_HEAD_BYTES: Final = 64 * 1024
#: What stands for less is no status (RFC 9110 section 15), and 0 is what an exchange has before there is one.
_LEAST_STATUS: Final = 100
#: A body is read no further ahead of its reader than this.
_READ_AHEAD_BYTES: Final = 256 * 1024
#: How long the end of an answer may take after its last byte was read: servers often send it by itself.
_END_S: Final = 0.05
_SILENT = "was silent for too long"
_BROKEN = "ended its response too early or broke its framing"
_UNANSWERED = "closed the connection before it answered"
_LOST = "lost the connection"
_NO_HTTP = "sent something that is not HTTP"


class _Answer(httpx.Response):
    """A response whose end costs nothing: its stream has no failure on being closed that would have to be named."""

    async def aclose(self) -> None:
        self.is_closed = True
        await cast(Exchange, self.stream).aclose()


class Exchange(httpx.AsyncByteStream):
    """A request that was written and the response to it, of which this is the body.

    Raises httpx.TransportError wherever it waits; what arrived before a failure is handed out before it.
    """

    __slots__ = (
        "_error",
        "_is_complete",
        "_received",
        "_size",
        "_waiter",
        "connection",
        "headers",
        "is_unanswered",
        "request",
        "status",
    )

    def __init__(self, connection: Connection, request: httpx.Request) -> None:
        self.request = request
        self.connection = connection
        #: 0 until the head is here.
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        #: The connection was closed in good order before a byte of the response came.
        self.is_unanswered = False
        self._received: list[bytes] = []
        self._size = 0
        self._is_complete = False
        self._error: httpx.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def response(self) -> httpx.Response:
        """The response, once its head is here; its body arrives by iteration. Raises: httpx.TransportError."""
        try:
            while not self.status:
                if self._error is not None:
                    raise self._error
                await self._wait()
        except BaseException:
            self.connection.close()
            raise
        return _Answer(self.status, headers=self.headers, stream=self, request=self.request)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """All that has arrived since the last time, or, if nothing has, what arrives next."""
        while not self._received:
            if self._is_complete:
                raise StopAsyncIteration
            if self._error is not None:
                raise self._error
            await self._wait()
        received = self._received
        chunk = received[0] if len(received) == 1 else b"".join(received)
        received.clear()
        if self._size > _READ_AHEAD_BYTES:
            self.connection.go_on_reading()
        self._size = 0
        return chunk

    async def aclose(self) -> None:
        # A body that came to its end has given its connection back already; any other connection is closed, but first
        # may show within a moment that all that was missing is the end: so it is after the [DONE] of most streams.
        if self._is_complete:
            return
        if self._received or self._error is not None:
            self.connection.close()
        else:
            self.connection.let_end()

    async def _wait(self) -> None:
        self.connection.watch_silence()
        waiter = self._waiter = self.connection.loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    @property
    def is_waited_for(self) -> bool:
        return self._waiter is not None

    def took(self, pieces: list[bytes]) -> bool:
        """Body bytes have arrived; whether there are now more of them than should lie here."""
        chunk = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._received.append(chunk)
        self._size += len(chunk)
        return self._size > _READ_AHEAD_BYTES

    def wake(self) -> None:
        """Have whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def complete(self) -> None:
        """The body has come to its end."""
        self._is_complete = True
        self.wake()

    def fail(self, kind: type[httpx.TransportError], words: str, cause: BaseException | None = None) -> None:
        """Nothing more will come. The message names the host and what was met, and no header or body."""
        if self._error is None and not self._is_complete:
            named = f" ({type(cause).__name__})" if cause is not None else ""
            self._error = kind(f"{self.request.url.host} {words}{named}.", request=self.request)
            self._error.__cause__ = cause
            self.wake()


class Connection(asyncio.Protocol):
    """One connection, with at most one exchange at a time.

    Args: freed: called when it may be used again. gone: called once, when it can't be any more.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        freed: Callable[[Connection], None],
        gone: Callable[[Connection], None],
    ) -> None:
        self.loop = loop
        self.transport: asyncio.Transport | None = None
        #: What the transport is over, to look at what it has not read yet.
        self.socket: socket.socket | None = None
        #: Loop time since when nothing is asked of it.
        self.idle_since = 0.0
        self._freed = freed
        self._gone = gone
        self._is_gone = False
        self._exchange: Exchange | None = None
        self._silence_s = 0.0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pieces: list[bytes] = []
        #: The parser's, for each piece of a body: a call into Python would cost as much as all the rest of it.
        self.on_body = self._pieces.append
        self._parser = httptools.HttpResponseParser(self)
        self._expect_response()

    @property
    def is_open(self) -> bool:
        return not self._is_gone and self.transport is not None and not self.transport.is_closing()

    @property
    def is_quiet(self) -> bool:
        """Whether an idle one is as its last answer left it: neither an end nor a byte lies in it unread.

        The loop may not have come to either yet. A request would be lost, or be answered by what is no answer to it.
        """
        assert self.socket is not None
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def begin(self, request: httpx.Request, data: bytes, silence_s: float) -> Exchange:
        """Write a request, head and body, to an idle connection. `silence_s`: the longest one that is borne."""
        assert self.transport is not None
        exchange = self._exchange = Exchange(self, request)
        self._silence_s = silence_s
        self._expect_response()
        self.transport.write(data)
        return exchange

    def close(self) -> None:
        """End it at once, whatever is under way on it; harmless twice."""
        if self.transport is not None:
            self.transport.abort()
        self._leave()

    def let_end(self) -> None:
        """Nobody reads on: close it, unless the end of the answer is the next thing to come, and comes at once."""
        if self._ends_by_closing or not self.is_open:
            self.close()
            return
        self._is_left = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(_END_S, self.close)

    def go_on_reading(self) -> None:
        """The reader has caught up."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def watch_silence(self) -> None:
        """Somebody waits from now on; one timer serves many waits."""
        self._deadline = self.loop.time() + self._silence_s
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        exchange = self._exchange
        if exchange is None or not exchange.is_waited_for:
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._on_timer)
            return
        exchange.fail(httpx.ReadTimeout, _SILENT)
        self.close()

    def _expect_response(self) -> None:
        self._head_bytes = 0  # and within a body those since its last piece
        self._has_head = False
        self._has_end = False
        self._goes_on = False
        self._ends_by_closing = True
        self._is_left = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's has its methods and is none by name

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()  # nothing was asked: what comes must not be taken for the next answer
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            self._take(exchange)
            if self._has_end:
                exchange.complete()  # what follows it is no part of it
            exchange.fail(httpx.RemoteProtocolError, _BROKEN if exchange.status else _NO_HTTP, problem)
            self.close()
            return
        if self._pieces:
            if self._is_left:
                self.close()
                return
            self._head_bytes = 0
            self._take(exchange)
        elif self._head_bytes > MAX_HEAD_BYTES and not self._has_end:
            exchange.fail(httpx.RemoteProtocolError, _BROKEN if exchange.status else _NO_HTTP)
            self.close()
            return
        if self._has_end:
            self._end(exchange)
        else:
            exchange.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self._exchange
        if exchange is not None:
            if exc is not None:
                exchange.fail(httpx.ReadError, _LOST, exc)
            elif self._has_head and self._ends_by_closing:
                exchange.complete()
            elif self._head_bytes or self._has_head:
                exchange.fail(httpx.RemoteProtocolError, _BROKEN)
            else:
                exchange.is_unanswered = True
                exchange.fail(httpx.RemoteProtocolError, _UNANSWERED)
        self._leave()

    def _take(self, exchange: Exchange) -> None:
        if self._pieces:
            if exchange.took(self._pieces) and not self._has_end:
                assert self.transport is not None
                self.transport.pause_reading()
            self._pieces.clear()

    def _end(self, exchange: Exchange) -> None:
        """The answer is here; its connection can be used again before anybody has read it."""
        assert self.transport is not None
        self._exchange = None
        if self._is_left and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        exchange.complete()
        if self._goes_on and self.is_open and not self.transport.get_write_buffer_size():
            self.idle_since = self.loop.time()
            self._freed(self)
        else:
            self.close()

    def _leave(self) -> None:
        if self._is_gone:
            return
        self._is_gone = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._exchange is not None:
            self._exchange.fail(httpx.ReadError, "was left")
            self._exchange = None
        self._gone(self)

    # What the parser calls, besides `on_body`.

    def on_message_begin(self) -> None:
        if self._has_end:
            self._goes_on = False
            raise httptools.HttpParserError("bytes beyond the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        exchange = self._exchange
        if self._has_head or exchange is None:
            return  # a trailer
        exchange.headers.append((name, value.rstrip(b" \t")))  # the parser takes off what stands before it
        # Either ends the body by itself (RFC 9112 section 6.3); of two that contradict each other the parser complains.
        if self._ends_by_closing:
            lower = name.lower()
            if lower == b"content-length" or (lower == b"transfer-encoding" and b"chunked" in value.lower()):
                self._ends_by_closing = False

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        if self._head_bytes > MAX_HEAD_BYTES and sum([len(n) + len(v) for n, v in exchange.headers]) > MAX_HEAD_BYTES:
            raise httptools.HttpParserError("a head too large")
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            # Not the answer yet (RFC 9110 section 15.2); a switch of protocols is refused by the parser.
            exchange.headers.clear()
            self._ends_by_closing = True
            return
        if status < _LEAST_STATUS:
            raise httptools.HttpParserError("a status that is none")
        exchange.status = status
        self._has_head = True
        if exchange.request.method == "HEAD":
            self._has_end = True  # and the connection is not used again: the parser waits for a body

    def on_message_complete(self) -> None:
        if self._has_head:
            self._has_end = True
            self._goes_on = self._parser.should_keep_alive()
