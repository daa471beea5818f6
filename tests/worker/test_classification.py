"""Which text of a chat is judged, whatever JSON the chat is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_classifier.reference import classify
from worker.classification import (
    CONTEXT_BLANKS,
    CONTEXT_CHARS_PER_BLANK,
    MESSAGES_LIMIT,
    PROMPT_CHARS,
    Classification,
    ReferenceScorer,
    prompt_text,
)


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def test_the_last_user_message_is_judged() -> None:
    messages = [
        user("first"),
        {"role": "assistant", "content": "reply"},
        user("second"),
        {"role": "tool", "content": "t"},
    ]
    assert prompt_text(messages) == b"second"


def test_text_parts_are_joined_and_other_parts_ignored() -> None:
    parts = [
        {"type": "text", "text": "What is"},
        {"type": "image_url", "image_url": {"url": "data:,"}, "text": "no"},
        {"type": "text", "text": "this?"},
    ]
    assert prompt_text([user(parts)]) == b"What is\nthis?"


def test_without_a_user_message_the_last_one_is_judged() -> None:
    assert prompt_text([{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}]) == b"b"


def test_earlier_text_counts_by_length_alone() -> None:
    system = {"role": "system", "content": "Analyze and compare everything in depth. " * 3}
    judged = prompt_text([system, {"role": "assistant", "content": "x" * 9_000}, user("hello")])
    assert judged == b"hello" + b" " * (len(str(system["content"])) // CONTEXT_CHARS_PER_BLANK)


def test_a_long_system_prompt_leaves_a_greeting_simple() -> None:
    judged = prompt_text([{"role": "system", "content": "Evaluate the risk. " * 5_000}, user("hello")])
    assert judged == b"hello" + b" " * CONTEXT_BLANKS
    assert classify(judged).complexity == "simple"


def test_what_is_judged_is_bounded() -> None:
    parts = [{"type": "text", "text": "é" * 50_000}] * 1_000
    assert prompt_text([user(parts)]) == ("é" * PROMPT_CHARS).encode()
    assert prompt_text([user("too early"), *[{"role": "tool", "content": ""}] * MESSAGES_LIMIT]) == b""


def test_half_a_surrogate_pair_is_no_question_mark() -> None:
    assert prompt_text([user("a\ud83d")]) == b"a\xed\xa0\xbd"


@pytest.mark.parametrize(
    "messages",
    [
        None,
        7,
        "text",
        {},
        [],
        [None],
        ["hello"],
        [[]],
        [{}],
        [user(None)],
        [user(7)],
        [user({"type": "text", "text": "x"})],
        [user([])],
        [user([None, "x", 7, [], {}])],
        [user([{"type": "text"}, {"type": "text", "text": None}, {"type": "text", "text": ["x"]}])],
        [user([{"type": ["text"], "text": "x"}])],
        [{"role": ["user"], "content": None}],
        [{"role": {}, "content": None}],
    ],
)
def test_odd_types_count_as_absent(messages: object) -> None:
    assert prompt_text(messages) == b""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner)
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from(["user", "system", "tool"]))
def test_any_json_gives_bytes(content: object, role: str) -> None:
    assert isinstance(prompt_text(content), bytes)
    assert isinstance(prompt_text([{"role": role, "content": content}, content]), bytes)


def test_the_reference_scorer_says_what_the_reference_says() -> None:
    text = b"Analyze this financial report and identify the top 5 risks."
    score = classify(text)
    assert ReferenceScorer().score(text) == Classification(
        complexity=score.complexity,
        p_small_fails_ppm=score.p_small_fails_ppm,
        task=score.task,
        expected_output_tokens=score.expected_output_tokens,
        model_version=score.model_version,
        domain=score.domain,
    )
    assert ReferenceScorer().score(b"write to ann@example.org").personal_data is True
