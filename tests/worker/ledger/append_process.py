"""A separate process that appends to a log, for tests that need several, or need to kill one.

append_process.py STATE APPENDERS EACH FIRST   says `ready`, waits for a line, has APPENDERS tasks append EACH entries
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway.adapters.sqlite_database import SqliteDatabase, SqliteSettings
from tests.worker.decision_kit import NOW_US, hasher
from worker.ledger.entry import OBSERVATION, append_entry
from worker.ports import Sql

DATABASE = "harpoon.db"


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


async def append_many(state: Path, appenders: int, each: int, first: int) -> None:
    sha3 = hasher()
    # Small batches, so that processes take turns at the file.
    database = SqliteDatabase(str(state / DATABASE), SqliteSettings(busy_limit_us=60_000_000, max_batch=4))
    await database.open()
    say("ready")
    sys.stdin.readline()

    async def appender(number: int) -> None:
        for count in range(each):
            payload = f'{{"by":{number},"count":{count}}}'

            def append(sql: Sql, payload: str = payload) -> int:
                return append_entry(sql, sha3, "acme", 1, OBSERVATION, NOW_US, payload)

            say(await database.transact(append))

    await asyncio.gather(*(appender(first + number) for number in range(appenders)))
    say("done")
    await database.close()


if __name__ == "__main__":
    asyncio.run(append_many(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
