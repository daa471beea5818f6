"""The lines of a text: listed choices, the part before them, and long lines that are given rather than asked.

A line ends at a line feed and at nothing else. A choice line begins with a capital A to J, then "." or ")", then a
blank (0x20); its text is what follows the blank, blanks at the end included. Choices are read from the first line after
the first line feed that is a choice line with the letter A; that line and the next LINES_LIMIT - 1 are looked at, and
lines among them that are no choice lines are passed over.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LINES_LIMIT: Final = 64
#: A line of at least so many bytes is long.
LONG_LINE_BYTES: Final = 200

_FIRST: Final = re.compile(rb"\nA[.)] ")
_CHOICE: Final = re.compile(rb"[A-J][.)] ")
#: Digits, with points and commas between digits.
_NUMBER: Final = re.compile(rb"[0-9]+(?:[.,][0-9]+)*")
_YEAR: Final = re.compile(rb"(?:1[0-9]|20)[0-9][0-9]")
_BLANKS: Final = b" \t\r"


class Choices(NamedTuple):
    """`at`: bytes before the line feed that ends the stem."""

    at: int
    texts: tuple[bytes, ...]


NO_CHOICES: Final = Choices(0, ())


def read_choices(window: bytes) -> Choices:
    """The listed choices of a text, none of them where no line but the first begins the list."""
    first = _FIRST.search(window)
    if first is None:
        return NO_CHOICES
    lines = window[first.start() + 1 :].split(b"\n", LINES_LIMIT)[:LINES_LIMIT]
    return Choices(first.start(), tuple([line[3:] for line in lines if _CHOICE.match(line)]))


def is_worded(choice_count: int, numeric_choice_count: int) -> bool:
    """Whether there is a list of choices and at most one of them has a digit."""
    return choice_count > 1 and numeric_choice_count < 2


def numbers_of(text: bytes) -> int:
    """How many numbers stand in `text`, years 1000 to 2099 left out; "1,250.5" is one."""
    return sum([_YEAR.fullmatch(number) is None for number in _NUMBER.findall(text)])


def pasted_bytes(stem: bytes) -> int:
    """Bytes of the long lines that are not the last line: given to be read, while the last is the ask.

    Lines of blanks, tabs and carriage returns alone are passed over; of the lines that remain every long one but the
    last counts, without its line feed.
    """
    total = waiting = 0
    for line in stem.split(b"\n"):
        if not line.strip(_BLANKS):
            continue
        total += waiting
        waiting = len(line) if len(line) >= LONG_LINE_BYTES else 0
    return total
