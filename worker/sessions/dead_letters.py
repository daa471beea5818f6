"""Dead letters: what a destination refused for good, kept with the reason until somebody replays or drops it."""

from __future__ import annotations

from typing import Any

from worker.ports import Sql, as_int
from worker.sessions.cursors import NEVER_US
from worker.sessions.event import rfc3339
from worker.sessions.finishing import promote_in

#: Moved or dropped in one transaction: it holds everybody else up.
MOST_AT_ONCE = 500
_WHERE = "(? IS NULL OR d.destination = ?) AND (? IS NULL OR e.event_id = ?) AND (? IS NULL OR e.tenant = ?)"


def dead_letters_in(
    sql: Sql, destination: str | None, limit: int, event_id: str | None = None, tenant: str | None = None
) -> list[dict[str, Any]]:
    """The newest first; None = of all. Each {"destination", "event_id", "tenant", "failures", "reason", "at"}."""
    rows = sql.execute(
        "SELECT d.destination, e.event_id, e.tenant, d.failures, d.reason, d.at_us"
        f" FROM dead_letter d JOIN event e ON e.id = d.id WHERE {_WHERE}"
        " ORDER BY d.at_us DESC, d.id DESC LIMIT ?",
        *_bound(destination, event_id, tenant),
        limit,
    )
    return [
        {
            "destination": row[0],
            "event_id": row[1],
            "tenant": row[2],
            "failures": row[3],
            "reason": row[4],
            "at": rfc3339(as_int(row[5])),
        }
        for row in rows
    ]


def replay_in(
    sql: Sql, now_us: int, destination: str | None = None, event_id: str | None = None, tenant: str | None = None
) -> int:
    """Have dead letters delivered again, the oldest first, with all their attempts; how many. None = of all.

    At most MOST_AT_ONCE: call again while it says so many. Each comes before what is parked of its key.
    """
    rows = sql.execute(
        f"SELECT d.destination, d.id, e.key FROM dead_letter d JOIN event e ON e.id = d.id WHERE {_WHERE}"
        " ORDER BY d.id LIMIT ?",
        *_bound(destination, event_id, tenant),
        MOST_AT_ONCE,
    )
    for name, one, key in rows:
        sql.execute("DELETE FROM dead_letter WHERE destination = ? AND id = ?", name, one)
        sql.execute(
            "INSERT INTO parked (destination, id, key, failures, due_us, reason) VALUES (?, ?, ?, 0, ?, 'replayed')",
            name,
            one,
            key,
            NEVER_US,
        )
        promote_in(sql, str(name), str(key), now_us)
    return len(rows)


def drop_in(sql: Sql, destination: str | None = None, event_id: str | None = None, tenant: str | None = None) -> int:
    """Give dead letters up for good; they count as skipped. At most MOST_AT_ONCE: call again while it says so many."""
    rows = sql.execute(
        f"SELECT d.destination, d.id FROM dead_letter d JOIN event e ON e.id = d.id WHERE {_WHERE}"
        " ORDER BY d.id LIMIT ?",
        *_bound(destination, event_id, tenant),
        MOST_AT_ONCE,
    )
    for name, one in rows:
        sql.execute("DELETE FROM dead_letter WHERE destination = ? AND id = ?", name, one)
        sql.execute("UPDATE destination SET skipped = skipped + 1 WHERE name = ?", name)
    return len(rows)


def _bound(destination: str | None, event_id: str | None, tenant: str | None) -> tuple[str | None, ...]:
    return (destination, destination, event_id, event_id, tenant, tenant)
