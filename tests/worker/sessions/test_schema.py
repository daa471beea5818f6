"""The published JSON Schemas and the reader agree on good and bad, but for what a schema can't say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.worker.decision_kit import NOW_US, settlement
from tests.worker.sessions.session_kit import FULL, SHORT, captured, changed
from tests.worker.sessions.test_reading import WRONG
from worker.sessions.completed import to_text
from worker.sessions.event import Session, session_completed
from worker.sessions.fields import FIELDS, InvalidEvent
from worker.sessions.schema import BEYOND, capture_schema, event_schema

CAPTURE, EVENT = Draft202012Validator(capture_schema()), Draft202012Validator(event_schema())
GOOD: list[Any] = [
    FULL,
    SHORT,
    changed("event_id"),
    changed("timestamp"),
    changed("session.duration_ms"),
    changed("session.duration_ms", 345_123.5),
    changed("user.tier", None),
    changed("usage.total_tokens"),
    changed("usage.total_tokens", 2140.0),
    changed("usage.estimated_cost_usd", None),
    changed("usage.estimated_cost_usd"),
    changed("usage.estimated_cost_usd", 1e-7),
    changed("outcome", "user_terminated"),
    changed("metadata", None),
    changed("metadata"),
    FULL | {"schema_version": 1},
    FULL | {"schema_version": 1.0},
    FULL | {"unknown": {"a": [1]}},
    changed("session.unknown", 1),
    {"session_id": "s", "usage": {"prompt_tokens": 1, "output_tokens": 2}},
    {"session_id": "s", "usage": {"total_tokens": 1}, "user": {"tier": "free"}},
    SHORT | {"user_id": "a", "tier": None, "start_time": "2026-01-01T00:00:00+14:00", "duration_ms": 0},
]


def is_taken(plain: object) -> bool:
    try:
        captured(plain)
    except InvalidEvent:
        return False
    return True


def is_said_by_schema(path: str, plain: object) -> bool:
    """Whether what is wrong can be seen by a schema; the rest is what BEYOND lists."""
    try:
        text = json.dumps(plain)
    except (TypeError, ValueError):
        return False
    # Python's "$" stands before a last line break too, unlike that of ECMA-262, which JSON Schema means.
    if json.loads(text) != plain or '\\n"' in text:
        return False
    if "NaN" in text or "Infinity" in text or path.startswith("metadata.") or len(text) > 100_000:
        return False
    if any(mark in text for mark in ("\\ud800", "\\udfff", "-30T", "+00:01", "59-00:01", '"client_version": "2"')):
        return False
    contradictions = {"usage.prompt_tokens", "session.duration_ms", "session.end_time", "usage.total_tokens"}
    return path not in contradictions or not all(is_fine(field.path, plain) for field in FIELDS)


def is_fine(path: str, plain: Any) -> bool:
    """Whether the field alone holds what it may."""
    group, _, name = path.rpartition(".")
    place = plain.get(group, {}) if group else plain
    found = place.get(name) if name in place else plain.get(name)
    field = next(field for field in FIELDS if field.path == path)
    return found is None or Draft202012Validator(field.kind.schema()).is_valid(found)


def test_both_are_json_schemas() -> None:
    for schema in (capture_schema(), event_schema()):
        Draft202012Validator.check_schema(schema)
        assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("plain", GOOD)
def test_both_take_what_is_good(plain: Any) -> None:
    assert is_taken(plain)
    assert CAPTURE.is_valid(plain)
    assert EVENT.is_valid(json.loads(to_text(captured(plain))))


@pytest.mark.parametrize(("path", "plain"), WRONG)
def test_both_refuse_what_is_bad(path: str, plain: Any) -> None:
    assert not is_taken(plain)
    if is_said_by_schema(path, plain):
        assert not CAPTURE.is_valid(json.loads(json.dumps(plain)))


def test_most_of_what_is_bad_can_be_seen_by_a_schema() -> None:
    seen = [plain for path, plain in WRONG if is_said_by_schema(path, plain)]
    assert len(seen) > 75
    assert len(BEYOND) == 6


def test_our_own_events_are_what_destinations_are_promised() -> None:
    _, text = session_completed(Session("acme", "", "", NOW_US), settlement(), 20)
    assert EVENT.is_valid(json.loads(text))
    assert CAPTURE.is_valid(json.loads(text))


def test_the_schema_knows_every_field() -> None:
    schema = event_schema()
    for field in FIELDS:
        place = schema["properties"][field.group] if field.group else schema
        assert field.name in place["properties"]
