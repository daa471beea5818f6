"""A collector of OpenTelemetry's signals on a real socket: what it was sent over OTLP/HTTP, read by its own schema."""

from __future__ import annotations

import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE_S = 15
_REQUESTS: dict[str, Any] = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


class Collector:
    """Answers every export with `status`; keeps the headers of each, by path."""

    def __init__(self, status: int = 200) -> None:
        self.headers: list[tuple[str, dict[str, str]]] = []
        self._requests: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.headers["content-type"] == "application/x-protobuf"
                collector.headers.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                collector._requests.append(_REQUESTS[self.path].FromString(body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def spans(self) -> list[Any]:
        """Every span sent."""
        groups = [group for request in self._requests for group in getattr(request, "resource_spans", ())]
        return [span for group in groups for scope in group.scope_spans for span in scope.spans]

    @property
    def metrics(self) -> dict[str, Any]:
        """The latest of each metric, by name."""
        groups = [group for request in self._requests for group in getattr(request, "resource_metrics", ())]
        return {metric.name: metric for group in groups for scope in group.scope_metrics for metric in scope.metrics}

    @property
    def resources(self) -> list[dict[str, Any]]:
        """Who sent, once for each export."""
        groups = [
            group
            for request in self._requests
            for group in (*getattr(request, "resource_spans", ()), *getattr(request, "resource_metrics", ()))
        ]
        return [attributes_of(group.resource) for group in groups]

    @property
    def schemas(self) -> set[str]:
        """The schema URLs of what was sent."""
        groups = [group for request in self._requests for group in getattr(request, "resource_spans", ())]
        return {scope.schema_url for group in groups for scope in group.scope_spans}

    def wait_for(self, count: int) -> list[Any]:
        """The spans, once there are so many."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.spans) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.spans) >= count
        return self.spans


def attributes_of(thing: Any) -> dict[str, Any]:
    """The attributes of a span, a resource or a data point, as plain values."""
    found = {}
    for attribute in thing.attributes:
        kind = attribute.value.WhichOneof("value")
        found[attribute.key] = getattr(attribute.value, kind)
    return found
