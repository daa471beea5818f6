"""Problems that were decided as if they were sound, and changes that were told though nobody could make them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.canon.problem_kit import HASHER, WEIGHTS, candidate, decided, denials, item, path, posed
from tests.worker.canon.problem_kit import problem_of as read
from worker.canon.certificate import CertificateError, certificate_of, verify_certificate
from worker.canon.certificate_form import sealed
from worker.canon.codes import NON_INTERFERENCE_VIOLATION, Denial
from worker.canon.minimal_fix import apply_fix, minimal_fix
from worker.canon.problem import Action, Bounds, Features, Path, Problem, ProblemError, Scenario, read_problem
from worker.canon.problem import problem_to_plain as written
from worker.canon.resolve import resolve
from worker.canon.rules import Rule
from worker.errors import CanonicalError, MalformedRequest
from worker.ledger.canonical import MAX_INT
from worker.strict_json import parse_json

NAN: Any = float("nan")
WRONG: Any = 1_000_000.0
SOUND = read(candidate("a"))
FIGURES = Features(1, 1, 1, 1)


def with_path(**changes: Any) -> Problem:
    return SOUND._replace(candidates=(SOUND.candidates[0]._replace(**changes),))


@pytest.mark.parametrize(
    "problem",
    [
        SOUND._replace(bounds=Bounds(max_cost_usd_micros=NAN)),
        SOUND._replace(bounds=Bounds(max_risk_ppm=WRONG)),
        SOUND._replace(bounds=Bounds(max_risk_ppm=1_000_001)),
        SOUND._replace(bounds=Bounds(min_success_ppm=NAN)),
        SOUND._replace(bounds=Bounds(max_cost_usd_micros=True)),
        SOUND._replace(bounds=Bounds(max_cost_usd_micros=-1)),
        SOUND._replace(bounds=Bounds(required_kinds=("nothing",))),
        SOUND._replace(invariants=(Rule("r", "HARD_FAIL", ("*",), "at_most", "ttv_us", value=NAN),)),
        SOUND._replace(invariants=(Rule("r", "HARD_FAIL", ("*",), "at_most", "ttv_us", value=WRONG),)),
        SOUND._replace(horizon_us=WRONG),
        SOUND._replace(horizon_us=0),
        SOUND._replace(weights=SOUND.weights._replace(risk_us_per_ppm=NAN)),
        with_path(tier_factor_ppm=NAN),
        with_path(tier_factor_ppm=WRONG * 2),
        with_path(tier_factor_ppm=MAX_INT + 1),
        with_path(actions=(Action("x"), Action("x"))),
        with_path(actions=()),
        with_path(features=None, scenarios=(Scenario(WRONG, FIGURES),)),
        with_path(features=None, scenarios=(Scenario(2_000_000, FIGURES), Scenario(-1_000_000, FIGURES))),
    ],
)
def test_what_is_no_number_is_refused_of_a_problem_that_was_never_read(problem: Problem) -> None:
    """No path costs more than a bound that is NaN, so all of them were admitted."""
    with pytest.raises(ProblemError):
        resolve(problem, HASHER)


@pytest.mark.parametrize("text", ["1.0", "1e3", "-0.0", "true", "null", '"1"', "-1", str(MAX_INT + 1), "01", "NaN"])
@pytest.mark.parametrize("member", ["ttv_us", "cost_usd_micros", "risk_ppm", "success_ppm"])
def test_what_only_looks_like_a_whole_number_is_none(member: str, text: str) -> None:
    said = json.dumps(posed(candidate("a", **{member: 77})))
    assert said.count("77") == 1
    with pytest.raises(MalformedRequest):
        read_problem(parse_json(said.replace("77", text)), HASHER)
    # Minus nothing is nothing.
    assert read_problem(parse_json(said.replace("77", "-0")), HASHER) == read(candidate("a", **{member: 0}))


@pytest.mark.parametrize("name", ["é", "e\u0301", "\u202ea", "a b", "a,b", "", "a" * 129, "a\x00", "\ud800", 1, None])
def test_an_id_has_one_spelling(name: Any) -> None:
    """Visible ASCII alone: nothing that looks or sorts differently elsewhere."""
    for problem in (
        posed({**candidate("a"), "id": name}),
        posed(path("a", {"id": name})),
        posed(path("a", {"tags": [name]})),
        posed(path("a", {"prerequisites": [name]})),
        posed(candidate("a"), canon=[item("law", id=name)]),
    ):
        with pytest.raises(ProblemError):
            read_problem(problem, HASHER)


def test_two_goals_that_look_alike_are_two() -> None:
    digests = set()
    for goal in ("é", "e\u0301", "\u202eé"):
        found = decided(candidate("a"), goal=goal)
        certificate = certificate_of(found.problem, found, HASHER)
        verify_certificate(json.loads(json.dumps(certificate)), HASHER)
        digests.add(certificate["digest"])
    assert len(digests) == 3
    with pytest.raises(ProblemError, match="goal"):
        read(candidate("a"), goal="\ud800")


def fixed(found: Any) -> Any:
    """What would admit the only candidate, and the problem with it made and read again."""
    fix = minimal_fix(found, 0, HASHER)
    if fix is None:
        return None
    changed = apply_fix(found, 0, fix, HASHER)
    again = read_problem(written(changed.problem), HASHER)
    assert resolve(again, HASHER, changed.extra).selected == "a"
    return [change.op for change in fix]


def test_no_change_is_told_after_which_there_would_be_no_such_problem() -> None:
    """A bound to raise whose total nobody can tell; a name more than a list may hold."""
    dear = candidate("a", cost_usd_micros=MAX_INT)
    assert fixed(decided(dear, bounds={"max_cost_usd_micros": 5})) is None
    assert fixed(decided(dear, bounds={"max_cost_usd_micros": 5}, weights=dict.fromkeys(WEIGHTS, 0))) == ["raise"]
    heavy = {**WEIGHTS, "improbability_us_per_micronat": MAX_INT}
    assert fixed(decided(candidate("a", success_ppm=0), weights=heavy)) is None
    need = [{"id": "r", "rule": {"op": "requires", "field": "tags", "name": "zz"}}]
    for count, wanted in ((256, None), (255, ["add"])):
        full = path("a", {"tags": [f"t{at}" for at in range(count)]})
        assert fixed(decided(full, invariants=need)) == wanted


def test_a_rule_that_is_called_like_an_item_is_mended_by_itself() -> None:
    """The fix of one was looked for in the other, and none was found."""
    said = {"op": "at_most", "feature": "ttv_us", "value": 5}
    law = item("r", kind="constraint", content={"rule": said})
    own = {"id": "r", "rule": {"op": "at_most", "feature": "cost_usd_micros", "value": 5}}
    found = decided(candidate("a"), canon=[law], invariants=[own])
    assert denials(found, "a") == [("INVARIANT_VIOLATION", "r", "")] * 2
    assert fixed(found) == ["improve", "improve"]
    # One that is kept is left alone: to drop what is not there would be to add it.
    ban = {"id": "r", "rule": {"op": "forbids", "field": "tags", "name": "absent"}}
    assert fixed(decided(candidate("a"), canon=[law], invariants=[ban])) == ["improve"]
    need = {"id": "r", "rule": {"op": "requires", "field": "tags", "name": "wanted"}}
    assert fixed(decided(path("a", {}), canon=[law], invariants=[need])) == ["improve", "add"]


def resealed(plain: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body = {**plain, **changes}
    return sealed({name: value for name, value in body.items() if name != "digest"}, HASHER)


def test_a_certificate_has_one_form_even_under_a_new_seal() -> None:
    """Another order, a longer list, a number as text: refused, though the digest is right."""
    found = decided(candidate("a"), candidate("b", ttv_us=5), path("c", {"tags": ["x", "y"]}), canon=[item("law")])
    plain = json.loads(json.dumps(certificate_of(found.problem, found, HASHER)))
    verify_certificate(plain, HASHER)
    problem = plain["problem"]
    third = problem["candidates"][2]
    other_tags = {**third, "actions": [{**third["actions"][0], "tags": ["y", "x"]}]}
    forgeries: tuple[dict[str, Any], ...] = (
        {"candidates": plain["candidates"][::-1]},
        {"candidates": plain["candidates"][:-1]},
        {"problem": {**problem, "candidates": problem["candidates"][::-1]}},
        {"problem": {**problem, "candidates": [*problem["candidates"][:2], other_tags]}},
        {"problem": {**problem, "candidates": problem["candidates"][:-1]}},
        {"problem": {name: value for name, value in problem.items() if name != "goal"}},
        {"problem": {**problem, "horizon_us": str(problem["horizon_us"])}},
        {"problem": {**problem, "surprise": 1}},
        {"canon_hash": plain["canon_hash"].upper()},
        {"ranking": plain["ranking"][:-1]},
        {"ranking": [float(at) for at in plain["ranking"]]},
        {"extra": {"nobody": {"denials": [], "evidence": None}}},
        {"extra": {"a": {"denials": [{"code": "NEW", "subject": "", "bound": 0, "value": 0}], "evidence": None}}},
        {"extra": {"a": {"denials": [{"code": "X", "subject": "", "bound": True, "value": 0}], "evidence": None}}},
        {"v": True},
        {"v": "1"},
        {"kind": "request"},
    )
    for changes in forgeries:
        try:
            forged = resealed(plain, **changes)
        except CanonicalError:  # a number that is none can't be sealed at all
            forged = {**plain, **changes}
        with pytest.raises(CertificateError):
            verify_certificate(forged, HASHER)


def test_what_was_handed_in_can_be_invented_by_who_seals_anew_and_only_the_log_knows() -> None:
    """The documented limit: a denial from elsewhere is an input, and so is which candidates there were."""
    found = decided(candidate("a"), candidate("b", ttv_us=5))
    plain = certificate_of(found.problem, found, HASHER)
    assert plain["selected"] == "b"
    harm = Denial(NON_INTERFERENCE_VIOLATION, "victim", 0, 1)
    other = resolve(found.problem, HASHER, {"b": (harm,)})
    forged = certificate_of(found.problem, other, HASHER)
    verify_certificate(forged, HASHER)
    assert forged["selected"] == "a"
    alone = decided(candidate("a"))
    dropped = certificate_of(alone.problem, alone, HASHER)
    verify_certificate(dropped, HASHER)
    assert len({plain["digest"], forged["digest"], dropped["digest"]}) == 3


def test_chances_of_nothing_and_of_certainty_are_exact() -> None:
    sure, none = Features(1, 1, 1_000_000, 1_000_000), Features(1, 1, 0, 0)
    steps = Path("a", tuple(Action(f"s{at}", features=sure) for at in range(64)))
    found = resolve(SOUND._replace(candidates=(steps,)), HASHER)
    assert found.measured[0][3:5] == (1_000_000, 1_000_000)
    steps = steps._replace(actions=(*steps.actions[:-1], Action("last", features=none)))
    found = resolve(SOUND._replace(candidates=(steps,)), HASHER)
    assert (found.measured[0].success_ppm, found.selected) == (0, None)
