"""One request and its answer over uvicorn's HTTP protocol, with the usual ones read and written in fewer steps.

Of writing: the server looks at each header by two regular expressions and a dozen comparisons; here names are known
after the first time, and one pass over the head finds what may not stand in a value. Whatever is unusual (HEAD, another
framing than the usual two, a connection that ends, a paused client, a mistake) is left to the server's own code, before
a byte of it was written; so the bytes are the same. A head is written together with what follows it in the same turn of
the event loop: each write is a system call of its own, the dearest step of a short answer.

Of reading: whoever asks for a message after the request's last one waits for the client to leave, and gets a future to
wait for, so that a watch over a stream needs no task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, RequestResponseCycle

#: Names that are lower case and hold what a name may hold; those of a gateway's answers are few.
_known: Final[set[bytes]] = set()
_MAX_KNOWN: Final = 256
#: They frame the answer or end the connection: the server's business.
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
_CONTROLS: Final = bytes([*range(9), *range(10, 32), 127])
_BODILESS: Final = frozenset({204, 304})
#: A head is put in front of a piece of an answer no longer than this; to copy a longer one is dearer than a write.
_MAX_JOINED_BYTES: Final = 64 * 1024


def head_of(status: int, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, int] | None:
    """The head up to its empty line, and the length it announces, -1 = none; None for one that is unusual or wrong."""
    lines, length = [STATUS_LINE[status]], -1
    for name, value in headers:
        if name not in _known and not _learn(name):
            return None
        if name == b"content-length":
            if length >= 0 or not value.isdigit():
                return None
            length = int(value)
        lines += (name, b": ", value, b"\r\n")
    head = b"".join(lines)
    # The ends of its lines are all that it may hold of control characters (RFC 9110 section 5.5).
    is_clean = len(head) - len(head.translate(None, _CONTROLS)) == 2 * len(headers) + 2
    return (head, length) if is_clean else None


def _learn(name: bytes) -> bool:
    """Whether a header of this name is as usual; then it is known."""
    if name in _FRAMING or name != name.lower() or HEADER_RE.search(name) or len(_known) >= _MAX_KNOWN:
        return False
    _known.add(name)
    return True


class BriskCycle(RequestResponseCycle):
    """One request and its answer."""

    # The server makes the object as its own kind, so these are not set when it is made.
    _is_read = False
    _departure: asyncio.Future[dict[str, Any]] | None = None
    #: The head of an answer that nothing has followed yet.
    _head = b""

    def receive(self) -> Awaitable[Any]:  # type: ignore[override]  # ASGI wants no more of it
        """See ASGI's `receive`."""
        if not self._is_read or self.disconnected or self.response_complete:
            return self._receive()
        if self._departure is None or self._departure.done():
            self.flow.resume_reading()
            self._departure = asyncio.get_running_loop().create_future()
        return self._departure

    async def _receive(self) -> Any:
        message = await super().receive()
        self._is_read = not message.get("more_body", False)
        return message

    def over(self) -> None:
        """Nothing will be received any more."""
        if self._departure is not None and not self._departure.done():
            self._departure.set_result({"type": "http.disconnect"})

    async def send(self, message: Any) -> None:
        """See ASGI's `send`."""
        if self.disconnected or self.flow.write_paused or self.response_complete:
            await self._send_unusual(message)
        elif self.response_started:
            body = message.get("body", b"")
            if message["type"] != "http.response.body" or self.scope["method"] == "HEAD" or not self.keep_alive:
                await self._send_unusual(message)
            elif self.chunked_encoding:
                self._send_chunk(body, message.get("more_body", False))
            elif message.get("more_body", False) or len(body) != self.expected_content_length:
                await self._send_unusual(message)
            else:
                self.expected_content_length = 0
                self._write(body)
                self._complete()
        elif not self._begin(message):
            await self._send_unusual(message)

    async def _send_unusual(self, message: Any) -> None:
        self._write_head()
        await super().send(message)
        if self.response_complete:
            self._over_soon()

    def _begin(self, message: Any) -> bool:
        """Write an answer's head, if it is a usual one."""
        status = message["status"] if message["type"] == "http.response.start" else 0
        if not status or status in _BODILESS or not self.keep_alive or self.access_log:
            return False
        found = head_of(status, self.default_headers + list(message.get("headers", ())))
        if found is None:
            return False
        head, length = found
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = length < 0 and self.scope["method"] != "HEAD"
        self.expected_content_length = max(0, length)
        self._head = head + (b"transfer-encoding: chunked\r\n\r\n" if self.chunked_encoding else b"\r\n")
        asyncio.get_running_loop().call_soon(self._write_head)
        return True

    def _write_head(self) -> None:
        """Write a head that nothing has followed: whoever began the answer waits for what it will say."""
        head, self._head = self._head, b""
        if head and not self.transport.is_closing():
            self.transport.write(head)

    def _write(self, data: bytes) -> None:
        if len(data) > _MAX_JOINED_BYTES:
            self._write_head()
        head, self._head = self._head, b""
        self.transport.write(head + data)

    def _send_chunk(self, body: bytes, is_more: bool) -> None:
        """A piece of an answer in HTTP/1.1's chunked coding (RFC 9112 section 7.1)."""
        if body:
            end = b"" if is_more else b"0\r\n\r\n"
            self._write(b"%x\r\n%b\r\n%b" % (len(body), body, end))
        elif not is_more:
            self._write(b"0\r\n\r\n")
        if not is_more:
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        self.on_response()
        self._over_soon()

    def _over_soon(self) -> None:
        # Whoever has sent the last of an answer may first end its watch, which would take this for a departure.
        if self._departure is not None and not self._departure.done():
            asyncio.get_running_loop().call_soon(self.over)
