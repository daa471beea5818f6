"""Canonical bytes: RFC 8785's own examples, what has no canonical form, and the round trip."""

from __future__ import annotations

import enum
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import CanonicalError
from worker.ledger.canonical import MAX_DEPTH, MAX_INT, canonical_json, parse_canonical


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


GOLDEN = [
    (None, b"null"),
    (True, b"true"),
    (False, b"false"),
    (0, b"0"),
    (MAX_INT, b"9007199254740991"),
    (-MAX_INT, b"-9007199254740991"),
    ("", b'""'),
    ([], b"[]"),
    ((), b"[]"),
    ({}, b"{}"),
    ([1, (2, [3])], b"[1,[2,[3]]]"),
    ({"b": 1, "a": {"d": 2, "c": [None, False]}}, b'{"a":{"c":[null,false],"d":2},"b":1}'),
    ({"a": 1, "B": 2, "": 3, "aa": 4}, b'{"":3,"B":2,"a":1,"aa":4}'),
    # RFC 8785 section 3.2.2.2: the two-character escapes, \u00xx in lower case, and everything else as it is.
    ("\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()),
    ("\b\t\n\f\r\x00\x1f\x7f\u2028", '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\u2028"'.encode()),
]


@pytest.mark.parametrize(("value", "expected"), GOLDEN)
def test_golden_forms(value: object, expected: bytes) -> None:
    assert canonical_json(value) == expected


def test_keys_sort_by_utf16_code_units_not_by_code_points() -> None:
    # The example of RFC 8785 section 3.2.3: the surrogates of an emoji sort before U+FB33.
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    names = [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]
    assert list(json.loads(canonical_json(value)).values()) == names
    # The same ordering reaches objects at any depth, under ASCII keys and inside lists.
    assert list(json.loads(canonical_json({"a": [({"x": value},)]}))["a"][0][0]["x"].values()) == names


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 1


@pytest.mark.parametrize(
    "value",
    [
        0.0,
        1.5,
        float("nan"),
        MAX_INT + 1,
        -MAX_INT - 1,
        b"bytes",
        {1, 2},
        object(),
        Colour.RED,
        Level.HIGH,
        {1: "a"},
        {None: "a"},
        {True: "a"},
        {Colour.RED: 1},
        "\ud800",
        "a\udc00b",
        {"\ud800": 1},
        {"\udfff": {"\ue000": 1}},
        nested(MAX_DEPTH + 1),
    ],
)
def test_values_without_a_canonical_form(value: object) -> None:
    for wrapped in (value, [value], {"k": (1, value)}, {"\u00e9": value}):
        with pytest.raises(CanonicalError):
            canonical_json(wrapped)


def test_a_value_inside_itself_has_no_canonical_form() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(CanonicalError, match="nested"):
        canonical_json(loop)


def test_the_deepest_value_allowed_comes_back() -> None:
    deepest = nested(MAX_DEPTH)
    assert parse_canonical(canonical_json(deepest)) == deepest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" 1",
        b"1 ",
        b"-0",
        b"1.0",
        b"1e2",
        b"0.5",
        b"01",
        b"9007199254740992",
        b"NaN",
        b"[1, 2]",
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b'"\\u0041"',
        b'"\\/"',
        b'"\\u001F"',
        b'"\\u000a"',
        b'"\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        '{"\ufb33":1,"\U0001f600":2}'.encode(),
        b"[" * 65 + b"]" * 65,
        b"null null",
    ],
)
def test_bytes_that_are_not_the_canonical_form_of_anything(data: bytes) -> None:
    with pytest.raises(CanonicalError):
        parse_canonical(data)


KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["\U0001f600", "\ufb33", "\ue000"]
)
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | KEYS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(VALUES)
def test_parsing_inverts_writing(value: object) -> None:
    data = canonical_json(value)
    assert parse_canonical(data) == value
    assert canonical_json(parse_canonical(data)) == data


@given(st.dictionaries(KEYS, st.integers(0, 9)))
def test_the_order_of_insertion_does_not_show(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@given(st.dictionaries(KEYS, st.integers(0, 9), min_size=1))
def test_any_added_white_space_is_refused(value: dict[str, int]) -> None:
    data = canonical_json(value)
    with pytest.raises(CanonicalError):
        parse_canonical(data.replace(b"{", b"{ ", 1))
