"""Whether a text holds data that points at one person: a mail address or a long number.

The numbers are those of phones, cards, accounts and computers. Names and street addresses are not looked for. Nine
digits or more with at most two signs between neighbours count, whatever they are of.
"""

from __future__ import annotations

import re
from typing import Final

#: Digits become 0, capitals A, all else but the point x, and what may stand between digits goes: where the shape lacks
#: a pattern's bytes the pattern cannot occur, and most texts are done with.
_SHAPE: Final = bytes(
    [
        ord("0") if 48 <= byte <= 57 else ord("A") if 65 <= byte <= 90 else byte if byte == 46 else ord("x")
        for byte in range(256)
    ]
)
_BETWEEN: Final = b" ()/-"

_MAIL: Final = re.compile(rb"[A-Za-z0-9._%+-]@[A-Za-z0-9-]+\.[A-Za-z]")
#: Nine digits with at most two signs between neighbours, not inside a longer decimal number.
_LONG_NUMBER: Final = re.compile(rb"(?<![0-9.,])(?:[0-9][ ()/-]{0,2}){8}[0-9]")
_IBAN: Final = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}[A-Z0-9]{10}")
_ADDRESS: Final = re.compile(rb"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])")


def has_personal_data(window: bytes) -> bool:
    """Whether any of the patterns occurs in the bytes of a text that are looked at."""
    if b"@" in window and _MAIL.search(window):
        return True
    shape = window.translate(_SHAPE, _BETWEEN)
    return (
        (b"000000000" in shape and _LONG_NUMBER.search(window) is not None)
        or (b"AA00" in shape and _IBAN.search(window) is not None)
        or (b"0.0" in shape and shape.count(b"0.") > 2 and _ADDRESS.search(window) is not None)
    )
