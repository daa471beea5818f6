"""How far each destination has come: cursors, held by at most one process at a time, over the tables of the spool.

Of every event that a destination is about, exactly one holds at every commit: delivered, skipped by the routes, pending
behind the cursor, parked, or dead. `conserved_in` counts it.

Order: the events of a key are delivered as they were captured. One that fails is parked, and those of its key park
behind it; others go on. Failures of different keys in a row are the destination's: then the cursor itself waits, only
two events are tried at a time, and none of them is blamed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from worker.ports import Sql, SqlRow, as_int

#: Due when those before it are settled.
NEVER_US: Final = 2**53 - 1
#: From so many failures of different keys in a row on, the destination counts as down.
DOWN_AFTER: Final = 3
NOT_NAMED: Final = "not among the destinations that are configured"
#: Of a claim; more waits for the next.
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
#: How many events of one key are taken up together at least, once its first is due again.
_FOLLOWERS: Final = 16
_HEADS: Final = 32


class Taken(NamedTuple):
    """An event of a claim. failures: of its own so far; is_parked: it was set aside; is_blocked: its key is."""

    id: int
    event_id: str
    tenant: str
    key: str
    captured_us: int
    text: str
    failures: int
    is_parked: bool
    is_blocked: bool


class Claim(NamedTuple):
    """A destination's cursor, held by `holder` until `until_us`, and what is due there: parked ones first."""

    name: str
    holder: str
    until_us: int
    events: tuple[Taken, ...]
    is_probe: bool


class Due(NamedTuple):
    """When a destination has something to do: `at_us` in the past = now, None = nothing."""

    name: str
    at_us: int | None


def register_in(sql: Sql, names: Sequence[str], from_beginning: Collection[str] = ()) -> None:
    """Have these destinations delivered to, and no others. One that was there goes on where it stood.

    Args: from_beginning: new ones among these get what was captured before too, as far as it is still kept.
    """
    known = {str(row[0]): str(row[1]) for row in sql.execute("SELECT name, off FROM destination")}
    for name in known:
        if name not in names and not known[name]:
            sql.execute("UPDATE destination SET off = ? WHERE name = ?", NOT_NAMED, name)
        elif name in names and known[name] == NOT_NAMED:
            sql.execute("UPDATE destination SET off = '' WHERE name = ?", name)
    captured = as_int(sql.execute("SELECT COALESCE(SUM(captured), 0) FROM tally WHERE slot = 0")[0][0])
    for name in names:
        if name in known:
            continue
        first, last, count = sql.execute("SELECT MIN(id), MAX(id), COUNT(*) FROM event")[0]
        if last is None:
            # Ids go on after everything was dropped; whoever is furthest has seen the last of them.
            last = sql.execute("SELECT COALESCE(MAX(position), 0) FROM destination")[0][0]
        is_early = name in from_beginning and first is not None
        position = as_int(first) - 1 if is_early else as_int(last)
        sql.execute(
            "INSERT INTO destination (name, position, holder, held_until_us, failures, failing_key, retry_us,"
            " delivered, skipped, reason, off, began) VALUES (?, ?, '', 0, 0, '', 0, 0, 0, '', '', ?)",
            name,
            position,
            captured - as_int(count) if is_early else captured,
        )


def due_in(sql: Sql, holder: str) -> list[Due]:
    """When each destination that is on has something to do, and nobody but `holder` holds it."""
    last = sql.execute("SELECT COALESCE(MAX(id), 0) FROM event")[0][0]
    found = []
    for name, position, held_by, held_until_us, retry_us in sql.execute(
        "SELECT name, position, holder, held_until_us, retry_us FROM destination WHERE off = '' ORDER BY name"
    ):
        at_us: int | None = 0 if as_int(last) > as_int(position) else None
        if at_us is None:
            parked = sql.execute("SELECT MIN(due_us) FROM parked WHERE destination = ?", name)[0][0]
            at_us = None if parked is None or parked == NEVER_US else as_int(parked)
        if at_us is not None:
            at_us = max(at_us, as_int(held_until_us) if held_by != holder else 0, as_int(retry_us))
        found.append(Due(str(name), at_us))
    return found


