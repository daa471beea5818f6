"""What a spool tells its tenants' ledgers: which reported events are in no ledger yet, as salted leaf hashes.

The spool keeps one mark, up to which the reported events of all its tenants are in their ledgers. It is moved after
the ledgers have committed; a ledger that is told of an event a second time knows it by its number.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.ports import Database, Hasher, Sql, as_int
from worker.sessions.batch_leaf import SALT_BYTES, Leaf, leaf_of
from worker.sessions.spool_port import REPORTED

#: Events looked at in one transaction, and characters read of them beyond the first.
MOST_EVENTS: Final = 256
MOST_CHARACTERS: Final = 2_000_000


class Unledgered(NamedTuple):
    """Reported events that are to be ledgered next. `spool`: its name; `end`: the last event looked at, 0 = none.

    `is_last`: there was no other behind it. `erasures`: how often somebody had been erased from the spool by then.
    """

    spool: str
    by_tenant: dict[str, list[Leaf]]
    end: int
    is_last: bool = False
    erasures: int = 0


class SpoolLedger:
    """The spool's side of it, over the spool's database."""

    def __init__(self, database: Database, hasher: Hasher) -> None:
        self._database = database
        self._hasher = hasher

    async def next(self) -> Unledgered:
        """The reported events among the next MOST_EVENTS of the spool. Raises: StateError."""
        return await self._database.transact(lambda sql: unledgered_in(sql, self._hasher))

    async def changed(self, found: Unledgered) -> dict[str, list[int]]:
        """By tenant, those of the events that somebody was erased from since they were found. Raises: StateError."""
        return await self._database.transact(lambda sql: changed_in(sql, self._hasher, found))

    async def done(self, end: int) -> None:
        """Note that the reported events up to `end` are in their ledgers. Raises: StateError."""
        await self._database.transact(lambda sql: mark_ledgered_in(sql, end))


def unledgered_in(sql: Sql, hasher: Hasher, most: int = MOST_EVENTS) -> Unledgered:
    """See `SpoolLedger.next`; from here on no event leaves the spool before it is in its ledger."""
    name, position, erasures = sql.execute("SELECT spool, position, erasures FROM ledgering")[0]
    if position is None:
        sql.execute("UPDATE ledgering SET position = 0")
    start, end, total = as_int(position or 0), 0, 0
    window = sql.execute("SELECT id, length(event) FROM event WHERE id > ? ORDER BY id LIMIT ?", start, most)
    for number, length in window:
        total += as_int(length)
        if end and total > MOST_CHARACTERS:
            break
        end = as_int(number)
    by_tenant: dict[str, list[Leaf]] = {}
    rows = sql.execute(
        f"""SELECT id, tenant, event, randomblob({SALT_BYTES}) FROM event
            WHERE id > ? AND id <= ? AND source = ? ORDER BY id""",
        start,
        end,
        REPORTED,
    )
    for number, tenant, text, salt in rows:
        assert isinstance(salt, bytes)
        leaf = Leaf(as_int(number), salt.hex(), leaf_of(hasher, salt, str(text)).hex())
        by_tenant.setdefault(str(tenant), []).append(leaf)
    is_last = len(window) < most and bool(end) and end == window[-1][0]
    return Unledgered(str(name), by_tenant, end, is_last, as_int(erasures))


def changed_in(sql: Sql, hasher: Hasher, found: Unledgered) -> dict[str, list[int]]:
    """See `SpoolLedger.changed`."""
    if sql.execute("SELECT erasures FROM ledgering")[0][0] == found.erasures:
        return {}
    changed: dict[str, list[int]] = {}
    for tenant, leaves in found.by_tenant.items():
        for leaf in leaves:
            rows = sql.execute("SELECT event FROM event WHERE id = ?", leaf.id)
            if not rows or leaf_of(hasher, bytes.fromhex(leaf.salt), str(rows[0][0])).hex() != leaf.hash:
                changed.setdefault(tenant, []).append(leaf.id)
    return changed


def mark_ledgered_in(sql: Sql, end: int) -> None:
    """Marks only grow."""
    sql.execute("UPDATE ledgering SET position = ? WHERE position < ?", end, end)


def first_unledgered_in(sql: Sql) -> int | None:
    """The least number that may be of an event in no ledger; None = this spool's events are brought to none."""
    position = sql.execute("SELECT position FROM ledgering")[0][0]
    return None if position is None else as_int(position) + 1
