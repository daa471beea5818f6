"""What would have to change for a denied path to be admitted: the least such change, found out by making it.

Each change is made to a copy and the gates are run again, so that none is told which does not help, nor any after which
there would be no such problem: more names than a list may hold, or a total beyond 2^53-1. What is told has nothing to
spare: without any one of the changes the path stays denied, and a bound moved by one less still denies it. Another set
of changes may do as well; that this one is wise is not claimed. Making them takes the square of their number, so none
are looked for where a path has more than `MOST_FINDINGS` denials, nor for the paths of a decision that come after
`MOST_TRIALS` of them.

    promote   the item `subject` has to stand at CANON
    cite      the action has to cite the item `subject`, with the hash of what it says now
    uncite    the action must not cite `subject`, which gives it no authority
    provide   there is no CANON item of the kind `subject` in scope: one has to be promoted and cited
    raise     the bound `subject` has to be `value`, which is `by` more
    lower     the same, `by` less
    improve   the path's own figure `subject` has to be `value`
    drop, add `subject` has to leave, or be among, the action's `about`
    withdraw  a gate elsewhere, whose code is `about`, has to take back its denial of `subject`, exceeded by `by`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worker.canon import codes
from worker.canon.gates_path import Finding, Gates, Verdict, gates_of, gates_with, judge
from worker.canon.items import CANON, Item, Provenance, snapshot_of
from worker.canon.measure import measure
from worker.canon.problem import Action, Citation, Features, Path, Problem, ProblemError, check_path
from worker.canon.resolve import Resolution, total_us
from worker.canon.rule_book import book_of, broken_by
from worker.canon.rules import AT_LEAST, AT_MOST, FORBIDS, REQUIRES, Rule
from worker.ports import Hasher

PROMOTE, CITE, UNCITE, PROVIDE = "promote", "cite", "uncite", "provide"
RAISE, LOWER, IMPROVE, DROP, ADD, WITHDRAW = "raise", "lower", "improve", "drop", "add", "withdraw"
_ROUNDS: Final = 3
#: Denials of one path beyond which nobody would read what mends them all.
MOST_FINDINGS: Final = 32
#: Judgements of changed paths that one decision may cost: about half a second.
MOST_TRIALS: Final = 10_000
_STAND_IN: Final = Provenance("import", "minimal-fix", "")


class Change(NamedTuple):
    """One thing to change, as the table above says; "" and 0 = not of this kind of change."""

    op: str
    subject: str
    action: str = ""
    about: str = ""
    value: int = 0
    by: int = 0

    def to_plain(self) -> dict[str, Any]:
        """The change as JSON-like values, without what does not belong to it."""
        always = ("op", "subject", "value") if self.op in (RAISE, LOWER, IMPROVE) else ("op", "subject")
        return {name: value for name, value in self._asdict().items() if value or name in always}


class Unfixable(Exception):
    """No change of this table would do."""


def minimal_fix(
    resolution: Resolution, position: int, hasher: Hasher, gates: Gates | None = None
) -> tuple[Change, ...] | None:
    """The changes that admit a candidate; () for one that is admitted, None where nothing helps. Pure.

    Nor is anything told of one with more than `MOST_FINDINGS` denials.

    Args: gates: `gates_of` the problem, for a caller who asks for many candidates.
    """
    if len(resolution.verdicts[position].findings) > MOST_FINDINGS:
        return None
    path = resolution.problem.candidates[position]
    mine = {action.id: resolution.extra[action.id] for action in path.actions if action.id in resolution.extra}
    case = resolution._replace(problem=resolution.problem._replace(candidates=(path,)), extra=mine)
    trial = _Trial(case, gates or gates_of(case.problem, hasher, mine), hasher)
    changes: list[Change] = []
    try:
        for _ in range(_ROUNDS):
            changed, verdict, rules = trial.made(changes)
            if not verdict.findings:
                break
            changes += dict.fromkeys(_changes(changed, verdict, rules))
        else:
            return None
    except Unfixable:
        return None
    for change in tuple(changes):
        if not trial.made([other for other in changes if other != change])[1].findings:
            changes.remove(change)
    return tuple(changes) if _is_possible(trial.made(changes)[0].problem) else None


def _is_possible(problem: Problem) -> bool:
    """Whether a problem with this candidate can be posed, and its total be told."""
    (path,) = problem.candidates
    try:
        check_path(path)
        total_us(path, measure(path, problem.horizon_us), problem.weights)
    except ProblemError:
        return False
    return True


class _Trial:
    """A problem of one candidate, whose changes are judged by its gates and what each change makes of them."""

    def __init__(self, case: Resolution, gates: Gates, hasher: Hasher) -> None:
        self._case = case
        self._gates = gates
        self._hasher = hasher
        self._items = {item.id: item for item in case.problem.canon.items}

    def made(self, changes: Sequence[Change]) -> tuple[Resolution, Verdict, tuple[Rule, ...]]:
        """What the changes make of the problem and of its verdict, and the rules in force then."""
        canon = self._case.problem.canon
        risen = _risen(self._items, changes, self._hasher)
        if risen:
            canon = canon._replace(items=tuple({**self._items, **risen}.values()), hash="")
        found = _applied(self._case._replace(problem=self._case.problem._replace(canon=canon)), 0, changes)
        path, bounds = found.problem.candidates[0], found.problem.bounds
        items = {**self._items, **risen}
        gates = gates_with(self._gates, bounds, found.extra, items, risen, path, self._hasher)
        return found, judge(path, measure(path, found.problem.horizon_us), gates), gates.rules


def apply_fix(resolution: Resolution, position: int, changes: Sequence[Change], hasher: Hasher) -> Resolution:
    """The same problem with the changes made, not yet decided again: only `problem` and `extra` are of use."""
    problem = resolution.problem
    items = {item.id: item for item in problem.canon.items}
    risen = _risen(items, changes, hasher)
    if risen:
        problem = problem._replace(canon=snapshot_of(hasher, {**items, **risen}.values()))
    return _applied(resolution._replace(problem=problem), position, changes)


def _applied(resolution: Resolution, position: int, changes: Sequence[Change]) -> Resolution:
    """The changes of all but items, which have risen already."""
    problem, extra = resolution.problem, dict(resolution.extra)
    hashes = {item.id: item.content_hash for item in problem.canon.items} if changes else {}
    for change in changes:
        if change.op == WITHDRAW:
            kept = [denial for denial in extra[change.action] if (denial.code, denial.subject) != _denied_by(change)]
            extra[change.action] = tuple(kept)
        elif change.op in (RAISE, LOWER):
            bound: dict[str, Any] = {change.subject: change.value}
            problem = problem._replace(bounds=problem.bounds._replace(**bound))
        else:
            path = _changed_path(problem, hashes, problem.candidates[position], change)
            candidates = (*problem.candidates[:position], path, *problem.candidates[position + 1 :])
            problem = problem._replace(candidates=candidates)
    return resolution._replace(problem=problem, extra=MappingProxyType(extra))


def _denied_by(change: Change) -> tuple[str, str]:
    return change.about, change.subject


def _changes(case: Resolution, verdict: Verdict, in_force: tuple[Rule, ...]) -> Iterator[Change]:
    """What each finding wants. What changes the path's own figures comes first: it may settle a bound as well."""
    problem = case.problem
    rules: dict[str, list[Rule]] = {}
    for rule in in_force:
        rules.setdefault(rule.id, []).append(rule)
    own = [finding for finding in verdict.findings if _is_of_figures(case, finding, rules)]
    for finding in own or verdict.findings:
        code, subject, bound, value = finding.denial
        if finding.denial in _extra(case, finding):
            yield Change(WITHDRAW, subject, finding.action, code, by=max(0, value - bound))
        elif code == codes.AUTHORITY_BOUNDARY_FAIL:
            yield _authority(problem, finding)
        elif code == codes.MISSING_CANON_PREREQS:
            yield Change(PROMOTE, subject)
        elif code == codes.INVARIANT_VIOLATION and subject in rules:
            yield from [_obeying(rule, finding.action) for rule in _broken(problem, finding, rules[subject])]
        elif code in (codes.COST_BOUND_EXCEEDED, codes.RISK_BOUND_EXCEEDED) and not finding.action:
            yield Change(RAISE, subject, value=value, by=value - bound)
        elif code == codes.SUCCESS_PROB_TOO_LOW and not finding.action:
            if value:
                yield Change(LOWER, "min_success_ppm", value=value, by=bound - value)
            else:
                yield Change(IMPROVE, "success_ppm", value=bound)
        else:
            yield Change(WITHDRAW, subject, finding.action, code, by=max(0, value - bound))


