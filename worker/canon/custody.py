"""What a tenant does with its items: propose, promote by one level, demote, supersede; every act an entry of its log.

A proposal begins at EVIDENCE. Proposing an id that is there, below CANON, puts new words in its place, at EVIDENCE
again. What is CANON changes in two ways only: it is demoted, or superseded by another item that is CANON itself.
Nothing here takes anybody's word for a test: a promotion is judged by `worker.canon.promotion`, and a refused one is a
denial in the log like any other.
"""

from __future__ import annotations

from typing import Any, Final

from worker.canon import why_not
from worker.canon.canon_settings import CanonSettings
from worker.canon.codes import INVARIANT_VIOLATION, Denial
from worker.canon.gates_path import Finding
from worker.canon.interference_form import resource_in
from worker.canon.invariants import INV_PROMOTION_GATE, Rise, require
from worker.canon.items import CANON, EVIDENCE, LEVELS, MAX_TEXT_CHARACTERS, Item, item_from_plain, item_to_plain
from worker.canon.judgement import ALLOW, denial_of
from worker.canon.order import Order, Refused, check_members, field_of
from worker.canon.problem import problem_to_plain
from worker.canon.promotion import (
    Reference,
    Shown,
    Trial,
    grounds_of,
    judge_scenarios,
    judge_trials,
    next_level,
    read_references,
    read_trials,
)
from worker.canon.rules import UNREADABLE, rules_of
from worker.canon.store import (
    DEMOTE,
    IMPORTED,
    PROMOTE,
    PROPOSE,
    REVISE,
    SUPERSEDE,
    Change,
    bytes_in,
    change_in,
    item_in,
    items_in,
    snapshot_in,
)
from worker.canon.ttv_model import model_in
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import DENY, append_entry, entry_id, size_in
from worker.ports import Hasher, Sql

_PROPOSED: Final = ("act", "id", "kind", "level", "applies_to", "severity", "provenance", "content", "content_hash")
_PROMOTED: Final = ("itemId", "to", "evidenceRefs", "trials", "scenarios", "tests")
MAX_REFS = 64

Told = tuple[int, dict[str, Any], int]


def changed_in(sql: Sql, hasher: Hasher, settings: CanonSettings, log: int, order: Order) -> Told:
    """Propose, demote or supersede, as `act` says. Returns: HTTP status, answer, entry. Raises: CallerError."""
    act = field_of(order.given, "act", str, PROPOSE)
    if act == PROPOSE:
        change = _propose(sql, hasher, settings, log, order)
    elif act == DEMOTE:
        change = _demote(sql, hasher, log, order)
    elif act == SUPERSEDE:
        change = _supersede(sql, hasher, log, order)
    else:
        raise Refused(400, "invalid_request", f"act must be {PROPOSE}, {DEMOTE} or {SUPERSEDE}", "act")
    told = {"object": "canon_change", "act": change.act, "item": item_to_plain(change.item)}
    return (201 if change.act == PROPOSE else 200), told, entry_id(log, change.sequence)


def _propose(sql: Sql, hasher: Hasher, settings: CanonSettings, log: int, order: Order) -> Change:
    given = order.given
    check_members(given, _PROPOSED)
    if given.get("level", EVIDENCE) != EVIDENCE:
        raise Refused(400, "invalid_request", f"an item begins at {EVIDENCE}, and rises by promotion", "level")
    plain = {name: value for name, value in given.items() if name != "act"}
    item = item_from_plain({**plain, "level": EVIDENCE, "at_us": order.at_us}, hasher)
    if not item.content:
        raise Refused(400, "invalid_request", "content must say what the item says", "content")
    if any(rule.op == UNREADABLE for rule in rules_of([item._replace(level=CANON)])):
        raise Refused(400, "bad_rule", "content.rule is no rule that can be checked; see docs/canon.md", "content.rule")
    resource_in(item)
    model_in(item)
    held = item_in(sql, hasher, order.tenant, item.id)
    if item.id in IMPORTED or (held is not None and held.level == CANON):
        message = f"{item.id} is CANON: propose another item, and supersede this one by it once that is CANON too"
        if item.id in IMPORTED:
            message = f"{item.id} is imported from the host's catalogue, and changes with that"
        raise Refused(409, "item_is_canon", message, "id")
    if held is None and len(items_in(sql, hasher, order.tenant)) >= settings.max_items:
        raise Refused(409, "too_many_items", f"the canon holds {settings.max_items} items, the most it may", "id")
    others = bytes_in(sql, order.tenant) - (0 if held is None else len(held.content.encode()))
    if others + len(item.content.encode()) > settings.max_canon_bytes:
        message = f"the canon would say more than {settings.max_canon_bytes} bytes, the most it may: say less, or where"
        raise Refused(409, "canon_too_large", message, "content")
    return change_in(sql, hasher, order.tenant, log, REVISE if held else PROPOSE, order.at_us, item, {})


