"""The sessions' part of GET /metrics: captures, the queue and deliveries, each with its own histogram."""

from __future__ import annotations

from typing import Any, Final

from worker.exposition import Page
from worker.money import usd_text
from worker.sessions.destinations.prometheus import SessionCounters
from worker.sessions.session_figures import is_reachable
from worker.sessions.session_metrics import SessionMetrics

_STATES: Final = ("pending", "parked", "dead")
_MILLION: Final = 1_000_000


def add_sessions(page: Page, metrics: SessionMetrics, counts: dict[str, Any] | None, most_waiting: int) -> None:
    """Add the families. Args: counts: of the whole spool, as `figures_in` has them; None = it can't be read now."""
    page.family("scr_events_captured_total", "counter", "Reported sessions that were kept, by this process.")
    page.sample("scr_events_captured_total", (), str(metrics.captured_total))
    refused = "Requests to keep sessions that were refused, by the code of the error."
    page.counter("scr_captures_refused_total", refused, ("code",), _single(metrics.refused_total))
    captured = "From a request's last byte until its sessions were durable, for each session."
    page.histogram("scr_capture_latency_seconds", captured, metrics.capture)
    page.histogram("scr_queue_delay_seconds", "From there until a delivery took the session up.", metrics.queue)
    routed = "Sessions delivered by this process."
    page.counter("scr_events_routed_total", routed, ("destination",), _single(metrics.routed))
    failed = "Sessions that a destination didn't take, once for each attempt."
    page.counter("scr_routing_failures_total", failed, ("destination",), _single(metrics.failures))
    delivered = "How long the destination took, for each session delivered."
    if metrics.delivery:
        page.family("scr_delivery_latency_seconds", "histogram", delivered)
    for name, times in sorted(metrics.delivery.items()):
        page.buckets("scr_delivery_latency_seconds", times, (("destination", name),))
    if metrics.counters:
        _add_counters(page, metrics.counters)
    page.family("scr_spool_up", "gauge", "1 while the spool can be read, else 0.")
    page.sample("scr_spool_up", (), "0" if counts is None else "1")
    if counts is not None:
        _add_counts(page, counts, most_waiting)


def _add_counts(page: Page, counts: dict[str, Any], most_waiting: int) -> None:
    page.family("scr_spool_events", "gauge", "Sessions in the spool by destination and what they are there.")
    for one in counts["destinations"]:
        for state in _STATES:
            page.sample("scr_spool_events", (("destination", one["name"]), ("state", state)), str(one[state]))
    page.family("scr_destination_up", "gauge", "1 while a destination is on and its last delivery did not fail.")
    for one in counts["destinations"]:
        page.sample("scr_destination_up", (("destination", one["name"]),), "1" if is_reachable(one) else "0")
    page.family(
        "scr_spool_utilization_ratio", "gauge", "Sessions waiting for the slowest destination, of those that may."
    )
    page.sample("scr_spool_utilization_ratio", (), usd_text(counts["waiting"] * _MILLION // most_waiting))


def _add_counters(page: Page, found: dict[str, SessionCounters]) -> None:
    """What destinations of the type prometheus have counted."""
    sessions = [((name, *key), count) for name, one in found.items() for key, count in one.sessions.items()]
    told = "Sessions that a prometheus destination got, by type and outcome."
    page.counter("scr_sessions_total", told, ("destination", "session_type", "status"), sessions)
    tokens = [((name, *key), count) for name, one in found.items() for key, count in one.tokens.items()]
    page.counter("scr_tokens_total", "Their tokens.", ("destination", "direction", "model"), tokens)
    costs = [((name, model), cost) for name, one in found.items() for model, cost in one.cost_usd_micros.items()]
    told = "Their estimated cost in dollars, as far as it is known."
    page.counter("scr_cost_usd_total", told, ("destination", "model"), costs, micros=True)


def _single(counts: dict[str, int]) -> list[tuple[tuple[str, ...], int]]:
    return [((key,), count) for key, count in counts.items()]
