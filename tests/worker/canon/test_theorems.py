"""What is claimed of every decision, T1 to T13 of docs/canon.md, as laws over random problems."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.worker.canon.problem_kit import HASHER, candidate, decided, features, item, problem_of
from tests.worker.canon.problem_proof import prove
from tests.worker.canon.random_problems import brute_force, random_problem
from worker.canon.certificate import certificate_of, verify_certificate
from worker.canon.codes import Denial
from worker.canon.explain import differences
from worker.canon.fixed_point import neg_ln_micronats
from worker.canon.problem import Problem, problem_to_plain, read_problem
from worker.canon.resolve import Resolution, resolve
from worker.canon.sampling import half_width, runs_needed
from worker.ledger.canonical import canonical_json

MILLION = 1_000_000
PROBLEMS_IN_SHORT = 150

small = st.sampled_from((0, 1, 2, 3, 500)) | st.integers(0, 10_000)
chance = st.sampled_from((1, 2, 500_000, 999_999, MILLION)) | st.integers(1, MILLION)
figures = st.fixed_dictionaries(
    {"ttv_us": small, "cost_usd_micros": small, "risk_ppm": st.integers(0, MILLION), "success_ppm": chance}
)
many = st.lists(figures, min_size=1, max_size=8)
positive = st.sampled_from((1, 2, 7, 5_000))
weights = st.fixed_dictionaries(
    {"cost_us_per_usd_micro": positive, "risk_us_per_ppm": positive, "improbability_us_per_micronat": positive}
)
law = settings(max_examples=150, deadline=None)
COMPONENTS = ("ttv_us", "cost_usd_micros", "risk_ppm", "improbability")
LAMBDAS = {
    "cost_us_per_usd_micro": "cost_usd_micros",
    "risk_us_per_ppm": "risk_ppm",
    "improbability_us_per_micronat": "improbability",
}


def solved(found: list[dict[str, int]], **members: Any) -> Resolution:
    return decided(*[candidate(f"c{at}", **one) for at, one in enumerate(found)], **members)


def chosen(found: list[dict[str, int]], **members: Any) -> int:
    return solved(found, **members).ranking[0]


def components(one: dict[str, int]) -> dict[str, int]:
    return {**one, "improbability": neg_ln_micronats(one["success_ppm"])}


@pytest.mark.parametrize("block", range(3))
def test_t1_the_selection_is_what_brute_force_finds_and_its_certificate_holds(block: int) -> None:
    for seed in range(block * PROBLEMS_IN_SHORT, (block + 1) * PROBLEMS_IN_SHORT):
        prove(seed, HASHER)


@law
@given(many, weights)
def test_t1_no_other_selection_than_the_least_is_accepted(found: list[dict[str, int]], weighed: dict[str, int]) -> None:
    """Whoever swaps two places of the ranking and seals the certificate anew is found out."""
    assume(len(found) > 1)
    from worker.canon.certificate_form import CertificateError, sealed

    resolution = solved(found, weights=weighed)
    body = certificate_of(resolution.problem, resolution, HASHER)
    del body["digest"]
    first, second, *rest = body["ranking"]
    names = [one["id"] for one in body["candidates"]]
    forged = sealed({**body, "ranking": [second, first, *rest], "selected": names[second]}, HASHER)
    with pytest.raises(CertificateError, match="next best"):
        verify_certificate(forged, HASHER)


@law
@given(many, weights, st.randoms(use_true_random=False))
def test_t2_no_order_of_arrival_shows_and_a_replay_is_the_same_bytes(
    found: list[dict[str, int]], weighed: dict[str, int], random: Any
) -> None:
    named = [candidate(f"c{at}", **one) for at, one in enumerate(found)]
    first = decided(*named, weights=weighed)
    random.shuffle(named)
    second = decided(*named, weights=weighed)
    certificate = certificate_of(first.problem, first, HASHER)
    assert canonical_json(certificate) == canonical_json(certificate_of(second.problem, second, HASHER))
    again = read_problem(certificate["problem"], HASHER)
    replayed = certificate_of(again, resolve(again, HASHER), HASHER)
    assert canonical_json(replayed) == canonical_json(certificate)


def test_t2_a_problem_built_in_any_order_is_decided_alike() -> None:
    problem = problem_of(*[candidate(f"c{at}", ttv_us=at % 2) for at in range(5)])
    for order in itertools.permutations(problem.candidates):
        turned = resolve(problem._replace(candidates=order), HASHER)
        assert [order[position].id for position in turned.ranking] == ["c0", "c2", "c4", "c1", "c3"]


@law
@given(many, weights, st.sampled_from(("ttv_us", "cost_usd_micros", "risk_ppm", "success_ppm")), st.data())
def test_t3_a_winner_that_improves_keeps_winning(
    found: list[dict[str, int]], weighed: dict[str, int], feature: str, data: Any
) -> None:
    best = chosen(found, weights=weighed)
    value = found[best][feature]
    better = data.draw(st.integers(value, MILLION) if feature == "success_ppm" else st.integers(0, value))
    improved = [{**one, feature: better} if at == best else one for at, one in enumerate(found)]
    assert chosen(improved, weights=weighed) == best


@law
@given(many, weights, st.sampled_from([*LAMBDAS]), st.integers(0, 10_000))
def test_t4_a_dearer_component_is_never_chosen_more_of(
    found: list[dict[str, int]], weighed: dict[str, int], name: str, more: int
) -> None:
    """By adding the two inequalities of optimality. Of cost it holds as long as no tier factor rounds."""
    before = components(found[chosen(found, weights=weighed)])
    after = components(found[chosen(found, weights={**weighed, name: weighed[name] + more})])
    assert after[LAMBDAS[name]] <= before[LAMBDAS[name]]


@law
@given(many, weights, st.data())
def test_t5_a_candidate_that_was_not_selected_is_irrelevant(
    found: list[dict[str, int]], weighed: dict[str, int], data: Any
) -> None:
    assume(len(found) > 1)
    before = solved(found, weights=weighed)
    gone = data.draw(st.sampled_from(before.ranking[1:]))
    rest = [path for at, path in enumerate(before.problem.candidates) if at != gone]
    after = resolve(before.problem._replace(candidates=tuple(rest)), HASHER)
    assert after.selected == before.selected
    names = [before.problem.candidates[at].id for at in before.ranking if at != gone]
    assert [rest[at].id for at in after.ranking] == names


@law
@given(many, weights)
def test_t6_with_positive_weights_nothing_admissible_is_better_in_every_way(
    found: list[dict[str, int]], weighed: dict[str, int]
) -> None:
    best = components(found[chosen(found, weights=weighed)])
    for one in map(components, found):
        if all(one[name] <= best[name] for name in COMPONENTS):
            assert all(one[name] == best[name] for name in COMPONENTS)


def test_t6_only_the_corners_of_the_convex_hull_can_be_reached() -> None:
    """(0, 10), (6, 6), (10, 0): no weight ever selects the middle one, though nothing is better in both."""
    points = [
        {"ttv_us": ttv, "cost_usd_micros": cost, "risk_ppm": 0, "success_ppm": MILLION}
        for ttv, cost in ((0, 10_000), (6_000, 6_000), (10_000, 0))
    ]
    flat = {"risk_us_per_ppm": 0, "improbability_us_per_micronat": 0}
    wins = {chosen(points, weights={**flat, "cost_us_per_usd_micro": weight}) for weight in (0, 1, 2, 10, 100)}
    # Weights between whole numbers are the same as times in smaller units.
    for scale in range(1, 50):
        finer = [{**one, "ttv_us": one["ttv_us"] * scale} for one in points]
        wins |= {chosen(finer, weights={**flat, "cost_us_per_usd_micro": weight}) for weight in range(1, 100, 7)}
    assert wins == {0, 2}


@law
@given(
    st.integers(0, 10**6),
    st.sampled_from(("max_cost_usd_micros", "max_risk_ppm", "min_success_ppm", "required_kinds")),
    st.integers(0, 1_000),
)
def test_t7_a_further_constraint_admits_nothing_more_and_gains_nothing(seed: int, name: str, value: int) -> None:
    plain, extra = read(seed)
    value_of: Any = ["model"] if name == "required_kinds" else value
    if name in plain["bounds"]:
        assume(name != "required_kinds")
        given_value = plain["bounds"][name]
        value_of = max(value, given_value) if name == "min_success_ppm" else min(value, given_value)
    stricter = {**plain, "bounds": {**plain["bounds"], name: value_of}}
    before, after = settle(plain, extra), settle(stricter, extra)
    assert admitted(after) <= admitted(before)
    assert least(after) >= least(before)


@law
@given(st.integers(0, 10**6), st.sampled_from(("EVIDENCE", "PROPOSED")), st.integers(0, 4))
def test_t8_what_is_not_canon_changes_nothing(seed: int, level: str, at: int) -> None:
    """Items below CANON may come, go and change places: admissible set, totals and selection stay."""
    plain, extra = read(seed)
    below = [one for one in plain["canon"] if one["level"] != "CANON"]
    others = [one for one in plain["canon"] if one["level"] == "CANON"]
    added = item(
        f"i{at}", level, kind="constraint", content={"rule": {"op": "at_most", "feature": "ttv_us", "value": 0}}
    )
    free = [added] if all(one["id"] != added["id"] for one in plain["canon"]) else []
    turned = [{**one, "level": level} for one in below]
    before = settle(plain, extra)
    for canon in (others, others + turned, others + below + free):
        after = settle({**plain, "canon": canon}, extra)
        assert (admitted(after), after.totals, after.ranking) == (admitted(before), before.totals, before.ranking)


@law
@given(many, weights, st.integers(1, 50), st.integers(0, 10_000))
def test_t9_neither_another_unit_nor_a_delay_for_all_changes_the_choice(
    found: list[dict[str, int]], weighed: dict[str, int], unit: int, delay: int
) -> None:
    """As long as no time reaches the horizon, which is scaled with the unit."""
    best = chosen(found, weights=weighed)
    scaled = [{**one, "ttv_us": one["ttv_us"] * unit} for one in found]
    assert chosen(scaled, weights={name: value * unit for name, value in weighed.items()}) == best
    assert chosen([{**one, "ttv_us": one["ttv_us"] + delay} for one in found], weights=weighed) == best


edge_figures = st.tuples(st.integers(0, 1_000), st.integers(0, 100))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 4), st.integers(1, 5)).filter(lambda edge: edge[0] < edge[1]), edge_figures, min_size=1
    ),
    positive,
)
def test_t10_where_steps_add_up_the_least_path_is_the_shortest(
    edges: dict[tuple[int, int], tuple[int, int]], lambda_cost: int
) -> None:
    """Steps that can't fail or harm: enumerating every path and Dijkstra find the same total."""
    paths = [route for route in _routes(edges, 0)]
    assume(paths)
    posed = [
        {
            "id": "-".join(map(str, route)),
            "actions": [
                {
                    "id": f"{a}{b}",
                    "features": features(ttv_us=edges[a, b][0], cost_usd_micros=edges[a, b][1], risk_ppm=0),
                }
                for a, b in itertools.pairwise(route)
            ],
        }
        for route in paths
    ]
    weighed = {"cost_us_per_usd_micro": lambda_cost, "risk_us_per_ppm": 3, "improbability_us_per_micronat": 3}
    resolution = decided(*posed, weights=weighed)
    lengths = {edge: ttv + lambda_cost * cost for edge, (ttv, cost) in edges.items()}
    assert resolution.totals[resolution.ranking[0]] == _dijkstra(lengths)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(900_000, MILLION), min_size=1, max_size=8))
