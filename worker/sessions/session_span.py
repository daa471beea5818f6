"""A completed session in OpenTelemetry's words: one span, after the GenAI conventions, with ids of its own.

Its ids are made of the event's, so that a session told twice is the same span. A session of ours that belonged to
a trace becomes part of it. No text of the session and no user is in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from worker.genai_conventions import CLIENT, Attributes, Span
from worker.sessions.destination import Shaped, delivery_id

_TRACE_ID: Final = re.compile("(?!0{32})[0-9a-f]{32}").fullmatch
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SUCCESS: Final = "success"


def session_span(shaped: Shaped) -> Span:
    """The span of one event. Raises: ValueError for a text that holds no event."""
    event = json.loads(shaped.text)
    if not isinstance(event, dict):
        raise ValueError("an event is an object")
    session, usage, outcome, metadata = (_group(event, name) for name in ("session", "usage", "outcome", "metadata"))
    digest = hashlib.sha256(f"harpoon.span.v1\0{delivery_id(shaped)}".encode()).hexdigest()
    trace_id = metadata.get("trace_id")
    model = usage.get("model")
    status = outcome.get("status")
    end_us = _time_us(session.get("end_time")) or shaped.captured_us
    start_us = _time_us(session.get("start_time")) or end_us
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "gen_ai.conversation.id": session.get("session_id"),
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "error.type": None if status in (_SUCCESS, None) else status,
        "harpoon.session.type": session.get("session_type"),
        "harpoon.session.outcome": status,
        "harpoon.session.total_tokens": usage.get("total_tokens"),
        "harpoon.event.id": shaped.event_id,
        "harpoon.tenant": shaped.tenant,
    }
    attributes: Attributes = {name: value for name, value in told.items() if type(value) in (str, int)}
    return Span(
        name=f"chat {model}" if isinstance(model, str) else "chat",
        kind=CLIENT,
        trace_id=trace_id if isinstance(trace_id, str) and _TRACE_ID(trace_id) else digest[:32],
        span_id=digest[32:48],
        parent_id="",
        start_us=start_us,
        end_us=end_us,
        error="" if status in (_SUCCESS, None) else str(status),
        attributes=attributes,
    )


def _group(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _time_us(text: object) -> int | None:
    """Microseconds since 1970; None for what a transform has put in the place of a time."""
    try:
        return (datetime.fromisoformat(str(text)) - _EPOCH) // _MICROSECOND
    except (ValueError, TypeError):
        return None
