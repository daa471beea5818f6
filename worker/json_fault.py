"""What is wrong with a text that is not strict JSON, and at which character: the slow half of `worker.strict_json`.

It decides the words a caller gets for a refused body. It reads token by token without recursion, so that the answer is
the same under every Python version, and quotes nothing of the text. It is bounded: past MAX_TOKENS tokens it says only
where it stopped looking, so that a refused body never costs much more than an accepted one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]  # public in every Python, absent from the stubs
from typing import Final

MAX_TOKENS: Final = 20_000

_SPACE: Final = re.compile(r"[ \t\n\r]*+")
_LITERAL: Final = re.compile(r"true|false|null")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)((?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)")
_NOT_NUMBERS: Final = ("NaN", "Infinity", "-Infinity")
# An opening quote and all that may follow it, up to the closing quote or the first character that may not stand there.
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')
# Text in which every \u escape has four hexadecimal digits, and every surrogate its other half.
PAIRED_ESCAPES: Final = re.compile(
    r"[^\\]*+(?:\\(?:[^u]|u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?![dD][89a-fA-F])[0-9a-fA-F]{4}))[^\\]*+)*+"
)

# What may come next; the last three are the two places where a container may close at once, and the end.
_VALUE, _KEY, _COLON, _COMMA, _FIRST_VALUE, _FIRST_KEY, _END = range(7)
_EXPECTED: Final = ("a value", "a key", "':'", "',' or a closing bracket", "a value", "a key", "the end of the text")


class _Fault(Exception):
    """The first thing wrong: `problem` at character `at`."""

    def __init__(self, problem: str, at: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.at = at


def find_fault(
    text: str, max_depth: int, parse_int: Callable[[str], object], parse_float: Callable[[str], object]
) -> str | None:
    """The first fault of `text` in words, or None if there is none.

    parse_int, parse_float: refuse a number by a ValueError whose text says why. Positions count characters from 0.
    """
    walk = _Walk(text, max_depth, parse_int, parse_float)
    try:
        for _ in range(MAX_TOKENS):
            if walk.ended():
                return None
            walk.step()
    except _Fault as fault:
        return f"{fault.problem} at character {fault.at}"
    return f"the fault is after character {walk.at}"


class _Walk:
    """One pass over the tokens of a text."""

    __slots__ = ("_max_depth", "_next", "_open", "_parse_float", "_parse_int", "_text", "at")

    def __init__(
        self, text: str, max_depth: int, parse_int: Callable[[str], object], parse_float: Callable[[str], object]
    ) -> None:
        self._text = text
        self._max_depth = max_depth
        self._parse_int = parse_int
        self._parse_float = parse_float
        self._open: list[set[str] | None] = []  # an open object's keys so far, None for an open array
        self._next = _VALUE
        self.at = 0

    def ended(self) -> bool:
        """Whether the value is complete and only white space follows."""
        self.at = self._end_of(_SPACE)
        return self._next == _END and self.at == len(self._text)

    def step(self) -> None:
        """Read one token. Raises: _Fault."""
        char = self._text[self.at : self.at + 1]
        expected = self._next
        if not char:
            raise _Fault("the text ends too early", self.at)
        if char in "]}" and self._may_close(char):
            self._open.pop()
            self._after_value(self.at + 1)
        elif expected in (_VALUE, _FIRST_VALUE):
            self._value(char)
        elif expected in (_KEY, _FIRST_KEY) and char == '"':
            self._key()
        elif expected == _COLON and char == ":":
            self._advance(self.at + 1, _VALUE)
        elif expected == _COMMA and char == ",":
            self._advance(self.at + 1, _VALUE if self._open[-1] is None else _KEY)
        else:
            raise _Fault(f"{_EXPECTED[expected]} is expected", self.at)

    def _may_close(self, char: str) -> bool:
        if self._next == _COMMA:
            return (char == "]") == (self._open[-1] is None)
        return self._next == (_FIRST_VALUE if char == "]" else _FIRST_KEY)

    def _value(self, char: str) -> None:
        if char in "[{":
            if len(self._open) >= self._max_depth:
                raise _Fault(f"nesting deeper than {self._max_depth} levels", self.at)
            self._open.append(None if char == "[" else set())
            self._advance(self.at + 1, _FIRST_VALUE if char == "[" else _FIRST_KEY)
        elif char == '"':
            self._after_value(self._end_of_string())
        elif (end := self._end_of(_LITERAL)) > self.at or (end := self._end_of_number()) > self.at:
            self._after_value(end)
        elif self._text.startswith(_NOT_NUMBERS, self.at):
            raise _Fault("NaN or Infinity, which JSON has not,", self.at)
        elif char == "\ufeff":
            raise _Fault("a byte order mark", self.at)
        else:
            raise _Fault("a value is expected", self.at)

    def _key(self) -> None:
        end = self._end_of_string()
        key = scanstring(self._text, self.at + 1)[0]
        keys = self._open[-1]
        if keys is None or key in keys:
            raise _Fault("a duplicate key", self.at)
        keys.add(key)
        self._advance(end, _COLON)

    def _advance(self, at: int, expected: int) -> None:
        self.at = at
        self._next = expected

    def _after_value(self, at: int) -> None:
        self._advance(at, _COMMA if self._open else _END)

    def _end_of(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self.at)
        return match.end() if match else self.at

    def _end_of_number(self) -> int:
        match = _NUMBER.match(self._text, self.at)
        if match is None:
            return self.at
        try:
            (self._parse_float if match[1] else self._parse_int)(match[0])
        except ValueError as error:
            raise _Fault(str(error), self.at) from None
        return match.end()

    def _end_of_string(self) -> int:
        """The index after the closing quote of the string that starts here. Raises: _Fault."""
        end = self._end_of(_STRING)
        char = self._text[end : end + 1]
        paired = PAIRED_ESCAPES.match(self._text, self.at, end)
        if paired is not None and paired.end() < end:
            raise _Fault("half of a surrogate pair", paired.end())
        if char == '"':
            return end + 1
        if not char:
            raise _Fault("an unterminated string", self.at)
        raise _Fault("an invalid escape" if char == "\\" else "a control character in a string", end)
