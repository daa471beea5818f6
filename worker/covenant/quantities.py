"""Amounts of money and of time as they are written: units before and after, compounds, ranges, scopes, signs.

A quantity is what stands there ("$5-10 per call" is 10 USD per request); whether it limits anything is decided later.
"""

from __future__ import annotations

from typing import NamedTuple

from worker.covenant.amounts import money_at
from worker.covenant.currencies import ADJECTIVES, CODES
from worker.covenant.durations import TIME_WORDS
from worker.covenant.lexer import NUMBER, Token
from worker.covenant.numbers import NUMBER_WORDS, Number, number_at
from worker.covenant.spans import time_at
from worker.covenant.written import BARE, MONEY, TIME, Written

_TO = frozenset(str.split("to - -- ~ .. ... or till bis a hasta ate tot fino jusqu'a oder ou o of lub do — through"))
_BETWEEN = frozenset(str.split("between from zwischen entre tra fra von de desde tussen miedzy od van da"))
_AND = frozenset(str.split("and und et y e en i und"))
_ABOUT = frozenset(
    str.split(
        "about around roughly approximately approx ca circa some ~ nearly almost ungefahr etwa environ "
        "aproximadamente unos "
        "alrededor cerca okolo ongeveer rund"
    )
)


class Quantity(NamedTuple):
    """`kind`: money, time or bare. `micros`: millionths of the currency, microseconds, or of the bare number; None when
    it can't be told (`vague`) or can't be (`invalid`). Tokens `first` up to, not including, `end`. `unit`: what one of
    the unit is worth."""

    kind: str
    micros: int | None
    first: int
    end: int
    currency: str = ""
    scope: str | None = None
    scope_first: int = -1
    vague: bool = False
    invalid: bool = False
    at_least: bool = False
    hyphened: bool = False
    unit: int = 0


def quantity_at(tokens: list[Token], at: int) -> Quantity | None:
    """The quantity written from token `at` on, ranges read at their upper end; None if there is none."""
    start = at
    negative = False
    if tokens[at].text in ("-", "minus", "negative"):
        sign_is_its_own = at == 0 or tokens[at - 1].end < tokens[at].start or tokens[at - 1].text in ":=($"
        if at + 1 >= len(tokens) or (tokens[at].text == "-" and not (tokens[at + 1].glued and sign_is_its_own)):
            return None
        negative, at = True, at + 1
    first = _one(tokens, at)
    if first is None or (negative and first.kind == BARE and tokens[start].text != "-"):
        return None
    upper = None if negative else _range_end(tokens, start, first)
    if upper is not None:
        first = upper
    return _finished(tokens, first, start, negative or first.negative)


def _one(tokens: list[Token], at: int) -> Written | None:
    number = number_at(tokens, at)
    money = money_at(tokens, at, number)
    if money is not None or number is None:
        return money
    span = time_at(tokens, at, number)
    if span is not None:
        return span
    if number.spelled and (number.end - at == 1 and tokens[at].text not in _COUNTING):
        return None
    return _bare(number)


_COUNTING = frozenset(
    str.split(
        "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty "
        "seventy eighty "
        "ninety zero one hundred thousand dos tres cinco diez zwei drei funf zehn deux trois cinq dix"
    )
)


def _bare(number: Number) -> Written:
    return Written(BARE, number.over, number.under, number.end, vague=number.vague, invalid=number.huge)


def _range_end(tokens: list[Token], start: int, lower: Written) -> Written | None:
    """The upper end of a range whose lower end was just read, or None if none follows."""
    at = lower.end
    if at + 1 >= len(tokens):
        return None
    joint = tokens[at].text
    between = start > 0 and tokens[start - 1].text in _BETWEEN
    if joint == "up" and tokens[at + 1].text == "to":
        at, joint = at + 1, "to"
    if joint not in _TO and not (joint in _AND and between):
        return None
    if joint in ("a", "o", "of", "e", "do") and tokens[at + 1].kind != NUMBER:
        return None
    if joint == "-" and lower.kind != BARE and not tokens[at + 1].glued and not tokens[at].glued:
        # " - " with spaces on both sides separates two things unless both ends are of one kind.
        after = _one(tokens, at + 1)
        if after is None or after.kind != lower.kind:
            return None
    upper = _one(tokens, at + 1)
    if upper is None or (upper.vague and not lower.vague):
        return None
    return _joined(lower, upper)


def _joined(lower: Written, upper: Written) -> Written | None:
    if lower.kind == upper.kind == BARE:
        return max(lower, upper, key=lambda end: end.over * (lower.under if end is upper else upper.under))._replace(
            end=upper.end
        )
    if upper.kind == BARE:
        if lower.unit == 0:
            return None
        upper = upper._replace(kind=lower.kind, over=upper.over * lower.unit, unit=lower.unit, currency=lower.currency)
    if lower.kind == BARE:
        lower = lower._replace(kind=upper.kind, over=lower.over * (upper.unit or 1), currency=upper.currency)
    if lower.kind != upper.kind or lower.currency != upper.currency:
        return None
    if upper.over * lower.under < lower.over * upper.under:
        return lower._replace(end=upper.end, scope=upper.scope, scope_first=upper.scope_first)
    return upper


def _finished(tokens: list[Token], written: Written, start: int, negative: bool) -> Quantity:
    unit = 1_000_000 if written.kind == BARE else 1
    micros = (2 * written.over * unit + written.under) // (2 * written.under)
    invalid = written.invalid or negative or micros > 2**53 - 1 or (written.kind == TIME and micros == 0)
    end, at_least = written.end, False
    if end < len(tokens) and tokens[end].text == "+" and tokens[end].glued:
        end, at_least = end + 1, True
    elif end < len(tokens) and tokens[end].text in ("ish",):
        end += 1
    elif end + 1 < len(tokens) and tokens[end].text == "or" and tokens[end + 1].text in ("so", "thereabouts"):
        end += 2
    vague = written.vague
    return Quantity(
        written.kind,
        None if vague or invalid else micros,
        start,
        end,
        written.currency,
        written.scope,
        written.scope_first,
        vague,
        invalid and not vague,
        at_least,
        written.end > start + 1 and any([token.hyphened for token in tokens[start + 1 : written.end]]),
        written.unit,
    )


_BEGINNINGS = frozenset((*NUMBER_WORDS, *CODES, *ADJECTIVES, "rs", "kr", "sfr", "cent", "-", "minus", "negative"))


def begins_quantity(token: Token) -> bool:
    """Whether a quantity may begin at this token; cheap, so that most words are passed by."""
    return token.kind in (NUMBER, "sign") or token.text in _BEGINNINGS


__all__ = ["BARE", "MONEY", "TIME", "TIME_WORDS", "Quantity", "begins_quantity", "quantity_at"]