def _extra(case: Resolution, finding: Finding) -> tuple[codes.Denial, ...]:
    return case.extra.get(finding.action, ())


def _broken(problem: Problem, finding: Finding, rules: Sequence[Rule]) -> Sequence[Rule]:
    """Of the rules with one id those that the finding is about: a problem's own rule may be called like an item."""
    if len(rules) == 1:
        return rules
    (path,) = problem.candidates
    figures = measure(path, problem.horizon_us)
    told = (finding.action, finding.denial.bound, finding.denial.value)
    return [
        rule
        for rule in rules
        if any(told == (action, rule.value, value) for _, action, value in broken_by(book_of((rule,)), path, figures))
    ]


def _is_of_figures(case: Resolution, finding: Finding, rules: Mapping[str, Sequence[Rule]]) -> bool:
    denial = finding.denial
    if finding.action or denial in _extra(case, finding):
        return False
    if denial.code == codes.SUCCESS_PROB_TOO_LOW:
        return not denial.value
    return denial.code == codes.INVARIANT_VIOLATION and denial.subject in rules


def _obeying(rule: Rule, action: str) -> Change:
    if rule.op in (AT_MOST, AT_LEAST):
        if rule.about.endswith("_ppm") and rule.value > 1_000_000:
            raise Unfixable(rule.id)
        return Change(IMPROVE, rule.about, value=rule.value)
    if rule.op not in (FORBIDS, REQUIRES):
        raise Unfixable(rule.id)
    return Change(DROP if rule.op == FORBIDS else ADD, rule.name, action, rule.about)


