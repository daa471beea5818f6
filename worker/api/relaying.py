"""A streamed answer on its way to the client: unbuffered, cut off when the client leaves, settled at its end.

After the first byte nobody falls back: an upstream failure becomes an in-band error event and the stream ends without
[DONE], so that a truncated answer can't look complete. While the provider is silent the client gets comments, which
keep proxies from giving up and, at the edge, show whether the client is still there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import httpx

from worker.admission import Settlement
from worker.api.answers import Headers, Message, Receive, Send, send_error
from worker.api.caching import recorded_relay
from worker.api.guarding import held_back, restored_relay
from worker.errors import DeadlineExceeded, HarpoonError, UpstreamError
from worker.exchange import COUNTED, ERROR, LEFT, REPORTED, SUCCESS, TIMED_OUT, Exchange
from worker.money import usd_text
from worker.ports import Clock, Timer
from worker.services import Services
from worker.upstream.attempts import BROKEN, TIMEOUT
from worker.upstream.relay import StreamBroken
from worker.upstream.wires import StreamRelay, Wire

STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
KEEP_ALIVE = b": keep-alive\n\n"
#: An answer that has taken so many times the time planned for it when the deadline passes has stalled.
STALLED_TIMES = 4


class KeepAlive:
    """Sends a comment whenever the client has got nothing for `interval_us`; from the first one on the answer is a 200.

    `moved` is set by whoever sends; `headers` are those of an answer that begins with a comment: nobody knows then
    which route it will come from.
    """

    def __init__(self, clock: Clock, send: Send, interval_us: int, headers: Headers) -> None:
        self.moved = False
        self.begun = False
        self._clock = clock
        self._send = send
        self._interval_us = interval_us
        self._headers = headers
        self._sending: asyncio.Future[None] | None = None
        self._timer: Timer | None = clock.call_later(interval_us, self._tick) if interval_us else None

    def _tick(self) -> None:
        if self.moved:
            self.moved = False
            self._timer = self._clock.call_later(self._interval_us, self._tick)
        else:
            self._sending = asyncio.ensure_future(self._beat())

    async def _beat(self) -> None:
        await self.begin(self._headers)
        await self._send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})
        self._timer = self._clock.call_later(self._interval_us, self._tick)

    async def begin(self, headers: Headers) -> None:
        """Begin the answer with these headers, unless it has begun."""
        if not self.begun:
            self.begun = True
            await begin_stream(self._send, headers)

    async def stop(self) -> None:
        """No further comment; one that the client doesn't take is dropped."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
            if not self._sending.cancelled():
                self._sending.exception()  # the answer itself will meet what this comment met


async def begin_stream(send: Send, headers: Headers) -> None:
    """Say that the answer is a stream."""
    await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS + headers})


class Watch:
    """Notices that the client left, and breaks off whatever the request's task waits for."""

    def __init__(self, receive: Receive) -> None:
        self.left = False
        self._task = asyncio.current_task()
        self._watcher: asyncio.Future[Message] = asyncio.ensure_future(receive())
        self._watcher.add_done_callback(self._on_left)

    def _on_left(self, watcher: asyncio.Future[Message]) -> None:
        if not watcher.cancelled() and self._task is not None:
            self.left = True
            self._task.cancel()

    async def stop(self) -> None:
        """End the watch; a cancellation it has already asked for is taken back."""
        self._watcher.remove_done_callback(self._on_left)
        if not self._watcher.done():
            self._watcher.cancel()
        if self.left and self._task is not None and self._task.cancelling():
            # Before Python 3.13 a cancellation is delivered even when taken back: let it come here, where it can.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            while self._task.cancelling():
                self._task.uncancel()


class StreamWatch(Watch):
    """The watch over a streamed answer's client, whose line it keeps alive."""

    def __init__(self, receive: Receive, keep_alive: KeepAlive) -> None:
        super().__init__(receive)
        self.keep_alive = keep_alive

    async def stop(self) -> None:
        """End the watch and the comments."""
        await super().stop()
        await self.keep_alive.stop()


def first_status(problem: HarpoonError, watch: StreamWatch | None) -> str:
    """The status that a request's client was sent, if it ends with this error."""
    return "200" if watch is not None and watch.keep_alive.begun else str(problem.status)


async def end_with_error(
    send: Send, problem: HarpoonError, headers: Headers, watch: StreamWatch | None, wire: Wire
) -> None:
    """Answer with an error; a stream that has begun with comments ends with the error's event."""
    if watch is not None and watch.keep_alive.begun:
        await send({"type": "http.response.body", "body": wire.error_event(problem), "more_body": False})
    else:
        await send_error(send, problem, headers)


async def relay_stream(
    services: Services, exchange: Exchange, headers: Headers, watch: StreamWatch, send: Send
) -> None:
    """Send the open stream of `exchange` to the client, then settle it with what was reported or counted."""
    reply = exchange.reply
    assert reply is not None

    def closing(relay: StreamRelay) -> bytes:
        cost = exchange.shown_cost_usd_micros(_usage(exchange, relay)[1])
        return f": harpoon-cost-usd {usd_text(cost)}\n\n".encode()

    relay = exchange.wire.relay(exchange.request, closing, lambda: exchange.identity)
    relay = recorded_relay(services, exchange, restored_relay(relay, exchange.request))
    outcome, tail = ERROR, None
    try:
        await watch.keep_alive.begin(headers)
        outcome, tail = await _pump(services, exchange, relay, watch.keep_alive, send)
        if tail is not None:
            tail = held_back(relay) + tail
    except asyncio.CancelledError:
        if not watch.left:
            raise
        outcome = LEFT
    finally:
        await watch.stop()
        await reply.aclose()
        # A finished answer was handed over just now; the settlement is queued before the client's next request is read.
        settling = _settle(services, exchange, relay, outcome)
        await (settling if tail is None else _settle_and_end(services, settling, tail, send))


