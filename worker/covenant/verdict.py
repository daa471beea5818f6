"""Everything read to one policy: which of several limits holds, what contradicts what, and which flags that raises."""

from __future__ import annotations

from collections.abc import Callable

from worker.covenant.leaning import PRIORITY, QUALITY, Leaning
from worker.covenant.limit import MONEY, TIME, Limit
from worker.covenant.policy import Policy
from worker.covenant.reading import Clause, ForeignBudget, Reading
from worker.covenant.scene import Scene
from worker.covenant.wishes import Wish
from worker.money import usd_text

#: From the narrowest scope to the widest; a scope that was not said stands for a whole.
_SCOPES = ("per_request", "per_1m_tokens", "per_hour", "per_day", "per_month", None, "total")


def reading_of(text: str, scene: Scene, limits: list[Limit], leanings: list[Leaning], wishes: list[Wish]) -> Reading:
    """The reading of a text, given all that its words ask for."""
    flags: set[str] = {"injection"} if scene.attacks else set()
    budget = _budget(limits, flags)
    other = next(
        (
            limit
            for limit in limits
            if limit.stands
            and limit.kind == MONEY
            and not limit.minimum
            and limit.currency != "USD"
            and limit.micros is not None
        ),
        None,
    )
    deadline = _deadline(limits, flags)
    _flag_unread(limits, wishes, budget or other, deadline)
    flags.update(wish.value for wish in wishes if wish.field == "flags" and wish.stands)
    flags.update(_unread_flags(limits))
    scoped = budget or other
    policy = Policy(
        budget_usd_micros=budget.micros if budget else None,
        budget_scope=scoped.scope if scoped and scoped.scope != "other" else None,
        deadline_us=deadline.micros if deadline else None,
        quality=_quality(leanings, flags),
        priority=_priority(leanings, flags),
        residency=_values(wishes, "residency"),
        residency_exclude=_values(wishes, "residency_exclude"),
        requirements=_values(wishes, "requirements"),
        flags=tuple(sorted(flags)),
    )
    foreign = ForeignBudget(other.micros or 0, other.currency) if other else None
    return Reading(text, policy, foreign, _clauses(scene, limits, leanings, wishes, policy))


def _values(wishes: list[Wish], field: str) -> tuple[str, ...]:
    return tuple(sorted({wish.value for wish in wishes if wish.field == field and wish.stands}))


def _budget(limits: list[Limit], flags: set[str]) -> Limit | None:
    """The one budget in USD that holds; currencies other than USD are settled among themselves."""
    chosen = None
    for currency in sorted({limit.currency for limit in limits if limit.kind == MONEY}):
        held = _held([limit for limit in limits if limit.kind == MONEY and limit.currency == currency], flags)
        scopes = sorted({_SCOPES.index(limit.scope) for limit in held if limit.scope in _SCOPES})
        if len(scopes) > 1:
            flags.add("multi_limit")
            narrowest = _SCOPES[scopes[0]]
            for limit in held:
                if limit.scope != narrowest:
                    limit.stands = False
            held = [limit for limit in held if limit.stands]
        smallest = _smallest(held, flags)
        if currency == "USD":
            chosen = smallest
        _against_minimum(limits, smallest, flags)
    return chosen


def _deadline(limits: list[Limit], flags: set[str]) -> Limit | None:
    """The one deadline that holds: for the whole answer, if one for the first token is set too."""
    held = _held([limit for limit in limits if limit.kind == TIME], flags)
    whole = [limit for limit in held if not limit.first_token]
    if whole and len(whole) < len(held):
        flags.add("multi_limit")
        for limit in held:
            limit.stands = not limit.first_token
        held = whole
    smallest = _smallest(held, flags)
    _against_minimum(limits, smallest, flags)
    return smallest


def _held(limits: list[Limit], flags: set[str]) -> list[Limit]:
    """The upper bounds that stand, after soft ones gave way to firm ones and estimates to bounds."""
    held = [limit for limit in limits if limit.stands and not limit.minimum and limit.micros is not None]
    for gives_way in (_is_soft, _is_about, _is_plain_beside_hard(held)):
        firm = [limit for limit in held if not gives_way(limit)]
        if firm and len(firm) < len(held):
            for limit in held:
                limit.stands = not gives_way(limit)
            held = firm
    return held


def _is_soft(limit: Limit) -> bool:
    return limit.soft and not limit.hard


def _is_about(limit: Limit) -> bool:
    return limit.about and not limit.bounded


def _is_plain_beside_hard(held: list[Limit]) -> Callable[[Limit], bool]:
    hard = any(limit.hard for limit in held)
    return lambda limit: hard and not limit.hard and not limit.bounded and limit.scope is None and not limit.first_token


def _smallest(held: list[Limit], flags: set[str]) -> Limit | None:
    if not held:
        return None
    smallest = min(held, key=lambda limit: (limit.micros or 0, limit.at))
    for limit in held:
        if limit.micros != smallest.micros:
            flags.add("contradiction")
            limit.stands = False
    return smallest


