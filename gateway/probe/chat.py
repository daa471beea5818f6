"""Chat requests of a probe, each held against its limits, and a timed one read into figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.probe.endpoint import Endpoint
from gateway.probe.exchange import NOBODY, NOT_JSON, OK, TIMEOUT, Exchange
from gateway.probe.limits import LimitReached, Spending
from gateway.probe.stream import Stream, read_stream, usage_of

CHAT: Final = "/chat/completions"
#: Names of headers by which servers tell what they let a client do.
_RATE_NAMES: Final = ("x-ratelimit-", "ratelimit", "retry-after")
_MOST_HEADERS: Final = 40
#: The header in which Harpoon tells the charge of a whole answer, and the member in which some others do.
_COST_HEADER: Final = "x-harpoon-cost-usd"


@dataclass(frozen=True, slots=True)
class Timed:
    """One streamed answer in figures; times in microseconds since it was sent, `sent_us` on the monotonic clock.

    failure: why it doesn't count as an answer, "" = it does. tokens: of the answer, None = nobody told.
    """

    model: str
    sent_us: int
    first_us: int | None
    total_us: int
    pieces_us: tuple[int, ...]
    tokens: int | None
    tokens_in: int | None
    failure: str
    status: int
    retry_after: str = field(repr=False)
    is_simulated: bool
    cost_usd_micros: int

    @property
    def is_ok(self) -> bool:
        return not self.failure

    @property
    def tokens_per_s_milli(self) -> int | None:
        """Thousandths of tokens a second after the first; None where too few or at one moment."""
        if self.tokens is None or self.tokens < 2 or len(self.pieces_us) < 2:
            return None
        span_us = self.pieces_us[-1] - self.pieces_us[0]
        return (self.tokens - 1) * 1_000_000_000 // span_us if span_us else None

    @property
    def at_us(self) -> tuple[int, ...]:
        """When its pieces came, on the monotonic clock."""
        return tuple(self.sent_us + piece for piece in self.pieces_us)


@dataclass(slots=True)
class Chat:
    """Sends chat requests of one probe. sent: called after each. headers_seen: names about limits, with a value."""

    endpoint: Endpoint
    spending: Spending
    sent: Callable[[], None]
    answered: int = 0
    simulated: int = 0
    told_cost: bool = False
    headers_seen: dict[str, str] = field(default_factory=dict)
    routing_headers: dict[str, str] = field(default_factory=dict)

    async def send(self, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> Exchange:
        """POST one chat body, JSON or bytes that are meant to be refused. Raises: LimitReached."""
        exchange, _, _ = await self._send(body, headers)
        return exchange

    async def rest(self, us: int) -> None:
        """Wait so long, but no longer than the probe may last."""
        clock = self.endpoint.clock
        await clock.sleep(min(us, max(0, self.spending.ends_us - clock.monotonic_us())))

    async def get(self, path: str) -> Exchange:
        """GET of a path behind the base, within the time that is left. Raises: LimitReached."""
        return await self._hurried(self.spending.left_us(self.endpoint.clock.monotonic_us())).get(path)

    def _hurried(self, left_us: int) -> Endpoint:
        """The endpoint, waited for no longer than the probe may last."""
        endpoint = self.endpoint
        return endpoint if left_us >= endpoint.timeout_us else replace(endpoint, timeout_us=left_us)

    async def timed(self, model: str, text: str) -> tuple[Timed, Stream]:
        """One streamed answer in figures, and as it came. Raises: LimitReached."""
        body = {
            **body_of(model, text, self.spending.limits.answer_tokens),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        exchange, cost, stream = await self._send(body, None)
        usage = stream.usage or (None, None)
        timed = Timed(
            model=model,
            sent_us=exchange.sent_us,
            first_us=stream.pieces_us[0] if stream.pieces_us else None,
            total_us=exchange.end_us,
            pieces_us=stream.pieces_us,
            tokens=usage[1],
            tokens_in=usage[0],
            failure=_failure(exchange, stream),
            status=exchange.status,
            retry_after=exchange.header("retry-after")[:40],
            is_simulated=exchange.is_simulated,
            cost_usd_micros=cost,
        )
        return timed, stream

    async def _send(
        self, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None
    ) -> tuple[Exchange, int, Stream]:
        """The answer, what it is reckoned to have cost, and its stream, read once. Raises: LimitReached."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        model, most = _asked(body)
        endpoint, spending = self.endpoint, self.spending
        now_us = endpoint.clock.monotonic_us()
        held = spending.hold(model, len(data), most, now_us)
        left_us = spending.left_us(now_us)
        exchange, stream = Exchange(0), read_stream(Exchange(0))
        try:
            exchange = await self._hurried(left_us).post(CHAT, data, headers)
            stream = read_stream(exchange)
        finally:
            # What was cancelled may have been answered and billed: its worst case is kept.
            refused = exchange.status not in (0, OK) or exchange.failure == NOBODY
            cost = spending.settle(held, _usage(exchange, stream), is_free=refused or exchange.is_simulated)
        self._note(exchange)
        if exchange.failure == TIMEOUT and left_us < endpoint.timeout_us:
            raise LimitReached(f"the {spending.limits.seconds} s of --seconds are over")  # no fault of the server's
        return exchange, cost, stream

    def _note(self, exchange: Exchange) -> None:
        self.answered += exchange.status == OK
        self.simulated += exchange.status == OK and exchange.is_simulated
        for name, text in exchange.headers:
            if name.startswith(_RATE_NAMES):
                self._keep(self.headers_seen, name, text)
            elif tells_route(name):
                self._keep(self.routing_headers, name, text)
            self.told_cost = self.told_cost or name == _COST_HEADER
        value = exchange.json() if exchange.media_type == "application/json" else NOT_JSON
        if isinstance(value, dict) and isinstance(value.get("usage"), dict) and "cost" in value["usage"]:
            self.told_cost = True
        self.sent()

    def _keep(self, seen: dict[str, str], name: str, text: str) -> None:
        """Keep a header as it may be shown; a server that makes names up fills no report."""
        name = self.endpoint.shown(name, 60)
        if name in seen or len(seen) < _MOST_HEADERS:
            seen[name] = self.endpoint.shown(text, 80)


def tells_route(name: str) -> bool:
    """Whether a header's name speaks of what served the request."""
    words = set(name.split("-"))
    return bool(words & {"route", "pool", "tier", "provider", "backend", "region", "deployment"})


def body_of(model: str, text: str, answer_tokens: int) -> dict[str, Any]:
    """The plainest chat body. `max_tokens`, because more servers know it than its newer name."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": answer_tokens}


def _asked(body: Mapping[str, Any] | bytes) -> tuple[str, int]:
    """The model a body names, and the most tokens that it lets all its answers have together."""
    if isinstance(body, bytes):
        return "", 0
    most = body.get("max_tokens", body.get("max_completion_tokens", 0))
    return str(body.get("model", "")), most * int(body.get("n", 1)) if isinstance(most, int) else 0


def _usage(exchange: Exchange, stream: Stream) -> tuple[int, int] | None:
    if exchange.status != OK:
        return None
    if exchange.media_type == "text/event-stream":
        return stream.usage
    return usage_of(exchange.json())


def _failure(exchange: Exchange, stream: Stream) -> str:
    """Why a streamed answer is none."""
    if not exchange.is_ok:
        return exchange.outcome()
    if stream.error:
        return "error within the stream"
    if not stream.chunks:
        return "no event stream"
    return "" if stream.pieces_us else "no text"
