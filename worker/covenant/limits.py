"""Quantities to limits: which bound each is, how firm, what it holds for, and what a correction took back."""

from __future__ import annotations

from bisect import bisect_left

from worker.covenant.atoms import UNKNOWN, Atom
from worker.covenant.bare import bare_limit, is_clock
from worker.covenant.limit import BARE, MONEY, TIME, Limit
from worker.covenant.scene import TASK, Scene

_ABOUT = frozenset(
    (
        *str.split("about around roughly approximately approx ca circa some nearly almost environ etwa ungefahr rund"),
        *str.split("zirka aproximadamente ongeveer okolo"),
        *("mas o menos", "plus ou moins", "piu o meno", "mais ou menos", "alrededor de", "cerca de", "a peu pres"),
        *("intorno a", "por volta de", "mniej wiecej"),
    )
)
_REQUESTS = frozenset(
    str.split(
        "call calls request requests question questions query queries prompt prompts answer reply response message"
    )
)
_WEAK = frozenset(("under", "below", "less than", "over", "above", "more than", "up to", "beyond"))
_LOOSE = frozenset(str.split("of for at from around about in to on a the with"))
_NEGATED = frozenset(
    str.split(
        "never|must not|mustn't|cannot|can not|can't|may not|shall not|under no circumstances|"
        "not under any circumstances|in no case|on no account",
        "|",
    )
)
_IDLE = frozenset(
    ("scope", "rest", "polite", "joint", ",", ";", ".", "(", ")", ":", "fix", "upper", "go", "dim", "neg")
)


def limits_of(scene: Scene) -> tuple[list[Limit], list[int]]:
    """The limits a scene sets, in order, and the atoms that are times of a clock or a calendar."""
    limits: list[Limit] = []
    dated: list[int] = []
    for at, atom in enumerate(scene.atoms):
        quantity = atom.quantity
        if quantity is None or not scene.live[at] or scene.injected[at]:
            continue
        before, after = _neighbours(scene, at)
        if is_clock(scene, at):
            dated.append(at)
            continue
        if atom.kind == BARE:
            limit = bare_limit(scene, at, before, limits)
        elif _is_content(scene, at, before):
            continue
        else:
            limit = Limit(
                atom.kind,
                quantity.micros,
                quantity.currency,
                quantity.scope,
                at,
                quantity.first,
                quantity.end,
                vague=quantity.vague,
                invalid=quantity.invalid,
                minimum=quantity.at_least,
                scope_first=quantity.scope_first,
                scope_end=quantity.end,
            )
        if limit is not None:
            _bound(scene, limit, before, after)
            limits.append(limit)
    _lend_scopes(scene, limits)
    _share_scopes(scene, limits)
    _correct(scene, limits)
    return limits, dated


def _neighbours(scene: Scene, at: int) -> tuple[list[Atom], list[Atom]]:
    """The atoms before a quantity and after it, within its segment and up to the next quantities."""
    segment = scene.segment(at)
    first, end = at, at + 1
    while first > max(segment.first, at - 14) and scene.atoms[first - 1].quantity is None and scene.live[first - 1]:
        first -= 1
    while end < min(segment.end, at + 9) and scene.atoms[end].quantity is None:
        end += 1
    before, after = scene.atoms[first:at], scene.atoms[at + 1 : end]
    follows = end < segment.end and scene.atoms[end].quantity is not None
    if follows and after:
        # Between two quantities, marks belong to the one behind them unless the first has none of its own before it.
        own = any(atom.kind in ("upper", "lower") for atom in before)
        after = [] if own else after
    leads = first > segment.first and scene.atoms[first - 1].quantity is not None
    if leads and any(atom.kind in ("upper", "lower") for atom in scene.atoms[at + 1 : end]):
        before = [atom for atom in before if atom.kind not in ("upper", "lower")]
    return before, after


