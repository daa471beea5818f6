"""The counts behind a score: whole words, bounded work, any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_classifier import lexicon
from wasm_classifier.features import ASKED_LIMIT, WINDOW_BYTES, Features, extract

GROUP_FIELDS = Features._fields[Features._fields.index("reasoning") : Features._fields.index("long_form") + 1]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (b"", {"byte_count": 0, "word_count": 0, "sentence_count": 0, "line_count": 0}),
        (b"One. Two! Three? Four", {"word_count": 4, "sentence_count": 3, "question_count": 1, "line_count": 1}),
        (b"Wait... what?!", {"sentence_count": 2, "question_count": 1}),
        (b"version 3.14 of 2026", {"digit_count": 7, "number_count": 3, "sentence_count": 0}),
        (b"a\nb\r\nc", {"line_count": 3, "word_count": 3}),
        (b"```\nint x = {1};\n```", {"fence_count": 2, "bracket_count": 3, "math_sign_count": 1}),
        (b"7*8, 2 + 2 and a+b", {"sum_count": 2, "math_sign_count": 3}),
        ("2 × 3 ≤ 7 ÷ 1 ∑".encode(), {"math_sign_count": 4}),
        (b"- a\n* b\n  - not at the start\n1. d\n12) e\nx - y", {"list_marker_count": 4}),
        (b"Pick.\nA. red\nB) blue\nAB. no", {"option_count": 2}),
        (b"don't stop", {"word_count": 2}),
        ("don\u2019t \u201cstop\u201d".encode(), {"word_count": 2}),
        ("元気ですか\uff1f はい\u3002".encode(), {"question_count": 1, "sentence_count": 1}),
        (b"a\x00b", {"word_count": 2}),
    ],
)
def test_each_sign_is_counted(text: bytes, counts: dict[str, int]) -> None:
    features = extract(text)
    assert {name: getattr(features, name) for name in counts} == counts


@pytest.mark.parametrize(("name", "group"), list(zip(GROUP_FIELDS, lexicon.COUNTED, strict=True)))
def test_a_group_fills_the_field_of_its_name(name: str, group: frozenset[bytes]) -> None:
    assert getattr(lexicon, name.upper()) is group
    assert getattr(extract(b" ".join(sorted(group))), name) == len(group)


def test_every_known_word_can_be_found_by_the_folding() -> None:
    for word in lexicon.KEYWORDS | lexicon.NUMBER_WORDS.keys():
        assert word.isascii()
        assert word.isalpha()
        assert word == word.lower()


@pytest.mark.parametrize("text", [b"analyze this machine", b"which chip ships", b"HIS", b"thigh", b"ohio"])
def test_a_greeting_inside_another_word_is_no_greeting(text: bytes) -> None:
    assert extract(text).greeting == 0
    assert extract(text + b", hi!").greeting == 1


@pytest.mark.parametrize(
    "text",
    [
        b"Analyze",
        b"ANALYZE!",
        b"(analyze)",
        b"x/analyze",
        b"\xe2\x80\x9canalyze\xe2\x80\x9d",
        b"'analyze'",
        b"re-analyze",
    ],
)
def test_a_whole_word_is_found_in_any_case_between_any_signs(text: bytes) -> None:
    assert extract(text).reasoning == 1


@pytest.mark.parametrize(
    "text", [b"overanalyze", b"analyzer", b"analyze1", "ánalyze".encode(), b"ana lyze", b"\xffanalyze"]
)
def test_part_of_a_word_is_not_the_word(text: bytes) -> None:
    assert extract(text).reasoning == 0


def test_only_ascii_is_folded() -> None:
    kelvin_compile, turkish_list = (
        "\u212aotlin".encode(),
        "L\u0130ST".encode(),
    )  # lower() would make "k" and "i" of them
    assert extract(kelvin_compile).code_name == 0
    assert extract(turkish_list + b" 5").asked_items == 0


def test_a_repeated_word_counts_once() -> None:
    assert extract(b"compare " * 50).reasoning == 1


@pytest.mark.parametrize(
    ("text", "items", "words"),
    [
        (b"the top 5 risks", 5, 0),
        (b"Name three colours", 3, 0),
        (b"list a few", 0, 0),
        (b"top", 0, 0),
        (b"top 12345", 0, 0),
        (b"top 9999", ASKED_LIMIT, 0),
        (b"in one word", 0, 1),
        (b"a 50-word blurb", 0, 50),
        (b"three paragraphs", 0, 240),
        (b"write five sentences", 5, 100),
        (b"words fail me", 0, 0),
        (b"9999 paragraphs", 0, ASKED_LIMIT),
        ("top \u0665".encode(), 0, 0),
    ],
)
def test_asked_amounts(text: bytes, items: int, words: int) -> None:
    features = extract(text)
    assert (features.asked_items, features.asked_words) == (items, words)


def test_beyond_the_window_only_the_length_counts() -> None:
    window = (b"Plain words, 1 + 1; " * WINDOW_BYTES)[: WINDOW_BYTES - 1] + b" "
    tail = b" analyze compare ``` ? 2+2 \n- x" * 40_000
    size = len(window) + len(tail)
    assert extract(window + tail) == extract(window)._replace(byte_count=size, stem_bytes=size)


def test_statements_and_spelled_numbers_are_counted_as_different_words() -> None:
    features = extract(b"Which of the following statements is true: both, both or neither of the two dozen?")
    assert (features.statement, features.spelled_number) == (5, 2)


@given(st.binary(max_size=600))
def test_any_bytes_give_counts(text: bytes) -> None:
    features = extract(text)
    assert features.byte_count == len(text)
    assert all(type(count) is int and count >= 0 for count in features)


@given(st.text(max_size=300), st.text(max_size=300))
def test_more_text_never_lowers_a_count(text: str, more: str) -> None:
    before = extract(text.encode("utf-8", "surrogatepass"))
    after = extract(f"{text} {more}".encode("utf-8", "surrogatepass"))
    never_lower = Features._fields[: Features._fields.index("asked_items")]
    assert all(getattr(before, name) <= getattr(after, name) for name in never_lower)