def test_t10_improbability_adds_up_but_for_what_rounding_to_ppm_loses(chances: list[int]) -> None:
    actions = [{"id": f"a{at}", "features": features(success_ppm=one)} for at, one in enumerate(chances)]
    together = decided({"id": "whole", "actions": actions}).measured[0].success_ppm
    apart = sum(neg_ln_micronats(one) for one in chances)
    # Each part is rounded by half a micro-nat, and a chance p cut to ppm costs at most 1/p micro-nats (here p > 0.4).
    assert -len(chances) / 2 - 1 <= neg_ln_micronats(together) - apart <= len(chances) / 2 + 4


def _routes(edges: dict[tuple[int, int], tuple[int, int]], at: int) -> list[tuple[int, ...]]:
    if at == 5:
        return [(5,)]
    return [(at, *rest) for a, b in edges if a == at for rest in _routes(edges, b)]


def _dijkstra(lengths: dict[tuple[int, int], int]) -> int:
    waiting, done = [(0, 0)], set()
    while waiting:
        far, at = heapq.heappop(waiting)
        if at == 5:
            return far
        if at not in done:
            done.add(at)
            for (a, b), length in lengths.items():
                if a == at:
                    heapq.heappush(waiting, (far + length, b))
    raise AssertionError("no path")


