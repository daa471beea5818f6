"""What the edge can deliver to: webhooks over `fetch`, the log, and a queue that is bound to the Worker.

A destination that can't be had here is not left out: its events wait, and it says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

import js
from pyodide.ffi import JsException, to_js

from worker.edge.bindings import raw_environment, read_variable
from worker.edge.fetch_transport import FetchTransport
from worker.errors import SettingsError
from worker.ports import Clock
from worker.sessions.cloudevents import CloudEvent, structured_text
from worker.sessions.destination import Destination, Failed, Fate, Outcome, Shaped, all_failed
from worker.sessions.destination_options import LOG, QUEUE, WEBHOOK, OptionValue, type_of
from worker.sessions.destinations.log import LogDestination
from worker.sessions.destinations.webhook import PLAIN, Webhook, WebhookSettings
from worker.sessions.rules import Routes
from worker.sessions.rules_form import compile_routes
from worker.sessions.settings import SessionsSettings
from worker.sessions.shaping import everything_to, timestamp_of
from worker.sessions.webhook import WebhookSecret

QUEUE_BINDING: Final = "SESSIONS_QUEUE"
#: https://developers.cloudflare.com/queues/platform/limits/: of a message, of a batch, and how many a batch has.
MAX_MESSAGE_BYTES: Final = 127_000
MAX_BATCH_BYTES: Final = 250_000
MAX_MESSAGES: Final = 100
Options = Mapping[str, OptionValue]


def routes_of(settings: SessionsSettings) -> Routes:
    """The routes of SCR_ROUTES_JSON; without them, everything to each of SCR_DESTINATIONS. Raises: SettingsError."""
    if not settings.routes_json:
        return everything_to(settings.destinations)
    try:
        plain = json.loads(settings.routes_json, parse_float=Decimal)
    except ValueError as problem:
        raise SettingsError(f"SCR_ROUTES_JSON is no JSON text: {problem}", param="SCR_ROUTES_JSON") from None
    return compile_routes(plain)


class EdgeDestinations:
    """Makes destinations of their options. Args: env: where secrets and the queue are bound."""

    def __init__(self, env: Any, clock: Clock) -> None:
        self._env = env
        self._clock = clock

    def build_all(self, routes: Routes, enabled: Sequence[str] = ()) -> dict[str, Destination]:
        """The enabled ones by name; none named = all."""
        names = [name for name in routes.destinations if not enabled or name in enabled]
        return {name: self.build(name, routes.destinations[name].options) for name in names}

    def build(self, name: str, options: Options) -> Destination:
        """One destination, or what stands for it and says why it can't be had."""
        makers: dict[str, Callable[[str, Options], Destination]] = {
            WEBHOOK: self._webhook,
            LOG: lambda name, options: LogDestination(name),
            QUEUE: self._queue,
        }
        kind = type_of(name, options.get("type"))
        if kind not in makers:
            return Missing(f"a destination of type {kind} can't be had at the edge: use {', '.join(makers)}")
        try:
            return makers[kind](name, options)
        except SettingsError as problem:
            return Missing(problem.message)

    def _webhook(self, name: str, options: Options) -> Destination:
        secrets = tuple([WebhookSecret.from_text(self._secret(name, one)) for one in _names(options["secret_env"])])
        headers = {}
        if "authorization_env" in options:
            headers["authorization"] = self._secret(name, _names(options["authorization_env"])[0])
        settings = WebhookSettings(
            url=str(options["url"]),
            secrets=secrets,
            format=str(options.get("format", PLAIN)),
            headers=headers,
            timeout_us=int(cast("int", options.get("timeout_ms", 10_000))) * 1_000,
            # A Worker has six connections that wait for an answer.
            at_once=min(6, int(cast("int", options.get("at_once", 6)))),
        )
        return Webhook(settings, FetchTransport(), self._clock)

    def _queue(self, name: str, options: Options) -> Destination:
        queue = getattr(raw_environment(self._env), QUEUE_BINDING, None)
        if queue is None:
            raise SettingsError(f"the destination {name} needs a queue that is bound as {QUEUE_BINDING}")
        return QueueDestination(queue)

    def _secret(self, name: str, variable: str) -> str:
        value = read_variable(self._env, variable).strip()
        if not value:
            raise SettingsError(f"the destination {name} needs the secret {variable}", param=variable)
        return value


class Missing:
    """Stands for a `Destination` that can't be had: nothing is tried, and nothing is lost."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        return all_failed(batch, Failed(self._reason, is_down=True))

    async def close(self) -> None:
        """There is nothing to let go of."""


class QueueDestination:
    """A `Destination` that sends each event into a Cloudflare Queue, as the text of a structured CloudEvent.

    The queue keeps a message once `sendBatch` has returned. Its id is the event's; order is not kept by queues.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        texts = [_envelope(shaped) for shaped in batch]
        outcomes: list[Outcome] = []
        while len(outcomes) < len(batch):
            start = len(outcomes)
            if len(texts[start].encode()) > MAX_MESSAGE_BYTES:
                outcomes.append(Failed("it is longer than a queue takes", is_permanent=True))
                continue
            end = _end_of_batch(texts, start)
            messages = [{"body": text, "contentType": "text"} for text in texts[start:end]]
            try:
                await self._queue.sendBatch(to_js(messages, dict_converter=js.Object.fromEntries))
            except JsException as problem:
                failed = Failed(f"the queue refused it: {str(problem).partition(chr(10))[0]}", is_down=True)
                return [*outcomes, *all_failed(batch[start:], failed)]
            outcomes += [Fate.DELIVERED] * (end - start)
        return outcomes

    async def close(self) -> None:
        """The binding is the runtime's."""


def _envelope(shaped: Shaped) -> str:
    source = f"harpoon/{shaped.tenant}"
    return structured_text(CloudEvent(shaped.event_id, source, shaped.tenant, timestamp_of(shaped), shaped.text))


def _end_of_batch(texts: Sequence[str], start: int) -> int:
    """Up to which text from `start` on they fit into one batch, at least one."""
    room = MAX_BATCH_BYTES
    for end in range(start, min(len(texts), start + MAX_MESSAGES)):
        size = len(texts[end].encode())
        room -= size
        if end > start and (room < 0 or size > MAX_MESSAGE_BYTES):
            return end
    return min(len(texts), start + MAX_MESSAGES)


def _names(value: OptionValue) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)
