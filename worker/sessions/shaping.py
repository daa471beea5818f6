"""What a destination gets of an event: whether its routes send it there, and the text that is left after transforms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from worker.sessions.completed import value_text
from worker.sessions.cursors import Taken
from worker.sessions.destination import Shaped
from worker.sessions.rules import PPM, Delivery, Destination, Routes, Rule, route
from worker.sessions.transforms import transformed

#: Events whose routes are remembered, because every destination asks for the same ones at nearly the same time.
_REMEMBERED: Final = 2_048


def everything_to(names: tuple[str, ...]) -> Routes:
    """Routes without a file: every event to each of these, as it is."""
    return Routes({name: Destination(name, name) for name in names}, (Rule("everything", (), names),), {})


class Shaper:
    """Applies routes. An event that was routed is remembered for the other destinations."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        #: Whether a decision needs more of an event than its id.
        self._reads = any(rule.match for rule in routes.rules)
        self._decided: dict[int, dict[str, Delivery]] = {}
        #: What is decided for every event alike, where it is.
        self._always = None
        if not self._reads and all(rule.sample_ppm == PPM for rule in routes.rules):
            self._always = {one.destination: one for one in route(routes, {"event_id": ""})}

    def shape(self, name: str, taken: Taken) -> Shaped | None:
        """The event as the destination gets it, None = it doesn't. Raises: ValueError for a text that can't be read."""
        decided = self._decide(taken) if self._always is None else self._always
        delivery = decided.get(name)
        if delivery is None:
            return None
        timestamp, text = "", taken.text
        if delivery.transforms:
            event = parsed(taken.text)
            timestamp = str(event.get("timestamp", ""))
            text = value_text(transformed(event, delivery.transforms), "event")
        return Shaped(
            *(taken.event_id, taken.tenant, taken.key, taken.captured_us, timestamp, text), delivery.retention_days
        )

    def _decide(self, taken: Taken) -> dict[str, Delivery]:
        decided = self._decided.get(taken.id)
        if decided is None:
            event = parsed(taken.text) if self._reads else {"event_id": taken.event_id}
            decided = {one.destination: one for one in route(self._routes, event)}
            if len(self._decided) >= _REMEMBERED:
                self._decided.pop(next(iter(self._decided)))
            self._decided[taken.id] = decided
        return decided


def parsed(text: str) -> Mapping[str, Any]:
    """An event's text as plain values, its amounts exact. Raises: ValueError."""
    event = json.loads(text, parse_float=Decimal)
    if not isinstance(event, dict):
        raise ValueError("an event is an object")
    return event


def timestamp_of(shaped: Shaped) -> str:
    """When the session ended, RFC 3339, whatever was taken out of the text."""
    return shaped.timestamp or str(json.loads(shaped.text)["timestamp"])