@pytest.mark.parametrize(
    ("name", "feature", "worse"),
    [
        ("cost_us_per_usd_micro", "cost_usd_micros", 40),
        ("risk_us_per_ppm", "risk_ppm", 50_000),
        ("improbability_us_per_micronat", "success_ppm", 900_000),
    ],
)
@pytest.mark.parametrize("priority", ["balanced", "cost_optimized", "max_performance", "max_security"])
def test_t11_each_weight_of_the_catalogue_can_turn_a_decision(
    name: str, feature: str, worse: int, priority: str
) -> None:
    """With the shipped weights, a second of time against a few hundredths of a cent, 5 % of risk, 10 % of failure."""
    from worker.routing.default_catalogue import DEFAULT_CATALOGUE

    row = DEFAULT_CATALOGUE.weights[priority]
    weighed = {one: getattr(row, one) for one in LAMBDAS}
    usual = features(ttv_us=1_000_000, risk_ppm=0)
    slow, quick = usual, {**usual, "ttv_us": 0, feature: worse}
    flips = {chosen([slow, quick], weights={**weighed, name: value}) for value in (0, weighed[name] * 50 + 100_000)}
    assert flips == {0, 1}
    assert weighed[name] > 0


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(1, 10), st.sampled_from((1_000, 10_000, 50_000)))
def test_t12_so_many_runs_keep_the_chance_of_a_wrong_pick_below_the_bound(k: int, gap: int, error_ppm: int) -> None:
    """The count is never less than what the formula asks for, and less than two runs, or 0.1 %, above it."""
    span = 10
    exact = 2 * span**2 * math.log((k - 1) / (error_ppm / MILLION)) / gap**2
    runs = runs_needed(k, gap, span, error_ppm)
    assert exact <= runs <= exact * 1.01 + 2
    width = half_width(runs, span * 1_000, error_ppm) / 1_000
    assert width >= min(span, span * math.sqrt(math.log(2 * MILLION / error_ppm) / (2 * runs)))


