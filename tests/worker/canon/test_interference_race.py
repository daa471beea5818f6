"""Commitments of agents in two processes over one file, across kill -9, and out of the log alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.canon.agents_kit import Agents, action, pool_item
from tests.worker.canon.interference_process import AT_US, DATABASE, HOLD_US
from tests.worker.decision_kit import SECOND_US, World, config, world
from tests.worker.ledger.log_kit import verify_stored
from worker.canon.canon_settings import CanonSettings
from worker.canon.interference import Allowance, Commitment, Resource, State, judge
from worker.canon.interference_form import (
    MAX_NAMES,
    Case,
    action_to_plain,
    case_from_plain,
    case_to_plain,
    concerned,
    judgement_to_plain,
)
from worker.canon.items import MAX_NAME_CHARACTERS
from worker.canon.order import AGENTS, INTERFERENCE
from worker.ledger.canonical import MAX_INT, canonical_json
from worker.ledger.entry import ENTRIES_PER_LOG

ROOT = Path(__file__).resolve().parents[3]
PROCESS = Path(__file__).with_name("interference_process.py")
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[subprocess.Popen[bytes]] = []

    def start(command: str, *arguments: str) -> subprocess.Popen[bytes]:
        children.append(
            subprocess.Popen(
                [sys.executable, str(PROCESS), command, str(tmp_path), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        )
        return children[-1]

    yield start
    for child in children:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGKILL)
        child.communicate()


def answer(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


async def prepared(folder: Path, capacity: int) -> None:
    async with world(path=str(folder / DATABASE)) as state:
        await Agents(state).raise_to_canon(pool_item(capacity=capacity))


async def committed_by_the_log(state: World, at_us: int) -> dict[str, tuple[dict[str, Any], int]]:
    """What is committed to at a time, and its turn, from the entries alone."""
    held: dict[str, tuple[dict[str, Any], int, int]] = {}
    for entry in await state.entries():
        said = entry["payload"]
        held = {agent: one for agent, one in held.items() if one[2] > entry["at_us"]}
        if said.get("interference") == "settle":
            held.pop(said["agent"])
        elif said.get("interference") == "commit" and "expires_us" in said:
            rows = await state.rows(f"SELECT evidence FROM ledger WHERE id % {ENTRIES_PER_LOG} = {entry['seq']}")
            (record,) = [json.loads(str(text)) for (text,) in rows if text is not None]
            (taken,) = [one for one in record["actions"] if one["id"] == record["selected"]]
            plan = {name: value for name, value in taken.items() if name != "agentId"}
            held[said["agent"]] = plan, entry["seq"], said["expires_us"]
    return {agent: (plan, place) for agent, (plan, place, expires_us) in held.items() if expires_us > at_us}


async def committed_by_the_table(state: World, at_us: int) -> dict[str, tuple[dict[str, Any], int]]:
    rows = await state.rows(f"SELECT agent, plan, place FROM commitment WHERE expires_us > {at_us}")
    return {str(agent): (json.loads(str(plan)), int(str(place))) for agent, plan, place in rows}


async def test_two_processes_that_race_for_the_last_slots_never_fill_one_twice(tmp_path: Path, start: Start) -> None:
    await prepared(tmp_path, 5)
    children = [start("commit", "20", str(first)) for first in (0, 100)]
    assert [answer(child) for child in children] == ["ready", "ready"]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.flush()
    assert sum(int(answer(child)) for child in children) == 5
    async with world(path=str(tmp_path / DATABASE)) as state:
        desk = Agents(state)
        desk.now_us = AT_US + 50 * SECOND_US
        assert list((await desk.agents()).values()) == [10] * 5
        assert (await verify_stored(state))["ok"]
        entries = await state.entries()
        assert [entry["seq"] for entry in entries] == list(range(len(entries)))
        assert sum(entry["kind"] == "DENY" for entry in entries) == 35
        assert await committed_by_the_log(state, desk.now_us) == await committed_by_the_table(state, desk.now_us)


async def test_what_a_killed_process_committed_to_stands_until_it_expires(tmp_path: Path, start: Start) -> None:
    await prepared(tmp_path, 1)
    child = start("hold", "lost")
    assert answer(child) == "ALLOW"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    async with world(path=str(tmp_path / DATABASE)) as state:
        desk = Agents(state)
        desk.now_us = AT_US
        assert (await desk.commit("next"))["outcome"] == "DENY"
        desk.now_us = AT_US + HOLD_US
        assert (await desk.commit("next"))["outcome"] == "ALLOW"
        assert await desk.refused(INTERFERENCE, {"act": "settle", "agentId": "lost"}) == "not_committed"
        assert (await verify_stored(state))["ok"]


async def test_what_is_committed_to_follows_from_the_log_alone() -> None:
    async with world() as state:
        desk = Agents(state)
        await desk.raise_to_canon(pool_item(capacity=3))
        await desk.commit("i", hold_us=4 * SECOND_US)
        await desk.commit("j", action("load", 7, gpu=1))
        listed = [action("slow", 30, gpu=1), action("quick", 9)]
        await desk.done(INTERFERENCE, {"agentId": "k", "candidates": listed})
        await desk.act("check", "l", action=action(gpu=1))
        await desk.commit("l", action("crowd", 5, gpu=9))
        await desk.commit("j", action("rest", 7))
        await desk.commit("m", action("serve", 5, gpu=2))
        await desk.act("settle", "m", outcome="withdrawn")
        assert await committed_by_the_log(state, desk.now_us) == await committed_by_the_table(state, desk.now_us)
        assert set(await committed_by_the_log(state, desk.now_us)) == {"j", "k"}


async def test_the_largest_action_there_can_be_is_answered_and_harms_nobody() -> None:
    async with world() as state:
        desk = Agents(state)
        await desk.raise_to_canon(pool_item(discipline="queue"))
        await desk.commit("victim")
        for uses in (MAX_INT, 257):
            denied = await desk.commit("greedy", action("all", MAX_INT, gpu=uses))
            assert denied["denialTrace"]["reason"] == "NON_INTERFERENCE_VIOLATION: unknown:gpu"
        assert await desk.agents() == {"victim": 10}


async def test_no_grant_is_too_large_for_the_record_that_holds_it() -> None:
    async with world(config(canon=CanonSettings(interference_eps_us=5))) as state:
        desk = Agents(state)
        await desk.raise_to_canon(pool_item(capacity=1))
        await desk.commit("victim")
        await desk.act("grant", "victim", slack_us=MAX_INT, reason="anything goes")
        found = await desk.commit("second")
        assert (found["outcome"], found["effects"][0]["allowed_us"]) == ("ALLOW", MAX_INT)
        assert (await desk.done(AGENTS, {}))["slack_us"] == {"victim": MAX_INT - 5}


async def test_no_agent_has_a_name_that_reads_as_a_denial() -> None:
    async with world() as state:
        desk = Agents(state)
        given = {"agentId": "unknown:victim", "action": action()}
        assert await desk.refused(INTERFERENCE, given) == "bad_interference"


def longest(letter: str, number: int) -> str:
    return f"{letter}{number}".ljust(MAX_NAME_CHARACTERS, "-")


def largest(agent: str) -> Commitment:
    """An action that says as much as one can."""
    names = tuple(longest("n", number) for number in range(MAX_NAMES))
    uses = tuple((name, MAX_INT) for name in names)
    return Commitment(agent, longest("x", 0), MAX_INT, uses, names, names, 1_000)


def test_agents_who_say_all_they_can_leave_room_for_one_more_judgement() -> None:
    """No crowd of them fills a record so that nothing is judged any more."""
    settings = CanonSettings()
    resources = {longest("r", number): Resource(longest("r", number), MAX_INT) for number in range(settings.max_items)}
    slack = {longest("s", number): MAX_INT for number in range(1_000)}
    crowd = [largest(longest("a", number)) for number in range(settings.max_agents)]
    case = Case(State(resources).having(*crowd), (largest(longest("a", 0)),), Allowance(0, slack))
    judgement = judge(case.state, case.actions[0], case.allowance)
    record = canonical_json({**case_to_plain(concerned(case)), **judgement_to_plain(judgement), "selected": ""})
    assert len(record) < settings.max_evidence_bytes


def test_a_record_without_what_has_nothing_to_do_with_it_is_judged_the_same() -> None:
    resources = {name: Resource(name, 1) for name in ("gpu", "disk", "net")}
    held = Commitment("victim", "serve", 10, (("gpu", 1),))
    said = Commitment("i", "work", 10, (("disk", 1), ("gpu", 1), ("lost", 1)))
    case = Case(State(resources).having(held), (said,), Allowance(0, {"victim": 3, "gone": 9}))
    small = concerned(case)
    assert (sorted(small.state.resources), dict(small.allowance.slack_us)) == (["disk", "gpu"], {"victim": 3})
    assert judge(small.state, said, small.allowance) == judge(case.state, said, case.allowance)
    record = {**case_to_plain(small), **judgement_to_plain(judge(small.state, said, small.allowance)), "selected": None}
    assert case_from_plain(record) == small
    assert action_to_plain(small.actions[0])["uses"] == {"disk": 1, "gpu": 1, "lost": 1}
