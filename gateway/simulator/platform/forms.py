"""The forms an answer may take: what a handler means, in the shapes of the platform, and the bytes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.simulator.platform.quirks import Dice
from gateway.simulator.platform.records import ApiError

#: OBJECT: as it is. LIST: of rows, which comes in several shapes. ACTION: nobody needs its body. IDENTITY: an id.
OBJECT, LIST, ACTION, IDENTITY = "object", "list", "action", "identity"
_IDS: Final = frozenset(("id", "pool_id", "subscription_id", "gpuaas_id", "cluster_id", "region_id", "Id"))
Row = dict[str, Any]


@dataclass(slots=True)
class Answer:
    """What a handler answers. Args: late_us: how much later than usual. page: what the list's own wrapper says."""

    value: Any = None
    kind: str = OBJECT
    status: int = 200
    late_us: int = 0
    page: Row | None = None
    wrapper: str = ""
    has_figures: bool = False
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Bytes to send after a time; `is_dropped`: the connection closes instead. `cookie`: to be set, "" = none."""

    status: int
    body: bytes
    delay_us: int = 0
    content_type: str = "application/json"
    is_dropped: bool = False
    cookie: str = field(repr=False, default="")


def dress(answer: Answer, dice: Dice) -> tuple[int, bytes, str]:
    """Status, body and content type of an answer, with the quirks of form that show this time."""
    if answer.is_empty:
        return answer.status, b"", "application/json"
    value = answer.value
    if answer.kind == ACTION:
        if dice.shows("empty_success"):
            return answer.status, b"", "application/json"
        if dice.shows("plain_ok"):
            return answer.status, b"OK", "text/plain"
    if answer.kind == IDENTITY and dice.shows("bare_string_ids"):
        return answer.status, encode(value["id"]), "application/json"
    if dice.shows("ids_as_strings"):
        value = _ids_as_text(value)
    if answer.has_figures and dice.shows("numbers_as_strings"):
        value = _numbers_as_text(value)
    if answer.kind == LIST:
        if not value and dice.shows("empty_lists"):
            return answer.status, (b"", b"null")[dice.one_of("empty_lists", 2)], "application/json"
        value = _wrapped(value, answer, dice)
    return answer.status, encode(value), "application/json"


def _wrapped(rows: list[Row], answer: Answer, dice: Dice) -> Any:
    usual: Any = {answer.wrapper: rows, **(answer.page or {})} if answer.wrapper else rows
    if not dice.shows("list_shapes"):
        return usual
    paged = {"data": rows, "total": len(rows), "page": 0, "limit": max(1, len(rows))}
    return (rows, {"items": rows, **(answer.page or {})}, paged)[dice.one_of("list_shapes", 3)]


def refuse(error: ApiError, dice: Dice) -> tuple[int, bytes, str]:
    """The same of a refusal: {code, message, errors}, or {error}, or plain text with the code in it."""
    plain = "application/json"
    if error.http_status == 401 and dice.shows("misleading_401"):
        return 401, encode({"error": "missing Authorization header"}), plain
    if dice.shows("error_shapes"):
        words = f"{error.code}: {error.message}" if error.code else error.message
        if dice.one_of("error_shapes", 2):
            return error.http_status, words.encode(), "text/plain"
        return error.http_status, encode({"error": words}), plain
    body = {"code": error.code or error.http_status, "message": error.message, "errors": [{"message": error.message}]}
    return error.http_status, encode(body), plain


def _ids_as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_ids_as_text(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"{inner}" if name in _IDS and isinstance(inner, int) else _ids_as_text(inner)
        for name, inner in value.items()
    }


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers_as_text(one) for one in value]
    if isinstance(value, dict):
        return {name: _numbers_as_text(inner) for name, inner in value.items()}
    return f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def dollars(usd_micros: int) -> float:
    """Micro-dollars as the number the wire has: exact to all six decimals below a billion dollars."""
    return usd_micros / 1_000_000


def encode(value: Any) -> bytes:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
