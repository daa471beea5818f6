"""Reads what the panels answer, in every shape they are known to use, into plain checked values.

Lists come bare or in one of several wrappers, ids as numbers or digits, amounts as numbers or text, and a success may
be an empty body or a word. Everything that can't be read is one exception: Unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.hostedai.errors import Unreadable

#: What lists were seen in. `null` is an empty list.
WRAPPERS: Final = (
    "items",
    "data",
    "services",
    "workspaces",
    "roles",
    "members",
    "scenarios",
    "metrics",
    "regions",
    "pools",
    "subscriptions",
    "instances",
)
MAX_INTEGER: Final = 2**53 - 1
_MICROS: Final = Decimal(1_000_000)
_MOST_USD_MICROS: Final = Decimal(10**15)

Row = Mapping[str, Any]


def read_body(body: bytes) -> Any:
    """A success's body: JSON with numbers that have a fraction kept as text; empty and plain words are `{}`.

    Raises: Unreadable for what begins like JSON and isn't, or nests too deep.
    """
    text = body.decode("utf-8", "replace").strip().removeprefix("\ufeff")
    if not text:
        return {}
    try:
        return json.loads(text, parse_float=str, parse_constant=_no_constant, parse_int=_whole_number)
    except (ValueError, RecursionError) as problem:
        if text[0] in '{["-0123456789':
            raise Unreadable("hosted.ai answered JSON that can't be read") from problem
        if "<" in text[:1]:
            raise Unreadable("hosted.ai answered a page instead of JSON") from problem
        return {}


def read_error(body: bytes) -> tuple[Any, str]:
    """A refusal's body: its JSON, None if it is none, and its text."""
    text = body.decode("utf-8", "replace").strip()
    try:
        return read_body(body), text
    except Unreadable:
        return None, text


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _whole_number(digits: str) -> Any:
    return int(digits) if len(digits) < 17 else digits


def rows_of(value: Any, *names: str) -> list[Row]:
    """The objects of a list, in whichever wrapper it came. Args: names: further wrappers. Raises: Unreadable."""
    if value is None or value == {}:
        return []
    if isinstance(value, Mapping):
        for name in (*names, *WRAPPERS):
            if name in value:
                inner = value[name]
                return rows_of(inner, *names) if isinstance(inner, Mapping) else _objects(inner)
        raise Unreadable("hosted.ai answered an object where a list was expected")
    return _objects(value)


def _objects(value: Any) -> list[Row]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable("hosted.ai answered something else where a list was expected")
    return [row for row in value if isinstance(row, Mapping)]


def object_of(value: Any, *names: str) -> Row:
    """One object, bare, within one of `names`, or as a list's only member. Raises: Unreadable."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping):
        raise Unreadable("hosted.ai answered something else where an object was expected")
    for name in names:
        if isinstance(value.get(name), Mapping):
            return value[name]  # type: ignore[no-any-return]
    return value


def find(row: Row, *names: str) -> Any:
    """The first of `names` that the row has a value for, else None."""
    for name in names:
        if row.get(name) is not None:
            return row[name]
    return None


def identity(value: Any) -> int:
    """A number that names something, given as a number or as its digits. Raises: Unreadable."""
    found = number(value)
    if found is None or not 0 < found <= MAX_INTEGER:
        raise Unreadable("hosted.ai answered an id that is no number")
    return found


def number(value: Any) -> int | None:
    """A whole number however it is written (3, "3", "3.0"), None if there is none. Raises: Unreadable."""
    exact = _decimal(value)
    if exact is None:
        return None
    if exact != exact.to_integral_value():
        raise Unreadable("hosted.ai answered a fraction where a whole number was expected")
    return int(exact)


def usd_micros(value: Any) -> int | None:
    """An amount in micro-dollars, half up; None if there is none. Raises: Unreadable."""
    exact = _decimal(value)
    if exact is None:
        return None
    micros = exact * _MICROS
    if abs(micros) > _MOST_USD_MICROS:
        raise Unreadable("hosted.ai answered an amount out of range")
    return int((micros.copy_abs() + Decimal("0.5")) // 1) * (-1 if micros < 0 else 1)


def micros_of_hours(value: Any) -> int | None:
    """Hours with a fraction in microseconds, half up; None if there are none. Raises: Unreadable."""
    exact = _decimal(value)
    return None if exact is None else int((exact * 3_600_000_000 + Decimal("0.5")) // 1)


def _decimal(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool) or value == "":
        return None
    if not isinstance(value, int | str) or len(str(value)) > 40:
        raise Unreadable("hosted.ai answered something else where a number was expected")
    try:
        exact = Decimal(str(value).strip().removeprefix("$").replace(",", "") or "0")
    except InvalidOperation as problem:
        raise Unreadable("hosted.ai answered something else where a number was expected") from problem
    if not exact.is_finite() or exact.adjusted() > 18:
        raise Unreadable("hosted.ai answered a number out of range")
    return exact


def text(value: Any) -> str:
    """A text or a number as text; anything else is empty."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
