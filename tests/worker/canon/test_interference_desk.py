"""Agents of a tenant commit to what harms nobody: judged and committed to at once, in the log, settled, forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.canon.agents_kit import Agents, action, pool_item
from tests.worker.canon.store_kit import FEATURES, candidate, new_item, problem
from tests.worker.decision_kit import SECOND_US, config, hasher, world
from tests.worker.ledger.log_kit import verify_stored
from worker.canon.canon_settings import CanonSettings
from worker.canon.certificate import verify_certificate
from worker.canon.interference import Allowance, Commitment, Resource, State, judge
from worker.canon.interference_form import InterferenceError, case_from_plain, case_to_plain, judgement_to_plain
from worker.canon.interference_paths import denials_of_paths
from worker.canon.order import AGENTS, INTERFERENCE
from worker.canon.problem import ProblemError, read_problem

HOUR_US = 3_600_000_000


@pytest.fixture
async def desk() -> AsyncIterator[Agents]:
    async with world() as state:
        desk = Agents(state)
        await desk.raise_to_canon(pool_item())
        yield desk


async def test_the_second_of_two_harmless_ones_is_denied_with_its_victims(desk: Agents) -> None:
    victim = await desk.commit("victim")
    assert (victim["outcome"], victim["committed"], victim["expected_ttv_us"]) == ("ALLOW", True, 10)
    for agent in ("first", "second"):
        alone = await desk.act("check", agent, action=action(gpu=1))
        assert (alone["outcome"], alone["committed"]) == ("ALLOW", False)
    assert (await desk.commit("first"))["outcome"] == "ALLOW"
    denied = await desk.commit("second")
    assert (denied["outcome"], denied["committed"]) == ("DENY", False)
    trace = denied["denialTrace"]
    assert (trace["code"], trace["failedInvariant"]) == ("NON_INTERFERENCE_VIOLATION", "INV_NON_INTERFERENCE")
    assert (
        trace["reason"]
        == "NON_INTERFERENCE_VIOLATION: first (5 against 0); NON_INTERFERENCE_VIOLATION: victim (5 against 0)"
    )
    assert trace["minimalFix"] == [
        {"op": "grant", "subject": name, "value": 5, "by": 5} for name in ("first", "victim")
    ]
    assert await desk.agents() == {"victim": 10, "first": 10}
    (told,) = await desk.why_not("serve")
    assert (told["kind"], told["id"], told["seq"]) == ("NON_INTERFERENCE", trace["whyNotId"], denied["ledger"]["seq"])
    assert (await desk.state.kinds())[-5:] == ["PLAN", "PLAN", "PLAN", "PLAN", "DENY"]
    assert (await verify_stored(desk.state))["ok"]


async def test_the_record_is_all_it_takes_to_judge_again(desk: Agents) -> None:
    for agent in ("victim", "first", "second"):
        found = await desk.commit(agent)
        record = await desk.evidence(found["ledger"]["seq"])
        case = case_from_plain(
            {name: record[name] for name in record.keys() - {"own_us", "effects", "denials", "selected"}}
        )
        (said,) = case.actions
        again = judgement_to_plain(judge(case.state, said, case.allowance))
        assert again == {name: record[name] for name in again}
        assert record["effects"] == found["effects"]


async def test_what_is_denied_changes_nothing(desk: Agents) -> None:
    await desk.commit("victim")
    await desk.commit("first")
    mine = await desk.commit("third", action("rest", 7))
    before = await desk.done(AGENTS, {})
    assert (await desk.commit("third"))["outcome"] == "DENY"
    assert await desk.done(AGENTS, {}) == before
    assert mine["committed"] is True


async def test_a_settled_commitment_makes_room_and_leaves_how_long_it_took(desk: Agents) -> None:
    await desk.commit("victim")
    await desk.commit("first", action("load", 20, gpu=1))
    settled = await desk.act("settle", "first")
    assert (settled["actionId"], settled["expected_ttv_us"], settled["elapsed_us"]) == ("load", 20, SECOND_US)
    assert (await desk.commit("second"))["outcome"] == "ALLOW"
    assert (await desk.state.kinds())[-2:] == ["OBSERVATION", "PLAN"]
    assert await desk.refused(INTERFERENCE, {"act": "settle", "agentId": "first"}) == "not_committed"
    assert (await desk.act("settle", "second", outcome="withdrawn"))["outcome"] == "withdrawn"


async def test_an_expired_commitment_counts_for_nothing(desk: Agents) -> None:
    await desk.commit("victim", hold_us=3 * SECOND_US)
    await desk.commit("first")
    assert (await desk.commit("second"))["outcome"] == "DENY"
    desk.now_us += 3 * SECOND_US
    assert await desk.agents() == {"first": 10}
    assert (await desk.commit("second"))["outcome"] == "ALLOW"
    assert await desk.refused(INTERFERENCE, {"act": "settle", "agentId": "victim"}) == "not_committed"
    assert await desk.state.rows("SELECT agent FROM commitment ORDER BY agent") == [("first",), ("second",)]


async def test_slack_is_granted_used_up_and_taken_back(desk: Agents) -> None:
    for agent in ("victim", "first"):
        await desk.commit(agent)
    granted = await desk.act("grant", "victim", slack_us=8, reason="nobody waits for it tonight")
    assert (granted["slack_us"], granted["from_us"]) == (8, 0)
    assert (await desk.commit("second"))["denialTrace"]["minimalFix"] == [
        {"op": "grant", "subject": "first", "value": 5, "by": 5}
    ]
    await desk.act("grant", "first", slack_us=5, reason="likewise")
    assert (await desk.commit("second"))["outcome"] == "ALLOW"
    assert (await desk.done(AGENTS, {}))["slack_us"] == {"victim": 3}
    assert await desk.agents() == {"victim": 15, "first": 15, "second": 15}
    await desk.act("settle", "second")
    assert (await desk.commit("second"))["outcome"] == "DENY"
    await desk.act("grant", "victim", slack_us=0, reason="the night is over")
    assert (await desk.done(AGENTS, {}))["slack_us"] == {}
    last = (await desk.state.entries())[-1]
    assert (last["kind"], last["payload"]["reason"]) == ("STRUCTURE_UPDATE", "the night is over")
    # A grant is no change of the canon.
    assert await desk.replayed() == await desk.table()


async def test_of_candidates_the_best_is_taken_never_the_first(desk: Agents) -> None:
    await desk.commit("A", action("share", 10, gpu=2))
    listed = [action("slow", 30), action("quick", 9), action("greedy", 8, gpu=3)]
    found = await desk.done(INTERFERENCE, {"agentId": "C", "candidates": listed, "objective": "sum"})
    assert (found["actionId"], found["committed"]) == ("quick", True)
    assert (found["optimum"]["own"], found["optimum"]["sum"]) == ("quick", "quick")
    assert [one["admissible"] for one in found["optimum"]["choices"]] == [True, True, True, False]
    kept = await desk.done(INTERFERENCE, {"agentId": "C", "candidates": [action("greedy", 8, gpu=3)]})
    assert (kept["outcome"], kept["actionId"], kept["committed"]) == ("ALLOW", None, False)
    assert (await desk.agents())["C"] == 9


async def test_only_what_is_canon_is_a_resource(desk: Agents) -> None:
    await desk.change(**pool_item("disk", discipline="queue"))
    denied = await desk.commit("i", action(disk=1))
    assert denied["denialTrace"]["reason"] == "NON_INTERFERENCE_VIOLATION: unknown:disk"
    assert denied["denialTrace"]["minimalFix"] == []
    await desk.raise_to_canon(pool_item("net", discipline="budget"))
    assert (await desk.commit("i", action(net=2)))["outcome"] == "ALLOW"
    await desk.commit("j", action(gpu=1))
    # What j holds is described no more: nobody can say what happens to it, so nobody but j may do anything.
    await desk.change(act="demote", id="gpu", reason="it was measured wrongly")
    denied = await desk.commit("k", action("rest", 1))
    assert denied["denialTrace"]["reason"] == "NON_INTERFERENCE_VIOLATION: unknown:j"
    assert (await desk.commit("j", action("rest", 1)))["outcome"] == "ALLOW"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "bad_interference"),
        ({"agentId": "a b", "action": action()}, "bad_interference"),
        ({"agentId": "i"}, "invalid_request"),
        ({"agentId": "i", "action": action(), "candidates": []}, "invalid_request"),
        ({"agentId": "i", "candidates": []}, "invalid_request"),
        ({"agentId": "i", "candidates": [action(), action()]}, "invalid_request"),
        ({"agentId": "i", "candidates": [action()], "objective": "all"}, "invalid_request"),
        ({"agentId": "i", "action": action(), "objective": "own"}, "invalid_request"),
        ({"agentId": "i", "action": {"id": "x"}}, "bad_interference"),
        ({"agentId": "i", "action": {**action(), "work_us": -1}}, "bad_interference"),
        ({"agentId": "i", "action": {**action(), "work_us": True}}, "bad_interference"),
        ({"agentId": "i", "action": {**action(), "uses": ["gpu"]}}, "bad_interference"),
        ({"agentId": "i", "action": {**action(), "uses": {"gpu": 0}}}, "bad_interference"),
        ({"agentId": "i", "action": {**action(), "reads": ["x", "x"]}}, "bad_interference"),
        ({"agentId": "i", "action": {**action(), "priority": 1_001}}, "bad_interference"),
        ({"agentId": "i", "action": {**action(), "ttv": 1}}, "bad_interference"),
        ({"agentId": "i", "action": action(), "hold_us": 0}, "invalid_request"),
        ({"agentId": "i", "action": action(), "baselineExpectedTTV": {"j": 1}}, "baseline_is_computed"),
        ({"agentId": "i", "action": action(), "predictedExpectedTTV": {"j": 1}}, "baseline_is_computed"),
        ({"act": "force", "agentId": "i"}, "invalid_request"),
        ({"act": "settle", "agentId": "i", "outcome": "lost"}, "invalid_request"),
        ({"act": "settle", "agentId": "i"}, "not_committed"),
        ({"act": "grant", "agentId": "i", "slack_us": 5}, "invalid_request"),
        ({"act": "grant", "agentId": "i", "slack_us": -5, "reason": "x"}, "invalid_request"),
        ({"act": "grant", "agentId": "i", "reason": "x"}, "invalid_request"),
    ],
)
async def test_what_is_not_asked_well_is_refused_and_leaves_nothing(
    desk: Agents, given: dict[str, Any], code: str
) -> None:
    assert await desk.refused(INTERFERENCE, given) == code
    assert await desk.state.rows("SELECT * FROM commitment") == await desk.state.rows("SELECT * FROM slack") == []


async def test_a_resource_that_can_not_be_read_is_no_item(desk: Agents) -> None:
    for wrong in ({"capacity": 0}, {"capacity": 1, "discipline": "stack"}, {"capacity": 257, "discipline": "queue"}):
        said = new_item("disk", kind="table", content={"resource": wrong})
        assert (await desk.order("change", said))["problem"]["code"] == "bad_interference"


async def test_so_many_agents_as_the_setting_says() -> None:
    async with world(config(canon=CanonSettings(max_agents=2))) as state:
        desk = Agents(state)
        for agent in ("i", "j", "i"):
            await desk.commit(agent, action())
        assert await desk.refused(INTERFERENCE, {"agentId": "k", "action": action()}) == "too_many_agents"


async def test_a_tolerance_is_the_operators_and_stated() -> None:
    async with world(config(canon=CanonSettings(interference_eps_us=5))) as state:
        desk = Agents(state)
        await desk.raise_to_canon(pool_item())
        found = [await desk.commit(agent) for agent in ("i", "j", "k")]
        assert [one["outcome"] for one in found] == ["ALLOW"] * 3
        assert found[-1]["effects"][0]["allowed_us"] == 5
        assert (await desk.done(AGENTS, {}))["eps_us"] == 5


async def test_another_tenant_is_in_another_world(desk: Agents) -> None:
    await desk.commit("victim")
    other = Agents(desk.state, "other")
    assert await other.agents() == {}
    assert (await other.commit("i"))["denialTrace"]["reason"] == "NON_INTERFERENCE_VIOLATION: unknown:gpu"


async def test_a_key_commits_once(desk: Agents) -> None:
    given = {"agentId": "i", "action": action(gpu=1)}
    first = await desk.done(INTERFERENCE, given, "k-1")
    assert await desk.done(INTERFERENCE, given, "k-1") == first
    assert (await desk.state.kinds()).count("PLAN") == 1


async def test_a_decision_denies_the_action_that_would_harm_another_agent(desk: Agents) -> None:
    for agent in ("victim", "first"):
        await desk.commit(agent)
    paths = [
        candidate("crowd", resources=["gpu"], ttv_us=10),
        candidate("wait", ttv_us=90),
        candidate("shop", resources=["shop"], ttv_us=95),
    ]
    found = await desk.decide(**problem(*paths), agentId="second")
    assert (found["selected"], found["ranking"]) == ("wait", ["wait", "shop"])
    (denied,) = found["denied"]
    assert (denied["id"], denied["reason_codes"]) == ("crowd", ["NON_INTERFERENCE_VIOLATION"])
    assert {one["op"] for one in denied["minimal_fix"]} == {"withdraw"}
    verify_certificate(found["certificate"], hasher())
    extra = found["certificate"]["extra"]["crowd"]
    case = case_from_plain({**extra["evidence"]["case"], "actions": [extra["evidence"]["action"]]})
    again = judgement_to_plain(judge(case.state, case.actions[0], case.allowance))
    assert again["denials"] == extra["denials"]
    (trace,) = await desk.why_not("crowd")
    assert trace["violatedInvariantIds"] == ["INV_NON_INTERFERENCE"]
    # What the agent holds itself is nobody's harm, and whoever acts without a name is nobody of them.
    assert (await desk.decide(**problem(*paths), agentId="first"))["selected"] == "crowd"
    assert (await desk.decide(**problem(*paths)))["selected"] == "wait"


async def race(path: Path, agents: list[str], **more: Any) -> list[dict[str, Any]]:
    """All at once, by two processes' mediators: two databases over one file, each with its own thread."""
    async with world(path=str(path)) as state:
        one = Agents(state)
        await one.raise_to_canon(pool_item(capacity=3))
        async with world(path=str(path)) as twin:
            two = Agents(twin)
            two.now_us = one.now_us = one.now_us + SECOND_US
            desks = [one, two]
            found = await asyncio.gather(*(desks[at % 2].commit(agent, **more) for at, agent in enumerate(agents)))
        assert set((await one.agents()).values()) == {10}
        assert (await verify_stored(state))["ok"]
        seqs = [entry["seq"] for entry in await state.entries()]
        assert seqs == list(range(len(seqs)))
        return found


