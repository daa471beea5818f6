"""What leaves the spool again: by age, once it is settled at every destination; or because its tenant is erased."""

from __future__ import annotations

from typing import Final

from worker.ports import Sql, as_int
from worker.sessions.cursors import NOT_NAMED
from worker.sessions.finishing import promote_in
from worker.sessions.spool_capture import EVER, SLOT_US

#: Events dropped in one transaction: it holds everybody else up.
MOST_AT_ONCE: Final = 1_000
#: Whose the counts of an erased tenant are.
NOBODY: Final = ""
_TALLY_KEPT_US: Final = 2 * 3_600_000_000
# Whether a destination retries an event, unless it isn't configured any more, or has given it up.
_HELD: Final = (
    "EXISTS (SELECT 1 FROM destination d"
    " WHERE (d.off <> ? AND EXISTS (SELECT 1 FROM parked p WHERE p.destination = d.name AND p.id = event.id))"
    " OR EXISTS (SELECT 1 FROM dead_letter l WHERE l.destination = d.name AND l.id = event.id))"
)


def forget_in(sql: Sql, before_us: int, now_us: int) -> int:
    """Drop the oldest events, captured before `before_us`; how many. MOST_AT_ONCE: call again.

    An event stays while some destination that is configured has yet to take it up, retries it, or holds it as a dead
    letter; what was captured after one that is retried or dead does not stay for that.
    """
    rows = sql.execute(
        f"SELECT id, captured_us FROM event WHERE id < ? AND NOT {_HELD} ORDER BY id LIMIT ?",
        _first_needed(sql),
        NOT_NAMED,
        MOST_AT_ONCE,
    )
    last = dropped = seen = 0
    for event, captured_us in rows:
        seen += 1
        # The clock was ahead when that was captured: it is as old as what came after it.
        if as_int(captured_us) > now_us:
            continue
        if as_int(captured_us) >= before_us:
            break
        last, dropped = as_int(event), seen
    if dropped:
        _drop(sql, last, now_us)
    sql.execute("DELETE FROM tally WHERE slot > ? AND slot < ?", EVER, (now_us - _TALLY_KEPT_US) // SLOT_US)
    return dropped


def _drop(sql: Sql, last: int, now_us: int) -> None:
    """Drop all up to the event `last` that nobody holds."""
    # A destination that isn't configured any more does not get them, should it come back.
    sql.execute(
        "UPDATE destination SET position = ?,"
        " skipped = skipped + (SELECT COUNT(*) FROM event WHERE id > position AND id <= ?) WHERE position < ?",
        last,
        last,
        last,
    )
    sql.execute(f"DELETE FROM event WHERE id <= ? AND NOT {_HELD}", last, NOT_NAMED)
    for (name,) in sql.execute("SELECT name FROM destination WHERE off = ?", NOT_NAMED):
        gone = sql.execute(
            "DELETE FROM parked WHERE destination = ? AND id <= ?"
            " AND NOT EXISTS (SELECT 1 FROM event WHERE event.id = parked.id) RETURNING key",
            name,
            last,
        )
        sql.execute("UPDATE destination SET skipped = skipped + ? WHERE name = ?", len(gone), name)
        for key in sorted({str(row[0]) for row in gone}):
            promote_in(sql, str(name), key, now_us)
    sql.execute(
        "DELETE FROM delivery WHERE destination IN (SELECT name FROM destination) AND first_id <= ? AND last_id <= ?"
        " AND NOT EXISTS (SELECT 1 FROM event WHERE event.id BETWEEN first_id AND last_id)",
        last,
        last,
    )


def erase_in(sql: Sql, tenant: str) -> int:
    """Drop every event of a tenant and what was noted of it; how many. What is out already is the destinations'.

    For a destination that had not taken one, it counts as skipped; and the counts of the tenant as nobody's.
    """
    count = as_int(sql.execute("SELECT COUNT(*) FROM event WHERE tenant = ?", tenant)[0][0])
    of_tenant = "SELECT id FROM event WHERE tenant = ?"
    sql.execute(
        "UPDATE destination SET skipped = skipped"
        f" + (SELECT COUNT(*) FROM event WHERE tenant = ? AND id > position)"
        f" + (SELECT COUNT(*) FROM parked WHERE destination = name AND id IN ({of_tenant}))"
        f" + (SELECT COUNT(*) FROM dead_letter WHERE destination = name AND id IN ({of_tenant}))",
        tenant,
        tenant,
        tenant,
    )
    for table in ("parked", "dead_letter"):
        sql.execute(f"DELETE FROM {table} WHERE id IN ({of_tenant})", tenant)
    sql.execute("DELETE FROM event WHERE tenant = ?", tenant)
    sql.execute(
        "INSERT INTO tally (tenant, slot, captured) SELECT ?, slot, captured FROM tally WHERE tenant = ?"
        " ON CONFLICT (tenant, slot) DO UPDATE SET captured = captured + excluded.captured",
        NOBODY,
        tenant,
    )
    sql.execute("DELETE FROM tally WHERE tenant = ?", tenant)
    return count


def _first_needed(sql: Sql) -> int:
    """The least id that some destination has yet to take up, or a tenant's ledger; beyond the last one if none has."""
    rows = sql.execute(
        "SELECT MIN(position) + 1 FROM destination WHERE off <> ? UNION ALL SELECT position + 1 FROM ledgering"
        " UNION ALL SELECT COALESCE(MAX(id), 0) + 1 FROM event",
        NOT_NAMED,
    )
    return min(as_int(row[0]) for row in rows if row[0] is not None)
