"""Exports finished requests by OpenTelemetry's SDK, over OTLP/HTTP: spans and metrics, as they are worded elsewhere.

It decides nothing about names or attributes (worker/genai_conventions.py does), only how they get into the SDK: with
the ids that the request's headers have told already. It needs the extra `otel`, and imports it when it is made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gateway.adapters.request_observer import yielding
from gateway.otel_settings import OtelSettings
from worker.api.health import VERSION
from worker.genai_conventions import INSTRUMENTS, SCHEMA_URL, SERVER, Measurement, Span, measurements_of, spans_of
from worker.telemetry import Finished

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

NAME = "harpoon"
CLOSE_S = 3.0


class OtelExporter:
    """A sink of finished requests. Args: process: tells this process's metrics from those of others.

    Raises: ImportError without the extra `otel`.
    """

    def __init__(self, settings: OtelSettings, process: str) -> None:
        resource = resource_of(process)
        self._tracers = _Tracing(resource) if settings.traces else None
        self._meters = _Metering(resource) if settings.metrics else None

    def samples(self, trace_id: str, parent_is_sampled: bool | None) -> bool:
        """Whether the sampler of OTEL_TRACES_SAMPLER records a trace."""
        if self._tracers is None:
            return bool(parent_is_sampled)
        return self._tracers.samples(trace_id, parent_is_sampled)

    def __call__(self, requests: Sequence[Finished]) -> None:
        """Give these to the SDK, which sends them in its own time; in one thread at a time."""
        yielding(requests, self._export)

    def _export(self, request: Finished) -> None:
        if self._tracers is not None and request.trace.is_sampled:
            self._tracers.record(spans_of(request), request.trace.state)
        if self._meters is not None:
            self._meters.record(measurements_of(request))

    def close(self) -> None:
        """Send what is waiting and end, within CLOSE_S seconds."""
        closers = [one.close for one in (self._tracers, self._meters) if one is not None]
        threads = [threading.Thread(target=close, daemon=True) for close in closers]
        for thread in threads:
            thread.start()
        ends_s = time.monotonic() + CLOSE_S
        for thread in threads:
            thread.join(max(0.0, ends_s - time.monotonic()))


def resource_of(process: str) -> Resource:
    """Who exports; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    own = Resource({"service.name": NAME, "service.version": VERSION, "service.instance.id": process})
    return Resource.create().merge(own).merge(OTELResourceDetector().detect())


class _Tracing:
    """The SDK's tracer, made to use ids that are known already."""

    def __init__(self, resource: Resource) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import IdGenerator

        class KnownIds(IdGenerator):
            """Gives the ids it was told last."""

            trace_id = span_id = 0

            def generate_span_id(self) -> int:
                return self.span_id

            def generate_trace_id(self) -> int:
                return self.trace_id

        self._ids = KnownIds()
        self._provider: TracerProvider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(NAME, VERSION, schema_url=SCHEMA_URL)

    def samples(self, trace_id: str, parent_is_sampled: bool | None) -> bool:
        from opentelemetry.sdk.trace.sampling import Decision

        # Any span stands for the caller's: a sampler looks at its flag alone.
        parent = None if parent_is_sampled is None else _below(trace_id, "1", is_sampled=parent_is_sampled)
        found = self._provider.sampler.should_sample(parent, int(trace_id, 16), NAME)
        return found.decision is Decision.RECORD_AND_SAMPLE

    def record(self, spans: Sequence[Span], state: str) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        for span in spans:
            self._ids.trace_id, self._ids.span_id = int(span.trace_id, 16), int(span.span_id, 16)
            recorded = self._tracer.start_span(
                span.name,
                context=_parent_of(span, state),
                kind=SpanKind.SERVER if span.kind == SERVER else SpanKind.CLIENT,
                attributes=span.attributes,
                start_time=span.start_us * 1_000,
            )
            if span.error:
                recorded.set_status(Status(StatusCode.ERROR, span.error))
            recorded.end(span.end_us * 1_000)

    def close(self) -> None:
        self._provider.shutdown()


def _parent_of(span: Span, state: str) -> Context:
    """The context in which a span begins: without a parent, below the caller's span, or below the request's."""
    from opentelemetry.context import Context

    if not span.parent_id:
        return Context()
    return _below(span.trace_id, span.parent_id, is_sampled=True, state=state, is_remote=span.kind == SERVER)


def _below(trace_id: str, span_id: str, *, is_sampled: bool, state: str = "", is_remote: bool = True) -> Context:
    """The context in which a span's parent is this one."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
    from opentelemetry.trace.span import TraceState

    parent = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT),
        trace_state=TraceState.from_header([state]) if state else None,
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


class _Metering:
    """The SDK's instruments."""

    def __init__(self, resource: Resource) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._provider: MeterProvider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        meter = self._provider.get_meter(NAME, VERSION, schema_url=SCHEMA_URL)
        self._record: dict[str, Callable[..., None]] = {}
        for name, (unit, description, bounds) in INSTRUMENTS.items():
            if bounds:
                histogram = meter.create_histogram(
                    name, unit, description, explicit_bucket_boundaries_advisory=list(bounds)
                )
                self._record[name] = histogram.record
            else:
                self._record[name] = meter.create_counter(name, unit, description).add

    def record(self, measurements: Sequence[Measurement]) -> None:
        for measured in measurements:
            self._record[measured.instrument](measured.value, measured.attributes)

    def close(self) -> None:
        self._provider.shutdown()