def _demote(sql: Sql, hasher: Hasher, log: int, order: Order) -> Change:
    given = order.given
    check_members(given, ("act", "id", "to", "reason"))
    item, reason = _item(sql, hasher, order, "id"), _reason(given)
    place = LEVELS.index(item.level)
    to = field_of(given, "to", str, LEVELS[max(0, place - 1)])
    if to not in LEVELS[:place]:
        lower = " or ".join(LEVELS[:place]) or "nothing: it is at the lowest level"
        raise Refused(409, "not_lower", f"{item.id} is {item.level} and can be demoted to {lower}", "to")
    fallen = item._replace(level=to, at_us=order.at_us)
    said = {"from": item.level, "reason": reason}
    return change_in(sql, hasher, order.tenant, log, DEMOTE, order.at_us, fallen, said)


def _supersede(sql: Sql, hasher: Hasher, log: int, order: Order) -> Change:
    check_members(order.given, ("act", "id", "by", "reason"))
    item, by, reason = _item(sql, hasher, order, "id"), _item(sql, hasher, order, "by"), _reason(order.given)
    if item.id in IMPORTED:
        raise Refused(409, "item_is_imported", f"{item.id} is superseded by the host's next catalogue alone", "id")
    if by.id == item.id or by.level != CANON or by.kind != item.kind:
        message = f"by must name another {item.kind} that is CANON; {by.id} is a {by.kind} at {by.level}"
        raise Refused(409, "not_a_successor", message, "by")
    if item.level == EVIDENCE:
        raise Refused(409, "not_lower", f"{item.id} is {EVIDENCE}, and nothing rests on it", "id")
    fallen = item._replace(level=EVIDENCE, at_us=order.at_us)
    said = {"by": by.id, "from": item.level, "reason": reason}
    return change_in(sql, hasher, order.tenant, log, SUPERSEDE, order.at_us, fallen, said)


def promote_in(sql: Sql, hasher: Hasher, settings: CanonSettings, log: int, order: Order) -> Told:
    """Judge a promotion, record it and tell: made, or denied with the tests that failed. Raises: Refused and others.

    A caller's own verdict (`tests`) is passed over.
    """
    given = order.given
    check_members(given, _PROMOTED)
    item = _item(sql, hasher, order, "itemId")
    above = next_level(item.level)
    to = field_of(given, "to", str, above or item.level)
    if to not in LEVELS:
        raise Refused(400, "invalid_request", f"to must be one of {', '.join(LEVELS)}", "to")
    refs = field_of(given, "evidenceRefs", list, [])
    if len(refs) > MAX_REFS or not all(type(ref) is str and len(ref) <= MAX_TEXT_CHARACTERS for ref in refs):
        raise Refused(400, "invalid_request", f"evidenceRefs must be at most {MAX_REFS} strings", "evidenceRefs")
    trials = read_trials(given.get("trials", []), settings.max_trials)
    references = read_references(given.get("scenarios", []), hasher, settings.max_scenarios, settings.max_candidates)
    raised = item._replace(level=to, at_us=order.at_us)
    tests: dict[str, Shown] = {}
    if to == above == CANON:
        canon = snapshot_in(sql, hasher, order.tenant)
        tests = dict(zip("AB", judge_trials(trials, settings), strict=True))
        tests |= zip("CD", judge_scenarios(references, canon, raised, hasher), strict=True)
    elif to == above:
        known = {one.id: one for one in items_in(sql, hasher, order.tenant)}
        tests = {"grounds": grounds_of(refs, known, size_in(sql, log), item)}
    said = {"from": item.level, "to": to, "tests": {name: shown._asdict() for name, shown in tests.items()}}
    record = {**said, **_recorded(refs, trials, references)}
    if tests and all(shown.passed for shown in tests.values()):
        require(INV_PROMOTION_GATE, Rise(item.level, to, {name: shown.passed for name, shown in tests.items()}))
        change = change_in(sql, hasher, order.tenant, log, PROMOTE, order.at_us, raised, record)
        told = {"object": "canon_promotion", "outcome": ALLOW, "itemId": item.id, **said, "item": item_to_plain(raised)}
        return 200, told, entry_id(log, change.sequence)
    return _denied(sql, hasher, log, order, item, said, record)


