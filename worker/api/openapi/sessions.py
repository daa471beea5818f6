"""The sessions API: reporting completed sessions, and what became of them."""

from __future__ import annotations

from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    NULLABLE_COUNT,
    NULLABLE_STRING,
    STRING,
    Plain,
    answer,
    body,
    errors,
    in_path,
    list_of,
    one_of,
    operation,
    query,
    record,
    ref,
)
from worker.sessions.reading import MAX_EVENTS
from worker.sessions.schema import capture_schema, event_schema
from worker.sessions.spool_views import MAX_RECENT

_PATH = "/api/session-completion"
_MS: Plain = {"type": ["number", "null"], "minimum": 0}


def paths() -> Plain:
    example: Plain = {"session_id": "sess_demo_0", "usage": {"total_tokens": 1000}, "outcome": "timeout"}
    reported: Plain = {
        "anyOf": [
            ref("ReportedSession"),
            {"type": "array", "items": ref("ReportedSession"), "minItems": 1, "maxItems": MAX_EVENTS},
        ]
    }
    capture = operation(
        "captureSessions",
        "Report a completed session, or a list of them; they are durable when this answers",
        {
            "200": answer("They are kept.", {"anyOf": [ref("SessionKept"), ref("SessionsKept")]}),
            **errors(400, 401, 403, 409, 413, 422, 429, 500, 501, 503),
        },
        requestBody=body(reported, example),
        parameters=[query("public_key", STRING, "a key of SCR_PUBLIC_KEYS, from pages that can't set a header")],
    )
    asking = operation(
        "askToCaptureSessions",
        "What a browser asks before a page of another origin may report",
        {"204": {"description": "Headers say what may be sent."}, **errors(403, 500)},
        is_open=True,
    )
    find = operation(
        "findSession",
        "One session of yours, and where it was delivered",
        {"200": answer("The event.", ref("FoundSession")), **errors(400, 401, 403, 404, 429, 500, 501, 503)},
        parameters=[in_path("event_id", STRING, "as the capture answered it")],
    )
    recent = operation(
        "recentSessions",
        "Your latest sessions, the newest first",
        {
            "200": answer("The events.", record({"events": list_of(ref("KeptSession"))})),
            **errors(400, 401, 403, 429, 500, 501, 503),
        },
        parameters=[query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_RECENT}, "how many; 50 if absent")],
    )
    figures = operation(
        "sessionFigures",
        "How many sessions were captured and delivered, and how fast",
        {"200": answer("The figures.", ref("SessionFigures")), **errors(400, 401, 403, 429, 500, 501, 503)},
    )
    schema = operation(
        "sessionSchema",
        "The JSON Schema of a session as it is reported, or as it is delivered",
        {"200": answer("The schema.", ANY_OBJECT, ()), **errors(400, 403, 500)},
        is_open=True,
        parameters=[query("form", one_of("capture", "event"), "capture if absent")],
    )
    return {
        f"{_PATH}/events": {"post": capture, "options": asking},
        f"{_PATH}/events/{{event_id}}": {"get": find},
        f"{_PATH}/recent": {"get": recent},
        f"{_PATH}/metrics": {"get": figures},
        f"{_PATH}/schema": {"get": schema},
    }


def schemas() -> Plain:
    kept: Plain = {"ok": {"const": True}, "event_id": STRING, "ts": STRING}
    latency = record({"average_ms": _MS, "p95_ms": _MS, "p99_ms": _MS})
    return {
        "ReportedSession": _inlined(capture_schema()),
        "KeptSession": _kept({}),
        "FoundSession": _kept(
            {
                "routed_to": list_of(record({"destination": STRING, "delivered_at": STRING})),
                "ledger": {"anyOf": [_in_ledger(), {"type": "null"}]},
            }
        ),
        "SessionKept": record(kept),
        "SessionsKept": record({"ok": {"const": True}, "accepted": COUNT, "event_ids": list_of(STRING)}),
        "Latency": latency,
        "SessionFigures": record(
            {
                "ts": STRING,
                "events_captured": COUNT,
                "events_captured_last_hour": COUNT,
                "events_captured_last_minute": COUNT,
                "average_latency_ms": _MS,
                "capture_latency": ref("Latency"),
                "queue_latency": ref("Latency"),
                "delivery_latency": ref("Latency"),
                "destinations_routed": COUNT,
                "destinations_reachable": COUNT,
                "waiting": COUNT,
                "destinations": list_of(_destination()),
            }
        ),
    }


def _in_ledger() -> Plain:
    """Of our own session its entry; of a reported one the proof that it is in an entry's batch, unless erased."""
    batch: Plain = {"count": COUNT, "index": COUNT, "root": STRING}
    proof: Plain = {"salt": STRING, "path": list_of(STRING), "is_erased": {"const": True}}
    return record({"entry": COUNT, **batch, **proof}, optional=[*batch, *proof])


def _destination() -> Plain:
    return record(
        {
            "name": STRING,
            "captured": NULLABLE_COUNT,
            "delivered": NULLABLE_COUNT,
            "skipped": NULLABLE_COUNT,
            "pending": COUNT,
            "parked": COUNT,
            "dead": COUNT,
            "failures": COUNT,
            "reason": STRING,
            "is_on": BOOLEAN,
            "retry_at": NULLABLE_STRING,
            "delivered_at": NULLABLE_STRING,
            "failed_at": NULLABLE_STRING,
            "reachable": BOOLEAN,
            "delivery_latency": ref("Latency"),
        }
    )


def _kept(more: Plain) -> Plain:
    """The event's own fields with the spool's beside them."""
    schema = _inlined(event_schema())
    beside: Plain = {"captured_at": STRING, "source": one_of("own", "reported"), "tenant": STRING, **more}
    return {
        **schema,
        "properties": {**schema["properties"], **beside},
        "required": [*schema["required"], *beside],
    }


def _inlined(schema: Plain) -> Plain:
    """A schema without a name of its own, as a component."""
    return {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
