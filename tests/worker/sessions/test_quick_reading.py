"""The quick reader says what the strict one says, or nothing: of good events, of bad ones, and of their spelling."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.sessions.session_kit import FULL, SHORT, changed, context
from worker.sessions.completed import to_text
from worker.sessions.fields import InvalidEvent
from worker.sessions.quick_reading import scan
from worker.sessions.reading import parse_events, parse_quickly, parse_strictly

#: Values that some field takes and another doesn't, and those that none does.
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**53 - 1, 2**53, 2**64, 0.5, -0.0, 1.0, 1e3, 1e-7, 0.1 + 0.2, "", "x", "success",
    "error", "chat", "pro", "session.completed", "2026-01-01T00:05:45.123Z", "2026-01-01T00:05:45.123456789+05:30",
    "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "2026-01-01t00:00:00z", "é", "\u0000",
    "\U0001f600", "a\"b\\c\n:{}[],", "1234567890123456", "x" * 1_024, "x" * 1_025, "y" * 16_384, "y" * 16_385, [], {},
    [1, 2], {"a": 1}, {"a": {"a": [1.5, None]}}, {"é": 1, "z": 2}, ["deep", [[[]]]],
]  # fmt: skip
PATHS = [
    "schema_version", "event_type", "event_id", "timestamp", "session", "session.session_id", "session.session_type",
    "session.start_time", "session.end_time", "session.duration_ms", "user", "user.user_id", "user.organization_id",
    "user.tier", "usage", "usage.input_tokens", "usage.output_tokens", "usage.total_tokens", "usage.model",
    "usage.estimated_cost_usd", "usage.prompt_tokens", "outcome", "outcome.status", "outcome.final_message",
    "outcome.error_code", "outcome.error_message", "outcome.more", "metadata", "metadata.custom_tags", "metadata.new",
    "extra", "session_id",
]  # fmt: skip


def agree(body: bytes) -> bool:
    """Whether the quick reader said something; it must be what the strict one says."""
    quick = parse_quickly(body, context())
    try:
        strict = parse_strictly(body, context())
    except InvalidEvent:
        assert quick is None, body
        return False
    if quick is not None:
        assert quick.is_batch == strict.is_batch
        assert [to_text(one) for one in quick.events] == [to_text(one) for one in strict.events], body
        assert quick == strict
    return quick is not None


def varied(path: str, value: Any, base: dict[str, Any]) -> dict[str, Any]:
    """A copy with one value replaced; members that aren't objects are made ones."""
    event: dict[str, Any] = json.loads(json.dumps(base))
    *groups, name = path.split(".")
    place = event
    for group in groups:
        if not isinstance(place.get(group), dict):
            place[group] = {}
        place = place[group]
    place[name] = value
    return event


def test_the_usual_events_are_read_quickly() -> None:
    for event in (
        FULL,
        SHORT,
        changed("event_id"),
        changed("timestamp"),
        changed("outcome", "timeout"),
        changed("metadata"),
        changed("usage.estimated_cost_usd", None),
        changed("metadata.said", '\u00e9\u00e8 and "quoted" \\ text\n'),
        [FULL, SHORT, FULL],
    ):
        assert agree(json.dumps(event).encode()), event
        assert agree(json.dumps(event, ensure_ascii=False, indent=2).encode()), event


@pytest.mark.parametrize("path", PATHS)
def test_any_value_in_any_place_comes_out_alike(path: str) -> None:
    for base in (FULL, SHORT):
        for value in VALUES:
            event = varied(path, value, base)
            agree(json.dumps(event).encode())
            agree(json.dumps([FULL, event], ensure_ascii=False).encode())


def test_two_values_at_once_come_out_alike() -> None:
    chance = random.Random(7)
    for _ in range(4_000):
        event = FULL
        for _ in range(2):
            event = varied(chance.choice(PATHS), chance.choice(VALUES), event)
        agree(json.dumps(event).encode())


