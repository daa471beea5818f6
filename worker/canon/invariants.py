"""The six invariants that hold of every canon and every decision, each as a predicate over what it speaks of.

A rule (`worker.canon.rules`) is what one tenant demands of its actions; these hold whatever anybody demands. All fail
hard. Where one does not hold of an action, that action is denied by its code, and where one does not hold of something
about to be recorded, nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worker.canon.codes import (
    DENIAL_REASON_CODES,
    INVARIANT_VIOLATION,
    NON_INTERFERENCE_VIOLATION,
    Denial,
)
from worker.canon.items import CANON, HARD_FAIL, LEVELS, Item, snapshot_of
from worker.canon.resolve import Resolution, resolve
from worker.errors import StateError
from worker.ports import Hasher

INV_TS_MANDATORY = "INV_TS_MANDATORY"
INV_CANON_ONLY_EXECUTION = "INV_CANON_ONLY_EXECUTION"
INV_PROMOTION_GATE = "INV_PROMOTION_GATE"
INV_NON_INTERFERENCE = "INV_NON_INTERFERENCE"
INV_TRUST_DENIAL_TRACE = "INV_TRUST_DENIAL_TRACE"
INV_SESSION_COMPLETION_LEDGER = "INV_SESSION_COMPLETION_LEDGER"


class Authority(NamedTuple):
    """The items that an action rests on."""

    items: tuple[Item, ...]


class Execution(NamedTuple):
    """What was resolved, and the hasher it was resolved with."""

    resolution: Resolution
    hasher: Hasher


class Rise(NamedTuple):
    """A promotion about to be made: the levels, and which tests were computed with which result."""

    before: str
    after: str
    tests: Mapping[str, bool]


class Interference(NamedTuple):
    """Expected times of agents before and after an action of `acting`, and what slack each granted; microseconds."""

    acting: str
    before_us: Mapping[str, int]
    after_us: Mapping[str, int]
    slack_us: Mapping[str, int]


class Denials(NamedTuple):
    """Actions that were denied, the codes their traces hold, and the actions whose denial is in the log."""

    denied: tuple[str, ...]
    traced: Mapping[str, Sequence[str]]
    logged: frozenset[str]


class Completions(NamedTuple):
    """Ids of the sessions that were completed, and of those the log tells to be, as often as it does."""

    completed: tuple[str, ...]
    ledgered: tuple[str, ...]


class Invariant(NamedTuple):
    """What must hold. `code`: of the denial where it does not; `predicate`: whether it holds of its context."""

    id: str
    severity: str
    code: str
    statement: str
    context: type
    predicate: Callable[[Any], bool]


def has_origin(context: Authority) -> bool:
    return all(
        type(item.at_us) is int and item.at_us >= 1 and bool(item.provenance.source) and bool(item.provenance.ref)
        for item in context.items
    )


def rests_on_canon(context: Execution) -> bool:
    """Every citation and prerequisite of an admissible path is CANON, and without lower items nothing is otherwise."""
    found = context.resolution
    canon = tuple(item for item in found.problem.canon.items if item.level == CANON)
    names = {item.id for item in canon}
    for position in found.ranking:
        for action in found.problem.candidates[position].actions:
            if not names.issuperset(action.prerequisites) or not names.issuperset(cite.id for cite in action.cites):
                return False
    if len(canon) == len(found.problem.canon.items):
        return True
    alone = resolve(found.problem._replace(canon=snapshot_of(context.hasher, canon)), context.hasher, found.extra)
    return (alone.ranking, alone.totals) == (found.ranking, found.totals)


def is_earned(context: Rise) -> bool:
    """One level up, on computed grounds: all four tests for CANON."""
    if context.before not in LEVELS or context.after not in LEVELS:
        return False
    if LEVELS.index(context.after) != LEVELS.index(context.before) + 1:
        return False
    needed = {"A", "B", "C", "D"} if context.after == CANON else {"grounds"}
    return context.tests.keys() == needed and all(passed is True for passed in context.tests.values())


def harms_nobody(context: Interference) -> bool:
    """No other agent's expected time grows by more than it granted; one of whom nothing is known counts as harmed."""
    if context.before_us.keys() != context.after_us.keys():
        return False
    for agent in context.before_us.keys() - {context.acting}:
        before, after, slack = context.before_us[agent], context.after_us[agent], context.slack_us.get(agent, 0)
        if type(before) is not int or type(after) is not int or type(slack) is not int or slack < 0:
            return False
        if after - before > slack:
            return False
    return True


def is_told(context: Denials) -> bool:
    """Every denial has a trace with one of the seven codes, and stands in the log."""
    return all(
        bool(context.traced.get(action))
        and set(context.traced[action]) <= set(DENIAL_REASON_CODES)
        and action in context.logged
        for action in context.denied
    )


def is_ledgered(context: Completions) -> bool:
    """Every completed session is in the log exactly once, and no other is."""
    return sorted(context.completed) == sorted(context.ledgered) and len(set(context.ledgered)) == len(context.ledgered)


_LISTED: Final = (
    Invariant(
        INV_TS_MANDATORY,
        HARD_FAIL,
        INVARIANT_VIOLATION,
        "whatever gives authority has a time and a provenance",
        Authority,
        has_origin,
    ),
    Invariant(
        INV_CANON_ONLY_EXECUTION,
        HARD_FAIL,
        INVARIANT_VIOLATION,
        "what is admitted rests on CANON items alone, and items below CANON admit and change nothing",
        Execution,
        rests_on_canon,
    ),
    Invariant(
        INV_PROMOTION_GATE,
        HARD_FAIL,
        INVARIANT_VIOLATION,
        "an item rises by one level, and becomes CANON if and only if the tests A, B, C and D pass",
        Rise,
        is_earned,
    ),
    Invariant(
        INV_NON_INTERFERENCE,
        HARD_FAIL,
        NON_INTERFERENCE_VIOLATION,
        "an admitted action makes no other agent's expected time longer than that agent granted",
        Interference,
        harms_nobody,
    ),
    Invariant(
        INV_TRUST_DENIAL_TRACE,
        HARD_FAIL,
        INVARIANT_VIOLATION,
        "every denial has a trace that says why, and stands in the log",
        Denials,
        is_told,
    ),
    Invariant(
        INV_SESSION_COMPLETION_LEDGER,
        HARD_FAIL,
        INVARIANT_VIOLATION,
        "every completed session is in the log, exactly once",
        Completions,
        is_ledgered,
    ),
)
INVARIANTS: Final[Mapping[str, Invariant]] = MappingProxyType({one.id: one for one in _LISTED})


def denials_of(name: str, context: Any) -> tuple[Denial, ...]:
    """What an action is denied for if the invariant does not hold of it; () = it holds. Pure."""
    invariant = INVARIANTS[name]
    assert isinstance(context, invariant.context)
    return () if invariant.predicate(context) else (Denial(invariant.code, invariant.id, 1, 0),)


def require(name: str, context: Any) -> None:
    """Have nothing recorded that the invariant does not hold of. Raises: StateError."""
    if denials_of(name, context):
        raise StateError(f"{name} does not hold of what would be recorded: {INVARIANTS[name].statement}")
