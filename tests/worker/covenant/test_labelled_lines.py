"""The labelled lines at the end of a prompt, and that nothing else of a prompt is ever a covenant."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.covenant.labelled_lines import labelled_lines
from worker.covenant.served import MAX_COVENANT_CHARACTERS

TASK = "Analyse this financial report and name the top 5 risks."
LABELLED = [
    "Budget: $1, Time: 30 seconds, Quality: high",
    "Budget: $1\nTime: 30 seconds\nQuality: high",
    "Budget: $1\n\nTime: 30 seconds\n \nQuality: high",
    "Budget $1 / Time 30 seconds / Quality high",
    "budget = $0.50; TIMEOUT = 400ms | quality=low",
    "Max cost: 1,000.50 USD, Latency: 2 min",
    "- Budget: $.99\n- Deadline: half a minute",
    "Budget: two dollars.",
    "Security: high, Privacy: max, Priority: speed",
    "Budget: $1,\nTime: 30 seconds;\nQuality: high |",
    "Quality high",
    "Time limit 1.5 hours max",
    "Budget 20 cents per request",
    "Budget: $1/day, Time: 30s",
    "Residency: EU",
    "Time: soon",
    "Budget: €5",
    "Budget: ١ dollar",
]


@pytest.mark.parametrize("lines", LABELLED)
@pytest.mark.parametrize("gap", ["\n", "\n\n", "\r\n", "\n \n", " \n"])
@pytest.mark.parametrize("end", ["", "\n", " \n\n", "\r\n"])
def test_trailing_labelled_lines_are_found_as_they_stand(lines: str, gap: str, end: str) -> None:
    assert labelled_lines(TASK + gap + lines + end) == lines
    assert labelled_lines(lines + end) == lines


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "\n\n",
        TASK,
        "What is a budget?",
        "Time flies like an arrow",
        "Time is money",
        "Cost 5 men their lives",
        "Quality matters",
        "Quality high school",
        "Budget 2026",
        "Budget $5 for food",
        "Time 30 seconds of silence",
        "The budget: $5",
        "Our Budget: $5",
        f"{TASK} Budget: $1, Time: 30 seconds, Quality: high",
        "Budget: $1, Time: 30 seconds\nNow write the summary.",
        "Budget: $1, and then write a poem about it",
        "Budget: $1. Time: whatever. Then go on.",
        "Budget:",
        "Budget: ,",
        "Budget: one two three four five six seven",
        "Budget: $1, colour: red",
        "Timer: 30 seconds",
        "Budget\n$1",
        "```\nBudget: $5\n```",
        "# Budget: $5",
        "> Budget: $5",
        "Budget: " + "x" * 81,
        "预算: $5",
    ],
)
def test_nothing_else_is_a_covenant(prompt: str) -> None:
    assert labelled_lines(prompt) is None


def test_only_the_last_lines_count() -> None:
    assert labelled_lines("Budget: $100\nWrite a speech.\nTime: 30 seconds") == "Time: 30 seconds"


def test_a_covenant_is_never_longer_than_one_may_be() -> None:
    line = "Budget: $1\n"
    found = labelled_lines(line * 1_000)
    assert found is not None
    assert len(found) <= MAX_COVENANT_CHARACTERS
    assert labelled_lines("x" * 100_000) is None


PROMPTS = st.text(st.sampled_from("aB \n\r\t:=,;./|$€12%-*")) | st.text()


@given(PROMPTS, st.sampled_from(LABELLED))
def test_what_stands_before_the_labelled_lines_changes_nothing(prompt: str, lines: str) -> None:
    found = labelled_lines(f"{prompt}\nGo on.\n{lines}")
    assert found == lines


LABEL = re.compile(r"(budget|cost|time|deadline|latency|quality|security|privacy|priority|residency)", re.IGNORECASE)


@given(PROMPTS)
def test_a_prompt_without_a_label_is_never_a_covenant(prompt: str) -> None:
    if LABEL.search(prompt) is None:
        assert labelled_lines(prompt) is None


@given(st.lists(st.sampled_from([*LABELLED, TASK, "", "Time flies", "so Budget: $1", "Budget: $1 and more, or less"])))
def test_what_is_found_is_the_end_of_the_prompt_and_found_again(lines: list[str]) -> None:
    prompt = "\n".join(lines)
    found = labelled_lines(prompt)
    if found is not None:
        assert prompt.rstrip().endswith(found)
        assert labelled_lines(found) == found
        last = next(line for line in reversed(lines) if line)
        assert labelled_lines(last) is not None


@given(PROMPTS)
def test_a_task_at_the_end_always_wins(prompt: str) -> None:
    assert labelled_lines(f"{prompt}\nNow answer the question.") is None
