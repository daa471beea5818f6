"""What became of answers, read from lines and from recorded decisions: outcomes that `wasm_classifier.learn` can use.

A line has the prompt, as `text` or `messages`, because the gateway keeps none, and says of it one of

    small, large        how good each model's answer was: true, false, or a number from 0 to 1; one of them may lack
    decision            the id of the decision that served it, which knows the route and whether it was asked again
    route               the route that served it, where there is no decision to ask

and beside `decision` or `route`, if it is known, what became of the answer: `rating` (0 to 1), `accepted`, `retried`,
`escalated` (true or false). The first of these that is there decides; an answer of which nothing else is said counts as
accepted, unless its decision shows that the same request came again soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.failure import CommandFailed
from wasm_classifier.learn import PPM, Outcome
from worker.classification import prompt_text

#: The same request again within this time is a retry: the answer did not do.
RETRY_US: Final = 600_000_000
#: How good the larger model's answer is taken to be where nobody said.
LARGE_ASSUMED_PPM: Final = PPM
MEMBERS: Final = frozenset(
    ("text", "messages", "small", "large", "decision", "route", "rating", "accepted", "retried", "escalated")
)
_SIDES: Final = ("small", "large")


class Told(NamedTuple):
    """What a decision says of its answer: the route, whether there was one, and whether it was soon asked for again."""

    route: str
    is_answered: bool
    is_retried: bool


@dataclass(frozen=True, slots=True)
class Gathered:
    """The outcomes, one for each text, and how many lines there were and were of no use, by reason."""

    outcomes: tuple[Outcome, ...]
    lines: int
    unused: Mapping[str, int]


def told_by(decisions: Iterable[Mapping[str, Any]]) -> dict[str, Told]:
    """What each decision of `GET /v1/decisions` says, by id. Raises: CommandFailed for another form."""
    rows = []
    try:
        for one in decisions:
            outcome = one["outcome"] or {}
            is_answered = one["state"] == "settled" and outcome.get("outcome") == "success"
            rows.append((int(one["at_us"]), one["id"], one["inputs"]["request"], outcome.get("route", ""), is_answered))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise CommandFailed("the decisions are not what GET /v1/decisions answers") from problem
    found: dict[str, Told] = {}
    next_us: dict[str, int] = {}
    for at_us, decision_id, request, route, is_answered in sorted(rows, reverse=True):
        is_retried = request in next_us and next_us[request] - at_us <= RETRY_US
        found[decision_id] = Told(route, is_answered, is_retried)
        next_us[request] = at_us
    return found


def gather(
    lines: Iterable[Mapping[str, Any]], decisions: Mapping[str, Told], is_small: Callable[[str], bool | None]
) -> Gathered:
    """The outcomes that the lines tell, the lines about one text put together by their mean.

    Args: is_small: whether a route's model is a small one; None = there is no such route.
    Raises: CommandFailed naming the member that can't be used, with the line's number.
    """
    seen: dict[bytes, dict[str, list[int]]] = {}
    unused: dict[str, int] = {}
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            text = _text(line)
            verdicts, reason = _verdicts(line, decisions, is_small)
        except ValueError as problem:
            raise CommandFailed(f"outcome {number}: {problem}") from problem
        if reason:
            unused[reason] = unused.get(reason, 0) + 1
        for side, ppm in verdicts.items():
            seen.setdefault(text, {}).setdefault(side, []).append(ppm)
    outcomes = []
    for text, sides in sorted(seen.items()):
        if "small" in sides:
            outcomes.append(Outcome(text, _mean(sides["small"]), _mean(sides.get("large", [LARGE_ASSUMED_PPM]))))
        else:
            reason = "texts of which no small model's answer is known"
            unused[reason] = unused.get(reason, 0) + 1
    return Gathered(tuple(outcomes), number, unused)


def _verdicts(
    line: Mapping[str, Any], decisions: Mapping[str, Told], is_small: Callable[[str], bool | None]
) -> tuple[dict[str, int], str]:
    """How good each side's answer was, in ppm, and why nothing can be said if so. Raises: ValueError."""
    said = {side: _quality(line[side], side) for side in _SIDES if line.get(side) is not None}
    route, retried = line.get("route"), False
    if line.get("decision") is not None:
        told = decisions.get(str(line["decision"]))
        if told is None:
            return said, "" if said else "lines whose decision is not among those read"
        if not told.is_answered:
            return said, "" if said else "lines whose request was not answered"
        route, retried = told.route, told.is_retried
    elif route is None and not said:
        raise ValueError("it needs small, large, decision or route: what is it the outcome of?")
    if route is not None:
        small = is_small(str(route))
        if small is None:
            return said, "" if said else "lines whose route is not in the catalogue"
        said.setdefault("small" if small else "large", _became(line, retried))
    return said, ""


def _became(line: Mapping[str, Any], retried: bool) -> int:
    """How good an answer was, by what became of it."""
    if line.get("rating") is not None:
        return _quality(line["rating"], "rating")
    if line.get("accepted") is not None:
        return PPM * _yes(line["accepted"], "accepted")
    marks = [_yes(line[name], name) for name in ("retried", "escalated") if line.get(name) is not None]
    return PPM * (not any(marks)) if marks else PPM * (not retried)


def _quality(value: Any, name: str) -> int:
    if isinstance(value, bool):
        return PPM * value
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be true, false or a number from 0 to 1")
    return int(value * PPM + 0.5)


def _yes(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    return value


def _text(line: Mapping[str, Any]) -> bytes:
    """The text as a request is judged by. Raises: ValueError."""
    strange = sorted(line.keys() - MEMBERS)
    if strange:
        raise ValueError(f"there is no member {strange[0][:64]!r}; there are {', '.join(sorted(MEMBERS))}")
    text, messages = line.get("text"), line.get("messages")
    if isinstance(text, str) and messages is None:
        return prompt_text([{"role": "user", "content": text}])
    if isinstance(messages, list) and text is None:
        return prompt_text(messages)
    raise ValueError("it needs text, a string, or messages, a list")


def _mean(values: list[int]) -> int:
    return sum(values) // len(values)
