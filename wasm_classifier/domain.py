"""Which of fourteen subjects a text is about: the largest of fourteen sums over its different known words.

`domain_table.py` holds a weight from 0 to 15 of each word for each domain. The sums are taken in one integer of
fourteen lanes of LANE_BITS bits, the first domain in the highest: a text's window has too few words to overflow one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wasm_classifier import domain_table

#: The categories of MMLU-Pro, in the order of their names.
DOMAINS: Final = (
    "biology",
    "business",
    "chemistry",
    "computer science",
    "economics",
    "engineering",
    "health",
    "history",
    "law",
    "math",
    "other",
    "philosophy",
    "physics",
    "psychology",
)
OTHER: Final = DOMAINS.index("other")
#: Fewer different known words than this tell nothing: the text is of the domain "other".
KNOWN_WORDS_LEAST: Final = 2
LANE_BITS: Final = 24

_LANE_DIGITS: Final = LANE_BITS // 4
_SPREAD: Final = domain_table.DIGITS.translate(
    {ord(digit): "0" * (_LANE_DIGITS - 1) + digit for digit in "0123456789abcdef"}
)
_ROW: Final = len(DOMAINS) * _LANE_DIGITS
_LANES: Final = {
    word: int(_SPREAD[place * _ROW : (place + 1) * _ROW], 16)
    for place, word in enumerate(domain_table.WORDS.encode("ascii").split())
}


def domain_index(words: Iterable[bytes]) -> int:
    """The place in DOMAINS of the domain of a text's words; of equal sums the first.

    Args:
        words: the words of the text, folded; a repeated one counts once.
    """
    known = _LANES.keys() & set(words)
    if len(known) < KNOWN_WORDS_LEAST:
        return OTHER
    sums = sum([_LANES[word] for word in known])
    lanes = [sums >> LANE_BITS * lane & (1 << LANE_BITS) - 1 for lane in range(len(DOMAINS) - 1, -1, -1)]
    return lanes.index(max(lanes))