SPELLINGS = [
    b"",
    b" ",
    b"{}",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"[1]",
    b"[[]]",
    b"{} {}",
    b"[{}",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"NaN",
    b'{"a": 1, "a": 2}',
    b'{"usage": {"total_tokens": 1, "total_tokens": 1}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1}, "session_id": "s", "metadata": {"a": 1, "a" : 2}}',
    b'{"usage": {"total_tokens": 1}, "session_id": "s", "metadata": {"a": {"b": 1, "b": 2}}}',
    b'{"usage": {"total_tokens": 1}, "session_id": "s\\":\\"", "metadata": {"a": 1, "a": 2}}',
    b'{"usage": {"total_tokens": 1}, "session_id": "s\\\\", "metadata": {"a": 1, "a": 2}}',
    b'{"usage": {"total_tokens": 1}, "session_id": "s", "session_id": "s"}',
    b'{"usage": {"total_tokens": 01}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1.}, "session_id": "s"}',
    b'{"usage": {"total_tokens": -0}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1e0}, "session_id": "s"}',
    b'{"usage": {"total_tokens": Infinity}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1e999999999999}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1, "estimated_cost_usd": 0.10}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1, "estimated_cost_usd": 1e-30}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1, "estimated_cost_usd": 0.' + b"1" * 29 + b'}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1, "estimated_cost_usd": 0.' + b"0" * 500 + b'}, "session_id": "s"}',
    b'{"usage": {"total_tokens": ' + b"1" * 5_000 + b'}, "session_id": "s"}',
    b'{"usage": {"total_tokens": 1}, "session_id": "\\ud83d\\ude00"}',
    b'{"usage": {"total_tokens": 1}, "session_id": "\\ud83d"}',
    b'{"usage": {"total_tokens": 1}, "session_id": "\\uDE00\\ud83d"}',
    b'{"usage": {"total_tokens": 1}, "session_id": "\n"}',
    b'{"usage": {"total_tokens": 1}, "session_id": "s"},',
    b'\t{"usage": {"total_tokens": 1}, "session_id": "s"}\n\r ',
    b'\xc2\xa0{"usage": {"total_tokens": 1}, "session_id": "s"}',
    b'{"usage"\xe2\x80\xa8: {"total_tokens": 1}, "session_id": "s"}',
    b'{"usage" :{"total_tokens"\n:\t1}, "session_id"  :  "s"}',
    b'{"usage": {"total_tokens": 1,}, "session_id": "s"}',
]


@pytest.mark.parametrize("body", SPELLINGS)
def test_the_spelling_of_the_json_is_judged_alike(body: bytes) -> None:
    agree(body)


def test_every_cut_of_an_event_is_judged_alike() -> None:
    for whole in (json.dumps(FULL).encode(), json.dumps([SHORT, SHORT], indent=1).encode()):
        for end in range(len(whole) + 1):
            agree(whole[:end])
            agree(whole[end:])


def test_nesting_ends_both() -> None:
    for levels in (2, 15, 16, 17, 24, 25, 31, 32, 33, 200, 100_000):
        nested = b'{"a":' * levels + b"1" + b"}" * levels
        agree(b'{"usage": {"total_tokens": 1}, "session_id": "s", "metadata": ' + nested + b"}")
        agree(b"[" * levels + b"]" * levels)
    assert scan("[" * 100_000 + "]" * 100_000) is None


TEXTS = st.text(max_size=20) | st.sampled_from(['"', "\\", ":", '\\":', "{", "}]"])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(metadata=st.dictionaries(TEXTS, PLAIN, max_size=5), is_ascii=st.booleans())
def test_metadata_of_any_kind_comes_out_alike(metadata: dict[str, Any], is_ascii: bool) -> None:
    body = json.dumps({**FULL, "metadata": metadata}, ensure_ascii=is_ascii)
    agree(body.encode("utf-8", "surrogatepass"))


def test_the_first_wrong_event_is_named_as_ever() -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse_events(json.dumps([FULL, changed("usage.total_tokens", 7)]).encode(), context())
    assert refused.value.param == "[1].usage.total_tokens"