def set_back_in(sql: Sql, now_us: int, longest_us: int, lease_us: int) -> None:
    """The clock may have been set back: nobody waits for times that it was to reach much later.

    Args: longest_us: whoever waits longer than that from now on is tried now; lease_us: the longest hold from now on.
    """
    sql.execute(
        "UPDATE destination SET held_until_us = MIN(held_until_us, ?), retry_us = CASE WHEN retry_us > ? THEN 0"
        " ELSE retry_us END",
        now_us + lease_us,
        now_us + longest_us,
    )
    sql.execute(
        "UPDATE parked SET due_us = ?"
        " WHERE destination IN (SELECT name FROM destination) AND due_us > ? AND due_us < ?",
        now_us,
        now_us + longest_us,
        NEVER_US,
    )


def claim_in(sql: Sql, name: str, holder: str, now_us: int, lease_us: int, most: int) -> Claim | None:
    """Take the cursor and up to `most` events; None if there is nothing to do now, or another holds it.

    Who holds it already goes on holding it; with nothing to do it is let go.
    """
    rows = sql.execute(
        "SELECT position, holder, held_until_us, failures, retry_us, off FROM destination WHERE name = ?", name
    )
    if not rows:
        return None
    position, held_by, held_until_us, failures, retry_us, off = rows[0]
    if held_by not in ("", holder) and as_int(held_until_us) > now_us:
        return None
    is_probe = as_int(failures) >= DOWN_AFTER
    events: list[Taken] = []
    if not off and as_int(retry_us) <= now_us:
        room = [most, MAX_BATCH_BYTES]
        _take_parked(sql, name, now_us, room, events, is_probe)
        _take_fresh(sql, name, as_int(position), room, events, is_probe, _whole(sql, name, events))
    if not events:
        if held_by == holder:
            release_in(sql, holder, name)
        return None
    until_us = now_us + lease_us
    sql.execute("UPDATE destination SET holder = ?, held_until_us = ? WHERE name = ?", holder, until_us, name)
    return Claim(name, holder, until_us, tuple(events), is_probe)


