"""A separate process over one database file, for tests that need several, or need to kill one.

database_process.py write FILE             commits 1, 2, 3, ... and prints each number once it is acknowledged
database_process.py reserve FILE TRIES     TRIES conditional increments; prints how many were granted
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from gateway.adapters.sqlite_database import SqliteDatabase, SqliteSettings
from worker.ports import Sql, SqlRow

DDL = (
    "CREATE TABLE kept(n INTEGER PRIMARY KEY, body BLOB)",
    "CREATE TABLE counter(n INTEGER NOT NULL, cap INTEGER NOT NULL)",
    "INSERT INTO counter VALUES(0, 400)",
)
TASKS = 8
SETTINGS = SqliteSettings(checkpoint_wal_bytes=64 * 1024, busy_limit_us=60_000_000)


def create(sql: Sql) -> None:
    for statement in DDL:
        sql.execute(statement)


def stored(sql: Sql) -> list[SqlRow]:
    return sql.execute("SELECT n FROM kept ORDER BY n")


def insert(number: int) -> Callable[[Sql], None]:
    def fn(sql: Sql) -> None:
        sql.execute("INSERT INTO kept VALUES(?, ?)", number, b"x" * 500)
        sql.execute("UPDATE counter SET n = n + 1")

    return fn


def reserve(sql: Sql) -> bool:
    return bool(sql.execute("UPDATE counter SET n = n + 1 WHERE n + 1 <= cap RETURNING n"))


async def write(path: str) -> None:
    database = SqliteDatabase(path, SETTINGS)
    await database.open()

    async def writer(first: int) -> None:
        number = first
        while True:
            await database.transact(insert(number))
            os.write(1, b"%d\n" % number)
            number += TASKS

    await asyncio.gather(*(writer(task + 1) for task in range(TASKS)))


async def take(path: str, tries: int) -> None:
    database = SqliteDatabase(path, SETTINGS)
    await database.open()

    async def taker() -> int:
        granted = 0
        for _ in range(tries // TASKS):
            granted += await database.transact(reserve)
        return granted

    granted = sum(await asyncio.gather(*(taker() for _ in range(TASKS))))
    await database.close()
    os.write(1, b"%d\n" % granted)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        asyncio.run(write(sys.argv[2]))
    else:
        asyncio.run(take(sys.argv[2], int(sys.argv[3])))
