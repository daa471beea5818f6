"""Money as it is written: "$1.5k", "USD 5", "5 euros", "two dollars and fifty cents", "a buck fifty", "20¢ a call"."""

from __future__ import annotations

from worker.covenant.currencies import (
    ADJECTIVES,
    CAPITAL_CODES,
    CENTS,
    CODES,
    COINS,
    DOLLARS,
    SIGNS,
    WORDS,
    currency_meant,
)
from worker.covenant.durations import TIME_WORDS
from worker.covenant.lexer import NUMBER, SIGN, WORD, Token
from worker.covenant.numbers import NUMBER_WORDS, Number, number_at, part_after_unit
from worker.covenant.scopes import ONLY_AFTER_MONEY, SCOPES
from worker.covenant.written import MONEY, Written

_WHOLE = 1_000_000
#: First word of a scope -> the words of the longest one that begins with it.
_LONGEST_SCOPES: dict[str, int] = dict(sorted((phrase.split()[0], len(phrase.split())) for phrase in SCOPES))
_AND = frozenset(str.split("and n und et y e en i con"))
#: What may follow cents that are named without their unit: "a buck fifty and ...", "two dollars ten max".
_BEHIND_CENTS = frozenset(
    (*_AND, *str.split("or max maximum tops for at per with within in each total altogether but"))
)
#: Money only with more than one of them: "a real answer" is none.
_ALSO_WORDS = frozenset(str.split("real won rand lei lev fr ore"))


def money_at(tokens: list[Token], at: int, number: Number | None) -> Written | None:
    """The money written from token `at` on, with the scope right behind it; None if there is none.

    Args: number: what `number_at` reads there.
    """
    token = tokens[at]
    money: Written | None = None
    if token.kind == SIGN and token.text in SIGNS:
        money = _after_unit(tokens, at, SIGNS[token.text], _WHOLE)
    elif token.kind == WORD and (token.text in CODES or token.text in ("rs", "kr", "sfr")):
        money = _after_unit(tokens, at, *WORDS[token.text])
    elif token.kind == WORD and token.text in ADJECTIVES and at + 2 < len(tokens) and tokens[at + 1].text == "$":
        code = currency_meant("USD", token.text)
        money = _after_unit(tokens, at + 1, code, _WHOLE) if code else None
    if money is None and (number is not None or token.text in ("a", "cent")):
        money = _before_unit(tokens, at, number)
    return money and _scoped(tokens, _qualified(tokens, money))


def _after_unit(tokens: list[Token], at: int, code: str, worth: int) -> Written | None:
    """Money whose unit stands first."""
    begin = at + 1
    if begin < len(tokens) and tokens[begin].text == "$" and code in ("USD", "AUD", "CAD"):
        begin += 1
    if begin < len(tokens) and tokens[begin].text == "." and tokens[at].text == "rs":
        begin += 1
    negative = begin + 1 < len(tokens) and tokens[begin].text == "-" and tokens[begin + 1].glued
    begin += negative
    if begin >= len(tokens) or (tokens[begin].kind != NUMBER and tokens[at].kind == WORD):
        return None
    number = number_at(tokens, begin)
    if number is None or (number.spelled and not number.vague and tokens[begin].text in ("a", "an")):
        return None
    if tokens[at].kind == WORD and not tokens[begin].glued and _has_unit(tokens, number.end):
        return None  # "5 USD 10 seconds": the number belongs to what follows
    number = _short_million(tokens, number)
    money = Written(MONEY, number.over * worth, number.under, number.end, worth, code)
    end = money.end
    part = part_after_unit(tokens, end)
    if part is not None and not _has_unit(tokens, part[2]):
        end = part[2]
        money = money._replace(
            over=money.over * part[1] + part[0] * worth * money.under, under=money.under * part[1], end=end
        )
    if end < len(tokens) and SIGNS.get(tokens[end].text) == code and tokens[end].glued:
        money = money._replace(end=end + 1)
    if number.vague or number.huge or negative:
        return money._replace(vague=number.vague, invalid=number.huge, negative=negative)
    return money


