"""Covenants as objects: three spellings, four scales of quality, one policy; and what is refused by its name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.covenant.objects import parse_covenant
from worker.covenant.policy import NO_COVENANT, Policy
from worker.errors import UnreadableCovenant
from worker.strict_json import parse_decimal_json

COST = ("budget_usd", "cost", "maxCost", "max_cost")
MILLISECONDS = ("latency", "maxLatency", "max_latency")
QUALITY = ("quality", "requiredQuality", "minQuality", "min_quality")
TWO_DOLLARS = Policy(budget_usd_micros=2_000_000, deadline_us=30_000_000, quality="high")


def read(text: str) -> Policy:
    return parse_covenant(parse_decimal_json(text))


@pytest.mark.parametrize(
    "covenant",
    [
        '{"budget_usd": 2, "deadline_s": 30, "quality": "high"}',
        '{"cost": 2.00, "latency": 30000, "quality": 8.0}',
        '{"maxCost": 2, "maxLatency": 3e4, "requiredQuality": "quality"}',
        '{"maxCost": 2, "maxLatency": 30000, "minQuality": 9}',
        '{"max_cost": 2, "max_latency": 30000, "min_quality": 0.9}',
        '{"constraints": {"max_cost": 2, "max_latency": 30000, "min_quality": 8}}',
        '{"max_cost": 2, "constraints": {"deadline_s": 30, "quality": "high"}}',
        '{"budget_usd": 2, "cost": 2.0, "deadline_s": 30, "latency": 30000, "quality": "high", "min_quality": 10}',
        '{"constraints": {"maxCost": 2, "latency": 30000.0, "quality": 1}, "max_cost": null}',
    ],
)
def test_every_spelling_means_the_same(covenant: str) -> None:
    assert read(covenant) == TWO_DOLLARS


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        *[(word, word) for word in ("high", "medium", "low")],
        *[("quality", "high"), ("balanced", "medium"), ("speed", "low"), ("fast", "low")],
        *[
            ("0", "low"),
            ("0.499999", "low"),
            ("0.5", "medium"),
            ("0.749999", "medium"),
            ("0.75", "high"),
            ("1", "high"),
        ],
        *[
            ("1.0", "high"),
            ("1.000001", "low"),
            ("4.999", "low"),
            ("5", "medium"),
            ("7.499", "medium"),
            ("7.5", "high"),
        ],
        *[("8.0", "high"), ("10", "high"), ("1e1", "high"), ("5e-1", "medium")],
    ],
)
@pytest.mark.parametrize("name", QUALITY)
def test_four_scales_of_quality(name: str, given: str, expected: str) -> None:
    value = given if given[0].isdigit() else f'"{given}"'
    assert read(f'{{"{name}": {value}}}').quality == expected


@pytest.mark.parametrize("value", ['"best"', '""', '"High"', "-0.1", "10.01", "11", "true", "[8]", '"8"', "1e300"])
@pytest.mark.parametrize("name", QUALITY)
def test_no_other_quality_is_guessed_at(name: str, value: str) -> None:
    with pytest.raises(UnreadableCovenant, match=name) as caught:
        read(f'{{"{name}": {value}}}')
    assert caught.value.param == f"covenant.{name}"


@pytest.mark.parametrize(
    ("covenant", "param"),
    [
        ('{"budget_usd": 2, "cost": 3}', "covenant.cost"),
        ('{"maxCost": 2, "max_cost": 2.000001}', "covenant.max_cost"),
        ('{"deadline_s": 30, "latency": 30}', "covenant.latency"),
        ('{"quality": "high", "min_quality": 5}', "covenant.min_quality"),
        ('{"cost": 2, "constraints": {"cost": 1}}', "covenant.constraints.cost"),
        ('{"residency": ["DE"], "constraints": {"residency": ["DE", "FR"]}}', "covenant.constraints.residency"),
    ],
)
def test_one_thing_said_twice_must_be_the_same(covenant: str, param: str) -> None:
    with pytest.raises(UnreadableCovenant, match="say different things") as caught:
        read(covenant)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("covenant", "words"),
    [
        ('{"gpu_pool": "shared-4x"}', "priority"),
        ('{"constraints": {"optimization": "balanced"}}', "priority"),
        ('{"max_tokens": 100}', "max_completion_tokens"),
        ('{"constraints": {"maxTokens": 100}}', "max_completion_tokens"),
        ('{"constraints": {"colour": 1}}', "'colour'"),
        ('{"constraints": {"constraints": {}}}', "can't hold constraints"),
        ('{"constraints": [1]}', "must be an object"),
        ('{"constraints": "cheap"}', "must be an object"),
        ('{"max_latency": 0}', "more than zero"),
        ('{"max_latency": 0.0001}', "more than zero"),
        ('{"max_latency": 2678400001}', "between 0 and 2678400000 milliseconds"),
        ('{"max_cost": "2"}', "max_cost must be a number of dollars"),
        ('{"latency": "fast"}', "latency must be a number of milliseconds"),
        ('{"deadline_s": true}', "deadline_s must be a number of seconds"),
        ('{"constraints": {"max_cost": -1}}', "constraints.max_cost must be between"),
    ],
)
def test_a_refusal_says_what_was_expected(covenant: str, words: str) -> None:
    with pytest.raises(UnreadableCovenant) as caught:
        read(covenant)
    assert words in caught.value.message
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("milliseconds", "micros"), [("1", 1_000), ("0.001", 1), ("2.5", 2_500), ("1e3", 1_000_000), ("0.0019", 1)]
)
@pytest.mark.parametrize("name", MILLISECONDS)
def test_latency_is_exact_milliseconds(name: str, milliseconds: str, micros: int) -> None:
    assert read(f'{{"{name}": {milliseconds}}}').deadline_us == micros


def test_constraints_that_say_nothing_are_no_covenant() -> None:
    assert read('{"constraints": null}') == read('{"constraints": {}}') == NO_COVENANT
    assert read('{"constraints": {"max_cost": null, "latency": null}}') == NO_COVENANT


@given(
    cost=st.decimals(0, 10**9, places=6),
    latency=st.integers(1, 2_678_400_000),
    spelt=st.tuples(st.sampled_from(COST), st.sampled_from(MILLISECONDS)),
    nested=st.booleans(),
)
def test_no_spelling_rounds_or_loosens(cost: Decimal, latency: int, spelt: tuple[str, str], nested: bool) -> None:
    plain: dict[str, Any] = {spelt[0]: cost, spelt[1]: latency}
    policy = parse_covenant({"constraints": plain} if nested else plain)
    assert policy.budget_usd_micros == cost * 1_000_000
    assert policy.deadline_us == latency * 1_000


@given(st.decimals("0", "10", places=3), st.decimals("0", "10", places=3))
def test_more_quality_never_means_less_on_its_scale(first: Decimal, second: Decimal) -> None:
    order = {"low": 0, "medium": 1, "high": 2}
    if (first <= 1) == (second <= 1) and first <= second:
        low, high = (parse_covenant({"quality": value}).quality for value in (first, second))
        assert order[str(low)] <= order[str(high)]
