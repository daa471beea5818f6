"""Invariants a program can check: four kinds of rule over a path and its actions, and no others.

A rule stands in a problem, or in the content of a CANON item of kind invariant or constraint under the member `rule`;
an item without that member is a statement for people and forbids nothing. A rule that can't be read, or whose content
is not at hand, is violated by every action it applies to: what can't be checked is not permitted.

    {"op": "at_most",  "feature": F, "value": N}    the path's F is at most N
    {"op": "at_least", "feature": F, "value": N}    the path's F is at least N
    {"op": "forbids",  "field": A, "name": X}       no action has X among its A
    {"op": "requires", "field": A, "name": X}       every action has X among its A
F: ttv_us, cost_usd_micros, risk_ppm, success_ppm. A: tags, resources, reads, writes, prerequisites.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from worker.canon.items import CANON, EVERY_ACTION, HARD_FAIL, MAX_TAGS, SEVERITIES, Item, ItemError, is_name
from worker.errors import CanonicalError
from worker.ledger.canonical import MAX_INT, parse_canonical

AT_MOST, AT_LEAST, FORBIDS, REQUIRES = "at_most", "at_least", "forbids", "requires"
#: Of an item's rule that can't be read or seen.
UNREADABLE: Final = "unreadable"
RULE_FEATURES: Final = ("ttv_us", "cost_usd_micros", "risk_ppm", "success_ppm")
RULE_FIELDS: Final = ("tags", "resources", "reads", "writes", "prerequisites")
_RULING_KINDS: Final = ("invariant", "constraint")


class Rule(NamedTuple):
    """One rule. `about`: the feature or the field; `name`: what is forbidden or required, `value`: the bound."""

    id: str
    severity: str
    applies_to: tuple[str, ...]
    op: str
    about: str = ""
    name: str = ""
    value: int = 0

    def is_in_scope(self, tags: Iterable[str]) -> bool:
        """Whether the rule speaks of an action with these tags."""
        return EVERY_ACTION in self.applies_to or not frozenset(self.applies_to).isdisjoint(tags)


def rule_from_plain(plain: object, field: str) -> Rule:
    """The rule of a problem's `invariants`. Raises: ItemError naming the member."""
    if type(plain) is not dict or plain.keys() - {"id", "severity", "applies_to", "rule"} or "rule" not in plain:
        raise _wrong(field, "must be an object of id, severity, applies_to and rule")
    severity, applies_to = plain.get("severity", HARD_FAIL), plain.get("applies_to", [EVERY_ACTION])
    if not is_name(plain.get("id")):
        raise _wrong(f"{field}.id", "must be a name: visible ASCII characters without commas, at most 128")
    if type(severity) is not str or severity not in SEVERITIES:
        raise _wrong(f"{field}.severity", f"must be one of {', '.join(SEVERITIES)}")
    if type(applies_to) is not list or not 1 <= len(applies_to) <= MAX_TAGS or not all(map(is_name, applies_to)):
        raise _wrong(f"{field}.applies_to", f"must be a list of 1 to {MAX_TAGS} action tags")
    return _read(plain["id"], severity, tuple(sorted(set(applies_to))), plain["rule"], f"{field}.rule")


def rule_to_plain(rule: Rule) -> dict[str, Any]:
    """The rule as JSON-like values; the inverse of `rule_from_plain`."""
    said: dict[str, Any] = {"op": rule.op}
    if rule.op in (AT_MOST, AT_LEAST):
        said |= {"feature": rule.about, "value": rule.value}
    else:
        said |= {"field": rule.about, "name": rule.name}
    return {"id": rule.id, "severity": rule.severity, "applies_to": list(rule.applies_to), "rule": said}


def rules_of(items: Iterable[Item]) -> tuple[Rule, ...]:
    """The rules that CANON items put in force; a constraint is as hard as an invariant that fails hard."""
    found = []
    for item in items:
        if item.level != CANON or item.kind not in _RULING_KINDS:
            continue
        severity = item.severity or HARD_FAIL
        unreadable = Rule(item.id, severity, item.applies_to, UNREADABLE)
        try:
            content = parse_canonical(item.content.encode())
            if isinstance(content, dict) and "rule" in content:
                found.append(_read(item.id, severity, item.applies_to, content["rule"], "rule"))
        except (CanonicalError, ItemError):
            found.append(unreadable)
    return tuple(found)


def _read(name: str, severity: str, applies_to: tuple[str, ...], plain: object, field: str) -> Rule:
    if type(plain) is not dict:
        raise _wrong(field, "must be an object")
    op, feature, said, value = plain.get("op"), plain.get("feature"), plain.get("field"), plain.get("value")
    is_bound = op in (AT_MOST, AT_LEAST) and plain.keys() == {"op", "feature", "value"} and feature in RULE_FEATURES
    if is_bound and type(value) is int and 0 <= value <= MAX_INT:
        return Rule(name, severity, applies_to, str(op), str(feature), value=value)
    is_ban = op in (FORBIDS, REQUIRES) and plain.keys() == {"op", "field", "name"} and said in RULE_FIELDS
    if is_ban and is_name(plain["name"]):
        return Rule(name, severity, applies_to, str(op), str(said), str(plain["name"]))
    raise _wrong(
        field, "must be a bound (op at_most or at_least, feature, value) or a ban (op forbids or requires, field, name)"
    )


def _wrong(field: str, problem: str) -> ItemError:
    return ItemError(f"{field} {problem}", param=field)
