"""A spool whose file was replaced by an older one: nothing of ours is lost, and no number is given twice."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.worker.decision_kit import World, hasher, world
from tests.worker.ledger.log_kit import verify_stored
from tests.worker.sessions.test_batch_leaf import batches, capture, found, text_of
from tests.worker.sessions.test_relay import CAPPED, CLOCK, Plane
from worker.sessions.batch_leaf import verify_reported
from worker.sessions.relay import Relay
from worker.sessions.spool_ledger import SpoolLedger
from worker.sessions.spool_restored import catch_up
from worker.sessions.spool_retention import forget_in

LATER_US = 2**52


@asynccontextmanager
async def running(state: World, path: Path) -> AsyncIterator[Plane]:
    """A life of the gateway over a spool in this file; it caught up before, and nothing is lost at its end."""
    database = SqliteDatabase(str(path))
    await database.open()
    try:
        made = Plane(state, database)
        await made.spool.open()
        await catch_up(state.mediator, database)
        yield made
        await made.relay.run_once()
    finally:
        await database.close()


async def decisions(made: Plane, tenant: str) -> list[str]:
    return [event["metadata"]["decision_id"][-1] for event in await made.events(tenant)]


async def test_what_a_backup_does_not_have_is_brought_again(tmp_path: Path) -> None:
    path, backup = tmp_path / "sessions.db", tmp_path / "backup.db"
    async with world(CAPPED) as state:
        async with running(state, path) as made:
            await made.serve(1)
        shutil.copy(path, backup)
        async with running(state, path) as made:
            await made.serve(2)
            await made.serve(3, tenant="beta")
        shutil.copy(backup, path)
        async with running(state, path) as made:
            await made.relay.run_once()
            assert (await decisions(made, "acme"), await decisions(made, "beta")) == (["1", "2"], ["3"])
        async with running(state, path) as made:
            assert await catch_up(state.mediator, made.database) == 0


async def test_a_reported_event_gets_no_number_that_a_ledger_knows_of_another(tmp_path: Path) -> None:
    path, backup = tmp_path / "sessions.db", tmp_path / "backup.db"
    async with world(CAPPED) as state:
        async with running(state, path) as made:
            await capture(made, "evt_1")
        shutil.copy(path, backup)
        async with running(state, path) as made:
            await capture(made, "evt_2", "evt_3")
        shutil.copy(backup, path)
        async with running(state, path) as made:
            await capture(made, "evt_4")
            await made.relay.run_once()
            await made.relay.run_once()
            assert [batch["payload"]["first_id"] for batch in await batches(state)] == [1, 2, 4]
            for name, batch in (("evt_1", 0), ("evt_4", 2)):
                proof = (await found(made, name))["ledger"]
                verify_reported(hasher(), await text_of(made, name), proof, (await batches(state))[batch]["payload"])
        assert (await verify_stored(state))["ok"]


async def test_what_retention_dropped_is_not_taken_for_lost(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    async with world(CAPPED) as state:
        async with running(state, path) as made:
            await made.serve(1)
        async with running(state, path) as made:
            assert await made.database.transact(lambda sql: forget_in(sql, LATER_US, LATER_US)) == 1
        async with running(state, path) as made:
            await made.relay.run_once()
            assert await made.events() == []


async def test_a_new_spool_gets_nothing_of_what_another_had_then_or_later(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    async with world(CAPPED) as state:
        async with running(state, path) as made:
            await made.serve(1)
        path.unlink()
        async with running(state, path) as made:
            await capture(made, "evt_1")
        async with running(state, path) as made:
            await made.serve(2)
            await Relay(state.mediator, made.spool, SpoolLedger(made.database, hasher()), CLOCK).run_once()
            assert [event["event_id"][-3:] for event in await made.events()] == ["t_1", "2_1"]
