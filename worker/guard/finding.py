"""All that is found in one text, in order and without overlaps."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Final

from worker.guard.span import CARD, EMAIL, IBAN, ID, IP, KEY, KINDS, PHONE, PRIVATE_KEY, SECRET, TOKEN, Finder, Span

#: Escapes of JSON and of programs: in `\\nbob@example.com` the n is no part of the address, nor does it hide a number.
_ESCAPES: Final = re.compile(r"\\(?:[\\nrtbf]|u[0-9A-Fa-f]{4})", re.ASCII)
_CAPITALS: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
#: The kinds as placeholders write them.
LABELS: Final = dict(zip(KINDS, " ".join(KINDS).translate(_CAPITALS).split(), strict=True))
_RANK: Final = {kind: rank for rank, kind in enumerate(KINDS)}


@cache
def finders() -> dict[str, Finder]:
    """What finds each kind: imported when a text is first looked at, because their patterns take a while to compile."""
    from worker.guard.contacts import find_emails, find_ip_addresses, find_phones
    from worker.guard.credentials import find_keys, find_private_keys, find_secrets, find_tokens
    from worker.guard.numbers import find_cards, find_ibans, find_national_ids

    return {
        PRIVATE_KEY: find_private_keys,
        TOKEN: find_tokens,
        KEY: find_keys,
        SECRET: find_secrets,
        EMAIL: find_emails,
        IBAN: find_ibans,
        CARD: find_cards,
        ID: find_national_ids,
        PHONE: find_phones,
        IP: find_ip_addresses,
    }


def find_all(text: str, kinds: Collection[str] = KINDS) -> list[Span]:
    """What of these kinds a text holds, from left to right.

    Findings that overlap become one that covers them all, of the kind that says most: nothing of any stays uncovered.
    """
    if "\\" in text:
        text = _ESCAPES.sub(lambda escape: "\n" * len(escape[0]), text)
    found = sorted([span for kind in kinds for span in finders()[kind](text)], key=lambda span: span.start)
    merged: list[Span] = []
    for span in found:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            kind = min(last.kind, span.kind, key=_RANK.__getitem__)
            merged[-1] = Span(kind, last.start, max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def mask(text: str, kinds: Collection[str] = KINDS) -> str:
    """The text with `[EMAIL]`, `[CARD]` and so on in the place of what was found; for texts that nobody restores."""
    parts, at = [], 0
    for kind, start, end in find_all(text, kinds):
        parts += [text[at:start], f"[{LABELS[kind]}]"]
        at = end
    return "".join([*parts, text[at:]]) if parts else text
