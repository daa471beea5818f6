"""Many who append at once, in one process and in two, and one that is killed: one log, no gaps, nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.worker.decision_kit import NOW_US, SqliteDatabase, World, config, hasher, world
from tests.worker.ledger.append_process import DATABASE
from tests.worker.ledger.log_kit import verify_stored
from worker.ledger.entry import ENTRIES_PER_LOG, OBSERVATION, append_entry
from worker.ledger.tiles import TILE
from worker.ports import Sql

ROOT = Path(__file__).resolve().parents[3]
PROCESS = Path(__file__).with_name("append_process.py")
APPENDERS, EACH = 64, 6
TENANT = "INSERT INTO tenant (log, tenant, catalogue_hash, created_us) VALUES (1, 'acme', '', 0)"


def start(state: Path, appenders: int, each: int, first: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(PROCESS), str(state), str(appenders), str(each), str(first)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def told(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


def go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()


async def check_whole(state: World, count: int) -> list[dict[str, int]]:
    """One log of so many entries, each once; returns their payloads."""
    report = await verify_stored(state, limit=TILE)
    assert (report["ok"], report["size"]) == (True, count), report
    rows = await state.rows("SELECT id, seq, entry FROM ledger ORDER BY id")
    assert [identity for identity, _, _ in rows] == [ENTRIES_PER_LOG + seq for seq in range(count)]
    assert await state.rows("SELECT COUNT(*) FROM ledger_node") == [(count // TILE,)]
    return [json.loads(str(entry))["payload"] for _, _, entry in rows]


async def prepare(path: Path) -> None:
    async with world(config(), str(path / DATABASE)) as state:
        await state.rows(TENANT)


async def test_64_appenders_in_one_process_make_one_log(tmp_path: Path) -> None:
    async with world(config(), str(tmp_path / DATABASE)) as state:
        await state.rows(TENANT)
        sha3, database = hasher(), state.database
        assert isinstance(database, SqliteDatabase)

        async def appender(number: int) -> list[int]:
            def append(sql: Sql) -> int:
                return append_entry(sql, sha3, "acme", 1, OBSERVATION, NOW_US, f'{{"by":{number},"count":0}}')

            return [await database.transact(append) for _ in range(EACH)]

        found = await asyncio.gather(*map(appender, range(APPENDERS)))
        # Who was told first is first in the log: an appender's own entries are in its order.
        assert all(own == sorted(own) for own in found)
        assert len({one for own in found for one in own}) == APPENDERS * EACH
        await check_whole(state, APPENDERS * EACH)


async def test_64_appenders_in_two_processes_make_one_log(tmp_path: Path) -> None:
    await prepare(tmp_path)
    half = APPENDERS // 2
    children = [start(tmp_path, half, EACH, first) for first in (0, half)]
    assert [told(child) for child in children] == ["ready", "ready"]
    for child in children:
        go(child)
    out = [child.communicate(timeout=60)[0].decode().split() for child in children]
    assert [lines[-1] for lines in out] == ["done", "done"]
    acknowledged = [int(line) for lines in out for line in lines[:-1]]
    assert len(set(acknowledged)) == APPENDERS * EACH
    async with world(config(), str(tmp_path / DATABASE)) as state:
        payloads = await check_whole(state, APPENDERS * EACH)
        counted = {(payload["by"], payload["count"]) for payload in payloads}
        assert counted == {(by, count) for by in range(APPENDERS) for count in range(EACH)}


async def test_what_was_acknowledged_before_a_kill_9_is_in_the_log(tmp_path: Path) -> None:
    await prepare(tmp_path)
    victim, other = start(tmp_path, 8, 500, 0), start(tmp_path, 8, 20, 100)
    assert (told(victim), told(other)) == ("ready", "ready")
    go(victim)
    go(other)
    acknowledged = [int(told(victim)) for _ in range(40)]
    os.kill(victim.pid, signal.SIGKILL)
    rest = victim.communicate(timeout=60)[0].decode().split("\n")
    acknowledged += [int(line) for line in rest[:-1] if line and line != "done"]
    survivors = other.communicate(timeout=60)[0].decode().split()
    assert survivors[-1] == "done"
    acknowledged += [int(line) for line in survivors[:-1]]
    async with world(config(), str(tmp_path / DATABASE)) as state:
        ((count,),) = await state.rows("SELECT COUNT(*) FROM ledger")
        assert isinstance(count, int)
        await check_whole(state, count)
        present = {identity for (identity,) in await state.rows("SELECT id FROM ledger")}
        assert set(acknowledged) <= present
