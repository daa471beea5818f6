"""The answer cache on the chat endpoint: what is looked up, what is served in the place of an answer, what is kept.

Who may be served, and which answers lie there, is for `worker.cache.answers`, inside the mediator.
"""

from __future__ import annotations

from typing import Final

from worker.api.answers import Headers
from worker.cache.kept import MISS, WAIT, Awaited, Keep, Kept
from worker.cache.recording import RecordedRelay
from worker.errors import StateError
from worker.exchange import Exchange
from worker.metrics import BYPASS, JOINED
from worker.services import Services
from worker.upstream.wires import StreamRelay

CACHE_STATUS: Final = b"cf-aig-cache-status"
#: With the end of the line before it: a text may hold the same words, but no line feed.
_COST_COMMENT: Final = b"\n: harpoon-cost-usd "


async def find_kept(services: Services, exchange: Exchange, headers: Headers) -> Kept | None:
    """The kept answer to an admitted request, if it may be served; `headers` and the exchange are told of it.

    The answer to the same request of somebody else is waited for, but for no more than half of the time that is left:
    the other half is for asking ourselves. Raises: TimeoutError if even that can't be told in time.
    """
    admission = exchange.admission
    kept, result = admission.kept, admission.cache or BYPASS
    if result == WAIT:
        kept = await _awaited(services, exchange)
        result = MISS if kept is None else JOINED
    services.metrics.looked_up(result)
    if result != BYPASS:
        headers.append((CACHE_STATUS, b"MISS" if kept is None else b"HIT"))
    if kept is not None:
        exchange.cached = True
        exchange.route = services.catalogue.by_id[kept.route]
    return kept


async def _awaited(services: Services, exchange: Exchange) -> Kept | None:
    wish, clock = exchange.facts.cache, services.clock
    assert wish is not None
    left_us = max(1, exchange.ends_us - clock.monotonic_us())
    asked = Awaited(
        exchange.facts.tenant, wish.key, wish.ttl_us, exchange.admission.routes, clock.now_us(), left_us // 2
    )
    try:
        async with clock.timeout(left_us):
            return await services.mediator.awaited(asked)
    except StateError:
        return None  # it can still be asked for


def keep_plain(services: Services, exchange: Exchange, body: bytes) -> None:
    """Have a plain answer kept, if the cache was asked for it, nothing of it is missing, and it isn't too large."""
    wish, reply = exchange.facts.cache, exchange.reply
    assert reply is not None
    if wish is None or not exchange.admission.cache or not reply.is_whole:
        return
    if len(body) <= services.cache.max_entry_bytes:
        exchange.keep = Keep(wish.key, wish.ttl_us, body)


def recorded_relay(services: Services, exchange: Exchange, relay: StreamRelay) -> StreamRelay:
    """The relay itself, or one that has a whole stream kept."""
    wish = exchange.facts.cache
    if wish is None or not exchange.admission.cache:
        return relay

    def on_end(events: bytes) -> None:
        if exchange.wire.is_whole_stream(events, exchange.request.choices) and _is_text(events):
            exchange.keep = Keep(wish.key, wish.ttl_us, events)

    return RecordedRelay(relay, services.cache.max_entry_bytes, on_end)


def _is_text(events: bytes) -> bool:
    """Whether it is UTF-8: events are passed on unread, and what isn't text can't leave an isolate."""
    try:
        events.decode()
    except UnicodeDecodeError:
        return False
    return True


def free_of_charge(events: bytes) -> bytes:
    """A kept stream as it is sent again: its last comment on the cost says that there is none."""
    before, comment, after = events.rpartition(_COST_COMMENT)
    return before + comment + b"0" + after[after.find(b"\n") :] if comment else events


def with_told(ours: Headers, told: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Our headers and those of an AI Gateway, whose word on its cache counts: it gave the answer."""
    names = {name for name, _ in told}
    return [*(header for header in ours if header[0] not in names), *told]
