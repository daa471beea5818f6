"""The spool: an event is kept once, counted at every commit, and leaves only when everybody is done with it."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.worker.decision_kit import NOW_US
from tests.worker.sessions.session_kit import FULL, CountingIds, StandingClock, captured, changed
from worker.errors import StateError
from worker.ports import Sql
from worker.sessions.cursors import NOT_NAMED, register_in
from worker.sessions.partition import partition_key
from worker.sessions.reading import CaptureContext, read_event
from worker.sessions.spool import EventConflict, Spool, SpoolFull
from worker.sessions.spool_capture import spool_key

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


@pytest.fixture
async def database() -> AsyncIterator[SqliteDatabase]:
    found = SqliteDatabase(":memory:")
    await found.open()
    yield found
    await found.close()


@pytest.fixture
async def spool(database: SqliteDatabase) -> Spool:
    made = Spool(database, max_pending=50)
    await made.open()
    await database.transact(lambda sql: register_in(sql, ["billing"]))
    return made


async def keep(spool: Spool, *names: str, tenant: str = "acme", now_us: int = NOW_US) -> int:
    return (await spool.capture(tenant, [captured(changed("event_id", name)) for name in names], now_us)).fresh


async def take(database: SqliteDatabase, count: int) -> None:
    """The destination has had this many."""

    def move(sql: Sql) -> None:
        sql.execute("UPDATE destination SET position = position + ?, delivered = delivered + ?", count, count)

    await database.transact(move)


async def ids(spool: Spool, tenant: str | None = None) -> list[str]:
    return [one["event"]["event_id"] for one in await spool.recent(tenant, 200)]


async def conserved(spool: Spool) -> None:
    for one in (await spool.figures(None, NOW_US))["destinations"]:
        parts = ("delivered", "skipped", "pending", "parked", "dead")
        assert one["captured"] == sum(one[part] for part in parts), one


async def test_opening_again_changes_nothing(spool: Spool) -> None:
    await keep(spool, "a")
    await spool.open()
    assert await ids(spool) == ["a"]


async def test_an_event_is_kept_once_and_the_delivery_is_told_once(spool: Spool) -> None:
    told: list[str] = []
    spool.on_capture = lambda: told.append("now")
    assert await keep(spool, "a", "b", "a") == 2
    assert await keep(spool, "b", "a") == 0
    assert await keep(spool, "a", tenant="rival") == 1
    assert len(told) == 2
    await conserved(spool)


async def test_what_is_refused_leaves_nothing_behind(spool: Spool) -> None:
    await keep(spool, "a")
    other = captured(changed("event_id", "a") | {"outcome": "error"})
    with pytest.raises(EventConflict):
        await spool.capture("acme", [captured(changed("event_id", "b")), other], NOW_US)
    with pytest.raises(SpoolFull):
        await keep(spool, *(f"n{number}" for number in range(50)))
    assert await ids(spool) == ["a"]
    await conserved(spool)


async def test_ids_have_no_gaps_whatever_was_sent_again(spool: Spool, database: SqliteDatabase) -> None:
    """What is behind a cursor is told by a difference of ids."""
    chance = random.Random(3)
    known: list[str] = []
    for turn in range(20):
        batch = [f"e{turn}", *chance.sample(known, min(2, len(known))), f"f{turn}"]
        await keep(spool, *batch)
        known += [f"e{turn}", f"f{turn}"]
    rows = await database.transact(lambda sql: sql.execute("SELECT id FROM event ORDER BY id"))
    assert [row[0] for row in rows] == list(range(1, 41))


async def test_what_is_parked_waits_too_and_a_dead_letter_does_not(spool: Spool, database: SqliteDatabase) -> None:
    await keep(spool, *[f"e{number}" for number in range(48)])
    await take(database, 48)
    for table, due in (("parked", "due_us"), ("dead_letter", "at_us")):
        key = ("key, ", "'k', ") if table == "parked" else ("", "")
        statement = (
            f"INSERT INTO {table} (destination, id, {key[0]}failures, {due}, reason)"
            f" SELECT 'billing', id, {key[1]}1, 0, 'x' FROM event WHERE id <= 24"
        )
        await database.transact(lambda sql, statement=statement: sql.execute(statement))  # type: ignore[misc]
    assert (await spool.figures(None, NOW_US))["waiting"] == 24
    assert await keep(spool, *[f"f{number}" for number in range(26)]) == 26
    with pytest.raises(SpoolFull):
        await keep(spool, "g")
    await database.transact(lambda sql: sql.execute("UPDATE destination SET off = 'it answered 410'"))
    with pytest.raises(SpoolFull):
        await keep(spool, "g")
    assert (await spool.figures(None, NOW_US))["waiting"] == 50
    await database.transact(lambda sql: sql.execute("UPDATE destination SET off = ?", NOT_NAMED))
    assert await keep(spool, "g") == 1


async def test_a_destination_that_begins_in_an_emptied_spool_has_nothing_waiting(database: SqliteDatabase) -> None:
    spool = Spool(database, max_pending=3)
    await spool.open()
    for number in range(9):
        await keep(spool, f"e{number}")
    await spool.forget(NOW_US + 1, NOW_US + 1)
    await database.transact(lambda sql: register_in(sql, ["billing"]))
    assert await keep(spool, "f1", "f2") == 2
    assert (await spool.figures(None, NOW_US))["waiting"] == 2
    assert await keep(spool, "f3") == 1


@pytest.mark.parametrize("said", [5, [5], [None, ["user"]], {"a": 1}, ["usage.total_tokens"], ["session.session_id"]])
async def test_whatever_a_reporter_says_was_assumed_another_event_is_another(spool: Spool, said: object) -> None:
    event = changed("metadata.assumed_fields", said, changed("event_id", "e1"))
    await spool.capture("acme", [captured(event)], NOW_US)
    for path, value in (("usage.total_tokens", None), ("session.session_id", "other")):
        other = changed("usage", {"total_tokens": 7}, event) if value is None else changed(path, value, event)
        with pytest.raises(EventConflict):
            await spool.capture("acme", [captured(other)], NOW_US + 1)
    assert (await spool.capture("acme", [captured(event)], NOW_US + 1)).fresh == 0


async def test_all_that_a_capture_assumes_may_be_another_at_a_retry(spool: Spool) -> None:
    event = {"event_id": "e1", "session_id": "s", "usage": {"total_tokens": 7}}
    for later_us, fresh in ((0, 1), (5_000_000, 0)):
        context = CaptureContext("acme", CountingIds(), StandingClock(NOW_US + later_us))
        read = read_event(event, context)
        assert len(json.loads(read.metadata)["assumed_fields"]) == 6
        assert (await spool.capture("acme", [read], NOW_US + later_us)).fresh == fresh


async def test_our_own_events_are_taken_even_when_it_is_full(spool: Spool) -> None:
    await keep(spool, *(f"n{number}" for number in range(50)))
    assert await spool.accept("acme", [("own", "k", '{"timestamp": "x"}'), ("own", "k", "y")], NOW_US) == 1
    assert await spool.accept("acme", [("own", "k", "another text")], NOW_US) == 0
    assert (await ids_of_source(spool, "own")) == 1


async def ids_of_source(spool: Spool, source: str) -> int:
    return len([one for one in await spool.recent(None, 200) if one["source"] == source])


async def test_a_batch_of_any_size_goes_in_whole(database: SqliteDatabase) -> None:
    """Statements have at most 100 parameters, so batches are cut; nobody may see where."""
    spool = Spool(database)
    await spool.open()
    for size in (1, 31, 32, 33, 64, 65, 98, 99, 100, 198, 199, 1_000):
        names = [f"{size}_{number}" for number in range(size)]
        assert await keep(spool, *names) == size
        assert await keep(spool, *names) == 0
        assert (await ids(spool))[: min(size, 200)] == list(reversed(names))[:200]


async def test_a_clock_that_jumps_loses_nothing_and_counts_nothing_twice(spool: Spool) -> None:
    for number, now_us in enumerate((NOW_US, NOW_US - DAY_US, 0, 5, NOW_US + DAY_US, NOW_US + 1)):
        assert await keep(spool, f"e{number}", now_us=now_us) == 1
    assert await ids(spool) == [f"e{number}" for number in reversed(range(6))]
    figures = await spool.figures(None, NOW_US + 2)
    assert (figures["captured"], figures["captured_last_hour"], figures["captured_last_minute"]) == (6, 2, 2)
    await conserved(spool)


async def test_figures_are_a_tenants_own(spool: Spool, database: SqliteDatabase) -> None:
    await keep(spool, "a", "b", tenant="acme")
    alone = (await spool.figures("acme", NOW_US))["destinations"][0]
    assert (alone["captured"], alone["pending"], alone["delivered"]) == (2, 2, 0)
    await keep(spool, "a", tenant="rival")
    await take(database, 1)
    for tenant, pending in (("acme", 1), ("rival", 1), ("nobody", 0)):
        (billing,) = (await spool.figures(tenant, NOW_US))["destinations"]
        assert (billing["pending"], billing["delivered"], billing["skipped"]) == (pending, None, None)
    assert (await spool.figures("rival", NOW_US))["captured"] == 1
    await conserved(spool)


async def test_the_session_id_may_be_any_text(spool: Spool) -> None:
    event = captured(changed("session.session_id", "a\u0000b\U0001f600'\"", changed("event_id", "odd")))
    await spool.capture("acme", [event], NOW_US)
    found = await spool.find("acme", "odd")
    assert found is not None
    assert found["event"]["session"]["session_id"] == "a\u0000b\U0001f600'\""


async def test_old_events_leave_once_they_are_settled_everywhere(spool: Spool, database: SqliteDatabase) -> None:
    for number in range(4):
        await keep(spool, f"e{number}", now_us=NOW_US + number)
    assert await spool.forget(NOW_US + 3, NOW_US + 10) == 0, "nothing was delivered"
    await take(database, 3)
    assert await spool.forget(NOW_US + 2, NOW_US + 10) == 2
    assert await ids(spool) == ["e3", "e2"]
    park = "INSERT INTO parked (destination, id, key, failures, due_us, reason) VALUES ('billing', 3, 'k', 1, 0, 'x')"
    await database.transact(lambda sql: sql.execute(park))
    assert await spool.forget(NOW_US + 3, NOW_US + 10) == 0, "it is to be tried again"
    await database.transact(lambda sql: sql.execute("DELETE FROM parked"))
    assert await spool.forget(NOW_US + 3, NOW_US + 10) == 1
    assert (await spool.figures(None, NOW_US))["captured"] == 4, "what was dropped stays counted"
    await conserved(spool)


async def test_a_tenant_can_be_erased_and_the_counts_still_add_up(spool: Spool, database: SqliteDatabase) -> None:
    for number in range(3):
        await keep(spool, f"a{number}", tenant="acme")
        await keep(spool, f"r{number}", tenant="rival")
    await take(database, 2)
    dead = "INSERT INTO dead_letter (destination, id, failures, reason, at_us) VALUES ('billing', 1, 3, 'x', 0)"
    await database.transact(lambda sql: sql.execute(dead))
    await database.transact(lambda sql: sql.execute("UPDATE destination SET delivered = delivered - 1"))
    await conserved(spool)
    assert await spool.erase("acme") == 3
    assert await ids(spool) == ["r2", "r1", "r0"]
    assert await spool.find("acme", "a1") is None
    assert (await spool.figures("acme", NOW_US))["captured"] == 0
    await conserved(spool)


async def test_where_it_was_delivered_and_when(spool: Spool, database: SqliteDatabase) -> None:
    await keep(spool, "a", "b", "c")

    def deliver(sql: Sql) -> None:
        register_in(sql, ["billing", "audit"])
        note = "INSERT INTO delivery (destination, first_id, last_id, at_us, skipped) VALUES (?, ?, ?, ?, ?)"
        sql.execute(note, "billing", 1, 3, NOW_US + 5, "[1]")
        sql.execute(note, "billing", 2, 2, NOW_US + 9, "[]")
        sql.execute(note, "audit", 1, 1, NOW_US + 7, "[]")

    await database.transact(deliver)
    routed = {}
    for name in "abc":
        found = await spool.find("acme", name)
        assert found is not None
        routed[name] = [(one["destination"], one["delivered_at"][-4:]) for one in found["routed_to"]]
    assert routed == {
        "a": [("billing", "005Z"), ("audit", "007Z")],
        "b": [("billing", "009Z")],
        "c": [("billing", "005Z")],
    }


def test_the_key_of_our_own_sessions_is_the_partition_key() -> None:
    event = captured(FULL)
    assert spool_key(event.organization_id, event.session_id) == partition_key(event)
    assert spool_key("a", "1:b:c") != spool_key("a:1", "b:c")


async def test_a_failing_database_says_so(database: SqliteDatabase) -> None:
    spool = Spool(database)
    with pytest.raises(StateError):
        await keep(spool, "a")
