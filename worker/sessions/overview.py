"""What the dashboard shows of a spool beside its figures: events per minute, the latest sessions, dead letters."""

from __future__ import annotations

import json
from typing import Any, Final

from worker.ports import Sql, SqlRow, as_int
from worker.sessions.dead_letters import dead_letters_in
from worker.sessions.event import rfc3339
from worker.sessions.spool_capture import EVER, SLOT_US
from worker.sessions.spool_schema import MAX_DELIVERY

MINUTES: Final = 60
MOST_RECENT: Final = 50
MOST_DEAD_LETTERS: Final = 100
#: Session ids of `harpoon sessions demo`, whose events are shown as what they are.
DEMO_PREFIX: Final = "sess_demo_"
_MINUTE_US: Final = 60_000_000
_SLOTS: Final = _MINUTE_US // SLOT_US
# SQLite reads the few fields out of the texts, because those of fifty events may be large.
_FIELDS: Final = (
    "json_extract(event, '$.session.session_id'), CAST(json_extract(event, '$.session.duration_ms') AS INTEGER),"
    " json_extract(event, '$.usage.total_tokens'), json_extract(event, '$.usage.model'),"
    " CASE WHEN json_extract(event, '$.usage.estimated_cost_usd') IS NOT NULL"
    " THEN printf('%.9f', json_extract(event, '$.usage.estimated_cost_usd')) END,"
    " json_extract(event, '$.outcome.status'),"
    " COALESCE(json_extract(event, '$.metadata.demo') = 1, 0)"
)


def overview_in(sql: Sql, now_us: int) -> dict[str, Any]:
    """Of all tenants: `per_minute`, the newest minute last; `recent` sessions and `dead_letters`, the newest first."""
    return {
        "per_minute": per_minute_in(sql, now_us),
        "recent": latest_in(sql, MOST_RECENT),
        "dead_letters": dead_letters_in(sql, None, MOST_DEAD_LETTERS),
    }


def per_minute_in(sql: Sql, now_us: int) -> list[int]:
    """Events captured in each of the last MINUTES minutes of the clock; the last one is still going on."""
    first = now_us // _MINUTE_US - MINUTES + 1
    # The divisor stands in the text: bound, it is no integer to every host's SQLite, and would divide as a fraction.
    rows = sql.execute(
        f"SELECT slot / {_SLOTS}, SUM(captured) FROM tally WHERE slot > ? AND slot >= ? AND slot < ? GROUP BY 1",
        EVER,
        first * _SLOTS,
        (first + MINUTES) * _SLOTS,
    )
    counts = [0] * MINUTES
    for minute, captured in rows:
        counts[as_int(minute) - first] = as_int(captured)
    return counts


def latest_in(sql: Sql, limit: int) -> list[dict[str, Any]]:
    """A line for each of the latest events, with how many microseconds after its capture each destination had it."""
    rows = sql.execute(
        f"SELECT id, event_id, tenant, source, captured_us, {_FIELDS} FROM event ORDER BY id DESC LIMIT ?", limit
    )
    if not rows:
        return []
    delivered = _delivered(sql, as_int(rows[-1][0]), as_int(rows[0][0]))
    return [_line(row, delivered.get(as_int(row[0]), {})) for row in rows]


def _line(row: SqlRow, delivered: dict[str, int]) -> dict[str, Any]:
    captured_us = as_int(row[4])
    return {
        "event_id": row[1],
        "tenant": row[2],
        "source": row[3],
        "captured_at": rfc3339(captured_us),
        "session_id": row[5],
        "duration_ms": row[6],
        "total_tokens": row[7],
        "model": row[8],
        "estimated_cost_usd": None if row[9] is None else str(row[9]).rstrip("0").rstrip("."),
        "status": row[10],
        "is_demo": bool(row[11]) or str(row[5]).startswith(DEMO_PREFIX),
        "delivered_after_us": {name: max(0, at_us - captured_us) for name, at_us in sorted(delivered.items())},
    }


def _delivered(sql: Sql, first: int, last: int) -> dict[int, dict[str, int]]:
    """When each destination got which of the events first..last."""
    found: dict[int, dict[str, int]] = {}
    for (name,) in sql.execute("SELECT name FROM destination"):
        rows = sql.execute(
            "SELECT first_id, last_id, at_us, skipped FROM delivery"
            " WHERE destination = ? AND first_id > ? AND first_id <= ? AND last_id >= ?",
            name,
            first - MAX_DELIVERY,
            last,
            first,
        )
        for begin, end, at_us, skipped in rows:
            left_out = set(json.loads(str(skipped)))
            for one in range(max(as_int(begin), first), min(as_int(end), last) + 1):
                if one - as_int(begin) not in left_out:
                    found.setdefault(one, {})[str(name)] = as_int(at_us)
    return found
