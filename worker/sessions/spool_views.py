"""What can be read of the spool: recent events, one event and where it went, and the counts."""

from __future__ import annotations

import json
from typing import Any, Final

from worker.ports import Sql, SqlRow, as_int
from worker.sessions.event import rfc3339
from worker.sessions.spool_capture import EVER, SLOT_US, waiting_in
from worker.sessions.spool_schema import MAX_DELIVERY

MAX_RECENT: Final = 200
_HOUR_US: Final = 3_600_000_000
_MINUTE_US: Final = 60_000_000
_COLUMNS: Final = "id, tenant, captured_us, source, event"
_TENANTS: Final = "SELECT tenant FROM tally WHERE slot = 0"


def recent_in(sql: Sql, tenant: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest events first, at most MAX_RECENT; `tenant` None = of all."""
    most = min(limit, MAX_RECENT)
    if tenant is None:
        rows = sql.execute(f"SELECT {_COLUMNS} FROM event ORDER BY id DESC LIMIT ?", most)
    else:
        rows = sql.execute(
            f"SELECT {_COLUMNS} FROM event WHERE tenant = ? ORDER BY id DESC LIMIT ?",
            tenant,
            most,
        )
    return [_view(row) for row in rows]


def find_in(sql: Sql, tenant: str | None, event_id: str) -> dict[str, Any] | None:
    """One event, its deliveries, the earliest first, and its place in the spool.

    `tenant` None = the newest of that id, whosever it is.
    """
    if tenant is None:
        rows = sql.execute(
            f"SELECT {_COLUMNS} FROM event WHERE tenant IN ({_TENANTS}) AND event_id = ? ORDER BY id DESC LIMIT 1",
            event_id,
        )
    else:
        rows = sql.execute(
            f"SELECT {_COLUMNS} FROM event WHERE tenant = ? AND event_id = ?",
            tenant,
            event_id,
        )
    if not rows:
        return None
    place = {"spool": sql.execute("SELECT spool FROM ledgering")[0][0], "id": rows[0][0]}
    return {**_view(rows[0]), "routed_to": _routed_to(sql, as_int(rows[0][0])), "place": place}


def figures_in(sql: Sql, tenant: str | None, now_us: int) -> dict[str, Any]:
    """The counts of a tenant, or of all.

    captured: ever, and in the last hour and minute, to ten seconds. waiting: for the slowest destination. Of each
    destination: captured since it is there, which is the sum of delivered, skipped, pending, parked and dead (the first
    three None for one tenant among several: they are not counted apart); failures in a row; when it last delivered and
    failed, when it is tried again.
    """
    captured = _captured(sql, tenant)
    is_all = tenant is None or _captured(sql, None) == captured
    whose = None if is_all else tenant
    return {
        "captured": captured,
        "captured_last_hour": _captured(sql, tenant, now_us, _HOUR_US),
        "captured_last_minute": _captured(sql, tenant, now_us, _MINUTE_US),
        "waiting": waiting_in(sql),
        "destinations": [
            _destination(sql, row, whose, captured)
            for row in sql.execute(
                "SELECT name, position, delivered, skipped, failures, retry_us, delivered_us, failed_us, reason, off,"
                " began FROM destination ORDER BY name"
            )
        ],
    }


def _view(row: SqlRow) -> dict[str, Any]:
    return {
        "event": json.loads(str(row[4])),
        "captured_at": rfc3339(as_int(row[2])),
        "source": row[3],
        "tenant": row[1],
    }


def _routed_to(sql: Sql, event: int) -> list[dict[str, str]]:
    """Where the event was delivered, and when."""
    found: list[tuple[int, str]] = []
    for (name,) in sql.execute("SELECT name FROM destination"):
        for first, at_us, skipped in sql.execute(
            "SELECT first_id, at_us, skipped FROM delivery"
            " WHERE destination = ? AND first_id > ? AND first_id <= ? AND last_id >= ?",
            name,
            event - MAX_DELIVERY,
            event,
            event,
        ):
            if event - as_int(first) not in json.loads(str(skipped)):
                found.append((as_int(at_us), str(name)))
    return [{"destination": name, "delivered_at": rfc3339(at_us)} for at_us, name in sorted(found)]


def _captured(sql: Sql, tenant: str | None, now_us: int | None = None, window_us: int = 0) -> int:
    """What was captured in the window that ends now; None = ever. A clock that was set back has no future."""
    first, last = (EVER, EVER) if now_us is None else ((now_us - window_us) // SLOT_US + 1, now_us // SLOT_US)
    whose = "" if tenant is None else " AND tenant = ?"
    rows = sql.execute(
        f"SELECT COALESCE(SUM(captured), 0) FROM tally WHERE slot BETWEEN ? AND ?{whose}",
        first,
        last,
        *(() if tenant is None else (tenant,)),
    )
    return as_int(rows[0][0])


def _destination(sql: Sql, row: SqlRow, tenant: str | None, captured: int) -> dict[str, Any]:
    name, position, delivered, skipped, failures, retry_us, delivered_us, failed_us, reason, off, began = row
    return {
        "name": name,
        "captured": captured - as_int(began) if tenant is None else None,
        "delivered": delivered if tenant is None else None,
        "skipped": skipped if tenant is None else None,
        "pending": _pending(sql, as_int(position), tenant),
        "parked": _held(sql, "parked", str(name), tenant),
        "dead": _held(sql, "dead_letter", str(name), tenant),
        "failures": failures,
        "reason": off or reason,
        "is_on": not off,
        "retry_at": rfc3339(as_int(retry_us)) if retry_us else None,
        "delivered_at": None if delivered_us is None else rfc3339(as_int(delivered_us)),
        "failed_at": None if failed_us is None else rfc3339(as_int(failed_us)),
    }


def _pending(sql: Sql, position: int, tenant: str | None) -> int:
    """The events behind the cursor, counted in the index alone."""
    whose = _TENANTS if tenant is None else "SELECT ?"
    rows = sql.execute(
        f"SELECT COUNT(*) FROM event WHERE tenant IN ({whose}) AND id > ?",
        *(() if tenant is None else (tenant,)),
        position,
    )
    return as_int(rows[0][0])


def _held(sql: Sql, table: str, destination: str, tenant: str | None) -> int:
    if tenant is None:
        rows = sql.execute(f"SELECT COUNT(*) FROM {table} WHERE destination = ?", destination)
    else:
        rows = sql.execute(
            f"SELECT COUNT(*) FROM {table} JOIN event USING (id) WHERE destination = ? AND tenant = ?",
            destination,
            tenant,
        )
    return as_int(rows[0][0])
