"""Lengths of time as they are written: "90s", "2h15m", "1 minute and 45 seconds", "an hour and a half", "1:30 min"."""

from __future__ import annotations

from worker.covenant.durations import AFTER_FIGURES, HOUR, MINUTE, TIME_WORDS
from worker.covenant.lexer import NUMBER, WORD, Token
from worker.covenant.numbers import Number, number_at, part_after_unit
from worker.covenant.written import TIME, Written

_AND = frozenset(str.split("and n und et y e en i , plus"))
_FILLERS = frozenset(("short", "full", "whole", "single", "mere", "quick", "measly", "solid", "entire", "more", "ish"))
_LONGEST = 6


def time_at(tokens: list[Token], at: int, number: Number) -> Written | None:
    """The length of time that `number`, written from token `at` on, begins; None if no unit of time follows."""
    clock = _clock(tokens, at)
    if clock is not None:
        return clock
    first = _term(tokens, at, number)
    if first is None:
        return None
    over, under, end, unit = first
    smallest = unit
    for _ in range(_LONGEST):
        term = _next_term(tokens, end, smallest)
        if term is None:
            break
        over, under, end, smallest = over * term[1] + term[0] * under, under * term[1], term[2], term[3]
    return Written(TIME, over, under, end, unit, vague=number.vague, invalid=number.huge)


def _term(tokens: list[Token], at: int, number: Number) -> tuple[int, int, int, int] | None:
    """One number with its unit: numerator and denominator in microseconds, where it ends, and its unit."""
    end = number.end
    while end < len(tokens) and tokens[end].text in _FILLERS:
        end += 1
    if end >= len(tokens) or (number.scaled and tokens[end].text in AFTER_FIGURES):
        return None
    word = tokens[end].text
    worth = TIME_WORDS.get(word)
    if worth is None or (number.spelled and word in AFTER_FIGURES and len(word) < 3):
        return None
    if word in ("s", "d") and end + 1 < len(tokens) and tokens[end + 1].text == "$":
        return None
    over, under = number.over * worth, number.under
    end += 1
    stop = end + 1 < len(tokens) and tokens[end].text == "." and tokens[end].glued
    if stop and word in ("sec", "min", "hr", "sek", "seg") and not _opens_sentence(tokens, end + 1):
        end += 1
    part = part_after_unit(tokens, end)
    if part is not None and not _is_time(tokens, part[2]):
        over, under, end = over * part[1] + part[0] * worth * under, under * part[1], part[2]
    return over, under, end, worth


def _opens_sentence(tokens: list[Token], at: int) -> bool:
    return tokens[at].kind == WORD and tokens[at].text in ("then", "the", "it", "use", "keep", "budget")


def _is_time(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].text in TIME_WORDS


def _next_term(tokens: list[Token], at: int, smallest: int) -> tuple[int, int, int, int] | None:
    """A further, smaller term of a compound: " and 45 seconds", "15m", "15" right after "2h"."""
    joined = at < len(tokens) and tokens[at].text in _AND
    comma = joined and tokens[at].text == ","
    begin = at + joined
    if begin >= len(tokens):
        return None
    number = number_at(tokens, begin)
    if number is None or number.vague or number.huge or smallest <= 1000:
        return None
    term = _term(tokens, begin, number)
    if term is None:
        glued = tokens[begin].kind == NUMBER and tokens[begin].glued and not joined and number.end == begin + 1
        bigger = {HOUR: MINUTE, MINUTE: 1_000_000}.get(smallest)
        if glued and bigger and number.over < 60 * number.under:
            return number.over * bigger, number.under, number.end, bigger
        return None
    fits = term[3] < smallest and term[0] < smallest * term[1]
    if not fits or (comma and number.spelled and tokens[begin].text in ("a", "an")):
        return None
    return term


def _clock(tokens: list[Token], at: int) -> Written | None:
    """ "1:30 minutes", "0:45 min", "00:05:00": minutes and seconds, or hours, as the unit or the shape says."""
    if at + 2 >= len(tokens) or tokens[at + 1].text != ":" or not tokens[at + 1].glued:
        return None
    parts: list[int] = []
    end = at
    while end < len(tokens) and tokens[end].kind == NUMBER and len(parts) < 3:
        if not all("0" <= mark <= "9" for mark in tokens[end].text) or len(tokens[end].text) > 4:
            return None
        parts.append(int(tokens[end].text))
        end += 1
        if end + 1 < len(tokens) and tokens[end].text == ":" and tokens[end].glued and tokens[end + 1].glued:
            end += 1
        else:
            break
    if len(parts) < 2 or tokens[end - 1].text == ":":
        return None
    worth = TIME_WORDS.get(tokens[end].text, 0) if end < len(tokens) else 0
    if len(parts) == 3:
        seconds = parts[0] * 3600 + parts[1] * 60 + parts[2]
        return Written(TIME, seconds * 1_000_000, 1, end + (worth in (HOUR, MINUTE)), HOUR)
    if worth not in (MINUTE, HOUR):
        return None
    return Written(TIME, parts[0] * worth + parts[1] * (worth // 60), 1, end + 1, worth)
