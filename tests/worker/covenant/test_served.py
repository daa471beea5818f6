"""Which readings are served: strictly, with warnings, or not at all, and what the caller is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from worker.covenant.policy import (
    FLAGS,
    MAX_BUDGET_USD_MICROS,
    MAX_DEADLINE_US,
    NO_COVENANT,
    REFUSED_FLAGS,
    Policy,
)
from worker.covenant.reading import Clause, ForeignBudget, Reading
from worker.covenant.served import (
    MAX_COVENANT_CHARACTERS,
    MAX_PROBLEMS,
    Served,
    read_words,
    serve_object,
    serve_words,
    served_policy,
)
from worker.errors import UnreadableCovenant

SERVED_FLAGS = sorted(set(FLAGS) - REFUSED_FLAGS)


def flagged(text: str, *found: tuple[str, str], **policy: Any) -> Reading:
    """A reading whose flags came from these words."""
    clauses = []
    for flag, words in found:
        start = text.index(words)
        clauses.append(Clause(f"flags.{flag}", "flags", flag, start, start + len(words)))
    flags = tuple(sorted({flag for flag, _ in found}))
    return Reading(text, Policy(flags=flags, **policy), None, tuple(clauses))


def in_euros() -> Reading:
    budget = Clause("budget.limit", "budget_other", "2.8 EUR", 0, 5)
    soon = Clause("time.limit", "deadline_s", "5", 7, 9)
    return Reading(
        "€2.80, 5s",
        Policy(deadline_us=5_000_000, budget_scope="total"),
        ForeignBudget(2_800_000, "EUR"),
        (budget, soon),
    )


def test_a_plain_reading_is_served_as_it_is() -> None:
    policy = Policy(budget_usd_micros=2_000_000, deadline_us=30_000_000, priority="max_security")
    clause = Clause("budget.limit", "budget_usd", "2", 0, 2)
    for lenient in (False, True):
        assert served_policy(Reading("$2, 30s, high security", policy, None, (clause,)), lenient) == Served(policy)


@pytest.mark.parametrize("flag", SERVED_FLAGS)
@pytest.mark.parametrize("lenient", [False, True])
def test_what_is_only_odd_is_served_with_the_strict_reading(flag: str, lenient: bool) -> None:
    reading = flagged("$2, or rather not", (flag, "or rather not"), budget_usd_micros=2_000_000)
    policy, warnings = served_policy(reading, lenient)
    assert policy == reading.policy
    assert len(warnings) == 1
    assert warnings[0].startswith('"or rather not" ')


@pytest.mark.parametrize("flag", sorted(REFUSED_FLAGS))
def test_what_nobody_should_guess_at_is_refused_by_its_words(flag: str) -> None:
    reading = flagged("$2 in a while", (flag, "in a while"), budget_usd_micros=2_000_000)
    with pytest.raises(UnreadableCovenant, match=r'"in a while" .*say .*such as') as caught:
        served_policy(reading)
    assert (caught.value.status, caught.value.param) == (422, "covenant")
    policy, warnings = served_policy(reading, True)
    assert policy == reading.policy
    assert warnings == (f"left out: {caught.value.message}",)


def test_a_budget_in_another_currency_is_never_converted() -> None:
    with pytest.raises(UnreadableCovenant, match=r'"€2\.80" is a budget in EUR'):
        served_policy(in_euros())
    policy, warnings = served_policy(in_euros(), True)
    assert policy == Policy(deadline_us=5_000_000)  # without a budget there is nothing a scope could be of
    assert [warning for warning in warnings if "EUR" in warning]


def test_every_place_is_named_up_to_a_few() -> None:
    found = tuple(("ambiguous_time", f"soon{number}") for number in range(9))
    reading = flagged(" ".join(words for _, words in found), *found)
    with pytest.raises(UnreadableCovenant) as caught:
        served_policy(reading)
    assert caught.value.message.count('"soon') == MAX_PROBLEMS
    assert len(served_policy(reading, True).warnings) == MAX_PROBLEMS


def test_a_flag_whose_words_are_unknown_quotes_the_text_but_not_all_of_it() -> None:
    reading = Reading("word " * 100, Policy(flags=("invalid",)))
    with pytest.raises(UnreadableCovenant) as caught:
        served_policy(reading)
    assert caught.value.message.startswith('"word word')
    assert len(caught.value.message) < 200


def test_no_time_at_all_is_no_limit_to_serve_under() -> None:
    reading = Reading("0 seconds", Policy(deadline_us=0), None, (Clause("time.limit", "deadline_s", "0", 0, 9),))
    with pytest.raises(UnreadableCovenant, match='"0 seconds"'):
        served_policy(reading)
    assert served_policy(reading, True).policy == NO_COVENANT


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("$2 billion, 5s", "at most 1000000000 dollars"),
        ("max 1,000,000,000.01 dollars", "at most 1000000000 dollars"),
        ("within 32 days", "at most 31 days"),
        ("$1, 6 weeks", "at most 31 days"),
    ],
)
def test_limits_beyond_all_bounds_are_refused_as_an_objects_are(text: str, told: str) -> None:
    with pytest.raises(UnreadableCovenant, match=told) as caught:
        serve_words(text)
    assert (caught.value.status, caught.value.param) == (422, "covenant")


def test_limits_beyond_all_bounds_become_the_bounds_for_a_lenient_caller() -> None:
    policy = Policy(budget_usd_micros=10**30, deadline_us=10**30)
    clause = Clause("budget.limit", "budget_usd", "lots", 0, 4)
    served, warnings = served_policy(Reading("lots", policy, None, (clause,)), True)
    assert served == replace(policy, budget_usd_micros=MAX_BUDGET_USD_MICROS, deadline_us=MAX_DEADLINE_US)
    assert warnings == (
        '"lots" is cut down: a budget is at most 1000000000 dollars',
        '"lots" is cut down: a deadline is at most 31 days',
    )


@pytest.mark.parametrize("text", ["$1,000,000,000", "31 days"])
def test_limits_at_their_bounds_are_served(text: str) -> None:
    assert serve_words(text).warnings == ()


@pytest.mark.parametrize("text", ["5 euros", "max 20 EUR, 10 seconds", "£3 a request", "100 рублей", "予算500円"])
def test_a_foreign_budget_in_words_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCovenant, match="currencies are never converted"):
        serve_words(text)


def test_words_that_set_no_limit_are_served_and_told() -> None:
    assert served_policy(Reading("hello", NO_COVENANT)) == Served(NO_COVENANT, ("the covenant's words set no limit",))


@pytest.mark.parametrize("text", ["", " ", "\n\t", "x" * (MAX_COVENANT_CHARACTERS + 1)])
def test_too_little_and_too_much_are_refused(text: str) -> None:
    for read in (read_words, serve_words):
        with pytest.raises(UnreadableCovenant) as caught:
            read(text)
        assert len(caught.value.message) < 200
    assert read_words("x" * MAX_COVENANT_CHARACTERS).text


def test_an_object_is_lenient_about_its_flags_and_its_currency_only() -> None:
    given = {
        "budget_other": {"amount": 2, "currency": "EUR"},
        "flags": ["ambiguous_time", "injection"],
        "deadline_s": 3,
    }
    with pytest.raises(UnreadableCovenant):
        serve_object(given)
    policy, warnings = serve_object(given, True)
    assert policy == Policy(deadline_us=3_000_000, flags=("injection",))
    assert len(warnings) == 2
    scoped = {"budget_other": given["budget_other"], "budget_scope": "per_day", "budget_usd": None}
    assert serve_object(scoped, True).policy == NO_COVENANT
    assert serve_object({**scoped, "cost": 1}, True).policy == Policy(1_000_000, "per_day")
    for wrong in ({"deadline_s": 0}, {"flags": ["nonsense"]}, {"flags": "invalid"}, {"budget": 1}, [], None, 7):
        with pytest.raises(UnreadableCovenant):
            serve_object(wrong, True)


def test_equal_words_are_read_once() -> None:
    assert serve_words("Hi there! 1") is serve_words("Hi there! 1")
