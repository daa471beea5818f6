"""The subject of a text, and whether it points at a person."""

from __future__ import annotations

import pytest

from wasm_classifier.domain import _LANES, DOMAINS, KNOWN_WORDS_LEAST, LANE_BITS, OTHER, domain_index
from wasm_classifier.domain_table import DIGITS, WORDS
from wasm_classifier.features import WINDOW_BYTES
from wasm_classifier.reference import classify


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        (b"The plaintiff sued the defendant in court for negligence. Is the defendant liable for damages?", "law"),
        (b"How do enzymes in the cell copy DNA before mitosis?", "biology"),
        (b"What is the velocity of a particle of that mass under a constant force, without friction?", "physics"),
        (b"How do firms set prices when demand is elastic and marginal cost rises?", "economics"),
        (b"hello", "other"),
        (b"", "other"),
        (b"\xff\xfe\x00", "other"),
    ],
)
def test_the_subject_of_a_text(text: bytes, domain: str) -> None:
    assert classify(text).domain == domain


def test_the_table_has_a_weight_of_each_word_for_each_domain() -> None:
    words = WORDS.split()
    assert list(DOMAINS) == sorted(DOMAINS)
    assert DOMAINS[OTHER] == "other"
    assert len(words) == len(set(words)) == len(_LANES)
    assert len(DIGITS) == len(words) * len(DOMAINS)
    assert 15 * WINDOW_BYTES < 1 << LANE_BITS


def test_one_known_word_tells_nothing_and_a_repeated_one_is_one() -> None:
    word = WORDS.split()[0].encode()
    assert KNOWN_WORDS_LEAST == 2
    assert domain_index([word, word]) == OTHER


def test_the_lanes_add_what_the_digits_say() -> None:
    words = WORDS.split()
    for start in range(0, len(words) - 40, 97):
        chosen = range(start, start + 40)
        sums = [sum(int(DIGITS[place * 14 + lane], 16) for place in chosen) for lane in range(14)]
        assert domain_index(words[place].encode() for place in chosen) == sums.index(max(sums))


@pytest.mark.parametrize(
    "text",
    [
        b"write to ann.lee@example.org today",
        b"call +49 30 901 820 555",
        b"call (555) 010-4477-12",
        b"card 4000 0000 0000 0002",
        b"card 4000000000000002",
        b"ssn 078-05-1120",
        b"iban DE02120300000000202051",
        b"from 192.0.2.17, again",
    ],
)
def test_data_of_one_person_is_seen(text: bytes) -> None:
    assert classify(text).personal_data


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a@b",
        b"user@host without a dot.",
        b"It cost 1,250,000.50 in 2019",
        b"pi is 3.14159265358979",
        b"12345678",
        b"1.2.3",
        b"version 1.2.3.4.5",
        b"from 10 to 12, or 14 to 16",
        b"DE02 only",
    ],
)
def test_other_numbers_are_not(text: bytes) -> None:
    assert not classify(text).personal_data