def _take_parked(sql: Sql, name: str, now_us: int, room: list[int], events: list[Taken], is_probe: bool) -> None:
    """Those that are due, each with some of its key behind it; of a destination that is down one alone."""
    heads = sql.execute(
        "SELECT id, key FROM parked WHERE destination = ? AND due_us <= ? ORDER BY due_us, id LIMIT ?",
        name,
        now_us,
        1 if is_probe else _HEADS,
    )
    followers = max(_FOLLOWERS, room[0] // (2 * len(heads) or 1))
    for head, key in heads:
        rows = sql.execute(
            "SELECT e.id, e.event_id, e.tenant, p.key, e.captured_us, e.event, p.failures"
            " FROM parked p JOIN event e ON e.id = p.id"
            " WHERE p.destination = ? AND p.key = ? AND p.id >= ? ORDER BY p.id LIMIT ?",
            name,
            key,
            head,
            1 if is_probe else followers,
        )
        for row in rows:
            if not _fits(row, room, is_first=not events):
                return
            events.append(_taken(row, as_int(row[6]), is_parked=True, is_blocked=False))


def _whole(sql: Sql, name: str, events: Sequence[Taken]) -> set[str]:
    """The keys of which every event that was set aside is among these: new ones can follow them at once."""
    last = {one.key: one.id for one in events}
    whole = set()
    for key, taken in last.items():
        if sql.execute("SELECT MAX(id) FROM parked WHERE destination = ? AND key = ?", name, key)[0][0] == taken:
            whole.add(key)
    return whole


def _take_fresh(
    sql: Sql, name: str, position: int, room: list[int], events: list[Taken], is_probe: bool, whole: Collection[str]
) -> None:
    """Those behind the cursor, in the order of capture. Args: whole: keys that nothing is set aside of any more."""
    most = min(room[0], 1) if is_probe else room[0]
    # Sizes first: a batch of large events would not fit into memory together.
    sizes = sql.execute("SELECT id, LENGTH(event) FROM event WHERE id > ? ORDER BY id LIMIT ?", position, most)
    last, left = position, room[1]
    for event, size in sizes:
        if as_int(size) > left and (events or last > position):
            break
        last, left = as_int(event), left - as_int(size)
    if last == position:
        return
    for row in sql.execute(
        "SELECT e.id, e.event_id, e.tenant, e.key, e.captured_us, e.event,"
        " EXISTS (SELECT 1 FROM parked p WHERE p.destination = ? AND p.key = e.key)"
        " FROM event e WHERE e.id > ? AND e.id <= ? ORDER BY e.id",
        name,
        position,
        last,
    ):
        events.append(_taken(row, 0, is_parked=False, is_blocked=bool(row[6]) and row[3] not in whole))


def _fits(row: SqlRow, room: list[int], *, is_first: bool) -> bool:
    size = len(str(row[5]))
    if room[0] < 1 or (size > room[1] and not is_first):
        return False
    room[0] -= 1
    room[1] -= size
    return True


def _taken(row: SqlRow, failures: int, *, is_parked: bool, is_blocked: bool) -> Taken:
    event, event_id, tenant, key, captured_us, text = row[:6]
    return Taken(
        as_int(event), str(event_id), str(tenant), str(key), as_int(captured_us), str(text), failures, is_parked,
        is_blocked,
    )  # fmt: skip


def renew_in(sql: Sql, name: str, holder: str, now_us: int, lease_us: int) -> bool:
    """Hold the cursor for longer; False if somebody else has it, or may have had it."""
    rows = sql.execute(
        "UPDATE destination SET held_until_us = ? WHERE name = ? AND holder = ? RETURNING name",
        now_us + lease_us,
        name,
        holder,
    )
    return bool(rows)


def release_in(sql: Sql, holder: str | None = None, name: str | None = None) -> None:
    """Let go of cursors. Args: holder, name: None = whoever holds them; all of them."""
    sql.execute(
        "UPDATE destination SET holder = '', held_until_us = 0"
        " WHERE holder = COALESCE(?, holder) AND name = COALESCE(?, name)",
        holder,
        name,
    )


def switch_on_in(sql: Sql, name: str) -> bool:
    """Deliver again to a destination that was off or waited; False if there is none of that name."""
    rows = sql.execute(
        "UPDATE destination SET off = '', failures = 0, failing_key = '', retry_us = 0 WHERE name = ? RETURNING name",
        name,
    )
    return bool(rows)


class Account(NamedTuple):
    """Where the events of one destination are; all of them together are those it is about."""

    name: str
    captured: int
    delivered: int
    skipped: int
    pending: int
    parked: int
    dead: int

    @property
    def is_conserved(self) -> bool:
        return self.captured == self.delivered + self.skipped + self.pending + self.parked + self.dead


def conserved_in(sql: Sql) -> list[Account]:
    """The account of each destination, every number counted by itself."""
    ever = as_int(sql.execute("SELECT COALESCE(SUM(captured), 0) FROM tally WHERE slot = 0")[0][0])
    found = []
    for name, position, delivered, skipped, began in sql.execute(
        "SELECT name, position, delivered, skipped, began FROM destination ORDER BY name"
    ):
        pending = sql.execute("SELECT COUNT(*) FROM event WHERE id > ?", position)[0][0]
        parked = sql.execute("SELECT COUNT(*) FROM parked WHERE destination = ?", name)[0][0]
        dead = sql.execute("SELECT COUNT(*) FROM dead_letter WHERE destination = ?", name)[0][0]
        numbers = (ever - as_int(began), delivered, skipped, pending, parked, dead)
        found.append(Account(str(name), *[as_int(number) for number in numbers]))
    return found
