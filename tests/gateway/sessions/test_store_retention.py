"""Stores that are told how long to keep an event, in SQLite and in PostgreSQL for real."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.sessions.postgres_store import PostgresSettings, PostgresStore
from gateway.sessions.sqlite_store import SqliteStore, SqliteStoreSettings
from gateway.sessions.trimming import Trimmed
from tests.contracts.debian_servers import Postgres
from worker.sessions.destination import Fate, Shaped

DAY_US = 86_400_000_000
OLD_FORM = "(tenant text NOT NULL, event_id text NOT NULL, captured_at {} NOT NULL, event {} NOT NULL, {}"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def event(number: int, keep_days: int | None) -> Shaped:
    return Shaped(f"evt_{number}", "acme", "s", DAY_US, "", '{"a":1}', keep_days)


BATCH = [event(1, None), event(2, 1), event(3, 2)]


def in_sqlite(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT event_id FROM session_completed ORDER BY event_id")]


async def in_postgres(server: Postgres, table: str) -> list[str]:
    import asyncpg  # type: ignore[import-untyped]

    connection = await asyncpg.connect(server.url)
    try:
        return [row[0] for row in await connection.fetch(f'SELECT event_id FROM "{table}" ORDER BY event_id')]
    finally:
        await connection.close()


async def test_sqlite_drops_what_has_expired_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(SqliteStoreSettings(path))
    assert isinstance(store, Trimmed)
    await store.trim(0)
    assert list(await store.deliver(BATCH)) == [Fate.DELIVERED] * 3
    for now_us, left in ((2 * DAY_US, [1, 2, 3]), (2 * DAY_US + 1, [1, 3]), (2**51, [1])):
        await store.trim(now_us)
        assert in_sqlite(path) == [f"evt_{number}" for number in left]
    await store.close()


async def test_postgres_drops_what_has_expired_and_nothing_else(postgres: Postgres) -> None:
    store = PostgresStore(PostgresSettings(postgres.url, "expiring", timeout_s=5))
    assert isinstance(store, Trimmed)
    await store.trim(0)
    assert list(await store.deliver(BATCH)) == [Fate.DELIVERED] * 3
    for now_us, left in ((2 * DAY_US, [1, 2, 3]), (2 * DAY_US + 1, [1, 3]), (2**51, [1])):
        await store.trim(now_us)
        assert await in_postgres(postgres, "expiring") == [f"evt_{number}" for number in left]
    await store.close()


async def test_a_table_of_sqlite_without_the_column_for_it_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        form = OLD_FORM.format("TEXT", "TEXT", "PRIMARY KEY (tenant, event_id)) WITHOUT ROWID")
        connection.execute(f"CREATE TABLE session_completed {form}")
    for _ in range(2):
        store = SqliteStore(SqliteStoreSettings(path))
        assert list(await store.deliver(BATCH)) == [Fate.DELIVERED] * 3
        await store.close()


async def test_a_table_of_postgres_without_the_column_for_it_gets_one(postgres: Postgres) -> None:
    import asyncpg

    connection = await asyncpg.connect(postgres.url)
    form = OLD_FORM.format("timestamptz", "jsonb", "PRIMARY KEY (tenant, event_id))")
    await connection.execute(f"CREATE TABLE older {form}")
    await connection.close()
    for _ in range(2):
        store = PostgresStore(PostgresSettings(postgres.url, "older", timeout_s=5))
        assert list(await store.deliver(BATCH)) == [Fate.DELIVERED] * 3
        await store.close()


async def test_a_store_that_nobody_can_reach_says_so_and_not_where_it_is() -> None:
    store = PostgresStore(PostgresSettings("postgresql://ada:hush@127.0.0.1:1/x", timeout_s=2))
    with pytest.raises(OSError, match="127") as caught:
        await store.trim(0)
    assert "hush" not in str(caught.value)
