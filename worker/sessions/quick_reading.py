"""The quick way to read events that have nothing unusual about them; it says nothing about the others.

`worker.sessions.reading` is the rule. What is read here comes out exactly as it does there, which a test holds
it to; whatever this isn't sure of, above all anything that is to be refused, it leaves to it by answering None.

Three things make it quick. The compiled scanner builds the objects by itself: that no name is there twice is seen from
the number of colons outside strings, which is that of all names. Fields of the full form are checked in one function.
And metadata without Decimals is written by the compiled encoder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from worker.compact_json import build_encoder
from worker.ledger.canonical import MAX_INT
from worker.sessions.completed import MAX_DEPTH, SessionCompleted
from worker.sessions.event import EVENT_TYPE
from worker.sessions.fields import (
    END_US,
    EVENT_ID,
    MAX_COST_USD,
    MAX_DIGITS,
    MAX_ID_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    MOMENT,
    OUTCOMES,
    SCHEMA_VERSION,
    SESSION_TYPES,
    TIERS,
    WrongValue,
    exact_number,
)

#: Longer texts go the other way, which counts what they would cost first.
MAX_QUICK_BYTES: Final = 1_000_000
#: Levels of a text that are let through: the scanner calls itself for each.
_MOST_LEVELS: Final = 24
_IS_EVENT_ID: Final = re.compile(EVENT_ID[1:-1]).fullmatch
_IS_MOMENT: Final = re.compile(MOMENT[1:-1]).fullmatch
_LONG_NUMBER: Final = re.compile("[0-9]{16}").search
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION_SLACK_US: Final = 1_000
_MAX_METADATA: Final = 512 * 1024
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SORTED: Final = build_encoder(sort_keys=True, ensure_ascii=False)
_TOP: Final = frozenset(
    ("schema_version", "event_type", "event_id", "timestamp", "session", "user", "usage", "outcome", "metadata")
)
_SESSION: Final = frozenset(("session_id", "session_type", "start_time", "end_time", "duration_ms"))
_USER: Final = frozenset(("user_id", "organization_id", "tier"))
_USAGE: Final = frozenset(("input_tokens", "output_tokens", "total_tokens", "model", "estimated_cost_usd"))
_OUTCOME: Final = frozenset(("status", "final_message", "error_code", "error_message"))
_TYPES, _TIERS, _STATUSES = frozenset(SESSION_TYPES), frozenset(TIERS), frozenset(OUTCOMES)


class _Unusual(Exception):
    """Something that the other way has to look at."""


class Scanned(NamedTuple):
    """A value as the compiled scanner read it, and how many names its text has. Valid only if they are all there."""

    value: Any
    names: int


def scan(text: str) -> Scanned | None:
    """The value of a JSON text, if it can be told quickly. Names that are there twice are not noticed here."""
    if len(text) > MAX_QUICK_BYTES or "\\ud" in text or "\\uD" in text or _SCAN is None:
        return None
    plain = text.replace("\\\\", "").replace('\\"', "") if "\\" in text else text
    outside = "".join(plain.split('"')[::2])
    if not outside.isascii() or not _is_shallow(outside):
        return None
    start = 0 if text[:1] in ("[", "{") else len(text) - len(text.lstrip(" \t\n\r"))
    try:
        value, end = _SCAN(text, start)
    except (ValueError, StopIteration, RecursionError, ArithmeticError, _Unusual):
        return None
    return Scanned(value, outside.count(":")) if not text[end:].strip(" \t\n\r") else None


def count_names(value: object) -> int:
    """How many members all objects within a value have."""
    if isinstance(value, dict):
        return len(value) + sum([count_names(one) for one in value.values() if isinstance(one, dict | list)])
    if isinstance(value, list):
        return sum([count_names(one) for one in value if isinstance(one, dict | list)])
    return 0


def read_full(plain: Any, now_us: int, new_id: Callable[[], str]) -> tuple[SessionCompleted, int] | None:
    """An event of the full form and how many names it has, if nothing about it is unusual.

    Args: plain: a value that `scan` gave.
    """
    try:
        return _full(plain, now_us, new_id)
    except (_Unusual, KeyError, WrongValue):
        return None


def _full(plain: dict[str, Any], now_us: int, new_id: Callable[[], str]) -> tuple[SessionCompleted, int]:
    session, user, usage, outcome = plain["session"], plain["user"], plain["usage"], plain["outcome"]
    names = len(plain)
    if type(outcome) is str:
        outcome, names = {"status": outcome}, names - 1
    for members, known in ((plain, _TOP), (session, _SESSION), (user, _USER), (usage, _USAGE), (outcome, _OUTCOME)):
        if type(members) is not dict or not members.keys() <= known:
            raise _Unusual
    if plain.get("event_type", EVENT_TYPE) != EVENT_TYPE:
        raise _Unusual
    version = plain.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or version != SCHEMA_VERSION:
        raise _Unusual
    event_id = plain.get("event_id")
    if "event_id" in plain and (type(event_id) is not str or _IS_EVENT_ID(event_id) is None):
        raise _Unusual
    timestamp_us = _moment_us(plain["timestamp"]) if "timestamp" in plain else now_us
    start_us, end_us = _moment_us(session["start_time"]), _moment_us(session["end_time"])
    if end_us < start_us:
        raise _Unusual
    tier = user.get("tier")
    metadata, more_names = _metadata(plain.get("metadata"))
    read, written = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    event = SessionCompleted(
        event_id or new_id(),
        timestamp_us,
        _name(session["session_id"]),
        _word(session["session_type"], _TYPES),
        start_us,
        end_us,
        _duration_ms(session, end_us - start_us),
        _name(user["user_id"]),
        _name(user["organization_id"]),
        None if tier is None else _word(tier, _TIERS),
        read,
        written,
        _total(usage, read, written),
        _name(usage["model"]) if "model" in usage else None,
        _cost(usage.get("estimated_cost_usd")),
        _word(outcome["status"], _STATUSES),
        _message(outcome.get("final_message"), MAX_MESSAGE_CHARACTERS),
        _message(outcome.get("error_code"), MAX_ID_CHARACTERS),
        _message(outcome.get("error_message"), MAX_MESSAGE_CHARACTERS),
        metadata,
    )
    return event, names + len(session) + len(user) + len(usage) + len(outcome) + more_names


def _word(value: object, words: frozenset[str]) -> str:
    if type(value) is not str or value not in words:
        raise _Unusual
    return value


def _name(value: object) -> str:
    if type(value) is not str or not 1 <= len(value) <= MAX_ID_CHARACTERS:
        raise _Unusual
    return value


def _message(value: object, most: int) -> str | None:
    if value is not None and (type(value) is not str or len(value) > most):
        raise _Unusual
    return value


def _count(usage: dict[str, Any], name: str) -> int | None:
    if name not in usage:
        return None
    value = usage[name]
    if type(value) is not int or not 0 <= value <= MAX_INT:
        raise _Unusual
    return value


def _total(usage: dict[str, Any], read: int | None, written: int | None) -> int:
    given = _count(usage, "total_tokens")
    if read is not None and written is not None:
        total = read + written
        if total > MAX_INT or (given is not None and given != total):
            raise _Unusual
        return total
    if given is None or (read or written or 0) > given:
        raise _Unusual
    return given


def _cost(value: object) -> int | Decimal | None:
    if value is None:
        return None
    number = _number(value)
    if not 0 <= number <= MAX_COST_USD:
        raise _Unusual
    return number


def _number(value: object) -> int | Decimal:
    """As `exact_number`, which has little to do where a fraction has no zero at its end."""
    if type(value) is Decimal:
        text = str(value)
        if len(text) <= MAX_DIGITS and text[-1] != "0" and "." in text and "E" not in text:
            return value
    return exact_number(value)


def _duration_ms(session: dict[str, Any], length_us: int) -> int | Decimal:
    if "duration_ms" not in session:
        return length_us // 1_000
    number = _number(session["duration_ms"])
    if not 0 <= number <= MAX_INT or not -_DURATION_SLACK_US <= number * 1_000 - length_us <= _DURATION_SLACK_US:
        raise _Unusual
    return number


def _moment_us(value: object) -> int:
    if type(value) is not str or _IS_MOMENT(value) is None:
        raise _Unusual
    try:
        since = datetime.fromisoformat(value) - _EPOCH
    except ValueError:
        raise _Unusual from None
    at_us = since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
    if not 0 <= at_us < END_US:
        raise _Unusual
    return at_us


def _metadata(given: object) -> tuple[str, int]:
    """The text, and how many names it has."""
    if given is None:
        return "{}", 0
    if type(given) is not dict:
        raise _Unusual
    try:
        text = _SORTED(given)
    except TypeError:
        raise _Unusual from None  # a Decimal in it
    objects = text.count("{")
    if (
        not text.isascii()
        or len(text) > _MAX_METADATA
        or objects + text.count("[") > MAX_DEPTH
        or _LONG_NUMBER(text) is not None
    ):
        raise _Unusual
    return text, len(given) if objects == 1 else count_names(given)


def _is_shallow(outside: str) -> bool:
    """Whether brackets nest no deeper than the scanner may go; pairs are taken away from within, level by level."""
    brackets = outside.encode().translate(None, _NOT_BRACKETS)
    for _ in range(_MOST_LEVELS):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return not brackets


def _refuse(_text: str) -> object:
    raise _Unusual


def _compiled_scan() -> Callable[[str, int], tuple[Any, int]] | None:
    """None where the scanner is written in Python, which reads less strictly than the compiled one."""
    if getattr(json.decoder, "c_scanstring", None) is None:
        return None
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse)
    scan_once: Callable[[str, int], tuple[Any, int]] = decoder.scan_once  # type: ignore[attr-defined]  # not in the stubs
    return scan_once


_SCAN: Final = _compiled_scan()
