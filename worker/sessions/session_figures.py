"""The figures that people and dashboards read: what the spool counted beside what this process measured."""

from __future__ import annotations

from typing import Any

from worker.sessions.session_metrics import SessionMetrics, Times, milliseconds


def brief_figures(counts: dict[str, Any], metrics: SessionMetrics) -> dict[str, Any]:
    """Args: counts: as `spool_views.figures_in` has them. Latencies are of this process, the latest 1,000 of each."""
    capture = milliseconds(metrics.capture)
    destinations = [_destination(one, metrics.delivery.get(one["name"])) for one in counts["destinations"]]
    return {
        "events_captured": counts["captured"],
        "events_captured_last_hour": counts["captured_last_hour"],
        "events_captured_last_minute": counts["captured_last_minute"],
        "average_latency_ms": capture["average_ms"],
        "capture_latency": capture,
        "queue_latency": milliseconds(metrics.queue),
        "delivery_latency": milliseconds(_together(metrics)),
        "destinations_routed": len(destinations),
        "destinations_reachable": sum(one["reachable"] for one in destinations),
        "waiting": counts["waiting"],
        "destinations": destinations,
    }


def is_reachable(destination: dict[str, Any]) -> bool:
    """Whether it is on, and did not fail last."""
    return bool(destination["is_on"]) and not destination["failures"]


def _destination(counted: dict[str, Any], times: Times | None) -> dict[str, Any]:
    return {
        **counted,
        "reachable": is_reachable(counted),
        "delivery_latency": milliseconds(times or Times()),
    }


def _together(metrics: SessionMetrics) -> Times:
    """The latest deliveries of every destination."""
    together = Times()
    for times in metrics.delivery.values():
        for duration_us in list(times.latest)[-(together.latest.maxlen or 0) // len(metrics.delivery) :]:
            together.observe(duration_us)
    return together
