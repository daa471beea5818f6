"""A database of every earlier version becomes one of this version, with what was in it, and works on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.worker.decision_kit import World, config, facts, hasher, settlement, world
from tests.worker.ledger.log_kit import verify_stored
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import entry_id, leaf_hash
from worker.ports import Sql, SqlRow
from worker.schema import MIGRATIONS, migrate

CAPPED = config(default_cap=10**9)
EVENT = canonical_json(
    {"event_id": "evt_old", "session": {"session_id": "s"}, "user": {"user_id": "lovelace"}}
).decode()


def old_entry(seq: int, kind: str, payload: dict[str, str]) -> str:
    """An entry as version 1 wrote it."""
    return canonical_json(
        {"at_us": seq, "kind": kind, "payload": payload, "seq": seq, "tenant": "acme", "v": 1}
    ).decode()


@asynccontextmanager
async def database_of(version: int, path: Path) -> AsyncIterator[SqliteDatabase]:
    """A database that was last used by so early a version, with a tenant, its money, and a log of two entries."""
    database = SqliteDatabase(str(path))
    await database.open()

    def fill(sql: Sql) -> None:
        sql.execute("CREATE TABLE migration (version INTEGER PRIMARY KEY)")
        for number in range(version):
            for statement in MIGRATIONS[number]:
                sql.execute(statement)
            sql.execute("INSERT INTO migration (version) VALUES (?)", number + 1)
        if not version:
            return
        sha3 = hasher()
        sql.execute("INSERT INTO tenant (log, tenant, catalogue_hash, created_us) VALUES (1, 'acme', 'old', 7)")
        sql.execute("INSERT INTO account VALUES ('acme', 'day:1', 1000, 0, 0, 0)")
        update = old_entry(0, "STRUCTURE_UPDATE", {"item": "catalogue"})
        digest = sha3.sha3_256(EVENT.encode()).hex()
        completion = old_entry(1, "SESSION_COMPLETION", {"decision_id": "dec_old", "event": digest})
        insert = "INSERT INTO ledger VALUES (?, 'acme', ?, ?, ?, ?, ?, ?)"
        rows = [(0, "STRUCTURE_UPDATE", update, None), (1, "SESSION_COMPLETION", completion, EVENT)]
        for seq, kind, entry, evidence in rows:
            leaf = leaf_hash(sha3, entry.encode())
            sql.execute(insert, entry_id(1, seq), seq, seq, kind, entry, leaf, evidence)

    await database.transact(fill)
    try:
        yield database
    finally:
        await database.close()


async def shape_of(database: SqliteDatabase) -> list[SqlRow]:
    statement = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
    return await database.transact(lambda sql: sql.execute(statement))


@pytest.mark.parametrize("version", range(len(MIGRATIONS) + 1))
async def test_from_each_earlier_version(tmp_path: Path, version: int) -> None:
    path = tmp_path / "harpoon.db"
    async with database_of(version, path) as database:
        assert await database.transact(migrate) == len(MIGRATIONS) - version
        assert await database.transact(migrate) == 0
        migrated = await shape_of(database)
    async with database_of(0, tmp_path / "fresh.db") as fresh:
        await fresh.transact(migrate)
        assert migrated == await shape_of(fresh)
    async with world(CAPPED, str(path)) as state:
        await check_kept(state, version)
        assert (await state.mediator.admit(facts(user_id="grace"))).refusal is None
        await state.mediator.settle(settlement())
        report = await verify_stored(state)
        assert report["ok"], report
        assert (await state.events())[-1]["user"]["user_id"] == "grace"


async def check_kept(state: World, version: int) -> None:
    """What was in the old database is there, and its log verifies."""
    report = await verify_stored(state)
    assert (report["ok"], report["size"]) == (True, 2 if version else 0)
    if version:
        assert await state.account("day:1") == (1000, 0, 0, 0)
        assert await state.rows("SELECT event FROM outbox") == [(EVENT,)]
        assert report["evidence"] == 1


async def test_a_migration_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with database_of(1, tmp_path / "harpoon.db") as database:
        await database.transact(lambda sql: sql.execute("CREATE TABLE covenant (in_the_way INTEGER)"))
        before = await shape_of(database)
        with pytest.raises(Exception, match="covenant"):
            await database.transact(migrate)
        assert await shape_of(database) == before


def test_shipped_migrations_are_as_they_were_shipped() -> None:
    """Whoever changes one changes databases that nobody will change with it: append another instead."""
    digests = [hasher().sha3_256("\n".join(statements).encode()).hex()[:16] for statements in MIGRATIONS]
    assert digests[:3] == ["67743ee108c96051", "b2170429f7a95688", "f47505b8df5aa463"]
