"""The gates of a decision problem: pure predicates over a path, every failing one reported, ordered by code.

Rules, in the order of the seven codes:
  AUTHORITY_BOUNDARY_FAIL     an action's citation does not hold, or it cites no item of a required kind. A citation
                              holds if the item is CANON, speaks of the action's tags, has a time and a provenance, and
                              says what the action read: the hash of its content is the one cited
  COST_BOUND_EXCEEDED         the path's worst cost is above the bound
  INVARIANT_VIOLATION         a rule that fails hard is broken; a soft one leaves a warning
  MISSING_CANON_PREREQS       a prerequisite of any action is absent or below CANON
  NON_INTERFERENCE_VIOLATION  computed elsewhere and handed in
  RISK_BOUND_EXCEEDED         the path's risk is above the bound
  SUCCESS_PROB_TOO_LOW        the path's chance of success is below the floor, or nothing
A bound that is met exactly passes. Items below CANON open nothing: they are looked up only to say what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from worker.canon import codes
from worker.canon.codes import Denial
from worker.canon.items import CANON, EVERY_ACTION, HARD_FAIL, LEVELS, Item, content_hash_of
from worker.canon.measure import Measured
from worker.canon.problem import Action, Bounds, Citation, Path, Problem
from worker.canon.rule_book import RuleBook, book_of, broken_by
from worker.canon.rules import Rule, rules_of
from worker.ports import Hasher

_CANON_LEVEL = LEVELS.index(CANON)
#: The level of an item that is not there.
ABSENT = -1


class Finding(NamedTuple):
    """A gate that failed, and for which action; "" = for the path as a whole."""

    denial: Denial
    action: str


class Verdict(NamedTuple):
    """A path's fate: denied if and only if there are findings. `warnings`: soft rules that are broken."""

    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def reason_codes(self) -> tuple[str, ...]:
        """The codes, each once, in their order."""
        return tuple(sorted({finding.denial.code for finding in self.findings}))


ADMITTED = Verdict()


class Standing(NamedTuple):
    """What a citation is worth: `fault`: why it holds for no action ("" = it holds), `scope`: its tags (None = all)."""

    fault: str
    level: int
    kind: str
    scope: frozenset[str] | None


class Gates(NamedTuple):
    """What paths are judged against, gathered once for a problem. `books`: all of `rules`, laid out."""

    bounds: Bounds
    levels: Mapping[str, int]
    in_force: frozenset[str]
    citations: Mapping[Citation, Standing]
    rules: tuple[Rule, ...]
    books: tuple[RuleBook, ...]
    extra: Mapping[str, tuple[Denial, ...]]


def gates_of(problem: Problem, hasher: Hasher, extra: Mapping[str, tuple[Denial, ...]]) -> Gates:
    """The gates of a problem. Args: extra: denials already computed, by action id."""
    items = {item.id: item for item in problem.canon.items}
    cited = {citation for path in problem.candidates for action in path.actions for citation in action.cites}
    levels = {name: LEVELS.index(item.level) for name, item in items.items()}
    rules = problem.invariants + rules_of(problem.canon.items)
    return Gates(
        bounds=problem.bounds,
        levels=levels,
        in_force=frozenset([name for name, level in levels.items() if level == _CANON_LEVEL]),
        citations={citation: _standing(items.get(citation.id), citation.hash, hasher) for citation in cited},
        rules=rules,
        books=(book_of(rules),) if rules else (),
        extra=extra,
    )


def gates_with(
    gates: Gates,
    bounds: Bounds,
    extra: Mapping[str, tuple[Denial, ...]],
    items: Mapping[str, Item],
    risen: Mapping[str, Item],
    path: Path,
    hasher: Hasher,
) -> Gates:
    """The gates for one path once some items have risen to CANON, without reading all other items anew.

    Args: bounds, extra: those that hold then. items: all items then, by id. risen: those that were lower before.
    """
    if risen:
        levels = {**gates.levels, **dict.fromkeys(risen, _CANON_LEVEL)}
        gates = gates._replace(levels=levels, in_force=gates.in_force | risen.keys())
        rules = rules_of(risen.values())
        if rules:
            gates = gates._replace(rules=gates.rules + rules, books=(*gates.books, book_of(rules)))
    known = {}
    for action in path.actions:
        for citation in action.cites:
            standing = None if citation.id in risen else gates.citations.get(citation)
            known[citation] = standing or _standing(items.get(citation.id), citation.hash, hasher)
    return gates._replace(bounds=bounds, citations=known, extra=extra)


