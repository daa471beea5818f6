"""Puts placeholders such as [EMAIL_1] in the place of what was found in a JSON body, and keeps what they stand for.

The same text has the same placeholder wherever it stands in a request, so that a model can still tell two addresses
apart. Numbers that the request itself uses in such brackets are left out: what a caller wrote is never taken for ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worker.errors import HarpoonError
from worker.guard.finding import LABELS, find_all
from worker.guard.span import KINDS
from worker.strict_json import JsonObject, parse_json

#: As many are given out in one request; what is found beyond them makes the request one that can't be redacted.
MAX_PLACEHOLDERS: Final = 99_999
_PLACEHOLDER: Final = re.compile(r"\[(?:" + "|".join(LABELS.values()) + r")_([0-9]{1,9})\]", re.ASCII)
#: The longest there can be: the longest kind and the largest number.
PLACEHOLDER_CHARACTERS: Final = max(map(len, LABELS.values())) + len(str(MAX_PLACEHOLDERS)) + 3
_PLAIN_NAME: Final = re.compile("[A-Za-z_]{1,64}", re.ASCII).fullmatch
#: Members whose strings are names that both sides know, such as a role or the id of a call: no prose stands in them.
_NAMES: Final = frozenset(
    {"role", "type", "id", "tool_call_id", "call_id", "model", "detail", "format", "finish_reason"}
)

#: Strings that hold JSON text, where what stands for something else has to be escaped.
JSON_TEXTS: Final = frozenset({"arguments"})
#: Members whose own members the caller names as it likes: an `id` in them may hold anything.
_OF_THE_CALLER: Final = JSON_TEXTS | {"metadata", "variables"}


class NotRedactable(Exception):
    """Something in the body can't be replaced, or not all of it can be looked at. The message says what, not which."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A redacted body, what its placeholders stand for, and how many texts of each kind were replaced (`email:2`)."""

    body: JsonObject = field(repr=False)
    originals: Mapping[str, str] = field(repr=False)
    counts: tuple[str, ...]


def redact_body(body: JsonObject, members: Iterable[str], max_characters: int) -> Redaction:
    """The body with placeholders in these members, and everything else untouched.

    Args: members: of the body, as far as they are there. max_characters: of all their strings together; no more is
    looked at. Raises: NotRedactable, for a longer body, or where a member's name is what would have to be replaced.
    """
    chosen = [member for member in members if member in body.values]
    table = _Table(max_characters)
    for member in chosen:
        table.reserve(body.values[member])
    values, raw = dict(body.values), dict(body.raw)
    for member in chosen:
        before = len(table.replaced)
        changed = table.redact(values[member], member)
        if len(table.replaced) != before:
            values[member] = changed
            raw[member] = json.dumps(changed, ensure_ascii=False, separators=(",", ":"))
    counts: dict[str, int] = {}
    for kind in table.replaced:
        counts[kind] = counts.get(kind, 0) + 1
    told = tuple(f"{kind}:{counts[kind]}" for kind in KINDS if kind in counts)
    if not table.replaced:
        return Redaction(body, {}, ())
    return Redaction(JsonObject(values, raw, dict(body.quoted)), dict(table.originals), told)


class _Table:
    """The placeholders of one request. `replaced`: the kind of every text replaced, once for each place."""

    def __init__(self, max_characters: int) -> None:
        self.originals: dict[str, str] = {}
        self.replaced: list[str] = []
        self._left = max_characters
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def reserve(self, value: Any) -> None:
        """Keep clear of every placeholder that the caller wrote. Raises: NotRedactable for too much text."""
        for text in _strings(value):
            self._left -= len(text)
            if self._left < 0:
                raise NotRedactable("the request has more text than is looked through")
            if "[" in text:
                self._taken.update([found[0] for found in _PLACEHOLDER.finditer(text)])

    def redact(self, value: Any, name: str, *, names_are_ours: bool = True) -> Any:
        """The value with every string redacted. Raises: NotRedactable."""
        names_are_ours = names_are_ours and name not in _OF_THE_CALLER
        if isinstance(value, str):
            if name in JSON_TEXTS:
                return self._redacted_json(value)
            return value if names_are_ours and name in _NAMES else self._redacted(value)
        if isinstance(value, list):
            return [self.redact(item, name, names_are_ours=names_are_ours) for item in value]
        if isinstance(value, dict):
            if any(_PLAIN_NAME(key) is None and find_all(key) for key in value):
                raise NotRedactable("the name of a member is what would have to be replaced")
            return {key: self.redact(item, key, names_are_ours=names_are_ours) for key, item in value.items()}
        return value

    def _redacted_json(self, text: str) -> str:
        """JSON text with the strings in it redacted: it stays JSON, and no escape is taken for a part of an address."""
        try:
            value = parse_json(text)
        except HarpoonError:
            return self._redacted(text)
        before = len(self.replaced)
        changed = self.redact(value, "", names_are_ours=False)
        if len(self.replaced) == before:
            return text
        return json.dumps(changed, ensure_ascii=False, separators=(",", ":"))

    def _redacted(self, text: str) -> str:
        parts, at = [], 0
        for kind, start, end in find_all(text):
            parts += [text[at:start], self._placeholder(kind, text[start:end])]
            at = end
        return "".join([*parts, text[at:]]) if parts else text

    def _placeholder(self, kind: str, original: str) -> str:
        self.replaced.append(kind)
        known = self._given.get((kind, original))
        if known is not None:
            return known
        number = self._last.get(kind, 0)
        while True:
            number += 1
            placeholder = f"[{LABELS[kind]}_{number}]"
            if placeholder not in self._taken:
                break
        if number > MAX_PLACEHOLDERS:
            raise NotRedactable("the request has more to replace than there are placeholders")
        self._last[kind] = number
        self._given[kind, original] = placeholder
        self.originals[placeholder] = original
        return placeholder


def _strings(value: Any) -> Iterable[str]:
    """Every string in a JSON value, members' names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
