"""When a commit happens: transactions gather while more come, and patient ones wait for company."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase, SqliteSettings
from tests.gateway.adapters.database_process import create, stored
from tests.gateway.adapters.test_sqlite_database import CommitLog, insert


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


@pytest.fixture
def log() -> CommitLog:
    return CommitLog()


@pytest.fixture
async def database(path: str, log: CommitLog) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(path, SqliteSettings(), log)
    await database.open()
    await database.transact(create)
    log.commits = 0
    yield database
    await database.close()


async def test_transactions_of_neighbouring_turns_gather_into_a_commit(
    database: SqliteDatabase, log: CommitLog
) -> None:
    waiting = []
    for number in range(4):
        waiting.append(asyncio.ensure_future(database.transact(insert(number))))
        await asyncio.sleep(0)
    assert await asyncio.gather(*waiting) == [0, 1, 2, 3]
    assert log.commits == 1


async def test_gathering_ends_with_the_first_turn_that_brings_nobody(database: SqliteDatabase, log: CommitLog) -> None:
    first = asyncio.ensure_future(database.transact(insert(1)))
    for _ in range(4):
        await asyncio.sleep(0)
    assert log.commits == 1
    assert await first == 1


async def test_a_patient_transaction_waits_for_company_and_keeps_its_place(path: str, log: CommitLog) -> None:
    database = SqliteDatabase(path, SqliteSettings(patience_us=60_000_000), log)
    await database.open()
    await database.transact(create)
    log.commits = 0
    patient = asyncio.ensure_future(database.transact(insert(1), patient=True))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not patient.done()
    # Who comes later sees it, and one commit does for both.
    assert await database.transact(stored) == [(1,)]
    assert await patient == 1
    assert log.commits == 1
    alone = asyncio.ensure_future(database.transact(insert(2), patient=True))
    await asyncio.sleep(0)
    await database.close()
    assert await alone == 2


@pytest.mark.parametrize(
    ("limits", "count"),
    [(SqliteSettings(patience_us=1), 1), (SqliteSettings(patience_us=60_000_000, max_batch=8), 8)],
    ids=["by itself", "with a full batch"],
)
async def test_patience_ends(path: str, log: CommitLog, limits: SqliteSettings, count: int) -> None:
    database = SqliteDatabase(path, limits, log)
    await database.open()
    await database.transact(create)
    log.commits = 0
    async with asyncio.timeout(30):
        await asyncio.gather(*(database.transact(insert(n), patient=True) for n in range(count)))
    assert log.commits == 1
    await database.close()
