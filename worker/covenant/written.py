"""An amount with its unit, as it is written at one place of the text."""

from __future__ import annotations

from typing import NamedTuple

MONEY, TIME, BARE = "money", "time", "bare"


class Written(NamedTuple):
    """`over`/`under` millionths of a currency, microseconds, or a bare number; `unit`: what one of the unit is worth.

    `scope` and `scope_first`: what the money holds for, and the token its words begin with.
    """

    kind: str
    over: int
    under: int
    end: int
    unit: int = 0
    currency: str = ""
    scope: str | None = None
    scope_first: int = -1
    vague: bool = False
    invalid: bool = False
    negative: bool = False
