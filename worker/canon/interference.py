"""Whether an agent's action makes another agent's committed work later: times from a model, and the rule over them.

The state x is what agents have committed to, one commitment each (who does two things at once is two agents), and the
resources they share. From it alone M(x) tells every agent's time to value, in whole microseconds:

  shared   n slots are in use of c: whoever uses it takes max(1, n/c) times as long. All commitments count, for as long
           as they stand
  queue    c servers, served in order: a commitment waits until as many are free as it needs, and until all before it
           have begun
  budget   c units, given out in order: whoever comes after one for whom they don't suffice gets none either
  variables   a writer waits for all readers and writers before it, a reader for all writers
Order is priority first, then the order of commitment. Work that can never be done has no time (None).

The rule: agent i may take action a in x if for every other agent j, TTV_j(x + a) - TTV_j(x) <= eps + slack_j, where
x + a is x with a in the place of what i was committed to. The times before are computed here and are nobody's word; an
agent whose time is not known, before or after, counts as harmed. Nothing is said of i itself but that its own work can
be done.

How far work has come is not known, so a time before is the latest it can be, and a wait that is told may in truth be
over: behind it a delay would hide. So TTV_j(x + a) is at least TTV_j(x) plus what j is put off by at most, whatever has
been done by then: by the whole time of a where j comes behind a and there is not enough for both, by how much j's own
work takes longer in `shared` resources, and by what those in front of j are put off.

What this bounds is delay by the model, not what agents may learn of each other (Goguen and Meseguer's
non-interference).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, NamedTuple

from worker.canon.codes import NON_INTERFERENCE_VIOLATION, Denial
from worker.ledger.canonical import MAX_INT

SHARED, QUEUE, BUDGET = "shared", "queue", "budget"
DISCIPLINES: Final = (SHARED, QUEUE, BUDGET)
#: Of a queue, whose servers are followed one by one.
MAX_SERVERS: Final = 256
#: Later than any time that is one.
NEVER: Final = MAX_INT + 1
#: Begins the subject of a denial because a time is not known; no agent's name has it in front.
UNKNOWN: Final = "unknown:"


class Resource(NamedTuple):
    """Something agents share. `capacity`: slots, servers or units, by the discipline."""

    id: str
    capacity: int
    discipline: str = SHARED


class Commitment(NamedTuple):
    """What an agent has bound itself to. `work_us`: how long it takes with nobody else there; `place`: its turn."""

    agent: str
    action: str
    work_us: int
    uses: tuple[tuple[str, int], ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    priority: int = 0
    place: int = 0


class State(NamedTuple):
    """The resources by id, and at most one commitment of each agent."""

    resources: Mapping[str, Resource]
    commitments: tuple[Commitment, ...] = ()

    def of(self, agent: str) -> Commitment | None:
        """What an agent is committed to; None = nothing."""
        return next((one for one in self.commitments if one.agent == agent), None)

    def without(self, *agents: str) -> State:
        """The state once these agents have let go of what they were committed to."""
        return self._replace(commitments=tuple([one for one in self.commitments if one.agent not in agents]))

    def having(self, *taken: Commitment) -> State:
        """The state once these are committed to, in their order, each in the place of what its agent had before."""
        kept = self.without(*[one.agent for one in taken]).commitments
        last = max([one.place for one in self.commitments], default=0)
        placed = [one._replace(place=last + turn) for turn, one in enumerate(taken, 1)]
        return self._replace(commitments=(*kept, *placed))


class Allowance(NamedTuple):
    """How much later others may get, in microseconds: `eps_us` by every action, `slack_us` what each agent granted."""

    eps_us: int = 0
    slack_us: Mapping[str, int] = MappingProxyType({})

    def of(self, agent: str) -> int:
        """How much later one action may make an agent; a number that a record can hold."""
        return min(MAX_INT, self.eps_us + self.slack_us.get(agent, 0))

    def after(self, effects: Iterable[Effect]) -> Allowance:
        """What is left once an action has had these effects: slack is used up, by what goes beyond `eps_us`."""
        slack = dict(self.slack_us)
        for effect in effects:
            beyond = (effect.delta_us or 0) - self.eps_us
            if beyond > 0 and effect.agent in slack:
                slack[effect.agent] = max(0, slack[effect.agent] - beyond)
        return self._replace(slack_us=slack)


NONE_ALLOWED: Final = Allowance()


class Effect(NamedTuple):
    """What an action does to one other agent; None = a time is not known. `after_us`: the latest it can be."""

    agent: str
    before_us: int | None
    after_us: int | None
    allowed_us: int

    @property
    def delta_us(self) -> int | None:
        """By how much later the agent gets; None = not known."""
        return None if self.before_us is None or self.after_us is None else self.after_us - self.before_us

    @property
    def is_harm(self) -> bool:
        delta = self.delta_us
        return delta is None or delta > self.allowed_us


class Judgement(NamedTuple):
    """The rule's word on one action. `own_us`: the agent's own time afterwards; `effects`: on every other agent."""

    own_us: int | None
    effects: tuple[Effect, ...]
    denials: tuple[Denial, ...]


def times_of(state: State) -> dict[str, int | None]:
    """M(x): every committed agent's time to value in microseconds, None where its work can never be done. Pure."""
    ways = _Ways(state)
    times = {one.agent: ways.finish_us(one) for one in _ordered(state)}
    return {agent: None if time_us >= NEVER else time_us for agent, time_us in times.items()}


