"""Rules laid out find what asking each of them finds, and never look at one that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Any, SupportsIndex

import pytest

from tests.worker.canon.problem_kit import candidate, decided, denials, features, item
from tests.worker.canon.random_problems import random_problem
from worker.canon.measure import measure
from worker.canon.problem import Action, Features, Path, Scenario
from worker.canon.rule_book import book_of, broken_by
from worker.canon.rules import RULE_FEATURES, UNREADABLE, Rule, rule_from_plain

MILLION = 1_000_000


def exact_figures(path: Path, feature: str) -> list[Fraction]:
    """What a figure is, in fractions; a cost is each that the path may have."""
    if path.scenarios:
        if feature == "cost_usd_micros":
            return [Fraction(one.features.cost_usd_micros) for one in path.scenarios if one.weight_ppm]
        return [
            sum(
                (Fraction(one.weight_ppm, MILLION) * getattr(one.features, feature) for one in path.scenarios),
                Fraction(),
            )
        ]
    if path.features is not None:
        return [Fraction(getattr(path.features, feature))]
    steps = [action.features for action in path.actions if action.features is not None]
    if not feature.endswith("_ppm"):
        return [Fraction(sum(getattr(step, feature) for step in steps))]
    product = Fraction(1)
    for step in steps:
        chance = Fraction(getattr(step, feature), MILLION)
        product *= chance if feature == "success_ppm" else 1 - chance
    return [(product if feature == "success_ppm" else 1 - product) * MILLION]


def asked_one_by_one(rules: list[Rule], path: Path) -> set[tuple[int, str]]:
    """Which rule is broken where ("" = by the whole path), by asking each of them in exact fractions."""
    found = set()
    for position, rule in enumerate(rules):
        concerned = [action for action in path.actions if rule.is_in_scope(action.tags)]
        if rule.op in ("at_most", "at_least"):
            figures = exact_figures(path, rule.about)
            is_broken = any(one > rule.value if rule.op == "at_most" else one < rule.value for one in figures)
            if concerned and is_broken:
                found.add((position, ""))
            continue
        for action in concerned:
            is_held = rule.op != UNREADABLE and rule.name in getattr(action, rule.about)
            if rule.op == UNREADABLE or (is_held if rule.op == "forbids" else not is_held):
                found.add((position, action.id))
    return found


def random_path(random: Random) -> Path:
    def figures() -> Features:
        chances = [random.choice((0, 1, 333_333, 999_999, MILLION)) for _ in range(2)]
        return Features(random.randrange(20), random.randrange(5), *chances)

    def names(*some: str) -> tuple[str, ...]:
        return tuple(sorted(random.sample(some, random.randrange(len(some) + 1))))

    shape = random.choice(("whole", "steps", "scenarios"))
    actions = tuple(
        Action(
            f"a.{at}",
            tags=names("pay", "read", "*"),
            writes=names("disk", "pool"),
            resources=names("disk", "pool"),
            features=figures() if shape == "steps" else None,
        )
        for at in range(random.choice((1, 2, 3)))
    )
    if shape == "whole":
        return Path("a", actions, figures())
    cut = random.randrange(MILLION + 1)
    scenarios = tuple(Scenario(weight, figures()) for weight in (cut, MILLION - cut)) if shape == "scenarios" else ()
    return Path("a", actions, None, scenarios)


def random_rule(random: Random, name: str) -> Rule:
    applies_to = random.choice((("*",), ("pay",), ("pay", "read"), ("*", "pay"), ("none",)))
    op = random.choice(("at_most", "at_least", "forbids", "requires", UNREADABLE))
    if op == UNREADABLE:
        return Rule(name, "HARD_FAIL", applies_to, op)
    if op in ("at_most", "at_least"):
        value = random.choice((0, 1, 3, 9, 10, 333_333, 333_334, 999_998, 999_999, MILLION))
        return Rule(name, "HARD_FAIL", applies_to, op, random.choice(RULE_FEATURES), value=value)
    field, held = random.choice((("writes", "disk"), ("resources", "pool"), ("tags", "pay"), ("tags", "gone")))
    return Rule(name, "HARD_FAIL", applies_to, op, field, held)


def test_rules_laid_out_find_what_exact_fractions_find_one_by_one() -> None:
    """No rounding admits what fractions deny, or denies what they admit: bounds are whole numbers."""
    broken = kept = 0
    for seed in range(3_000):
        random = Random(seed)
        path = random_path(random)
        rules = [random_rule(random, f"r{at}") for at in range(random.choice((1, 4, 12)))]
        measured = measure(path, 1)
        found = [(rules.index(one.rule), one.action) for one in broken_by(book_of(rules), path, measured)]
        assert len(set(found)) == len(found), seed
        assert {(rules[at], action) for at, action in found} == {
            (rules[at], action) for at, action in asked_one_by_one(rules, path)
        }, seed
        broken, kept = broken + len(found), kept + len(rules) - len({at for at, _ in found})
    assert broken > 3_000
    assert kept > 3_000


@pytest.mark.parametrize(
    ("feature", "figures", "op", "value"),
    [
        ("ttv_us", (9, 10), "at_least", 10),
        ("risk_ppm", (9, 10), "at_least", 10),
        ("cost_usd_micros", (9, 10), "at_least", 10),
        ("cost_usd_micros", (9, 10), "at_most", 9),
        ("success_ppm", (9, 10), "at_most", 9),
        ("success_ppm", (9, 10), "at_least", 10),
    ],
)
def test_a_mean_between_two_numbers_keeps_no_rule_that_it_breaks(
    feature: str, figures: tuple[int, int], op: str, value: int
) -> None:
    """Half of 9 and 10 was 10 for a rule that asks for 10, and 9 for one that allows 9."""
    scenarios = [{"weight_ppm": 500_000, **features(**{feature: figure})} for figure in figures]
    rule = {"op": op, "feature": feature, "value": value}
    found = decided({"id": "a", "scenarios": scenarios}, invariants=[{"id": "r", "rule": rule}])
    assert denials(found, "a") == [("INVARIANT_VIOLATION", "r", "")]
    kinder = {**rule, "value": value + 1 if op == "at_most" else value - 1}
    found = decided({"id": "a", "scenarios": scenarios}, invariants=[{"id": "r", "rule": kinder}])
    assert found.selected == "a"


class Counted(list[Any]):
    """A list that counts what is taken out of it."""

    taken = 0

    def __iter__(self) -> Iterator[Any]:
        for one in super().__iter__():
            Counted.taken += 1
            yield one

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        Counted.taken += 1
        return super().__getitem__(at)


def test_rules_that_are_kept_are_not_looked_at() -> None:
    """Thousands of rules over thousands of paths: verifying a certificate of a megabyte took as long as it liked."""
    rules = [Rule(f"at-most-{at}", "HARD_FAIL", ("*",), "at_most", "ttv_us", value=100 + at) for at in range(5_000)]
    rules += [Rule(f"ban-{at}", "HARD_FAIL", ("pay",), "forbids", "writes", f"disk-{at}") for at in range(5_000)]
    rules += [Rule(f"need-{at}", "HARD_FAIL", ("pay",), "requires", "tags", "pay") for at in range(5_000)]
    rules += [Rule(f"else-{at}", "HARD_FAIL", (f"t{at}",), UNREADABLE) for at in range(5_000)]
    book = book_of(rules)
    watched = book._replace(
        rules=Counted(book.rules),  # type: ignore[arg-type]
        bounds={"*": {key: Counted(listed) for key, listed in book.bounds["*"].items()}},
    )
    action = Action("a", tags=("pay",), writes=("disk-7",))
    for ttv_us, broken in ((100, ["ban-7"]), (102, ["at-most-0", "at-most-1", "ban-7"])):
        Counted.taken = 0
        path = Path("a", (action,), Features(ttv_us, 0, 0, MILLION))
        assert sorted(one.rule.id for one in broken_by(watched, path, measure(path, 1))) == broken
        # Those that are broken, once to find and once to name them, and the first that is not.
        assert Counted.taken <= 2 * len(broken) + 1


def test_a_rule_of_several_tags_is_told_once() -> None:
    rule = {"id": "r", "applies_to": ["pay", "read"], "rule": {"op": "at_most", "feature": "ttv_us", "value": 1}}
    path = {"id": "a", "actions": [{"id": "a.1", "tags": ["pay", "read"]}, {"id": "a.2", "tags": ["read"]}]}
    found = decided({**candidate("a"), **path}, invariants=[rule])
    assert denials(found, "a") == [("INVARIANT_VIOLATION", "r", "")]
    ban = {**rule, "rule": {"op": "forbids", "field": "tags", "name": "read"}}
    found = decided({**candidate("a"), **path}, invariants=[ban])
    assert denials(found, "a") == [("INVARIANT_VIOLATION", "r", "a.1"), ("INVARIANT_VIOLATION", "r", "a.2")]


def test_every_rule_of_random_problems_lands_in_exactly_one_part_of_the_book() -> None:
    for seed in range(200):
        plain, _ = random_problem(seed, lambda data: b"")
        rules = [rule_from_plain(one, "invariants") for one in plain.get("invariants", [])]
        book = book_of(rules)
        placed = [at for kinds in book.bounds.values() for listed in kinds.values() for _, at in listed]
        placed += [at for tags in book.bans.values() for listed in tags.values() for at in listed]
        placed += [at for kinds in book.demands.values() for listed in kinds.values() for at in listed]
        placed += [at for listed in book.unreadable.values() for at in listed]
        assert sorted(placed) == list(range(len(rules))), seed


def test_soft_rules_warn_from_the_same_book() -> None:
    soft = {"id": "soft", "severity": "SOFT_FAIL", "rule": {"op": "at_least", "feature": "ttv_us", "value": 10**6}}
    found = decided(candidate("a"), invariants=[soft], canon=[item("law")])
    assert found.selected == "a"
    assert [warning.denial.subject for warning in found.verdicts[0].warnings] == ["soft"]
