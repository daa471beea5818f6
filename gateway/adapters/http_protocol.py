"""uvicorn's HTTP protocol with bounds on how long and how large a request may be until it is complete.

Who opens a connection and sends little or nothing would hold it for as long as it likes: a head that is not complete in
time, and a body likewise, end with a 408, and a head that is too large with a 431, all in the error shape of the API.
The bounds are the application's (`receive_limits`), where it has any; time is looked at now and then, not per request.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.adapters.http_cycle import BriskCycle

#: A connection is looked at so many times within the shortest of its bounds.
_LOOKS: Final = 5
#: So many requests may wait for the answer to an earlier one on the same connection; clients send none so, as a rule.
_MAX_PIPELINED: Final = 16
#: How long a client that was refused may go on sending before the connection is closed on it.
_LINGER_S: Final = 1


@dataclass(frozen=True, slots=True)
class ReceiveLimits:
    """`head_us` also bounds a new connection's silence; `body_us`: from the head to the last byte of the body."""

    head_us: int = 10_000_000
    body_us: int = 30_000_000
    max_head_bytes: int = 64 * 1024
    max_headers: int = 128


class _Refused(Exception):
    """The head is refused; the parser stops here."""


def _limits_of(app: Any) -> ReceiveLimits:
    """The application's limits, from within whatever the server has wrapped it in."""
    while app is not None:
        limits = getattr(app, "receive_limits", None)
        if isinstance(limits, ReceiveLimits):
            return limits
        app = getattr(app, "app", None)
    return ReceiveLimits()


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._limits = _limits_of(self.app)
        #: What is being waited for since `_since`: a head, a body, or nothing.
        self._awaits = "head"
        self._since = self.loop.time()
        self._head_bytes = 0
        self._refusal: tuple[int, str, str] = (400, "invalid_request", "this is no HTTP/1.1 request")
        self._timer: asyncio.TimerHandle | None = None
        #: The request that is being answered; `cycle` is the one that was read last.
        self._serving: BriskCycle | None = None
        #: The last word was said; what the client still sends is thrown away.
        self._is_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)
        self.pipeline.clear()  # nobody is there for the answers
        self._tell_who_answers()
        if isinstance(self.cycle, BriskCycle):
            self.cycle.over()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._awaits != "body":
            if not self._awaits:
                self._await("head")
            self._head_bytes += len(data)
        super().data_received(data)
        if self._awaits == "head" and self._head_bytes > self._limits.max_head_bytes:
            self._refuse_head()
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        limits = self._limits
        # What came with the head may be a part of the body, so it is counted only if there is much of it.
        too_large = self._head_bytes > limits.max_head_bytes and self._size_of_head() > limits.max_head_bytes
        if too_large or len(self.headers) > limits.max_headers:
            self._refuse_head()
            raise _Refused
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise _Refused
        self._head_bytes = 0
        self._await("body")
        super().on_headers_complete()
        # The server makes its cycles itself and offers no place to name another kind; this one has begun nothing yet.
        self.cycle.__class__ = BriskCycle
        if not self.pipeline:
            self._serving = cast(BriskCycle, self.cycle)

    def on_response_complete(self) -> None:
        following = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        self._serving = cast(BriskCycle | None, following)

    def on_message_complete(self) -> None:
        self._awaits = ""
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn says of what it can't read; here it is said in the API's shape, and with the right status."""
        if self._is_over or self.transport.is_closing():
            return
        self._stop_looking()
        self._tell_who_answers()
        if self._may_say():
            self._say(*self._refusal)
        else:
            self._is_over = True
            self.transport.close()

    def _may_say(self) -> bool:
        """Whether what is said now is read as the answer to what is being received, not to what came before."""
        serving = self._serving
        if serving is None or serving.response_complete:
            return True
        return serving is self.cycle and self._awaits == "body" and not serving.response_started

    def _tell_who_answers(self) -> None:
        """Whoever answers a request, of several on one connection perhaps not the last, hears that its client left."""
        serving = self._serving
        if serving is not None and not serving.response_complete:
            serving.disconnected = True
            serving.message_event.set()
            serving.over()

    def _await(self, part: str) -> None:
        self._awaits = part
        self._since = self.loop.time()

    def _size_of_head(self) -> int:
        return sum([len(name) + len(value) + 4 for name, value in self.headers]) + len(self.url)

    def _refuse_head(self) -> None:
        limits = self._limits
        said = f"a request's head may have {limits.max_headers} headers and {limits.max_head_bytes} bytes"
        self._refusal = (431, "request_too_large", said)

    def _look_later(self) -> None:
        shortest_us = min(self._limits.head_us, self._limits.body_us)
        self._timer = self.loop.call_later(shortest_us / 1_000_000 / _LOOKS, self._look)

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """End the connection if what it sends is not here in time."""
        self._timer = None
        if self._is_over or self.transport.is_closing():
            return
        allowed_us = self._limits.head_us if self._awaits == "head" else self._limits.body_us
        waited_us = int((self.loop.time() - self._since) * 1_000_000)
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self._awaits == "body" and self.flow.read_paused:
            self._since = self.loop.time()  # it waits for us
        elif self._awaits and waited_us > allowed_us and not (self._awaits == "head" and is_answering):
            self._give_up(allowed_us // 1_000_000)
            return
        self._look_later()

    def _give_up(self, allowed_s: int) -> None:
        """Tell who asked for something and did not go on; whoever is at work on the request hears that it is over."""
        cycle = self.cycle if self._awaits == "body" else None
        has_asked = self._awaits == "body" or self._head_bytes > 0
        is_told = has_asked and self._may_say()
        if is_told:
            self._say(408, "request_timeout", f"the request's {self._awaits} was not complete after {allowed_s} s")
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        if not is_told:
            self.transport.close()

    def _say(self, status: int, code: str, message: str) -> None:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        body = json.dumps({"error": error}, separators=(",", ":")).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._is_over = True
        self.transport.write(STATUS_LINE[status] + head + body)
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        # Closed at once, with bytes of the client still unread, the connection is reset and the answer may be lost.
        self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(_LINGER_S, self.transport.close)