def times_after(state: State, taken: Sequence[Commitment], before: Mapping[str, int | None]) -> dict[str, int | None]:
    """The times once these actions are taken at once: of who takes one as M tells, of all others the latest. Pure.

    Args: before: `times_of(state)`.
    """
    made = state.having(*taken)
    after, acting = times_of(made), {one.agent for one in taken}
    for agent, late_us in _put_off(state, made, after, acting).items():
        told_us, was_us = after[agent], before.get(agent)
        if told_us is not None and was_us is not None:
            latest_us = max(told_us, was_us + late_us)
            after[agent] = latest_us if latest_us < NEVER else None
    return after


def judge(
    state: State,
    action: Commitment,
    allowance: Allowance = NONE_ALLOWED,
    before: Mapping[str, int | None] | None = None,
) -> Judgement:
    """NI(i, a, x): the action in the place of what its agent is committed to, against everybody else. Pure.

    Args: before: `times_of(state)`, for a caller who judges many actions in one state.
    """
    before = times_of(state) if before is None else before
    after = times_after(state, (action,), before)
    effects = effects_of(before, after, (action.agent,), allowance)
    denials = [_denial(effect) for effect in effects if effect.is_harm]
    own_us = after[action.agent]
    if own_us is None:
        denials.append(Denial(NON_INTERFERENCE_VIOLATION, UNKNOWN + _obstacle(state, action), 0, 0))
    return Judgement(own_us, effects, tuple(dict.fromkeys(denials)))


def effects_of(
    before: Mapping[str, int | None], after: Mapping[str, int | None], acting: Iterable[str], allowance: Allowance
) -> tuple[Effect, ...]:
    """What happens to all who don't act, in the order of their names; who is missing on one side is not known."""
    others = sorted((before.keys() | after.keys()) - set(acting))
    return tuple([Effect(one, before.get(one), after.get(one), allowance.of(one)) for one in others])


def _denial(effect: Effect) -> Denial:
    delta = effect.delta_us
    if delta is None:
        return Denial(NON_INTERFERENCE_VIOLATION, UNKNOWN + effect.agent, 0, 0)
    return Denial(NON_INTERFERENCE_VIOLATION, effect.agent, effect.allowed_us, delta)


def _ordered(state: State) -> list[Commitment]:
    return sorted(state.commitments, key=lambda one: (-one.priority, one.place, one.agent))


