"""What the SQLite adapter promises beyond the port: group commit, isolation of failures, a short log."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.sqlite_database import SqliteDatabase, SqliteSettings
from tests.gateway.adapters.database_process import create, stored
from worker.errors import StateError
from worker.ports import Sql, SqlRow


class CommitLog:
    """A commit listener that counts, and can refuse."""

    def __init__(self) -> None:
        self.commits = 0
        self.forbidden: int | None = None

    def __call__(self, sql: Sql) -> None:
        if self.forbidden is not None and sql.execute("SELECT 1 FROM kept WHERE n = ?", self.forbidden):
            raise AssertionError("forbidden")
        self.commits += 1


def insert(number: int, body: bytes = b"") -> Callable[[Sql], int]:
    def fn(sql: Sql) -> int:
        sql.execute("INSERT INTO kept VALUES(?, ?)", number, body)
        return number

    return fn


def wal_bytes(path: str) -> int:
    return os.path.getsize(path + "-wal") if os.path.exists(path + "-wal") else 0


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


@pytest.fixture
def log() -> CommitLog:
    return CommitLog()


@pytest.fixture
async def database(path: str, log: CommitLog) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(path, SqliteSettings(max_batch=16), log)
    await database.open()
    await database.transact(create)
    log.commits = 0
    yield database
    await database.close()


async def test_transactions_of_one_turn_share_a_commit(database: SqliteDatabase, log: CommitLog) -> None:
    assert await asyncio.gather(*(database.transact(insert(n)) for n in range(16))) == list(range(16))
    assert log.commits == 1


async def test_a_batch_is_bounded(database: SqliteDatabase, log: CommitLog) -> None:
    await asyncio.gather(*(database.transact(insert(n)) for n in range(100)))
    assert log.commits == 7  # 100 functions, at most 16 in each commit
    assert len(await database.transact(stored)) == 100


async def test_a_failure_makes_its_batch_run_one_by_one(database: SqliteDatabase, log: CommitLog) -> None:
    runs: list[int] = []
    boom = RuntimeError("boom")

    def fn(number: int) -> Callable[[Sql], int]:
        def run(sql: Sql) -> int:
            runs.append(number)
            sql.execute("INSERT INTO kept VALUES(?, NULL)", number)
            if number == 2:
                raise boom
            return number

        return run

    outcomes = await asyncio.gather(*(database.transact(fn(n)) for n in range(5)), return_exceptions=True)
    assert outcomes == [0, 1, boom, 3, 4]
    assert runs == [0, 1, 2, 0, 1, 2, 3, 4]
    assert log.commits == 4
    assert await database.transact(stored) == [(0,), (1,), (3,), (4,)]


async def test_who_comes_during_the_one_by_one_run_shares_a_commit_again(
    database: SqliteDatabase, log: CommitLog
) -> None:
    first = [asyncio.ensure_future(database.transact(insert(n))) for n in (1, 1, 2)]
    await first[0]  # the first of the three, by itself
    later = [asyncio.ensure_future(database.transact(insert(n))) for n in range(10, 20)]
    outcomes = await asyncio.gather(*first, *later, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[:3]] == [int, StateError, int]
    assert outcomes[3:] == list(range(10, 20))
    assert log.commits == 3  # 1 and 2 alone, then all of the later ones


async def test_the_listener_refuses_a_commit(database: SqliteDatabase, log: CommitLog) -> None:
    log.forbidden = 3
    outcomes = await asyncio.gather(*(database.transact(insert(n)) for n in range(5)), return_exceptions=True)
    assert [isinstance(outcome, AssertionError) for outcome in outcomes] == [False, False, False, True, False]
    log.forbidden = None
    assert await database.transact(stored) == [(0,), (1,), (2,), (4,)]


@pytest.mark.parametrize("error", [StopIteration(1), asyncio.CancelledError(), GeneratorExit()], ids=repr)
async def test_odd_exceptions_do_not_stop_the_queue(database: SqliteDatabase, error: BaseException) -> None:
    def fail(sql: Sql) -> None:
        raise error

    outcomes = await asyncio.gather(
        database.transact(insert(1)), database.transact(fail), database.transact(insert(2)), return_exceptions=True
    )
    assert outcomes[0] == 1
    assert isinstance(outcomes[1], BaseException)
    assert outcomes[2] == 2


async def test_callers_cancelled_before_their_turn_never_run(database: SqliteDatabase, log: CommitLog) -> None:
    tasks = [asyncio.ensure_future(database.transact(insert(n))) for n in range(4)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await database.transact(stored) == []
    assert log.commits == 1  # the reading just above


async def test_cancellation_during_a_busy_wait_leaves_the_others_waiting(path: str, database: SqliteDatabase) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tasks = [asyncio.ensure_future(database.transact(insert(n))) for n in range(4)]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in tasks)
    tasks[1].cancel()
    await asyncio.sleep(0.01)
    other.execute("COMMIT")
    other.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert await database.transact(stored) == [(0,), (2,), (3,)]


async def test_waiting_for_another_process_ends_at_its_limit_and_recovers(path: str, database: SqliteDatabase) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    impatient = SqliteDatabase(path, SqliteSettings(busy_limit_us=20_000))
    await impatient.open()
    outcomes = await asyncio.gather(*(impatient.transact(insert(n)) for n in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StateError] * 3
    other.execute("COMMIT")
    other.close()
    assert await asyncio.gather(*(impatient.transact(insert(n)) for n in range(3))) == [0, 1, 2]
    await impatient.close()


async def test_the_loop_turns_while_another_process_holds_the_lock(path: str, database: SqliteDatabase) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.ensure_future(database.transact(insert(1)))
    for _ in range(200):  # each turn could not happen if the wait held the loop
        await asyncio.sleep(0)
    assert not task.done()
    other.execute("ROLLBACK")
    other.close()
    assert await task == 1


async def test_the_write_ahead_log_is_cut_back_again_and_again(path: str) -> None:
    limit = 128 * 1024
    database = SqliteDatabase(path, SqliteSettings(checkpoint_wal_bytes=limit))
    await database.open()
    await database.transact(create)
    cuts = 0
    before = 0
    for number in range(100_000):
        await database.transact(insert(number, b"x" * 3000))
        size = wal_bytes(path)
        cuts += size < before
        before = size
        if cuts == 5:
            break
    assert cuts == 5
    await database.close()
    assert wal_bytes(path) == 0


async def test_a_reader_that_stays_does_not_stop_writers(path: str, database: SqliteDatabase) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM kept").fetchall()
    small = SqliteDatabase(path, SqliteSettings(checkpoint_wal_bytes=64 * 1024, checkpoint_wait_ms=5))
    await small.open()
    for number in range(300):
        await small.transact(insert(number, b"x" * 3000))
    reader.execute("COMMIT")
    reader.close()
    assert len(await small.transact(stored)) == 300
    await small.close()


async def test_closing_commits_what_waits_and_refuses_what_comes(path: str, database: SqliteDatabase) -> None:
    tasks = [asyncio.ensure_future(database.transact(insert(n))) for n in range(40)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*tasks) == list(range(40))
    with pytest.raises(StateError, match="not open"):
        await database.transact(stored)
    await database.close()
    await database.open()
    assert len(await database.transact(stored)) == 40


async def test_the_queue_is_bounded(path: str) -> None:
    database = SqliteDatabase(path, SqliteSettings(max_waiting=3))
    await database.open()
    await database.transact(create)
    outcomes = await asyncio.gather(*(database.transact(insert(n)) for n in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, int, int, StateError, StateError]
    await database.close()


async def test_a_statement_outside_its_transaction_is_refused(database: SqliteDatabase) -> None:
    kept: list[Sql] = []
    await database.transact(kept.append)
    with pytest.raises(StateError, match="transaction"):
        kept[0].execute("INSERT INTO kept VALUES(1, NULL)")
    assert await database.transact(stored) == []


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA synchronous=OFF",
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "VACUUM",
        "SELECT 1; SELECT 2",
        "SELECT 9007199254740991 + 1",
        "SELECT 1.5",
        "SELECT 'null\0'",
        "SELECT '\ud800'",
        "/* hidden */ COMMIT",
        "-- hidden\nROLLBACK",
        ";COMMIT",
    ],
    ids=ascii,
)
async def test_what_would_differ_from_a_durable_object_is_refused(database: SqliteDatabase, statement: str) -> None:
    def story(sql: Sql) -> None:
        sql.execute("INSERT INTO kept VALUES(1, NULL)")
        sql.execute(statement)

    with pytest.raises(StateError):
        await database.transact(story)
    assert await database.transact(stored) == []


async def test_a_transaction_that_sqlite_ends_is_not_continued(database: SqliteDatabase) -> None:
    def story(sql: Sql) -> None:
        sql.execute("INSERT INTO kept VALUES(1, NULL)")
        with pytest.raises(StateError):
            sql.execute("INSERT OR ROLLBACK INTO kept VALUES(1, NULL)")
        with pytest.raises(StateError, match="transaction"):
            sql.execute("INSERT INTO kept VALUES(2, NULL)")

    with pytest.raises(StateError, match="ended the transaction"):
        await database.transact(story)
    assert await database.transact(stored) == []


async def test_a_constraint_that_fails_at_commit_is_its_own_functions_failure(database: SqliteDatabase) -> None:
    def schema(sql: Sql) -> None:
        sql.execute("CREATE TABLE parent(id INTEGER PRIMARY KEY)")
        sql.execute("CREATE TABLE child(p INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)")

    await database.transact(schema)
    outcomes = await asyncio.gather(
        database.transact(insert(1)),
        database.transact(lambda sql: sql.execute("INSERT INTO child VALUES(7)")),
        database.transact(insert(2)),
        return_exceptions=True,
    )
    assert outcomes[0] == 1
    assert isinstance(outcomes[1], StateError)
    assert outcomes[2] == 2


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
async def test_durability_settings_reach_sqlite(path: str, synchronous: str) -> None:
    database = SqliteDatabase(path, SqliteSettings(synchronous=synchronous))  # type: ignore[arg-type]
    await database.open()
    connection = database._connection
    assert connection is not None
    assert connection.execute("PRAGMA synchronous").fetchone() == ({"NORMAL": 1, "FULL": 2}[synchronous],)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    await database.close()


async def test_files_that_are_no_database_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a database at all" * 100)
    for bad in (str(tmp_path / "text"), str(tmp_path), str(tmp_path / "no" / "folder")):
        with pytest.raises(StateError, match="can't be opened"):
            await SqliteDatabase(bad).open()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 60), st.booleans()), max_size=40))
def test_concurrent_transfers_equal_the_same_transfers_in_order(moves: list[tuple[int, int, int, bool]]) -> None:
    def transfer(source: int, target: int, amount: int, fails: bool) -> Callable[[Sql], bool]:
        def fn(sql: Sql) -> bool:
            ok = sql.execute("UPDATE kept SET n = n - ? WHERE k = ? AND n >= ? RETURNING 1", amount, source, amount)
            if ok:
                sql.execute("UPDATE kept SET n = n + ? WHERE k = ?", amount, target)
            if fails:
                raise ValueError
            return bool(ok)

        return fn

    async def story() -> tuple[list[bool | None], list[SqlRow]]:
        database = SqliteDatabase(":memory:", SqliteSettings(max_batch=7))
        await database.open()
        await database.transact(lambda sql: sql.execute("CREATE TABLE kept(k INTEGER PRIMARY KEY, n INTEGER NOT NULL)"))
        for key in range(6):
            await database.transact(lambda sql, key=key: sql.execute("INSERT INTO kept VALUES(?, 100)", key))  # type: ignore[misc]
        outcomes = await asyncio.gather(*(database.transact(transfer(*move)) for move in moves), return_exceptions=True)
        rows = await database.transact(lambda sql: sql.execute("SELECT n FROM kept ORDER BY k"))
        await database.close()
        return [None if isinstance(outcome, ValueError) else bool(outcome) for outcome in outcomes], rows

    balances = [100] * 6
    expected: list[bool | None] = []
    for source, target, amount, fails in moves:
        ok = balances[source] >= amount
        if ok and not fails:
            balances[source] -= amount
            balances[target] += amount
        expected.append(None if fails else ok)
    assert asyncio.run(story()) == (expected, [(balance,) for balance in balances])
