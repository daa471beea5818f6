"""A bound that words set, before it is decided whether it holds."""

from __future__ import annotations

from dataclasses import dataclass

MONEY, TIME, BARE = "money", "time", "bare"
QUANTITIES = frozenset((MONEY, TIME, BARE))


@dataclass(slots=True)
class Limit:
    """A bound that words set. `kind` money or time; `micros` of `currency` or microseconds; tokens `first` to `end`."""

    kind: str
    micros: int | None
    currency: str
    scope: str | None
    at: int
    first: int
    end: int
    minimum: bool = False
    soft: bool = False
    about: bool = False
    bounded: bool = False
    hard: bool = False
    first_token: bool = False
    vague: bool = False
    invalid: bool = False
    stands: bool = True
    scope_first: int = -1
    scope_end: int = -1
