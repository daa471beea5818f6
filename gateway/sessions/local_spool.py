"""The spool in this machine's state folder, as commands use it: a server that runs on it does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gateway.failure import CommandFailed
from worker.errors import StateError
from worker.ports import Sql

T = TypeVar("T")


def in_spool(state: Path, fn: Callable[[Sql], T]) -> T:
    """What a transaction of the spool says. Raises: CommandFailed where there is none, or it can't be used."""
    from gateway.sessions.runtime import DATABASE_FILE

    path = state / DATABASE_FILE
    if not path.exists():
        raise CommandFailed(f"there is no spool in {state}: `harpoon serve` makes one, and HARPOON_STATE says where")
    try:
        return asyncio.run(_transact(path, fn))
    except StateError as problem:
        raise CommandFailed(f"the spool {path} can't be used: {problem.message}") from problem


async def _transact(path: Path, fn: Callable[[Sql], T]) -> T:
    from gateway.adapters.sqlite_database import SqliteDatabase
    from worker.sessions.spool_schema import migrate_spool

    database = SqliteDatabase(str(path))
    await database.open()
    try:
        await database.transact(migrate_spool)
        return await database.transact(fn)
    finally:
        await database.close()
