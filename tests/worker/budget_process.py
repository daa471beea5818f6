"""A separate process over one state folder, for tests that need several, or need to kill one.

budget_process.py admit STATE COUNT FIRST   says `ready`, waits for a line, admits COUNT requests at once, says how many
budget_process.py hold STATE                starts as the gateway does, admits one request, says `held`, waits for ever
budget_process.py recover STATE             starts as the gateway does, says how many orphans it settled
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway.adapters.process_lock import StateLock
from tests.worker.decision_kit import NOW_US, SECOND_US, WORST_ALPHA, config, facts, world

DATABASE = "harpoon.db"
AFFORDABLE = 10
CAPPED = config(default_cap=AFFORDABLE * WORST_ALPHA)


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


async def admit_many(state: Path, count: int, first: int) -> None:
    # Small batches, so that the two processes take turns at the file.
    async with world(CAPPED, str(state / DATABASE), max_batch=2) as found:
        say("ready")
        sys.stdin.readline()
        requests = (found.mediator.admit(facts(first + number, model="alpha/m")) for number in range(count))
        admissions = await asyncio.gather(*requests)
        say(sum(admission.refusal is None for admission in admissions))


async def start_and_hold(state: Path) -> None:
    lock = StateLock(state)
    assert lock.try_exclusive()
    async with world(CAPPED, str(state / DATABASE)) as found:
        lock.share()
        assert (await found.mediator.admit(facts())).refusal is None
        say("held")
        await asyncio.Event().wait()


async def start_and_recover(state: Path) -> None:
    lock = StateLock(state)
    assert lock.try_exclusive()
    async with world(CAPPED, str(state / DATABASE)) as found:
        say(await found.mediator.sweep(NOW_US + SECOND_US, everything=True))
        lock.share()


if __name__ == "__main__":
    command, folder = sys.argv[1], Path(sys.argv[2])
    if command == "admit":
        asyncio.run(admit_many(folder, int(sys.argv[3]), int(sys.argv[4])))
    else:
        asyncio.run(start_and_hold(folder) if command == "hold" else start_and_recover(folder))