def _standing(item: Item | None, content_hash: str, hasher: Hasher) -> Standing:
    """What a citation of this item with this hash is worth."""
    if item is None:
        return Standing("unknown", ABSENT, "", None)
    fault = ""
    if item.level != CANON:
        fault = "level"
    elif item.content_hash != content_hash or (item.content and content_hash_of(hasher, item.content) != content_hash):
        fault = "hash"
    elif item.at_us < 1 or not item.provenance.source or not item.provenance.ref:
        fault = "provenance"
    scope = None if EVERY_ACTION in item.applies_to else frozenset(item.applies_to)
    return Standing(fault, LEVELS.index(item.level), item.kind, scope)


def judge(path: Path, measured: Measured, gates: Gates) -> Verdict:
    """Every gate the path fails, ordered by code, then by action, then by subject."""
    found: list[Finding] = []
    warnings: list[Finding] = []
    bounds, required = gates.bounds, gates.bounds.required_kinds
    for action in path.actions:
        if action.cites or required:
            _authority(action, gates, required, found)
        if action.prerequisites:
            _prerequisites(action, gates, found)
        if gates.extra:
            found.extend([Finding(denial, action.id) for denial in gates.extra.get(action.id, ())])
    for book in gates.books:
        for rule, action_id, value in broken_by(book, path, measured):
            finding = Finding(Denial(codes.INVARIANT_VIOLATION, rule.id, rule.value, value), action_id)
            (found if rule.severity == HARD_FAIL else warnings).append(finding)
    most, worst = bounds.max_cost_usd_micros, measured.worst_cost_usd_micros
    if most is not None and worst > most:
        found.append(Finding(Denial(codes.COST_BOUND_EXCEEDED, "max_cost_usd_micros", most, worst), ""))
    if bounds.max_risk_ppm is not None and measured.risk_ppm > bounds.max_risk_ppm:
        denial = Denial(codes.RISK_BOUND_EXCEEDED, "max_risk_ppm", bounds.max_risk_ppm, measured.risk_ppm)
        found.append(Finding(denial, ""))
    floor = bounds.min_success_ppm or 1
    if measured.success_ppm < floor:
        found.append(Finding(Denial(codes.SUCCESS_PROB_TOO_LOW, "success_ppm", floor, measured.success_ppm), ""))
    if not found and not warnings:
        return ADMITTED
    return Verdict(_ordered(path, found), _ordered(path, warnings))


def _ordered(path: Path, found: list[Finding]) -> tuple[Finding, ...]:
    place = {action.id: at for at, action in enumerate(path.actions)}
    return tuple(sorted(found, key=lambda one: (one.denial.code, place.get(one.action, ABSENT), one.denial)))


def _authority(action: Action, gates: Gates, required: tuple[str, ...], found: list[Finding]) -> None:
    covered = []
    for citation in action.cites:
        fault, level, kind, scope = gates.citations[citation]
        if not fault and scope is not None and scope.isdisjoint(action.tags):
            fault = "scope"
        if fault:
            denial = Denial(codes.AUTHORITY_BOUNDARY_FAIL, f"{fault}:{citation.id}", _CANON_LEVEL, level)
            found.append(Finding(denial, action.id))
        else:
            covered.append(kind)
    for kind in required:
        if kind not in covered:
            found.append(Finding(Denial(codes.AUTHORITY_BOUNDARY_FAIL, f"kind:{kind}", 1, 0), action.id))


def _prerequisites(action: Action, gates: Gates, found: list[Finding]) -> None:
    for name in action.prerequisites:
        if name not in gates.in_force:
            denial = Denial(codes.MISSING_CANON_PREREQS, name, _CANON_LEVEL, gates.levels.get(name, ABSENT))
            found.append(Finding(denial, action.id))
