"""The scorer's promises: the recorded scores, the ranges, and that more evidence never lowers a probability."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wasm_classifier.vectors import VECTORS, text_of, vector_texts
from wasm_classifier import reference
from wasm_classifier.domain import DOMAINS
from wasm_classifier.features import Features, extract
from wasm_classifier.reference import Complexity, Task, classify, complexity_of, effective_bytes, p_small_fails_ppm

DEMO = (
    b"Analyze this financial report and identify the top 5 risks. Budget: $1, Time: 30 seconds, Quality: high",
    b"Analyze this financial report and identify the top 5 risks.",
    b"Please analyze the attached annual financial report of our group, page by page, identify the top 5 risks and say "
    b"how likely each one is.\nBudget: $1\nTime: 30 seconds\nQuality: high",
)


def test_recorded_texts_score_as_recorded() -> None:
    rows = [json.loads(line) for line in VECTORS.read_text("ascii").splitlines()]
    assert [text_of(row) for row in rows] == vector_texts()
    assert len(rows) >= 2_000
    for row in rows:
        assert asdict(classify(text_of(row))) == row["score"], row


def test_the_recorded_texts_reach_every_output() -> None:
    scores = [json.loads(line)["score"] for line in VECTORS.read_text("ascii").splitlines()]
    assert {score["complexity"] for score in scores} == set(get_args(Complexity))
    assert {score["task"] for score in scores} == set(get_args(Task))
    assert {score["domain"] for score in scores} == set(DOMAINS)
    assert {score["personal_data"] for score in scores} == {True, False}


@pytest.mark.parametrize("text", [b"", b"hello", b"What is 2+2?", b"Name three primary colours.", b"Define entropy."])
def test_small_asks_are_simple(text: bytes) -> None:
    assert classify(text).complexity == "simple"


def test_hi_inside_this_and_machine_does_not_make_a_text_simple() -> None:
    assert classify(b"analyze this machine").complexity == "moderate"
    assert p_ppm_of(b"analyze this machine") == p_ppm_of(b"analyze that engine.")


def p_ppm_of(text: bytes) -> int:
    return classify(text).p_small_fails_ppm


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
    sizes = sorted({*range(0, 17_000, 7), *(corner for corner, _ in reference.LENGTH_CURVE[:-1])})
    terms = {size: p_small_fails_ppm(_blank()._replace(stem_bytes=size - 1)) - reference.P_FLOOR for size in sizes[1:]}
    assert list(terms.values()) == sorted(terms.values())
    assert all(terms[size] == ppm for size, ppm in reference.LENGTH_CURVE[1:-1])
    assert p_small_fails_ppm(_blank()._replace(stem_bytes=10**9)) == reference.P_FLOOR + reference.LENGTH_CURVE[-1][1]


def _blank() -> Features:
    return Features._make([0] * len(Features._fields))


def _listed(*choices: str, stem: str = "Which holds?") -> int:
    lines = [f"{letter}. {choice}" for letter, choice in zip("ABCDEFGHIJ", choices, strict=False)]
    return effective_bytes(extract("\n".join([stem, *lines]).encode()))


def test_a_choice_counts_by_the_shortest_for_the_longest_may_give_itself_away() -> None:
    assert _listed("lead", "iron") == _listed("lead", "a long account of how iron came to be smelted") == 12 + 16 + 1


def test_choices_made_of_the_same_few_words_are_several_questions_at_once() -> None:
    apart = _listed("lead, iron", "gold, zinc", "clay, sand", "silk, hemp")
    joint = _listed("lead, iron", "iron, lead", "lead, lead", "iron, iron")
    assert joint == apart * 8  # eight words, two different: four to the power of one and a half


def test_choices_in_figures_double_the_length_and_nothing_else_does() -> None:
    assert _listed("12 kg", "14 kg") == 2 * (12 + 20 + 1)
    assert _listed("12 kg", "14 kg", stem="Both true?") == 2 * (10 + 20 + 1)
    assert _listed("12 kg", "much more") == 12 + 20 + 1


def test_quantities_count_before_worded_choices_only() -> None:
    assert _listed("lead", "iron", stem="3 ingots of 1,250.5 g or two") == 2 * (28 + 16 + 1)
    assert _listed("lead", "iron", stem="In 1850 and 2099, which?") == 24 + 16 + 1
    assert effective_bytes(extract(b"3 ingots of 9 g or two")) == 23


def test_a_pasted_paragraph_counts_a_quarter() -> None:
    pasted, ask = b"word " * 100, b"What is this about?"
    assert effective_bytes(extract(pasted + b"\n\n" + ask)) == 500 + 2 + len(ask) - 375 + 1
    assert effective_bytes(extract(ask + b"\n" + pasted)) == 500 + 1 + len(ask) + 1


def test_instructions_weigh_nothing_where_choices_are_listed_or_sums_are_told() -> None:
    choices = b"\nA. lead\nB. iron"
    assert (
        classify(b"Analyze this:" + choices).p_small_fails_ppm == classify(b"Observe this:" + choices).p_small_fails_ppm
    )
    assert classify(b"Analyze 2+2?").p_small_fails_ppm == classify(b"Examine 2+2?").p_small_fails_ppm


@pytest.mark.parametrize("radicand", [1, 2, 3, 4, 15, 16, 17, 2**24, 2**51 - 1, 2**52, 121 * 256 * 4096**3])
def test_the_root_is_rounded_down(radicand: int) -> None:
    root = reference._root(radicand)
    assert root * root <= radicand < (root + 1) * (root + 1)


counts = st.builds(
    Features._make, st.lists(st.integers(0, 10_000), min_size=len(Features._fields), max_size=len(Features._fields))
)


@given(counts)
def test_the_terms_add_up_to_the_score(features: Features) -> None:
    total = reference.P_FLOOR + sum(ppm for _, _, ppm in reference.terms(features))
    assert p_small_fails_ppm(features) == min(total, reference.P_CEILING)


def test_the_terms_are_told_by_name() -> None:
    named = {name: (count, ppm) for name, count, ppm in reference.terms(extract(b"Explain why, please? Why? Why?"))}
    assert named == {
        "effective_bytes": (31, 15_500),
        "further_questions": (2, 60_000),
        "explaining": (2, 120_000),
    }
    assert [name for name, _, _ in reference.terms(extract(b"Explain 2+2"))] == ["effective_bytes", "mathematics"]


@given(counts)
def test_any_counts_give_a_probability_in_range(features: Features) -> None:
    assert reference.P_FLOOR <= p_small_fails_ppm(features) <= reference.P_CEILING


@given(counts, st.sampled_from([name for name, _, _ in reference.WEIGHTS]), st.integers(1, 100))
def test_no_count_lowers_the_terms_of_an_instruction(features: Features, name: str, more: int) -> None:
    grown = features._replace(**{name: getattr(features, name) + more})
    assert 0 <= reference._instruction_terms(features) <= reference._instruction_terms(grown)


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_more_text_on_a_line_never_lowers_its_effective_length(text: bytes, more: bytes) -> None:
    line, longer = (part.replace(b"\n", b" ") for part in (text, text + b" " + more))
    assert effective_bytes(extract(line)) <= effective_bytes(extract(longer))


@given(st.one_of(st.binary(max_size=2_000), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_give_a_score_in_range(text: bytes) -> None:
    score = classify(text)
    assert reference.P_FLOOR <= score.p_small_fails_ppm <= reference.P_CEILING
    assert reference.TOKENS_MIN <= score.expected_output_tokens <= reference.TOKENS_MAX
    assert score.complexity in get_args(Complexity)
    assert score.task in get_args(Task)
    assert score.domain in DOMAINS
    assert score.model_version == "reference-2"
    assert score == classify(bytes(bytearray(text)))
