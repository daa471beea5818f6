"""Reasons in words: every code and every invariant has a sentence, and a reason's text reads back as it was."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.admission import BUDGET
from worker.admitting import refusal_of
from worker.canon import codes
from worker.canon.codes import DENIAL_REASON_CODES, INVARIANT_IDS, Denial
from worker.canon.gates import Verdict
from worker.canon.reasons import (
    ANY,
    SAYINGS,
    Reason,
    denial_sentence,
    nearest_value,
    reason_from_text,
    reason_sentence,
    saying_of,
)

#: Every subject that a gate names for money.
FUNDS = (
    *("request", "tenant", "covenant", "hour", "day", "month", "key", "per_1m_tokens"),
    *(f"{who}_{what}" for who in ("tenant", "key") for what in ("request", "hour", "day", "month", "user_day")),
)
SUBJECTS = [
    *[(codes.COST_BOUND_EXCEEDED, subject) for subject in FUNDS],
    *[(codes.INVARIANT_VIOLATION, invariant) for invariant in INVARIANT_IDS],
    (codes.RISK_BOUND_EXCEEDED, "max_risk_ppm"),
    (codes.RISK_BOUND_EXCEEDED, "private_pool"),
    (codes.SUCCESS_PROB_TOO_LOW, "success_ppm"),
    (codes.AUTHORITY_BOUNDARY_FAIL, "openai"),
    (codes.MISSING_CANON_PREREQS, "catalogue"),
    (codes.NON_INTERFERENCE_VIOLATION, "pool"),
]


def test_every_code_and_every_invariant_is_in_the_table() -> None:
    assert {code for code, _ in SAYINGS} == set(DENIAL_REASON_CODES)
    assert {subject for code, subject in SAYINGS if code == codes.INVARIANT_VIOLATION} == {*INVARIANT_IDS, ANY}
    assert {subject for code, subject in SAYINGS if code == codes.COST_BOUND_EXCEEDED} == {*FUNDS, ANY}


@pytest.mark.parametrize(("code", "subject"), SUBJECTS, ids=lambda word: str(word))
def test_every_denial_is_a_sentence_with_its_numbers_in_units(code: str, subject: str) -> None:
    unit = saying_of(code, subject).unit
    reason = Reason(code, subject, 60_000, 90_000, 6, 20)
    told = {"micro-dollars": ("$0.09", "$0.06"), "microseconds": ("0.09 s", "0.06 s"), "ppm": ("9 %", "6 %")}
    shown = told.get(unit, ("90000", "60000") if unit else ())
    for text in (reason.sentence("cov-0a1b2c3d"), denial_sentence(Denial(code, subject, 60_000, 90_000))):
        assert "{" not in text
        assert all(number in text for number in shown), text
    assert reason.sentence().endswith(f" ({code}: {subject}, 6 of 20 routes)")
    assert reason_from_text(reason.to_text()) == reason
    assert unit in reason.to_text()


SENTENCES = [
    (
        "INVARIANT_VIOLATION: POLICY_DEADLINE (510000 against 10000 microseconds) [6 of 20]",
        "the fastest route needs 0.51 s, the covenant allows 0.01 s (INVARIANT_VIOLATION: POLICY_DEADLINE, 6 of 20"
        " routes)",
    ),
    (
        "COST_BOUND_EXCEEDED: request (3 against 1 micro-dollars) [6 of 20]",
        "the cheapest route needs up to $0.000003, the covenant allows $0.000001 (COST_BOUND_EXCEEDED: request, 6 of 20"
        " routes)",
    ),
    (
        "RISK_BOUND_EXCEEDED: max_risk_ppm (90000 against 60000 ppm) [2 of 20]",
        "the safest route has a risk of 9 %, the priority tolerates 6 % (RISK_BOUND_EXCEEDED: max_risk_ppm, 2 of 20"
        " routes)",
    ),
    (
        "COST_BOUND_EXCEEDED: covenant (30 against 0 micro-dollars) [4 of 4]",
        "the cheapest route needs up to $0.00003, the stored covenant cov-0a1b2c3d has $0 left (COST_BOUND_EXCEEDED:"
        " covenant, 4 of 4 routes)",
    ),
    ("requests per minute: 3 of 3 used", "requests per minute: 3 of 3 used"),
]


@pytest.mark.parametrize(("text", "sentence"), SENTENCES)
def test_a_reason_is_told_so(text: str, sentence: str) -> None:
    assert reason_sentence(text, "cov-0a1b2c3d") == sentence


@pytest.mark.parametrize(
    "text", ["", "x", "CODE: subject", "CODE: s (1 against) [1 of 2]", "CODE: s [1 of x]", "CODE:s [1 of 2]"]
)
def test_what_is_no_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a reason reads"):
        reason_from_text(text)


WORD = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1)
NUMBER = st.integers(-(2**53), 2**53)
COUNT = st.integers(0, 1_000)


@given(st.builds(Reason, WORD, WORD, NUMBER, NUMBER, COUNT, COUNT))
def test_a_reason_reads_back(reason: Reason) -> None:
    assert reason_from_text(reason.to_text()) == reason


@given(st.integers(1, 2**40), st.integers(1, 2**40))
def test_a_time_that_exceeds_its_bound_looks_so(bound: int, more: int) -> None:
    said = denial_sentence(Denial(codes.INVARIANT_VIOLATION, codes.POLICY_DEADLINE, bound, bound + more))
    needs, _, allows = said.removeprefix("needs ").partition(" s, the covenant allows ")
    assert Fraction(needs) > Fraction(allows.removesuffix(" s"))


def test_the_nearest_value_is_of_a_route_that_nothing_else_stands_against() -> None:
    assert nearest_value([(3, False), (9, True), (12, True)], 1) == 9
    assert nearest_value([(3, False), (9, False)], 1) == 3
    money, other = (
        Denial(codes.COST_BOUND_EXCEEDED, "request", 1, 3),
        Denial(codes.RISK_BOUND_EXCEEDED, "max_risk_ppm", 5, 6),
    )
    dearer = money._replace(value=9)
    refusal = refusal_of([Verdict((money, other), 0, 0), Verdict((dearer,), 0, 0)], 3)
    assert refusal.kind == BUDGET
    assert refusal.reasons == (
        "COST_BOUND_EXCEEDED: request (9 against 1 micro-dollars) [2 of 5]",
        "RISK_BOUND_EXCEEDED: max_risk_ppm (6 against 5 ppm) [1 of 5]",
        "INVARIANT_VIOLATION: PROVIDER_CONFIGURED [3 of 5]",
    )
