"""Non-interference: what the model says of shared things, the rule, and what holds of it whatever is committed to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.canon.interference_kit import (
    ACCELERATE,
    AGENTS,
    BASELINE,
    BUDGET,
    DEFER,
    FIRST,
    HOUR_US,
    PAIR,
    PARALLEL,
    QUEUE,
    SECOND,
    actions,
    pool,
    states,
    touching,
    using,
)
from worker.canon.codes import NON_INTERFERENCE_VIOLATION, Denial
from worker.canon.interference import Allowance, Commitment, Resource, State, judge, times_after, times_of
from worker.canon.interference_search import MAX_JOINT, in_turn, optimum_of, smallest_coalition
from worker.canon.invariants import INV_NON_INTERFERENCE, Interference, denials_of
from worker.ledger.canonical import MAX_INT


def hours(state: State) -> dict[str, int]:
    return {agent: (time_us or 0) // HOUR_US for agent, time_us in times_of(state).items()}


def test_the_known_vectors() -> None:
    assert hours(BASELINE) == {"A": 8, "B": 12}
    assert hours(BASELINE.having(ACCELERATE)) == {"A": 4, "B": 18}
    assert hours(BASELINE.having(PARALLEL)) == {"A": 8, "B": 12}
    assert hours(BASELINE.having(DEFER)) == {"A": 14, "B": 10}
    assert judge(BASELINE, ACCELERATE).denials == (Denial(NON_INTERFERENCE_VIOLATION, "B", 0, 6 * HOUR_US),)
    assert judge(BASELINE, PARALLEL).denials == judge(BASELINE, DEFER).denials == ()


def test_a_victim_of_two_hours_is_not_made_to_wait_five() -> None:
    state = pool(2, using("victim", 2 * HOUR_US, gpu=1))
    attack = using("mallory", HOUR_US, gpu=4)
    assert hours(state.having(attack))["victim"] == 5
    assert judge(state, attack).denials == (Denial(NON_INTERFERENCE_VIOLATION, "victim", 0, 3 * HOUR_US),)


def naively_passes(state: State, actions: Sequence[Commitment]) -> bool:
    """The check that asks of each action alone whether it harms any other agent, in the state before all of them."""
    return all(not judge(state, action).denials for action in actions)


def test_of_two_that_are_each_harmless_the_second_is_denied() -> None:
    assert naively_passes(PAIR, [FIRST, SECOND])
    assert times_of(PAIR.having(FIRST, SECOND))["victim"] == 15
    state, (first, second) = in_turn(PAIR, [FIRST, SECOND])
    assert first.denials == ()
    assert [denial.subject for denial in second.denials] == ["first", "victim"]
    assert times_of(state) == {"victim": 10, "first": 10}


def test_the_joint_check_names_the_smallest_coalition() -> None:
    idle = using("idle", 5)
    found = smallest_coalition(PAIR, [idle, FIRST, SECOND])
    assert found is not None
    assert found.agents == ("first", "second")
    assert [(effect.agent, effect.delta_us) for effect in found.harmed] == [("victim", 5)]
    assert smallest_coalition(PAIR, [idle, FIRST]) is None
    assert smallest_coalition(PAIR, [FIRST, SECOND], Allowance(eps_us=5)) is None
    with pytest.raises(ValueError, match="at most"):
        smallest_coalition(PAIR, [using(f"a{n}", 1) for n in range(MAX_JOINT + 1)])
    with pytest.raises(ValueError, match="two"):
        smallest_coalition(PAIR, [FIRST, FIRST])


def test_a_queue_serves_in_order_and_priority_jumps_it() -> None:
    state = pool(1, using("i", 10, gpu=1), using("j", 5, gpu=1), discipline=QUEUE)
    assert times_of(state) == {"i": 10, "j": 15}
    assert times_of(state.having(using("k", 7, gpu=1))) == {"i": 10, "j": 15, "k": 22}
    pushing = using("k", 7, priority=1, gpu=1)
    assert times_of(state.having(pushing)) == {"k": 7, "i": 17, "j": 22}
    assert [denial.value for denial in judge(state, pushing).denials] == [7, 7]
    # Two servers; nobody overtakes: k would fit beside i, but j, before it, waits for both.
    wide = pool(2, using("i", 10, gpu=1), using("j", 5, gpu=2), using("k", 1, gpu=1), discipline=QUEUE)
    assert times_of(wide) == {"i": 10, "j": 15, "k": 16}
    # One who wants more servers than there are never begins, and whoever stands behind doesn't either.
    stuck = pool(2, using("i", 10, gpu=3), using("j", 5, gpu=1), discipline=QUEUE)
    assert times_of(stuck) == {"i": None, "j": None}


def test_a_budget_is_given_out_in_order() -> None:
    state = pool(100, using("i", 10, gpu=60), discipline=BUDGET)
    assert times_of(state.having(using("j", 5, gpu=40))) == {"i": 10, "j": 5}
    assert judge(state, using("j", 5, gpu=41)).denials == (Denial(NON_INTERFERENCE_VIOLATION, "unknown:j", 0, 0),)
    taking = using("j", 5, priority=1, gpu=41)
    assert judge(state, taking).denials == (Denial(NON_INTERFERENCE_VIOLATION, "unknown:i", 0, 0),)
    assert judge(state, using("j", 5, gpu=101)).denials[0].subject == "unknown:gpu"


def test_writers_wait_for_readers_and_writers_readers_for_writers() -> None:
    state = State({}).having(touching("i", 10, reads="x"), touching("j", 5, reads="x"), touching("k", 2, writes="x"))
    assert times_of(state) == {"i": 10, "j": 5, "k": 12}
    assert times_of(state.having(touching("l", 1, reads="x")))["l"] == 13
    urgent = touching("l", 1, writes="x", priority=1)
    assert [(denial.subject, denial.value) for denial in judge(state, urgent).denials] == [("i", 1), ("j", 1), ("k", 1)]


def test_what_nobody_knows_is_denied() -> None:
    assert judge(PAIR, using("i", 1, disk=1)).denials == (Denial(NON_INTERFERENCE_VIOLATION, "unknown:disk", 0, 0),)
    # Somebody holds what is described no more: nobody can say what happens to it.
    lost = State({}, PAIR.commitments)
    assert judge(lost, using("i", 1)).denials == (Denial(NON_INTERFERENCE_VIOLATION, "unknown:victim", 0, 0),)
    slow = State({"gpu": Resource("gpu", 1)}, (using("i", MAX_INT, gpu=1),))
    assert times_of(slow) == {"i": MAX_INT}
    assert judge(slow, using("j", 1, gpu=1)).denials == (Denial(NON_INTERFERENCE_VIOLATION, "unknown:i", 0, 0),)


def test_a_bound_that_is_met_passes() -> None:
    state = PAIR.having(FIRST)
    for allowance in (
        Allowance(eps_us=5),
        Allowance(0, {"first": 5, "victim": 5}),
        Allowance(4, {"first": 1, "victim": 1}),
    ):
        assert judge(state, SECOND, allowance).denials == ()
    denied = judge(state, SECOND, Allowance(0, {"first": 4, "victim": 5})).denials
    assert denied == (Denial(NON_INTERFERENCE_VIOLATION, "first", 4, 5),)
    left = Allowance(1, {"first": 9, "victim": 4}).after(judge(state, SECOND).effects)
    assert left == Allowance(1, {"first": 5, "victim": 0})


def test_the_best_for_oneself_and_the_best_for_all_can_differ() -> None:
    found = optimum_of(BASELINE, "A", [ACCELERATE, PARALLEL, DEFER])
    assert [choice.is_admissible for choice in found.choices] == [True, False, True, True]
    assert (found.own.name, found.total.name) == ("parallel", "parallel")
    assert found.total.sum_us == 20 * HOUR_US
    # B gains more by A's retreat than A loses.
    state = pool(1, using("A", 10, "share", gpu=1), using("B", 100, gpu=1))
    found = optimum_of(state, "A", [using("A", 10, "share", gpu=1), using("A", 25, "leave")])
    assert (found.own.name, found.total.name) == ("share", "leave")
    assert (found.own.sum_us, found.total.sum_us) == (220, 125)


def test_the_no_op_is_left_to_whom_nothing_else_is() -> None:
    found = optimum_of(PAIR.having(FIRST), "second", [SECOND])
    assert (found.own.name, found.own.action, found.own.judgement.denials) == ("", None, ())
    assert found.own.judgement.own_us is None
    # The strict rule over an exclusive resource starves whoever comes second, for as long as the first one stays.
    state = pool(1, using("first", 10, gpu=1))
    assert judge(state, SECOND).denials
    assert judge(state.without("first"), SECOND).denials == ()


@given(st.lists(actions(), max_size=12), st.data())
def test_whatever_is_committed_in_turn_nobody_gets_later_by_others(
    taken: list[Commitment], data: st.DataObject
) -> None:
    """The lemma of sequential soundness: judged in the state it changes, no admitted action harms; so none together do.

    Settling belongs to it: whoever lets go makes nobody later.
    """
    state = data.draw(states())
    for action in taken:
        before = times_of(state)
        if data.draw(st.booleans()):
            state = state.without(action.agent)
        else:
            state, (judgement,) = in_turn(state, [action])
            assert judgement.denials or state.of(action.agent) is not None
        for agent, after_us in times_of(state).items():
            if agent != action.agent:
                assert before[agent] is None or (after_us is not None and after_us <= (before[agent] or 0))


@given(states(), st.lists(actions(), max_size=8), st.dictionaries(st.sampled_from(AGENTS), st.integers(0, 40)))
def test_all_that_others_ever_cost_an_agent_is_what_it_granted(
    state: State, taken: list[Commitment], slack: dict[str, int]
) -> None:
    lost = dict.fromkeys(AGENTS, 0)
    allowance = Allowance(0, slack)
    for action in taken:
        judgement = judge(state, action, allowance)
        if judgement.denials:
            continue
        for effect in judgement.effects:
            lost[effect.agent] += max(0, effect.delta_us or 0)
        state, allowance = state.having(action), allowance.after(judgement.effects)
    for agent in AGENTS:
        assert lost[agent] <= slack.get(agent, 0)
        assert allowance.slack_us.get(agent, 0) == slack.get(agent, 0) - lost[agent]


@given(states(), actions("i", "a"), actions("j", "bc"))
def test_what_shares_nothing_harms_nobody_and_comes_in_any_order(
    state: State, one: Commitment, other: Commitment
) -> None:
    others = state.without(*AGENTS)
    assert times_of(others.having(one, other)) == times_of(others.having(other, one))
    alone = times_of(others.having(other))
    if alone["j"] is not None:
        assert [effect.delta_us for effect in judge(others.having(other), one).effects] == [0]


@given(states(), st.lists(actions(), max_size=4, unique_by=lambda action: action.agent))
def test_the_coalition_found_is_the_smallest(state: State, taken: list[Commitment]) -> None:
    def harms(coalition: Sequence[Commitment]) -> bool:
        before = times_of(state)
        after = times_after(state, coalition, before)
        outside = [agent for agent in before if agent not in {one.agent for one in coalition}]
        return any(
            before[agent] is None or after[agent] is None or (after[agent] or 0) > (before[agent] or 0)
            for agent in outside
        )

    found = smallest_coalition(state, taken)
    guilty = [c for size in range(1, len(taken) + 1) for c in combinations(taken, size) if harms(c)]
    assert (found is None) == (not guilty)
    if found is not None:
        assert found.agents == tuple(one.agent for one in guilty[0])
        assert len(found.agents) == min(len(coalition) for coalition in guilty)


@given(states(), st.lists(actions("i"), max_size=4))
def test_both_optima_are_minima_over_what_is_admissible(state: State, options: list[Commitment]) -> None:
    options = [one._replace(action=f"o{at}") for at, one in enumerate(options)]
    found = optimum_of(state, "i", options)
    allowed = [choice for choice in found.choices if choice.is_admissible]
    assert found.choices[0] in allowed
    for choice in allowed:
        assert (found.own.judgement.own_us is not None) or choice.judgement.own_us is None
        if choice.judgement.own_us is not None:
            assert (found.own.judgement.own_us or 0) <= choice.judgement.own_us
        if choice.sum_us is not None:
            assert found.total.sum_us is not None
            assert found.total.sum_us <= choice.sum_us


@given(states(), actions())
def test_the_rule_is_the_invariant(state: State, action: Commitment) -> None:
    judgement = judge(state, action)
    before = {effect.agent: effect.before_us for effect in judgement.effects}
    after = {effect.agent: effect.after_us for effect in judgement.effects}
    context = Interference(action.agent, before, after, {})  # type: ignore[arg-type]
    harmed = any(not denial.subject.startswith(("unknown:",)) for denial in judgement.denials)
    unknown = any(effect.delta_us is None for effect in judgement.effects)
    assert bool(denials_of(INV_NON_INTERFERENCE, context)) == (harmed or unknown)
