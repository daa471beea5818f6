"""OpenTelemetry by its real SDK, sent to a real collector: spans with the ids that were told, metrics, resources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.adapters.otel_exporter import OtelExporter
from gateway.otel_settings import OtelSettings
from tests.otlp_collector import Collector, attributes_of
from tests.worker.decision_kit import NOW_US, SECOND_US
from tests.worker.finished_kit import CALL, CALLER, OWN, TRACE, after_a_failure, elsewhere, finished, refused
from worker.genai_conventions import INSTRUMENTS, SCHEMA_URL
from worker.trace_context import Trace

BOTH = OtelSettings(traces=True, metrics=True)
CLIENT_KIND, SERVER_KIND, ERROR_STATUS = 3, 2, 2


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        yield collector


def test_spans_arrive_with_the_ids_that_the_headers_told(collector: Collector) -> None:
    exporter = OtelExporter(BOTH, "77")
    exporter([after_a_failure(), elsewhere()])
    exporter.close()
    by_id = {span.span_id.hex(): span for span in collector.spans}
    assert len(by_id) == 3
    request, failed = by_id[OWN], by_id[CALL]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert (request.name, request.kind) == ("POST /v1/chat/completions", SERVER_KIND)
    assert (request.parent_span_id.hex(), request.trace_state) == (CALLER, "vendor=state")
    assert (failed.parent_span_id.hex(), failed.kind) == (OWN, CLIENT_KIND)
    assert (failed.status.code, failed.status.message) == (ERROR_STATUS, "503")
    assert request.start_time_unix_nano == NOW_US * 1_000
    assert request.end_time_unix_nano == (NOW_US + SECOND_US) * 1_000
    assert attributes_of(request)["harpoon.tenant"] == "acme"
    assert attributes_of(failed)["error.type"] == "503"
    assert collector.schemas == {SCHEMA_URL}


def test_a_trace_that_begins_here_has_a_root(collector: Collector) -> None:
    exporter = OtelExporter(BOTH, "77")
    exporter([refused(trace=Trace(TRACE, OWN, "", True))])
    exporter.close()
    (root,) = collector.spans
    assert (root.trace_id.hex(), root.span_id.hex(), root.parent_span_id) == (TRACE, OWN, b"")


def test_what_is_not_sampled_is_measured_and_not_sent(collector: Collector) -> None:
    exporter = OtelExporter(BOTH, "77")
    exporter([finished(trace=Trace(TRACE, OWN, CALLER, False))])
    exporter.close()
    assert collector.spans == []
    assert collector.metrics["harpoon.requests"].sum.data_points[0].as_int == 1


def test_metrics_arrive_in_the_buckets_of_the_conventions(collector: Collector) -> None:
    exporter = OtelExporter(BOTH, "77")
    exporter([finished(), finished(is_stream=True), after_a_failure(), refused()])
    exporter.close()
    assert set(collector.metrics) == set(INSTRUMENTS)
    for name, metric in collector.metrics.items():
        unit, _, bounds = INSTRUMENTS[name]
        assert metric.unit == unit
        if bounds:
            assert all(tuple(point.explicit_bounds) == bounds for point in metric.histogram.data_points)
        else:
            assert metric.sum.is_monotonic
    usage = {
        attributes_of(point)["gen_ai.token.type"]: (point.count, point.sum)
        for point in collector.metrics["gen_ai.client.token.usage"].histogram.data_points
    }
    assert usage == {"input": (3, 30), "output": (3, 15)}
    assert sum(point.as_int for point in collector.metrics["harpoon.cost"].sum.data_points) == 126


def test_the_service_is_named_and_the_operators_name_wins(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = OtelExporter(BOTH, "77")
    exporter([finished()])
    exporter.close()
    for told in collector.resources:
        assert (told["service.name"], told["service.instance.id"]) == ("harpoon", "77")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "edge-of-acme")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    exporter = OtelExporter(BOTH, "78")
    exporter([finished()])
    exporter.close()
    told = collector.resources[-1]
    assert (told["service.name"], told["deployment.environment.name"]) == ("edge-of-acme", "staging")


@pytest.mark.parametrize(("traces", "metrics"), [(True, False), (False, True)])
def test_a_signal_that_is_off_is_not_sent(collector: Collector, traces: bool, metrics: bool) -> None:
    exporter = OtelExporter(OtelSettings(traces, metrics), "77")
    exporter([finished()])
    exporter.close()
    assert {path for path, _ in collector.headers} == ({"/v1/traces"} if traces else {"/v1/metrics"})


def test_headers_and_compression_are_the_environments(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc,x-team=gpu")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    exporter = OtelExporter(BOTH, "77")
    exporter([finished()])
    exporter.close()
    for _, headers in collector.headers:
        assert (headers["authorization"], headers["x-team"]) == ("Bearer abc", "gpu")
        assert headers["content-encoding"] == "gzip"
    assert len(collector.spans) == 2


@pytest.mark.parametrize(
    ("sampler", "argument", "root", "sampled_caller", "unsampled_caller"),
    [
        ("", "", True, True, False),
        ("parentbased_always_on", "", True, True, False),
        ("parentbased_always_off", "", False, True, False),
        ("always_on", "", True, True, True),
        ("always_off", "", False, False, False),
        ("traceidratio", "0", False, False, False),
        ("parentbased_traceidratio", "0", False, True, False),
        ("parentbased_traceidratio", "1", True, True, False),
    ],
)
def test_the_sampler_is_the_environments(
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    sampler: str,
    argument: str,
    root: bool,
    sampled_caller: bool,
    unsampled_caller: bool,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler or "parentbased_always_on")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    exporter = OtelExporter(OtelSettings(traces=True, metrics=False), "77")
    found = [exporter.samples(TRACE, told) for told in (None, True, False)]
    for parent, is_sampled in zip(("", CALLER, CALLER), found, strict=True):
        exporter([refused(trace=Trace(TRACE, OWN, parent, is_sampled))])
    exporter.close()
    assert found == [root, sampled_caller, unsampled_caller]
    assert len(collector.spans) == sum(found), "what was decided first is what is recorded"


def test_without_traces_the_callers_word_is_passed_on(collector: Collector) -> None:
    exporter = OtelExporter(OtelSettings(traces=False, metrics=True), "77")
    assert [exporter.samples(TRACE, told) for told in (None, True, False)] == [False, True, False]
    exporter.close()
