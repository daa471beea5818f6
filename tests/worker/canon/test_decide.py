"""The decision: the least total over what is admissible, the same for every order of the candidates, and provable."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import ROUND_HALF_UP, Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.decision_kit import CATALOGUE, weights
from worker.canon.codes import SUCCESS_PROB_TOO_LOW, denial_from_text
from worker.canon.decide import ROW_COLUMNS, Decision, decide, total_us
from worker.canon.gates import Bounds, bounds_of
from worker.covenant.policy import Policy
from worker.routing.candidates import NOTHING_OBSERVED, Candidate, Load, build_candidates
from worker.routing.catalogue import PRIORITIES, Weights, compile_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

PRECISE = Context(prec=40)
ROUTE = compile_catalogue(CATALOGUE).routes[0]
HORIZON_US = 500
LOAD = Load(40, 0, 1, 10, 10, 100_000, "simple", frozenset())
EXAMPLES = settings(max_examples=200, deadline=None)


def candidate(name: str, ttv: int, cost: int, risk: int, success: int, factor: int = 1_000_000) -> Candidate:
    route = ROUTE._replace(id=name, risk_ppm=risk, tier_factor_ppm=(factor, 1_000_000, 1_000_000))
    return Candidate(route, ttv, cost, risk, success, 10, 100, 40, NOTHING_OBSERVED)


def bounds(lambdas: Weights, floor: int = 1, deadline_us: int | None = None) -> Bounds:
    policy = Policy(deadline_us=deadline_us)
    made = bounds_of(compile_catalogue(CATALOGUE), policy, (), frozenset({"alpha"}), None, True)
    return made._replace(weights=lambdas, success_floor_ppm=floor)


def ids(decision: Decision) -> list[str]:
    """The admissible routes, best first."""
    return [decision.candidates[at].route.id for at in decision.ranking]


#: Few different values, so that ties are common; ids in no order.
CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.sampled_from([f"r{number}" for number in range(12)]),
        st.integers(0, 4).map(lambda n: n * 200),
        st.integers(0, 4),
        st.sampled_from([0, 1, 5, 500_000, 500_001]),
        st.sampled_from([0, 1, 500_000, 999_999, 1_000_000]),
        st.sampled_from([1_000_000, 1_500_001, 3_000_000]),
    ),
    max_size=9,
    unique_by=lambda made: made.route.id,
)
LAMBDAS = st.builds(
    lambda cost, risk, failure: weights(
        cost_us_per_usd_micro=cost, risk_us_per_ppm=risk, improbability_us_per_micronat=failure
    ),
    st.integers(0, 300),
    st.integers(0, 3),
    st.integers(0, 3),
)


def total_by_hand(made: Candidate, lambdas: Weights) -> int:
    """The formula of the design, in exact decimals."""
    spent = min(made.ttv_us, HORIZON_US) + lambdas.cost_us_per_usd_micro * made.cost_usd_micros
    penalty = spent * (made.route.tier_factor_ppm[0] - 1_000_000) // 1_000_000
    nats = -PRECISE.ln(Decimal(made.success_ppm) / 1_000_000) * 1_000_000
    failure = int(nats.to_integral_value(ROUND_HALF_UP))
    risk = lambdas.risk_us_per_ppm * made.risk_ppm
    return spent + penalty + risk + lambdas.improbability_us_per_micronat * failure


@EXAMPLES
@given(CANDIDATES, LAMBDAS, st.sampled_from([1, 500_000]), st.sampled_from([None, 400]))
def test_the_ranking_is_what_brute_force_finds(
    candidates: list[Candidate], lambdas: Weights, floor: int, deadline_us: int | None
) -> None:
    decision = decide(candidates, LOAD, bounds(lambdas, floor, deadline_us), HORIZON_US)
    left = [
        made
        for made in candidates
        if made.risk_ppm <= 500_000 and made.success_ppm >= floor and made.ttv_us <= (deadline_us or 10**9)
    ]
    expected: list[str] = []
    while left:
        key, best = min(
            ((total_by_hand(m, lambdas), m.ttv_us, m.risk_ppm, m.cost_usd_micros, m.route.id), m) for m in left
        )
        assert decision.totals[candidates.index(best)] == key[0]
        expected.append(best.route.id)
        left.remove(best)
    assert ids(decision) == expected
    assert [total is None for total in decision.totals] == [bool(verdict.denials) for verdict in decision.verdicts]


@EXAMPLES
@given(CANDIDATES, LAMBDAS, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_show(
    candidates: list[Candidate], lambdas: Weights, random: object
) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    asked = bounds(lambdas)
    assert ids(decide(shuffled, LOAD, asked, HORIZON_US)) == ids(decide(candidates, LOAD, asked, HORIZON_US))


@EXAMPLES
@given(CANDIDATES, LAMBDAS)
def test_nothing_is_changed_and_a_second_decision_is_the_same(candidates: list[Candidate], lambdas: Weights) -> None:
    asked = bounds(lambdas)
    before = copy.deepcopy((candidates, asked))
    first = decide(candidates, LOAD, asked, HORIZON_US)
    assert (candidates, asked) == before
    assert decide(candidates, LOAD, asked, HORIZON_US) == first


@EXAMPLES
@given(
    CANDIDATES,
    LAMBDAS,
    st.integers(0, 900),
    st.integers(0, 4),
    st.integers(0, 500_000),
    st.integers(0, 999_999),
)
def test_a_winner_that_gets_better_still_wins(
    candidates: list[Candidate], lambdas: Weights, ttv: int, cost: int, risk: int, success: int
) -> None:
    asked = bounds(lambdas)
    ranking = decide(candidates, LOAD, asked, HORIZON_US).ranking
    if ranking:
        won = candidates[ranking[0]]
        better = won._replace(
            ttv_us=max(0, won.ttv_us - ttv),
            cost_usd_micros=max(0, won.cost_usd_micros - cost),
            risk_ppm=max(0, won.risk_ppm - risk),
            success_ppm=min(1_000_000, won.success_ppm + success),
        )
        changed = [better if made is won else made for made in candidates]
        assert decide(changed, LOAD, asked, HORIZON_US).ranking[0] == ranking[0]


@EXAMPLES
@given(CANDIDATES, LAMBDAS, st.integers(0, 8))
def test_a_candidate_that_goes_away_changes_nothing_between_the_others(
    candidates: list[Candidate], lambdas: Weights, gone: int
) -> None:
    if gone < len(candidates):
        asked = bounds(lambdas)
        kept = [made for at, made in enumerate(candidates) if at != gone]
        before = [
            name for name in ids(decide(candidates, LOAD, asked, HORIZON_US)) if name != candidates[gone].route.id
        ]
        assert ids(decide(kept, LOAD, asked, HORIZON_US)) == before


@EXAMPLES
@given(CANDIDATES, LAMBDAS, st.integers(1, 10**6))
def test_weighing_cost_more_never_chooses_a_dearer_route(
    candidates: list[Candidate], lambdas: Weights, more: int
) -> None:
    one_tier = [made._replace(route=made.route._replace(tier_factor_ppm=(1_000_000,) * 3)) for made in candidates]
    before = decide(one_tier, LOAD, bounds(lambdas), HORIZON_US)
    weighed = replace(lambdas, cost_us_per_usd_micro=lambdas.cost_us_per_usd_micro + more)
    after = decide(one_tier, LOAD, bounds(weighed), HORIZON_US)
    if before.ranking:
        assert one_tier[after.ranking[0]].cost_usd_micros <= one_tier[before.ranking[0]].cost_usd_micros


@EXAMPLES
@given(CANDIDATES, LAMBDAS, st.sampled_from([1, 500_000, 1_000_000]), st.sampled_from([None, 200, 400]))
def test_a_further_demand_never_admits_more_nor_lowers_the_best_total(
    candidates: list[Candidate], lambdas: Weights, floor: int, deadline_us: int | None
) -> None:
    before = decide(candidates, LOAD, bounds(lambdas), HORIZON_US)
    after = decide(candidates, LOAD, bounds(lambdas, floor, deadline_us), HORIZON_US)
    assert set(after.ranking) <= set(before.ranking)
    if after.ranking:
        best_after, best_before = after.totals[after.ranking[0]], before.totals[before.ranking[0]]
        assert best_after is not None
        assert best_before is not None
        assert best_after >= best_before


@EXAMPLES
@given(
    st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**6),
    st.integers(1_000_000, 9_000_000), LAMBDAS,
)  # fmt: skip
def test_a_better_tier_loses_only_if_time_or_cost_is_worse_by_the_named_factor(
    ttv: int, cost: int, other_ttv: int, other_cost: int, factor: int, lambdas: Weights
) -> None:
    first = candidate("hosted", ttv, cost, 1_000, 900_000)
    other = candidate("other", other_ttv, other_cost, 1_000, 900_000, factor)
    asked = bounds(lambdas)
    hosted_total, other_total = (total_us(made, asked, 120_000_000, 0) for made in (first, other))
    if ttv * 1_000_000 <= factor * other_ttv and cost * 1_000_000 <= factor * other_cost:
        assert hosted_total <= other_total
    if ttv * 1_000_000 >= factor * other_ttv and cost * 1_000_000 >= factor * other_cost and ttv <= 120_000_000:
        assert hosted_total >= other_total


TIES = [
    ("time", candidate("b", 100, 2, 0, 1_000_000), candidate("a", 200, 1, 0, 1_000_000)),
    ("risk", candidate("b", 100, 2, 0, 1_000_000), candidate("a", 100, 1, 100, 1_000_000)),
    ("id", candidate("a", 100, 1, 0, 1_000_000), candidate("b", 100, 1, 0, 1_000_000)),
]


@pytest.mark.parametrize(("first", "second"), [tie[1:] for tie in TIES], ids=[tie[0] for tie in TIES])
def test_ties_are_broken_by_time_then_risk_then_cost_then_id(first: Candidate, second: Candidate) -> None:
    asked = bounds(weights(cost_us_per_usd_micro=100, risk_us_per_ppm=1, improbability_us_per_micronat=1))
    for order in ((first, second), (second, first)):
        decision = decide(order, LOAD, asked, HORIZON_US)
        assert decision.totals[0] == decision.totals[1]
        assert ids(decision) == [first.route.id, second.route.id]


def test_cost_breaks_a_tie_when_it_weighs_nothing() -> None:
    dear, cheap = candidate("a", 100, 9, 0, 1_000_000), candidate("b", 100, 1, 0, 1_000_000)
    free = bounds(weights(cost_us_per_usd_micro=0))
    assert ids(decide([dear, cheap], LOAD, free, HORIZON_US)) == ["b", "a"]


def test_time_beyond_the_horizon_counts_no_more() -> None:
    slow, slower = candidate("b", HORIZON_US, 0, 0, 1_000_000), candidate("a", 10**12, 0, 0, 1_000_000)
    decision = decide([slow, slower], LOAD, bounds(weights()), HORIZON_US)
    assert decision.totals == (HORIZON_US, HORIZON_US)
    assert ids(decision) == ["b", "a"]  # and then the faster one


def test_the_tier_factor_is_of_the_requests_complexity() -> None:
    made = candidate("a", 100, 0, 0, 1_000_000)
    made = made._replace(route=made.route._replace(tier_factor_ppm=(1_000_000, 2_000_000, 3_000_000)))
    totals = [
        decide([made], LOAD._replace(complexity=name), bounds(weights()), HORIZON_US).totals[0]
        for name in ("simple", "moderate", "complex")
    ]
    assert totals == [100, 200, 300]


def test_when_everything_is_denied_nothing_is_chosen() -> None:
    candidates = [candidate("a", 1, 1, 500_001, 1_000_000), candidate("b", 1, 1, 0, 0)]
    decision = decide(candidates, LOAD, bounds(weights()), HORIZON_US)
    assert decision.ranking == ()
    assert decision.totals == (None, None)
    assert all(verdict.denials for verdict in decision.verdicts)
    assert decide([], LOAD, bounds(weights()), HORIZON_US).ranking == ()


def test_a_hopeless_route_is_denied_however_fast_and_cheap() -> None:
    hopeless, sure = candidate("a", 0, 0, 0, 0), candidate("b", 400, 9, 0, 1_000_000)
    decision = decide([hopeless, sure], LOAD, bounds(weights()), HORIZON_US)
    assert ids(decision) == ["b"]
    assert [denial.code for denial in decision.verdicts[0].denials] == [SUCCESS_PROB_TOO_LOW]


def test_what_is_no_probability_has_no_total() -> None:
    for success in (0, -1, 1_000_001):
        with pytest.raises(ValueError, match="probability"):
            total_us(candidate("a", 1, 1, 0, success), bounds(weights()), HORIZON_US, 0)


def test_a_golden_total() -> None:
    made = candidate("a", 300, 2, 7, 500_000, 1_500_000)
    lambdas = weights(cost_us_per_usd_micro=10, risk_us_per_ppm=3, improbability_us_per_micronat=1)
    assert total_us(made, bounds(lambdas), HORIZON_US, 0) == 320 + 160 + 21 + 693_147


def test_each_weight_can_turn_the_decision() -> None:
    """None of the terms is inert: the units of a default request are commensurate (spec/canon.md, D8)."""
    compiled = compile_catalogue(DEFAULT_CATALOGUE)
    load = Load(400, 0, 1, 0, 300, 200_000, "simple", frozenset())
    candidates = build_candidates(compiled, "auto", load, {})
    asked = bounds_of(compiled, Policy(), (), frozenset({"hosted-ai"}), None, True)
    usual = ids(decide(candidates, load, asked, 120_000_000))[0]
    for field in ("cost_us_per_usd_micro", "risk_us_per_ppm", "improbability_us_per_micronat"):
        turned = {
            ids(decide(candidates, load, asked._replace(weights=replace(asked.weights, **{field: value})), 10**8))[0]
            for value in (0, 100, 10_000, 10_000_000)
        }
        assert turned != {usual}, field


def test_the_record_has_a_line_for_every_candidate() -> None:
    candidates = [candidate("a/m@p", 300, 2, 7, 500_000), candidate("b", 1, 1, 500_001, 0)]
    rows = decide(candidates, LOAD, bounds(weights()), HORIZON_US).to_rows()
    assert rows[0] == "a/m@p 300 2 7 500000 60 10 0 1000000 0 0 695454 -"
    denied = dict(zip(ROW_COLUMNS, rows[1].split(" "), strict=True))
    assert denied["total_us"] == "-"
    assert [denial_from_text(text).code for text in denied["denials"].split(",")] == [
        "RISK_BOUND_EXCEEDED",
        "SUCCESS_PROB_TOO_LOW",
    ]


# Design section 5: what a priority means on hosted.ai.
POOL_OF = {
    "max_security": "private-1x",
    "max_performance": "private-1x",
    "balanced": "shared-4x",
    "cost_optimized": "shared-8x",
}
TYPICAL = {
    "one line": (120, 20, "simple", 20_000),
    "a question": (300, 100, "simple", 100_000),
    "a paragraph": (1_200, 300, "moderate", 250_000),
    "a page": (4_000, 800, "moderate", 400_000),
    "an essay": (12_000, 1_500, "complex", 600_000),
    "a long text": (40_000, 2_000, "complex", 700_000),
}
HOSTS = {
    "simulator": frozenset({"simulator"}),
    "hosted": frozenset({"hosted-ai"}),
    "all": frozenset({"hosted-ai", "groq", "openai", "workers-ai"}),
}


def decide_default(priority: str, request: str, configured: frozenset[str], model: str = "auto") -> Decision:
    compiled = compile_catalogue(DEFAULT_CATALOGUE)
    input_bytes, expected, complexity, fails = TYPICAL[request]
    load = Load(input_bytes, 0, 1, 0, expected, fails, complexity, frozenset())
    asked = bounds_of(compiled, Policy(priority=priority), (), configured, None, True)
    return decide(build_candidates(compiled, model, load, {}), load, asked, 120_000_000)


@pytest.mark.parametrize("configured", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("request_name", TYPICAL)
@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_priority_means_its_pool(priority: str, request_name: str, configured: frozenset[str]) -> None:
    decision = decide_default(priority, request_name, configured)
    best = decision.candidates[decision.ranking[0]].route
    assert best.pool == POOL_OF[priority]
    assert best.provider in ("hosted-ai", "simulator")


@pytest.mark.parametrize("request_name", TYPICAL)
def test_security_falls_to_nothing_else(request_name: str) -> None:
    decision = decide_default("max_security", request_name, HOSTS["all"])
    assert {decision.candidates[at].route.pool for at in decision.ranking} == {"private-1x"}
    for model in ("gpt-4o", "groq/qwen3-32b"):
        assert decide_default("max_security", request_name, HOSTS["all"], model).ranking == ()
    assert decide_default("max_security", request_name, frozenset({"groq", "openai"})).ranking == ()


def test_without_hosted_ai_the_next_tier_serves_and_openai_comes_last() -> None:
    decision = decide_default("balanced", "a question", frozenset({"groq", "openai"}), "auto")
    providers = [decision.candidates[at].route.provider for at in decision.ranking]
    assert providers[0] == "groq"
    assert providers[-1] == "openai"
