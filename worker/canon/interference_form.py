"""Non-interference as JSON: resources, commitments, what is allowed, and what an action does to others.

A record holds the whole state an action was judged in, so that anybody can judge it again:

    {"resources": {NAME: {"capacity", "discipline"?}}, "commitments": [{"agentId", ACTION..., "place"?}],
     "actions": [{"agentId", ACTION...}], "eps_us"?, "slack_us"?: {AGENT: N}}
It may also hold what was found then (`own_us`, `effects`, `denials`, `selected`), which is passed over when it is read.
    ACTION: "id", "work_us", "uses"? {NAME: N}, "reads"?, "writes"? [NAME...], "priority"?
A resource of a tenant is a CANON item whose content has the member `resource`; its id is the item's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worker.canon.interference import (
    DISCIPLINES,
    MAX_SERVERS,
    QUEUE,
    SHARED,
    UNKNOWN,
    Allowance,
    Commitment,
    Effect,
    Judgement,
    Resource,
    State,
)
from worker.canon.items import CANON, Item, is_name
from worker.errors import CanonicalError, MalformedRequest
from worker.ledger.canonical import MAX_INT, parse_canonical

#: Of one action: resources it uses, and variables it reads or writes.
MAX_NAMES: Final = 16
MAX_COMMITMENTS: Final = 1_000
MAX_ACTIONS: Final = 64
MAX_PRIORITY: Final = 1_000
_FOUND: Final = ("own_us", "effects", "denials", "selected")
_ACTION: Final = ("id", "work_us", "uses", "reads", "writes", "priority")


class InterferenceError(MalformedRequest):
    """An action, a resource or a state of another form; `param` names the member."""

    code = "bad_interference"


class Case(NamedTuple):
    """A state with actions to judge in it, as a file tells them."""

    state: State
    actions: tuple[Commitment, ...]
    allowance: Allowance


def resource_from_plain(plain: object, name: str, field: str) -> Resource:
    """Raises: InterferenceError."""
    given = _members(plain, field, ("capacity",), ("discipline",))
    discipline = given.get("discipline", SHARED)
    if type(discipline) is not str or discipline not in DISCIPLINES:
        raise _wrong(f"{field}.discipline", f"must be one of {', '.join(DISCIPLINES)}")
    most = MAX_SERVERS if discipline == QUEUE else MAX_INT
    return Resource(name, _whole(given["capacity"], f"{field}.capacity", 1, most), discipline)


def concerned(case: Case) -> Case:
    """The case without resources that nobody uses or would, and without slack of whom nothing is committed to.

    It is judged the same, and a record of it does not grow with what it has nothing to do with.
    """
    (resources, commitments), actions, (eps_us, slack_us) = case
    used = {name for one in (*commitments, *actions) for name, _ in one.uses}
    agents = {one.agent for one in commitments}
    return Case(
        State({name: one for name, one in resources.items() if name in used}, commitments),
        actions,
        Allowance(eps_us, {agent: left_us for agent, left_us in slack_us.items() if agent in agents}),
    )


def resources_of(items: Iterable[Item]) -> Mapping[str, Resource]:
    """The resources that CANON items describe; one that can't be read is not there, so nobody can use it."""
    found = {}
    for item in items:
        if item.level == CANON and item.content:
            try:
                resource = resource_in(item)
            except InterferenceError:
                continue
            if resource is not None:
                found[item.id] = resource
    return MappingProxyType(found)


def resource_in(item: Item) -> Resource | None:
    """What an item says of a resource; None = it speaks of none. Raises: InterferenceError."""
    try:
        content = parse_canonical(item.content.encode())
    except CanonicalError as problem:
        raise _wrong("content", f"has no canonical form: {problem.message}") from None
    if not isinstance(content, dict) or "resource" not in content:
        return None
    return resource_from_plain(content["resource"], item.id, "content.resource")


def action_from_plain(plain: object, agent: str, field: str, more: tuple[str, ...] = ()) -> Commitment:
    """What an agent would do. Args: more: members that may be there besides. Raises: InterferenceError."""
    given = _members(plain, field, ("id", "work_us"), (*_ACTION, *more))
    uses = given.get("uses", {})
    if type(uses) is not dict or len(uses) > MAX_NAMES:
        raise _wrong(f"{field}.uses", f"must be an object of at most {MAX_NAMES} resources and how much of each")
    for name, amount in uses.items():
        _name(name, f"{field}.uses")
        _whole(amount, f"{field}.uses.{name}", 1)
    return Commitment(
        agent=agent,
        action=_name(given["id"], f"{field}.id"),
        work_us=_whole(given["work_us"], f"{field}.work_us", 0),
        uses=tuple(sorted(uses.items())),
        reads=_names(given.get("reads", []), f"{field}.reads"),
        writes=_names(given.get("writes", []), f"{field}.writes"),
        priority=_whole(given.get("priority", 0), f"{field}.priority", 0, MAX_PRIORITY),
    )


