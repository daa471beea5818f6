"""Rules: who gets an event, in which shape, and which configurations are refused where."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.worker.sessions.session_kit import FULL, captured
from worker.sessions.completed import to_text
from worker.sessions.rules import PPM, Routes, is_sampled, route
from worker.sessions.rules_form import RoutesRefused, compile_routes
from worker.sessions.transforms import Drop, Keep, Redact, Rename, transformed
from worker.strict_json import parse_decimal_json

EVENT: Any = parse_decimal_json(to_text(captured(FULL)))


def routes(*rules: dict[str, Any], **more: Any) -> Routes:
    named = [{"name": f"rule {index}"} | rule for index, rule in enumerate(rules)]
    return compile_routes({"version": 1, "destinations": {"billing": None, "audit": {}}, "rules": named} | more)


def goes_to(*rules: dict[str, Any]) -> list[str]:
    return [delivery.destination for delivery in route(routes(*rules), EVENT)]


@pytest.mark.parametrize(
    ("path", "condition", "holds"),
    [
        ("outcome.status", "success", True),
        ("outcome.status", {"eq": "error"}, False),
        ("outcome.status", {"in": ["error", "success"]}, True),
        ("outcome.status", {"in": ["error"]}, False),
        ("usage.total_tokens", 2140, True),
        ("usage.total_tokens", Decimal("2140.0"), True),
        ("usage.total_tokens", "2140", False),
        ("usage.total_tokens", {"range": {"gte": 2140, "lt": 2141}}, True),
        ("usage.total_tokens", {"range": {"gt": 2140}}, False),
        ("usage.total_tokens", {"range": {"lte": 2139}}, False),
        ("usage.estimated_cost_usd", {"range": {"gte": Decimal("0.0428"), "lte": Decimal("0.0428")}}, True),
        ("usage.model", {"range": {"gte": 0}}, False),
        ("usage.model", {"prefix": "gpt-"}, True),
        ("usage.model", {"prefix": "claude"}, False),
        ("usage.total_tokens", {"prefix": "2"}, False),
        ("metadata.source_ip", {"exists": True}, True),
        ("metadata.nothing.at.all", {"exists": True}, False),
        ("metadata.source_ip.deeper", {"exists": False}, True),
        ("outcome.error_code", {"exists": False}, True),
        ("metadata.nothing", "", False),
    ],
)
def test_a_condition_holds_or_not(path: str, condition: object, holds: bool) -> None:
    assert goes_to({"match": {path: condition}, "to": ["billing"]}) == ["billing"] * holds


def test_true_is_not_one_and_null_is_not_there() -> None:
    compiled = routes({"match": {"metadata.a": True, "metadata.b": {"exists": False}}, "to": ["audit"]})
    for value, taken in ((True, 1), (1, 0), ("true", 0), (False, 0)):
        assert len(route(compiled, {"event_id": "e", "metadata": {"a": value, "b": None}})) == taken


def test_all_conditions_must_hold_and_none_is_fine() -> None:
    match = {"outcome.status": "success", "usage.model": "other"}
    assert goes_to({"match": match, "to": ["billing"]}, {"to": ["audit"]}) == ["audit"]


def test_the_first_rule_that_names_a_destination_decides_for_it() -> None:
    compiled = routes(
        {"to": ["billing"], "transform": [{"drop": ["metadata"]}], "retention_days": 7},
        {"to": ["audit", "billing"], "transform": [{"redact": ["user"]}]},
        destinations={"billing": {"type": "sqlite"}, "audit": None},
    )
    first, second = route(compiled, EVENT)
    assert (first.destination, first.rule, first.transforms) == ("billing", "rule 0", (Drop((("metadata",),)),))
    assert (second.destination, second.rule, second.retention_days) == ("audit", "rule 1", None)


def test_stop_ends_the_search() -> None:
    assert goes_to({"to": ["billing"], "stop": True}, {"to": ["audit"]}) == ["billing"]
    assert goes_to({"match": {"usage.model": "x"}, "to": [], "stop": True}, {"to": ["audit"]}) == ["audit"]


def test_a_rule_that_sampled_an_event_out_has_decided_too() -> None:
    assert goes_to({"to": ["billing"], "sample": 0}, {"to": ["billing", "audit"]}) == ["audit"]


def test_sampling_is_by_the_id_alone_and_nested() -> None:
    names = [f"evt_{index}" for index in range(20_000)]
    taken = {ppm: {name for name in names if is_sampled(name, ppm)} for ppm in (0, 1_000, 10_000, 100_000, PPM)}
    assert taken[0] == set()
    assert taken[PPM] == set(names)
    assert taken[1_000] < taken[10_000] < taken[100_000]
    assert 1_800 < len(taken[100_000]) < 2_200
    assert [name for name in names[:40] if is_sampled(name, 100_000)] == ["evt_1", "evt_4", "evt_7", "evt_11", "evt_27"]


def test_a_destinations_own_transforms_come_last_and_its_retention_is_the_default() -> None:
    compiled = routes(
        {"to": ["billing"], "transform": [{"rename": {"user.user_id": "who"}}]},
        {"to": ["audit"], "retention_days": 1},
        destinations={
            "billing": {
                "transform": [{"redact": ["who"]}],
                "type": "sqlite",
                "retention_days": 365,
                "party": "finance",
            },
            "audit": {"type": "sqlite", "retention_days": 2555},
        },
    )
    billing, audit = route(compiled, EVENT)
    assert billing.transforms == (Rename(("user", "user_id"), ("who",)), Redact((("who",),)))
    assert (billing.retention_days, audit.retention_days) == (365, 1)
    assert transformed(EVENT, billing.transforms)["who"] == "[redacted]"


SMALL = {"a": {"b": 1, "c": {"d": 2}}, "e": [3], "f": {}}


@pytest.mark.parametrize(
    ("transforms", "result"),
    [
        ((), SMALL),
        ((Keep((("a", "b"), ("e",))),), {"a": {"b": 1}, "e": [3]}),
        ((Keep((("a", "b", "c"), ("f",), ("z",))),), {"f": {}}),
        ((Keep(()),), {}),
        ((Drop((("a", "c"), ("e", "x"), ("z", "z"))),), {"a": {"b": 1}, "e": [3], "f": {}}),
        ((Redact((("a",), ("e",), ("z",))),), {"a": "[redacted]", "e": "[redacted]", "f": {}}),
        ((Rename(("a", "c"), ("g", "h")),), {"a": {"b": 1}, "e": [3], "f": {}, "g": {"h": {"d": 2}}}),
        ((Rename(("e",), ("a", "b")),), {"a": {"b": [3], "c": {"d": 2}}, "f": {}}),
        ((Rename(("z",), ("a",)),), {"e": [3], "f": {}}),
        ((Rename(("e",), ("a", "b", "x")),), {"a": {"b": {"x": [3]}, "c": {"d": 2}}, "f": {}}),
        ((Rename(("z",), ("e", "x")),), {"a": {"b": 1, "c": {"d": 2}}, "e": {}, "f": {}}),
        ((Redact((("a",),)), Rename(("a", "b"), ("g",)), Drop((("f",),))), {"a": "[redacted]", "e": [3]}),
    ],
)
def test_transforms(transforms: Any, result: dict[str, Any]) -> None:
    before = repr(SMALL)
    assert transformed(SMALL, transforms) == result
    assert repr(SMALL) == before


GOOD_RULE = {"name": "all", "to": ["billing"]}


def with_rule(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "destinations": {"billing": None}, "rules": [GOOD_RULE | changes]}


#: Where, part of the message, and the configuration.
REFUSED = [
    ("", "must be a section", None),
    ("", "must be a section", []),
    ("", "rules is missing", {"version": 1, "destinations": {}}),
    ("version", "must be 1", with_rule() | {"version": 2}),
    ("version", "must be 1", with_rule() | {"version": True}),
    ("routes", "no such key here; did you mean rules?", with_rule() | {"routes": []}),
    ("destinations", "must be a section", with_rule(to=[]) | {"destinations": []}),
    ("destinations.billing", "must be a section", with_rule() | {"destinations": {"billing": "x"}}),
    ("destinations.billing.url", "no such key", with_rule() | {"destinations": {"billing": {"url": "x"}}}),
    ("destinations.billing.party", "1 to 64", with_rule() | {"destinations": {"billing": {"party": ""}}}),
    ("rules", "must be a list", with_rule() | {"rules": {}}),
    ("rules[0]", "must be a section", with_rule() | {"rules": ["all"]}),
    ("rules[0]", "name is missing", with_rule() | {"rules": [{"to": []}]}),
    ("rules[0]", "to is missing", with_rule() | {"rules": [{"name": "all"}]}),
    ("rules[0].nam", "did you mean name?", with_rule(nam="x")),
    ("rules[1].name", "another rule", with_rule() | {"rules": [GOOD_RULE, GOOD_RULE]}),
    ("rules[0].to", "must be a list", with_rule(to="billing")),
    ("rules[0].to[0]", "did you mean billing?", with_rule(to=["biling"])),
    ("rules[0].to[1]", "there twice", with_rule(to=["billing", "billing"])),
    ("rules[0].stop", "true or false", with_rule(stop="yes")),
    ("rules[0].sample", "from 0 to 1", with_rule(sample=2)),
    ("rules[0].sample", "from 0 to 1", with_rule(sample=Decimal("0.0000001"))),
    ("rules[0].sample", "from 0 to 1", with_rule(sample=True)),
    ("rules[0].retention_days", "whole number of days", with_rule(retention_days=0)),
    ("rules[0].retention_days", "billing is of the type jsonl, which drops nothing", with_rule(retention_days=3)),
    ("rules[0].retention_days", "whole number of days", with_rule(retention_days=Decimal("1.5"))),
    ("rules[0].match", "must be a section", with_rule(match=["usage.model"])),
    ("rules[0].match.usage.total_token", "did you mean usage.total_tokens?", with_rule(match={"usage.total_token": 1})),
    ("rules[0].match.usage", "no such field", with_rule(match={"usage": {"exists": True}})),
    ("rules[0].match.metadata..a", "must be a path", with_rule(match={"metadata..a": 1})),
    ("rules[0].match.metadata.*", "must be a path", with_rule(match={"metadata.*": 1})),
    ("rules[0].match.usage.model", "exactly one", with_rule(match={"usage.model": {}})),
    ("rules[0].match.usage.model", "exactly one", with_rule(match={"usage.model": {"eq": 1, "in": [1]}})),
    ("rules[0].match.usage.model.like", "no such key", with_rule(match={"usage.model": {"like": "x"}})),
    ("rules[0].match.usage.model", "must be a text, a number", with_rule(match={"usage.model": None})),
    ("rules[0].match.usage.model.eq", "must be a text, a number", with_rule(match={"usage.model": {"eq": []}})),
    ("rules[0].match.usage.model.in", "must be a list", with_rule(match={"usage.model": {"in": "x"}})),
    ("rules[0].match.usage.model.in", "at least one", with_rule(match={"usage.model": {"in": []}})),
    ("rules[0].match.usage.model.in[0]", "must be a text, a number", with_rule(match={"usage.model": {"in": [1.5]}})),
    ("rules[0].match.usage.model.exists", "true or false", with_rule(match={"usage.model": {"exists": 1}})),
    ("rules[0].match.usage.model.prefix", "must be a text", with_rule(match={"usage.model": {"prefix": 3}})),
    ("rules[0].match.usage.model.range", "at least one of", with_rule(match={"usage.model": {"range": {}}})),
    ("rules[0].match.usage.model.range.gte", "a number", with_rule(match={"usage.model": {"range": {"gte": "1"}}})),
    ("rules[0].match.usage.model.range.ge", "no such key", with_rule(match={"usage.model": {"range": {"ge": 1}}})),
    ("rules[0].transform", "must be a list", with_rule(transform={"drop": ["user"]})),
    ("rules[0].transform[0]", "must be a section", with_rule(transform=["drop"])),
    ("rules[0].transform[0]", "exactly one", with_rule(transform=[{}])),
    ("rules[0].transform[0]", "exactly one", with_rule(transform=[{"drop": ["user"], "keep": ["user"]}])),
    ("rules[0].transform[0].hide", "no such key", with_rule(transform=[{"hide": ["user"]}])),
    ("rules[0].transform[0].drop", "must be a list", with_rule(transform=[{"drop": "user"}])),
    ("rules[0].transform[0].drop[0]", "did you mean user.user_id?", with_rule(transform=[{"drop": ["user.userid"]}])),
    ("rules[0].transform[0].drop[0]", "must be a path", with_rule(transform=[{"drop": [3]}])),
    ("rules[0].transform[0].rename", "must be a section", with_rule(transform=[{"rename": ["a", "b"]}])),
    ("rules[0].transform[0].rename.user", "within the other", with_rule(transform=[{"rename": {"user": "user.x"}}])),
    ("rules[0].transform[0].rename.user", "must be a path", with_rule(transform=[{"rename": {"user": None}}])),
    ("parties.a", "shares_with is missing", with_rule() | {"parties": {"a": {}}}),
    ("parties.a.shares_with[0]", "party is missing", with_rule() | {"parties": {"a": {"shares_with": [{}]}}}),
]


@pytest.mark.parametrize(("where", "message", "plain"), REFUSED)
def test_what_is_refused_is_told_by_its_place(where: str, message: str, plain: object) -> None:
    with pytest.raises(RoutesRefused) as refused:
        compile_routes(plain)
    told = [problem.to_text() for problem in refused.value.problems]
    assert any(line.startswith(f"{where}: " if where else "") and message in line for line in told), told


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(RoutesRefused) as refused:
        compile_routes(with_rule(to=["a", "b"], sample=3, more=1))
    assert len(refused.value.problems) == 4


def test_what_a_rename_made_may_be_named_later() -> None:
    transforms = [{"rename": {"user.user_id": "who.id"}}, {"redact": ["who.id"]}, {"keep": ["who", "event_id"]}]
    compiled = compile_routes(with_rule(transform=transforms))
    (delivery,) = route(compiled, EVENT)
    assert transformed(EVENT, delivery.transforms) == {"event_id": "evt_1", "who": {"id": "[redacted]"}}
