"""What leaves the spool again: by age, once it is settled at every destination; or because its tenant is erased."""

from __future__ import annotations

from typing import Final

from worker.ports import Sql, as_int
from worker.sessions.cursors import NOT_NAMED
from worker.sessions.spool_capture import EVER, SLOT_US

#: Events dropped in one transaction: it holds everybody else up.
MOST_AT_ONCE: Final = 1_000
#: Whose the counts of an erased tenant are.
NOBODY: Final = ""
_TALLY_KEPT_US: Final = 2 * 3_600_000_000


def forget_in(sql: Sql, before_us: int, now_us: int) -> int:
    """Drop the oldest events, captured before `before_us`; how many. MOST_AT_ONCE: call again.

    An event stays while some destination has yet to take it up, retries it, or holds it as a dead letter; and so does
    everything captured after it, so that the order of ids tells the age.
    """
    kept = _first_needed(sql)
    rows = sql.execute("SELECT id, captured_us FROM event WHERE id < ? ORDER BY id LIMIT ?", kept, MOST_AT_ONCE)
    last = 0
    for event, captured_us in rows:
        if as_int(captured_us) >= before_us:
            break
        last = as_int(event)
    dropped = as_int(sql.execute("SELECT COUNT(*) FROM event WHERE id <= ?", last)[0][0]) if last else 0
    if dropped:
        # A destination that isn't configured any more does not get them, should it come back.
        sql.execute(
            "UPDATE destination SET position = ?,"
            " skipped = skipped + (SELECT COUNT(*) FROM event WHERE id > position AND id <= ?) WHERE position < ?",
            last,
            last,
            last,
        )
        sql.execute("DELETE FROM event WHERE id <= ?", last)
        sql.execute("DELETE FROM delivery WHERE last_id <= ?", last)
    sql.execute("DELETE FROM tally WHERE slot > ? AND slot < ?", EVER, (now_us - _TALLY_KEPT_US) // SLOT_US)
    return dropped


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
    """The least id that some destination, or a tenant's ledger, still needs; beyond the last one if none does."""
    rows = sql.execute(
        "SELECT MIN(position) + 1 FROM destination WHERE off <> ? UNION ALL SELECT MIN(id) FROM parked"
        " UNION ALL SELECT MIN(id) FROM dead_letter UNION ALL SELECT position + 1 FROM ledgering"
        " UNION ALL SELECT COALESCE(MAX(id), 0) + 1 FROM event",
        NOT_NAMED,
    )
    return min(as_int(row[0]) for row in rows if row[0] is not None)
