"""Which readings of a covenant's words are served, and with what policy (design section 4).

Contradictions, several limits at once and attempts to talk a limit away are served with the strict reading. Words that
nobody should guess at, and a budget in another currency, are refused, unless the caller is lenient: then what could not
be read is left out and told as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from worker.covenant.objects import COST_SPELLINGS, parse_covenant
from worker.covenant.policy import (
    MAX_BUDGET_USD_MICROS,
    MAX_DEADLINE_US,
    NO_COVENANT,
    REFUSED_FLAGS,
    Policy,
)
from worker.covenant.reader import read_covenant
from worker.covenant.reading import Reading
from worker.errors import UnreadableCovenant

MAX_COVENANT_CHARACTERS = 2_000
#: Of words that are quoted back.
MAX_QUOTED_CHARACTERS = 80
#: Problems named in one message, and warnings given with one answer.
MAX_PROBLEMS = 5
#: Readings kept: a client says the same covenant with every request.
_READINGS_KEPT = 256

_PROBLEMS: Mapping[str, str] = {
    "absolute_time": 'is a point in time: say how long it may take, such as "10 minutes"',
    "ambiguous_budget": 'is no exact amount: say it in dollars, such as "$2"',
    "ambiguous_time": 'is no exact length of time: say a number and its unit, such as "30 seconds"',
    "invalid": 'can\'t be a limit: say an amount or a time above zero, such as "$2" or "30 seconds"',
}
#: Wishes that no covenant can keep, and where each is said instead.
_UNREAD: Mapping[str, str] = {
    "unread.provider": 'names a provider, which no covenant can: say it in model, such as "groq/auto"',
    "unread.model": "names a model, which no covenant can: say it in model, by its id",
    "unread.tokens": "limits tokens, which no covenant can: set max_tokens in the request",
    "unread.place": 'is no country that is known here: say one, such as "Germany", or "EU"',
    "unread.priority": "is none of the four priorities: say max_security, max_performance, balanced or cost_optimized",
}
_NOTES: Mapping[str, str] = {
    "contradiction": "contradicts the rest: the strict reading holds",
    "injection": "tries to change the limits: it was not applied",
    "multi_limit": "sets several limits of a kind: only the one in the policy holds",
}


class Served(NamedTuple):
    """The policy a request is served under, and what its covenant said that is not part of it."""

    policy: Policy
    warnings: tuple[str, ...] = ()


def served_policy(reading: Reading, lenient: bool = False) -> Served:
    """The policy of a reading, with warnings about what is not in it.

    Args: lenient: leave out what can't be read instead of refusing it.
    Raises: UnreadableCovenant naming the words that can't be read, and how to say them.
    """
    problems = tuple(_problems(reading))
    above = tuple(_excessive(reading))
    if (problems or above) and not lenient:
        said = (*problems, *(f"{words} is too much: {most}" for words, most in above))
        raise UnreadableCovenant("; ".join(said[:MAX_PROBLEMS]), param="covenant")
    warnings = [f"left out: {problem}" for problem in problems]
    warnings += [f"{words} is cut down: {most}" for words, most in above]
    for flag in reading.policy.flags:
        if flag in _NOTES:
            warnings += [f"{words} {_NOTES[flag]}" for words in _quoted(reading, flag)]
    if not reading.clauses and reading.policy == NO_COVENANT:
        warnings.append("the covenant's words set no limit")
    return Served(_bounded(reading.policy), tuple(warnings[:MAX_PROBLEMS]))


@lru_cache(maxsize=_READINGS_KEPT)
def serve_words(text: str, lenient: bool = False) -> Served:
    """As `served_policy`, from the words. Raises: UnreadableCovenant, for too many words too."""
    return served_policy(read_words(text), lenient)


def read_words(text: str) -> Reading:
    """The reading of a covenant's words. Raises: UnreadableCovenant if there are none, or too many."""
    if not text.strip(" \t\r\n"):
        raise UnreadableCovenant("the covenant is empty: leave it out, or say what it limits", param="covenant")
    if len(text) > MAX_COVENANT_CHARACTERS:
        raise UnreadableCovenant(
            f"the covenant has {len(text)} characters; at most {MAX_COVENANT_CHARACTERS} are read", param="covenant"
        )
    return read_covenant(text)


