"""The strict reader: what it refuses and in which words, and that it agrees with itself on every scanner."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import strict_json
from worker.errors import HarpoonError, MalformedRequest, RequestTooLarge
from worker.json_fault import MAX_TOKENS, find_fault
from worker.strict_json import JsonLimits, parse_decimal_json, parse_json, parse_object

ROOT = Path(__file__).parents[2]

MALFORMED: list[tuple[str, str]] = [
    ("", "the text ends too early at character 0"),
    ("   ", "the text ends too early at character 3"),
    ("\ufeff{}", "a byte order mark at character 0"),
    ("{} {}", "the end of the text is expected at character 3"),
    ("1 x", "the end of the text is expected at character 2"),
    ("\u00a01", "a value is expected at character 0"),
    ("\x0c1", "a value is expected at character 0"),
    ("1\x0b", "the end of the text is expected at character 1"),
    ("[1,]", "a value is expected at character 3"),
    ("[1, ]", "a value is expected at character 4"),
    ("[,1]", "a value is expected at character 1"),
    ("[1 2]", "',' or a closing bracket is expected at character 3"),
    ("[1}", "',' or a closing bracket is expected at character 2"),
    ("[", "the text ends too early at character 1"),
    ("]", "a value is expected at character 0"),
    ('{"a":1,}', "a key is expected at character 7"),
    ('{"a":1]', "',' or a closing bracket is expected at character 6"),
    ("{,}", "a key is expected at character 1"),
    ("{1:2}", "a key is expected at character 1"),
    ("{'a':1}", "a key is expected at character 1"),
    ('{"a" 1}', "':' is expected at character 5"),
    ('{"a":}', "a value is expected at character 5"),
    ('{"a":1', "the text ends too early at character 6"),
    ('{"a"', "the text ends too early at character 4"),
    ('{"a":1,"a":2}', "a duplicate key at character 7"),
    ('[{"x":{"a":1,"\\u0061":2}}]', "a duplicate key at character 13"),
    ("NaN", "NaN or Infinity, which JSON has not, at character 0"),
    ("[Infinity]", "NaN or Infinity, which JSON has not, at character 1"),
    ('{"a":-Infinity}', "NaN or Infinity, which JSON has not, at character 5"),
    ("1e400", "a number out of range at character 0"),
    ("[0,-1e999]", "a number out of range at character 3"),
    ("01", "the end of the text is expected at character 1"),
    ("[-01]", "',' or a closing bracket is expected at character 3"),
    ("1.", "the end of the text is expected at character 1"),
    (".5", "a value is expected at character 0"),
    ("+1", "a value is expected at character 0"),
    ("-", "a value is expected at character 0"),
    ("1e", "the end of the text is expected at character 1"),
    ("0x10", "the end of the text is expected at character 1"),
    ("\u0661", "a value is expected at character 0"),
    ("1\u0661", "the end of the text is expected at character 1"),
    ("1.\u0661", "the end of the text is expected at character 1"),
    ("[1.5\u0661]", "',' or a closing bracket is expected at character 4"),
    ("1e\u0661", "the end of the text is expected at character 1"),
    ("9" * 41, "an integer of more than 40 digits at character 0"),
    ("-" + "9" * 41, "an integer of more than 40 digits at character 0"),
    ("9" * 5000, "an integer of more than 40 digits at character 0"),
    ("0." + "1" * 400, "a number of more than 400 characters at character 0"),
    ("tru", "a value is expected at character 0"),
    ("truee", "the end of the text is expected at character 4"),
    ("True", "a value is expected at character 0"),
    ("nul", "a value is expected at character 0"),
    ('"a', "an unterminated string at character 0"),
    ('"', "an unterminated string at character 0"),
    ('"a\\"', "an unterminated string at character 0"),
    ('"\\', "an invalid escape at character 1"),
    ('"\\x"', "an invalid escape at character 1"),
    ('"\\\n"', "an invalid escape at character 1"),
    ('"\\u12"', "an invalid escape at character 1"),
    ('"\\u 123"', "an invalid escape at character 1"),
    ('"\\u1_23"', "an invalid escape at character 1"),
    ('"\\u+123"', "an invalid escape at character 1"),
    ('"\\u\u0661\u0661\u0661\u0661"', "an invalid escape at character 1"),
    ('"\n"', "a control character in a string at character 1"),
    ('["a\tb"]', "a control character in a string at character 3"),
    ('"\x00"', "a control character in a string at character 1"),
    ('"\\ud800"', "half of a surrogate pair at character 1"),
    ('"\\udc00"', "half of a surrogate pair at character 1"),
    ('"\\uDBFFx"', "half of a surrogate pair at character 1"),
    ('"\\ud83d\\ud83d\\ude00"', "half of a surrogate pair at character 1"),
    ('"\\ud83d\\ude00\\ude00"', "half of a surrogate pair at character 13"),
    ('"\\\\\\ud800"', "half of a surrogate pair at character 3"),
    ('{"\\ud800":1}', "half of a surrogate pair at character 2"),
    ("[" * 65 + "]" * 65, "nesting deeper than 64 levels at character 64"),
    ('{"a":' * 65 + "1" + "}" * 65, "nesting deeper than 64 levels at character 320"),
    ("[" * 65, "nesting deeper than 64 levels at character 64"),
    ("[" * 100_000, "nesting deeper than 64 levels at character 64"),
    ("[[]," * 33 + "[" * 32, "nesting deeper than 64 levels at character 163"),
    ('["]","\\"[",' * 20 + "[" * 64, "nesting deeper than 64 levels at character 264"),
]

WELL_FORMED: list[tuple[str, object]] = [
    (" \t\r\n1 \t\r\n", 1),
    ("-0", 0),
    ("-0.0", -0.0),
    ("1e-400", 0.0),
    ("1E+2", 100.0),
    ("1.7976931348623157e308", 1.7976931348623157e308),
    ("-" + "9" * 40, -int("9" * 40)),
    ('""', ""),
    ('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"', '"\\/\b\f\n\r\t\u00e9'),
    ('"\\ud83d\\ude00 \U0001f600"', "\U0001f600 \U0001f600"),
    ('"\\uD83D\\uDE00"', "\U0001f600"),
    ('"\\\\ud800"', "\\ud800"),
    ('"\\ud7ff\\ue000\x7f\u2028\ufeff"', "\ud7ff\ue000\x7f\u2028\ufeff"),
    ("[]", []),
    ("[ ]", []),
    ("{ }", {}),
    ('{"a":{"a":[{"a":null}]}}', {"a": {"a": [{"a": None}]}}),
    ('{"":true,"b" : false }', {"": True, "b": False}),
    ("[" + "[]," * 100 + "[]]", [[]] * 101),
    ('["' + "[" * 100 + '","\\"[{"]', ["[" * 100, '"[{']),
    ('["\\\\","' + "{" * 100 + '"]', ["\\", "{" * 100]),
]


def outcome(data: bytes) -> str:
    try:
        return repr(parse_json(data))
    except HarpoonError as error:
        return f"{type(error).__name__}: {error.message}"


@pytest.mark.parametrize(("text", "fault"), MALFORMED)
def test_malformed_texts_are_refused_in_these_words(text: str, fault: str) -> None:
    for read in (lambda: parse_json(text.encode()), lambda: parse_json(text), lambda: parse_decimal_json(text)):
        with pytest.raises(MalformedRequest) as caught:
            read()
        assert caught.value.message == f"not valid JSON: {fault}"
        assert caught.value.__suppress_context__


@pytest.mark.parametrize(("text", "fault"), MALFORMED)
def test_a_malformed_member_spoils_the_object(text: str, fault: str) -> None:
    with pytest.raises(MalformedRequest):
        parse_object(text.encode())
    with pytest.raises(MalformedRequest):
        parse_object(f'{{"first":1,"second":{text}}}'.encode())


@pytest.mark.parametrize(("text", "value"), WELL_FORMED)
def test_well_formed_texts_are_read(text: str, value: object) -> None:
    assert repr(parse_json(text)) == repr(parse_json(text.encode())) == repr(value)
    read = parse_object(f'{{"k": {text} }}'.encode())
    assert repr(read.values["k"]) == repr(value)
    assert read.raw["k"] == text.strip(" \t\r\n")


def test_the_scanner_written_in_python_says_the_same() -> None:
    # A host without the compiled scanner reads escapes and digits by other rules; ours must not show it.
    texts = [text.encode().hex() for text, _ in (*MALFORMED, *WELL_FORMED)]
    script = (
        "import sys; sys.modules['_json'] = None\n"
        "import json; assert json.decoder.c_scanstring is None\n"
        "from tests.worker.test_strict_json import outcome\n"
        "print(json.dumps([outcome(bytes.fromhex(text)) for text in json.load(sys.stdin)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(texts), capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == [outcome(bytes.fromhex(text)) for text in texts]


@pytest.mark.parametrize(
    ("data", "byte"),
    [(b"\xff", 0), (b'{"a":"\xc3"}', 6), (b'"\xed\xa0\x80"', 1), (b'"\xc0\xaf"', 1), ("[1]".encode("utf-16"), 0)],
)
def test_bytes_that_are_not_utf8_are_refused(data: bytes, byte: int) -> None:
    for read in (parse_json, parse_object):
        with pytest.raises(MalformedRequest, match=f"^not UTF-8: an invalid sequence at byte {byte}$"):
            read(data)


def test_a_text_with_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(MalformedRequest, match=r"half of a surrogate pair at character 1$"):
        parse_json('"\ud800"')


@pytest.mark.parametrize("text", ["1", "[]", '"{}"', " null "])
def test_parse_object_wants_an_object(text: str) -> None:
    with pytest.raises(MalformedRequest, match=r"^a JSON object is expected at character [01]$"):
        parse_object(text.encode())


def test_size_is_counted_in_bytes_of_utf8() -> None:
    limits = JsonLimits(max_bytes=4)
    assert parse_json('"\u00e9"', limits) == "\u00e9"
    for read in (lambda: parse_json('"\u20ac"', limits), lambda: parse_object(b'{"a"', JsonLimits(max_bytes=3))):
        with pytest.raises(RequestTooLarge, match=r"more than [34] bytes"):
            read()


def test_limits_are_kept_exactly() -> None:
    assert parse_json("[[1]]", JsonLimits(max_depth=2)) == [[1]]
    assert parse_object(b'{"a":[1]}', JsonLimits(max_depth=2)).values == {"a": [1]}
    for text in ("[[[1]]]", '{"a":[{}]}'):
        with pytest.raises(MalformedRequest, match="deeper than 2 levels"):
            parse_json(text, JsonLimits(max_depth=2))
    assert parse_json("[-99,99]", JsonLimits(max_int_digits=2)) == [-99, 99]
    with pytest.raises(MalformedRequest, match="more than 2 digits at character 1"):
        parse_json("[100]", JsonLimits(max_int_digits=2))


CROWDED: list[tuple[str, int]] = [
    ("[" + "1," * 9 + "1]", 9),
    ('{"a":1,"b":2}', 3),
    ('{"a,:,":"\\",,::","b":",,,,"}', 3),
    ('[",:\\\\",1]', 1),
    ('"' + "," * 50 + '"', 0),
    ('{"é":[{"é,":"é:"},[]]}', 3),
]


@pytest.mark.parametrize(("text", "signs"), CROWDED)
def test_members_are_counted_outside_strings(text: str, signs: int) -> None:
    enough = JsonLimits(max_members=max(signs, 1))
    parse_json(text, enough)
    parse_decimal_json(text, enough)
    for read in (parse_json, parse_decimal_json, lambda text, limits: parse_object(text.encode(), limits)):
        if signs > 1:
            with pytest.raises(RequestTooLarge, match=f"more than {signs - 1} commas and colons"):
                read(text, JsonLimits(max_members=signs - 1))


@pytest.mark.parametrize("text", ['"' + "," * 50, "1" + '""' * 50 + ":" * 9 + '"\\', "," * 50 + '"'])
def test_an_unreadable_text_is_refused_however_it_is_counted(text: str) -> None:
    with pytest.raises((MalformedRequest, RequestTooLarge)):
        parse_json(text, JsonLimits(max_members=3))


@pytest.mark.parametrize(
    "limit", [{"max_depth": 0}, {"max_depth": 201}, {"max_int_digits": 0}, {"max_int_digits": 641}]
)
def test_limits_the_reader_could_not_keep_are_refused(limit: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="max_depth is 1 to 200"):
        JsonLimits(**limit)


def test_a_fault_far_into_the_text_is_only_placed_roughly() -> None:
    text = "[" + "1," * MAX_TOKENS + "]"
    with pytest.raises(MalformedRequest, match=f"the fault is after character {MAX_TOKENS}$"):
        parse_json(text)


def test_money_is_read_as_exact_decimals() -> None:
    read = parse_decimal_json('{"a":0.1,"b":[1e2,-2.50],"c":7,"d":1e-9}')
    assert read == {"a": Decimal("0.1"), "b": [Decimal("1e2"), Decimal("-2.50")], "c": 7, "d": Decimal("1e-9")}
    assert isinstance(read, dict)
    assert type(read["c"]) is int
    for text in ("1e401", "1e-401", "-1e-999999999", "1e999999999"):
        with pytest.raises(MalformedRequest, match="out of range"):
            parse_decimal_json(text)


BODY = (
    b'{ "model" : "auto","messages":[{"role":"user","content":"h\\u00e9 \xc3\xa9"}] ,"t\\u0065mperature":0.70,\n'
    b'"seed":1e2, "stream":true}'
)


def test_members_are_replaced_and_the_others_forwarded_untouched() -> None:
    read = parse_object(BODY)
    assert list(read.values) == ["model", "messages", "temperature", "seed", "stream"]
    assert read.raw["seed"] == "1e2"
    assert read.raw["messages"] == '[{"role":"user","content":"h\\u00e9 \u00e9"}]'
    written = read.with_members({"model": '"llama"', "stream": None, "max": "5", "gone": None, "\u00e9\n": "[]"})
    assert written == (
        b'{"model":"llama","messages":[{"role":"user","content":"h\\u00e9 \xc3\xa9"}],"t\\u0065mperature":0.70,'
        b'"seed":1e2,"max":5,"\\u00e9\\n":[]}'
    )
    assert parse_object(b"{}").with_members({}) == b"{}"
    assert parse_object(b' {"a":1} ').with_members({"a": None}) == b"{}"


def test_an_object_does_not_show_its_content() -> None:
    assert "auto" not in repr(parse_object(BODY))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NUMBERS = st.integers(-(10**39), 10**39) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 1]))
def test_what_the_standard_library_writes_is_read_back(value: object, ascii_only: bool, indent: int | None) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only, indent=indent)) == value


@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.sampled_from([None, 2]))
def test_an_object_written_without_changes_is_the_same_object(value: dict[str, object], indent: int | None) -> None:
    read = parse_object(json.dumps(value, indent=indent).encode())
    assert read.values == value
    assert {key: json.loads(text) for key, text in read.raw.items()} == value
    again = parse_object(read.with_members({}))
    assert (again.values, again.raw, again.quoted) == (read.values, read.raw, read.quoted)


FRAGMENTS = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"', '"a"', '"a":', '""', "[[[[", "]]]]", "\\", "\\u", "d83d", "\\ude00", "\\n"]
) | st.sampled_from(
    [
        "1",
        "0",
        "-",
        ".5",
        "e9",
        "1e999",
        "9" * 41,
        "true",
        "null",
        "NaN",
        "Infinity",
        " ",
        "\n",
        "\u0661",
        "\ufeff",
        "\x00",
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_a_text_is_refused_exactly_if_a_fault_can_be_named(text: str) -> None:
    scanner = strict_json._scanner(40, 400, False)
    named = find_fault(text, 3, scanner.parse_int, scanner.parse_float)
    read = outcome_of(text, JsonLimits(max_depth=3))
    assert (read is None) == (named is None)
    if named is not None:
        assert read == f"not valid JSON: {named}"


def outcome_of(text: str, limits: JsonLimits) -> str | None:
    try:
        parse_json(text, limits)
    except MalformedRequest as error:
        return error.message
    return None
