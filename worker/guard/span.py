"""A finding: what kind of thing stands where in a text. Every finder yields these, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

PRIVATE_KEY, TOKEN, KEY, SECRET = "private_key", "token", "key", "secret"
EMAIL, IBAN, CARD, ID, PHONE, IP = "email", "iban", "card", "id", "phone", "ip"

#: The kinds, from the one that says most to the one that says least: of findings that overlap the first one counts.
KINDS: Final = (PRIVATE_KEY, TOKEN, KEY, SECRET, EMAIL, IBAN, CARD, ID, PHONE, IP)
#: What identifies a person, and what opens a door.
PERSONAL: Final = frozenset({EMAIL, IBAN, CARD, ID, PHONE, IP})
CREDENTIALS: Final = frozenset({PRIVATE_KEY, TOKEN, KEY, SECRET})


class Span(NamedTuple):
    """`text[start:end]` is of this kind."""

    kind: str
    start: int
    end: int


Finder = Callable[[str], Iterator[Span]]


def ascii_digits(text: str) -> str:
    """The digits 0 to 9 of a text, without what stands between them."""
    return "".join([character for character in text if "0" <= character <= "9"])
