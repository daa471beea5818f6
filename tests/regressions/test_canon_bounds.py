"""What one caller can ask of a canon is bounded: time for all others, memory, and the size of a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.worker.api.application_kit import application
from tests.worker.api.test_canon import DECIDE, ITEMS, WHY_NOT, Caller
from tests.worker.canon.problem_kit import HASHER
from tests.worker.canon.random_problems import random_problem
from tests.worker.canon.store_kit import BOUNDS, TRIALS, Desk, candidate, new_item, problem, trial
from tests.worker.decision_kit import NOW_US, config, facts, world
from worker.canon.canon_settings import CanonSettings
from worker.canon.codes import Denial
from worker.canon.explain import decision_to_plain
from worker.canon.gates_path import gates_of
from worker.canon.items import item_from_plain
from worker.canon.minimal_fix import MOST_FINDINGS, MOST_TRIALS, minimal_fix
from worker.canon.problem import read_problem
from worker.canon.promotion import contexts_of, judge_scenarios, judge_trials, read_references, read_trials
from worker.canon.resolve import TooManyFindings, resolve
from worker.canon.store import changes_in, history_in, store_at
from worker.ledger_settings import Retention
from worker.ports import Sql, SqlRow, SqlValue

DAY_US = 86_400_000_000


def lacking(name: str, count: int) -> dict[str, Any]:
    return candidate(name, prerequisites=[f"{name}-{at}" for at in range(count)])


def test_what_would_admit_a_path_is_looked_for_only_where_that_is_little_work() -> None:
    """A path with k denials took k^2 hashes of the whole canon: one small body held everybody up for minutes."""
    few, many = MOST_FINDINGS, MOST_FINDINGS + 1
    resolution = resolve(read_problem(problem(lacking("a", few), lacking("b", many)), HASHER), HASHER)
    found = minimal_fix(resolution, 0, HASHER)
    assert found is not None
    assert [change.subject for change in found] == sorted(f"a-{at}" for at in range(few))
    assert minimal_fix(resolution, 1, HASHER) is None
    # Of many paths those come first that are first, until the trials of a decision are used up.
    crowd = [lacking(f"c{number:03d}", 25) for number in range(40)]
    told = decision_to_plain(resolve(read_problem(problem(*crowd), HASHER), HASHER), HASHER)["denied"]
    assert [one["minimal_fix"] is not None for one in told] == [at < MOST_TRIALS // 25**2 for at in range(40)]
    assert all(len(one["denials"]) == 25 for one in told)


def test_gates_shared_by_all_candidates_find_the_same_changes() -> None:
    for seed in range(60):
        plain, extra_plain = random_problem(seed, HASHER.sha3_256)
        extra = {name: tuple([Denial(**one) for one in found]) for name, found in extra_plain.items()}
        resolution = resolve(read_problem(plain, HASHER), HASHER, extra)
        gates = gates_of(resolution.problem, HASHER, resolution.extra)
        for position in range(len(resolution.verdicts)):
            assert minimal_fix(resolution, position, HASHER, gates) == minimal_fix(resolution, position, HASHER), seed


async def test_a_denial_that_no_row_could_hold_is_refused_and_not_a_fault_of_the_gateway() -> None:
    async with application() as harpoon:
        me = Caller(harpoon)
        actions = [{"id": f"a{at}", "prerequisites": [f"{at}-{n}" for n in range(224)]} for at in range(64)]
        body = problem({"id": "a", "actions": actions, "features": candidate("a")["features"]})
        assert len(json.dumps(body)) < 150_000
        await me.get(ITEMS)
        before = await harpoon.rows("SELECT COUNT(*) FROM ledger")
        assert (await me.post(DECIDE, body, "k-1", status=413))["code"] == "certificate_too_large"
        assert await harpoon.rows("SELECT COUNT(*) FROM ledger") == before
        # Many that are only long are told some at a time, the newest first, and always one.
        body["candidates"][0]["actions"] = actions[:40]
        for _ in range(5):
            newest = await me.post(DECIDE, body)
        found = (await me.get(WHY_NOT, actionId="a", limit=1000))["data"]
        assert 1 <= len(found) < 5
        assert found[0]["id"] == newest["denied"][0]["whyNotId"]


async def test_all_that_a_canon_says_is_bounded() -> None:
    """Every decision reads it: five hundred items of a quarter of a megabyte each would be 128 MB."""
    long = {"text": "x" * 250_000}
    async with application() as harpoon:
        me = Caller(harpoon)
        for number in range(4):
            await me.post(ITEMS, new_item(f"long-{number}", content=long), status=201)
        error = await me.post(ITEMS, new_item("long-4", content=long), status=409)
        assert (error["code"], error["param"]) == ("canon_too_large", "content")
        # New words in the place of old ones count once.
        await me.post(ITEMS, new_item("long-3", content={"text": "y" * 250_000}))
        await me.post(ITEMS, new_item("short"), status=201)


async def test_a_key_is_known_after_a_restart_and_for_every_act(tmp_path: Path) -> None:
    path = str(tmp_path / "harpoon.db")
    asked = problem(candidate("a"))
    async with world(path=path) as state:
        first = await Desk(state).order("decide", asked, "k-1")
    async with world(path=path) as state:
        desk = Desk(state)
        assert await desk.order("decide", asked, "k-1") == {**first, "is_replayed": True}
        for act, given in (("decide", problem(candidate("b"))), ("change", new_item()), ("promote", {"itemId": "x"})):
            assert (await desk.order(act, given, "k-1"))["problem"]["code"] == "idempotency_key_reused"
        assert await state.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'PLAN'") == [(1,)]


async def test_without_a_token_only_this_machine_is_told_anything() -> None:
    async with application() as harpoon:
        for path in (
            "/api/ledger/checkpoint",
            "/api/ledger/entries",
            "/api/ledger/proof?entry=0",
            "/api/ledger/verify",
        ):
            for method, where in (
                ("GET", path),
                ("GET", f"{ITEMS}"),
                ("GET", f"{WHY_NOT}?actionId=a"),
                ("POST", DECIDE),
            ):
                for headers in ({"host": "evil.example"}, {"host": "localhost", "origin": "https://evil.example"}):
                    answer = await harpoon.client.request(method, f"http://localhost{where}", headers=headers)
                    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_local")


class Watched:
    """A transaction in which whoever reads evidence is noted."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self.evidence = 0

    def execute(self, statement: str, *parameters: SqlValue) -> list[SqlRow]:
        rows = self._sql.execute(statement, *parameters)
        self.evidence += len(rows) if "SELECT evidence" in statement else 0
        return rows


