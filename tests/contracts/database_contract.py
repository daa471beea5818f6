"""What every Database adapter must do, as plain cases that run wherever a Database can be had.

Each case is a coroutine function that gets an open, empty database of its own and raises AssertionError when the
port is not kept. Imports stay with the standard library and the port, so that the cases also run inside workerd.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from worker.errors import StateError
from worker.ports import Database, Sql, SqlRow

MAX_INTEGER = 2**53 - 1
Case = Callable[[Database], Awaitable[None]]
CASES: list[Case] = []


def case(function: Case) -> Case:
    CASES.append(function)
    return function


async def run(database: Database, statement: str, *parameters: object) -> list[SqlRow]:
    return await database.transact(lambda sql: sql.execute(statement, *parameters))  # type: ignore[arg-type]


async def refused(database: Database, statement: str, *parameters: object) -> str:
    """The message of the StateError that the statement must end in."""
    try:
        await run(database, statement, *parameters)
    except StateError as error:
        return str(error)
    raise AssertionError(f"not refused: {statement}")


@case
async def case_values_come_back_as_they_went_in(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER, t TEXT, b BLOB)")
    values = [
        (0, "", b""),
        (MAX_INTEGER, "¢ 語 🜁 \u0301 'quoted' ?", bytes(range(256))),
        (-MAX_INTEGER, "line\nbreak\ttab", b"\x00"),
        (None, None, None),
    ]
    for row in values:
        assert await run(database, "INSERT INTO kept VALUES(?, ?, ?)", *row) == []
    assert await run(database, "SELECT n, t, b FROM kept ORDER BY rowid") == values


@case
async def case_types_of_values_are_exact(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER, t TEXT, b BLOB)")
    await run(database, "INSERT INTO kept VALUES(?, ?, ?)", 7, "7", b"7")
    (row,) = await run(database, "SELECT n, t, b FROM kept")
    assert [type(value) for value in row] == [int, str, bytes]
    assert type(row) is tuple


@case
async def case_integers_stay_exact_through_arithmetic(database: Database) -> None:
    await run(database, "CREATE TABLE account(spent INTEGER NOT NULL)")
    await run(database, "INSERT INTO account VALUES(?)", MAX_INTEGER - 3)
    (row,) = await run(database, "UPDATE account SET spent = spent + ? RETURNING spent", 3)
    assert row == (MAX_INTEGER,)
    assert type(row[0]) is int
    (row,) = await run(database, "UPDATE account SET spent = spent - ? RETURNING spent", MAX_INTEGER - 1)
    assert row == (1,)
    assert type(row[0]) is int


@case
async def case_integers_beyond_javascript_are_refused(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER)")
    for number in (MAX_INTEGER + 1, -MAX_INTEGER - 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30):
        message = await refused(database, "INSERT INTO kept VALUES(?)", number)
        assert str(abs(number)) not in message
    assert await run(database, "SELECT * FROM kept") == []


@case
async def case_other_types_are_refused(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n)")
    for value in (1.5, float("nan"), True, [1], (1,), {"a": 1}, object()):
        await refused(database, "INSERT INTO kept VALUES(?)", value)
    await refused(database, "INSERT INTO kept VALUES(?)", "lone surrogate \ud800")
    assert await run(database, "SELECT * FROM kept") == []


@case
async def case_a_hundred_parameters_and_no_more(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER)")
    await run(database, "INSERT INTO kept VALUES" + ",".join(["(?)"] * 100), *range(100))
    await refused(database, "INSERT INTO kept VALUES" + ",".join(["(?)"] * 101), *range(101))
    assert await run(database, "SELECT count(*), sum(n) FROM kept") == [(100, 4950)]


@case
async def case_parameters_must_match_the_placeholders(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER)")
    await refused(database, "INSERT INTO kept VALUES(?)")
    await refused(database, "INSERT INTO kept VALUES(?)", 1, 2)
    assert await run(database, "SELECT * FROM kept") == []


@case
async def case_rows_may_be_large_but_stay_under_two_megabytes(database: Database) -> None:
    await run(database, "CREATE TABLE kept(b BLOB)")
    await run(database, "INSERT INTO kept VALUES(?)", b"x" * 1_900_000)
    await refused(database, "INSERT INTO kept VALUES(?)", b"x" * 2_200_000)
    assert await run(database, "SELECT length(b) FROM kept") == [(1_900_000,)]


@case
async def case_the_last_value_of_the_function_is_returned(database: Database) -> None:
    answer = object()
    assert await database.transact(lambda sql: answer) is answer
    assert await database.transact(lambda sql: None) is None


@case
async def case_a_transaction_reads_its_own_writes_and_later_ones_see_them(database: Database) -> None:
    def story(sql: Sql) -> list[SqlRow]:
        sql.execute("CREATE TABLE kept(n INTEGER)")
        sql.execute("INSERT INTO kept VALUES(1)")
        sql.execute("UPDATE kept SET n = n + 1")
        return sql.execute("SELECT n FROM kept")

    assert await database.transact(story) == [(2,)]
    assert await run(database, "SELECT n FROM kept") == [(2,)]


@case
async def case_an_exception_rolls_back_and_comes_out_unchanged(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER)")
    error = LookupError("my own")

    def fail(sql: Sql) -> None:
        sql.execute("INSERT INTO kept VALUES(1)")
        sql.execute("CREATE TABLE other(n INTEGER)")
        raise error

    (outcome,) = await asyncio.gather(database.transact(fail), return_exceptions=True)
    assert outcome is error
    assert await run(database, "SELECT * FROM kept") == []
    assert await run(database, "SELECT name FROM sqlite_master WHERE name = 'other'") == []


@case
async def case_a_failing_function_harms_no_other(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER PRIMARY KEY)")

    def insert(number: int) -> Callable[[Sql], int]:
        def fn(sql: Sql) -> int:
            sql.execute("INSERT INTO kept VALUES(?)", number)
            if number % 3 == 0:
                raise ValueError(number)
            return number

        return fn

    outcomes = await asyncio.gather(*(database.transact(insert(n)) for n in range(20)), return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        if number % 3 == 0:
            assert isinstance(outcome, ValueError)
            assert outcome.args == (number,)
        else:
            assert outcome == number
    assert await run(database, "SELECT n FROM kept ORDER BY n") == [(n,) for n in range(20) if n % 3]


@case
async def case_a_broken_constraint_is_a_state_error_without_values(database: Database) -> None:
    await run(database, "CREATE TABLE kept(t TEXT PRIMARY KEY, n INTEGER NOT NULL CHECK(n >= 0)) WITHOUT ROWID")
    await run(database, "INSERT INTO kept VALUES(?, ?)", "hush-7731", 1)
    for text, number in (("hush-7731", 2), ("hush-7732", None), ("hush-7733", -7734)):
        message = await refused(database, "INSERT INTO kept VALUES(?, ?)", text, number)
        assert "hush" not in message
        assert "7734" not in message
    assert await run(database, "SELECT t, n FROM kept") == [("hush-7731", 1)]


@case
async def case_foreign_keys_are_enforced(database: Database) -> None:
    await run(database, "CREATE TABLE parent(id INTEGER PRIMARY KEY)")
    await run(database, "CREATE TABLE child(parent INTEGER NOT NULL REFERENCES parent(id))")
    await refused(database, "INSERT INTO child VALUES(?)", 1)
    await run(database, "INSERT INTO parent VALUES(?)", 1)
    await run(database, "INSERT INTO child VALUES(?)", 1)


@case
async def case_a_caught_refusal_leaves_the_rest_of_the_transaction(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER PRIMARY KEY)")

    def story(sql: Sql) -> None:
        sql.execute("INSERT INTO kept VALUES(1)")
        try:
            sql.execute("INSERT INTO kept VALUES(1)")
        except StateError:
            sql.execute("INSERT INTO kept VALUES(2)")

    await database.transact(story)
    assert await run(database, "SELECT n FROM kept ORDER BY n") == [(1,), (2,)]


@case
async def case_nonsense_is_refused(database: Database) -> None:
    for statement in ("", "  ", "SELEC 1", "SELECT * FROM nowhere", "INSERT INTO nowhere VALUES(1)", "SELECT (1"):
        await refused(database, statement)


@case
async def case_transactions_belong_to_the_port(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER)")
    for statement in ("BEGIN", "begin immediate", "COMMIT", "  Rollback", "SAVEPOINT s", "RELEASE s", "END"):

        def story(sql: Sql, statement: str = statement) -> None:
            sql.execute("INSERT INTO kept VALUES(1)")
            sql.execute(statement)

        try:
            await database.transact(story)
        except StateError:
            pass
        else:
            raise AssertionError(f"not refused: {statement}")
    assert await run(database, "SELECT * FROM kept") == []


@case
async def case_concurrent_increments_are_not_lost(database: Database) -> None:
    await run(database, "CREATE TABLE counter(n INTEGER NOT NULL)")
    await run(database, "INSERT INTO counter VALUES(0)")

    def read_then_write(sql: Sql) -> int:
        ((number,),) = sql.execute("SELECT n FROM counter")
        assert isinstance(number, int)
        sql.execute("UPDATE counter SET n = ?", number + 1)
        return number + 1

    seen = await asyncio.gather(*(database.transact(read_then_write) for _ in range(60)))
    assert sorted(seen) == list(range(1, 61))


@case
async def case_a_conditional_update_never_overshoots(database: Database) -> None:
    await run(database, "CREATE TABLE budget(reserved INTEGER NOT NULL, cap INTEGER NOT NULL)")
    await run(database, "INSERT INTO budget VALUES(0, 100)")

    def reserve(sql: Sql) -> bool:
        return bool(
            sql.execute("UPDATE budget SET reserved = reserved + ? WHERE reserved + ? <= cap RETURNING 1", 7, 7)
        )

    granted = await asyncio.gather(*(database.transact(reserve) for _ in range(40)))
    assert sum(granted) == 14
    assert await run(database, "SELECT reserved FROM budget") == [(98,)]


@case
async def case_a_cancelled_caller_harms_no_other(database: Database) -> None:
    await run(database, "CREATE TABLE kept(n INTEGER)")

    def insert(number: int) -> Callable[[Sql], int]:
        def fn(sql: Sql) -> int:
            sql.execute("INSERT INTO kept VALUES(?)", number)
            return number

        return fn

    tasks = [asyncio.ensure_future(database.transact(insert(number))) for number in range(12)]
    await asyncio.sleep(0)
    for task in tasks[::4]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    stored = {number for (number,) in await run(database, "SELECT n FROM kept")}
    for number, outcome in enumerate(outcomes):
        if number % 4:
            assert outcome == number
            assert number in stored
        else:
            assert outcome == number or isinstance(outcome, asyncio.CancelledError)


@case
async def case_the_sql_that_the_product_uses_is_there(database: Database) -> None:
    def story(sql: Sql) -> list[SqlRow]:
        sql.execute("CREATE TABLE tally(k TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID")
        sql.execute("CREATE TABLE log(seq INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, due INTEGER)")
        sql.execute("CREATE INDEX log_due ON log(due) WHERE due IS NOT NULL")
        for key in ("b", "a", "b"):
            sql.execute("INSERT INTO tally VALUES(?, 1) ON CONFLICT(k) DO UPDATE SET n = n + excluded.n", key)
        sql.execute("INSERT INTO log(body, due) VALUES(?, ?), (?, ?)", b"one", 5, b"two", None)
        assert sql.execute("SELECT seq, body FROM log WHERE due <= ? ORDER BY due LIMIT ?", 9, 10) == [(1, b"one")]
        assert sql.execute("DELETE FROM log WHERE seq = ? RETURNING body", 2) == [(b"two",)]
        return sql.execute(
            "WITH t AS (SELECT k, n FROM tally) SELECT k, n FROM t WHERE k IN (?, ?) ORDER BY k", "a", "b"
        )

    assert await database.transact(story) == [("a", 1), ("b", 2)]