async def test_of_many_who_race_for_the_last_slots_none_harms_another(tmp_path: Path) -> None:
    found = await race(tmp_path / "harpoon.db", [f"agent-{n}" for n in range(24)])
    assert [one["outcome"] for one in found].count("ALLOW") == 3


async def test_an_action_of_several_paths_is_judged_by_the_longest_and_the_record_says_so(desk: Agents) -> None:
    await desk.raise_to_canon(pool_item("turn", capacity=1, discipline="queue"))
    await desk.commit("victim", action("serve", 10, turn=1))
    await desk.act("grant", "victim", slack_us=50, reason="it may wait a little")
    await desk.commit("first", action("serve", 5, turn=1))

    def paths(*times: int) -> list[dict[str, Any]]:
        step = {"id": "step", "tags": ["deploy"], "resources": ["turn", "gpu"]}
        return [{**candidate(f"p{at}", ttv_us=time_us), "actions": [step]} for at, time_us in enumerate(times)]

    for agent in ("i", "j"):
        await desk.commit(agent, action("work", 10, gpu=1))
    for times in ((5, 90), (90, 5)):
        found = await desk.decide(**problem(*paths(*times)), agentId="k")
        assert found["selected"] is None
        extra = found["certificate"]["extra"]["step"]
        assert (extra["evidence"]["action"]["work_us"], extra["denials"]) == (90, extra["evidence"]["denials"])
        verify_certificate(found["certificate"], hasher())