def _is_content(scene: Scene, at: int, before: list[Atom]) -> bool:
    """Whether a quantity only describes a thing: "60-second speech", "shoes under $50"."""
    atoms, segment, quantity = scene.atoms, scene.segment(at), scene.atoms[at].quantity
    after = atoms[at + 1] if at + 1 < segment.end else None
    bounded = any(atom.kind in ("upper", "hard", "do", "dim") for atom in before)
    hyphened = quantity is not None and quantity.hyphened
    if after is not None and after.kind == UNKNOWN and (hyphened or not bounded):
        return True
    if after is not None and after.kind == TASK and (hyphened or not bounded):
        return True
    if after is not None and hyphened and after.words in ("job", "task", "project", "session", "batch", "run"):
        return True
    if after is not None and after.words in ("ago", "old", "from", "later than usual", "away"):
        return True
    begin = at - 1
    weak = False
    while begin > segment.first and (atoms[begin].words in _WEAK or atoms[begin].words in _LOOSE):
        weak = True
        begin -= 1
    return weak and atoms[begin].kind == UNKNOWN and begin >= segment.first and scene.live[begin]


def _bound(scene: Scene, limit: Limit, before: list[Atom], after: list[Atom]) -> None:
    """Set which bound a limit is, and how firm, from the marks around it."""
    negated = _carries_denial(scene, limit.at)
    for index, atom in enumerate(before):
        kind = atom.kind
        if kind == "neg" or (kind == "hard" and atom.words in _NEGATED):
            negated = True
            if index + 1 < len(before) and before[index + 1].words in _REQUESTS and limit.scope is None:
                limit.scope = "per_request"
        if kind == "upper":
            limit.bounded, limit.minimum = True, negated and atom.words in ("under", "below", "less than", "fewer than")
        elif kind in ("lower", "over") and (kind == "lower" or atom.words in ("over", "above", "before", "more than")):
            over = atom.value == "over" or kind == "over"
            limit.minimum, limit.bounded = not (over and negated), over and negated
        else:
            _describe(limit, atom)
    if (
        negated
        and not _is_fixed(scene, limit.at - 1)
        and not (limit.bounded or limit.minimum or limit.hard)
        and _last_is_neg(before)
    ):
        limit.stands = False
    if before and before[-1].words in ("instead of", "rather than", "as opposed to"):
        limit.stands = False
    _bound_behind(limit, after)


def _carries_denial(scene: Scene, at: int) -> bool:
    """Whether a denial goes on over "or": "don't run past 40 seconds or past 30 cents"."""
    segment = scene.segment(at)
    if segment.opener not in ("or", "nor") or segment.first < 1 or scene.atoms[segment.first].value != "over":
        return False
    before = scene.segment(segment.first - 1)
    return before.sentence == segment.sentence and any(
        atom.kind == "neg" or (atom.kind == "hard" and atom.words in _NEGATED)
        for atom in scene.atoms[max(before.first, before.end - 16) : before.end]
    )


def _describe(limit: Limit, atom: Atom) -> None:
    """Set how firm a limit is and what it holds for, from a mark before it."""
    if atom.kind == "soft":
        limit.soft = True
    elif atom.kind == "hard":
        limit.hard = True
    elif atom.kind == "scope" and limit.scope is None and limit.kind == MONEY:
        limit.scope, limit.scope_first, limit.scope_end = atom.value, atom.first, atom.end
    elif atom.kind == "dim" and atom.value in ("first", "whole"):
        limit.first_token = atom.value == "first"
    elif atom.words in _ABOUT:
        limit.about = True


def _is_fixed(scene: Scene, at: int) -> bool:
    index = bisect_left(scene.fixes, at)
    return index < len(scene.fixes) and scene.fixes[index] == at


def _last_is_neg(before: list[Atom]) -> bool:
    return any(atom.kind == "neg" for atom in before[-1:]) or (
        len(before) > 1 and before[-2].kind == "neg" and before[-1].kind == "do"
    )


