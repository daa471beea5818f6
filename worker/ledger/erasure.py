"""What may leave a log without breaking it: personal fields, and the texts of old evidence.

Entries themselves are never changed and never deleted, so the log's last one always says how long it is. Each act is an
ERASURE entry in the same transaction, which is what verification accepts as the reason that something is missing. It
names nobody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import Any

from worker.budget import decode_accounts, window_of
from worker.compact_json import build_encoder
from worker.ledger.audit import ERASE, RETENTION, retention_bounds
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import (
    ACTION,
    DENY,
    ENTRIES_PER_LOG,
    ERASURE,
    PLAN,
    SESSION_COMPLETION,
    append_entry,
    entry_id,
    size_in,
)
from worker.ports import Hasher, Sql, SqlRow, as_int
from worker.tenants.standing import user_mark

USER, SESSION = "user", "session"
#: What retention drops: records and certificates of decisions. Changes of the canon are needed to replay it, so they
#: stay; events are dropped only where the operator says so.
DECISION_KINDS = frozenset((ACTION, DENY, PLAN))
EVENT_KINDS = frozenset((SESSION_COMPLETION,))
#: Texts dropped in one transaction.
DROPPED_AT_ONCE = 1_000
_COLUMNS = {USER: ("user_id", "$.user.user_id"), SESSION: ("session_id", "$.session.session_id")}


def erase_in(sql: Sql, hasher: Hasher, tenant: str, log: int, subject: str, name: str, at_us: int) -> dict[str, Any]:
    """Erase everything that names a user or a session: in the openings, in decisions, in events of version 1.

    Both ids of each entry it touches go: a session is a person's too. Returns: how many `entries` and `decisions` named
    it, and the `seq` of the ERASURE entry (None = nothing did).
    """
    column, _ = _COLUMNS[subject]
    opened = _count(sql, f"FROM personal WHERE tenant = ? AND {column} = ?", tenant, name)
    sql.execute(f"DELETE FROM personal WHERE tenant = ? AND {column} = ?", tenant, name)
    opened += _erase_old_events(sql, log, subject, name)
    decisions = _count(sql, f"FROM decision WHERE tenant = ? AND {column} = ?", tenant, name)
    sql.execute(f"UPDATE decision SET user_id = '', session_id = '' WHERE tenant = ? AND {column} = ?", tenant, name)
    if subject == USER:
        _erase_accounts(sql, tenant, name, at_us)
    if not opened and not decisions:
        return {"entries": 0, "decisions": 0, "seq": None}
    payload = canonical_json({"act": ERASE, "entries": opened, "subject": subject}).decode()
    entry = append_entry(sql, hasher, tenant, log, ERASURE, at_us, payload)
    return {"entries": opened, "decisions": decisions, "seq": entry % ENTRIES_PER_LOG}


def retain_in(
    sql: Sql,
    hasher: Hasher,
    tenant: str,
    log: int,
    now_us: int,
    keep_us: int,
    kinds: Collection[str],
    has_spool: bool = False,
) -> bool:
    """Drop evidence of these kinds that is older than `keep_us`, oldest first, and say so in the log.

    Args: has_spool: an event that is in no spool yet stays, and so does what comes after it.
    Returns: whether there may be more to drop.
    """
    first, bounds, names = entry_id(log, 0), bounds_in(sql, log), sorted(kinds)
    start = min(bounds.get(kind, 0) for kind in names)
    rows = _oldest(sql, log, start, names, DROPPED_AT_ONCE)
    if has_spool and SESSION_COMPLETION in kinds:
        kept = _first_unrelayed(sql, log)
        rows = [row for row in rows if kept is None or as_int(row[0]) < kept]
    # Up to the first that is still kept: what is dropped is told by one bound. Times ahead of now are of a clock that
    # was wrong: they keep nobody's evidence, and tell nothing of their own age but by what came after them.
    passed = [
        (as_int(identity), as_int(at_us))
        for identity, at_us in takewhile(lambda row: not now_us - keep_us <= as_int(row[1]) <= now_us, rows)
    ]
    while passed and passed[-1][1] > now_us:
        passed.pop()
    old = [identity for identity, _ in passed]
    if not old:
        return False
    sql.execute(
        f"""UPDATE ledger SET evidence = NULL WHERE id >= ? AND id <= ?
            AND kind IN ({",".join("?" * len(names))})""",
        first + start,
        old[-1],
        *names,
    )
    if SESSION_COMPLETION in kinds:
        # Whose event is gone has nothing left to open.
        sql.execute("DELETE FROM personal WHERE entry_id >= ? AND entry_id <= ?", first + start, old[-1])
    if DENY in kinds:
        # What is told of denials, and again under a key, is a view of what was dropped.
        for table in ("canon_denial", "canon_answer"):
            statement = f"DELETE FROM {table} WHERE tenant = ? AND entry_id >= ? AND entry_id <= ?"
            sql.execute(statement, tenant, first + start, old[-1])
    before = {**bounds, **{kind: max(bounds.get(kind, 0), old[-1] - first + 1) for kind in names}}
    payload = canonical_json({"act": RETENTION, "before": before}).decode()
    entry = append_entry(sql, hasher, tenant, log, ERASURE, now_us, payload)
    sql.execute("UPDATE tenant SET retention_id = ? WHERE log = ?", entry, log)
    return len(old) == DROPPED_AT_ONCE


def next_drop_in(sql: Sql, keep_us: int, kinds: Collection[str]) -> int | None:
    """When the oldest evidence of these kinds will have to be dropped, UTC microseconds; None = there is none."""
    due = []
    for (log,) in sql.execute("SELECT log FROM tenant"):
        start = min(bounds_in(sql, as_int(log)).get(kind, 0) for kind in kinds)
        due += [as_int(at_us) + keep_us for _, at_us in _oldest(sql, as_int(log), start, sorted(kinds), 1)]
    return min(due, default=None)


def _oldest(sql: Sql, log: int, start: int, kinds: Sequence[str], most: int) -> list[SqlRow]:
    """The first entries of these kinds, from number `start` on, whose evidence is there: id and time."""
    first = entry_id(log, 0)
    return sql.execute(
        f"""SELECT id, at_us FROM ledger WHERE id >= ? AND id < ? AND evidence IS NOT NULL
            AND kind IN ({",".join("?" * len(kinds))}) ORDER BY id LIMIT ?""",
        first + start,
        first + ENTRIES_PER_LOG,
        *kinds,
        most,
    )


def _first_unrelayed(sql: Sql, log: int) -> int | None:
    """The first event of the log that is in no spool yet."""
    mark, first = as_int(sql.execute("SELECT relayed_id FROM tenant WHERE log = ?", log)[0][0]), entry_id(log, 0)
    rows = sql.execute(
        """SELECT id FROM ledger WHERE id > ? AND id < ? AND kind = 'SESSION_COMPLETION' AND evidence IS NOT NULL
           ORDER BY id LIMIT 1""",
        max(mark, first - 1),
        first + ENTRIES_PER_LOG,
    )
    return as_int(rows[0][0]) if rows else None


def bounds_in(sql: Sql, log: int) -> dict[str, int]:
    """Before which entry the evidence of each kind was dropped, as the log's last retention entry says."""
    rows = sql.execute(
        """SELECT l.entry FROM tenant t JOIN ledger l ON l.id = t.retention_id AND l.kind = 'ERASURE'
           WHERE t.log = ? AND t.retention_id > 0""",
        log,
    )
    return retention_bounds(json.loads(str(rows[0][0]))["payload"]) if rows else {}