def _put_off(state: State, made: State, after: Mapping[str, int | None], acting: Collection[str]) -> dict[str, int]:
    """By how much each agent that takes no action may be put off, where it may be at all.

    A start is a maximum of ends and beginnings in front of it, so it moves by no more than these do. Whoever acts moves
    all behind it by no more than its own end. In a queue with a server for everybody nobody stands behind another.
    """
    was, ways = _Ways(state), _Ways(made)
    held = {one.agent: one for one in state.commitments}
    queued: dict[str, int] = {}
    written: dict[str, int] = {}
    read: dict[str, int] = {}
    found: dict[str, int] = {}
    for one in _ordered(made):
        queues = [name for name, _ in one.uses if ways.is_contended(name)]
        if one.agent in acting:
            own_us = after[one.agent]
            late_us = NEVER if own_us is None else own_us
        else:
            in_front = [queued.get(name, 0) for name in queues]
            in_front += [written.get(name, 0) for name in (*one.reads, *one.writes)]
            in_front += [read.get(name, 0) for name in one.writes]
            late_us = max(in_front, default=0)
            late_us += max(0, ways.length_us(one) - was.length_us(held[one.agent]))
        if late_us:
            for names, moved in ((queues, queued), (one.reads, read), (one.writes, written)):
                moved.update({name: max(late_us, moved.get(name, 0)) for name in names})
            if one.agent not in acting:
                found[one.agent] = late_us
    return found


def _obstacle(state: State, action: Commitment) -> str:
    """The first resource that the action can't have enough of, or the action's agent where it is none in particular."""
    for name, amount in action.uses:
        resource = state.resources.get(name)
        if resource is None or (amount > resource.capacity and resource.discipline != SHARED):
            return name
    return action.agent


class _Ways:
    """The resources and variables while commitments are followed in their order; times only ever grow, to NEVER."""

    def __init__(self, state: State) -> None:
        self._resources = state.resources
        self._in_use: dict[str, int] = {}
        for one in state.commitments:
            for name, amount in one.uses:
                self._in_use[name] = self._in_use.get(name, 0) + amount
        self._free: dict[str, list[int]] = {}
        self._begun: dict[str, int] = {}
        self._given: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._read: dict[str, int] = {}

    def is_contended(self, name: str) -> bool:
        """Whether it is a queue that has not a server for all who are committed to it."""
        resource = self._resources.get(name)
        return resource is not None and resource.discipline == QUEUE and self._in_use[name] > resource.capacity

    def length_us(self, one: Commitment) -> int:
        """How long the commitment's work takes beside all others, once it has begun."""
        length_us = one.work_us
        for name, _ in one.uses:
            resource = self._resources.get(name)
            if resource is not None and resource.discipline == SHARED:
                slowed_us = -(-one.work_us * max(self._in_use[name], resource.capacity) // resource.capacity)
                length_us = max(length_us, slowed_us)
        return length_us

    def finish_us(self, one: Commitment) -> int:
        """When the next commitment in the order is done."""
        start_us = 0
        taken: list[tuple[list[int], int]] = []
        queues: list[str] = []
        for name, amount in one.uses:
            resource = self._resources.get(name)
            if resource is None:
                start_us = NEVER
            elif resource.discipline == BUDGET:
                given = self._given[name] = self._given.get(name, 0) + amount
                start_us = start_us if given <= resource.capacity else NEVER
            elif resource.discipline == QUEUE:
                queues.append(name)
                if amount > resource.capacity:
                    start_us = NEVER
                    continue
                free = self._free.setdefault(name, [0] * resource.capacity)
                taken.append((free, amount))
                start_us = max(start_us, self._begun.get(name, 0), *[heappop(free) for _ in range(amount)])
        start_us = max(start_us, self._settled_us(one))
        finish_us = min(NEVER, start_us + self.length_us(one))
        for free, amount in taken:
            for _ in range(amount):
                heappush(free, finish_us)
        for name in queues:
            self._begun[name] = start_us
        for variable in one.reads:
            self._read[variable] = max(self._read.get(variable, 0), finish_us)
        for variable in one.writes:
            self._written[variable] = finish_us
        return finish_us

    def _settled_us(self, one: Commitment) -> int:
        """When all is done that must not touch the commitment's variables beside it."""
        waits_us = [self._written.get(variable, 0) for variable in (*one.reads, *one.writes)]
        waits_us += [self._read.get(variable, 0) for variable in one.writes]
        return max(waits_us, default=0)
