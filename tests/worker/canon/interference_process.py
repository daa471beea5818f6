"""A separate process over one state folder, whose agents commit to slots of one pool.

interference_process.py commit STATE COUNT FIRST   says `ready`, waits for a line, commits COUNT agents at once, says
                                                   how many were admitted
interference_process.py hold STATE AGENT           commits one agent, says what it was told, waits for ever
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.worker.canon.agents_kit import Agents
from tests.worker.decision_kit import NOW_US, SECOND_US, world

DATABASE = "harpoon.db"
AT_US = NOW_US + 100 * SECOND_US
HOLD_US = 60 * SECOND_US


def say(word: object) -> None:
    os.write(1, f"{word}\n".encode())


async def commit(folder: Path, count: int, first: int) -> None:
    # Small batches, so that the two processes take turns at the file.
    async with world(path=str(folder / DATABASE), max_batch=2) as state:
        desk = Agents(state)
        desk.now_us = AT_US
        say("ready")
        sys.stdin.readline()
        found = await asyncio.gather(*(desk.commit(f"agent-{first + number}") for number in range(count)))
        say(sum(one["committed"] for one in found))


async def hold(folder: Path, agent: str) -> None:
    async with world(path=str(folder / DATABASE)) as state:
        desk = Agents(state)
        desk.now_us = AT_US
        say((await desk.commit(agent, hold_us=HOLD_US))["outcome"])
        await asyncio.Event().wait()


if __name__ == "__main__":
    command, state_folder = sys.argv[1], Path(sys.argv[2])
    if command == "commit":
        asyncio.run(commit(state_folder, int(sys.argv[3]), int(sys.argv[4])))
    else:
        asyncio.run(hold(state_folder, sys.argv[3]))