async def test_the_history_of_an_item_and_the_canon_at_a_time_read_only_what_they_need() -> None:
    async with world() as state:
        desk = Desk(state)
        for number in range(30):
            await desk.change(**new_item("law", content={"text": f"version {number}"}))
            await desk.change(**new_item(f"other-{number % 3}", content={"text": str(number)}))
        await desk.promote("law", evidenceRefs=["entry:0"])
        await desk.change(act="demote", id="law", reason="too early")

        def look(sql: Sql) -> tuple[Any, int, Any, int]:
            watched, again = Watched(sql), Watched(sql)
            found = history_in(watched, HASHER, "acme", "law", 5)
            return found, watched.evidence, store_at(again, HASHER, "acme"), again.evidence

        history, for_history, canon, for_canon = await state.database.transact(look)
        assert [one["act"] for one in history] == ["revise", "revise", "revise", "promote", "demote"]
        assert (history[-1]["from"], history[-1]["reason"]) == ("PROPOSED", "too early")
        assert (for_history, for_canon) == (2, 4)
        assert canon == await desk.table()
        # And it is what every change, taken one after the other, comes to.
        changes = await state.database.transact(lambda sql: changes_in(sql, HASHER, "acme"))
        assert {one.item.id: one.item for one in changes} == {item.id: item for item in canon.items}
        for upto in changes:
            then = await desk.replayed(sequence=upto.sequence)
            assert {item.id: item for item in then.items} == {
                one.item.id: one.item for one in changes if one.sequence <= upto.sequence
            }


