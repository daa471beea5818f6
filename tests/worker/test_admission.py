"""The values that cross to a mediator elsewhere come back as they were."""

from __future__ import annotations

import json
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.decision_kit import facts
from wasm_classifier.reference import Complexity, Task
from worker import admission
from worker.admission import Admission, Attempt, Facts, Fallback, Grant, Refusal, Settled, Settlement, to_json
from worker.cache.kept import Awaited, Keep, Kept, Wish
from worker.classification import Classification
from worker.covenant.policy import BUDGET_SCOPES, FLAGS, QUALITIES, REQUIREMENTS, Policy
from worker.routing.candidates import Load
from worker.routing.catalogue import PRIORITIES

COUNT = st.integers(0, 2**53 - 1)
TEXT = st.text(max_size=8)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
POLICY = st.builds(
    Policy,
    st.none() | COUNT,
    st.none() | st.sampled_from(BUDGET_SCOPES),
    st.none() | COUNT,
    st.none() | st.sampled_from(QUALITIES),
    st.none() | st.sampled_from(PRIORITIES),
    TEXTS,
    TEXTS,
    st.lists(st.sampled_from(REQUIREMENTS)).map(tuple),
    st.lists(st.sampled_from(FLAGS)).map(tuple),
)
CLASSIFICATION = st.builds(
    Classification,
    st.sampled_from(get_args(Complexity)),
    COUNT,
    st.sampled_from(get_args(Task)),
    COUNT,
    TEXT,
)
COUNTS = (COUNT, COUNT, COUNT, COUNT)
BODY = TEXT.map(str.encode)
WISH = st.none() | st.builds(Wish, TEXT, COUNT, st.booleans())
FACTS = st.builds(
    Facts, *([TEXT] * 3), COUNT, TEXT, TEXT, POLICY, CLASSIFICATION, *COUNTS, TEXTS, COUNT, TEXT, TEXT, cache=WISH
)
REFUSAL = st.none() | st.builds(Refusal, TEXT, TEXTS)
KEPT = st.none() | st.builds(Kept, TEXT, BODY)
ADMISSION = st.builds(Admission, TEXT, TEXT, TEXTS, COUNT, COUNT, REFUSAL, cache=TEXT, kept=KEPT)
ATTEMPTS = st.lists(st.builds(Attempt, TEXT, TEXT, COUNT, COUNT), max_size=3).map(tuple)
KEEP = st.none() | st.builds(Keep, TEXT, COUNT, BODY)
SETTLEMENT = st.builds(
    Settlement,
    TEXT,
    TEXT,
    COUNT,
    TEXT,
    TEXT,
    COUNT,
    COUNT,
    TEXT,
    COUNT,
    COUNT,
    ATTEMPTS,
    cached=st.booleans(),
    keep=KEEP,
)
AWAITED = st.builds(Awaited, TEXT, TEXT, COUNT, TEXTS, COUNT, COUNT)
VALUES = st.one_of(
    st.tuples(FACTS, st.just(admission.facts_from_json)),
    st.tuples(ADMISSION, st.just(admission.admission_from_json)),
    st.tuples(st.builds(Fallback, TEXT, TEXT, COUNT, TEXT, st.booleans()), st.just(admission.fallback_from_json)),
    st.tuples(st.builds(Grant, st.booleans(), COUNT, COUNT), st.just(admission.grant_from_json)),
    st.tuples(SETTLEMENT, st.just(admission.settlement_from_json)),
    st.tuples(st.builds(Settled, COUNT), st.just(admission.settled_from_json)),
    st.tuples(AWAITED, st.just(admission.awaited_from_json)),
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_every_value_survives_its_json(pair: tuple[Any, Any]) -> None:
    value, from_json = pair
    text = to_json(value)
    back = from_json(text)
    assert back == value
    assert type(back) is type(value)
    assert hash(back) == hash(value)  # nothing in it became a list
    assert text.isascii()
    assert to_json(back) == text


def test_the_golden_text_of_a_grant() -> None:
    grant = Grant(granted=True, output_tokens=7, charged_usd_micros=9)
    assert to_json(grant) == '{"granted":true,"output_tokens":7,"charged_usd_micros":9}'


def test_facts_say_what_a_request_asks_of_any_route() -> None:
    made = facts(needs=("tools", "chat"), images=2, choices=3)
    assert made.load == Load(40, 2, 3, 10, 10, 100_000, "simple", frozenset({"chat", "tools"}))
    assert json.loads(to_json(made))["needs"] == ["tools", "chat"]