async def _settle_and_end(services: Services, settling: Coroutine[Any, Any, None], tail: bytes, send: Send) -> None:
    """End a broken answer with its last bytes, which wait a bounded time for a client that doesn't read."""
    settled = asyncio.ensure_future(settling)
    try:
        with contextlib.suppress(TimeoutError):
            async with services.clock.timeout(services.limits.last_send_us):
                await send({"type": "http.response.body", "body": tail, "more_body": False})
    finally:
        await settled


async def _pump(
    services: Services, exchange: Exchange, relay: StreamRelay, keep_alive: KeepAlive, send: Send
) -> tuple[str, bytes | None]:
    """Relay until the stream ends; returns the outcome, and the last bytes if the answer broke and needs an end."""
    reply = exchange.reply
    assert reply is not None
    assert reply.stream is not None
    is_sending = False
    try:
        async with services.clock.timeout(max(1, exchange.ends_us - services.clock.monotonic_us())):
            ready = relay.feed(reply.first)
            while not relay.done:
                if ready:
                    keep_alive.moved = is_sending = True
                    await send({"type": "http.response.body", "body": ready, "more_body": True})
                    is_sending = False
                chunk = await anext(reply.stream, None)
                ready = relay.finish() if chunk is None else relay.feed(chunk)
            await keep_alive.stop()
            await send({"type": "http.response.body", "body": ready, "more_body": False})
            return SUCCESS, None
    except TimeoutError:
        if relay.done:
            return SUCCESS, None  # all of the answer is there; the client doesn't read it
        if not is_sending:
            _blame_if_stalled(exchange, relay, services.clock.monotonic_us())
        return TIMED_OUT, exchange.wire.error_event(
            DeadlineExceeded("the deadline passed while the answer was streaming")
        )
    except httpx.TransportError as problem:
        return _cut_off(exchange, relay, problem)
    except StreamBroken as problem:
        _blame(exchange, BROKEN)
        return ERROR, problem.whole + exchange.wire.error_event(problem)


def _cut_off(exchange: Exchange, relay: StreamRelay, problem: httpx.TransportError) -> tuple[str, bytes]:
    """How a stream whose connection broke ends: whole, if nothing of the answer is missing."""
    try:
        return SUCCESS, relay.finish()
    except StreamBroken as broken:
        _blame(exchange, TIMEOUT if isinstance(problem, httpx.TimeoutException) else BROKEN)
        words = "the provider's connection broke while the answer was streaming"
        return ERROR, broken.whole + exchange.wire.error_event(UpstreamError(words))


def _blame(exchange: Exchange, cause: str) -> None:
    """An answer that broke while it was streaming is a failure of its route."""
    exchange.attempts[-1] = exchange.attempts[-1]._replace(cause=cause)


def _blame_if_stalled(exchange: Exchange, relay: StreamRelay, now_us: int) -> None:
    """So is one that took far longer than planned for what came of it: a long answer at the usual pace isn't."""
    route = exchange.route
    planned_us = route.first_token_us + route.us_per_token * relay.counted_tokens()
    began_us = exchange.started_us + exchange.first_byte_us - exchange.attempts[-1].elapsed_us
    if now_us - began_us > STALLED_TIMES * planned_us:
        _blame(exchange, TIMEOUT)


def _usage(exchange: Exchange, relay: StreamRelay) -> tuple[str, tuple[int, int]]:
    """What to charge, and how it is known. A report is final only at the end: before, it may be a running total."""
    if relay.done and relay.usage is not None:
        return REPORTED, relay.usage
    tokens_in, tokens_out = relay.usage or (0, 0)
    return COUNTED, (max(tokens_in, exchange.planned_input_tokens), max(tokens_out, relay.counted_tokens()))


async def _settle(services: Services, exchange: Exchange, relay: StreamRelay, outcome: str) -> None:
    clock = services.clock
    elapsed_us = clock.monotonic_us() - exchange.started_us
    if exchange.attempts:
        # The time to the full answer is what estimates learn from.
        first, last = exchange.first_byte_us, exchange.attempts[-1]
        whole = last.elapsed_us + elapsed_us - first
        exchange.attempts[-1] = last._replace(elapsed_us=whole)
    usage, tokens = _usage(exchange, relay)
    await settle(services, exchange, exchange.settlement(outcome, usage, tokens, clock.now_us(), elapsed_us), "200")


async def settle(services: Services, exchange: Exchange, settlement: Settlement, status: str) -> None:
    """Count what became of a request, then settle it. `status`: what the client was sent first. Raises: StateError."""
    services.metrics.ended(settlement, exchange.route, status)
    services.watch.saw(settlement.attempts, settlement.at_us)
    services.failures.saw(settlement.attempts, settlement.decision_id, settlement.at_us)
    if exchange.seen is not None:
        exchange.seen.ends(settlement, exchange.route)
    settled = await services.mediator.settle(settlement)
    services.metrics.charged(exchange.route.provider, settled.cost_usd_micros)
    if exchange.seen is not None:
        exchange.seen.cost_usd_micros = settled.cost_usd_micros