def test_one_artefact_stands_for_one_context() -> None:
    """The same artefact under another context's name made an item of one context reproducible in two."""
    once = [trial(0, with_item=False, outcome="failure"), *(trial(n, context="c0") for n in range(1, 6))]
    again = trial(9, context="c1", artefact_hash=f"{1:064x}")

    def b(trials: list[dict[str, Any]]) -> bool:
        return judge_trials(read_trials(trials, 100), CanonSettings(contexts=2))[1].passed

    assert not b(once)
    # It may stand for either, so it takes nothing away, and two artefacts are two.
    assert b([*once, again])
    only = [trial(0, with_item=False, outcome="failure")]
    same = [trial(n, context=f"c{n}", artefact_hash="a" * 64) for n in range(1, 8)]
    settings = CanonSettings(trials=1, contexts=2, success_ppm=0)
    assert not judge_trials(read_trials([*only, *same], 100), settings)[1].passed
    assert b(TRIALS)


@pytest.mark.parametrize(
    ("told", "needed", "found"),
    [
        ([], 2, 0),
        ([{"a"}], 1, 1),
        ([{"a", "b"}], 2, 1),
        ([{"a"}, {"a"}], 2, 1),
        ([{"a", "b"}, {"a"}], 2, 2),
        ([{"a"}, {"a", "b"}, {"b"}], 3, 2),
        ([{"a", "b"}, {"a", "c"}, {"a"}], 3, 3),
        ([{str(n) for n in range(900)}] * 900, 2, 2),
    ],
)
def test_contexts_are_counted_by_who_can_stand_for_them(told: list[set[str]], needed: int, found: int) -> None:
    assert contexts_of(told, needed) == found
    assert contexts_of([*reversed(told)], needed) == found


async def test_what_is_told_of_denials_goes_with_the_record_they_are_in() -> None:
    async with world() as state:
        desk = Desk(state)
        denied = problem(candidate("a", cost_usd_micros=2_000), bounds=BOUNDS, goal="for lovelace")
        await desk.order("decide", denied, "k-1")
        await state.mediator.admit(facts(needs=("vision",)))
        keeping = state.with_config(config(retention=Retention(DAY_US)))
        assert await keeping.next_drop_us() == NOW_US + 1_000_000 + DAY_US
        await keeping.retain(NOW_US + 2 * DAY_US)
        assert await keeping.next_drop_us() is None
        for table in ("canon_denial", "canon_answer"):
            assert await state.rows(f"SELECT * FROM {table}") == []
        rows = str([await state.rows(f"SELECT * FROM {table}") for table in ("ledger", "canon_item")])
        assert "lovelace" not in rows
        assert await state.mediator.next_drop_us() is None


def crowded(actions: int, candidates: int) -> dict[str, Any]:
    """A body of half a megabyte in which every rule is broken by every action of every candidate."""
    rules = [{"id": f"r{at}", "rule": {"op": "requires", "field": "tags", "name": "t"}} for at in range(256)]
    steps = [{"id": f"{at}"} for at in range(actions)]
    paths = [{"id": f"c{at}", "actions": steps, "features": candidate("a")["features"]} for at in range(candidates)]
    return problem(*paths, invariants=rules)


async def test_denials_that_no_certificate_could_hold_are_not_even_looked_for() -> None:
    """Three million of them kept everybody waiting for half a minute, to be refused after that."""
    async with application() as harpoon:
        me = Caller(harpoon)
        body = crowded(64, 200)
        assert len(json.dumps(body)) < 524_288
        error = await me.post(DECIDE, body, status=413)
        assert (error["code"], error["param"]) == ("certificate_too_large", "candidates")
        assert "denials" in error["message"]
    few = read_problem(crowded(2, 2), HASHER)
    assert sum(len(verdict.findings) for verdict in resolve(few, HASHER, most_findings=1_024).verdicts) == 1_024
    with pytest.raises(TooManyFindings):
        resolve(few, HASHER, most_findings=1_023)
    # A warning is told as well, and counts as well.
    soft = few._replace(invariants=tuple(rule._replace(severity="SOFT_FAIL") for rule in few.invariants))
    with pytest.raises(TooManyFindings):
        resolve(soft, HASHER, most_findings=1_023)
    item = item_from_plain({**new_item("x"), "level": "CANON", "at_us": 1}, HASHER)
    references = read_references([crowded(64, 1)], HASHER, 8, 8)
    with pytest.raises(TooManyFindings):
        judge_scenarios(references, few.canon, item, HASHER)