def _authority(problem: Problem, finding: Finding) -> Change:
    """A lower item that would hold otherwise is promoted; a citation that can't hold is mended, or left out."""
    fault, _, name = finding.denial.subject.partition(":")
    action = next(action for action in problem.candidates[0].actions if action.id == finding.action)
    items = {item.id: item for item in problem.canon.items}
    if fault == "kind":
        for item in problem.canon.items:
            is_cited = any(citation.id == item.id for citation in action.cites)
            if item.kind == name and item.level == CANON and item.is_in_scope(action.tags) and not is_cited:
                return Change(CITE, item.id, action.id)
        return Change(PROVIDE, name, action.id)
    cited = next(citation for citation in action.cites if citation.id == name)
    if fault == "level" and items[name].content_hash == cited.hash and items[name].is_in_scope(action.tags):
        return Change(PROMOTE, name)
    if fault == "hash" and items[name].content_hash != cited.hash and items[name].is_in_scope(action.tags):
        return Change(CITE, name, action.id)
    return Change(UNCITE, name, action.id)


def _stand_in(change: Change) -> Item:
    """An item that does not exist yet, in the place of the one that has to."""
    is_kind = change.op == PROVIDE
    name, kind = (f"minimal-fix:{change.subject}", change.subject) if is_kind else (change.subject, "definition")
    severity = "SOFT_FAIL" if kind == "invariant" else ""
    return Item(name, kind, CANON, ("*",), severity, 1, _STAND_IN, "null", "")


def _risen(items: Mapping[str, Item], changes: Sequence[Change], hasher: Hasher) -> dict[str, Item]:
    """The items that the changes put at CANON, by id."""
    risen = {}
    for change in changes:
        if change.op in (PROMOTE, PROVIDE):
            wanted = _stand_in(change)
            found = items.get(wanted.id)
            if found is None:
                found = wanted._replace(content_hash=hasher.sha3_256(wanted.content.encode()).hex())
            risen[found.id] = found._replace(level=CANON)
    return risen


def _changed_path(problem: Problem, hashes: Mapping[str, str], path: Path, change: Change) -> Path:
    if change.op == IMPROVE:
        figures = measure(path, problem.horizon_us)
        features = Features(figures.ttv_us, figures.worst_cost_usd_micros, figures.risk_ppm, figures.success_ppm)
        actions = tuple([action._replace(features=None) for action in path.actions])
        improved = features._replace(**{change.subject: change.value})
        return path._replace(actions=actions, features=improved, scenarios=())
    if change.op == PROMOTE:
        return path
    return path._replace(
        actions=tuple(
            [
                _changed_action(hashes, action, change) if action.id == change.action else action
                for action in path.actions
            ]
        )
    )


def _changed_action(hashes: Mapping[str, str], action: Action, change: Change) -> Action:
    if change.op in (DROP, ADD):
        names: dict[str, Any] = {change.about: tuple(sorted({*getattr(action, change.about)} ^ {change.subject}))}
        return action._replace(**names)
    name = _stand_in(change).id if change.op == PROVIDE else change.subject
    others = [citation for citation in action.cites if citation.id != name]
    if change.op != UNCITE:
        others.append(Citation(name, hashes[name]))
    return action._replace(cites=tuple(sorted(others)))
