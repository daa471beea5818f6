"""A streamed answer on its way to the client: unbuffered, cut off when the client leaves, settled at its end.

After the first byte nobody falls back: an upstream failure becomes an in-band error event and the stream ends without
[DONE], so that a truncated answer can't look complete.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import httpx

from worker.admission import Settlement
from worker.api.answers import Headers, Message, Receive, Send
from worker.errors import DeadlineExceeded, UpstreamError
from worker.exchange import COUNTED, ERROR, LEFT, REPORTED, SUCCESS, TIMED_OUT, Exchange
from worker.money import usd_text
from worker.services import Services
from worker.upstream.relay import Relay, StreamBroken, error_event

STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


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


async def relay_stream(services: Services, exchange: Exchange, headers: Headers, watch: Watch, send: Send) -> None:
    """Send the open stream of `exchange` to the client, then settle it with what was reported or counted."""
    reply = exchange.reply
    assert reply is not None

    def closing(relay: Relay) -> bytes:
        cost = exchange.shown_cost_usd_micros(_usage(exchange, relay)[1])
        return f": harpoon-cost-usd {usd_text(cost)}\n\n".encode()

    relay = Relay(exchange.request.include_usage, closing, exchange.request.choices)
    outcome, tail = ERROR, None
    try:
        await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS + headers})
        outcome, tail = await _pump(services, exchange, relay, send)
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


async def _pump(services: Services, exchange: Exchange, relay: Relay, send: Send) -> tuple[str, bytes | None]:
    """Relay until the stream ends; returns the outcome, and the last bytes if the answer broke and needs an end."""
    reply = exchange.reply
    assert reply is not None
    assert reply.stream is not None
    left_us = exchange.facts.time_limit_us - (services.clock.monotonic_us() - exchange.started_us)
    try:
        async with services.clock.timeout(max(1, left_us)):
            ready = relay.feed(reply.first)
            while not relay.done:
                if ready:
                    await send({"type": "http.response.body", "body": ready, "more_body": True})
                chunk = await anext(reply.stream, None)
                ready = relay.finish() if chunk is None else relay.feed(chunk)
            await send({"type": "http.response.body", "body": ready, "more_body": False})
            return SUCCESS, None
    except TimeoutError:
        if relay.done:
            return SUCCESS, None  # all of the answer is there; the client doesn't read it
        return TIMED_OUT, error_event(DeadlineExceeded("the deadline passed while the answer was streaming"))
    except httpx.TransportError:
        problem = UpstreamError("the provider's connection broke while the answer was streaming")
        return ERROR, error_event(problem)
    except StreamBroken as problem:
        return ERROR, problem.whole + error_event(problem)


def _usage(exchange: Exchange, relay: Relay) -> tuple[str, tuple[int, int]]:
    """What to charge, and how it is known. A report is final only at the end: before, it may be a running total."""
    if relay.done and relay.usage is not None:
        return REPORTED, relay.usage
    tokens_in, tokens_out = relay.usage or (0, 0)
    return COUNTED, (max(tokens_in, exchange.planned_input_tokens), max(tokens_out, relay.counted_tokens()))


async def _settle(services: Services, exchange: Exchange, relay: Relay, outcome: str) -> None:
    clock = services.clock
    elapsed_us = clock.monotonic_us() - exchange.started_us
    if exchange.attempts:
        # The time to the full answer is what estimates learn from.
        first, last = exchange.first_byte_us, exchange.attempts[-1]
        whole = last.elapsed_us + elapsed_us - first
        exchange.attempts[-1] = type(last)(last.route, last.cause, last.status, whole)
    usage, tokens = _usage(exchange, relay)
    await settle(services, exchange, exchange.settlement(outcome, usage, tokens, clock.now_us(), elapsed_us), "200")


async def settle(services: Services, exchange: Exchange, settlement: Settlement, status: str) -> None:
    """Count what became of a request, then settle it. `status`: what the client was sent first. Raises: StateError."""
    services.metrics.ended(settlement, exchange.route, status)
    services.watch.saw(settlement.attempts, settlement.at_us)
    settled = await services.mediator.settle(settlement)
    services.metrics.charged(exchange.route.provider, settled.cost_usd_micros)
