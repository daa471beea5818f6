"""Which of many rules a path breaks, found without asking each of them: what is kept is never looked at.

A decision judges every path by every rule in force. Asked one by one, thousands of rules over thousands of paths are
millions of questions in a certificate of a megabyte, and whoever verifies it waits. So rules are laid out by what they
speak of: bounds in the order of their values, bans by what they forbid, demands by what they require; each under the
tags it applies to. Then the work for a path goes with its own size and with how many rules it breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from worker.canon.items import EVERY_ACTION
from worker.canon.measure import Measured, least_or_most
from worker.canon.problem import Action, Path
from worker.canon.rules import AT_LEAST, AT_MOST, FORBIDS, REQUIRES, RULE_FIELDS, Rule

#: By tag, positions of rules.
_ByTag = dict[str, list[int]]


class Broken(NamedTuple):
    """A rule that a path breaks. `action`: in which of its actions, "" = as a whole; `value`: the figure that did."""

    rule: Rule
    action: str
    value: int


class RuleBook(NamedTuple):
    """Rules and the positions of each kind of them.

    `bounds`: by tag, by op and feature: (value, position), the hardest to keep first. `bans`: by field and name, by
    tag. `demands`: by tag, by field and name. `unreadable`: what is broken by whatever it applies to, by tag.
    """

    rules: tuple[Rule, ...]
    bounds: dict[str, dict[tuple[str, str], list[tuple[int, int]]]]
    bans: dict[tuple[str, str], _ByTag]
    demands: dict[str, dict[tuple[str, str], list[int]]]
    unreadable: _ByTag


def book_of(rules: Iterable[Rule]) -> RuleBook:
    """The rules, laid out."""
    book = RuleBook(tuple(rules), {}, {}, {}, {})
    for position, rule in enumerate(book.rules):
        about = (rule.about, rule.name)
        # What applies to every action needs no other tag.
        for tag in (EVERY_ACTION,) if EVERY_ACTION in rule.applies_to else rule.applies_to:
            if rule.op in (AT_MOST, AT_LEAST):
                kinds = book.bounds.setdefault(tag, {})
                kinds.setdefault((rule.op, rule.about), []).append((rule.value, position))
            elif rule.op == FORBIDS:
                book.bans.setdefault(about, {}).setdefault(tag, []).append(position)
            elif rule.op == REQUIRES:
                book.demands.setdefault(tag, {}).setdefault(about, []).append(position)
            else:
                book.unreadable.setdefault(tag, []).append(position)
    for kinds in book.bounds.values():
        for (op, _), listed in kinds.items():
            listed.sort(reverse=op == AT_LEAST)
    return book


def broken_by(book: RuleBook, path: Path, measured: Measured) -> Iterator[Broken]:
    """Every rule the path breaks, once as a whole, or once for each action that does; in no order."""
    if book.bounds:
        yield from _exceeded(book, path, measured)
    if book.bans or book.demands or book.unreadable:
        for action in path.actions:
            for position in _offended(book, action):
                yield Broken(book.rules[position], action.id, 0)


def _exceeded(book: RuleBook, path: Path, measured: Measured) -> Iterator[Broken]:
    found: dict[int, int] = {}
    for tag in {EVERY_ACTION}.union(*[action.tags for action in path.actions]):
        for (op, about), listed in book.bounds.get(tag, {}).items():
            figure = least_or_most(path, measured, about, is_least=op == AT_LEAST)
            for value, position in listed:
                if figure <= value if op == AT_MOST else figure >= value:
                    break
                found[position] = figure
    for position, figure in found.items():
        yield Broken(book.rules[position], "", figure)


def _offended(book: RuleBook, action: Action) -> set[int]:
    found: set[int] = set()
    tags = {EVERY_ACTION, *action.tags}
    if book.bans:
        for field in RULE_FIELDS:
            for name in getattr(action, field):
                by_tag = book.bans.get((field, name), {})
                for tag in tags.intersection(by_tag):
                    found.update(by_tag[tag])
    held: dict[str, frozenset[str]] = {}
    for tag in tags:
        found.update(book.unreadable.get(tag, ()))
        for (field, name), positions in book.demands.get(tag, {}).items():
            if field not in held:
                held[field] = frozenset(getattr(action, field))
            if name not in held[field]:
                found.update(positions)
    return found
