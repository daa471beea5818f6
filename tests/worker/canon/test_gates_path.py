"""The gates of a problem: each code by itself, each bound at its edge, every failing gate told, and what mends it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.worker.canon.problem_kit import HASHER, candidate, cite, decided, denials, features, hash_of, item, path
from tests.worker.canon.random_problems import random_problem
from worker.canon import codes
from worker.canon.codes import DENIAL_REASON_CODES, Denial
from worker.canon.items import Item, Provenance, snapshot_of
from worker.canon.minimal_fix import Change, apply_fix, minimal_fix
from worker.canon.problem import Citation, ProblemError, read_problem
from worker.canon.resolve import Resolution, resolve

HARM = Denial(codes.NON_INTERFERENCE_VIOLATION, "victim", 0, 5)
RULE = {"id": "calm", "severity": "HARD_FAIL", "applies_to": ["*"]}
#: For each code a problem in which "x" is denied by it and nothing else, and what would mend that.
ALONE: dict[str, tuple[dict[str, Any], dict[str, Any], list[Change]]] = {
    codes.AUTHORITY_BOUNDARY_FAIL: (
        path("x", {}),
        {"bounds": {"required_kinds": ["policy"]}, "canon": [item("law")]},
        [Change("cite", "law", "x.1")],
    ),
    codes.COST_BOUND_EXCEEDED: (
        candidate("x", cost_usd_micros=101),
        {"bounds": {"max_cost_usd_micros": 100}},
        [Change("raise", "max_cost_usd_micros", value=101, by=1)],
    ),
    codes.INVARIANT_VIOLATION: (
        path("x", {"writes": ["disk"]}),
        {"invariants": [{**RULE, "rule": {"op": "forbids", "field": "writes", "name": "disk"}}]},
        [Change("drop", "disk", "x.1", "writes")],
    ),
    codes.MISSING_CANON_PREREQS: (
        path("x", {"prerequisites": ["law"]}),
        {"canon": [item("law", "PROPOSED")]},
        [Change("promote", "law")],
    ),
    codes.NON_INTERFERENCE_VIOLATION: (
        path("x", {}),
        {"extra": {"x.1": (HARM,)}},
        [Change("withdraw", "victim", "x.1", codes.NON_INTERFERENCE_VIOLATION, by=5)],
    ),
    codes.RISK_BOUND_EXCEEDED: (
        candidate("x", risk_ppm=501),
        {"bounds": {"max_risk_ppm": 500}},
        [Change("raise", "max_risk_ppm", value=501, by=1)],
    ),
    codes.SUCCESS_PROB_TOO_LOW: (
        candidate("x", success_ppm=699_999),
        {"bounds": {"min_success_ppm": 700_000}},
        [Change("lower", "min_success_ppm", value=699_999, by=1)],
    ),
}


def fixed(resolution: Resolution, position: int = 0) -> list[Change]:
    found = minimal_fix(resolution, position, HASHER)
    assert found is not None
    return [*found]


def after(resolution: Resolution, changes: list[Change], position: int = 0) -> Resolution:
    changed = apply_fix(resolution, position, tuple(changes), HASHER)
    return resolve(changed.problem, HASHER, changed.extra)


@pytest.mark.parametrize("code", DENIAL_REASON_CODES)
def test_each_code_is_raised_by_itself_and_mended_by_its_least_change(code: str) -> None:
    asked, members, changes = ALONE[code]
    resolution = decided(asked, **members)
    assert resolution.verdicts[0].reason_codes == (code,)
    assert (resolution.selected, resolution.totals) == (None, (None,))
    assert fixed(resolution) == changes
    assert after(resolution, changes).selected == "x"


@pytest.mark.parametrize(
    ("bounds", "figure", "met", "beyond"),
    [
        ("max_cost_usd_micros", "cost_usd_micros", 100, 101),
        ("max_risk_ppm", "risk_ppm", 500, 501),
        ("min_success_ppm", "success_ppm", 700_000, 699_999),
        ("max_cost_usd_micros", "cost_usd_micros", 0, 1),
        ("max_risk_ppm", "risk_ppm", 0, 1),
        ("min_success_ppm", "success_ppm", 1_000_000, 999_999),
    ],
)
def test_a_bound_that_is_met_exactly_passes_and_one_more_is_denied(
    bounds: str, figure: str, met: int, beyond: int
) -> None:
    resolution = decided(candidate("a", **{figure: met}), candidate("b", **{figure: beyond}), bounds={bounds: met})
    assert [len(verdict.findings) for verdict in resolution.verdicts] == [0, 1]
    denial = resolution.verdicts[1].findings[0].denial
    assert (denial.bound, denial.value) == (met, beyond)


@pytest.mark.parametrize("value", [0.5, True, None, "1", -1, float("nan")])
@pytest.mark.parametrize("field", ["ttv_us", "cost_usd_micros", "risk_ppm", "success_ppm"])
def test_what_is_no_figure_raises_and_is_never_compared(field: str, value: Any) -> None:
    sound = decided(candidate("a")).problem
    (one,) = sound.candidates
    assert one.features is not None
    broken = one._replace(features=one.features._replace(**{field: value}))
    with pytest.raises(ProblemError, match=field):
        resolve(sound._replace(candidates=(broken,)), HASHER)


def test_every_failing_gate_is_told_in_the_order_of_the_codes_then_of_the_actions() -> None:
    resolution = decided(
        path(
            "x",
            {"prerequisites": ["b", "a"], "writes": ["disk"]},
            {"prerequisites": ["a"]},
            cost_usd_micros=2,
            risk_ppm=2,
            success_ppm=0,
        ),
        bounds={"max_cost_usd_micros": 1, "max_risk_ppm": 1, "required_kinds": ["policy"]},
        invariants=[{**RULE, "rule": {"op": "forbids", "field": "writes", "name": "disk"}}],
        extra={"x.2": (HARM,)},
    )
    assert denials(resolution, "x") == [
        ("AUTHORITY_BOUNDARY_FAIL", "kind:policy", "x.1"),
        ("AUTHORITY_BOUNDARY_FAIL", "kind:policy", "x.2"),
        ("COST_BOUND_EXCEEDED", "max_cost_usd_micros", ""),
        ("INVARIANT_VIOLATION", "calm", "x.1"),
        ("MISSING_CANON_PREREQS", "a", "x.1"),
        ("MISSING_CANON_PREREQS", "b", "x.1"),
        ("MISSING_CANON_PREREQS", "a", "x.2"),
        ("NON_INTERFERENCE_VIOLATION", "victim", "x.2"),
        ("RISK_BOUND_EXCEEDED", "max_risk_ppm", ""),
        ("SUCCESS_PROB_TOO_LOW", "success_ppm", ""),
    ]
    assert list(resolution.verdicts[0].reason_codes) == sorted(DENIAL_REASON_CODES)
    assert after(resolution, fixed(resolution)).selected == "x"


AUTHORITY: dict[str, tuple[list[dict[str, str]], str, list[Change]]] = {
    "nothing cited": ([], "kind:policy", [Change("cite", "far-law", "x.1")]),
    "an unknown id": ([cite("rumour")], "unknown:rumour", []),
    "an id at EVIDENCE": ([cite("hint")], "level:hint", [Change("promote", "hint")]),
    "an id at PROPOSED": ([cite("draft")], "level:draft", [Change("promote", "draft")]),
    "CANON, but of other actions": ([cite("narrow")], "scope:narrow", []),
    "the right id with a wrong hash": ([cite("far-law", "0" * 64)], "hash:far-law", [Change("cite", "far-law", "x.1")]),
}


@pytest.mark.parametrize("case", AUTHORITY.values(), ids=AUTHORITY)
def test_authority_is_cited_by_each_action_at_canon_in_scope_and_word_for_word(
    case: tuple[list[dict[str, str]], str, list[Change]],
) -> None:
    cites, subject, changes = case
    canon = [
        item("far-law"),
        item("hint", "EVIDENCE"),
        item("draft", "PROPOSED"),
        item("narrow", applies_to=["pay"]),
        item("note", kind="definition"),
    ]
    required = {"required_kinds": ["policy"]}
    resolution = decided(path("x", {"tags": ["read"], "cites": cites}), bounds=required, canon=canon)
    assert ("AUTHORITY_BOUNDARY_FAIL", subject, "x.1") in denials(resolution, "x")
    expected = changes or [Change("uncite", subject.split(":")[1], "x.1"), Change("cite", "far-law", "x.1")]
    assert sorted(fixed(resolution)) == sorted(expected)
    holds = decided(path("x", {"tags": ["read"], "cites": [cite("far-law")]}), bounds=required, canon=canon)
    assert holds.selected == "x"
    # A citation that is made has to hold even where none is required.
    assert decided(path("x", {"tags": ["read"], "cites": cites}), canon=canon).selected == ("x" if not cites else None)


def test_a_citation_of_one_action_is_no_authority_for_the_next() -> None:
    required = {"required_kinds": ["policy"]}
    resolution = decided(path("x", {"cites": [cite("law")]}, {}), bounds=required, canon=[item("law")])
    assert denials(resolution, "x") == [("AUTHORITY_BOUNDARY_FAIL", "kind:policy", "x.2")]


def test_an_item_of_another_kind_is_no_authority_where_none_of_the_kind_can_be_cited() -> None:
    resolution = decided(
        path("x", {"cites": [cite("note")]}),
        bounds={"required_kinds": ["policy"]},
        canon=[item("note", kind="definition")],
    )
    assert denials(resolution, "x") == [("AUTHORITY_BOUNDARY_FAIL", "kind:policy", "x.1")]
    assert fixed(resolution) == [Change("provide", "policy", "x.1")]


def test_content_that_is_not_what_its_hash_says_gives_no_authority() -> None:
    """Also where a caller built the items itself: the hash is worked out again from what the item says."""
    told = '{"says":"law"}'
    forged = Item(
        "law", "policy", "CANON", ("*",), "", 1, Provenance("test", "x", ""), '{"says":"other"}', hash_of("law")
    )
    for one, holds in ((forged, False), (forged._replace(content=told), True), (forged._replace(content=""), True)):
        sound = decided(path("x", {}), bounds={"required_kinds": ["policy"]}).problem
        (asked,) = sound.candidates
        action = asked.actions[0]._replace(cites=(Citation("law", hash_of("law")),))
        problem = sound._replace(canon=snapshot_of(HASHER, [one]), candidates=(asked._replace(actions=(action,)),))
        assert (resolve(problem, HASHER).selected == "x") is holds


@pytest.mark.parametrize(
    "changes", [{"at_us": 0}, {"provenance": Provenance("", "x", "")}, {"provenance": Provenance("test", "", "")}]
)
def test_authority_needs_a_time_and_a_provenance(changes: dict[str, Any]) -> None:
    problem = decided(path("x", {"cites": [cite("law")]}), canon=[item("law")]).problem
    bare = problem.canon.items[0]._replace(**changes)
    resolution = resolve(problem._replace(canon=snapshot_of(HASHER, [bare])), HASHER)
    assert denials(resolution, "x") == [("AUTHORITY_BOUNDARY_FAIL", "provenance:law", "x.1")]


RULES = {
    "at_most": ({"op": "at_most", "feature": "ttv_us", "value": 5}, {"ttv_us": 5}, {"ttv_us": 6}),
    "at_least": ({"op": "at_least", "feature": "success_ppm", "value": 9}, {"success_ppm": 9}, {"success_ppm": 8}),
    "forbids": ({"op": "forbids", "field": "resources", "name": "pool"}, {"resources": []}, {"resources": ["pool"]}),
    "requires": ({"op": "requires", "field": "reads", "name": "log"}, {"reads": ["log"]}, {"reads": ["disk"]}),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("where", ["problem", "constraint", "invariant"])
def test_a_rule_binds_wherever_it_stands_and_only_what_it_applies_to(where: str, rule: tuple[Any, ...]) -> None:
    said, keeps, breaks = rule

    def asked(name: str, tag: str, given: dict[str, Any]) -> dict[str, Any]:
        action = {"tags": [tag], **{key: value for key, value in given.items() if type(value) is list}}
        return path(name, action, **{key: value for key, value in given.items() if type(value) is int})

    paths = [asked("keeps", "pay", keeps), asked("breaks", "pay", breaks), asked("elsewhere", "read", breaks)]
    for severity in ("HARD_FAIL", "SOFT_FAIL"):
        if where == "problem":
            members: dict[str, Any] = {
                "invariants": [{"id": "r", "severity": severity, "applies_to": ["pay"], "rule": said}]
            }
        else:
            marks = {"severity": severity} if where == "invariant" else {}
            members = {"canon": [item("r", kind=where, applies_to=["pay"], content={"rule": said}, **marks)]}
        resolution = decided(*paths, **members)
        is_hard = severity == "HARD_FAIL" or where == "constraint"
        names = {resolution.problem.candidates[at].id for at in resolution.ranking}
        assert names == ({"keeps", "elsewhere"} if is_hard else {"keeps", "breaks", "elsewhere"})
        told = {
            one.id: verdict for one, verdict in zip(resolution.problem.candidates, resolution.verdicts, strict=True)
        }
        assert len(told["breaks"].warnings) == (0 if is_hard else 1)
        position = [one.id for one in resolution.problem.candidates].index("breaks")
        if is_hard:
            changes = fixed(resolution, position)
            assert len(changes) == 1
            assert "breaks" in {
                after(resolution, changes, position).problem.candidates[at].id
                for at in after(resolution, changes, position).ranking
            }


@pytest.mark.parametrize(
    "content", [{"rule": {"op": "hush"}}, {"rule": None}, {"rule": {"op": "at_most", "feature": "x", "value": 1}}]
)
def test_a_rule_that_can_t_be_read_permits_nothing_it_applies_to(content: dict[str, Any]) -> None:
    ban = item("r", kind="constraint", applies_to=["pay"], content=content)
    resolution = decided(path("x", {"tags": ["pay"]}), path("y", {"tags": ["read"]}), canon=[ban])
    assert denials(resolution, "x") == [("INVARIANT_VIOLATION", "r", "x.1")]
    assert resolution.selected == "y"
    assert minimal_fix(resolution, 0, HASHER) is None
    unseen = {key: value for key, value in ban.items() if key != "content"} | {"content_hash": "0" * 64}
    assert decided(path("x", {"tags": ["pay"]}), canon=[unseen]).selected is None
    statement = item("r", kind="constraint", content={"says": "be kind"})
    assert decided(path("x", {"tags": ["pay"]}), canon=[statement]).selected == "x"


def test_bounds_are_for_the_whole_path_and_cost_for_its_worst_case() -> None:
    steps = [{"features": features(cost_usd_micros=40, risk_ppm=400_000, success_ppm=800_000)} for _ in range(3)]
    bare = {key: value for key, value in path("x", *steps).items() if key != "features"}
    resolution = decided(bare, bounds={"max_cost_usd_micros": 119, "max_risk_ppm": 783_999, "min_success_ppm": 512_001})
    assert [
        (code, resolution.verdicts[0].findings[at].denial.value)
        for at, (code, _, _) in enumerate(denials(resolution, "x"))
    ] == [
        ("COST_BOUND_EXCEEDED", 120),
        ("RISK_BOUND_EXCEEDED", 784_000),
        ("SUCCESS_PROB_TOO_LOW", 512_000),
    ]  # 1 - 0.6^3 and 0.8^3, exactly
    gamble = {
        "id": "y",
        "scenarios": [
            {"weight_ppm": 999_999, **features(cost_usd_micros=0)},
            {"weight_ppm": 1, **features(cost_usd_micros=101)},
        ],
    }
    never = {
        "id": "z",
        "scenarios": [
            {"weight_ppm": 1_000_000, **features(cost_usd_micros=0)},
            {"weight_ppm": 0, **features(cost_usd_micros=101)},
        ],
    }
    found = decided(gamble, never, bounds={"max_cost_usd_micros": 100})
    assert denials(found, "y") == [("COST_BOUND_EXCEEDED", "max_cost_usd_micros", "")]
    assert found.selected == "z"


def test_a_denial_for_an_action_that_is_nowhere_raises() -> None:
    with pytest.raises(ProblemError, match="extra"):
        decided(candidate("x"), extra={"y": (HARM,)})
    with pytest.raises(ProblemError, match="extra"):
        decided(candidate("x"), extra={"x": (HARM._replace(code="WHIM"),)})


def test_every_fix_of_random_problems_helps_and_has_nothing_to_spare() -> None:
    """Made to a copy it admits the candidate; without any one change it doesn't, nor with a bound moved by one less."""
    fixes = unfixable = 0
    for seed in range(250):
        plain, extra_plain = random_problem(seed, HASHER.sha3_256)
        extra = {name: tuple([Denial(**one) for one in found]) for name, found in extra_plain.items()}
        resolution = resolve(read_problem(plain, HASHER), HASHER, extra)
        for position, verdict in enumerate(resolution.verdicts):
            changes = minimal_fix(resolution, position, HASHER)
            if changes is None:
                unfixable += 1
                continue
            assert bool(changes) is bool(verdict.findings)
            fixes += bool(changes)
            assert position in after(resolution, [*changes], position).ranking
            for fewer in itertools.combinations(changes, max(0, len(changes) - 1)):
                assert not changes or position not in after(resolution, [*fewer], position).ranking, (seed, changes)
            for change in changes:
                if change.op in ("raise", "lower"):
                    less = change.value + (1 if change.op == "lower" else -1)
                    weaker = [one._replace(value=less) if one == change else one for one in changes]
                    assert position not in after(resolution, weaker, position).ranking, (seed, change)
    assert fixes > 200
    assert unfixable < fixes // 4
