"""The operator's surface: health, metrics, this description, and the entrance."""

from __future__ import annotations

from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    NULLABLE_COUNT,
    STRING,
    Plain,
    answer,
    errors,
    list_of,
    one_of,
    operation,
    or_null,
    query,
    record,
    ref,
)


def paths() -> Plain:
    detailed = query("detailed", one_of("true", "false"), "true: ask every provider and the database; needs a token")
    health = operation(
        "health",
        "Whether it lives, and whether anybody behind it is known to",
        {"200": answer("The state; degraded is a 200 too.", ref("Health"), ()), **errors(400, 401, 403, 500)},
        is_open=True,
        parameters=[detailed],
    )
    text: Plain = {"type": "string", "description": "Prometheus' text format 0.0.4"}
    page: Plain = {"description": "The counts of this process.", "content": {"text/plain": {"schema": text}}}
    metrics = operation("metrics", "Counts for Prometheus", {"200": page, **errors(401, 403, 429, 500)})
    description = operation(
        "openapi", "This description", {"200": answer("OpenAPI 3.1.", ANY_OBJECT, ()), **errors(403, 500)}, is_open=True
    )
    index = operation(
        "index", "What is here", {"200": answer("It.", ref("Index"), ()), **errors(403, 500)}, is_open=True
    )
    return {
        "/health": {"get": health},
        "/metrics": {"get": metrics},
        "/openapi.json": {"get": description},
        "/": {"get": index},
    }


def schemas() -> Plain:
    plain: Plain = {
        "status": one_of("healthy", "degraded", "unhealthy"),
        "deployment_modes": list_of(STRING),
        "version": STRING,
        "host": STRING,
        "providers": {"type": "object", "additionalProperties": one_of("configured", "not configured")},
    }
    sessions: Plain = {
        "events_captured_last_minute": NULLABLE_COUNT,
        "average_latency_ms": {"type": ["number", "null"], "minimum": 0},
        "destinations_reachable": NULLABLE_COUNT,
        "routes_refused": BOOLEAN,
    }
    detailed: Plain = {
        "uptime_s": COUNT,
        "process": STRING,
        "state": record({"reachable": BOOLEAN}),
        "details": {"type": "object", "additionalProperties": ref("ProviderHealth")},
    }
    index: Plain = {
        "name": STRING,
        "version": STRING,
        "try": STRING,
        "endpoints": list_of(STRING),
        "description": STRING,
        "open_access": BOOLEAN,
    }
    return {
        "Health": record({**plain, **sessions, **detailed}, optional=[*sessions, *detailed]),
        "ProviderHealth": _provider(),
        "Index": record(index),
    }


def _provider() -> Plain:
    probe = record(
        {
            "result": one_of("reached", "key refused", "server error", "no answer"),
            "http_status": NULLABLE_COUNT,
            "at_us": COUNT,
        }
    )
    breaker = record({"breaker": one_of("closed", "half-open", "open"), "failed_in_a_row": COUNT})
    failure = record({"cause": STRING, "http_status": NULLABLE_COUNT, "at_us": COUNT})
    calls: Plain = {
        "answered": COUNT,
        "failed": COUNT,
        "failed_in_a_row": COUNT,
        "last_answer_at_us": NULLABLE_COUNT,
        "last_failure": or_null(failure),
    }
    return record(
        {
            "configured": BOOLEAN,
            "simulated": BOOLEAN,
            "status": one_of("up", "down", "unknown", "not configured"),
            "reachable": {"type": ["boolean", "null"]},
            "probe": or_null(probe),
            "calls": record(calls),
            "models": list_of(STRING),
            "not_listed": or_null(list_of(STRING)),
            "routes": {"type": "object", "additionalProperties": breaker},
        }
    )