def _count(sql: Sql, rest: str, *parameters: str) -> int:
    return as_int(sql.execute(f"SELECT COUNT(*) {rest}", *parameters)[0][0])


def _erase_old_events(sql: Sql, log: int, subject: str, name: str) -> int:
    """Events of version 1 hold the names themselves, so their whole text goes; their digests stay."""
    first, last = entry_id(log, 0), entry_id(log, _first_of_version_2(sql, log))
    rest = "kind = ? AND id >= ? AND id < ? AND json_extract(evidence, ?) = ?"
    parameters = (SESSION_COMPLETION, first, last, _COLUMNS[subject][1], name)
    found = as_int(sql.execute(f"SELECT COUNT(*) FROM ledger WHERE {rest}", *parameters)[0][0])
    if found:
        sql.execute(f"UPDATE ledger SET evidence = NULL WHERE {rest}", *parameters)
    return found


def _first_of_version_2(sql: Sql, log: int) -> int:
    """The number of the first entry that is not of version 1: versions only grow along a log."""
    low, high = 0, size_in(sql, log)
    while low < high:
        middle = (low + high) // 2
        rows = sql.execute("SELECT json_extract(entry, '$.v') FROM ledger WHERE id = ?", entry_id(log, middle))
        if rows and rows[0][0] == 1:
            low = middle + 1
        else:
            high = middle
    return low


def _erase_accounts(sql: Sql, tenant: str, user_id: str, at_us: int) -> None:
    """Forget the user's daily accounts of days that have passed, whose names hold a hash of the user's id.

    Today's stays, or erasing would lift its limit; so do those that a request which has not been settled may draw on.
    """
    mark, today = f":{user_mark(user_id)}:", window_of("day", at_us)
    rows = sql.execute(
        "SELECT decision_id, state, accounts FROM decision WHERE tenant = ? AND instr(accounts, ?) > 0", tenant, mark
    )
    named = [(str(decision_id), str(state), decode_accounts(str(text))) for decision_id, state, text in rows]
    kept = {name for _, state, names in named if state not in ("settled", "denied") for name in names if mark in name}

    def is_past(name: str) -> bool:
        return mark in name and name not in kept and not name.endswith(f":{today}")

    encode = build_encoder()
    for decision_id, _, names in named:
        left = [name for name in names if not is_past(name)]
        if left != names:
            statement = "UPDATE decision SET accounts = ? WHERE tenant = ? AND decision_id = ?"
            sql.execute(statement, encode(left), tenant, decision_id)
    for (account,) in sql.execute(
        "SELECT account FROM account WHERE tenant = ? AND instr(account, ?) > 0", tenant, mark
    ):
        if is_past(str(account)):
            sql.execute("DELETE FROM account WHERE tenant = ? AND account = ?", tenant, account)
