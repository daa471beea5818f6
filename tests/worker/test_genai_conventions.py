"""What OpenTelemetry is told of a request: spans and measurements, by the names of the conventions that are pinned."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, http_attributes, url_attributes
from opentelemetry.semconv.schemas import Schemas

from tests.worker.decision_kit import ALPHA, NOW_US, SECOND_US, facts, settlement
from tests.worker.finished_kit import (
    ANSWERED,
    CALL,
    CALLER,
    OWN,
    SECOND_CALL,
    SILENT,
    TRACE,
    after_a_failure,
    elsewhere,
    finished,
    refused,
)
from worker import genai_conventions
from worker.genai_conventions import INSTRUMENTS, SCHEMA_URL, Measurement, measurements_of, spans_of
from worker.telemetry import Finished, Step

STREAMED = finished(is_stream=True)
EVERYTHING = (
    finished(),
    STREAMED,
    after_a_failure(),
    refused(),
    finished(facts=facts(choices=3, max_output_tokens=7), endpoint="embeddings"),
    finished(status=504, settlement=settlement(outcome="timeout", usage="unknown", attempts=(SILENT,))),
    refused(facts=None, status=401),
)


def constants(*modules: Any) -> set[str]:
    return {value for module in modules for value in vars(module).values() if isinstance(value, str)}


def test_every_name_is_the_conventions_or_ours() -> None:
    known = constants(gen_ai_attributes, error_attributes, http_attributes, url_attributes)
    used = {name for request in EVERYTHING for span in spans_of(request) for name in span.attributes}
    used |= {name for request in EVERYTHING for one in measurements_of(request) for name in one.attributes}
    assert len(used) > 20
    assert {name for name in used if not name.startswith("harpoon.")} <= known
    assert {name for name in INSTRUMENTS if not name.startswith("harpoon.")} <= constants(gen_ai_metrics)
    assert Schemas.V1_41_1.value == SCHEMA_URL


def test_units_and_descriptions_are_the_conventions() -> None:
    class Meter:
        def create_histogram(self, name: str, description: str, unit: str) -> tuple[str, str]:
            return name, unit

    made = [make(Meter()) for name, make in vars(gen_ai_metrics).items() if name.startswith("create_")]
    units = dict(made)
    ours = {name: instrument.unit for name, instrument in INSTRUMENTS.items() if name in units}
    assert len(ours) == 6
    assert ours.items() <= units.items()
    for instrument in INSTRUMENTS.values():
        assert list(instrument.bounds) == sorted(instrument.bounds)


def test_a_request_is_a_server_span_with_its_call_below() -> None:
    request, call = spans_of(finished())
    assert request == genai_conventions.Span(
        name="POST /v1/chat/completions",
        kind="server",
        trace_id=TRACE,
        span_id=OWN,
        parent_id=CALLER,
        start_us=NOW_US,
        end_us=NOW_US + SECOND_US,
        error="",
        attributes={
            "http.request.method": "POST",
            "http.route": "/v1/chat/completions",
            "url.path": "/v1/chat/completions",
            "http.response.status_code": 200,
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "auto",
            "gen_ai.conversation.id": "session-1",
            "harpoon.request_id": "req_" + "1" * 32,
            "harpoon.decision_id": "dec_" + "2" * 32,
            "harpoon.tenant": "acme",
            "harpoon.complexity": "simple",
            "harpoon.cost_usd_micros": 42,
            "harpoon.outcome": "success",
            "harpoon.route": ALPHA,
            "harpoon.attempts": 1,
            "harpoon.usage": "reported",
        },
    )
    assert call == genai_conventions.Span(
        name="chat alpha-served",
        kind="client",
        trace_id=TRACE,
        span_id=CALL,
        parent_id=OWN,
        start_us=NOW_US + 100_000,
        end_us=NOW_US + 900_000,
        error="",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": ALPHA.partition("/")[0],
            "gen_ai.request.model": "alpha-served",
            "gen_ai.response.model": "alpha-answered",
            "gen_ai.request.max_tokens": 10,
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "http.response.status_code": 200,
            "harpoon.route": ALPHA,
            "harpoon.attempt": 1,
        },
    )


def test_a_failed_call_says_why_and_no_tokens() -> None:
    request, failed, answered = spans_of(after_a_failure())
    assert (request.error, failed.error, answered.error) == ("", "503", "")
    assert (failed.attributes["error.type"], failed.attributes["harpoon.cause"]) == ("503", "status")
    assert "gen_ai.usage.input_tokens" not in failed.attributes
    assert (failed.span_id, answered.span_id) == (CALL, SECOND_CALL)
    assert failed.parent_id == answered.parent_id == OWN
    assert (failed.attributes["harpoon.attempt"], answered.attributes["harpoon.attempt"]) == (1, 2)


def test_tokens_are_counted_once_in_all_spans_of_a_request() -> None:
    counted = [span.attributes.get("gen_ai.usage.output_tokens") for span in spans_of(after_a_failure())]
    assert [count for count in counted if count is not None] == [5]


def test_a_stream_says_when_its_first_chunk_came() -> None:
    _, call = spans_of(STREAMED)
    assert call.attributes["gen_ai.request.stream"] is True
    assert call.attributes["gen_ai.response.time_to_first_chunk"] == 0.1, (
        "0.2 s after the request, which took 0.1 s to send"
    )
    _, plain = spans_of(finished())
    assert not {"gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"} & set(plain.attributes)


def test_choices_are_told_unless_there_is_one() -> None:
    _, call = spans_of(finished(facts=facts(choices=3, max_output_tokens=0)))
    assert call.attributes["gen_ai.request.choice.count"] == 3
    assert "gen_ai.request.max_tokens" not in call.attributes


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (finished(), ""),
        (refused(), ""),
        (refused(status=500), "500"),
        (finished(status=503, settlement=settlement(outcome="error")), "503"),
        (finished(status=200, settlement=settlement(outcome="error")), "error"),
        (finished(status=200, settlement=settlement(outcome="timeout")), "timeout"),
        (finished(status=200, settlement=settlement(outcome="user_terminated")), ""),
    ],
)
def test_only_what_is_our_fault_is_an_error_of_the_request(request_: Finished, error: str) -> None:
    span = spans_of(request_)[0]
    assert (span.error, span.attributes.get("error.type", "")) == (error, error)


def test_a_request_to_no_model_is_nobodys_business() -> None:
    assert (spans_of(elsewhere()), measurements_of(elsewhere())) == ((), ())


@pytest.mark.parametrize(
    ("endpoint", "name", "operation"),
    [
        ("chat", "POST /v1/chat/completions", "chat"),
        ("responses", "POST /v1/responses", "chat"),
        ("embeddings", "POST /v1/embeddings", "embeddings"),
    ],
)
def test_endpoints_are_operations(endpoint: str, name: str, operation: str) -> None:
    request, call = spans_of(finished(endpoint=endpoint))
    assert (request.name, call.name) == (name, f"{operation} alpha-served")


def values(request: Finished) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, value, _ in measurements_of(request):
        found.setdefault(name, []).append(value)
    return found


def test_measurements_of_an_answer() -> None:
    assert values(finished()) == {
        "harpoon.requests": [1],
        "gen_ai.client.operation.duration": [0.8],
        "gen_ai.client.token.usage": [10, 5],
        "gen_ai.server.request.duration": [1.0],
        "gen_ai.server.time_to_first_token": [0.2],
        "harpoon.cost": [42],
    }


def test_measurements_of_a_stream() -> None:
    assert values(STREAMED) == values(finished()) | {
        "gen_ai.client.operation.time_to_first_chunk": [0.1],
        "gen_ai.server.time_per_output_token": [0.2],
    }
    one_token = finished(is_stream=True, settlement=settlement(output_tokens=1, attempts=(ANSWERED,)))
    assert "gen_ai.server.time_per_output_token" not in values(one_token), "there is none after the first"


def test_measurements_of_a_refusal_name_no_provider() -> None:
    assert measurements_of(refused()) == (
        Measurement("harpoon.requests", 1, {"harpoon.outcome": "refused", "http.response.status_code": 402}),
        Measurement("gen_ai.server.request.duration", 1.0, {"gen_ai.operation.name": "chat"}),
    )


def test_every_call_is_measured_and_failures_apart() -> None:
    durations = [
        one for one in measurements_of(after_a_failure()) if one.instrument == "gen_ai.client.operation.duration"
    ]
    assert [(one.value, one.attributes.get("error.type")) for one in durations] == [(0.1, "503"), (0.8, None)]


def test_unknown_usage_is_no_usage() -> None:
    silent = settlement(outcome="timeout", usage="unknown", input_tokens=0, output_tokens=0, attempts=(SILENT,))
    request = finished(status=504, settlement=silent, steps=(Step(SILENT, CALL, NOW_US, "beta-served", ""),))
    assert "gen_ai.client.token.usage" not in values(request)
    assert "gen_ai.server.time_to_first_token" not in values(request)
    assert "gen_ai.usage.input_tokens" not in spans_of(request)[1].attributes
    assert spans_of(request)[1].error == "timeout"


def test_no_label_of_a_metric_is_an_id_or_a_tenant() -> None:
    told = {
        str(value) for request in EVERYTHING for one in measurements_of(request) for value in one.attributes.values()
    }
    assert not any(word in value for value in told for word in ("acme", "req_", "dec_", TRACE, "session"))