def test_a_decision_judges_no_more_than_it_has_time_for() -> None:
    state = State({"gpu": Resource("gpu", 1)}).having(*[Commitment(f"a{n}", "x", 1, (("gpu", 1),)) for n in range(200)])
    step = {"features": FEATURES, "resources": ["gpu"]}
    many = [{"id": f"p{at}", "actions": [{"id": f"s{at}-{part}", **step} for part in range(21)]} for at in range(10)]
    with pytest.raises(ProblemError) as caught:
        denials_of_paths(read_problem(problem(*many), hasher()), state, Allowance(), "i")
    assert caught.value.param == "candidates"
    denials, _ = denials_of_paths(read_problem(problem(*many[:1]), hasher()), state, Allowance(), "i")
    assert len(denials) == 21


def test_a_case_is_read_back_as_it_was_written() -> None:
    plain = {
        "resources": {"gpu": {"capacity": 2, "discipline": "queue"}, "usd": {"capacity": 9, "discipline": "budget"}},
        "commitments": [
            {"agentId": "i", "id": "x", "work_us": 3, "uses": {"gpu": 1}, "place": 1},
            {"agentId": "j", "id": "y", "work_us": 0, "reads": ["a"], "writes": ["b"], "priority": 2, "place": 4},
        ],
        "actions": [{"agentId": "i", "id": "z", "work_us": 1}],
        "eps_us": 1,
        "slack_us": {"j": 7},
    }
    assert case_to_plain(case_from_plain(plain)) == plain
    assert case_from_plain(json.loads(json.dumps(plain))) == case_from_plain(plain)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ([], "case"),
        ({}, "case.resources"),
        ({"resources": []}, "resources"),
        ({"resources": {"a b": {"capacity": 1}}}, "resources"),
        ({"resources": {"a": {}}}, "resources.a.capacity"),
        ({"resources": {"a": {"capacity": 1.0}}}, "resources.a.capacity"),
        ({"resources": {}, "more": 1}, "case.more"),
        ({"resources": {}, "commitments": [{"agentId": "i", "id": "x", "work_us": 1}] * 2}, "commitments"),
        ({"resources": {}, "commitments": [{"id": "x", "work_us": 1}]}, "commitments[0].agentId"),
        ({"resources": {}, "actions": [{"agentId": "i", "id": "x", "work_us": 1, "place": 1}]}, "actions[0].place"),
        ({"resources": {}, "slack_us": {"i": -1}}, "slack_us.i"),
        ({"resources": {}, "slack_us": []}, "slack_us"),
        ({"resources": {}, "eps_us": None}, "eps_us"),
    ],
)
def test_a_case_of_another_form_is_refused(wrong: Any, param: str) -> None:
    with pytest.raises(InterferenceError) as caught:
        case_from_plain(wrong)
    assert caught.value.param == param
