"""Completed sessions as counters of this process, read with the others at GET /metrics.

What comes twice counts once, as far back as `_REMEMBERED` events. A model is a label, but only the first MAX_MODELS
that are seen: whoever reports sessions must not be able to make a page without end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from worker.sessions.destination import Fate, Outcome, Shaped, delivery_id

MAX_MODELS: Final = 100
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
_REMEMBERED: Final = 20_000
_STATUSES: Final = frozenset({"success", "error", "timeout", "user_terminated"})
_TYPES: Final = frozenset({"chat", "api", "autonomous", "webhook", "realtime"})


class SessionCounters:
    """A `Destination` that counts. What routes took out of an event counts as unknown, or not at all."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], int] = {}
        self.tokens: dict[tuple[str, str], int] = {}
        self.cost_usd_micros: dict[str, int] = {}
        self._models: set[str] = set()
        self._seen: dict[str, None] = {}

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        for shaped in batch:
            identity = delivery_id(shaped)
            if identity not in self._seen:
                if len(self._seen) >= _REMEMBERED:
                    self._seen.pop(next(iter(self._seen)))
                self._seen[identity] = None
                self._count(json.loads(shaped.text, parse_float=Decimal))
        return [Fate.DELIVERED] * len(batch)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _count(self, event: dict[str, Any]) -> None:
        usage, outcome, session = (_group(event, name) for name in ("usage", "outcome", "session"))
        status, kind = outcome.get("status"), session.get("session_type")
        key = (kind if kind in _TYPES else UNKNOWN, status if status in _STATUSES else UNKNOWN)
        self.sessions[key] = self.sessions.get(key, 0) + 1
        model = self._model(usage.get("model"))
        for direction in ("input", "output", "total"):
            count = usage.get(f"{direction}_tokens")
            if type(count) is int:
                self.tokens[direction, model] = self.tokens.get((direction, model), 0) + count
        cost = usage.get("estimated_cost_usd")
        if type(cost) is int or type(cost) is Decimal:
            self.cost_usd_micros[model] = self.cost_usd_micros.get(model, 0) + int(cost * 1_000_000)

    def _model(self, name: object) -> str:
        if not isinstance(name, str):
            return UNKNOWN
        if name not in self._models:
            if len(self._models) >= MAX_MODELS:
                return OTHER
            self._models.add(name)
        return name


def _group(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}
