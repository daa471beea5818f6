"""A budget for ten, asked by many at once: in one process, in two, and across kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.worker.budget_process import AFFORDABLE, CAPPED, DATABASE
from tests.worker.decision_kit import WORST_ALPHA, World, facts, settlement, world
from worker.admission import BUDGET, Admission

ROOT = Path(__file__).resolve().parents[2]
PROCESS = Path(__file__).with_name("budget_process.py")
FULL = (AFFORDABLE * WORST_ALPHA, 0, AFFORDABLE * WORST_ALPHA, 0)


class Child:
    """One `budget_process.py`; it answers in lines."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROCESS), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def kill(self) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        return self.process.returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(command: str, *arguments: str) -> Child:
        children.append(Child(command, str(tmp_path), *arguments))
        return children[-1]

    yield start
    for child in children:
        child.kill()


async def ask(state: World, count: int, first: int = 0) -> list[Admission]:
    """`count` admissions at once; only alpha, so that each holds the same."""
    return await asyncio.gather(
        *(state.mediator.admit(facts(number, model="alpha/m")) for number in range(first, first + count))
    )


def affordable(admissions: list[Admission]) -> int:
    """How many were admitted; every other one was refused for money and nothing else."""
    refusals = [admission.refusal for admission in admissions if admission.refusal is not None]
    assert all(refusal.kind == BUDGET for refusal in refusals)
    return len(admissions) - len(refusals)


@pytest.mark.parametrize("path", [":memory:", "file"])
async def test_64_at_once_on_a_budget_for_ten(tmp_path: Path, path: str) -> None:
    async with world(CAPPED, str(tmp_path / DATABASE) if path == "file" else path) as state:
        assert affordable(await ask(state, 64)) == AFFORDABLE
        assert await state.account() == FULL
        kinds = await state.kinds()
        assert (kinds.count("ACTION"), kinds.count("DENY"), len(kinds)) == (AFFORDABLE, 64 - AFFORDABLE, 64)


async def test_what_is_settled_meanwhile_is_free_for_others(tmp_path: Path) -> None:
    async with world(CAPPED, str(tmp_path / DATABASE)) as state:
        assert affordable(await ask(state, 20)) == AFFORDABLE
        # Five cost nothing and five what was held: the next ones find room for exactly five.
        await asyncio.gather(
            *(
                state.mediator.settle(settlement(number, usage="none" if number < 5 else "unknown"))
                for number in range(AFFORDABLE)
            )
        )
        assert affordable(await ask(state, 64, first=100)) == 5
        assert await state.account() == (600, 300, 300, 0)


async def test_admissions_and_settlements_mixed_never_break_the_budget(tmp_path: Path) -> None:
    async with world(CAPPED, str(tmp_path / DATABASE)) as state:

        async def client(first: int) -> int:
            served = 0
            for number in range(first, first + 8):
                if (await state.mediator.admit(facts(number, model="alpha/m"))).refusal is None:
                    served += 1
                    await state.mediator.settle(settlement(number, output_tokens=number % 7))
            return served

        served = sum(await asyncio.gather(*(client(100 * number) for number in range(16))))
        rows = await state.rows("SELECT COUNT(*), SUM(charged) FROM decision WHERE state = 'settled'")
        assert rows[0][0] == served > AFFORDABLE
        assert await state.account() == (600, rows[0][1], 0, 0)
        assert state.books.commits > 1


async def test_two_processes_on_a_budget_for_ten(tmp_path: Path, start: Callable[..., Child]) -> None:
    children = [start("admit", "64", str(first)) for first in (0, 1_000)]
    assert [child.answer() for child in children] == ["ready", "ready"]
    for child in children:
        child.go()
    admitted = [int(child.answer()) for child in children]
    assert [child.process.wait() for child in children] == [0, 0]
    assert sum(admitted) == AFFORDABLE
    async with world(CAPPED, str(tmp_path / DATABASE)) as state:
        assert await state.account() == FULL
        kinds = await state.kinds()
        assert (kinds.count("ACTION"), kinds.count("DENY"), len(kinds)) == (AFFORDABLE, 128 - AFFORDABLE, 128)
        assert await state.rows("SELECT COUNT(*), MAX(seq) FROM ledger") == [(132, 131)]


async def test_kill_9_between_admit_and_settle_leaves_one_unsettled_worst_case_and_nothing_else(
    tmp_path: Path, start: Callable[..., Child]
) -> None:
    victim = start("hold")
    assert victim.answer() == "held"
    assert victim.kill() == -signal.SIGKILL
    heir = start("recover")
    assert heir.answer() == "1"
    assert heir.process.wait() == 0
    assert start("recover").answer() == "0"

    async with world(CAPPED, str(tmp_path / DATABASE)) as state:
        decisions = await state.rows("SELECT decision_id, state, charged, expires_us FROM decision")
        assert decisions == [(facts().decision_id, "unsettled", WORST_ALPHA, None)]
        assert await state.account() == (AFFORDABLE * WORST_ALPHA, WORST_ALPHA, 0, 0)
        assert await state.rows("SELECT COUNT(*) FROM account") == [(1,)]
        assert await state.kinds() == ["ACTION", "SESSION_COMPLETION"]
        completion = (await state.entries())[-1]["payload"]
        assert (completion["state"], completion["usage"]) == ("unsettled", "unknown")
        assert completion["cost_usd_micros"] == WORST_ALPHA
        assert len(await state.events()) == 1
        assert await state.rows("SELECT * FROM estimate") == []
        assert affordable(await ask(state, 64, first=100)) == AFFORDABLE - 1


async def test_while_others_live_an_orphan_is_left_to_its_expiry(start: Callable[..., Child]) -> None:
    victim = start("hold")
    assert victim.answer() == "held"
    refused = start("recover")  # not alone: its exclusive start is refused, so it settles nothing
    assert refused.answer() == ""
    assert refused.process.wait() != 0
    assert victim.kill() == -signal.SIGKILL
    assert start("recover").answer() == "1"
