"""How events enter the spool: once each, all of a batch or none of it, and never more than may wait.

An id is given only to an event that is new, so ids have no gaps but where something was erased.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from worker.ports import Sql, SqlValue, as_int
from worker.sessions.completed import SessionCompleted, to_text
from worker.sessions.cursors import NOT_NAMED
from worker.sessions.event import rfc3339
from worker.sessions.reading import ASSUMED_FIELDS
from worker.sessions.spool_port import OWN, REPORTED, EventConflict, Receipt, SpoolFull

#: Of a tally; slot 0 is no time but everything.
SLOT_US: Final = 10_000_000
EVER: Final = 0
# A statement has at most 100 parameters.
_IDS_AT_ONCE: Final = 99
_ROWS_AT_ONCE: Final = 32
# Nor more than 2 MB of them together, in UTF-8.
_CHARACTERS_AT_ONCE: Final = 400_000
#: What a capture may have assumed (worker/sessions/reading.py).
_ASSUMABLE: Final = (
    ("session", "session_type"),
    ("session", "start_time"),
    ("session", "end_time"),
    ("user", "user_id"),
    ("user", "organization_id"),
    ("outcome", "status"),
)
_COLUMNS: Final = "(tenant, captured_us, source, event_id, key, event)"


class Row(NamedTuple):
    """An event as it is kept. `key`: what is kept in order."""

    event_id: str
    key: str
    text: str


def spool_key(tenant: str, session_id: str) -> str:
    """What the spool keeps in order: the sessions of the tenant that captured them, whatever the event says of itself.

    Of our own sessions it is `worker.sessions.partition.partition_key`.
    """
    return f"{len(tenant)}:{tenant}:{session_id}"


def row_of(tenant: str, event: SessionCompleted) -> Row:
    """The event with its text."""
    return Row(event.event_id, spool_key(tenant, event.session_id), to_text(event))


def capture_in(sql: Sql, tenant: str, rows: Sequence[Row], now_us: int, max_pending: int) -> Receipt:
    """Keep reported events. Args: max_pending: how many may wait for the slowest destination.

    Raises: EventConflict, SpoolFull.
    """
    fresh = _fresh(sql, tenant, rows, now_us)
    if fresh:
        if max_pending - len(fresh) < _may_wait_in(sql) and max_pending - len(fresh) < waiting_in(sql):
            raise SpoolFull(
                f"{max_pending} events wait for a destination already, and no more are taken until it has some: "
                "send these again later"
            )
        _insert(sql, tenant, REPORTED, fresh, now_us)
    return Receipt(tuple([row.event_id for row in rows]), len(fresh))


def accept_in(sql: Sql, tenant: str, rows: Sequence[Row], now_us: int) -> int:
    """Keep our own events; how many were new. Which of two of the same id came first, stays."""
    known = _known(sql, tenant, [row.event_id for row in rows])
    fresh: dict[str, Row] = {}
    for row in rows:
        if row.event_id not in known:
            fresh.setdefault(row.event_id, row)
    _insert(sql, tenant, OWN, list(fresh.values()), now_us)
    entry = entry_of(rows[-1].text) if rows else None
    if entry is not None:
        sql.execute(
            "INSERT INTO brought (tenant, entry) VALUES (?, ?)"
            " ON CONFLICT (tenant) DO UPDATE SET entry = MAX(entry, excluded.entry)",
            tenant,
            entry,
        )
    return len(fresh)


def entry_of(text: str) -> int | None:
    """The number of the ledger entry that an own event ends with, if it says so (worker/sessions/outbox.py)."""
    found = re.search(r'"ledger_entry":([0-9]{1,15})[,}]', text)
    return None if found is None else int(found[1])


def waiting_in(sql: Sql) -> int:
    """How many events wait for that destination for which most do: not taken up yet, or parked. 0 without any.

    One that switched itself off counts too: its events are kept for it.
    """
    waiting = sql.execute(
        "SELECT MAX((SELECT MAX(id) FROM event) - MAX(position, (SELECT MIN(id) FROM event) - 1)"
        " + (SELECT COUNT(*) FROM parked WHERE destination = name)) FROM destination WHERE off <> ?",
        NOT_NAMED,
    )[0][0]
    return 0 if waiting is None else max(0, as_int(waiting))


def _may_wait_in(sql: Sql) -> int:
    """What `waiting_in` is not above, without counting: all since the oldest that waits."""
    span = sql.execute(
        "SELECT (SELECT MAX(id) FROM event) - MIN(MIN(position, COALESCE("
        "(SELECT MIN(id) - 1 FROM parked WHERE destination = name), position))) FROM destination WHERE off <> ?",
        NOT_NAMED,
    )[0][0]
    return 0 if span is None else max(0, as_int(span))


def _fresh(sql: Sql, tenant: str, rows: Sequence[Row], now_us: int) -> list[Row]:
    """The rows that aren't there yet, each id once. Raises: EventConflict."""
    known = _known(sql, tenant, [row.event_id for row in rows])
    fresh: dict[str, Row] = {}
    for index, row in enumerate(rows):
        there: tuple[str, int] | None = known.get(row.event_id)
        if there is None:
            first = fresh.setdefault(row.event_id, row)
            there = (first.text, now_us)
        if there[0] != row.text and not _is_same(*there, row.text, now_us):
            raise EventConflict(
                "another event was captured under this id: an id is for one event, and its retries",
                param=f"[{index}].event_id",
            )
    return list(fresh.values())


