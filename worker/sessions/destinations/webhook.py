"""Webhooks: each event is one POST, signed as Standard Webhooks says, plain or in a CloudEvents envelope.

2xx is the only yes, whatever becomes of the connection after it. What says that the event is not wanted (4xx) is
permanent. Redirects, 5xx, 408, 425 and 429 are tried again, after `retry-after` if that is told; and so is what says
that the address or the key is wrong (401, 403, 404, 405, 407), because that is no event's fault. 410 switches the
destination off. Keys are served side by side, the events of one key one after another.

Sources: Standard Webhooks, "Deliverability and reliability"; RFC 9110 section 10.2.3; CloudEvents HTTP binding 1.0.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from worker.ports import Clock, NotSent, NotSentInTime, Transport
from worker.sessions.cloudevents import DATA_TYPE, CloudEvent, Message, binary, structured
from worker.sessions.destination import Failed, Fate, Outcome, Shaped, delivery_id
from worker.sessions.destinations.lanes import in_lanes
from worker.sessions.shaping import timestamp_of
from worker.sessions.webhook import WebhookSecret, sign
from worker.upstream.retry import asked_wait_us

PLAIN, BINARY, STRUCTURED = "event", "cloudevents-binary", "cloudevents"
FORMATS: Final = (PLAIN, STRUCTURED, BINARY)
_USER_AGENT: Final = "harpoon-sessions"
_AGAIN: Final = frozenset({401, 403, 404, 405, 407, 408, 425, 429})
_GONE: Final = 410
_BUSY: Final = frozenset({429, 503})
_MAX_ANSWER_BYTES: Final = 64 * 1024
_DRAIN_US: Final = 1_000_000
#: Whoever asks for more patience than a day is asked again after that.
MAX_WAIT_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where to, signed by what. `timeout_us`: of one request; `budget_us`: no request of a batch begins later.

    `headers`: further ones, such as an authorization; they are in no repr.
    """

    url: str
    secrets: tuple[WebhookSecret, ...] = field(repr=False)
    format: str = PLAIN
    source: str = "harpoon"
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    timeout_us: int = 10_000_000
    budget_us: int = 20_000_000
    at_once: int = 8


class Webhook:
    """A `Destination` over the Transport port.

    Who makes it has checked its URL (worker/guard/urls.py); its transport connects to checked addresses only.
    """

    def __init__(self, settings: WebhookSettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._url = httpx.URL(settings.url)

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        settings = self._settings
        return await in_lanes(batch, self._post, self._clock, settings.at_once, settings.budget_us)

    async def close(self) -> None:
        """The transport belongs to whoever made it."""

    async def _post(self, shaped: Shaped) -> Outcome:
        settings = self._settings
        try:
            message = self._message(shaped)
            headers = {
                "user-agent": _USER_AGENT,
                **settings.headers,
                **dict(message.headers),
                **sign(settings.secrets, delivery_id(shaped), self._clock.now_us() // 1_000_000, message.body),
            }
        except ValueError as problem:
            return Failed(f"it can't be sent: {problem}", is_permanent=True)
        request = httpx.Request("POST", self._url, headers=headers, content=message.body)
        try:
            async with self._clock.timeout(settings.timeout_us):
                response = await self._transport.handle_async_request(request)
        except TimeoutError:
            return Failed(f"no answer within {settings.timeout_us // 1_000} ms")
        except (NotSent, NotSentInTime) as problem:
            return Failed(f"nobody could be connected to: {problem}", is_down=True)
        except httpx.TransportError as problem:
            return Failed(f"the connection failed: {type(problem).__name__}")
        outcome = self._judged(response)
        await self._end(response)
        return outcome

    def _message(self, shaped: Shaped) -> Message:
        settings = self._settings
        if settings.format == PLAIN:
            return Message((("content-type", DATA_TYPE),), shaped.text.encode())
        source = f"{settings.source}/{shaped.tenant}"
        event = CloudEvent(shaped.event_id, source, shaped.tenant, timestamp_of(shaped), shaped.text)
        return structured(event) if settings.format == STRUCTURED else binary(event)

    async def _end(self, response: httpx.Response) -> None:
        """Read the answer to its end, so that the connection can be used again; its status alone counts."""
        try:
            async with self._clock.timeout(_DRAIN_US):
                await _drained(response)
        except (TimeoutError, httpx.TransportError):
            pass
        finally:
            await response.aclose()

    def _judged(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        if 200 <= status < 300:
            return Fate.DELIVERED
        asked_us = asked_wait_us(response.headers.get("retry-after", ""), self._clock.now_us()) or 0
        asked_us = min(asked_us, MAX_WAIT_US)
        if status == _GONE:
            return Failed("it answered 410: it wants no more events", is_gone=True)
        if 400 <= status < 500 and status not in _AGAIN:
            return Failed(f"it answered {status}", is_permanent=True)
        return Failed(f"it answered {status}", asked_us, is_down=status in _BUSY and asked_us > 0)


async def _drained(response: httpx.Response) -> None:
    """Of a long answer only the beginning. Raises: httpx.TransportError."""
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > _MAX_ANSWER_BYTES:
            return