def _recorded(refs: list[str], trials: tuple[Trial, ...], references: tuple[Reference, ...]) -> dict[str, Any]:
    scenarios = []
    for reference in references:
        problem = problem_to_plain(reference.problem)
        problem.pop("canon")
        scenarios.append({**problem, "must_stay_denied": list(reference.must_stay_denied)})
    return {
        "evidence_refs": sorted(set(refs)),
        "trials": [dict(trial._asdict()) for trial in trials],
        "scenarios": scenarios,
    }


def _denied(
    sql: Sql, hasher: Hasher, log: int, order: Order, item: Item, said: dict[str, Any], record: dict[str, Any]
) -> Told:
    """Record a refused promotion; it breaks the invariant that only what passed its tests rises, by one level."""
    failed = sorted(name for name, shown in said["tests"].items() if not shown["passed"])
    evidence = canonical_json({**record, "item": item_to_plain(item), "promotion": "denied"}).decode()
    payload = canonical_json({"failed": failed, "item": item.id, "promotion": "denied", "to": said["to"]}).decode()
    entry = append_entry(sql, hasher, order.tenant, log, DENY, order.at_us, payload, evidence)
    finding = Finding(Denial(INVARIANT_VIOLATION, INV_PROMOTION_GATE, 1, 0), "")
    above = next_level(item.level)
    fixes: list[dict[str, Any]] = [{"op": "pass", "subject": name} for name in failed]
    if not said["tests"] and above is not None:
        fixes = [{"op": "promote", "subject": item.id, "about": above}]
    trace = why_not.trace_of(why_not.PROMOTE, order.at_us, item.id, "", [finding], fixes)
    words = (
        f"failed {', '.join(failed)}" if failed else f"an item rises by one level at a time: {item.level} to {above}"
    )
    if above is None:
        words = f"{item.level} is the highest level"
    trace["message"] = f"{trace['message'].partition(' (')[0]}: {words}"
    (name,) = why_not.note_denials_in(sql, order.tenant, entry, [trace])
    told = {
        "object": "canon_promotion",
        "outcome": DENY,
        "itemId": item.id,
        **said,
        "item": item_to_plain(item),
        "denialTrace": denial_of({"id": name, **trace}),
    }
    return 200, told, entry


def _item(sql: Sql, hasher: Hasher, order: Order, member: str) -> Item:
    name = field_of(order.given, member, str)
    found = item_in(sql, hasher, order.tenant, name) if name else None
    if found is None:
        raise Refused(404, "item_not_found", f"{member} names no item of your canon", member)
    return found


def _reason(given: dict[str, Any]) -> str:
    reason: str = field_of(given, "reason", str, "")
    if not 1 <= len(reason) <= MAX_TEXT_CHARACTERS:
        message = f"reason must say why, in at most {MAX_TEXT_CHARACTERS} characters: it is what the log keeps"
        raise Refused(400, "invalid_request", message, "reason")
    return reason
