"""Backups of a state folder's database, and what is restored from one: both verified before they count.

A backup is taken while a server runs: SQLite copies one state of the database, whatever is written meanwhile. The key
that signs checkpoints is no part of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sqlite3
from pathlib import Path
from typing import Any

from gateway.adapters.host import PySha3Hasher
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.failure import NO, CommandFailed
from worker.errors import StateError
from worker.ledger.log import AGAIN, VERIFY, ledger_in
from worker.ports import Hasher
from worker.schema import MIGRATIONS, migrate

#: Entries verified in one transaction, so that a server beside it gets its turn.
BATCH = 256


def back_up(database: Path, target: Path) -> dict[str, dict[str, Any]]:
    """Copy the database into a new file; returns the logs' reports by tenant.

    Raises: CommandFailed, and then there is no file of that name.
    """
    if target.exists():
        raise CommandFailed(f"{target} is there already; name a new file")
    if not database.exists():
        raise CommandFailed(f"there is no state to back up: {database} does not exist")
    return _verified_copy(database, target, "the backup could not be written")


def restore(backup: Path, database: Path) -> dict[str, dict[str, Any]]:
    """Put a backup into a state folder that has no database yet; returns the logs' reports by tenant.

    Raises: CommandFailed, and then there is no database.
    """
    if not backup.exists():
        raise CommandFailed(f"there is no backup {backup}")
    if any(database.with_name(database.name + ending).exists() for ending in ("", "-wal", "-shm")):
        raise CommandFailed(f"{database.parent} has a database already; restore into an empty state folder")
    return _verified_copy(backup, database, "the backup could not be restored")


def _verified_copy(source: Path, target: Path, problem_text: str) -> dict[str, dict[str, Any]]:
    """Copy under another name, verify the copy, then give it its name in one step. Raises: CommandFailed."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A name that nobody can guess, and a file that was not there: nothing of anybody's is written over or removed.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(source, partial)
        reports = asyncio.run(verify_database(partial))
        _sync(partial)
        os.link(partial, target)  # fails where a file of that name has come meanwhile
    except (OSError, sqlite3.Error) as problem:
        raise CommandFailed(f"{problem_text}: {problem}") from problem
    finally:
        _remove(partial)
    return reports


async def verify_database(path: Path) -> dict[str, dict[str, Any]]:
    """The reports on every tenant's log in a database of this or an earlier version, which is brought up to date.

    Raises: CommandFailed if the file is damaged or of a later version, or if a log does not verify.
    """
    _check_file(path)
    database, hasher = SqliteDatabase(str(path)), PySha3Hasher()
    await hasher.load()
    try:
        await database.open()
        try:
            await database.transact(migrate)
            rows = await database.transact(lambda sql: sql.execute("SELECT tenant FROM tenant ORDER BY tenant"))
            reports = {str(tenant): await verify_log(database, hasher, str(tenant)) for (tenant,) in rows}
        finally:
            await database.close()
    except StateError as problem:
        raise CommandFailed(f"{path.name} can't be used: {problem}") from problem
    for tenant, report in reports.items():
        if not report["ok"]:
            raise CommandFailed(f"the log of {tenant} does not verify: {fault_text(report)}", NO)
    return reports


async def verify_log(database: SqliteDatabase, hasher: Hasher, tenant: str) -> dict[str, Any]:
    """The report on one tenant's log. Raises: StateError."""
    given: dict[str, Any] = {"state": None, "size": None, "limit": BATCH}
    while True:
        asked = dict(given)
        found = await database.transact(lambda sql, asked=asked: ledger_in(sql, hasher, tenant, VERIFY, asked))  # type: ignore[misc]
        if "report" in found:
            report: dict[str, Any] = found["report"]
            return report
        if AGAIN not in found:
            given = {**given, "state": found["state"], "size": found["size"]}


def fault_text(report: dict[str, Any]) -> str:
    """What is wrong, in words."""
    fault = report["fault"]
    where = "" if fault["seq"] is None else f" at entry {fault['seq']}"
    return f"{fault['reason']}{where}: {fault['message']}"


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        # In one step, which is one read transaction: a copy in several begins anew whenever somebody writes in between,
        # and so never ends beside a busy server. Readers of a write-ahead log hold up nobody.
        old.backup(new)
        # One file that is whole by itself, whatever the journal of the one it was copied from.
        new.execute("PRAGMA journal_mode=DELETE")


def _check_file(path: Path) -> None:
    """Raises: CommandFailed for a damaged file, or one that is no state of ours or of a later version."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            ((verdict,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
            ((version,),) = connection.execute("SELECT COUNT(*) FROM migration").fetchall()
    except sqlite3.Error as problem:
        raise CommandFailed(f"{path.name} is no database of Harpoon's: {problem}", NO) from problem
    if verdict != "ok":
        raise CommandFailed(f"{path.name} is damaged: {verdict}", NO)
    if version > len(MIGRATIONS):
        raise CommandFailed(f"{path.name} is of a later version of Harpoon; use that one")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
