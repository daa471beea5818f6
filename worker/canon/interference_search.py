"""What the rule of `worker.canon.interference` says of many actions: of several agents at once, or of one that chooses.

That each of several actions would be admitted alone does not make them harmless together. Committed one after another,
each judged in the state the ones before have made, they are; taken at once, only a look at every coalition tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from worker.canon.interference import (
    NEVER,
    NONE_ALLOWED,
    Allowance,
    Commitment,
    Effect,
    Judgement,
    State,
    effects_of,
    judge,
    times_after,
    times_of,
)

#: 2^12 coalitions.
MAX_JOINT: Final = 12


class Coalition(NamedTuple):
    """Agents whose actions, taken together, harm somebody: each of the smaller coalitions harms nobody."""

    agents: tuple[str, ...]
    harmed: tuple[Effect, ...]


class Choice(NamedTuple):
    """One thing an agent could do. `action` None = the no-op: it keeps what it is committed to, and delays nobody.

    `sum_us`: of the times of all agents afterwards, itself included; None = one is never done, or it is no number here.
    """

    action: Commitment | None
    judgement: Judgement
    sum_us: int | None

    @property
    def name(self) -> str:
        """The action's id, "" = the no-op."""
        return "" if self.action is None else self.action.action

    @property
    def is_admissible(self) -> bool:
        return not self.judgement.denials


class Optimum(NamedTuple):
    """Of the admissible choices the best for the agent, and the best for all; they can differ."""

    choices: tuple[Choice, ...]
    own: Choice
    total: Choice


def smallest_coalition(
    state: State, actions: Sequence[Commitment], allowance: Allowance = NONE_ALLOWED
) -> Coalition | None:
    """The smallest set of these actions that, taken at once, harms an agent that takes none of them; None = none does.

    All subsets are looked at, the smaller ones first, then in the order given, in which a coalition also takes its
    turns. Args: actions: of different agents, at most `MAX_JOINT`. Raises: ValueError.
    """
    if len(actions) > MAX_JOINT or len({one.agent for one in actions}) != len(actions):
        raise ValueError(f"there must be at most {MAX_JOINT} actions, and of no agent two")
    before = times_of(state)
    for size in range(1, len(actions) + 1):
        for taken in combinations(actions, size):
            agents = tuple([one.agent for one in taken])
            effects = effects_of(before, times_after(state, taken, before), agents, allowance)
            harmed = tuple([effect for effect in effects if effect.is_harm])
            if harmed:
                return Coalition(agents, harmed)
    return None


def in_turn(
    state: State, actions: Sequence[Commitment], allowance: Allowance = NONE_ALLOWED
) -> tuple[State, tuple[Judgement, ...]]:
    """The actions judged one after another, each in the state, and with the slack, that the ones before it have left.

    Returns: the state once the admitted ones are committed to, and the word on each.
    """
    judgements = []
    for action in actions:
        judgement = judge(state, action, allowance)
        judgements.append(judgement)
        if not judgement.denials:
            state, allowance = state.having(action), allowance.after(judgement.effects)
    return state, tuple(judgements)


def optimum_of(state: State, agent: str, actions: Sequence[Commitment], allowance: Allowance = NONE_ALLOWED) -> Optimum:
    """What the agent does best, for itself and for all, among these actions and the no-op, which is always admissible.

    Never the first that is admissible: the own time decides, then the sum (or the other way round), then whether
    anything is done at all, then the id.
    """
    times = times_of(state)
    choices = tuple([_choice(state, agent, action, allowance, times) for action in (None, *actions)])
    allowed = [choice for choice in choices if choice.is_admissible]
    return Optimum(
        choices,
        min(allowed, key=lambda one: (_late(one.judgement.own_us), _late(one.sum_us), one.action is None, one.name)),
        min(allowed, key=lambda one: (_late(one.sum_us), _late(one.judgement.own_us), one.action is None, one.name)),
    )


def _choice(
    state: State, agent: str, action: Commitment | None, allowance: Allowance, times: Mapping[str, int | None]
) -> Choice:
    if action is not None:
        judgement = judge(state, action, allowance, times)
    else:
        effects = effects_of(times, times, (agent,), allowance)
        judgement = Judgement(times.get(agent), effects, ())
    times_us = [judgement.own_us, *[effect.after_us for effect in judgement.effects]]
    known = [time_us for time_us in times_us if time_us is not None]
    sum_us = sum(known) if len(known) == len(times_us) else NEVER
    return Choice(action, judgement, sum_us if sum_us < NEVER else None)


def _late(time_us: int | None) -> int:
    """What never comes is later than all that does."""
    return NEVER if time_us is None else time_us
