"""Text to tokens, in one pass, each keeping the place of the code points it came from.

Hyphens and underscores between words only join them ("on-device", "max_cost"), so they yield no token. Between digits
and before a number they mean something, and stay.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from worker.covenant.east_asian import EAST_ASIAN, READ_AS, numeral
from worker.covenant.folding import IGNORED, fold

WORD, NUMBER, SIGN, MARK = "word", "number", "sign", "mark"

_LETTERS = "a-z\u0430-\u044f" + IGNORED
#: Currency signs; a dollar sign may carry the letters of its country.
_SIGNS = r"(?:us|au|a|ca|c|nz|hk|sg|s|r|mx|nt)?\$|[€£¥₹₩₽₺₪₫₴₦₱฿¢元円₿₸₡₲₵]"
_NUMBERS = (
    r"[0-9]{1,3}(?: [0-9]{3})+(?![0-9])(?:[.,][0-9]+)?|[0-9]+(?:[.,'][0-9]+)*(?:e[+-]?[0-9]+(?![0-9a-z]))?|\.[0-9]+"
)


@cache
def _tokens() -> re.Pattern[str]:
    """The pattern of a token; compiling it takes as long as reading a hundred covenants, so not before the first."""
    return re.compile(
        # Most words first: those that no sign, accent or apostrophe goes on.
        rf"[ {IGNORED}]*+(?:(?P<plain>[a-z]++(?!['$\u0430-\u044f{IGNORED}]))"
        rf"|(?P<sign>{_SIGNS})"
        rf"|(?P<number>{_NUMBERS}|[½¼¾⅓⅔])"
        rf"|(?P<elided>(?:[ldjcnsmt]|qu|all|dell)'(?=[{_LETTERS}]))"
        rf"|(?P<word>[{_LETTERS}]+(?:'[{_LETTERS}]+)*)"
        r"|(?P<join>[-_])"
        rf"|{EAST_ASIAN}"
        r"|(?P<mark>\.\.+|<=|>=|[^ ]))",
        re.ASCII,
    )


class Token(NamedTuple):
    """`text` is folded; `start` and `end` count code points of the text. `glued`: nothing stands before it but a hyphen
    that joins, or the token before; `hyphened`: a joining hyphen stands before it; `capitals`: the text has it in
    capital letters."""

    kind: str
    text: str
    start: int
    end: int
    glued: bool
    hyphened: bool = False
    capitals: bool = False


def tokens_of(text: str) -> list[Token]:
    """The tokens of any text, in order."""
    folded = fold(text)
    found: list[Token] = []
    end = -1
    joined = False
    for match in _tokens().finditer(folded):
        kind = match.lastgroup or MARK
        start, stop = match.span(kind)
        word = folded[start:stop]
        if kind == "plain":
            capitals = "A" <= text[start] <= "Z" and "A" <= text[stop - 1] <= "Z"
            # Twice as fast as calling Token, and most tokens are made here.
            found.append(tuple.__new__(Token, (WORD, word, start, stop, start == end, joined, capitals)))
            end, joined = stop, False
            continue
        if kind == "join":
            if _joins(folded, start, stop):
                end, joined = stop, True
                continue
            kind = MARK
            if word == "_":
                continue
        elif kind == "phrase":
            *opening, last = READ_AS[word].split()
            found.extend([Token(WORD, english, start, start, False) for english in opening])
            found.append(Token(WORD, last, start, stop, False))
            end, joined = stop, False
            continue
        elif kind not in _KINDS:
            kind, word = _plain(kind, word)
        capitals = "A" <= text[start] <= "Z" and "A" <= text[stop - 1] <= "Z"
        found.append(Token(kind, word, start, stop, start == end, joined, capitals))
        end, joined = stop, False
    return found


_KINDS = frozenset((NUMBER, SIGN, MARK))


def _plain(kind: str, word: str) -> tuple[str, str]:
    """The kind and text of a token that is a word, or a number in Chinese characters."""
    if kind == "numeral":
        return NUMBER, numeral(word)
    if IGNORED in word:
        word = word.replace(IGNORED, "")
    return WORD, "de" if word == "d'" else word


def _joins(folded: str, start: int, stop: int) -> bool:
    """Whether the hyphen only joins a word to what stands right before and after it."""
    before, after = folded[start - 1 : start], folded[stop : stop + 1]
    if not before or not after:
        return False
    return (_is_letter(after) and (_is_letter(before) or "0" <= before <= "9")) or (
        _is_letter(before) and "0" <= after <= "9"
    )


def _is_letter(mark: str) -> bool:
    return "a" <= mark <= "z" or "\u0430" <= mark <= "\u044f"
