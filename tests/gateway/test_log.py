"""The log of a really running server: one JSON line for each event, a line for each request if asked, no secret."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.log import RequestLog, format_for, logs_requests
from tests.otlp_collector import Collector, attributes_of
from tests.serving import Serving, serving
from tests.worker.finished_kit import finished
from worker.log_lines import JSON, TEXT
from worker.trace_context import parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
BODY = {"model": "auto", "messages": [{"role": "user", "content": "canary-in-the-prompt, jane@example.com"}]}
PATIENCE_S = 10


def ask(server: Serving, **changes: Any) -> httpx.Response:
    url = f"{server.base}/v1/chat/completions"
    return httpx.post(url, json={**BODY, **changes}, headers=CALLER, trust_env=False, timeout=PATIENCE_S)


def events(server: Serving) -> list[dict[str, Any]]:
    """The lines of the log; what greets the reader goes to standard output, and is a text."""
    return [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]


def requests_of(server: Serving, count: int) -> list[dict[str, Any]]:
    """The lines of requests to the models, once there are so many."""
    deadline = time.monotonic() + PATIENCE_S
    found: list[dict[str, Any]] = []
    while len(found) < count and time.monotonic() < deadline:
        found = [one for one in events(server) if one["event"] == "request" and one["path"].startswith("/v1/")]
        time.sleep(0.02)
    assert len(found) == count
    return found


def test_a_log_that_is_no_terminal_is_json_with_a_line_for_each_request(tmp_path: Path) -> None:
    with serving(tmp_path / "state", SERVICE_LOG_LEVEL="info") as server:
        answered, refused = ask(server), ask(server, covenant="budget $0.0000001")
        first, second = requests_of(server, 2)
        assert (first["status"], first["request_id"]) == (200, answered.headers["x-request-id"])
        assert first["decision_id"] == answered.headers["x-harpoon-decision-id"]
        assert first["route"] == answered.headers["x-harpoon-route"]
        assert (first["tenant"], first["trace_id"], first["parent_span_id"]) == ("local", TRACE, SPAN)
        told = parse_traceparent(answered.headers["traceparent"])
        assert told is not None
        assert first["span_id"] == told.span_id
        assert first["cost_usd_micros"] > 0
        assert (second["status"], second["error"]) == (402, "budget_exceeded")
        assert second["request_id"] == refused.headers["x-request-id"]
    assert any(one["event"] == "log" and "startup" in one["message"] for one in events(server))
    assert "canary" not in server.log
    assert "jane" not in server.log


def test_by_default_requests_leave_no_line(tmp_path: Path) -> None:
    with serving(tmp_path / "state") as server:
        answered = ask(server)
        assert answered.status_code == 200
    assert events(server) == []


def test_lines_can_be_asked_for_without_any_other_and_as_text(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_LOG_REQUESTS="on", SERVICE_LOG_FORMAT="text") as server:
        ask(server)
    lines = [line for line in server.log.splitlines() if " request: POST " in line]
    assert len(lines) == 1
    assert lines[0].startswith("INFO request: POST /v1/chat/completions 200 ")
    assert f" trace_id={TRACE} " in lines[0]
    assert "Application startup" not in server.log


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_LOG_REQUESTS="on", HARPOON_WORKERS="2") as server:
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
            for _ in range(40):
                client.get(f"{server.base}/v1/models")
        found = requests_of(server, 40)
    assert {one["status"] for one in found} == {200}


def test_spans_and_metrics_of_a_served_request_reach_a_collector(tmp_path: Path) -> None:
    with Collector() as collector:
        with serving(tmp_path / "state", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint) as server:
            answered = ask(server, stream=True)
            assert answered.text.endswith("data: [DONE]\n\n")
        spans = {span.name: span for span in collector.spans}
        request = spans["POST /v1/chat/completions"]
        (call,) = [span for name, span in spans.items() if name.startswith("chat ")]
        assert request.trace_id.hex() == call.trace_id.hex() == TRACE
        assert (request.parent_span_id.hex(), call.parent_span_id) == (SPAN, request.span_id)
        assert request.span_id.hex() in answered.headers["traceparent"]
        assert attributes_of(request)["harpoon.decision_id"] == answered.headers["x-harpoon-decision-id"]
        assert attributes_of(call)["gen_ai.usage.output_tokens"] > 0
        assert collector.metrics["harpoon.requests"].sum.data_points[0].as_int == 1
        assert "canary" not in "".join(map(str, collector.spans))


def test_a_collector_that_is_not_there_costs_no_answer(tmp_path: Path) -> None:
    with serving(
        tmp_path / "state",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer canary-in-a-header",
    ) as server:
        assert ask(server).status_code == 200
    assert "canary" not in server.log


def test_what_can_not_be_exported_ends_the_start_with_its_name(tmp_path: Path) -> None:
    server = Serving(tmp_path / "state", OTEL_EXPORTER_OTLP_ENDPOINT="http://x", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    try:
        assert server.process.wait(PATIENCE_S) != 0
    finally:
        server.stop()
    assert "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf" in server.log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_a_readers() -> None:
    assert (format_for("auto", Terminal()), format_for("auto", io.StringIO())) == (TEXT, JSON)
    assert (format_for("json", Terminal()), format_for("text", io.StringIO())) == (JSON, TEXT)


@pytest.mark.parametrize(
    ("wanted", "level", "found"),
    [
        ("auto", "warning", False),
        ("auto", "error", False),
        ("auto", "info", True),
        ("auto", "debug", True),
        ("on", "error", True),
        ("off", "debug", False),
    ],
)
def test_requests_are_logged_when_somebody_wants_it(wanted: str, level: str, found: bool) -> None:
    assert logs_requests(wanted, level) is found


class Pipe(io.StringIO):
    """Keeps what it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


def test_a_batch_is_written_in_pieces_that_a_pipe_takes_whole() -> None:
    pipe = Pipe()
    RequestLog(pipe, JSON)([finished()] * 64)
    assert pipe.getvalue().count("\n") == 64
    assert all(piece.endswith("\n") and len(piece) <= 4_096 for piece in pipe.pieces)
    assert len(pipe.pieces) < 32
