"""Non-interference of a decision problem: denials of its actions, computed from what a tenant's agents committed to.

An action of a path is judged by the resources it names that are described (`worker.canon.interference_form`): one slot
or server of each, of a budget its cost, for as long as the action is expected to take, or its path where it tells no
figures of its own; of several such paths the longest and the dearest. The actions of a path come one after another, so
each is judged by itself. A resource nobody described is a name and no more. Nothing is committed to here: between a
decision and a commitment others may commit, and the commitment is judged again.
"""

from __future__ import annotations

from typing import Final

from worker.canon.codes import Denial
from worker.canon.interference import BUDGET, Allowance, Commitment, State, judge, times_of
from worker.canon.interference_form import Case, action_to_plain, case_to_plain, concerned, judgement_to_plain
from worker.canon.measure import measure
from worker.canon.problem import Action, Path, Problem, ProblemError
from worker.ledger.canonical import CanonicalValue

#: Who acts where nobody says so: no name of an agent, so everybody who is committed is another one.
NOBODY: Final = ""
#: Actions times commitments that one decision may judge: about half a second.
MOST_JUDGED: Final = 40_000


def denials_of_paths(
    problem: Problem, state: State, allowance: Allowance, agent: str
) -> tuple[dict[str, tuple[Denial, ...]], dict[str, CanonicalValue]]:
    """What actions are denied for, by their ids, and what that rests on. Pure.

    An action that stands in several paths is judged once, and denied in all of them. Args: agent: who acts, and so is
    in nobody's way with what it is committed to itself. Raises: ProblemError, also for more than can be judged.
    """
    taken: dict[str, Commitment] = {}
    for path in problem.candidates:
        for action in path.actions:
            if any(name in state.resources for name in action.resources):
                taken[action.id] = _taken(problem, path, action, state, agent, taken.get(action.id))
    if len(taken) * len(state.commitments) > MOST_JUDGED:
        message = f"{len(taken)} actions on shared resources are too many beside {len(state.commitments)} commitments"
        raise ProblemError(f"{message}: ask with fewer candidates", param="candidates")
    denials: dict[str, tuple[Denial, ...]] = {}
    evidence: dict[str, CanonicalValue] = {}
    case: CanonicalValue = case_to_plain(concerned(Case(state, tuple(taken.values()), allowance))._replace(actions=()))
    before = times_of(state)
    for name, one in taken.items():
        judgement = judge(state, one, allowance, before)
        if judgement.denials:
            denials[name] = judgement.denials
        told = {"action": {"agentId": agent, **action_to_plain(one)}, **judgement_to_plain(judgement)}
        # The state is told once, and named by the action that tells it.
        evidence[name] = {**told, "case": next(iter(evidence)) if evidence else case}
    return denials, evidence


def _taken(
    problem: Problem, path: Path, action: Action, state: State, agent: str, elsewhere: Commitment | None
) -> Commitment:
    """The action as a commitment. Args: elsewhere: what it is in the paths before."""
    figures = action.features
    if figures is None:
        whole = measure(path, problem.horizon_us)
        work_us, cost = whole.ttv_us, whole.worst_cost_usd_micros
    else:
        work_us, cost = figures.ttv_us, figures.cost_usd_micros
    described = [(name, state.resources[name]) for name in action.resources if name in state.resources]
    uses = {name: max(1, cost) if one.discipline == BUDGET else 1 for name, one in described}
    reads, writes = set(action.reads), set(action.writes)
    if elsewhere is not None:
        uses |= {name: max(amount, uses.get(name, 0)) for name, amount in elsewhere.uses}
        work_us = max(work_us, elsewhere.work_us)
        reads.update(elsewhere.reads)
        writes.update(elsewhere.writes)
    named = tuple(sorted(reads)), tuple(sorted(writes))
    return Commitment(agent, action.id, work_us, tuple(sorted(uses.items())), *named)
