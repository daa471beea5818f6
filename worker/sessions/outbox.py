"""The outbox of a tenant's log: which completed sessions are not in a spool yet, as they are delivered.

A session.completed event is the evidence of its ledger entry, with commitments where it names somebody. What is
delivered has the names themselves, while they are known, and the number of the entry. Nothing is written when a session
ends: a mark beside the log says up to which entry its events are in a spool.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from worker.ledger.canonical import canonical_string as quote
from worker.ledger.entry import ENTRIES_PER_LOG, entry_id, last_id_sql
from worker.ledger.personal import SEALED
from worker.ports import Sql, as_int
from worker.sessions.completed import value_text
from worker.sessions.fields import SCHEMA_VERSION
from worker.sessions.spool_capture import spool_key
from worker.strict_json import JsonLimits, parse_decimal_json

#: Where the delivered event names its ledger entry.
LEDGER_ENTRY: Final = "ledger_entry"
_DECODER: Final = json.JSONDecoder()
_LIMITS: Final = JsonLimits(max_bytes=2_000_000, max_depth=32)
_ROWS: Final = """SELECT l.seq, l.evidence, p.user_id, p.session_id
    FROM ledger l LEFT JOIN personal p ON p.entry_id = l.id
    WHERE l.id > ? AND l.id <= ? AND l.kind = 'SESSION_COMPLETION' AND l.evidence IS NOT NULL ORDER BY l.id"""


class Completion(NamedTuple):
    """An event on its way into a spool. `key`: what is kept in order."""

    event_id: str
    key: str
    text: str


class Unrelayed(NamedTuple):
    """What is to be relayed next. `cursor`: the last entry looked at; `more`: whether there are entries after it."""

    completions: list[Completion]
    cursor: int
    more: bool


def unrelayed_in(sql: Sql, tenant: str, after: int, limit: int) -> Unrelayed:
    """The completions among the next `limit` entries after the mark, or after the entry `after` if that is later."""
    found = sql.execute("SELECT log, relayed_id FROM tenant WHERE tenant = ?", tenant)
    if not found:
        return Unrelayed([], after, False)
    first = entry_id(as_int(found[0][0]), 0)
    start = max(first - 1, as_int(found[0][1]), after)
    last, count = sql.execute(
        "SELECT MAX(id), COUNT(*) FROM (SELECT id FROM ledger WHERE id > ? AND id < ? ORDER BY id LIMIT ?)",
        start,
        first + ENTRIES_PER_LOG,
        limit,
    )[0]
    if last is None:
        return Unrelayed([], start, False)
    rows = sql.execute(_ROWS, start, last)
    completions = [
        delivered(tenant, as_int(seq), str(evidence), str(user_id or ""), str(session_id or ""))
        for seq, evidence, user_id, session_id in rows
    ]
    return Unrelayed(completions, as_int(last), count == limit)


def mark_relayed_in(sql: Sql, tenant: str, cursor: int) -> None:
    """Note that every completion up to the entry `cursor` is in a spool. Marks only grow."""
    sql.execute("UPDATE tenant SET relayed_id = ? WHERE tenant = ? AND relayed_id < ?", cursor, tenant, cursor)


def heads_in(sql: Sql) -> dict[str, int]:
    """The last entry of each tenant's log that has one after its mark."""
    # One statement, because every process asks for all tenants every second.
    rows = sql.execute(
        f"""SELECT tenant, last FROM (SELECT tenant, relayed_id, ({last_id_sql("log")}) AS last FROM tenant)
            WHERE last > relayed_id"""
    )
    return {str(tenant): as_int(last) for tenant, last in rows}


def relayed_in(sql: Sql) -> dict[str, int]:
    """By tenant, the number of the last completion up to its mark that could still be brought to a spool."""
    found: dict[str, int] = {}
    for tenant, log, mark in sql.execute("SELECT tenant, log, relayed_id FROM tenant WHERE relayed_id > 0"):
        first = entry_id(as_int(log), 0)
        last = sql.execute(
            """SELECT id FROM ledger WHERE id >= ? AND id <= ? AND kind = 'SESSION_COMPLETION' AND evidence IS NOT NULL
               ORDER BY id DESC LIMIT 1""",
            first,
            mark,
        )
        if last:
            found[str(tenant)] = as_int(last[0][0]) - first
    return found


def rewind_in(sql: Sql, tenant: str, entry: int) -> None:
    """Have everything after the entry of this number brought again, to a spool that has lost it."""
    log = as_int(sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)[0][0])
    place = entry_id(log, entry)
    sql.execute("UPDATE tenant SET relayed_id = ? WHERE tenant = ? AND relayed_id > ?", place, tenant, place)


def delivered(tenant: str, seq: int, evidence: str, user_id: str, session_id: str) -> Completion:
    """The event of entry number `seq` as it is delivered. Args: user_id, session_id: what opens it, "" = nothing."""
    end = evidence.find(',"usage_source":')
    if end < 0 or not evidence.startswith('{"event_id":"'):
        return _rewritten(tenant, seq, evidence, user_id, session_id)
    # In the text itself, because parsing takes ten times as long. A quote within a JSON text is escaped, so a name with
    # its quotes and its colon stands nowhere but where it is one; what comes after metadata has each name once.
    trace = evidence.find(',"trace_id":', 0, end)
    place = end if trace < 0 else trace
    text = f'{evidence[:place]},"{LEDGER_ENTRY}":{seq}{evidence[place:]}'
    if user_id:
        text = _opened(text, '"user_id":', user_id)
    if session_id:
        text = _opened(text, '"session_id":', session_id)
    named = session_id or _value_at(text, text.rindex('"session_id":') + len('"session_id":'))
    return Completion(_value_at(text, len('{"event_id":')), spool_key(tenant, named), text)


def _opened(text: str, name: str, value: str) -> str:
    """The text with the value in the place of its commitment."""
    start = text.rindex(name) + len(name)
    sealed, end = _DECODER.raw_decode(text, start)
    return f"{text[:start]}{quote(value)}{text[end:]}" if str(sealed).startswith(SEALED) else text


def _value_at(text: str, start: int) -> str:
    """The string that begins there."""
    value = text[start + 1 : text.index('"', start + 1)]
    # Hardly any has an escape in it, and the decoder takes four times as long.
    return str(_DECODER.raw_decode(text, start)[0]) if "\\" in value else value


def _rewritten(tenant: str, seq: int, evidence: str, user_id: str, session_id: str) -> Completion:
    """The same for an event of before own events were written in the order of their names."""
    plain: Any = parse_decimal_json(evidence, _LIMITS)
    plain["schema_version"] = SCHEMA_VERSION
    plain["metadata"] = {**plain.get("metadata", {}), LEDGER_ENTRY: seq}
    user, session = plain.setdefault("user", {}), plain.setdefault("session", {})
    if user_id:
        user["user_id"] = user_id
    if session_id:
        session["session_id"] = session_id
    identity = str(plain.setdefault("event_id", f"evt_entry_{seq}"))
    return Completion(identity, spool_key(tenant, str(session.get("session_id", ""))), value_text(plain, "event"))
