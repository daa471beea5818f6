"""The scorer's promises: the recorded scores, the ranges, and that more evidence never lowers a probability."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_classifier import reference
from wasm_classifier.features import Features
from wasm_classifier.reference import Complexity, Task, classify, complexity_of, p_small_fails_ppm

VECTORS = Path(__file__).parents[1] / "data" / "classifier_vectors.jsonl"
DEMO = (
    b"Analyze this financial report and identify the top 5 risks. Budget: $1, Time: 30 seconds, Quality: high",
    b"Analyze this financial report and identify the top 5 risks.",
    b"Please analyze the attached annual financial report of our group, page by page, identify the top 5 risks and say "
    b"how likely each one is.\nBudget: $1\nTime: 30 seconds\nQuality: high",
)


def test_recorded_texts_score_as_recorded() -> None:
    rows = [json.loads(line) for line in VECTORS.read_text("ascii").splitlines()]
    assert len(rows) >= 60
    for row in rows:
        text = bytes.fromhex(row["text_hex"]) if "text_hex" in row else row["text"].encode()
        assert asdict(classify(text)) == row["score"], text


@pytest.mark.parametrize("text", [b"", b"hello", b"What is 2+2?", b"Name three primary colours.", b"Define entropy."])
def test_small_asks_are_simple(text: bytes) -> None:
    assert classify(text).complexity == "simple"


def test_hi_inside_this_and_machine_does_not_make_a_text_simple() -> None:
    assert classify(b"analyze this machine").complexity == "moderate"
    assert classify(b"analyze this machine") == classify(b"analyze that engine.")


@pytest.mark.parametrize("text", DEMO)
def test_the_demo_prompt_is_complex(text: bytes) -> None:
    assert classify(text).complexity == "complex"


def test_several_steps_of_judgement_are_complex() -> None:
    text = (
        b"Research three open-source message brokers, compare their delivery guarantees, evaluate how each behaves "
        b"when a disk fills up, and then recommend one for a payment system, step by step."
    )
    assert classify(text).complexity == "complex"


@pytest.mark.parametrize(
    "text",
    [
        b"Which train should I take from Ghent to be in Rotterdam before nine in the morning on a Sunday?",
        b"Could you tell me whether oat milk can be frozen, for how long it keeps in the freezer, and if it is "
        b"still any good in coffee once it has been thawed again and shaken well?",
    ],
)
def test_an_ordinary_question_is_not_complex(text: bytes) -> None:
    assert classify(text).complexity in ("simple", "moderate")


@pytest.mark.parametrize(
    ("text", "task"),
    [
        (b"Write a Python function that reverses a list.", "code"),
        (b"Write a program that prints its own source.", "code"),
        (b"```\nx\n```\nSummarize what this does", "code"),
        (b"Summarise the minutes below.", "summarisation"),
        (b"Extract every date from the minutes.", "extraction"),
        (b"Classify this message as spam or not.", "classification"),
        (b"Is the tone positive or negative?", "classification"),
        (b"What is 12*7?", "math"),
        (b"How many positive integers below 90 are divisible by 7?", "math"),
        (b"Ann had 12 pens and gave half of them away. How many are left?", "math"),
        (b"Write a poem about rain.", "other"),
        (b"a positive outlook", "other"),
        (b"", "other"),
    ],
)
def test_task(text: bytes, task: Task) -> None:
    assert classify(text).task == task


@pytest.mark.parametrize(
    ("text", "lowest", "highest"),
    [
        (b"hello", 8, 32),
        (b"Is honey vegan? Answer in one word.", 8, 8),
        (b"Describe Oslo in three paragraphs.", 250, 400),
        (b"Write 9999 paragraphs about moss", 4096, 4096),
        (b"Classify this message as spam or not.", 8, 24),
    ],
)
def test_expected_tokens_follow_what_is_asked(text: bytes, lowest: int, highest: int) -> None:
    assert lowest <= classify(text).expected_output_tokens <= highest


def test_asking_for_more_items_or_more_briefly_moves_the_expected_tokens() -> None:
    def tokens(text: bytes) -> int:
        return classify(text).expected_output_tokens

    assert tokens(b"List 3 rivers") < tokens(b"List 9 rivers") < tokens(b"List 90 rivers")
    assert tokens(b"Briefly describe Oslo") < tokens(b"Kindly describe Oslo")


def test_class_borders_belong_to_the_higher_class() -> None:
    moderate, complex_ = reference.MODERATE_FROM_PPM, reference.COMPLEX_FROM_PPM
    assert [complexity_of(p) for p in (moderate - 1, moderate, complex_ - 1, complex_)] == [
        "simple",
        "moderate",
        "moderate",
        "complex",
    ]


@pytest.mark.parametrize("text", [b"compare? " * 120_000, b"\xff" * 1_000_000, b"\x00" * 1_000_000, b"? " * 500_000])
def test_a_megabyte_scores_like_its_window_and_length(text: bytes) -> None:
    head = text[: reference.LENGTH_CURVE[-1][0]]  # the length term is flat from here on, the window ends before
    assert classify(text) == classify(head)


def test_the_length_term_reaches_every_corner_and_never_falls() -> None:
    terms = [p_small_fails_ppm(_blank()._replace(byte_count=size)) - reference.P_FLOOR for size in range(17_000)]
    assert terms == sorted(terms)
    assert all(terms[size] == ppm for size, ppm in reference.LENGTH_CURVE)


def _blank() -> Features:
    return Features._make([0] * len(Features._fields))


counts = st.builds(
    Features._make, st.lists(st.integers(0, 10_000), min_size=len(Features._fields), max_size=len(Features._fields))
)


@given(counts, st.sampled_from(Features._fields), st.integers(1, 100))
def test_no_count_lowers_the_probability(features: Features, name: str, more: int) -> None:
    grown = features._replace(**{name: getattr(features, name) + more})
    assert reference.P_FLOOR <= p_small_fails_ppm(features) <= p_small_fails_ppm(grown) <= reference.P_CEILING


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_more_text_never_lowers_the_probability(text: bytes, more: bytes) -> None:
    assert classify(text).p_small_fails_ppm <= classify(text + b" " + more).p_small_fails_ppm


@given(st.one_of(st.binary(max_size=2_000), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_give_a_score_in_range(text: bytes) -> None:
    score = classify(text)
    assert reference.P_FLOOR <= score.p_small_fails_ppm <= reference.P_CEILING
    assert reference.TOKENS_MIN <= score.expected_output_tokens <= reference.TOKENS_MAX
    assert score.complexity in get_args(Complexity)
    assert score.task in get_args(Task)
    assert score.model_version == "reference-1"
    assert score == classify(bytes(bytearray(text)))
