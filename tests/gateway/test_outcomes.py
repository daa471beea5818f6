"""What became of answers, from lines and decisions to outcomes: every rule, and every line that can't be used."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.failure import CommandFailed
from gateway.outcomes import RETRY_US, Gathered, Told, gather, told_by
from wasm_classifier.learn import PPM

SMALL, LARGE = "groq/llama-3.1-8b-instruct@serverless", "openai/gpt-4o@serverless"
DECISIONS = {
    "dec_small": Told(SMALL, is_answered=True, is_retried=False),
    "dec_again": Told(SMALL, is_answered=True, is_retried=True),
    "dec_large": Told(LARGE, is_answered=True, is_retried=False),
    "dec_failed": Told(SMALL, is_answered=False, is_retried=False),
}


def gathered(*lines: dict[str, Any]) -> Gathered:
    return gather(lines, DECISIONS, {SMALL: True, LARGE: False}.get)


def small_ppm(**line: Any) -> int:
    found = gathered({"text": "hi", **line})
    assert [outcome.text for outcome in found.outcomes] == [b"hi"]
    return found.outcomes[0].small_ppm


def test_what_became_of_an_answer_is_how_good_it_was() -> None:
    assert small_ppm(decision="dec_small") == PPM
    assert small_ppm(decision="dec_again") == 0
    assert small_ppm(decision="dec_again", accepted=True) == PPM
    assert small_ppm(decision="dec_again", retried=False) == PPM
    assert small_ppm(decision="dec_small", accepted=False) == 0
    assert small_ppm(decision="dec_small", rating=0.25, accepted=True) == 250_000
    assert small_ppm(decision="dec_small", retried=False, escalated=True) == 0
    assert small_ppm(route=SMALL) == PPM
    assert small_ppm(route=SMALL, escalated=True) == 0


def test_both_answers_may_be_known_and_the_larger_is_right_where_nobody_said() -> None:
    (both,) = gathered({"text": "hi", "small": False, "large": 0.5}).outcomes
    assert (both.small_ppm, both.large_ppm) == (0, 500_000)
    (one,) = gathered({"text": "hi", "small": 0}).outcomes
    assert (one.small_ppm, one.large_ppm) == (0, PPM)
    (joined,) = gathered({"text": "hi", "decision": "dec_small", "escalated": True, "large": False}).outcomes
    assert (joined.small_ppm, joined.large_ppm) == (0, 0)


def test_lines_about_one_text_are_put_together() -> None:
    found = gathered(
        {"text": "hi", "decision": "dec_small", "accepted": True},
        {"messages": [{"role": "user", "content": "hi"}], "decision": "dec_small", "accepted": False},
        {"text": "hi", "decision": "dec_large", "rating": 0.8},
    )
    assert [tuple(outcome) for outcome in found.outcomes] == [(b"hi", 500_000, 800_000)]
    assert (found.lines, dict(found.unused)) == (3, {})


def test_what_says_nothing_of_a_small_model_is_counted_and_left_out() -> None:
    found = gathered(
        {"text": "a", "decision": "dec_large"},
        {"text": "b", "decision": "dec_failed"},
        {"text": "c", "decision": "dec_unknown"},
        {"text": "d", "route": "mars/llama@serverless"},
    )
    assert found.outcomes == ()
    assert dict(found.unused) == {
        "texts of which no small model's answer is known": 1,
        "lines whose request was not answered": 1,
        "lines whose decision is not among those read": 1,
        "lines whose route is not in the catalogue": 1,
    }


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"small": True}, "needs text"),
    "a text of another type": ({"text": 3, "small": True}, "needs text"),
    "two texts": ({"text": "a", "messages": [], "small": True}, "needs text"),
    "no outcome": ({"text": "a"}, "what is it the outcome of"),
    "no route": ({"text": "a", "accepted": True}, "what is it the outcome of"),
    "a strange member": ({"text": "a", "small": True, "smal": 1}, "no member 'smal'"),
    "too good": ({"text": "a", "small": 1.5}, "small must be"),
    "a word": ({"text": "a", "large": "good"}, "large must be"),
    "a rating of stars": ({"text": "a", "route": SMALL, "rating": 4}, "rating must be"),
    "a half acceptance": ({"text": "a", "route": SMALL, "accepted": 0.5}, "accepted must be true or false"),
}


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG)
def test_a_line_that_cant_be_used_is_named(line: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandFailed, match=f"outcome 2: .*{said}"):
        gathered({"text": "hi", "small": True}, line)


def decision(number: int, request: str, at_us: int, **changed: Any) -> dict[str, Any]:
    outcome = {"route": SMALL, "outcome": "success"}
    plain = {"id": f"dec_{number}", "at_us": at_us, "state": "settled", "inputs": {"request": request}}
    return {**plain, "outcome": outcome, **changed}


def test_a_request_that_comes_again_soon_was_not_answered_well_the_first_time() -> None:
    found = told_by(
        [
            decision(4, "b", 5_000_000),
            decision(3, "a", 4_000_000 + 2 * RETRY_US),
            decision(2, "a", 2_000_000),
            decision(1, "a", 1_000_000),
            decision(5, "c", 6_000_000, state="denied", outcome=None),
            decision(6, "d", 7_000_000, outcome={"route": SMALL, "outcome": "error"}),
        ]
    )
    assert {one: told.is_retried for one, told in found.items()} == {
        **{"dec_1": True, "dec_2": False, "dec_3": False},
        **{"dec_4": False, "dec_5": False, "dec_6": False},
    }
    assert [found[one].is_answered for one in ("dec_4", "dec_5", "dec_6")] == [True, False, False]
    assert found["dec_4"].route == SMALL


@pytest.mark.parametrize("broken", [{}, {"id": "x"}, decision(1, "a", 1, inputs=None), decision(1, "a", 1, outcome=3)])
def test_decisions_of_another_form_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(CommandFailed, match="GET /v1/decisions"):
        told_by([broken])
