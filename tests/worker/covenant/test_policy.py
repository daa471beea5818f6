"""A covenant written as an object: every field, every refusal, and exact money."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.covenant.objects import parse_covenant
from worker.covenant.policy import (
    BUDGET_SCOPES,
    FLAGS,
    NO_COVENANT,
    QUALITIES,
    REFUSED_FLAGS,
    REQUIREMENTS,
    Policy,
    allows_region,
    policy_from_plain,
)
from worker.covenant.regions import COUNTRIES, region_of
from worker.errors import MalformedRequest, UnreadableCovenant
from worker.ledger.canonical import canonical_json
from worker.routing.catalogue import PRIORITIES
from worker.strict_json import parse_decimal_json


def read(text: str) -> Policy:
    return parse_covenant(parse_decimal_json(text))


def test_a_covenant_with_every_field() -> None:
    policy = read(
        """{"budget_usd": 2.5, "budget_scope": "per_day", "budget_other": null, "deadline_s": 30, "quality": "high",
            "priority": "max_security", "residency": ["EU", "CH", "EU"], "residency_exclude": ["HU"],
            "requirements": ["no_logging", "gdpr"], "flags": ["multi_limit", "contradiction"]}"""
    )
    assert policy == Policy(
        budget_usd_micros=2_500_000,
        budget_scope="per_day",
        deadline_us=30_000_000,
        quality="high",
        priority="max_security",
        residency=("CH", "EU"),
        residency_exclude=("HU",),
        requirements=("gdpr", "no_logging"),
        flags=("contradiction", "multi_limit"),
    )


def test_fields_that_say_nothing_are_no_covenant() -> None:
    fields = ("budget_usd", "budget_scope", "budget_other", "deadline_s", "quality", "priority")
    lists = ("residency", "residency_exclude", "requirements", "flags")
    assert parse_covenant({}) == NO_COVENANT
    assert parse_covenant(dict.fromkeys(fields + lists)) == NO_COVENANT
    assert parse_covenant({name: [] for name in lists}) == NO_COVENANT
    assert NO_COVENANT.effective_priority == "balanced"


@pytest.mark.parametrize(("field", "choices"), [("quality", QUALITIES), ("priority", PRIORITIES)])
def test_every_choice_is_read(field: str, choices: tuple[str, ...]) -> None:
    for choice in choices:
        assert getattr(parse_covenant({field: choice}), field) == choice


def test_every_scope_and_requirement_is_read() -> None:
    for scope in BUDGET_SCOPES:
        assert parse_covenant({"budget_usd": 1, "budget_scope": scope}).budget_scope == scope
    assert parse_covenant({"requirements": list(reversed(REQUIREMENTS))}).requirements == tuple(sorted(REQUIREMENTS))


@pytest.mark.parametrize(
    ("number", "micros"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("2", 2_000_000),
        ("0.1", 100_000),
        ("0.3", 300_000),
        ("1.1", 1_100_000),
        ("0.000001", 1),
        ("0.0000019", 1),
        ("1e-6", 1),
        ("1e-7", 0),
        ("9.999999999", 9_999_999),
        ("2.5e-1", 250_000),
        ("1E3", 1_000_000_000),
        ("0.1" + "0" * 390, 100_000),
        ("1e-399", 0),
        ("999999999.999999", 999_999_999_999_999),
        ("1e9", 10**15),
        ("1000000000", 10**15),
    ],
)
def test_money_is_exact_and_a_limit_is_never_loosened(number: str, micros: int) -> None:
    assert read(f'{{"budget_usd": {number}}}').budget_usd_micros == micros


@pytest.mark.parametrize("number", ["1e15", "1000000000.000001", "1e300", "-0.000001", "-1", "9" * 40])
def test_money_out_of_range_is_refused(number: str) -> None:
    with pytest.raises(UnreadableCovenant):
        read(f'{{"budget_usd": {number}}}')


@pytest.mark.parametrize("number", ["1e400", "NaN", "Infinity", "-Infinity", "1e999999999", "0x10", "1_000", "٣", ".5"])
def test_numbers_that_are_no_json_never_reach_the_policy(number: str) -> None:
    with pytest.raises(MalformedRequest):
        read(f'{{"budget_usd": {number}}}')


@pytest.mark.parametrize(
    ("seconds", "micros"), [("30", 30_000_000), ("0.001", 1_000), ("0.000001", 1), ("2678400", 2_678_400_000_000)]
)
def test_deadlines_are_exact(seconds: str, micros: int) -> None:
    assert read(f'{{"deadline_s": {seconds}}}').deadline_us == micros


WRONG_NUMBERS = [True, False, "2", 2.5, [2], {"usd": 2}, -1, Decimal("-0.1"), Decimal("1e15"), 10**15]
NOT_FINITE = [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-Infinity")]
WRONG_LISTS: list[Any] = ["gdpr", {"gdpr": True}, [1], [None], [["gdpr"]], ["GDPR"], [""], 7, True]
MALFORMED: list[tuple[Any, str | None]] = [
    (None, None),
    ([], None),
    ("budget 2", None),
    (7, None),
    ({"budget": 2}, "covenant"),
    ({"Budget_usd": 2}, "covenant"),
    ({"": None}, "covenant"),
    ({"budget_other": {"amount": 2, "currency": "EUR"}}, "covenant.budget_other"),
    ({"budget_other": 0}, "covenant.budget_other"),
    ({"budget_scope": "per_day"}, "covenant.budget_scope"),
    ({"budget_usd": None, "budget_scope": "total"}, "covenant.budget_scope"),
    ({"deadline_s": 0}, "covenant.deadline_s"),
    ({"deadline_s": Decimal("1e-7")}, "covenant.deadline_s"),
    ({"deadline_s": 2_678_401}, "covenant.deadline_s"),
    *[({field: wrong}, f"covenant.{field}") for field in ("budget_usd", "deadline_s") for wrong in WRONG_NUMBERS],
    *[({field: wrong}, f"covenant.{field}") for field in ("budget_usd", "deadline_s") for wrong in NOT_FINITE],
    *[
        ({"budget_usd": 1, field: wrong}, f"covenant.{field}")
        for field in ("budget_scope", "quality", "priority")
        for wrong in ("", "Balanced", "best", 11, True, ["balanced"], {})
    ],
    *[
        ({field: wrong}, f"covenant.{field}")
        for field in ("requirements", "flags", "residency", "residency_exclude")
        for wrong in WRONG_LISTS
    ],
    *[
        ({field: [wrong]}, f"covenant.{field}")
        for field in ("residency", "residency_exclude")
        for wrong in ("de", "DEU", "D", "D1", "D ", "ÄÖ", "ＤＥ", "XX", "ZZ", "XK", "SU", "AN", "Uk")
    ],
    ({"residency": ["DE"] * 65}, "covenant.residency"),
    *[({"flags": [flag]}, "covenant.flags") for flag in sorted(REFUSED_FLAGS)],
    ({"flags": ["contradiction", "invalid"]}, "covenant.flags"),
]


@pytest.mark.parametrize(("plain", "param"), MALFORMED, ids=[str(at) for at in range(len(MALFORMED))])
def test_what_cannot_be_read_is_refused_by_its_name(plain: Any, param: str | None) -> None:
    with pytest.raises(UnreadableCovenant) as caught:
        parse_covenant(plain)
    assert caught.value.param == param
    assert caught.value.status == 422


def test_flags_are_refused_or_served_with_the_strict_reading() -> None:
    assert sorted(REFUSED_FLAGS) == ["absolute_time", "ambiguous_budget", "ambiguous_time", "invalid"]
    served = sorted(set(FLAGS) - REFUSED_FLAGS)
    assert served == ["contradiction", "injection", "multi_limit"]
    assert parse_covenant({"flags": served, "budget_usd": 1}) == Policy(
        budget_usd_micros=1_000_000, flags=tuple(served)
    )


EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"


@pytest.mark.parametrize(
    ("wanted", "excluded", "regions", "allowed"),
    [
        ("", "", "", True),
        ("", "", "US", True),
        ("DE", "", "DE", True),
        ("DE", "", "", False),  # an unknown place satisfies no wish
        ("", "DE", "", False),
        ("DE", "", "DE US", False),  # every region that may be used must be wanted
        ("DE US", "", "DE US", True),
        ("EU", "", "DE FR", True),
        ("EU", "", "EU", True),
        ("EU", "", "CH", False),
        ("EU", "", "GB", False),
        ("EU CH", "", "DE CH", True),
        ("DE", "", "EU", False),  # somewhere in the EU is not Germany
        (EU, "", "EU", True),
        ("", "US", "DE", True),
        ("", "US", "DE US", False),
        ("", "EU", "DE", False),
        ("", "EU", "CH", True),
        ("", "DE", "EU", False),  # somewhere in the EU may be Germany
        ("EU", "HU", "DE", True),
        ("EU", "HU", "HU", False),
        ("EU", "HU", "EU", False),
        ("DE", "DE", "DE", False),  # deny wins over want
    ],
)
def test_where_a_provider_may_be(wanted: str, excluded: str, regions: str, allowed: bool) -> None:
    policy = Policy(residency=tuple(wanted.split()), residency_exclude=tuple(excluded.split()))
    assert allows_region(policy, frozenset(regions.split())) is allowed


def test_the_eu_is_its_27_members() -> None:
    assert len(EU.split()) == 27
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    inside = [a + b for a in letters for b in letters if allows_region(Policy(residency=("EU",)), frozenset({a + b}))]
    assert inside == sorted([*EU.split(), "EU"])


def test_the_world_has_249_countries_and_the_eu() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    named = {a + b: region_of(a + b) for a in letters for b in letters}
    assert len(COUNTRIES) == 249
    assert set(EU.split()) < COUNTRIES
    assert {code: region for code, region in named.items() if region not in (None, code)} == {"UK": "GB", "EL": "GR"}
    assert {code for code, region in named.items() if region == code} == COUNTRIES | {"EU"}


def test_two_countries_are_also_known_by_other_codes() -> None:
    policy = parse_covenant({"residency": ["UK", "GB", "EL"], "residency_exclude": ["UK"]})
    assert (policy.residency, policy.residency_exclude) == (("GB", "GR"), ("GB",))


REGIONS = st.lists(st.sampled_from(sorted(COUNTRIES | {"EU", "UK", "EL"})), max_size=5)
COVENANTS = st.fixed_dictionaries(
    {},
    optional={
        "budget_usd": st.none() | st.integers(0, 10**9) | st.decimals(0, 10**9, places=6),
        "deadline_s": st.none() | st.integers(1, 2_678_400) | st.decimals("0.000001", 2_678_400, places=6),
        "quality": st.none() | st.sampled_from(QUALITIES),
        "priority": st.none() | st.sampled_from(PRIORITIES),
        "residency": REGIONS,
        "residency_exclude": REGIONS,
        "requirements": st.lists(st.sampled_from(REQUIREMENTS)),
        "flags": st.lists(st.sampled_from(sorted(set(FLAGS) - REFUSED_FLAGS))),
    },
)


@given(COVENANTS, st.none() | st.sampled_from(BUDGET_SCOPES))
def test_a_policy_survives_its_plain_form(covenant: dict[str, Any], scope: str | None) -> None:
    if covenant.get("budget_usd") is not None:
        covenant["budget_scope"] = scope
    policy = parse_covenant(covenant)
    plain = policy.to_plain()
    assert policy_from_plain(plain) == policy
    assert canonical_json(plain)
    if policy.budget_usd_micros is not None:
        assert policy.budget_usd_micros == covenant["budget_usd"] * 1_000_000


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=3), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["budget_usd", "flags", "quality", "x"]), inner)
)))  # fmt: skip
def test_any_value_is_read_or_refused_in_one_way(plain: Any) -> None:
    with contextlib.suppress(UnreadableCovenant):
        assert isinstance(parse_covenant(plain), Policy)
