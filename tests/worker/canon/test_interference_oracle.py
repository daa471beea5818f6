"""Non-interference against a world that runs: time passes, work is done bit by bit, and who must wait waits.

The oracle shares no line with the model. Each microsecond it goes through the commitments in their order and lets those
run that nothing in front of them keeps from it; a promise that the model made is kept in it or broken.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.worker.canon.interference_kit import AGENTS, NAMES, QUEUE, SHARED, actions, pool, states, touching, using
from worker.canon.codes import NON_INTERFERENCE_VIOLATION, Denial
from worker.canon.interference import Allowance, Commitment, Resource, State, judge, times_of
from worker.canon.interference_form import MAX_COMMITMENTS
from worker.canon.interference_search import smallest_coalition
from worker.ledger.canonical import MAX_INT

FOREVER = 2_000


class World:
    """Who is committed, how much of its work each still has before it, and when each was done."""

    def __init__(self, state: State) -> None:
        self.resources = state.resources
        self.standing = list(state.commitments)
        self.left = {one.agent: Fraction(one.work_us) for one in state.commitments}
        self.done: dict[str, int] = {}
        self.now = 0

    def commit(self, action: Commitment) -> None:
        place = max([one.place for one in self.standing], default=0) + 1
        self.withdraw(action.agent)
        self.standing.append(action._replace(place=place))
        self.left[action.agent] = Fraction(action.work_us)

    def withdraw(self, agent: str) -> None:
        self.standing = [one for one in self.standing if one.agent != agent]
        self.done.pop(agent, None)

    def order(self) -> list[Commitment]:
        return sorted(self.standing, key=lambda one: (-one.priority, one.place))

    def running(self) -> list[Commitment]:
        """Who runs now: of the unfinished, those whom no unfinished one in front keeps from it."""
        free = {name: one.capacity for name, one in self.resources.items() if one.discipline == QUEUE}
        units = {name: one.capacity for name, one in self.resources.items() if one.discipline == "budget"}
        closed: set[str] = set()
        front: list[Commitment] = []
        found = []
        for one in self.order():
            can = all(name in self.resources for name, _ in one.uses)
            for name, amount in one.uses:
                if name in units:
                    units[name] -= amount
                    can = can and units[name] >= 0
            if one.agent in self.done:
                continue
            queues = [(name, amount) for name, amount in one.uses if name in free]
            can = can and all(name not in closed and amount <= free[name] for name, amount in queues)
            for other in front:
                touched = {*other.reads, *other.writes}
                can = can and not touched.intersection(one.writes) and not set(other.writes).intersection(one.reads)
            for name, amount in queues:
                if can:
                    free[name] -= amount
                else:
                    closed.add(name)
            front.append(one)
            if can:
                found.append(one)
        return found

    def slowness(self, one: Commitment) -> Fraction:
        """How much longer the work takes beside all who hold slots of what it uses."""
        found = Fraction(1)
        for name, _ in one.uses:
            resource = self.resources.get(name)
            if resource is not None and resource.discipline == SHARED:
                held = sum(amount for other in self.standing for used, amount in other.uses if used == name)
                found = max(found, Fraction(held, resource.capacity))
        return found

    def tick(self, *, settle: bool = False) -> None:
        """One microsecond; work of none takes none, so it is looked at until nobody is done at once any more."""
        self.finish(settle)
        for one in self.running():
            self.left[one.agent] -= 1 / self.slowness(one)
        self.now += 1
        self.finish(settle)

    def finish(self, settle: bool) -> None:
        """Note who is done, and end what they were committed to if they settle."""
        while ended := [one for one in self.running() if self.left[one.agent] <= 0]:
            for one in ended:
                self.done[one.agent] = self.now
            if settle:
                self.standing = [one for one in self.standing if one not in ended]


def lived(state: State) -> dict[str, int | None]:
    """When each of these is done, if all begin now and nobody lets go of anything."""
    world = World(state)
    for _ in range(FOREVER):
        world.tick()
    return {one.agent: world.done.get(one.agent) for one in state.commitments}


@given(states())
def test_the_times_are_those_of_a_world_that_runs(state: State) -> None:
    assert times_of(state) == lived(state)


STEP = st.tuples(st.integers(0, 30), st.booleans(), actions())
#: A runs, V waits for it, and O comes in between by its priority, when A is almost done.
OVERTAKEN = [
    (0, False, Commitment("i", "run", 20, (("a", 1),))),
    (0, False, Commitment("j", "wait", 5, (("a", 1),), ("b",))),
    (19, False, Commitment("k", "overtake", 15, (), (), ("b",), 1)),
]
#: O is short enough for a server that stands idle only until both are free for V.
BACKFILLED = [
    (0, False, Commitment("i", "run", 20, (("a", 1),))),
    (0, False, Commitment("j", "wait", 5, (("a", 2),))),
    (19, False, Commitment("k", "overtake", 20, (("a", 1),), priority=1)),
]
QUEUES = State({name: Resource(name, 2 if name == "a" else 1, QUEUE) for name in NAMES})


@given(states(), st.lists(STEP, max_size=8))
@example(QUEUES._replace(resources={**QUEUES.resources, "a": Resource("a", 1, QUEUE)}), OVERTAKEN)
@example(QUEUES, BACKFILLED)
def test_whenever_agents_come_and_go_each_is_done_by_the_time_it_was_told(
    state: State, steps: list[tuple[int, bool, Commitment]]
) -> None:
    """What nobody has granted nobody loses, however far the work of others had come when a new one was judged."""
    world = World(State(state.resources))
    due: dict[str, int] = {}

    def live(microseconds: int) -> None:
        for _ in range(microseconds):
            world.tick(settle=True)
        world.finish(settle=True)
        for agent, at in world.done.items():
            assert at <= due[agent], (agent, at, due[agent])

    for pause, leaves, action in steps:
        live(pause)
        if leaves:
            world.withdraw(action.agent)
            continue
        judgement = judge(State(state.resources, tuple(world.standing)), action)
        if not judgement.denials:
            assert judgement.own_us is not None
            world.commit(action)
            due[action.agent] = world.now + judgement.own_us
    live(max([due[one.agent] - world.now for one in world.standing], default=0))
    assert not world.standing


def test_a_wait_that_may_be_over_hides_no_delay() -> None:
    """V waits until A is done after 20; that it would wait as long for O is no harm only while A has not begun."""
    state = QUEUES.having(Commitment("A", "run", 20, (("b", 1),)), Commitment("V", "wait", 5, (("b", 1),), ("x",)))
    overtaker = Commitment("O", "write", 15, (), (), ("x",), 1)
    assert times_of(state.having(overtaker))["V"] == times_of(state)["V"] == 25
    assert judge(state, overtaker).denials == (Denial(NON_INTERFERENCE_VIOLATION, "V", 0, 15),)
    assert judge(state, overtaker, Allowance(0, {"V": 15})).denials == ()
    found = smallest_coalition(state, [overtaker])
    assert found is not None
    assert [(effect.agent, effect.after_us) for effect in found.harmed] == [("V", 40)]
    # In its turn it is nobody's harm.
    assert judge(state, overtaker._replace(priority=0)).denials == ()


def test_slack_that_one_granted_is_not_taken_from_those_behind_it() -> None:
    """B allows that it be slowed down; V, who waits for B and for the longer A, has allowed nothing."""
    state = State({"gpu": Resource("gpu", 1), "q": Resource("q", 1, QUEUE)}).having(
        Commitment("A", "run", 20, (("q", 1),)),
        Commitment("B", "write", 5, (("gpu", 1),), (), ("x",)),
        Commitment("V", "read", 1, (("q", 1),), ("x",)),
    )
    slowing = using("O", 5, gpu=1)
    assert judge(state, slowing, Allowance(0, {"B": 5})).denials == (Denial(NON_INTERFERENCE_VIOLATION, "V", 0, 5),)
    assert judge(state, slowing, Allowance(0, {"B": 5, "V": 5})).denials == ()


def test_who_has_a_server_of_its_own_is_put_off_by_nobody() -> None:
    state = pool(3, using("i", 10, gpu=1), using("j", 20, gpu=1), discipline=QUEUE)
    assert judge(state, using("k", 50, priority=1, gpu=1)).denials == ()
    assert [denial.subject for denial in judge(state, using("k", 50, priority=1, gpu=2)).denials] == ["i", "j"]


@pytest.mark.parametrize("discipline", ["shared", "queue", "budget"])
def test_the_largest_numbers_are_answered_at_once(discipline: str) -> None:
    """More servers than there are in the world are not counted one by one."""
    state = pool(1, using("i", 10, gpu=1), discipline=discipline)
    for agent in AGENTS:
        for action in (using(agent, MAX_INT, gpu=MAX_INT), using(agent, 1, gpu=MAX_INT), using(agent, MAX_INT, gpu=1)):
            judgement = judge(state, action)
            assert judgement.own_us is None or judgement.own_us <= MAX_INT
            assert discipline != QUEUE or action.uses[0][1] == 1 or judgement.own_us is None
    crowd = pool(256, *[using(f"a{n}", MAX_INT, gpu=MAX_INT) for n in range(MAX_COMMITMENTS)], discipline=discipline)
    assert set(times_of(crowd).values()) == {None}


def test_no_allowance_is_a_number_that_no_record_could_hold() -> None:
    allowance = Allowance(5, {"victim": MAX_INT})
    (effect,) = judge(pool(1, using("victim", 10, gpu=1)), using("i", 10, gpu=1), allowance).effects
    assert (effect.allowed_us, effect.is_harm) == (MAX_INT, False)


def test_variables_alone_hold_without_any_resource() -> None:
    state = State({}).having(touching("i", 10, writes="x"), touching("j", 5, reads="x"))
    assert lived(state) == times_of(state) == {"i": 10, "j": 15}