@pytest.mark.parametrize(("gap", "runs"), [(4, 20), (6, 10), (2, 60)])
def test_t12_the_exact_chance_of_a_wrong_pick_is_within_the_bound(gap: int, runs: int) -> None:
    """Two coins of totals 0 or 10: the chance that the worse one looks at least as good, added up exactly."""
    p_best, p_other = 0.3, 0.3 + gap / 10

    def binomial(p: float) -> list[float]:
        return [math.comb(runs, heads) * p**heads * (1 - p) ** (runs - heads) for heads in range(runs + 1)]

    best, other = binomial(p_best), binomial(p_other)
    wrong = sum(best[a] * other[b] for a in range(runs + 1) for b in range(a + 1))
    assert wrong <= math.exp(-runs * gap**2 / (2 * 10**2))


def test_t12_what_can_t_be_bounded_is_refused() -> None:
    for bad in ((0, 1, 1, 1), (2, 0, 1, 1), (2, 2, 1, 1), (2, 1, 1, 0), (9, 1, 1, 5)):
        with pytest.raises(ValueError, match="chance"):
            runs_needed(*bad)
    for bad_width in ((0, 1, 2), (1, 0, 2), (1, 1, 1)):
        with pytest.raises(ValueError, match="chance"):
            half_width(*bad_width)


@law
@given(many, weights)
def test_t13_the_parts_of_an_explanation_add_up_to_the_difference(
    found: list[dict[str, int]], weighed: dict[str, int]
) -> None:
    resolution = solved(found, weights=weighed)
    explained = differences(resolution)
    assert len(explained) == len(found) - 1
    for one, at in zip(explained, resolution.ranking[1:], strict=True):
        total, best = resolution.totals[at], resolution.totals[resolution.ranking[0]]
        assert total is not None
        assert best is not None
        assert sum(one.parts) == one.total_us == total - best >= 0
        assert (one.total_us == 0) is (one.decided_by != "total")


def read(seed: int) -> tuple[dict[str, Any], dict[str, tuple[Denial, ...]]]:
    plain, extra = random_problem(seed, HASHER.sha3_256)
    assert brute_force(plain, extra, HASHER.sha3_256)
    return plain, {name: tuple([Denial(**one) for one in found]) for name, found in extra.items()}


def settle(plain: dict[str, Any], extra: dict[str, tuple[Denial, ...]]) -> Resolution:
    return resolve(read_problem(plain, HASHER), HASHER, extra)


def admitted(resolution: Resolution) -> set[str]:
    return {resolution.problem.candidates[at].id for at in resolution.ranking}


def least(resolution: Resolution) -> float:
    totals = [total for total in resolution.totals if total is not None]
    return min(totals, default=math.inf)


def test_a_problem_reads_back_as_itself() -> None:
    for seed in range(100):
        problem: Problem = read_problem(random_problem(seed, HASHER.sha3_256)[0], HASHER)
        assert read_problem(problem_to_plain(problem), HASHER) == problem