def _known(sql: Sql, tenant: str, event_ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """The text and the time of capture of the events that are there, by id."""
    known: dict[str, tuple[str, int]] = {}
    for start in range(0, len(event_ids), _IDS_AT_ONCE):
        asked = event_ids[start : start + _IDS_AT_ONCE]
        places = ",".join("?" * len(asked))
        for event_id, text, captured_us in sql.execute(
            f"SELECT event_id, event, captured_us FROM event WHERE tenant = ? AND event_id IN ({places})",
            tenant,
            *asked,
        ):
            known[str(event_id)] = (str(text), as_int(captured_us))
    return known


def _is_same(kept: str, kept_us: int, text: str, now_us: int) -> bool:
    """Whether two texts differ only in what the capture put there by itself, because the reporter said nothing."""
    return _as_reported(kept, kept_us) == _as_reported(text, now_us)


def _as_reported(text: str, captured_us: int) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(text)
    # To the microsecond the time of its capture: it was made up there (worker/sessions/reading.py).
    if event["timestamp"] == rfc3339(captured_us):
        del event["timestamp"]
    assumed = event["metadata"].get(ASSUMED_FIELDS)
    # A reporter may have written anything there.
    for group, name in _ASSUMABLE if isinstance(assumed, list) else ():
        if f"{group}.{name}" in assumed:
            event[group].pop(name, None)
    return event


def _insert(sql: Sql, tenant: str, source: str, rows: Sequence[Row], now_us: int) -> None:
    if not rows:
        return
    for some in _portions(rows):
        values: list[SqlValue] = []
        for row in some:
            values += row
        sql.execute(_insertion(len(some)), tenant, now_us, source, *values)
    sql.execute(
        "INSERT INTO tally (tenant, slot, captured) VALUES (?, ?, ?), (?, ?, ?)"
        " ON CONFLICT (tenant, slot) DO UPDATE SET captured = captured + excluded.captured",
        *(tenant, EVER, len(rows)),
        *(tenant, max(EVER + 1, now_us // SLOT_US), len(rows)),
    )


def _portions(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows in order, as many together as one statement may bring."""
    portions: list[list[Row]] = []
    room = -1
    for row in rows:
        if room < len(row.text) or len(portions[-1]) >= _ROWS_AT_ONCE:
            portions.append([])
            room = _CHARACTERS_AT_ONCE
        portions[-1].append(row)
        room -= len(row.text)
    return portions


def _insertion(count: int) -> str:
    if count == 1:
        return f"INSERT INTO event {_COLUMNS} VALUES (?, ?, ?, ?, ?, ?)"
    places = ",".join(["(?,?,?)"] * count)
    return f"INSERT INTO event {_COLUMNS} SELECT ?, ?, ?, column1, column2, column3 FROM (VALUES {places})"
