"""A spool that is older than the ledgers: its file was replaced by a backup, or a loss of power took its last commits.

The ledgers then say of sessions that the spool has them, and it doesn't; and numbers of reported events that the
ledgers know already would be given to others. Both are mended before anything is captured, on a host with one database
for all tenants.
"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from worker.ports import Database, Sql, as_int
from worker.sessions.desk import MARKS, REWIND
from worker.sessions.relay import RelayMediator

_log = logging.getLogger("harpoon.sessions")
_NUMBERS: Final = "(id, tenant, event_id, captured_us, key, source, event)"


class Standing(NamedTuple):
    """What a spool has. `brought`: by tenant, the entry of its last own session; `is_new`: nothing ever came here."""

    spool: str
    brought: dict[str, int]
    is_new: bool


def standing_in(sql: Sql) -> Standing:
    """How far the spool is."""
    name = str(sql.execute("SELECT spool FROM ledgering")[0][0])
    brought = {str(tenant): as_int(entry) for tenant, entry in sql.execute("SELECT tenant, entry FROM brought")}
    return Standing(name, brought, not sql.execute("SELECT 1 FROM tally LIMIT 1"))


def note_brought_in(sql: Sql, entries: dict[str, int]) -> None:
    """Count the sessions up to these entries as brought."""
    for tenant, entry in entries.items():
        sql.execute("INSERT OR REPLACE INTO brought (tenant, entry) VALUES (?, ?)", tenant, entry)


def skip_numbers_in(sql: Sql, last: int) -> bool:
    """Give events greater numbers than `last` from now on; False if that was so."""
    given = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'")
    if (as_int(given[0][0]) if given else 0) >= last:
        return False
    # The number of a row that was there is never given again (AUTOINCREMENT).
    sql.execute(f"INSERT INTO event {_NUMBERS} VALUES (?, '', '', 0, '', '', '{{}}')", last)
    sql.execute("DELETE FROM event WHERE id = ?", last)
    return True


async def catch_up(mediator: RelayMediator, database: Database) -> int:
    """Have what the spool has lost brought again; of how many tenants. Nobody else may use the spool meanwhile.

    A spool that is all new gets nothing again: whoever removed the old one may have had everything delivered.
    Raises: StateError.
    """
    spool = await database.transact(standing_in)
    marks = await mediator.sessions("", MARKS, {"spool": spool.spool})
    if await database.transact(lambda sql: skip_numbers_in(sql, marks["reported"])):
        _log.warning("the spool is older than the ledgers: numbers of reported events it has lost are not given again")
    lost = {
        tenant: spool.brought.get(tenant, -1)
        for tenant, entry in marks["relayed"].items()
        if spool.brought.get(tenant, -1) < entry
    }
    if not lost:
        return 0
    if spool.is_new:
        await database.transact(lambda sql: note_brought_in(sql, marks["relayed"]))
        _log.warning("the spool is new: sessions of %d tenants that another spool had are not brought here", len(lost))
        return 0
    for tenant, entry in lost.items():
        await mediator.sessions(tenant, REWIND, {"entry": entry})
    _log.warning("the spool is older than the ledgers: sessions of %d tenants are brought there again", len(lost))
    return len(lost)
