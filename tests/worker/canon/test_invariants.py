"""The six invariants: each holds of something and fails of something, and where it fails an action is denied by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.canon.store_kit import candidate, new_item, problem
from tests.worker.decision_kit import NOW_US, facts, hasher, settlement, world
from worker.canon.codes import DENIAL_REASON_CODES, INVARIANT_VIOLATION, NON_INTERFERENCE_VIOLATION
from worker.canon.invariants import (
    INV_CANON_ONLY_EXECUTION,
    INV_NON_INTERFERENCE,
    INV_PROMOTION_GATE,
    INV_SESSION_COMPLETION_LEDGER,
    INV_TRUST_DENIAL_TRACE,
    INV_TS_MANDATORY,
    INVARIANTS,
    Authority,
    Completions,
    Denials,
    Execution,
    Interference,
    Rise,
    denials_of,
    require,
)
from worker.canon.items import Item, item_from_plain, item_to_plain
from worker.canon.problem import Problem, read_problem
from worker.canon.resolve import Resolution, resolve
from worker.errors import StateError


def item(level: str = "CANON", **changes: Any) -> Item:
    return item_from_plain({**new_item(), "level": level, "at_us": NOW_US}, hasher())._replace(**changes)


def posed(level: str) -> Problem:
    waits = candidate("waits", prerequisites=["review-first"], ttv_us=1)
    asked = {**problem(candidate("now"), waits), "canon": [item_to_plain(item(level))]}
    return read_problem(asked, hasher())


def resolved(level: str) -> Resolution:
    return resolve(posed(level), hasher())


def fooled() -> Resolution:
    """A resolution that let an EVIDENCE item open a path, as if it were CANON."""
    return resolved("CANON")._replace(problem=posed("EVIDENCE"))


PASSED = dict.fromkeys("ABCD", True)
#: For each invariant, what it holds of and what it does not.
FIXTURES: dict[str, tuple[list[Any], list[Any]]] = {
    INV_TS_MANDATORY: (
        [Authority(()), Authority((item(),))],
        [
            Authority((item(at_us=0),)),
            Authority((item(), item(provenance=item().provenance._replace(ref="")))),
            Authority((item(provenance=item().provenance._replace(source="")),)),
        ],
    ),
    INV_CANON_ONLY_EXECUTION: (
        [Execution(resolved(level), hasher()) for level in ("EVIDENCE", "PROPOSED", "CANON")],
        [Execution(fooled(), hasher())],
    ),
    INV_PROMOTION_GATE: (
        [Rise("PROPOSED", "CANON", PASSED), Rise("EVIDENCE", "PROPOSED", {"grounds": True})],
        [
            *(Rise("PROPOSED", "CANON", {**PASSED, name: False}) for name in "ABCD"),
            *(Rise("PROPOSED", "CANON", {k: v for k, v in PASSED.items() if k != name}) for name in "ABCD"),
            Rise("EVIDENCE", "CANON", PASSED),
            Rise("EVIDENCE", "CANON", {"grounds": True}),
            Rise("EVIDENCE", "PROPOSED", {}),
            Rise("EVIDENCE", "PROPOSED", {"grounds": False}),
            Rise("EVIDENCE", "PROPOSED", PASSED),
            Rise("CANON", "CANON", PASSED),
            Rise("CANON", "PROPOSED", {"grounds": True}),
            Rise("CANON", "BEYOND", PASSED),
            Rise("PROPOSED", "CANON", dict.fromkeys("ABCD", 1)),  # type: ignore[arg-type]
        ],
    ),
    INV_NON_INTERFERENCE: (
        [
            Interference("a", {"a": 8, "b": 12}, {"a": 8, "b": 12}, {}),
            Interference("a", {"a": 8, "b": 12}, {"a": 14, "b": 10}, {}),
            Interference("a", {"a": 8, "b": 12}, {"a": 4, "b": 18}, {"b": 6}),
        ],
        [
            Interference("a", {"a": 8, "b": 12}, {"a": 4, "b": 18}, {}),
            Interference("a", {"a": 8, "b": 12}, {"a": 4, "b": 18}, {"b": 5}),
            Interference("a", {"a": 8, "b": 12}, {"a": 4}, {}),
            Interference("a", {"a": 8}, {"a": 4, "b": 18}, {}),
            Interference("a", {"a": 8, "b": 12}, {"a": 8, "b": 12.0}, {}),  # type: ignore[dict-item]
            Interference("a", {"a": 8, "b": 12}, {"a": 8, "b": float("nan")}, {}),  # type: ignore[dict-item]
            Interference("a", {"a": 8, "b": 12}, {"a": 8, "b": 12}, {"b": -1}),
        ],
    ),
    INV_TRUST_DENIAL_TRACE: (
        [Denials((), {}, frozenset()), Denials(("a",), {"a": ["RISK_BOUND_EXCEEDED"]}, frozenset("a"))],
        [
            Denials(("a",), {}, frozenset("a")),
            Denials(("a",), {"a": []}, frozenset("a")),
            Denials(("a",), {"a": ["BECAUSE"]}, frozenset("a")),
            Denials(("a",), {"a": ["RISK_BOUND_EXCEEDED"]}, frozenset()),
        ],
    ),
    INV_SESSION_COMPLETION_LEDGER: (
        [Completions((), ()), Completions(("a", "b"), ("b", "a"))],
        [
            Completions(("a",), ()),
            Completions((), ("a",)),
            Completions(("a",), ("a", "a")),
            Completions(("a", "a"), ("a", "a")),
        ],
    ),
}


def test_every_invariant_has_a_fixture_it_holds_of_and_one_it_does_not() -> None:
    assert FIXTURES.keys() == INVARIANTS.keys()
    assert len(INVARIANTS) == 6
    for name, (holds, fails) in FIXTURES.items():
        invariant = INVARIANTS[name]
        assert (invariant.id, invariant.severity) == (name, "HARD_FAIL")
        assert invariant.statement
        assert invariant.code in DENIAL_REASON_CODES
        assert holds
        assert fails
        assert all(isinstance(context, invariant.context) for context in holds + fails)


@pytest.mark.parametrize("name", sorted(FIXTURES))
def test_each_tells_its_fixtures_apart(name: str) -> None:
    holds, fails = FIXTURES[name]
    for context in holds:
        assert INVARIANTS[name].predicate(context), context
        assert denials_of(name, context) == ()
        require(name, context)
    for context in fails:
        assert not INVARIANTS[name].predicate(context), context
        with pytest.raises(StateError, match=name):
            require(name, context)


@pytest.mark.parametrize("name", sorted(FIXTURES))
def test_where_one_fails_the_action_is_denied_by_its_code_and_its_id(name: str) -> None:
    for context in FIXTURES[name][1]:
        asked = read_problem(problem(candidate("a")), hasher())
        found = resolve(asked, hasher(), {"a": denials_of(name, context)})
        assert found.selected is None
        (finding,) = found.verdicts[0].findings
        expected = NON_INTERFERENCE_VIOLATION if name == INV_NON_INTERFERENCE else INVARIANT_VIOLATION
        assert (finding.denial.code, finding.denial.subject, finding.action) == (expected, name, "a")


async def test_every_settled_session_is_in_the_log_exactly_once() -> None:
    async with world() as state:
        for number in range(1, 6):
            await state.mediator.admit(facts(number))
            for _ in range(number % 3):
                await state.mediator.settle(settlement(number))
        settled = await state.rows("SELECT decision_id FROM decision WHERE state = 'settled'")
        told = await state.rows("SELECT entry FROM ledger WHERE kind = 'SESSION_COMPLETION'")
        context = Completions(
            tuple(str(name) for (name,) in settled),
            tuple(json.loads(str(entry))["payload"]["decision_id"] for (entry,) in told),
        )
        assert len(context.completed) == 4
        assert denials_of(INV_SESSION_COMPLETION_LEDGER, context) == ()
