"""Reported events, good and bad, as JSON text; a clock that stands and ids that count."""

from __future__ import annotations

import json
from typing import Any

from tests.worker.decision_kit import NOW_US
from worker.sessions.completed import SessionCompleted
from worker.sessions.reading import CaptureContext, read_event

FULL: dict[str, Any] = {
    "event_type": "session.completed",
    "event_id": "evt_1",
    "timestamp": "2026-01-01T00:05:45.123Z",
    "session": {
        "session_id": "sess_7",
        "session_type": "chat",
        "start_time": "2026-01-01T00:00:00Z",
        "end_time": "2026-01-01T00:05:45.123Z",
        "duration_ms": 345_123,
    },
    "user": {"user_id": "ada", "organization_id": "org_1", "tier": "pro"},
    "usage": {
        "input_tokens": 1_250,
        "output_tokens": 890,
        "total_tokens": 2_140,
        "model": "gpt-4",
        "estimated_cost_usd": 0.0428,
    },
    "outcome": {"status": "success", "final_message": "Done.", "error_code": None},
    "metadata": {"client_version": "1.2", "custom_tags": ["a", "b"], "source_ip": "203.0.113.7"},
}
SHORT: dict[str, Any] = {"session_id": "sess_demo_0", "usage": {"total_tokens": 1_000}, "outcome": "timeout"}


class CountingIds:
    """`worker.ports.Ids` that anybody can guess."""

    def __init__(self) -> None:
        self.made = 0

    def new(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}_{self.made:032x}"


class StandingClock:
    """The wall time of `worker.ports.Clock`; a capture needs no other."""

    def __init__(self, now_us: int = NOW_US) -> None:
        self.at_us = now_us

    def now_us(self) -> int:
        return self.at_us


def context(tenant: str = "acme") -> CaptureContext:
    return CaptureContext(tenant, CountingIds(), StandingClock())


def captured(plain: object) -> SessionCompleted:
    return read_event(plain, context())


def changed(path: str, value: object = ..., base: dict[str, Any] = FULL) -> dict[str, Any]:
    """A copy of `base` with one field replaced, or without it."""
    event: dict[str, Any] = json.loads(json.dumps(base))
    *groups, name = path.split(".")
    place = event
    for group in groups:
        place = place[group]
    if value is ...:
        del place[name]
    else:
        place[name] = value
    return event
