"""What may be captured: the forms that are taken, what an event gets at capture, and what is refused on the spot."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from openai.types import CompletionUsage
from scr_sdk.errors import InvalidEvent
from scr_sdk.event import Captured, event_text

from tests.worker.sessions.session_kit import FULL, SHORT, context
from tests.worker.sessions.test_schema import GOOD
from worker.sessions.reading import parse_events

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_event_gets_an_id_and_a_time_and_is_otherwise_left_alone() -> None:
    name, text = event_text(SHORT, NOW)
    assert json.loads(text) == SHORT | {"event_id": name, "timestamp": "2026-01-01T00:00:00+00:00"}
    assert event_text(SHORT)[0] != name
    assert json.loads(event_text(FULL)[1]) == FULL


@pytest.mark.parametrize("plain", GOOD)
def test_what_the_server_takes_is_taken(plain: Any) -> None:
    if isinstance(plain["usage"].get("total_tokens"), float):
        plain = plain | {"usage": plain["usage"] | {"total_tokens": 2140}}
    name, text = event_text(plain)
    (event,) = parse_events(text.encode(), context()).events
    assert event.event_id == name


def test_the_usage_of_an_openai_answer_is_taken_as_it_is() -> None:
    usage = CompletionUsage(prompt_tokens=5, completion_tokens=6, total_tokens=11)
    _, text = event_text({"session_id": "s", "usage": usage, "start_time": NOW})
    (event,) = parse_events(text.encode(), context()).events
    assert (event.input_tokens, event.output_tokens, event.total_tokens) == (5, 6, 11)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("", None),
        ("", ["session_id"]),
        ("session_id", {"usage": {"total_tokens": 1}}),
        ("session_id", SHORT | {"session_id": ""}),
        ("session_id", SHORT | {"session_id": 7}),
        ("session.session_id", FULL | {"session": {}}),
        ("session.session_id", FULL | {"session": "s"}),
        ("usage", {"session_id": "s"}),
        ("usage", SHORT | {"usage": 3}),
        ("usage.total_tokens", SHORT | {"usage": {}}),
        ("usage.total_tokens", SHORT | {"usage": {"input_tokens": 1}}),
        ("usage.total_tokens", SHORT | {"usage": {"total_tokens": -1}}),
        ("usage.total_tokens", SHORT | {"usage": {"total_tokens": True}}),
        ("usage.total_tokens", SHORT | {"usage": {"total_tokens": float("nan")}}),
        ("usage.total_tokens", SHORT | {"usage": {"total_tokens": float("inf")}}),
        ("usage.total_tokens", SHORT | {"usage": {"total_tokens": 1.5}}),
        ("usage.total_tokens", SHORT | {"usage": {"total_tokens": 2**53}}),
        ("usage.prompt_tokens", SHORT | {"usage": {"total_tokens": 1, "prompt_tokens": "1"}}),
        ("outcome", SHORT | {"outcome": "done"}),
        ("outcome", SHORT | {"outcome": {}}),
        ("event_id", SHORT | {"event_id": None}),
        ("start_time", SHORT | {"start_time": datetime(2026, 1, 1)}),
        ("metadata.a[0]", SHORT | {"metadata": {"a": [float("inf")]}}),
        ("", SHORT | {"metadata": {"a": object()}}),
        ("", SHORT | {"metadata": {"a": "x" * 1_000_000}}),
    ],
)
def test_what_is_wrong_is_told_at_once(path: str, plain: Any) -> None:
    with pytest.raises(InvalidEvent) as refused:
        event_text(plain)
    assert refused.value.path in (path, f"{path}.total_tokens")


async def test_a_result_may_be_awaited_any_number_of_times() -> None:
    captured = Captured("evt_1")
    assert await captured is captured
    assert await captured is captured
