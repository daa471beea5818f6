"""Completed sessions as OpenTelemetry spans over OTLP/HTTP. It needs the extra `otel`, and its OTEL_* variables.

A batch is exported as one, and counts as delivered when the collector has said yes; other spans of the gateway are sent
in the SDK's own time, and nobody waits for those.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.adapters.otel_exporter import NAME, resource_of
from gateway.otel_settings import check_packages
from worker.api.health import VERSION
from worker.genai_conventions import SCHEMA_URL, Span
from worker.sessions.destination import Failed, Fate, Outcome, Shaped, all_failed
from worker.sessions.session_span import session_span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan


class OtelSessions:
    """A `Destination`. Raises: SettingsError where the extra isn't installed."""

    def __init__(self) -> None:
        check_packages()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        self._exporter = OTLPSpanExporter()
        self._resource = resource_of(str(os.getpid()))

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        outcomes: list[Outcome] = []
        spans: list[ReadableSpan] = []
        for shaped in batch:
            try:
                spans.append(_readable(session_span(shaped), self._resource))
            except ValueError as problem:
                outcomes.append(Failed(f"no span can be made of it: {type(problem).__name__}", is_permanent=True))
            else:
                outcomes.append(Fate.DELIVERED)
        if spans and not await asyncio.to_thread(self._export, spans):
            return all_failed(batch, Failed("the collector didn't take the spans", is_down=True))
        return outcomes

    async def close(self) -> None:
        """See `Destination.close`."""
        await asyncio.to_thread(self._exporter.shutdown)

    def _export(self, spans: Sequence[ReadableSpan]) -> bool:
        from opentelemetry.sdk.trace.export import SpanExportResult

        return self._exporter.export(spans) is SpanExportResult.SUCCESS


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    """The span as the exporter takes it: it has ended already, and its ids are given."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    return ReadableSpan(
        span.name,
        SpanContext(int(span.trace_id, 16), int(span.span_id, 16), False, TraceFlags(TraceFlags.SAMPLED)),
        resource=resource,
        attributes=span.attributes,
        kind=SpanKind.CLIENT,
        instrumentation_scope=InstrumentationScope(NAME, VERSION, SCHEMA_URL),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=span.start_us * 1_000,
        end_time=span.end_us * 1_000,
    )
