"""Finished requests as values, for whatever is made of them."""

from __future__ import annotations

from typing import Any

from tests.worker.decision_kit import ALPHA, BETA, CATALOGUE, NOW_US, SECOND_US, facts, settlement
from worker.admission import Attempt
from worker.routing.catalogue import compile_catalogue
from worker.telemetry import Finished, Step
from worker.trace_context import Trace

TRACE, OWN, CALLER, CALL, SECOND_CALL = "a" * 32, "b" * 16, "c" * 16, "d" * 16, "e" * 16
ANSWERED = Attempt(ALPHA, "ok", 200, 800_000)
FAILED = Attempt(BETA, "status", 503, 100_000)
SILENT = Attempt(BETA, "timeout", 0, 100_000)


def finished(**changes: Any) -> Finished:
    """A chat that was answered at once, asked a second after NOW_US began."""
    routes = compile_catalogue(CATALOGUE).by_id
    usual = Finished(
        method="POST",
        path="/v1/chat/completions",
        endpoint="chat",
        request_id="req_" + "1" * 32,
        decision_id="dec_" + "2" * 32,
        status=200,
        at_us=NOW_US,
        elapsed_us=SECOND_US,
        trace=Trace(TRACE, OWN, CALLER, True, "vendor=state"),
        error="",
        reasons=(),
        facts=facts(session_id="session-1"),
        is_stream=False,
        cache="",
        route=routes[ALPHA],
        settlement=settlement(attempts=(ANSWERED,)),
        cost_usd_micros=42,
        steps=(Step(ANSWERED, CALL, NOW_US + 100_000, "alpha-served", "alpha-answered"),),
    )
    return usual._replace(**changes)


def after_a_failure(**changes: Any) -> Finished:
    """The same, answered at the second attempt."""
    steps = (
        Step(FAILED, CALL, NOW_US + 50_000, "beta-served", ""),
        Step(ANSWERED, SECOND_CALL, NOW_US + 200_000, "alpha-served", "alpha-answered"),
    )
    return finished(settlement=settlement(attempts=(FAILED, ANSWERED)), steps=steps)._replace(**changes)


def refused(**changes: Any) -> Finished:
    """A chat that no route was admitted for."""
    usual = finished(
        status=402,
        error="budget_exceeded",
        reasons=("COST_BOUND_EXCEEDED",),
        route=None,
        settlement=None,
        cost_usd_micros=None,
        steps=(),
    )
    return usual._replace(**changes)


def elsewhere(**changes: Any) -> Finished:
    """A request to no model endpoint."""
    usual = refused(
        method="GET", path="/health", endpoint="", status=200, error="", reasons=(), facts=None, decision_id=""
    )
    return usual._replace(**changes)
