"""Several processes share a database file, and one of them is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.gateway.adapters.database_process import create, stored

ROOT = Path(__file__).resolve().parents[3]
PROCESS = Path(__file__).with_name("database_process.py")


@pytest.fixture
async def path(tmp_path: Path) -> str:
    database = SqliteDatabase(str(tmp_path / "state.db"))
    await database.open()
    await database.transact(create)
    await database.close()
    return str(tmp_path / "state.db")


def process(*arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, str(PROCESS), *arguments], stdout=subprocess.PIPE, env=environment)


async def test_two_processes_never_lose_or_overshoot(path: str) -> None:
    processes = [process("reserve", path, "320") for _ in range(2)]
    granted = []
    for child in processes:
        output, _ = await asyncio.to_thread(child.communicate)
        assert child.returncode == 0
        granted.append(int(output))
    assert sum(granted) == 400  # of 640 tries
    database = SqliteDatabase(path)
    await database.open()
    assert await database.transact(lambda sql: sql.execute("SELECT n FROM counter")) == [(400,)]
    await database.close()


@pytest.mark.parametrize("acknowledged", [1, 17, 150, 400, 900])
async def test_kill_9_loses_no_acknowledged_transaction(path: str, acknowledged: int) -> None:
    child = process("write", path)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(acknowledged)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL

    database = SqliteDatabase(path)
    await database.open()
    kept = {number for (number,) in await database.transact(stored)}
    assert {int(line) for line in lines if line.endswith(b"\n")} <= kept
    # Each transaction is there as a whole: what it counted equals what it inserted.
    assert await database.transact(lambda sql: sql.execute("SELECT n FROM counter")) == [(len(kept),)]
    await database.close()
