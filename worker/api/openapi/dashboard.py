"""The dashboard's paths: what its page asks for, and the login."""

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
    or_null,
    query,
    record,
    ref,
)
from worker.sessions.overview import MINUTES, MOST_DEAD_LETTERS, MOST_RECENT

_PATH = "/dashboard"
_OK: Plain = {"const": True}


def _operation(name: str, summary: str, responses: Plain, *parameters: Plain, given: Plain | None = None) -> Plain:
    """An operation that the login's cookie opens; `given`: its request body."""
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"dashboard": []}],
        **({"parameters": list(parameters)} if parameters else {}),
        **({} if given is None else {"requestBody": given}),
        "responses": responses,
    }


def paths() -> Plain:
    data = _operation(
        "dashboardData",
        "Everything that the dashboard shows, of all tenants",
        {"200": answer("It.", ref("DashboardData")), **errors(400, 401, 403, 500, 501)},
    )
    event = _operation(
        "dashboardEvent",
        "One event, where it was delivered, and where it stands in the ledger",
        {"200": answer("It.", ref("DashboardEvent")), **errors(400, 401, 403, 404, 500, 501)},
        in_path("event_id", STRING, "its id"),
        query("tenant", STRING, "whose; the newest of that id if absent"),
    )
    login = _operation(
        "dashboardLogin",
        "User and password for a cookie",
        {
            "200": answer("The cookie is set.", record({"ok": _OK, "expires_in_s": COUNT})),
            **errors(400, 401, 403, 413, 429, 500),
        },
        given=body(record({"user": STRING, "password": STRING}), {"user": "ops", "password": "..."}),
    )
    logout = _operation(
        "dashboardLogout",
        "Have the browser forget the cookie",
        {"200": answer("It is forgotten.", record({"ok": _OK})), **errors(400, 401, 403, 413, 500)},
        given=body(record({}), {}),
    )
    letter: Plain = {"destination": "billing", "event_id": "evt_1", "tenant": "default"}
    replay = _operation(
        "dashboardReplay",
        "Have a dead letter delivered again",
        {
            "200": answer("How many there were.", record({"replayed": COUNT})),
            **errors(400, 401, 403, 413, 500, 501),
        },
        given=body(record(dict.fromkeys(letter, STRING)), letter),
    )
    return {
        f"{_PATH}/data": {"get": data},
        f"{_PATH}/events/{{event_id}}": {"get": event},
        f"{_PATH}/login": {"post": login},
        f"{_PATH}/logout": {"post": logout},
        f"{_PATH}/replay": {"post": replay},
    }


def schemas() -> Plain:
    line: Plain = {
        "event_id": STRING,
        "tenant": STRING,
        "source": one_of("own", "reported"),
        "captured_at": STRING,
        "session_id": STRING,
        "duration_ms": COUNT,
        "total_tokens": COUNT,
        "model": NULLABLE_STRING,
        "estimated_cost_usd": NULLABLE_STRING,
        "status": STRING,
        "is_demo": BOOLEAN,
        "delivered_after_us": {"type": "object", "additionalProperties": COUNT},
    }
    letter = dict.fromkeys(("destination", "event_id", "tenant", "reason", "at"), STRING)
    members: Plain = {
        "ts": STRING,
        "access": one_of("open", "login"),
        "host": STRING,
        "process": STRING,
        "figures": ref("SessionFigures"),
        "per_minute": list_of(COUNT, minItems=MINUTES, maxItems=MINUTES),
        "recent": list_of(record(line), maxItems=MOST_RECENT),
        "dead_letters": list_of(record({**letter, "failures": COUNT}), maxItems=MOST_DEAD_LETTERS),
    }
    event: Plain = {
        "event": ANY_OBJECT,
        "captured_at": STRING,
        "source": one_of("own", "reported"),
        "tenant": STRING,
        "routed_to": list_of(record({"destination": STRING, "delivered_at": STRING})),
        "ledger": or_null(record({"entry": NULLABLE_COUNT}, is_open=True)),
    }
    return {"DashboardData": record(members), "DashboardEvent": record(event)}