def _bound_behind(limit: Limit, after: list[Atom]) -> None:
    for index, atom in enumerate(after):
        kind = atom.kind
        if kind == "upper" and not (limit.minimum and limit.bounded):
            limit.bounded, limit.minimum = True, False
        elif kind == "lower" and atom.value != "over":
            limit.minimum = not limit.bounded
        elif kind == "soft":
            limit.soft = True
        elif kind == "hard":
            limit.hard = True
        elif kind == "too" and limit.minimum:
            limit.minimum, limit.bounded = False, True
        elif kind == "scope" and limit.scope is None and limit.kind == MONEY and atom.words != "each":
            limit.scope, limit.scope_first, limit.scope_end = atom.value, atom.first, atom.end
        elif kind == "dim" and atom.value == "first" and index < 4:
            limit.first_token = True
        elif kind == "dim" and atom.value == "whole":
            limit.first_token = False


def _lend_scopes(scene: Scene, limits: list[Limit]) -> None:
    """Give the scope of a segment that has nothing else ("$5, per request") to the money beside it."""
    money = [limit for limit in limits if limit.kind == MONEY]
    places = [limit.at for limit in money]
    for segment in scene.segments if money else ():
        inside = [index for index in range(segment.first, segment.end) if scene.live[index]]
        scopes = [index for index in inside if scene.atoms[index].kind == "scope"]
        if not scopes or any([scene.atoms[index].kind not in _IDLE for index in inside]):
            continue
        fixed = any([scene.atoms[index].kind in ("fix", "neg") for index in inside])
        behind = bisect_left(places, segment.first)
        chosen = money[behind - 1] if behind else None
        after = money[behind] if behind < len(money) and scene.segment(money[behind].at).first == segment.end else None
        if chosen is None or (chosen.scope is not None and not fixed) or scene.words(segment.end - 1) == ":":
            chosen = after if after is not None and after.scope is None else chosen
        if chosen is not None and (chosen.scope is None or fixed):
            atom = scene.atoms[scopes[-1]]
            chosen.scope, chosen.scope_first, chosen.scope_end = atom.value, atom.first, atom.end


def _share_scopes(scene: Scene, limits: list[Limit]) -> None:
    """Let a scope that opens a sentence go on over "and": "each reply within 2 s and below 1 cent"."""
    for limit in limits:
        segment = scene.segment(limit.at)
        if limit.kind != MONEY or limit.scope is not None or segment.opener not in ("and", "&") or segment.first < 2:
            continue
        before = scene.segment(segment.first - 1)
        inside = scene.atoms[max(before.first, before.end - 16) : before.end]
        each = [atom for atom in inside if atom.kind == "scope" and atom.words.startswith(("each", "every", "any"))]
        if each and before.sentence == segment.sentence and not any(atom.kind == MONEY for atom in inside):
            limit.scope, limit.scope_first, limit.scope_end = each[0].value, each[0].first, each[0].end


def _correct(scene: Scene, limits: list[Limit]) -> None:
    """Take back what an explicit correction replaces: earlier limits of the same kind."""
    fixes = scene.fixes
    for kind in (MONEY, TIME) if fixes else ():
        same = [limit for limit in limits if limit.kind == kind and limit.stands]
        places = [limit.at for limit in same]
        last = 0
        for at in fixes:
            later = bisect_left(places, at)
            if scene.words(at) == "instead" and later and scene.segment_of[places[later - 1]] == scene.segment_of[at]:
                later -= 1
            if later < len(same) and scene.sentence(places[later]) <= scene.sentence(at) + 1:
                last = max(last, later)
        for limit in same[:last]:
            new = same[last]
            if limit.minimum == new.minimum:
                limit.stands = False
                if limit.scope and not new.scope:
                    new.scope, new.scope_first, new.scope_end = limit.scope, limit.scope_first, limit.scope_end
