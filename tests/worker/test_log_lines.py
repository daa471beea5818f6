"""A line of the log: one line whatever is in it, with what tells a request apart and no word of its texts."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.finished_kit import ANSWERED, FAILED, after_a_failure, elsewhere, finished, refused
from worker.guard.logs import RedactingFilter
from worker.log_lines import JsonFormatter, request_fields, to_json_line, to_text_line

CLEAN = RedactingFilter(["the-operators-key"]).clean


def test_a_request_tells_who_what_where_and_what_it_cost() -> None:
    told = request_fields(after_a_failure(), CLEAN)
    assert told == {
        "time": "2026-01-01T00:00:01.000000Z",
        "level": "info",
        "event": "request",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "elapsed_us": 1_000_000,
        "request_id": "req_" + "1" * 32,
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "parent_span_id": "c" * 16,
        "tenant": "acme",
        "decision_id": "dec_" + "2" * 32,
        "model": "auto",
        "complexity": "simple",
        "outcome": "success",
        "route": ANSWERED.route,
        "attempts": 2,
        "failed": [f"{FAILED.route}: status"],
        "input_tokens": 10,
        "output_tokens": 5,
        "usage": "reported",
        "cost_usd_micros": 42,
        "first_byte_us": 200_000,
    }
    assert json.loads(to_json_line(told)) == told


def test_what_has_nothing_to_say_is_left_out() -> None:
    told = request_fields(elsewhere(), CLEAN)
    assert list(told) == [
        *("time", "level", "event", "method", "path", "status", "elapsed_us"),
        *("request_id", "trace_id", "span_id", "parent_span_id"),
    ]
    told = request_fields(refused(), CLEAN)
    assert (told["error"], told["reason_codes"]) == ("budget_exceeded", ["COST_BOUND_EXCEEDED"])
    assert not {"route", "outcome", "cost_usd_micros"} & set(told)
    assert request_fields(finished(is_stream=True), CLEAN)["stream"] is True


def test_a_line_for_readers() -> None:
    line = to_text_line(request_fields(finished(), CLEAN))
    assert line.startswith("INFO request: POST /v1/chat/completions 200 1000.0 ms request_id=req_1111")
    assert " cost_usd_micros=42 " in line
    assert "reason_codes=COST_BOUND_EXCEEDED" in to_text_line(request_fields(refused(), CLEAN))


def test_nobody_is_told_who_asked_or_what() -> None:
    request = finished()
    assert request.facts is not None
    facts = request.facts._replace(user_id="jane", session_id="janes-session", key_digest="digest-of-a-key")
    told = to_json_line(request_fields(request._replace(facts=facts), CLEAN))
    assert not any(word in told for word in ("jane", "digest-of-a-key", "sha256:"))


@pytest.mark.parametrize(
    "path", ["/v1/models/jane@example.com", "/x/the-operators-key", "/x/sk-proj-abcdefghij0123456789"]
)
def test_a_path_is_redacted(path: str) -> None:
    told = to_json_line(request_fields(elsewhere(path=path), CLEAN))
    assert path.rpartition("/")[2] not in told


@given(st.text(max_size=60))
def test_a_line_is_one_line_whatever_a_path_holds(path: str) -> None:
    fields = request_fields(elsewhere(path=path), CLEAN)
    for line in (to_json_line(fields), to_text_line(fields)):
        assert len(line.splitlines()) == 1
    assert to_json_line(fields).isascii()


def test_a_path_forges_no_member_of_a_line() -> None:
    forged = "/x 200 0.1 ms tenant=acme cost_usd_micros=0"
    line = to_text_line(request_fields(elsewhere(path=forged, status=404), CLEAN))
    assert line.startswith("INFO request: GET /x%20200%200.1%20ms%20tenant=acme%20cost_usd_micros=0 404 1000.0 ms ")
    assert " tenant=" not in line


def formatted(record: logging.LogRecord) -> dict[str, str]:
    line = JsonFormatter().format(record)
    assert len(line.splitlines()) == 1
    told: dict[str, str] = json.loads(line)
    return told


def record_of(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("harpoon", logging.ERROR, "here.py", 1, message, args, None)


def test_a_record_is_one_line_of_json() -> None:
    record = record_of("%s failed\nat %d", "it", 7)
    record.created = 1_700_000_000.25
    record.request_id = "req_1"
    assert formatted(record) == {
        "time": "2023-11-14T22:13:20.250000Z",
        "level": "error",
        "event": "log",
        "logger": "harpoon",
        "message": "it failed\nat 7",
        "request_id": "req_1",
    }


def test_a_records_trace_is_in_its_line_and_redacted() -> None:
    record = record_of("it failed")
    try:
        raise ValueError("for jane@example.com")
    except ValueError:
        record.exc_info = sys.exc_info()
    bare = formatted(record)["exception"]
    assert "ValueError: for jane@example.com" in bare
    record.exc_text = None
    RedactingFilter().filter(record)
    told = formatted(record)["exception"]
    assert "ValueError: for [EMAIL]" in told
    assert "test_log_lines.py" in told
