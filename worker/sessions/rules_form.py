"""The form of a routing configuration: plain values, as a YAML or JSON reader gives them, made into Routes.

    version: 1
    destinations:
      <name>: {party, retention_days, transform, and the options of worker/sessions/destination_options.py}
    parties:
      <name>: {shares_with: [{party, transform}]}
    rules:
      - {name, match: {<path>: <condition>}, to: [<destination>], transform, sample, retention_days, stop}

A condition is a value (equal), or one of {eq}, {in: [...]}, {exists: true}, {prefix: "..."} and
{range: {gte, gt, lte, lt}}. A transform is a list of {keep: [...]}, {drop: [...]}, {redact: [...]} and
{rename: {<from>: <to>}}. Whatever else stands there is a problem; all problems are found in one reading, each with
where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from worker.errors import SettingsError
from worker.sessions.destination_options import (
    COMMON,
    TYPES,
    Option,
    OptionValue,
    Type,
    WrongOption,
    drops_by_age,
    problem_of,
    type_of,
)
from worker.sessions.fields import GROUPS, PATHS
from worker.sessions.rules import PPM, Condition, Destination, Exists, In, Prefix, Range, Routes, Rule, Scalar, Share
from worker.sessions.transforms import MAX_PATH, Drop, Keep, Path, Redact, Rename, Transform, starts_with

VERSION: Final = 1
MAX_RETENTION_DAYS: Final = 36_500
Where = tuple[str | int, ...]
_BOUNDS: Final = ("gte", "gt", "lte", "lt")
_TESTS: Final = ("eq", "in", "exists", "prefix", "range")
_TRANSFORMS: Final = ("keep", "drop", "redact", "rename")
_RULE: Final = ("name", "match", "to", "transform", "sample", "retention_days", "stop")
_DESTINATION: Final = ("party", "retention_days", "transform")


class RouteProblem(NamedTuple):
    """What is wrong at one place: the keys and indices that lead there, and whether it is the key itself."""

    where: Where
    message: str
    is_key: bool = False

    def to_text(self) -> str:
        """`rules[0].match.usage: ...`"""
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.where).lstrip(".")
        return f"{name}: {self.message}" if name else self.message


class RoutesRefused(SettingsError):
    """A configuration with problems; `problems` has all of them, in its order."""

    def __init__(self, problems: tuple[RouteProblem, ...]) -> None:
        super().__init__("; ".join(problem.to_text() for problem in problems))
        self.problems = problems


def compile_routes(plain: object) -> Routes:
    """The configuration that plain values describe. Raises: RoutesRefused."""
    form = _Form()
    top = form.section(plain, (), ("version", "destinations", "parties", "rules"), ("version", "destinations", "rules"))
    if "version" in top and (type(top["version"]) is not int or top["version"] != VERSION):
        form.complain(("version",), f"must be {VERSION}, the only version there is")
    form.find_renames(top)
    destinations = {
        name: form.destination(name, value, ("destinations", name))
        for name, value in form.named(top.get("destinations", {}), ("destinations",))
    }
    rules = tuple(
        form.rule(value, ("rules", index), destinations)
        for index, value in enumerate(form.listed(top.get("rules", []), ("rules",)))
    )
    shares = {
        name: form.shares(value, ("parties", name)) for name, value in form.named(top.get("parties", {}), ("parties",))
    }
    form.check_names(rules)
    if form.problems:
        raise RoutesRefused(tuple(form.problems))
    return Routes(destinations, rules, shares)


def _near(word: object, known: Collection[str]) -> str:
    found = get_close_matches(word, known, n=1, cutoff=0.6) if isinstance(word, str) else []
    return f"did you mean {found[0]}?" if found else f"there are {', '.join(known)}"


@dataclass(slots=True)
class _Form:
    """One reading: the problems found, and the names that renames give to fields anywhere in it."""

    problems: list[RouteProblem] = field(default_factory=list)
    renamed: set[Path] = field(default_factory=set)

    def complain(self, where: Where, message: str, is_key: bool = False) -> None:
        self.problems.append(RouteProblem(where, message, is_key))

    def section(
        self, value: object, where: Where, known: Collection[str], needed: Collection[str] = ()
    ) -> dict[str, Any]:
        """The members of an object that has some of `known` names and all of `needed`."""
        if not isinstance(value, Mapping):
            self.complain(where, f"must be a section with {', '.join(known)}")
            return {}
        for name in value:
            if name not in known:
                self.complain((*where, name), f"there is no such key here; {_near(name, known)}", True)
        for name in needed:
            if name not in value:
                self.complain(where, f"{name} is missing")
        return {name: value[name] for name in known if name in value}

    def named(self, value: object, where: Where) -> list[tuple[str, Any]]:
        """The members of an object whose names anybody may choose."""
        if not isinstance(value, Mapping):
            self.complain(where, "must be a section with a name for each")
            return []
        return [(name, one) for name, one in value.items() if self.is_name(name, (*where, name))]

    def listed(self, value: object, where: Where) -> list[Any]:
        if not isinstance(value, list):
            self.complain(where, "must be a list")
            return []
        return value

    def is_name(self, value: object, where: Where) -> bool:
        good = isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable()
        if not good:
            self.complain(where, "must be a name of 1 to 64 characters")
        return good

    def text(self, value: object, where: Where, default: str) -> str:
        return value if isinstance(value, str) and self.is_name(value, where) else default

    def find_renames(self, top: Mapping[str, Any]) -> None:
        """Note every target of a rename, wherever it is, so that later transforms may name it."""
        waiting: list[Any] = [top]
        while waiting:
            one = waiting.pop()
            if isinstance(one, Mapping):
                renames = one.get("rename")
                if isinstance(renames, Mapping):
                    self.renamed.update(tuple(to.split(".")) for to in renames.values() if isinstance(to, str))
                waiting.extend(one.values())
            elif isinstance(one, list):
                waiting.extend(one)

    def destination(self, name: str, value: object, where: Where) -> Destination:
        given = {} if value is None else value
        kind = TYPES.get(type_of(name, given.get("type")), Type({})) if isinstance(given, Mapping) else Type({})
        known = {**COMMON, **kind.options}
        members = self.section(given, where, (*_DESTINATION, *known), kind.needed)
        options = {key: self.option(known[key], members[key], (*where, key)) for key in known if key in members}
        wrong = problem_of(name, options)
        if wrong is not None:
            self.complain((*where, wrong[0]), wrong[1])
        kept = type_of(name, options.get("type"))
        return Destination(
            name,
            self.text(members.get("party", name), (*where, "party"), name),
            self.transforms(members.get("transform", []), (*where, "transform")),
            self.days(members.get("retention_days"), (*where, "retention_days"), {name: kept}),
            options,
        )

    def option(self, option: Option, value: object, where: Where) -> OptionValue:
        try:
            return option.read(value)
        except WrongOption as wrong:
            self.complain(where, str(wrong))
            return ""

    def shares(self, value: object, where: Where) -> tuple[Share, ...]:
        members = self.section(value, where, ("shares_with",), ("shares_with",))
        place: Where = (*where, "shares_with")
        found = []
        for index, one in enumerate(self.listed(members.get("shares_with", []), place)):
            at: Where = (*place, index)
            share = self.section(one, at, ("party", "transform"), ("party",))
            party = self.text(share.get("party", "-"), (*at, "party"), "-")
            found.append(Share(party, self.transforms(share.get("transform", []), (*at, "transform"))))
        return tuple(found)

    def rule(self, value: object, where: Where, destinations: Mapping[str, Destination]) -> Rule:
        members = self.section(value, where, _RULE, ("name", "to"))
        to: list[str] = []
        for index, name in enumerate(self.listed(members.get("to", []), (*where, "to"))):
            if not isinstance(name, str) or name not in destinations:
                self.complain((*where, "to", index), f"there is no such destination; {_near(name, destinations)}")
            elif name in to:
                self.complain((*where, "to", index), f"{name} is there twice")
            else:
                to.append(name)
        kinds = {name: type_of(name, destinations[name].options.get("type")) for name in to}
        stop = members.get("stop", False)
        if type(stop) is not bool:
            self.complain((*where, "stop"), "must be true or false")
        return Rule(
            self.text(members.get("name", "-"), (*where, "name"), "-"),
            self.match(members.get("match", {}), (*where, "match")),
            tuple(to),
            self.transforms(members.get("transform", []), (*where, "transform")),
            self.sample(members.get("sample", 1), (*where, "sample")),
            self.days(members.get("retention_days"), (*where, "retention_days"), kinds),
            stop is True,
        )

    def check_names(self, rules: tuple[Rule, ...]) -> None:
        seen: set[str] = set()
        for index, rule in enumerate(rules):
            if rule.name in seen and rule.name != "-":
                self.complain(("rules", index, "name"), "another rule has that name")
            seen.add(rule.name)

    def sample(self, value: object, where: Where) -> int:
        """A share from 0 to 1 as parts per million."""
        if type(value) is int or type(value) is Decimal:
            ppm = value * PPM
            if 0 <= ppm <= PPM and ppm == int(ppm):
                return int(ppm)
        self.complain(where, "must be a number from 0 to 1 with at most six decimals, such as 0.01")
        return PPM

    def days(self, value: object, where: Where, kinds: Mapping[str, str]) -> int | None:
        """Days after which an event is dropped. Args: kinds: the types of the destinations that are to do so."""
        if value is None:
            return None
        if type(value) is not int or not 1 <= value <= MAX_RETENTION_DAYS:
            self.complain(where, f"must be a whole number of days from 1 to {MAX_RETENTION_DAYS}")
            return None
        for name, kind in kinds.items():
            if not drops_by_age(kind):
                self.complain(where, f"{name} is of the type {kind}, which drops nothing: sqlite and postgres do")
        return value

    def match(self, value: object, where: Where) -> tuple[Condition, ...]:
        if not isinstance(value, Mapping):
            self.complain(where, "must be a section with a condition for each field")
            return ()
        found = [self.condition(name, one, (*where, name)) for name, one in value.items()]
        return tuple([one for one in found if one is not None])

    def condition(self, name: object, value: object, where: Where) -> Condition | None:
        path = self.path(name, where, True)
        if not isinstance(value, Mapping):
            return In(path, (self.scalar(value, where),))
        members = self.section(value, where, _TESTS)
        if len(members) != 1:
            if len(value) != 1:
                self.complain(where, f"must have exactly one of {', '.join(_TESTS)}")
            return None
        ((test, wanted),) = members.items()
        at = (*where, test)
        if test == "eq":
            return In(path, (self.scalar(wanted, at),))
        if test == "in":
            values = [self.scalar(one, (*at, index)) for index, one in enumerate(self.listed(wanted, at))]
            if not values:
                self.complain(at, "must have at least one value")
            return In(path, tuple(values))
        if test == "exists":
            if type(wanted) is not bool:
                self.complain(at, "must be true or false")
            return Exists(path, wanted is True)
        if test == "prefix":
            if not isinstance(wanted, str) or not wanted:
                self.complain(at, "must be a text")
                return None
            return Prefix(path, wanted)
        return self.range(path, wanted, at)

    def range(self, path: Path, value: object, where: Where) -> Range:
        bounds = self.section(value, where, _BOUNDS)
        for name, bound in list(bounds.items()):
            if type(bound) is not int and type(bound) is not Decimal:
                self.complain((*where, name), "must be a number")
                del bounds[name]
        if isinstance(value, Mapping) and not value:
            self.complain(where, f"must have at least one of {', '.join(_BOUNDS)}")
        return Range(path, **bounds)

    def scalar(self, value: object, where: Where) -> Scalar:
        if type(value) is str or type(value) is bool or type(value) is int or type(value) is Decimal:
            return value
        self.complain(where, "must be a text, a number, true or false")
        return ""

    def transforms(self, value: object, where: Where) -> tuple[Transform, ...]:
        found: list[Transform] = []
        for index, one in enumerate(self.listed(value, where)):
            at: Where = (*where, index)
            members = self.section(one, at, _TRANSFORMS)
            if len(members) != 1:
                if isinstance(one, Mapping) and len(one) != 1:
                    self.complain(at, f"must be exactly one of {', '.join(_TRANSFORMS)}")
                continue
            ((kind, wanted),) = members.items()
            found.extend(
                self.renames(wanted, (*at, kind)) if kind == "rename" else self.parts(kind, wanted, (*at, kind))
            )
        return tuple(found)

    def parts(self, kind: str, value: object, where: Where) -> list[Transform]:
        listed = self.listed(value, where)
        paths = tuple([self.path(one, (*where, index)) for index, one in enumerate(listed)])
        return [Keep(paths) if kind == "keep" else Drop(paths) if kind == "drop" else Redact(paths)]

    def renames(self, value: object, where: Where) -> list[Transform]:
        if not isinstance(value, Mapping):
            self.complain(where, "must be a section of `from: to` lines")
            return []
        found: list[Transform] = []
        for name, to in value.items():
            source, target = self.path(name, (*where, name)), self.path(to, (*where, name), is_new=True)
            if starts_with(source, target) or starts_with(target, source):
                self.complain((*where, name), "neither of the two may lie within the other")
            found.append(Rename(source, target))
        return found

    def path(self, value: object, where: Where, is_match: bool = False, is_new: bool = False) -> Path:
        """Names with full stops between them: of the event, or where it isn't for `match`, given by a rename."""
        path = tuple(value.split(".")) if isinstance(value, str) else ("",)
        if not all(path) or "*" in path or len(path) > MAX_PATH:
            self.complain(where, "must be a path such as usage.total_tokens", is_match)
        elif not is_new and not self.is_known(path, is_match):
            known = sorted([*PATHS, *GROUPS, "metadata"])
            self.complain(where, f"there is no such field; {_near(value, known)}", is_match)
        return path

    def is_known(self, path: Path, is_match: bool) -> bool:
        if path[0] == "metadata" or ".".join(path) in PATHS:
            return True
        if is_match:
            return False
        return ".".join(path) in GROUPS or any(starts_with(path, one) or starts_with(one, path) for one in self.renamed)
