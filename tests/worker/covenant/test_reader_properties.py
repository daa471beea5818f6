"""Laws of the reader, for any text: it never raises, its spans lie in the text, digits of any script are digits."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.covenant.atoms import atoms_of
from worker.covenant.folding import DIGIT_ZEROS, fold
from worker.covenant.lexer import tokens_of
from worker.covenant.policy import BUDGET_SCOPES, FLAGS, QUALITIES, REQUIREMENTS
from worker.covenant.reader import read_covenant
from worker.covenant.reading import Reading
from worker.covenant.regions import region_of
from worker.routing.catalogue import PRIORITIES

RULES = [
    json.loads(line)["text"]
    for line in (Path(__file__).parents[2] / "data" / "covenants_rules.jsonl").read_text(encoding="utf-8").splitlines()
]
WORDS = sorted({word for text in RULES for word in text.split()})
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=40).map(" ".join),
    st.lists(st.sampled_from(RULES), max_size=4).map(" ".join),
    st.text(alphabet="$€0123456789.,:;-/ smhkMaand()'\"", max_size=80),
)
DIGITS = "0123456789"


@settings(max_examples=1_000)
@given(TEXTS)
def test_any_text_is_read_and_its_spans_lie_within_it(text: str) -> None:
    reading = read_covenant(text)
    starts = [clause.start for clause in reading.clauses]
    assert starts == sorted(starts)
    for clause in reading.clauses:
        assert 0 <= clause.start < clause.end <= len(text)
        assert reading.words_of(clause) == text[clause.start : clause.end] != ""
    assert_sound(reading)


def assert_sound(reading: Reading) -> None:
    """Every field holds what the data set allows, and every value in it has a clause that stands."""
    policy, fields = reading.policy, reading.to_fields()
    assert policy.budget_scope is None or policy.budget_scope in BUDGET_SCOPES
    assert policy.quality is None or policy.quality in QUALITIES
    assert policy.priority is None or policy.priority in PRIORITIES
    assert all(region_of(code) == code for code in policy.residency + policy.residency_exclude)
    assert set(policy.requirements) <= set(REQUIREMENTS)
    assert set(policy.flags) <= set(FLAGS)
    assert all(value is None or 0 <= value <= 2**53 for value in (policy.budget_usd_micros, policy.deadline_us))
    assert policy.deadline_us != 0
    for field in ("budget_usd", "deadline_s", "quality"):
        if fields[field] is not None:
            assert any(clause.field == field and clause.stands for clause in reading.clauses)
    for field in ("residency", "residency_exclude", "requirements"):
        for value in fields[field]:
            assert any(
                (clause.field, clause.value, clause.stands) == (field, value, True) for clause in reading.clauses
            )
    for flag in ("ambiguous_time", "ambiguous_budget", "absolute_time", "invalid", "injection"):
        if flag in policy.flags:
            assert any((clause.value, clause.stands) == (flag, True) for clause in reading.clauses)


@settings(max_examples=300)
@given(st.text(max_size=100))
def test_folding_keeps_every_place(text: str) -> None:
    assert len(fold(text)) == len(text)
    tokens = tokens_of(text)
    assert all(before.end <= after.start for before, after in pairwise(tokens))
    atoms = atoms_of(tokens)
    assert [atom.first for atom in atoms] + [len(tokens)] == [0, *[atom.end for atom in atoms]]


@settings(max_examples=300)
@given(st.sampled_from(RULES), st.sampled_from(DIGIT_ZEROS))
def test_digits_of_any_script_are_digits(text: str, zero: int) -> None:
    written = text.translate({ord(digit): zero + int(digit) for digit in DIGITS})
    assert read_covenant(written).to_fields() == read_covenant(text).to_fields()


@settings(max_examples=300)
@given(
    st.sampled_from(RULES),
    st.sampled_from(["The weather in Paris was lovely.", "My dog likes long walks.", "Hi there!"]),
)
def test_a_sentence_about_something_else_changes_nothing(text: str, other: str) -> None:
    ended = text if text.endswith((".", "!", "?")) else text + "."
    assert read_covenant(f"{ended}\n{other}").to_fields() == read_covenant(ended).to_fields()


@settings(max_examples=300)
@given(st.sampled_from(RULES))
def test_reading_is_a_function_of_the_text(text: str) -> None:
    assert read_covenant(text) == read_covenant(text)


@settings(max_examples=300)
@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_an_amount_comes_back_exactly(cents: int, milliseconds: int) -> None:
    policy = read_covenant(f"at most ${cents // 100}.{cents % 100:02}, within {milliseconds}ms").policy
    assert (policy.budget_usd_micros, policy.deadline_us) == (cents * 10_000, milliseconds * 1000)


def test_long_repetitions_are_read_too() -> None:
    """Nothing is worse than linear, so these end at once; a quadratic rule would take minutes."""
    for words in (
        "$5 sorry ",
        "no not ",
        "a some ",
        "in China or ",
        "fast, ",
        "1:",
        '"',
        "security > ",
        "thousand ",
        "leave ",
    ):
        assert isinstance(read_covenant(words * 3_000), Reading)
