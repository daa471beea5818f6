"""What a listed choice is, which numbers are quantities, and which lines are given rather than asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_classifier.choices import LINES_LIMIT, LONG_LINE_BYTES, numbers_of, pasted_bytes, read_choices


@pytest.mark.parametrize(
    ("text", "at", "texts"),
    [
        (b"Which?\nA. red\nB. blue\nAnswer:", 6, (b"red", b"blue")),
        (b"Which?\nA) red\nB. blue", 6, (b"red", b"blue")),
        (b"Which?\nA.  red \r\nB. ", 6, (b" red \r", b"")),
        (b"Which?\nA. red\nor so\nJ. last\nK. none", 6, (b"red", b"last")),
        (b"A. first line\nB. red", 0, ()),
        (b"x\nA. one\nA. two\nA. three", 1, (b"one", b"two", b"three")),
        (b"Which?\nB. blue\nA. red", 14, (b"red",)),
        (b"Which?\nA.red\nB.blue", 0, ()),
        (b"Which?\n A. red", 0, ()),
        (b"Which?\na. red", 0, ()),
        (b"", 0, ()),
    ],
)
def test_choices_are_lines_of_a_letter_a_sign_and_a_blank(text: bytes, at: int, texts: tuple[bytes, ...]) -> None:
    assert read_choices(text) == (at, texts)


def test_only_so_many_lines_are_looked_at() -> None:
    assert len(read_choices(b"?" + b"\nA. x" * 500).texts) == LINES_LIMIT


@pytest.mark.parametrize(
    ("text", "count"),
    [(b"3 of 1,250.5", 2), (b"1066 and 2024", 0), (b"999 2100 10000", 3), (b"1.2.3", 1), (b"a1b2", 2), (b"1, 2. 3", 3)],
)
def test_numbers_are_runs_and_years_are_none(text: bytes, count: int) -> None:
    assert numbers_of(text) == count


def test_long_lines_before_the_last_are_given() -> None:
    line = b"x" * LONG_LINE_BYTES
    assert pasted_bytes(line + b"\n" + line) == LONG_LINE_BYTES
    assert pasted_bytes(line + b"\n \t\r\n\n") == 0
    assert pasted_bytes(line[1:] + b"\nshort") == 0
    assert pasted_bytes(b"\n".join([line, b"short", line + line, b"ask"])) == 3 * LONG_LINE_BYTES


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(text: bytes) -> None:
    at, texts = read_choices(text)
    assert 0 <= at <= len(text)
    assert sum(len(choice) for choice in texts) <= len(text)
    assert 0 <= pasted_bytes(text) <= len(text)
