"""A decision problem: candidate paths of actions, what they are expected to take, weights, bounds, and what is known.

It decides which problems are well posed; it judges and orders nothing. Every figure is an integer: microseconds,
micro-dollars, parts per million. Reading is strict: a member that nobody knows is refused, never passed over. What has
no order of its own is kept in the order of its ids, so that two spellings of one problem are one value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from worker.canon.items import (
    KINDS,
    ItemError,
    Snapshot,
    is_hash,
    is_name,
    item_from_plain,
    item_to_plain,
    snapshot_of,
)
from worker.canon.rules import Rule, rule_from_plain, rule_to_plain
from worker.errors import MalformedRequest
from worker.ledger.canonical import MAX_INT
from worker.ports import Hasher

MILLION: Final = 1_000_000
#: H where a problem names none: two minutes.
DEFAULT_HORIZON_US: Final = 120_000_000
MAX_CANDIDATES = 10_000
MAX_ACTIONS = 64
MAX_SCENARIOS = 1_000
MAX_ITEMS = 10_000
MAX_NAMES = 256
MAX_GOAL_CHARACTERS = 1_024

T = TypeVar("T")


class ProblemError(MalformedRequest):
    """A problem that is not well posed; `param` names the member."""

    code = "bad_problem"


class Features(NamedTuple):
    """What a path, or one action, is expected to take; the chance of success is independent of the risk of harm."""

    ttv_us: int
    cost_usd_micros: int
    risk_ppm: int
    success_ppm: int


class Scenario(NamedTuple):
    """One of finitely many ways things may go, and how likely it is; the weights of a path add up to a million."""

    weight_ppm: int
    features: Features


class Citation(NamedTuple):
    """The authority an action claims: an item, and the hash of the content that was read."""

    id: str
    hash: str


class Action(NamedTuple):
    """One step. `tags` say what it is, and so which items are in scope for it; `prerequisites` name items."""

    id: str
    tags: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    cites: tuple[Citation, ...] = ()
    resources: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    features: Features | None = None


class Path(NamedTuple):
    """A candidate: one or more actions in their order, and features of the whole, of each action, or by scenario."""

    id: str
    actions: tuple[Action, ...]
    features: Features | None = None
    scenarios: tuple[Scenario, ...] = ()
    tier_factor_ppm: int = MILLION


class Lambdas(NamedTuple):
    """What a unit of cost, risk and improbability weighs, in microseconds."""

    cost_us_per_usd_micro: int
    risk_us_per_ppm: int
    improbability_us_per_micronat: int


class Bounds(NamedTuple):
    """What a path must keep to; None = no bound. A chance of zero is below every floor, also below a floor of zero.

    `required_kinds`: of each of these kinds every action must cite an item.
    """

    max_cost_usd_micros: int | None = None
    max_risk_ppm: int | None = None
    min_success_ppm: int = 1
    required_kinds: tuple[str, ...] = ()


class Problem(NamedTuple):
    """All that a decision is made from, but for denials computed elsewhere."""

    goal: str
    horizon_us: int
    candidates: tuple[Path, ...]
    weights: Lambdas
    bounds: Bounds
    canon: Snapshot
    invariants: tuple[Rule, ...] = ()


def read_problem(plain: object, hasher: Hasher) -> Problem:
    """The problem a JSON object poses. Raises: ProblemError naming the member that is wrong."""
    given = _members(
        plain, "problem", ("candidates", "weights"), ("goal", "horizon_us", "bounds", "canon", "invariants")
    )
    candidates = _list(given["candidates"], "candidates", MAX_CANDIDATES, _path)
    goal = given.get("goal", "")
    if type(goal) is not str or len(goal) > MAX_GOAL_CHARACTERS or not _is_unicode(goal):
        raise _wrong("goal", f"must be a string of at most {MAX_GOAL_CHARACTERS} characters")
    try:
        items = _list(
            given.get("canon", []), "canon", MAX_ITEMS, lambda item, field: item_from_plain(item, hasher, field)
        )
        invariants = _list(given.get("invariants", []), "invariants", MAX_NAMES, rule_from_plain)
        canon = snapshot_of(hasher, items)
    except ItemError as problem:
        raise ProblemError(problem.message, param=problem.param) from None
    return Problem(
        goal=goal,
        horizon_us=_whole(given.get("horizon_us", DEFAULT_HORIZON_US), "horizon_us", 1),
        candidates=_by_id(candidates, "candidates"),
        weights=_lambdas(given["weights"]),
        bounds=_bounds(given.get("bounds", {})),
        canon=canon,
        invariants=_by_id(invariants, "invariants"),
    )


def problem_to_plain(problem: Problem) -> dict[str, Any]:
    """The problem as JSON-like values, every default spelled out, in canonical order; `read_problem` reads it back."""
    bounds = {name: value for name, value in problem.bounds._asdict().items() if value is not None}
    return {
        "goal": problem.goal,
        "horizon_us": problem.horizon_us,
        "candidates": [path_to_plain(path) for path in sorted(problem.candidates, key=_id_of)],
        "weights": problem.weights._asdict(),
        "bounds": {**bounds, "required_kinds": list(problem.bounds.required_kinds)},
        "canon": [item_to_plain(item) for item in problem.canon.items],
        "invariants": [rule_to_plain(rule) for rule in sorted(problem.invariants, key=_id_of)],
    }


def path_to_plain(path: Path) -> dict[str, Any]:
    """One candidate as JSON-like values."""
    plain: dict[str, Any] = {
        "id": path.id,
        "actions": [_action_to_plain(action) for action in path.actions],
        "tier_factor_ppm": path.tier_factor_ppm,
    }
    if path.features is not None:
        plain["features"] = path.features._asdict()
    if path.scenarios:
        plain["scenarios"] = [
            {"weight_ppm": scenario.weight_ppm, **scenario.features._asdict()} for scenario in path.scenarios
        ]
    return plain


def check_path(path: Path) -> None:
    """Raises: ProblemError for a path that `read_problem` would refuse, though it was never read."""
    _path(path_to_plain(path), path.id)


def check_features(features: Features, field: str) -> None:
    """Raises: ProblemError for what is not in its domain: whole numbers, none negative, chances within a million."""
    for name, value in zip(Features._fields, features, strict=True):
        _whole(value, f"{field}.{name}", 0, MILLION if name.endswith("_ppm") else MAX_INT)


def _action_to_plain(action: Action) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": action.id}
    for name in ("tags", "prerequisites", "resources", "reads", "writes"):
        if getattr(action, name):
            plain[name] = list(getattr(action, name))
    if action.cites:
        plain["cites"] = [citation._asdict() for citation in action.cites]
    if action.features is not None:
        plain["features"] = action.features._asdict()
    return plain


def _path(plain: object, field: str) -> Path:
    given = _members(plain, field, ("id",), ("actions", "features", "scenarios", "tier_factor_ppm"))
    name = _name(given["id"], f"{field}.id")
    actions: tuple[Action, ...] = (Action(name),)
    if "actions" in given:
        actions = _list(given["actions"], f"{field}.actions", MAX_ACTIONS, _action)
        if len({action.id for action in actions}) != len(actions) or not actions:
            raise _wrong(f"{field}.actions", "must hold at least one action, and none twice")
    features = _features(given["features"], f"{field}.features") if "features" in given else None
    scenarios: tuple[Scenario, ...] = ()
    if "scenarios" in given:
        scenarios = _list(given["scenarios"], f"{field}.scenarios", MAX_SCENARIOS, _scenario)
        if sum(scenario.weight_ppm for scenario in scenarios) != MILLION:
            raise _wrong(f"{field}.scenarios", f"must have weights that add up to {MILLION}")
    told = sum(action.features is not None for action in actions)
    if (features is not None) + bool(scenarios) + bool(told) != 1 or told not in (0, len(actions)):
        raise _wrong(
            f"{field}.features", "must be given once: for the path, by scenario, or for every one of its actions"
        )
    factor = _whole(given.get("tier_factor_ppm", MILLION), f"{field}.tier_factor_ppm", MILLION)
    return Path(name, actions, features, scenarios, factor)


def _action(plain: object, field: str) -> Action:
    names = ("tags", "prerequisites", "resources", "reads", "writes")
    given = _members(plain, field, ("id",), (*names, "cites", "features"))
    return Action(
        id=_name(given["id"], f"{field}.id"),
        cites=_by_id(_list(given.get("cites", []), f"{field}.cites", MAX_NAMES, _citation), f"{field}.cites"),
        features=_features(given["features"], f"{field}.features") if "features" in given else None,
        **{name: _names(given.get(name, []), f"{field}.{name}") for name in names},
    )


def _citation(plain: object, field: str) -> Citation:
    given = _members(plain, field, ("id", "hash"), ())
    if not is_hash(given["hash"]):
        raise _wrong(f"{field}.hash", "must be 64 lower-case hexadecimal digits")
    return Citation(_name(given["id"], f"{field}.id"), given["hash"])


def _features(plain: object, field: str) -> Features:
    features = Features(**_members(plain, field, Features._fields, ()))
    check_features(features, field)
    return features


def _scenario(plain: object, field: str) -> Scenario:
    given = _members(plain, field, ("weight_ppm", *Features._fields), ())
    weight = _whole(given.pop("weight_ppm"), f"{field}.weight_ppm", 0, MILLION)
    return Scenario(weight, _features(given, field))


def _lambdas(plain: object) -> Lambdas:
    given = _members(plain, "weights", Lambdas._fields, ())
    return Lambdas(**{name: _whole(value, f"weights.{name}", 0) for name, value in given.items()})


def check_scales(problem: Problem) -> None:
    """Raises: ProblemError for weights, a horizon, bounds or rules that `read_problem` would refuse."""
    _whole(problem.horizon_us, "horizon_us", 1)
    _lambdas(problem.weights._asdict())
    bounds = {name: value for name, value in problem.bounds._asdict().items() if value is not None}
    _bounds({**bounds, "required_kinds": list(problem.bounds.required_kinds)})
    for rule in problem.invariants:
        if type(rule.value) is not int or not 0 <= rule.value <= MAX_INT:
            raise _wrong("invariants", f"has a rule, {rule.id}, whose value is no whole number")


def _bounds(plain: object) -> Bounds:
    given = _members(plain, "bounds", (), Bounds._fields)
    for name in [name for name in Bounds._fields if name in given and name != "required_kinds"]:
        _whole(given[name], f"bounds.{name}", 0, MILLION if name.endswith("_ppm") else MAX_INT)
    if "required_kinds" in given:
        kinds = given["required_kinds"] = _names(given["required_kinds"], "bounds.required_kinds")
        if not set(kinds) <= set(KINDS):
            raise _wrong("bounds.required_kinds", f"must be some of {', '.join(KINDS)}")
    return Bounds(**given)


def _members(plain: object, field: str, needed: Sequence[str], allowed: Sequence[str]) -> dict[str, Any]:
    """The object's members. Raises: ProblemError if one is missing or unknown."""
    if type(plain) is not dict:
        raise _wrong(field, "must be an object")
    for name in needed:
        if name not in plain:
            raise _wrong(f"{field}.{name}" if field != "problem" else name, "is missing")
    for name in plain:
        if name not in needed and name not in allowed:
            raise _wrong(f"{field}.{name if is_name(name) else '?'}", "is not known here")
    return dict(plain)