def action_to_plain(action: Commitment) -> dict[str, Any]:
    """The action as JSON-like values, without its agent and its turn."""
    plain: dict[str, Any] = {"id": action.action, "work_us": action.work_us}
    if action.uses:
        plain["uses"] = dict(action.uses)
    for name in ("reads", "writes"):
        if getattr(action, name):
            plain[name] = list(getattr(action, name))
    return {**plain, "priority": action.priority} if action.priority else plain


def case_from_plain(plain: object) -> Case:
    """A state and actions, as a record or a file holds them; the inverse of `case_to_plain`. Raises: InterferenceError.

    Commitments without a `place` take their turns in the order given.
    """
    names = ("commitments", "actions", "eps_us", "slack_us")
    given = _members(plain, "case", ("resources",), (*names, *_FOUND))
    if type(given["resources"]) is not dict:
        raise _wrong("resources", "must be an object")
    resources = {
        _name(name, "resources"): resource_from_plain(said, name, f"resources.{name}")
        for name, said in given["resources"].items()
    }
    commitments = []
    for at, said in enumerate(_list(given.get("commitments", []), "commitments", MAX_COMMITMENTS)):
        one = _of_agent(said, f"commitments[{at}]", ("agentId", "place"))
        commitments.append(one._replace(place=_whole(said.get("place", at + 1), f"commitments[{at}].place", 0)))
    if len({one.agent for one in commitments}) != len(commitments):
        raise _wrong("commitments", "must not name an agent twice: who does two things at once is two agents")
    actions = _list(given.get("actions", []), "actions", MAX_ACTIONS)
    slack = given.get("slack_us", {})
    if type(slack) is not dict:
        raise _wrong("slack_us", "must be an object")
    granted = {_name(name, "slack_us"): _whole(value, f"slack_us.{name}", 0) for name, value in slack.items()}
    return Case(
        State(resources, tuple(sorted(commitments, key=lambda one: (one.place, one.agent)))),
        tuple([_of_agent(said, f"actions[{at}]", ("agentId",)) for at, said in enumerate(actions)]),
        Allowance(_whole(given.get("eps_us", 0), "eps_us", 0), granted),
    )


def case_to_plain(case: Case) -> dict[str, Any]:
    """The case as JSON-like values."""
    state, actions, allowance = case
    return {
        "resources": {
            name: {"capacity": one.capacity, "discipline": one.discipline} for name, one in state.resources.items()
        },
        "commitments": [
            {"agentId": one.agent, **action_to_plain(one), "place": one.place} for one in state.commitments
        ],
        "actions": [{"agentId": one.agent, **action_to_plain(one)} for one in actions],
        "eps_us": allowance.eps_us,
        "slack_us": dict(allowance.slack_us),
    }


def effect_to_plain(effect: Effect) -> dict[str, Any]:
    """What happens to one agent: times, by how much later it gets, and how much later it may get."""
    return {
        "agentId": effect.agent,
        "before_us": effect.before_us,
        "after_us": effect.after_us,
        "delta_us": effect.delta_us,
        "allowed_us": effect.allowed_us,
    }


def judgement_to_plain(judgement: Judgement) -> dict[str, Any]:
    """The word on one action."""
    return {
        "own_us": judgement.own_us,
        "effects": [effect_to_plain(effect) for effect in judgement.effects],
        "denials": [dict(denial._asdict()) for denial in judgement.denials],
    }


def agent_in(given: Mapping[str, Any], field: str = "agentId") -> str:
    """Who acts. Raises: InterferenceError, also for a name that would read as a denial's words."""
    name = _name(given.get("agentId"), field)
    if name.startswith(UNKNOWN):
        raise _wrong(field, f"must not begin with {UNKNOWN}")
    return name


def _of_agent(said: Any, field: str, more: tuple[str, ...]) -> Commitment:
    given = _members(said, field, ("agentId",), (*_ACTION, *more))
    return action_from_plain(given, agent_in(given, f"{field}.agentId"), field, more)


def _members(plain: object, field: str, needed: tuple[str, ...], allowed: tuple[str, ...]) -> dict[str, Any]:
    if type(plain) is not dict:
        raise _wrong(field, "must be an object")
    for name in needed:
        if name not in plain:
            raise _wrong(f"{field}.{name}", "is missing")
    for name in plain:
        if name not in needed and name not in allowed:
            raise _wrong(f"{field}.{name if is_name(name) else '?'}", "is not known here")
    return plain


def _list(plain: object, field: str, most: int) -> list[Any]:
    if type(plain) is not list or len(plain) > most:
        raise _wrong(field, f"must be a list of at most {most}")
    return plain


def _names(plain: object, field: str) -> tuple[str, ...]:
    names = [_name(name, field) for name in _list(plain, field, MAX_NAMES)]
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


def _wrong(field: str, problem: str) -> InterferenceError:
    return InterferenceError(f"{field} {problem}", param=field)