def serve_object(plain: Any, lenient: bool = False) -> Served:
    """As `served_policy`, of a covenant object; lenient means its flags and its budget in another currency.

    Raises: UnreadableCovenant.
    """
    if not lenient or not isinstance(plain, Mapping):
        return Served(parse_covenant(plain))
    kept, warnings = dict(plain), []
    if kept.pop("budget_other", None) is not None:
        warnings.append("left out: budget_other: a budget must be in USD, currencies are never converted")
        if all(kept.get(name) is None for name in ("budget_usd", *COST_SPELLINGS)):
            kept.pop("budget_scope", None)  # the scope of what is left out
    flags = kept.get("flags")
    if isinstance(flags, list):
        refused = sorted({flag for flag in flags if isinstance(flag, str) and flag in REFUSED_FLAGS})
        kept["flags"] = [flag for flag in flags if flag not in refused]
        warnings += [f"left out: what made the covenant {flag}" for flag in refused]
    return Served(parse_covenant(kept), tuple(warnings))


def _problems(reading: Reading) -> Iterator[str]:
    """What can't be served: one sentence for each place in the words."""
    for flag in reading.policy.flags:
        if flag in REFUSED_FLAGS:
            for words in _quoted(reading, flag):
                yield f"{words} {_PROBLEMS[flag]}"
    for clause in reading.clauses:
        if clause.field == "unread":
            yield f'"{_shortened(reading.words_of(clause))}" {_UNREAD[clause.rule]}'
    if reading.budget_other is not None:
        currency = reading.budget_other.currency
        for words in _quoted(reading, "budget_other"):
            yield f'{words} is a budget in {currency}, and currencies are never converted: say dollars, such as "$2"'
    if reading.policy.deadline_us == 0 and "invalid" not in reading.policy.flags:
        for words in _quoted(reading, "deadline_s"):
            yield f"{words} {_PROBLEMS['invalid']}"


def _excessive(reading: Reading) -> Iterator[tuple[str, str]]:
    """What no limit may be above: the words, and the most they could have said."""
    if (reading.policy.budget_usd_micros or 0) > MAX_BUDGET_USD_MICROS:
        yield from ((words, "a budget is at most 1000000000 dollars") for words in _quoted(reading, "budget_usd"))
    if (reading.policy.deadline_us or 0) > MAX_DEADLINE_US:
        yield from ((words, "a deadline is at most 31 days") for words in _quoted(reading, "deadline_s"))


def _quoted(reading: Reading, what: str) -> list[str]:
    """The words a flag or a field came from, quoted; all of them if no clause says which."""
    found = [
        reading.words_of(clause)
        for clause in reading.clauses
        if what in (clause.field, clause.value if clause.field == "flags" else "")
    ]
    return [f'"{_shortened(words)}"' for words in dict.fromkeys(found or [reading.text])]


def _shortened(words: str) -> str:
    return words if len(words) <= MAX_QUOTED_CHARACTERS else words[: MAX_QUOTED_CHARACTERS - 3] + "..."


def _bounded(policy: Policy) -> Policy:
    """The policy within the bounds an object has too: a lenient caller's larger limit is cut down, a scope without a
    budget dropped."""
    budget, deadline = policy.budget_usd_micros, policy.deadline_us
    return replace(
        policy,
        budget_usd_micros=None if budget is None else min(budget, MAX_BUDGET_USD_MICROS),
        budget_scope=None if budget is None else policy.budget_scope,
        deadline_us=min(deadline, MAX_DEADLINE_US) if deadline else None,
    )
