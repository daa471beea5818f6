"""Numbered lists of priorities: "1. privacy 2. speed", "(a) cost (b) quality", "#1 speed, #2 cost"."""

from __future__ import annotations

from worker.covenant.lexer import Token

_LETTERS = ("a", "b", "c", "d", "e", "f", "g", "h")
_BEHIND = frozenset((".", ")", ":", "]", "-"))
_BEFORE = frozenset(("(", "#", "[", "\n", ";", ","))


def list_marks(words: list[str], tokens: list[Token]) -> dict[int, tuple[int, int]]:
    """Where the marks of a list begin -> where each ends, and its number; nothing if no second one follows a first."""
    if ("1" not in words and "a" not in words) or ("2" not in words and "b" not in words):
        return {}
    found: dict[int, tuple[int, int]] = {}
    wanted = 1
    for at, word in enumerate(words):
        if word != str(wanted) and (wanted > len(_LETTERS) or word != _LETTERS[wanted - 1]):
            continue
        end, first = at + 1, at
        if end < len(words) and words[end] in _BEHIND and tokens[end].glued and not _goes_on(tokens, end):
            end += 1
        elif not (at and words[at - 1] == "#"):
            continue
        while first and words[first - 1] in _BEFORE and first - 1 >= at - 2:
            first -= 1
        found[first] = (end, wanted)
        wanted += 1
    return found if wanted > 2 else {}


def _goes_on(tokens: list[Token], at: int) -> bool:
    """Whether a mark joins the number to more figures: "1:30", "1-2"."""
    return at + 1 < len(tokens) and tokens[at + 1].glued and "0" <= tokens[at + 1].text[0] <= "9"
