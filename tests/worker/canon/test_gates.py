"""Gates: each code has a request that raises it and only it, a bound met exactly passes, and nothing is left out."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import CATALOGUE, weights
from worker.canon import codes
from worker.canon.codes import DENIAL_REASON_CODES, INVARIANT_IDS, Denial, denial_from_text
from worker.canon.gates import (
    FULFILLED,
    Bounds,
    Funds,
    bounds_of,
    guardrail_denials,
    judge,
    judge_all,
    success_floor_ppm,
)
from worker.covenant.policy import QUALITIES, Policy
from worker.routing.candidates import Candidate, Load, Observation, build_candidates
from worker.routing.catalogue import QualityFloors, compile_catalogue

COMPILED = compile_catalogue(CATALOGUE)
LOAD = Load(
    input_bytes=40,
    images=0,
    choices=1,
    max_output_tokens=10,
    expected_output_tokens=10,
    p_small_fails_ppm=100_000,
    complexity="simple",
    needs=frozenset({"chat"}),
)
GUARDRAILS = ("GUARDRAIL_INJECTION", "GUARDRAIL_PERSONAL_DATA", "GUARDRAIL_REDACTION")
BOUNDS = Bounds(
    policy=Policy(),
    weights=weights(max_risk_ppm=5_000),
    success_floor_ppm=900_000,
    funds=(),
    max_price_per_mtok=None,
    configured=frozenset({"alpha"}),
    allowed=None,
    catalogue_is_canon=True,
    min_output_tokens=4,
)


class Scene(NamedTuple):
    """What is changed on the way of the usual request to alpha, which passes every gate."""

    load: dict[str, Any] = {}  # noqa: RUF012
    bounds: dict[str, Any] = {}  # noqa: RUF012
    route: dict[str, Any] = {}  # noqa: RUF012
    candidate: dict[str, Any] = {}  # noqa: RUF012


def set_up(scene: Scene) -> tuple[Candidate, Load, Bounds]:
    load = LOAD._replace(**scene.load)
    candidate = build_candidates(COMPILED, "alpha/m", load, {})[0]
    candidate = candidate._replace(route=candidate.route._replace(**scene.route), **scene.candidate)
    return candidate, load, BOUNDS._replace(**scene.bounds)


def denials(scene: Scene) -> tuple[Denial, ...]:
    return judge(*set_up(scene)).denials


def policy(**fields: Any) -> dict[str, Any]:
    return {"policy": Policy(**fields)}


def funds(left: int, account: str = "tenant") -> dict[str, Any]:
    return {"funds": (Funds(account, left),)}


def test_the_seven_codes_are_frozen_on_the_wire() -> None:
    assert DENIAL_REASON_CODES == (
        "AUTHORITY_BOUNDARY_FAIL",
        "COST_BOUND_EXCEEDED",
        "INVARIANT_VIOLATION",
        "MISSING_CANON_PREREQS",
        "NON_INTERFERENCE_VIOLATION",
        "RISK_BOUND_EXCEEDED",
        "SUCCESS_PROB_TOO_LOW",
    )


def test_the_invariants_are_frozen_on_the_wire() -> None:
    assert INVARIANT_IDS == (
        "CONTEXT_WINDOW",
        "GUARDRAIL_INJECTION",
        "GUARDRAIL_PERSONAL_DATA",
        "GUARDRAIL_REDACTION",
        "MODEL_CAPABILITY",
        "POLICY_DEADLINE",
        "POLICY_REQUIREMENT",
        "POLICY_RESIDENCY",
        "PROVIDER_AVAILABLE",
        "PROVIDER_CONFIGURED",
    )


def test_the_usual_request_passes_every_gate() -> None:
    verdict = judge(*set_up(Scene()))
    assert verdict == ((), 10, 60)


# Every scene is one step beyond its bound; the denial says the bound and the value.
DENIED: dict[str, tuple[Scene, Denial]] = {
    "a provider this tenant may not use": (
        Scene(bounds={"allowed": frozenset({"beta"})}),
        Denial("AUTHORITY_BOUNDARY_FAIL", "alpha", 0, 0),
    ),
    "no provider allowed at all": (
        Scene(bounds={"allowed": frozenset()}),
        Denial("AUTHORITY_BOUNDARY_FAIL", "alpha", 0, 0),
    ),
    "an account one micro-dollar short": (
        Scene(bounds=funds(59)),
        Denial("COST_BOUND_EXCEEDED", "tenant", 59, 60),
    ),
    "an empty account": (Scene(bounds=funds(0)), Denial("COST_BOUND_EXCEEDED", "tenant", 0, 60)),
    "a request's own budget": (
        Scene(bounds=funds(59, "request")),
        Denial("COST_BOUND_EXCEEDED", "request", 59, 60),
    ),
    "too little for the least answer": (
        Scene(load={"max_output_tokens": 0}, bounds=funds(47)),
        Denial("COST_BOUND_EXCEEDED", "tenant", 47, 48),
    ),
    "too little for the input alone": (
        Scene(load={"max_output_tokens": 0}, bounds=funds(39)),
        Denial("COST_BOUND_EXCEEDED", "tenant", 39, 48),
    ),
    "a price per million": (
        Scene(bounds={"max_price_per_mtok": 1_999_999}),
        Denial("COST_BOUND_EXCEEDED", "per_1m_tokens", 1_999_999, 2_000_000),
    ),
    "a longer request than the context": (
        Scene(load={"input_bytes": 4_000, "max_output_tokens": 0}),
        Denial("INVARIANT_VIOLATION", "CONTEXT_WINDOW", 1_000, 1_001),
    ),
    "a request and answer longer than the context": (
        Scene(load={"input_bytes": 3_964}),
        Denial("INVARIANT_VIOLATION", "CONTEXT_WINDOW", 1_000, 1_001),
    ),
    "a longer answer than the model gives": (
        Scene(load={"max_output_tokens": 101}),
        Denial("INVARIANT_VIOLATION", "CONTEXT_WINDOW", 100, 101),
    ),
    "something the model can't do": (
        Scene(load={"needs": frozenset({"chat", "vision"})}),
        Denial("INVARIANT_VIOLATION", "MODEL_CAPABILITY", 0, 0),
    ),
    "a deadline one microsecond short": (
        Scene(bounds=policy(deadline_us=109_999)),
        Denial("INVARIANT_VIOLATION", "POLICY_DEADLINE", 109_999, 110_000),
    ),
    **{
        f"a guardrail, {invariant}": (
            Scene(bounds={"guardrails": guardrail_denials((f"{invariant}:100:140",))}),
            Denial("INVARIANT_VIOLATION", invariant, 100, 140),
        )
        for invariant in GUARDRAILS
    },
    "a requirement nobody attests": (
        Scene(bounds=policy(requirements=("gdpr", "hipaa"))),
        Denial("INVARIANT_VIOLATION", "POLICY_REQUIREMENT", 0, 0),
    ),
    "another country": (
        Scene(bounds=policy(residency=("FR",))),
        Denial("INVARIANT_VIOLATION", "POLICY_RESIDENCY", 0, 0),
    ),
    "an excluded country": (
        Scene(bounds=policy(residency_exclude=("EU",))),
        Denial("INVARIANT_VIOLATION", "POLICY_RESIDENCY", 0, 0),
    ),
    "an unknown place": (
        Scene(bounds=policy(residency=("DE",)), route={"regions": frozenset()}),
        Denial("INVARIANT_VIOLATION", "POLICY_RESIDENCY", 0, 0),
    ),
    "a route at rest": (
        Scene(candidate={"observation": Observation(1, 1_000_000, 3, True)}),
        Denial("INVARIANT_VIOLATION", "PROVIDER_AVAILABLE", 0, 3),
    ),
    "a provider without a key": (
        Scene(bounds={"configured": frozenset({"beta"})}),
        Denial("INVARIANT_VIOLATION", "PROVIDER_CONFIGURED", 0, 0),
    ),
    "a catalogue that is not CANON": (
        Scene(bounds={"catalogue_is_canon": False}),
        Denial("MISSING_CANON_PREREQS", "catalogue", 0, 0),
    ),
    "more risk than is tolerated": (
        Scene(candidate={"risk_ppm": 5_001}),
        Denial("RISK_BOUND_EXCEEDED", "max_risk_ppm", 5_000, 5_001),
    ),
    "a shared pool where a private one is demanded": (
        Scene(bounds={"weights": weights(private_only=True)}, route={"private": False}),
        Denial("RISK_BOUND_EXCEEDED", "private_pool", 1, 0),
    ),
    "less chance of success than is asked for": (
        Scene(candidate={"success_ppm": 899_999}),
        Denial("SUCCESS_PROB_TOO_LOW", "success_ppm", 900_000, 899_999),
    ),
    "no chance of success": (
        Scene(candidate={"success_ppm": 0}, bounds={"success_floor_ppm": 1}),
        Denial("SUCCESS_PROB_TOO_LOW", "success_ppm", 1, 0),
    ),
}


@pytest.mark.parametrize(("scene", "denial"), DENIED.values(), ids=DENIED)
def test_each_reason_is_raised_alone(scene: Scene, denial: Denial) -> None:
    assert denials(scene) == (denial,)


def test_every_code_and_every_invariant_has_a_scene() -> None:
    found = [denial for _, denial in DENIED.values()]
    assert {denial.code for denial in found} == set(DENIAL_REASON_CODES) - {codes.NON_INTERFERENCE_VIOLATION}
    assert {denial.subject for denial in found if denial.code == codes.INVARIANT_VIOLATION} == set(INVARIANT_IDS)


# The same scenes, at their bound.
PASSED: dict[str, Scene] = {
    "a provider this tenant may use": Scene(bounds={"allowed": frozenset({"alpha"})}),
    "an account with just enough": Scene(bounds=funds(60)),
    "just enough for the least answer": Scene(load={"max_output_tokens": 0}, bounds=funds(48)),
    "a price per million": Scene(bounds={"max_price_per_mtok": 2_000_000}),
    "a request that leaves one token": Scene(load={"input_bytes": 3_996, "max_output_tokens": 0}),
    "a request and answer as long as the context": Scene(load={"input_bytes": 3_960}),
    "an answer as long as the model gives": Scene(load={"max_output_tokens": 100}),
    "all that the model can do": Scene(load={"needs": frozenset({"chat", "json"})}),
    "a deadline met exactly": Scene(bounds=policy(deadline_us=110_000)),
    "a requirement that the gateway fulfils": Scene(
        bounds={"fulfilled": FULFILLED, **policy(requirements=("gdpr", "redact_pii"))}
    ),
    "a requirement attested": Scene(bounds=policy(requirements=("gdpr",))),
    "the country asked for": Scene(bounds=policy(residency=("EU",), residency_exclude=("FR",))),
    "an unknown place nobody asks about": Scene(route={"regions": frozenset()}),
    "failures that have not opened the breaker": Scene(candidate={"observation": Observation(1, 1_000_000, 2, False)}),
    "as much risk as is tolerated": Scene(candidate={"risk_ppm": 5_000}),
    "a private pool where one is demanded": Scene(bounds={"weights": weights(private_only=True)}),
    "the chance of success asked for": Scene(candidate={"success_ppm": 900_000}),
}


@pytest.mark.parametrize("scene", PASSED.values(), ids=PASSED)
def test_a_bound_that_is_met_passes(scene: Scene) -> None:
    assert denials(scene) == ()


def test_all_failing_gates_are_reported_in_the_order_of_the_codes() -> None:
    everything = Scene(
        load={"max_output_tokens": 101, "needs": frozenset({"vision"})},
        bounds={
            "allowed": frozenset(),
            "funds": (Funds("request", 1), Funds("tenant", 2), Funds("day", 3)),
            "max_price_per_mtok": 1,
            "configured": frozenset(),
            "catalogue_is_canon": False,
            "guardrails": guardrail_denials(tuple(f"{invariant}:1:2" for invariant in GUARDRAILS)),
            **policy(deadline_us=1, requirements=("fips",), residency=("US",)),
        },
        candidate={"observation": Observation(0, 1_000_000, 9, True), "risk_ppm": 1_000_000, "success_ppm": 0},
    )
    found = denials(everything)
    assert [(denial.code, denial.subject) for denial in found] == [
        ("AUTHORITY_BOUNDARY_FAIL", "alpha"),
        ("COST_BOUND_EXCEEDED", "per_1m_tokens"),
        ("COST_BOUND_EXCEEDED", "request"),
        ("COST_BOUND_EXCEEDED", "tenant"),
        ("COST_BOUND_EXCEEDED", "day"),
        *[("INVARIANT_VIOLATION", invariant) for invariant in INVARIANT_IDS],
        ("MISSING_CANON_PREREQS", "catalogue"),
        ("RISK_BOUND_EXCEEDED", "max_risk_ppm"),
        ("SUCCESS_PROB_TOO_LOW", "success_ppm"),
    ]


# Scenes that change different things, so that any of them can happen together.
INDEPENDENT = (
    "a provider this tenant may not use",
    "an account one micro-dollar short",
    "a price per million",
    "a longer answer than the model gives",
    "something the model can't do",
    "a deadline one microsecond short",
    "a route at rest",
    "a provider without a key",
    "a catalogue that is not CANON",
    "more risk than is tolerated",
    "less chance of success than is asked for",
)


@given(st.sets(st.sampled_from(INDEPENDENT)))
def test_reasons_add_up_and_none_hides_another(names: set[str]) -> None:
    merged = Scene({}, {}, {}, {})
    for name in names:
        for into, changes in zip(merged, DENIED[name][0], strict=True):
            into.update(changes)
    found = [(denial.code, denial.subject) for denial in denials(merged)]
    assert sorted(found) == sorted(DENIED[name][1][:2] for name in names)
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("left", "output", "worst"),
    [(48, 4, 48), (49, 4, 48), (50, 5, 50), (239, 99, 238), (240, 100, 240), (999, 100, 240)],
)
def test_without_a_limit_the_answer_is_as_long_as_the_funds_buy(left: int, output: int, worst: int) -> None:
    scene = Scene(load={"max_output_tokens": 0}, bounds=funds(left))
    assert judge(*set_up(scene)) == ((), output, worst)


def test_the_tightest_of_several_funds_decides() -> None:
    bounds = {"funds": (Funds("request", 100), Funds("tenant", 60), Funds("day", 80))}
    assert judge(*set_up(Scene(load={"max_output_tokens": 0}, bounds=bounds))) == ((), 10, 60)


def test_every_choice_is_paid_for() -> None:
    assert judge(*set_up(Scene(load={"choices": 3}))).worst_usd_micros == 40 + 3 * 20
    scene = Scene(load={"choices": 3, "max_output_tokens": 0}, bounds=funds(100))
    assert judge(*set_up(scene)) == ((), 10, 100)


@given(st.integers(0, 400), st.integers(0, 120), st.integers(1, 5), st.integers(0, 400))
def test_what_is_admitted_never_costs_more_than_any_fund_holds(
    left: int, wished: int, choices: int, other: int
) -> None:
    load = {"max_output_tokens": wished, "choices": choices}
    scene = Scene(load=load, bounds={"funds": (Funds("request", left), Funds("tenant", other))})
    candidate, _, _ = set_up(scene)
    verdict = judge(*set_up(scene))
    if not verdict.denials:
        assert verdict.worst_usd_micros <= min(left, other)
        assert verdict.output_tokens == wished or (wished == 0 and 4 <= verdict.output_tokens <= candidate.output_limit)
        assert verdict.worst_usd_micros == 40 + 2 * choices * verdict.output_tokens


def test_a_free_route_needs_no_funds() -> None:
    free = Scene(
        load={"max_output_tokens": 0},
        bounds=funds(0),
        route={"input_price": 0, "output_price": 0},
        candidate={"worst_input_usd_micros": 0},
    )
    assert judge(*set_up(free)) == ((), 100, 0)


def test_verdicts_come_in_the_order_of_the_candidates() -> None:
    candidates = build_candidates(COMPILED, "auto", LOAD, {})
    verdicts = judge_all(candidates, LOAD, BOUNDS)
    assert [bool(verdict.denials) for verdict in verdicts] == [False, True]  # beta has no key here


def test_qualities_are_floors() -> None:
    floors = QualityFloors(4, 3, 2, 1)
    assert [success_floor_ppm(floors, quality) for quality in (*QUALITIES, None)] == [4, 3, 2, 1]


@pytest.mark.parametrize(("scope", "price"), [("per_1m_tokens", 7), ("total", None), ("per_day", None), (None, None)])
def test_bounds_are_gathered_from_the_policy(scope: str | None, price: int | None) -> None:
    asked = Policy(budget_usd_micros=7, budget_scope=scope, quality="high", priority="max_security")
    bounds = bounds_of(COMPILED, asked, (Funds("tenant", 5),), frozenset({"alpha"}), None, True)
    assert bounds == Bounds(
        policy=asked,
        weights=CATALOGUE.weights["max_security"],
        success_floor_ppm=CATALOGUE.quality_floors.high_ppm,
        funds=(Funds("tenant", 5),),
        max_price_per_mtok=price,
        configured=frozenset({"alpha"}),
        allowed=None,
        catalogue_is_canon=True,
        min_output_tokens=4,
    )


@pytest.mark.parametrize("denial", [denial for _, denial in DENIED.values()], ids=DENIED)
def test_a_denial_survives_its_text(denial: Denial) -> None:
    text = denial.to_text()
    assert denial_from_text(text) == denial
    assert not {" ", ","} & set(text)


def test_a_denial_has_one_golden_text() -> None:
    assert Denial("COST_BOUND_EXCEEDED", "tenant", 59, 60).to_text() == "COST_BOUND_EXCEEDED:tenant:59:60"


@pytest.mark.parametrize("text", ["", "A", "A:b", "A:b:1", "A:b:1:x", "A:b::1"])
def test_other_texts_are_no_denials(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        denial_from_text(text)