def _against_minimum(limits: list[Limit], maximum: Limit | None, flags: set[str]) -> None:
    for limit in limits:
        if not limit.minimum or limit.micros is None or maximum is None or not limit.stands:
            continue
        comparable = limit.kind == maximum.kind and limit.currency == maximum.currency
        if comparable and limit.micros > (maximum.micros or 0) and limit.scope in (None, maximum.scope):
            flags.add("contradiction")


def _flag_unread(limits: list[Limit], wishes: list[Wish], budget: Limit | None, deadline: Limit | None) -> None:
    """Vague words say nothing beside an exact limit of their kind."""
    for limit in limits:
        exact = budget if limit.kind == MONEY else deadline
        if limit.vague and (exact is not None or limit.minimum):
            limit.stands = False
    for wish in wishes:
        if (wish.value == "ambiguous_time" and deadline is not None) or (
            wish.value == "ambiguous_budget" and budget is not None
        ):
            wish.stands = False


def _unread_flags(limits: list[Limit]) -> set[str]:
    flags = set()
    for limit in limits:
        if not limit.stands:
            continue
        if limit.vague:
            flags.add("ambiguous_budget" if limit.kind == MONEY else "ambiguous_time")
        if limit.invalid:
            flags.add("invalid")
        if limit.scope == "other":
            flags.add("ambiguous_budget")
    return flags


def _firm(leanings: list[Leaning], field: str) -> list[Leaning]:
    stand = [leaning for leaning in leanings if leaning.field == field and leaning.stands]
    firm = [leaning for leaning in stand if not leaning.soft]
    if firm and len(firm) < len(stand):
        for leaning in stand:
            leaning.stands = not leaning.soft
        return firm
    return stand


def _priority(leanings: list[Leaning], flags: set[str]) -> str | None:
    values = {leaning.value for leaning in _firm(leanings, PRIORITY)}
    if len(values) < 2:
        return next(iter(values), None)
    flags.add("contradiction")
    return "max_security" if "max_security" in values else "balanced"


def _quality(leanings: list[Leaning], flags: set[str]) -> str | None:
    values = {leaning.value for leaning in _firm(leanings, QUALITY)}
    if len(values) < 2:
        return next(iter(values), None)
    flags.add("contradiction")
    return None


def _clauses(
    scene: Scene, limits: list[Limit], leanings: list[Leaning], wishes: list[Wish], policy: Policy
) -> tuple[Clause, ...]:
    """A clause for everything that was read, in order of its words."""
    tokens = scene.tokens
    found: list[Clause] = []

    def add(rule: str, field: str, value: str, first: int, end: int, stands: bool) -> None:
        found.append(Clause(rule, field, value, tokens[first].start, tokens[end - 1].end, stands))

    for limit in limits:
        _add_limit(add, limit)
    for leaning in leanings:
        kept = leaning.stands and leaning.value == (policy.priority if leaning.field == PRIORITY else policy.quality)
        add(f"{leaning.field}.named", leaning.field, leaning.value, leaning.first, leaning.end, kept)
    for wish in wishes:
        add(wish.rule, wish.field, wish.value, wish.first, wish.end, wish.stands)
    for at in scene.attacks:
        atom = scene.atoms[at]
        add("flag.injection", "flags", "injection", atom.first, atom.end, True)
    return tuple(sorted(found, key=lambda clause: (clause.start, clause.end, clause.rule)))


def _add_limit(add: Callable[[str, str, str, int, int, bool], None], limit: Limit) -> None:
    bound = "minimum" if limit.minimum else "target" if limit.soft else "limit"
    if limit.micros is None:
        flag = "invalid" if limit.invalid else "ambiguous_budget" if limit.kind == MONEY else "ambiguous_time"
        add(
            f"{'budget' if limit.kind == MONEY else 'deadline'}.unread",
            "flags",
            flag,
            limit.first,
            limit.end,
            limit.stands,
        )
    elif limit.kind == TIME:
        add(
            f"deadline.{bound}",
            "deadline_s",
            usd_text(limit.micros),
            limit.first,
            limit.end,
            limit.stands and not limit.minimum,
        )
    else:
        end = limit.scope_first if limit.first < limit.scope_first < limit.end else limit.end
        field = "budget_usd" if limit.currency == "USD" else "budget_other"
        value = usd_text(limit.micros) if limit.currency == "USD" else f"{usd_text(limit.micros)} {limit.currency}"
        add(f"budget.{bound}", field, value, limit.first, end, limit.stands and not limit.minimum)
    if limit.scope and limit.scope_first >= 0 and limit.kind == MONEY:
        add(
            "budget.scope",
            "budget_scope" if limit.scope != "other" else "flags",
            limit.scope if limit.scope != "other" else "ambiguous_budget",
            limit.scope_first,
            limit.scope_end,
            limit.stands and not limit.minimum,
        )
