"""The one byte string of a value that gets hashed: RFC 8785 (JCS), for the values Harpoon hashes.

It decides which values have a canonical form: None, booleans, integers within +-(2^53-1), strings of Unicode scalar
values, lists or tuples and string-keyed dicts of these, of exactly those types. A float has none: RFC 8785's number
format is never needed, and two hosts cannot disagree about a number nobody wrote. It computes no digest.
"""

from __future__ import annotations

from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, Final, cast

from worker.compact_json import build_encoder
from worker.errors import CanonicalError, MalformedRequest, RequestTooLarge
from worker.strict_json import JsonLimits, parse_json

CanonicalValue = (
    None | bool | int | str | list["CanonicalValue"] | tuple["CanonicalValue", ...] | dict[str, "CanonicalValue"]
)

MAX_INT: Final = (1 << 53) - 1
MAX_DEPTH: Final = 64
_READ_LIMITS: Final = JsonLimits(max_bytes=1 << 30, max_depth=MAX_DEPTH)
#: The canonical form of one string, for text put together by hand; its encoding refuses lone surrogates. Forty of them
#: are made for a request, so it is the compiled function itself.
canonical_string: Final[Callable[[str], str]] = encode_basestring
# Escapes exactly as RFC 8785 section 3.2.2.2: two-character forms, else \u00xx in lower case, all else verbatim.
_ENCODE: Final = build_encoder(sort_keys=True, ensure_ascii=False)
_ENCODE_ORDERED: Final = build_encoder(ensure_ascii=False)


def canonical_json(value: object) -> bytes:
    """The canonical bytes of `value` (RFC 8785), its object keys in the order of their UTF-16 code units.

    Raises: CanonicalError for any other type, a larger integer, a lone surrogate, or nesting beyond MAX_DEPTH.
    """
    # Code points and UTF-16 code units sort ASCII alike, so only other keys need an ordering of our own.
    encode = _ENCODE
    if not _has_ascii_keys((value,), 0):
        encode, value = _ENCODE_ORDERED, _utf16_ordered(value)
    try:
        return encode(value).encode()
    except UnicodeEncodeError:
        raise CanonicalError("a lone surrogate has no canonical form") from None


def parse_canonical(data: bytes) -> CanonicalValue:
    """The value whose canonical form is `data`; the inverse of `canonical_json` (tuples come back as lists).

    Raises: CanonicalError unless the bytes are exactly the canonical form of their value.
    """
    try:
        value = parse_json(data, _READ_LIMITS)
    except (MalformedRequest, RequestTooLarge) as error:
        raise CanonicalError(f"not canonical JSON: {error.message}") from None
    if canonical_json(value) != data:
        raise CanonicalError("these bytes are not the canonical form of their value")
    return cast(CanonicalValue, value)


def _has_ascii_keys(container: Any, depth: int) -> bool:
    """Refuse what has no canonical form; whether every key inside a list, tuple or dict at `depth` is ASCII."""
    if depth > MAX_DEPTH:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH} levels")
    ascii_keys = True
    if type(container) is dict:
        for key in container:
            if type(key) is not str:
                raise CanonicalError(f"an object key must be a string, not {type(key).__name__}")
            if not key.isascii():
                ascii_keys = False
        container = container.values()
    for item in container:
        kind = type(item)
        if kind is int:
            if not -MAX_INT <= item <= MAX_INT:
                raise CanonicalError("an integer beyond 2^53-1 has no canonical form")
        elif kind is list or kind is dict or kind is tuple:
            if not _has_ascii_keys(item, depth + 1):
                ascii_keys = False
        elif kind is not str and item is not None and kind is not bool:
            raise CanonicalError(f"{kind.__name__} has no canonical form")
    return ascii_keys


def _utf16_ordered(value: object) -> object:
    """The checked `value` with the members of every object in the order of their keys' UTF-16 code units."""
    if isinstance(value, dict):
        return {key: _utf16_ordered(value[key]) for key in sorted(value, key=_utf16_code_units)}
    if isinstance(value, list | tuple):
        return [_utf16_ordered(item) for item in value]
    return value


def _utf16_code_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
