"""Reported events: what is taken, what becomes of the short forms, and every way to be refused, named by its path."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import NOW_US, settlement
from tests.worker.sessions.session_kit import FULL, SHORT, captured, changed, context
from worker.ledger.canonical import canonical_json
from worker.sessions.completed import to_text
from worker.sessions.event import CORRECTION_SUFFIX, Session, rfc3339, session_completed
from worker.sessions.fields import EventTooLarge, InvalidEvent
from worker.sessions.reading import MAX_METADATA_BYTES, parse_events, read_event
from worker.strict_json import parse_json


def text_of(plain: object) -> str:
    return to_text(captured(plain))


def test_a_full_event_keeps_what_it_says() -> None:
    event = captured(FULL)
    assert (event.event_id, event.session_id, event.total_tokens, event.duration_ms) == (
        "evt_1",
        "sess_7",
        2140,
        345123,
    )
    assert event.cost_usd == Decimal("0.0428")
    assert event.cost_usd_micros() == 42_800
    assert to_text(event) == (
        '{"event_id":"evt_1","event_type":"session.completed","metadata":{"client_version":"1.2",'
        '"custom_tags":["a","b"],"source_ip":"203.0.113.7"},"outcome":{"final_message":"Done.","status":"success"},'
        '"schema_version":1,"session":{"duration_ms":345123,"end_time":"2026-01-01T00:05:45.123000Z",'
        '"session_id":"sess_7","session_type":"chat","start_time":"2026-01-01T00:00:00.000000Z"},'
        '"timestamp":"2026-01-01T00:05:45.123000Z","usage":{"estimated_cost_usd":0.0428,"input_tokens":1250,'
        '"model":"gpt-4","output_tokens":890,"total_tokens":2140},'
        '"user":{"organization_id":"org_1","tier":"pro","user_id":"ada"}}'
    )


def test_the_short_form_with_a_word_for_an_outcome() -> None:
    now = rfc3339(NOW_US)
    assert json.loads(text_of(SHORT)) == {
        "event_id": f"evt_{NOW_US:014x}{1:018x}",
        "event_type": "session.completed",
        "metadata": {
            "assumed_fields": [
                "session.end_time",
                "session.session_type",
                "session.start_time",
                "user.organization_id",
                "user.user_id",
            ]
        },
        "outcome": {"status": "timeout"},
        "schema_version": 1,
        "session": {
            "duration_ms": 0,
            "end_time": now,
            "session_id": "sess_demo_0",
            "session_type": "api",
            "start_time": now,
        },
        "timestamp": now,
        "usage": {"estimated_cost_usd": None, "total_tokens": 1000},
        "user": {"organization_id": "acme", "user_id": "anonymous"},
    }


def test_the_short_form_with_an_object_for_an_outcome() -> None:
    event = captured(
        {
            "session_id": "s",
            "user_id": "ada",
            "organization_id": "org_1",
            "usage": {"input_tokens": 3, "output_tokens": 4, "model": "m"},
            "outcome": {"status": "error", "error_code": "E1"},
            "duration_ms": 2_000,
        }
    )
    assert (event.user_id, event.organization_id, event.total_tokens) == ("ada", "org_1", 7)
    assert (event.status, event.error_code) == ("error", "E1")
    assert (event.end_us, event.start_us) == (NOW_US, NOW_US - 2_000_000)


def test_what_openai_calls_usage_will_do() -> None:
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 6,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    event = captured({"session_id": "s", "usage": usage})
    assert (event.input_tokens, event.output_tokens, event.total_tokens, event.status) == (5, 6, 11, "success")
    metadata = json.loads(event.metadata)
    assert metadata["usage"] == {"prompt_tokens_details": {"cached_tokens": 2}}
    assert "outcome.status" in metadata["assumed_fields"]


def test_extra_fields_go_to_metadata_under_their_paths() -> None:
    event = captured(changed("session.mood", "good") | {"region": "eu"})
    metadata = json.loads(event.metadata)
    assert (metadata["region"], metadata["session"]) == ("eu", {"mood": "good"})
    assert metadata["client_version"] == "1.2"


def test_an_id_is_minted_only_where_there_is_none() -> None:
    shared = context()
    first, second = (read_event(SHORT, shared) for _ in range(2))
    assert first.event_id != second.event_id
    again = read_event(json.loads(to_text(first)), shared)
    assert again == first
    assert shared.ids.made == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("corrects", [None, "evt_1_1"])
def test_what_our_own_sessions_emit_is_taken(corrects: str | None) -> None:
    session = Session("acme", "chat\n7", "\u00e4da", NOW_US)
    identity, text = session_completed(session, settlement(), 1_230_000, corrects)
    (event,) = parse_events(text.encode(), context()).events
    assert event.event_id == identity
    assert identity.endswith(CORRECTION_SUFFIX) == (corrects is not None)
    assert event.cost_usd_micros() == 1_230_000
    assert to_text(event) == text  # so that it is delivered as it was settled


def test_without_fractions_the_text_is_rfc_8785() -> None:
    text = text_of(changed("usage.estimated_cost_usd", 2) | {"\U0001f600": 1, "\ufb33": 2, "z": "\u2028"})
    assert text.encode() == canonical_json(parse_json(text))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MOMENTS = st.integers(0, 4_102_444_800_000_000)


@st.composite
def full_events(draw: st.DrawFn) -> dict[str, Any]:
    start_us, length_us = draw(MOMENTS), draw(st.integers(0, 10**12))
    read, written = draw(st.integers(0, 2**40)), draw(st.integers(0, 2**40))
    names = st.text(min_size=1, max_size=5)
    return {
        "event_id": draw(st.from_regex(r"[A-Za-z0-9_:-]{1,20}", fullmatch=True)),
        "timestamp": rfc3339(draw(MOMENTS)),
        "session": {
            "session_id": draw(names),
            "session_type": draw(st.sampled_from(["chat", "api", "autonomous", "webhook", "realtime"])),
            "start_time": rfc3339(start_us),
            "end_time": rfc3339(start_us + length_us),
            "duration_ms": draw(st.sampled_from([length_us // 1_000, Decimal(length_us) / 1_000])),
        },
        "user": {"user_id": draw(names), "organization_id": draw(names)},
        "usage": {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
            "model": draw(names),
            "estimated_cost_usd": draw(st.none() | st.decimals(0, 10**6, places=draw(st.integers(0, 12)))),
        },
        "outcome": {"status": draw(st.sampled_from(["success", "error", "timeout", "user_terminated"]))},
        "metadata": draw(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3)),
    }


@given(full_events())
def test_reading_and_writing_are_inverse(plain: dict[str, Any]) -> None:
    event = captured(plain)
    text = to_text(event)
    assert parse_events(text.encode(), context()).events == (event,)
    assert text_of(json.loads(text, parse_float=Decimal)) == text


@given(st.recursive(JSON_VALUES, lambda inner: st.dictionaries(st.sampled_from([*FULL, *FULL["usage"]]), inner)))
def test_anything_is_read_or_refused(plain: Any) -> None:
    try:
        event = captured(plain)
    except InvalidEvent:
        return
    assert captured(json.loads(to_text(event), parse_float=Decimal)) == event


NAN, INFINITY = float("nan"), float("inf")
#: Path of the field that is named, and an event that is wrong there.
WRONG: list[tuple[str, object]] = [
    ("", 7),
    ("", ["session_id"]),
    ("session", {}),
    ("session", {"usage": {"total_tokens": 1}}),
    ("session", changed("session", "s")),
    ("user", changed("user", [])),
    ("usage", changed("usage", None)),
    ("outcome", changed("outcome", 3)),
    ("outcome", changed("outcome", "done", SHORT)),
    ("outcome", changed("outcome", None, SHORT)),
    ("metadata", changed("metadata", [])),
    ("schema_version", FULL | {"schema_version": 2}),
    ("schema_version", FULL | {"schema_version": 0}),
    ("schema_version", FULL | {"schema_version": "v1.2"}),
    ("schema_version", FULL | {"schema_version": True}),
    ("event_type", FULL | {"event_type": "session.started"}),
    ("event_id", FULL | {"event_id": ""}),
    ("event_id", FULL | {"event_id": "evt.1"}),
    ("event_id", FULL | {"event_id": "evt_1\n"}),
    ("event_id", FULL | {"event_id": "e" * 129}),
    ("event_id", FULL | {"event_id": 1}),
    *[
        (f"session.{name}", changed(f"session.{name}"))
        for name in ("session_id", "session_type", "start_time", "end_time")
    ],
    ("user.user_id", changed("user.user_id")),
    ("user.organization_id", changed("user.organization_id")),
    ("user.user_id", changed("user")),
    ("usage.model", changed("usage.model", "")),
    ("outcome.status", changed("outcome.status")),
    ("outcome.status", changed("outcome")),
    ("outcome.status", changed("outcome.status", "finished")),
    ("session.session_type", changed("session.session_type", "phone")),
    ("session.session_id", changed("session.session_id", "")),
    ("session.session_id", changed("session.session_id", "s" * 1_025)),
    ("session.session_id", changed("session.session_id", "\ud800")),
    ("user.tier", changed("user.tier", "gold")),
    ("session_id", FULL | {"session_id": "other"}),
    ("user_id", FULL | {"user_id": "other"}),
    ("user_id", SHORT | {"user_id": "a", "user": {"user_id": "b"}}),
    *[
        ("usage.total_tokens", changed("usage.total_tokens", value, SHORT))
        for value in (
            NAN,
            INFINITY,
            -INFINITY,
            -1,
            True,
            False,
            "1000",
            None,
            1.5,
            2**53,
            Decimal("NaN"),
            Decimal("sNaN"),
        )
    ],
    ("usage.input_tokens", changed("usage.input_tokens", -1)),
    ("usage.output_tokens", changed("usage.output_tokens", True)),
    ("usage.total_tokens", changed("usage.total_tokens", 2_141)),
    ("usage.total_tokens", changed("usage", {"model": "m", "input_tokens": 3})),
    ("usage.total_tokens", changed("usage", {"model": "m", "input_tokens": 3, "total_tokens": 2})),
    ("usage.total_tokens", changed("usage", {"model": "m", "input_tokens": 2**53 - 1, "output_tokens": 1})),
    ("usage.prompt_tokens", changed("usage.prompt_tokens", 1_250)),
    *[
        ("usage.estimated_cost_usd", changed("usage.estimated_cost_usd", value))
        for value in (
            NAN,
            INFINITY,
            -0.1,
            True,
            "0.1",
            10**10,
            Decimal("1E-30"),
            Decimal("0.12345678901234567890123456789"),
        )
    ],
    *[
        (path, changed(path, value) if path in FULL or "." in path else None)
        for path in ("timestamp", "session.start_time", "session.end_time")
        for value in (
            "yesterday",
            "2026-01-01",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.0000000000Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "\u0662026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z\n",
            1_767_225_600,
            None,
        )
    ],
    ("session.end_time", changed("session.end_time", "2025-12-31T23:59:59.999999Z")),
    ("session.duration_ms", changed("session.duration_ms", 345_125)),
    ("session.duration_ms", changed("session.duration_ms", Decimal("345121.999"))),
    ("session.duration_ms", changed("session.duration_ms", -1)),
    ("session.duration_ms", SHORT | {"duration_ms": 2**53 - 1}),
    ("session.duration_ms", SHORT | {"duration_ms": 2**53 - 1, "start_time": "2026-01-01T00:00:00Z"}),
    ("outcome.final_message", changed("outcome.final_message", "x" * 16_385)),
    ("client_version", FULL | {"client_version": "2"}),
    ("metadata.usage", changed("usage.spare", 1) | {"metadata": {"usage": 3}}),
    ("metadata.assumed_fields", SHORT | {"metadata": {"assumed_fields": []}}),
    ("metadata.a", FULL | {"metadata": {"a": NAN}}),
    ("metadata.a[1].b", FULL | {"metadata": {"a": [0, {"b": 2**53}]}}),
    ("metadata.a", FULL | {"metadata": {"a": {1, 2}}}),
    ("metadata.a", FULL | {"metadata": {"a": "\udfff"}}),
    ("metadata", FULL | {"metadata": {"\ud800": 1}}),
    ("metadata", FULL | {"metadata": {1: 1}}),
    ("metadata", FULL | {"metadata": {"a": "x" * MAX_METADATA_BYTES}}),
]


@pytest.mark.parametrize(("path", "plain"), WRONG)
def test_what_is_wrong_is_named_by_its_path(path: str, plain: object) -> None:
    with pytest.raises(InvalidEvent) as refused:
        captured(plain)
    assert refused.value.param == path
    assert refused.value.message.startswith(f"{path}: " if path else "an event must be an object")


def test_nesting_ends_somewhere() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(InvalidEvent, match="nested deeper"):
        captured(FULL | {"metadata": {"deep": deep}})


def test_metadata_that_is_too_large_is_told_apart() -> None:
    with pytest.raises(EventTooLarge) as refused:
        captured(FULL | {"metadata": {"a": "\u00e4" * (MAX_METADATA_BYTES // 2)}})
    assert (refused.value.status, refused.value.param) == (413, "metadata")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"null", 422),
        (b'{"session_id": "\xff"}', 422),
        (b'\xef\xbb\xbf{"session_id": "s"}', 422),
        (b'{"session_id": "\\ud800", "usage": {"total_tokens": 1}}', 422),
        (b'{"session_id": "s", "usage": {"total_tokens": NaN}}', 422),
        (b'{"session_id": "s", "usage": {"total_tokens": 1e999}}', 422),
        (b'{"session_id": "s", "session_id": "t", "usage": {"total_tokens": 1}}', 422),
        (b"[" * 100_000, 422),
        (b"[]", 413),
        (b"[" + b"{}," * 1_000 + b"{}]", 413),
        (b'{"session_id":"' + b"s" * 10_000_000 + b'"}', 413),
    ],
)
def test_text_that_is_no_event(body: bytes, status: int) -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse_events(body, context())
    assert refused.value.status == status


def test_a_batch_is_taken_whole_or_not_at_all() -> None:
    batch = [SHORT, FULL, changed("outcome", "error", SHORT)]
    taken = parse_events(json.dumps(batch).encode(), context())
    assert taken.is_batch
    assert [event.status for event in taken.events] == ["timeout", "success", "error"]
    batch.append(changed("usage.total_tokens", -1, SHORT))
    with pytest.raises(InvalidEvent) as refused:
        parse_events(json.dumps(batch).encode(), context())
    assert refused.value.param == "[3].usage.total_tokens"


def test_two_equal_completions_with_different_ids_are_two() -> None:
    one, other = (parse_events(json.dumps(FULL | {"event_id": name}).encode(), context()) for name in ("a", "b"))
    assert one != other


def test_times_are_told_in_utc_to_the_microsecond() -> None:
    event = captured(FULL | {"timestamp": "2026-01-01T02:00:00.123456789+02:00"})
    assert rfc3339(event.timestamp_us) == "2026-01-01T00:00:00.123456Z"


@pytest.mark.parametrize("name", ["ada-canary", "canary in a word"])
def test_a_refusal_quotes_nothing(name: str) -> None:
    for plain in (changed("user.tier", name), changed("usage.total_tokens", name), changed("timestamp", name)):
        with pytest.raises(InvalidEvent) as refused:
            captured(plain)
        assert "canary" not in str(refused.value)
