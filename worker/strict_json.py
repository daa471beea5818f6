"""The one JSON reader of both hosts: RFC 8259 without what two readers could read differently.

It refuses bytes that are not UTF-8, a byte order mark, NaN and Infinity, numbers that overflow a float, duplicate keys
at any depth and lone surrogates; and what would cost too much: too many bytes, too deep nesting, too long numbers. It
knows nothing about what the values mean.

The standard library's scanner does the reading, because it is compiled; but its messages, limits and recursion differ
between Python versions, so it is only asked yes or no. After a no, `worker.json_fault` finds what is wrong and where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from json.decoder import scanstring  # type: ignore[attr-defined]  # public in every Python, absent from the stubs
from typing import Any, Final, NamedTuple, cast

from worker.errors import MalformedRequest, RequestTooLarge
from worker.json_fault import PAIRED_ESCAPES, find_fault

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
DecimalJsonValue = None | bool | int | Decimal | str | list["DecimalJsonValue"] | dict[str, "DecimalJsonValue"]

# The scanner calls itself for every level, and some hosts have little stack; Python refuses to convert very long
# integers, from 640 digits on if told to.
_DEPTH_CEILING: Final = 200
_INT_DIGITS_CEILING: Final = 640
_DECIMAL_EXPONENT_CEILING: Final = 400
_INFINITY: Final = float("inf")
_KEY_AND_COLON: Final = re.compile(r'[ \t\n\r]*+("(?:[^"\\\x00-\x1f]++|\\.)*+")[ \t\n\r]*+:[ \t\n\r]*+').match
# What may stand before a comma or a colon, whole strings among it, and that sign itself.
_TO_NEXT_SIGN: Final = re.compile(rb'(?:[^",:]++|"(?:[^"\\]++|\\.)*+")*+[,:]').match
_SKIP_SPACE: Final = re.compile(r"[ \t\n\r]*+").match
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_OPENS: Final = bytes(byte in b"[{" for byte in range(256))
# None where the scanner is written in Python, which reads escapes and digits less strictly than the compiled one.
_COMPILED_SCANNER: Final = getattr(json.decoder, "c_scanstring", None)


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """What a text may cost: bytes of UTF-8, levels of nesting, digits of an integer, characters of other numbers.

    max_members: commas and colons outside strings, which is about twice the members of objects and once those of lists.
    """

    max_bytes: int = 10 * 1024 * 1024
    max_members: int = 1_000_000
    max_depth: int = 64
    max_int_digits: int = 40
    max_float_chars: int = 400

    def __post_init__(self) -> None:
        """Raises: ValueError for a limit under which the reader could not keep its promises."""
        if not (1 <= self.max_depth <= _DEPTH_CEILING and 1 <= self.max_int_digits <= _INT_DIGITS_CEILING):
            raise ValueError(f"max_depth is 1 to {_DEPTH_CEILING}, max_int_digits 1 to {_INT_DIGITS_CEILING}")


DEFAULT_LIMITS: Final = JsonLimits()


@dataclass(frozen=True, slots=True, repr=False)
class JsonObject:
    """A read object that can be written again with single members replaced and the others untouched.

    values: its members in order. raw: the exact source text of every member's value. quoted: of every member's key.
    """

    values: dict[str, JsonValue]
    raw: dict[str, str]
    quoted: dict[str, str]

    def with_members(self, replace: Mapping[str, str | None]) -> bytes:
        """The object as JSON bytes, the members in `replace` given a new value.

        replace: JSON text for every key, trusted to be valid; None removes the member; new keys are appended in order.
        """
        parts = []
        for key, quoted in self.quoted.items():
            text = replace[key] if key in replace else self.raw[key]
            if text is not None:
                parts.append(f"{quoted}:{text}")
        for key, text in replace.items():
            if key not in self.quoted and text is not None:
                parts.append(f"{json.dumps(key)}:{text}")
        return ("{" + ",".join(parts) + "}").encode()


def parse_json(data: bytes | str, limits: JsonLimits = DEFAULT_LIMITS) -> JsonValue:
    """The value of a JSON text (RFC 8259, strictly). Raises: MalformedRequest, RequestTooLarge."""
    text = _admitted_text(data, limits)
    scanner = _scanner(limits.max_int_digits, limits.max_float_chars, False)
    return cast(JsonValue, _read(text, limits, scanner))


def parse_decimal_json(text: str, limits: JsonLimits = DEFAULT_LIMITS) -> DecimalJsonValue:
    """As `parse_json`, but a number with a fraction or an exponent is an exact Decimal: the reader for money.

    Raises: MalformedRequest, RequestTooLarge.
    """
    text = _admitted_text(text, limits)
    scanner = _scanner(limits.max_int_digits, limits.max_float_chars, True)
    return cast(DecimalJsonValue, _read(text, limits, scanner))


def parse_object(data: bytes, limits: JsonLimits = DEFAULT_LIMITS) -> JsonObject:
    """The object a JSON text is, with the source text of its members. Raises: MalformedRequest, RequestTooLarge."""
    text = _admitted_text(data, limits)
    scanner = _scanner(limits.max_int_digits, limits.max_float_chars, False)
    try:
        _refuse_unreadable(text, limits.max_depth)
        return _read_members(text, scanner.scan)
    except (ValueError, IndexError, StopIteration):
        raise _malformed(text, limits, scanner) from None


class _Refused(ValueError):
    """A number, constant, key or nesting we refuse; its text may be shown."""


class _Scanner(NamedTuple):
    """The compiled scanner with our rules hooked in, and the rules for numbers."""

    scan: Callable[[str, int], tuple[Any, int]]
    parse_int: Callable[[str], object]
    parse_float: Callable[[str], object]


@lru_cache(maxsize=16)
def _scanner(max_int_digits: int, max_float_chars: int, decimal: bool) -> _Scanner:
    # The scanner written in Python takes any Unicode digit for a digit, hence isascii.
    def parse_int(text: str) -> int:
        if (len(text) > max_int_digits and len(text.lstrip("-")) > max_int_digits) or not text.isascii():
            raise _Refused(f"an integer of more than {max_int_digits} digits")
        return int(text)

    def parse_float(text: str) -> float:
        if len(text) > max_float_chars or not text.isascii():
            raise _Refused(f"a number of more than {max_float_chars} characters")
        value = float(text)
        if value in (_INFINITY, -_INFINITY):
            raise _Refused("a number out of range")
        return value

    def parse_decimal(text: str) -> Decimal:
        parse_float(text)
        value = Decimal(text)
        if abs(value.adjusted()) > _DECIMAL_EXPONENT_CEILING:
            raise _Refused("a number out of range")
        return value

    parse_real = parse_decimal if decimal else parse_float
    decoder = json.JSONDecoder(
        object_pairs_hook=_object_of, parse_int=parse_int, parse_float=parse_real, parse_constant=_refuse_constant
    )
    scan = decoder.scan_once  # type: ignore[attr-defined]  # absent from the stubs
    return _Scanner(scan, parse_int, parse_real)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("a duplicate key")
    return members


def _refuse_constant(_name: str) -> object:
    raise _Refused("NaN and Infinity are not JSON")


def _admitted_text(data: bytes | str, limits: JsonLimits) -> str:
    """The text of `data`, once it is known to be small enough and Unicode."""
    try:
        encoded = data.encode() if isinstance(data, str) else data
        if len(encoded) > limits.max_bytes:
            raise RequestTooLarge(f"the text has more than {limits.max_bytes} bytes")
        if len(encoded) > limits.max_members and _has_more_signs(encoded, limits.max_members):
            raise RequestTooLarge(f"the text has more than {limits.max_members} commas and colons outside strings")
        return data if isinstance(data, str) else data.decode()
    except UnicodeEncodeError as error:
        raise MalformedRequest(f"not valid JSON: half of a surrogate pair at character {error.start}") from None
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"not UTF-8: an invalid sequence at byte {error.start}") from None


def _has_more_signs(data: bytes, most: int) -> bool:
    """Whether more than `most` commas and colons stand outside strings: the scanner's time goes with them.

    Up to the first fault at least; what comes after it is read by nobody.
    """
    if data.count(b",") + data.count(b":") <= most:
        return False
    at = 0
    for _ in range(most + 1):
        found = _TO_NEXT_SIGN(data, at)
        if found is None:
            return False
        at = found.end()
    return True


def _read(text: str, limits: JsonLimits, scanner: _Scanner) -> object:
    try:
        _refuse_unreadable(text, limits.max_depth)
        value, end = scanner.scan(text, _after_space(text, 0))
        if _after_space(text, end) != len(text):
            raise _Refused("more than one value")
    except (ValueError, IndexError, StopIteration):
        raise _malformed(text, limits, scanner) from None
    return value


def _malformed(text: str, limits: JsonLimits, scanner: _Scanner) -> MalformedRequest:
    fault = find_fault(text, limits.max_depth, scanner.parse_int, scanner.parse_float)
    if fault is None:
        return MalformedRequest(f"a JSON object is expected at character {_after_space(text, 0)}")
    return MalformedRequest(f"not valid JSON: {fault}")


def _refuse_unreadable(text: str, max_depth: int) -> None:
    """Raise _Refused for what the scanner must not see, or would let pass: deep nesting, broken surrogate pairs."""
    if text.count("[") + text.count("{") > max_depth and _depth(text) > max_depth:
        raise _Refused("nesting too deep")
    surrogates = "\\ud" in text or "\\uD" in text
    if (surrogates or (_COMPILED_SCANNER is None and "\\u" in text)) and PAIRED_ESCAPES.fullmatch(text) is None:
        raise _Refused("half of a surrogate pair")


def _depth(text: str) -> int:
    """The greatest depth of brackets outside strings: exact up to the first fault, as far as the scanner would get."""
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")  # what is left of quotes now opens or closes a string
    outside = "".join(text.split('"')[::2])
    depth = deepest = 0
    for opens in outside.encode().translate(_OPENS, _NOT_BRACKETS):
        if opens:
            depth += 1
            if depth > deepest:
                deepest = depth
        else:
            depth -= 1
    return deepest


def _read_members(text: str, scan: Callable[[str, int], tuple[Any, int]]) -> JsonObject:
    """The object and its spans. Raises: ValueError, IndexError or StopIteration for anything else."""
    values: dict[str, JsonValue] = {}
    raw: dict[str, str] = {}
    quoted: dict[str, str] = {}
    at = _after_space(text, 0)
    if text[at] != "{":
        raise _Refused("not an object")
    at = _after_space(text, at + 1)
    separator = text[at]
    if separator != "}":
        separator, at = ",", at - 1
    while separator == ",":
        member = _KEY_AND_COLON(text, at + 1)
        if member is None:
            raise _Refused("not a key and a colon")
        start = member.end()
        quoted_key = member[1]
        key = scanstring(quoted_key, 1)[0] if "\\" in quoted_key else quoted_key[1:-1]
        if key in values:
            raise _Refused("a duplicate key")
        values[key], at = scan(text, start)
        raw[key] = text[start:at]
        quoted[key] = quoted_key
        separator = text[at]
        if separator in " \t\n\r":
            at = _after_space(text, at)
            separator = text[at]
    if separator != "}" or _after_space(text, at + 1) != len(text):
        raise _Refused("not the end of the object, or more after it")
    return JsonObject(values, raw, quoted)


def _after_space(text: str, at: int) -> int:
    """The index of the next character that is not white space (RFC 8259 section 2)."""
    match = _SKIP_SPACE(text, at)
    return match.end() if match else at