def _list(plain: object, field: str, most: int, read: Callable[[object, str], T]) -> tuple[T, ...]:
    if type(plain) is not list or len(plain) > most:
        raise _wrong(field, f"must be a list of at most {most}")
    return tuple([read(item, f"{field}[{at}]") for at, item in enumerate(plain)])


def _names(plain: object, field: str) -> tuple[str, ...]:
    names = _list(plain, field, MAX_NAMES, _name)
    if len(set(names)) != len(names):
        raise _wrong(field, "must not name anything twice")
    return tuple(sorted(names))


def _name(value: object, field: str) -> str:
    if not is_name(value):
        raise _wrong(field, "must be a name: visible ASCII characters without commas, at most 128")
    return str(value)


def _whole(value: object, field: str, least: int, most: int = MAX_INT) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _wrong(field, f"must be a whole number from {least} to {most}")
    return value


def _by_id(values: tuple[T, ...], field: str) -> tuple[T, ...]:
    if len({_id_of(value) for value in values}) != len(values):
        raise _wrong(field, "must not hold an id twice")
    return tuple(sorted(values, key=_id_of))


def _id_of(value: Any) -> str:
    return str(value.id)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _wrong(field: str, problem: str) -> ProblemError:
    return ProblemError(f"{field} {problem}", param=field)
