"""Erasing a person from a spool: the ids of user and session in every event that names it, delivered or not.

The events stay, and count; what was delivered is its receiver's. Each id becomes `erased`, and what the event is kept
in order by becomes a name of its own. Metadata is the reporter's: what it says of a person is not looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from worker.mediator import MediatorPort
from worker.ports import Clock, Database, Sql, as_int
from worker.sessions.desk import UNSALT
from worker.sessions.relay import push_outbox
from worker.sessions.spool_capture import spool_key
from worker.sessions.spool_port import Named, SpoolPort

ERASED: Final = "erased"
#: Events looked through in one transaction.
MOST_AT_ONCE: Final = 2_000
UNSALTED_AT_ONCE: Final = 200
_PATHS: Final = {"user": "$.user.user_id", "session": "$.session.session_id"}


async def named(database: Database, tenant: str, subject: str, name: str) -> Named:
    """The tenant's events that name a user or a session. Raises: StateError."""
    found = Named("", [])
    after: int | None = 0
    while after is not None:
        step = partial(named_in, tenant=tenant, subject=subject, name=name, after=after)
        some, after = await database.transact(step)
        found = Named(some.spool, found.ids + some.ids)
    return found


def named_in(sql: Sql, tenant: str, subject: str, name: str, after: int) -> tuple[Named, int | None]:
    """Those among the next MOST_AT_ONCE events of the tenant after one; and where to go on, None = that was all."""
    spool = str(sql.execute("SELECT spool FROM ledgering")[0][0])
    window = "SELECT id FROM event WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?"
    last, count = sql.execute(f"SELECT MAX(id), COUNT(*) FROM ({window})", tenant, after, MOST_AT_ONCE)[0]
    if last is None:
        return Named(spool, []), None
    rows = sql.execute(
        "SELECT id FROM event WHERE tenant = ? AND id > ? AND id <= ? AND json_extract(event, ?) = ?",
        tenant,
        after,
        last,
        _PATHS[subject],
        name,
    )
    return Named(spool, [as_int(number) for (number,) in rows]), as_int(last) if count == MOST_AT_ONCE else None


def erase_person_in(sql: Sql, tenant: str, ids: Sequence[int], keys: dict[str, str]) -> int:
    """Erase user and session from these events of the tenant; how many of them are there.

    Args: keys: which key stands for which, so that what was kept in order together stays together; it is added to.
    """
    count = 0
    for number in ids:
        found = sql.execute("SELECT key FROM event WHERE id = ? AND tenant = ?", number, tenant)
        if not found:
            continue
        old = str(found[0][0])
        new = keys.setdefault(old, spool_key(tenant, f"{ERASED}:{number}"))
        sql.execute(
            """UPDATE event SET key = ?, event = json_set(event, '$.user.user_id', ?, '$.session.session_id', ?)
               WHERE id = ?""",
            new,
            ERASED,
            ERASED,
            number,
        )
        # All that waits there, or what waits behind an event that has another key now would wait for ever.
        sql.execute("UPDATE parked SET key = ? WHERE key = ?", new, old)
        sql.execute("UPDATE destination SET failing_key = ? WHERE failing_key = ?", new, old)
        count += 1
    if count:
        sql.execute("UPDATE ledgering SET erasures = erasures + 1")
    return count


async def erase_person(database: Database, tenant: str, place: Named) -> int:
    """Erase user and session from these events of the tenant, some at a time; how many of them are in this spool.

    Raises: StateError.
    """
    spool = (await database.transact(lambda sql: sql.execute("SELECT spool FROM ledgering")))[0][0]
    if spool != place.spool:
        return 0
    count, keys = 0, dict[str, str]()
    for start in range(0, len(place.ids), MOST_AT_ONCE):
        some = place.ids[start : start + MOST_AT_ONCE]
        count += await database.transact(partial(erase_person_in, tenant=tenant, ids=some, keys=keys))
    return count


async def erase_from_spool(
    spool: SpoolPort, mediator: MediatorPort, tenant: str, subject: str, name: str, clock: Clock
) -> int:
    """Erase a person from the tenant's events in the spool; how many named them. Raises: StateError.

    The tenant's ledger has erased it before. The salts go first: saying it again after a failure finds what is left.
    """
    # A relay may have read events with their names before the ledger erased them, and bring them when this is over.
    # Once all of them are in the spool, what it brings is there already.
    await push_outbox(mediator, spool, tenant, clock)
    count = 0
    for place in await spool.named(tenant, subject, name):
        if place.ids:
            await _unsalt(mediator, tenant, place)
            count += await spool.erase_person(tenant, place)
            # Those that came into the ledger just before; of any that come later, the relay sees it.
            await _unsalt(mediator, tenant, place)
    return count


async def _unsalt(mediator: MediatorPort, tenant: str, place: Named) -> None:
    for start in range(0, len(place.ids), UNSALTED_AT_ONCE):
        some = place.ids[start : start + UNSALTED_AT_ONCE]
        await mediator.sessions(tenant, UNSALT, {"spool": place.spool, "ids": some})