def _short_million(tokens: list[Token], number: Number) -> Number:
    """ "$2M", "$2m": right behind money it is a million, never minutes."""
    end = number.end
    short = end < len(tokens) and tokens[end].text == "m" and tokens[end].glued and not number.scaled
    if not short or (end + 1 < len(tokens) and tokens[end + 1].glued):
        return number
    return number._replace(over=number.over * 10**6, end=end + 1, scaled=True)


def _has_unit(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and (tokens[at].text in TIME_WORDS or _unit_of(tokens, at, True) is not None)


def _unit_of(tokens: list[Token], at: int, figures: bool) -> tuple[str, int, int] | None:
    """The unit of money at a token: code, millionths, and where it ends."""
    if at >= len(tokens):
        return None
    token = tokens[at]
    if token.kind == SIGN:
        return (*WORDS.get(token.text, (SIGNS.get(token.text, ""), _WHOLE)), at + 1)
    if token.text in WORDS and token.kind == WORD:
        if token.text in ("p", "c") and not (figures and token.glued):
            return None
        if token.text in CAPITAL_CODES and not token.capitals:
            return None
        code, worth = WORDS[token.text]
        if token.text in ("eur", "euro") and at + 1 < len(tokens) and tokens[at + 1].text in CENTS:
            return code, worth // 100, at + 2
        return code, worth, at + 1
    if token.text == "us" and at + 1 < len(tokens) and tokens[at + 1].text in ("$", "dollars", "dollar", "cents"):
        return (*WORDS.get(tokens[at + 1].text, ("USD", _WHOLE)), at + 2)
    if token.text in ADJECTIVES or token.text in ("new", "hong", "south"):
        return _adjective_unit(tokens, at)
    return None


def _adjective_unit(tokens: list[Token], at: int) -> tuple[str, int, int] | None:
    """ "Canadian dollars", "Hong Kong dollars", "euro cents"."""
    word, unit = tokens[at].text, at + 1
    if word in ("new", "hong", "south") and unit < len(tokens):
        if tokens[unit].text not in ("zealand", "kong", "african", "korean"):
            return None
        word, unit = {"zealand": "nz", "kong": "hkd", "african": "african", "korean": ""}[tokens[unit].text], unit + 1
    if unit >= len(tokens) or tokens[unit].text not in WORDS:
        return None
    code, worth = WORDS[tokens[unit].text]
    meant = currency_meant(code, word) or (code if not word else None)
    return (meant, worth, unit + 1) if meant else None


def _before_unit(tokens: list[Token], at: int, number: Number | None) -> Written | None:
    """Money whose number stands first."""
    if tokens[at].text == "cent":  # French "cent euros"
        unit = _unit_of(tokens, at + 1, False)
        return Written(MONEY, 100 * unit[1], 1, unit[2], unit[1], unit[0]) if unit and unit[1] == _WHOLE else None
    coin = _coin_at(tokens, at, number)
    if coin is not None or number is None:
        return coin
    figures = tokens[at].kind == NUMBER
    end = number.end + (number.end < len(tokens) and tokens[number.end].text == "ish")
    if end < len(tokens) and tokens[end].text in ("de", "of", "d'", "di", "whole", "measly", "lousy", "full", "more"):
        end += end + 1 < len(tokens) and _unit_of(tokens, end + 1, False) is not None
    unit = _unit_of(tokens, end, figures)
    if unit is None and figures and not number.scaled and end < len(tokens) and tokens[end].text == "m":
        unit, scaled = _unit_of(tokens, end + 1, True), number._replace(over=number.over * 10**6)
        if unit is not None and tokens[end].glued:
            number = scaled
        else:
            unit = None
    if unit is None:
        return _grand(tokens, at, number)
    code, worth, stop = unit
    if tokens[at].text in ("a", "an") and tokens[stop - 1].kind == SIGN:
        return None  # "a $25 budget"
    if tokens[stop - 1].text in _ALSO_WORDS and not figures and number.over == 1:
        return None
    money = Written(
        MONEY, number.over * worth, number.under, stop, worth, code, vague=number.vague, invalid=number.huge
    )
    return _with_cents(tokens, money)


def _coin_at(tokens: list[Token], at: int, number: Number | None) -> Written | None:
    """ "a quarter", "two dimes", "a tenner": a coin or note that is also a word of another kind."""
    end = at + 1
    vague = bool(number and number.vague)
    if tokens[at].text == "a":
        count = (1, 1)
        if end < len(tokens) and tokens[end].text == "single":
            end += 1
    else:
        if number is None:
            return None
        count, end = (number.over, number.under), number.end
        if tokens[end - 1].text in ("quarter", "quarters") and not (end < len(tokens) and tokens[end].text in COINS):
            # "three quarters" was read as a fraction: three coins, if nothing else is counted.
            whole = _whole_before(tokens, at, end - 1)
            count, end = whole if whole else count, end - 1
    if end >= len(tokens) or tokens[end].text not in COINS:
        return None
    if tokens[end].text in ("quarter", "quarters") and _is_a_part(tokens, end + 1):
        return None
    code, worth = WORDS[tokens[end].text]
    return Written(MONEY, count[0] * worth, count[1], end + 1, worth, code, vague=vague)


def _whole_before(tokens: list[Token], at: int, end: int) -> tuple[int, int] | None:
    counted = number_at(tokens[at:end], 0)
    return (counted.over, counted.under) if counted and counted.end == end - at else None


def _is_a_part(tokens: list[Token], at: int) -> bool:
    """Whether "a quarter" goes on as a part of something: "of an hour", "million", "hour"."""
    if at >= len(tokens):
        return False
    word = tokens[at].text
    return word in ("of", "million", "century", "past", "final") or word in TIME_WORDS or word in WORDS


def _grand(tokens: list[Token], at: int, number: Number) -> Written | None:
    """ "a grand", "two grand": a thousand dollars when no other money follows."""
    last = tokens[number.end - 1].text
    if last != "grand" or not number.scaled | number.spelled or _is_whole(tokens, number.end):
        return None
    over, under, end = number.over, number.under, number.end
    part = part_after_unit(tokens, end)
    if part is not None and not _has_unit(tokens, part[2]):
        over, under, end = over * part[1] + 1000 * part[0] * under, under * part[1], part[2]
    else:
        joined = end < len(tokens) and tokens[end].text in _AND
        rest = number_at(tokens, end + joined)
        if rest is not None and rest.under == 1 and 1 < rest.over < 1000 and not rest.vague:
            named = rest.end < len(tokens) and tokens[rest.end].text in DOLLARS
            if named or (rest.spelled and not joined and not _has_unit(tokens, rest.end)):
                over, end = over + rest.over * under, rest.end + named  # "two grand five hundred"
    return Written(MONEY, over * _WHOLE, under, end, _WHOLE, "USD")


def _is_whole(tokens: list[Token], at: int) -> bool:
    """Whether "a grand" goes on as something that is large: "a grand total of $5"."""
    return at < len(tokens) and tokens[at].text in ("total", "sum", "scheme", "plan", "tour", "finale", "piano")


def _with_cents(tokens: list[Token], money: Written) -> Written:
    """The cents behind whole units: "two dollars and fifty cents", "a buck fifty", "2€50"."""
    if money.unit != _WHOLE or money.vague or money.end >= len(tokens):
        return money
    part = part_after_unit(tokens, money.end)
    if part is not None:
        return money._replace(
            over=money.over * part[1] + part[0] * money.unit * money.under, under=money.under * part[1], end=part[2]
        )
    joined = tokens[money.end].text in _AND
    begin = money.end + joined
    if begin >= len(tokens) or (tokens[begin].kind != NUMBER and tokens[begin].text not in NUMBER_WORDS):
        return money
    number = number_at(tokens, begin)
    if (
        number is None
        or number.under != 1
        or not 0 < number.over < 100
        or number.vague
        or tokens[begin].text in ("a", "an")
    ):
        return money
    unit = _unit_of(tokens, number.end, tokens[begin].kind == NUMBER)
    if unit is not None:
        if unit[1] == _WHOLE // 100 and (unit[0] == money.currency or tokens[number.end].text in CENTS):
            return money._replace(over=money.over + number.over * 10_000 * money.under, end=unit[2])
        return money
    follows = tokens[number.end] if number.end < len(tokens) else None
    tail = follows is not None and (
        (follows.kind == WORD and follows.text not in _BEHIND_CENTS) or follows.text in "%:/-"
    )
    bare = not joined and not tail and (number.spelled or (tokens[begin].glued and len(tokens[begin].text) == 2))
    if bare and number.over >= 10 and not (number.spelled and tokens[begin].text in ("one",)):
        return money._replace(over=money.over + number.over * 10_000 * money.under, end=number.end)
    return money


def _qualified(tokens: list[Token], money: Written) -> Written:
    """Another currency named right behind: "$5 AUD", "20 dollars (Canadian)", "a tenner, British", "5 in euros"."""
    at = money.end
    if money.unit == _WHOLE and money.over and at < len(tokens) and tokens[at].text in _AND:
        money = _with_cents(tokens, money)
        at = money.end
    opened = at < len(tokens) and tokens[at].text in ("(", ",", "in")
    begin = at + opened
    if begin >= len(tokens):
        return money
    word = tokens[begin].text
    if word not in ADJECTIVES and word not in CODES:
        return money
    slang = tokens[at - 1].text in COINS or tokens[at - 1].text in ("quid", "pounds")
    if (
        opened
        and tokens[at].text == ","
        and not (slang and word in ("british", "uk", "english", "american", "us", "sterling"))
    ):
        return money
    if (
        opened
        and tokens[at].text == "in"
        and word in ("us", "uk", "usa", "canada", "australia", "american", "singapore", "taiwan")
    ):
        return money
    follows = tokens[begin + 1] if begin + 1 < len(tokens) else None
    if follows is not None and (
        follows.hyphened
        or (follows.kind == NUMBER and word in CODES and not opened)
        or follows.text in ("only", "servers", "hosting", "based", "hosted", "region", "data")
    ):
        return money
    meant = currency_meant(money.currency, word)
    if meant is None:
        return money
    closing = begin + 1 < len(tokens) and tokens[begin + 1].text == ")" and tokens[at].text == "("
    if not closing and tokens[at].text == "(":
        return money
    end = begin + 1 + closing
    if end < len(tokens) and tokens[end].text in DOLLARS:
        end += 1
    return money._replace(currency=meant, end=end)


def _scoped(tokens: list[Token], money: Written) -> Written:
    """The money with the scope named right behind it."""
    end = money.end
    skipped = end < len(tokens) and tokens[end].text in ("(", "max", "maximum", "for") and _scope_at(tokens, end + 1)
    found = _scope_at(tokens, end) or (skipped or None)
    if found is None:
        return money
    scope, stop = found
    begin = end + bool(skipped and not _scope_at(tokens, end))
    if begin > end and tokens[end].text not in ("(", "for"):
        return money
    if begin > end and tokens[end].text == "(" and stop < len(tokens) and tokens[stop].text == ")":
        stop += 1
    return money._replace(scope=scope, scope_first=begin, end=stop)


def _scope_at(tokens: list[Token], at: int) -> tuple[str, int] | None:
    longest = _LONGEST_SCOPES.get(tokens[at].text, 0) if at < len(tokens) else 0
    for length in range(min(longest, len(tokens) - at), 0, -1):
        words = " ".join([token.text for token in tokens[at : at + length]])
        scope = SCOPES.get(words)
        if scope is None:
            continue
        if words in ("each", "any one") and at + length < len(tokens) and tokens[at + length].kind == WORD:
            return None
        return scope, at + length
    return None


__all__ = ["ONLY_AFTER_MONEY", "money_at"]
