"""Candidates: every route of a name, with estimates that are sums anyone can redo; nothing is filtered or ordered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import ALPHA, BETA, CATALOGUE, offer
from worker.errors import UnknownModel
from worker.routing.candidates import (
    Load,
    Observation,
    build_candidates,
    complexity_index,
    cost_usd_micros,
    requested_routes,
)
from worker.routing.catalogue import compile_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

COMPILED = compile_catalogue(CATALOGUE)
DEFAULT = compile_catalogue(DEFAULT_CATALOGUE)
LOAD = Load(
    input_bytes=40,
    images=0,
    choices=1,
    max_output_tokens=10,
    expected_output_tokens=10,
    p_small_fails_ppm=100_000,
    complexity="simple",
    needs=frozenset(),
)


def test_the_usual_request_on_both_routes() -> None:
    alpha, beta = build_candidates(COMPILED, "auto", LOAD, {})
    assert (alpha.route.id, beta.route.id) == (ALPHA, BETA)
    assert alpha.ttv_us == 100_000 + 10 * 1_000
    assert (alpha.cost_usd_micros, beta.cost_usd_micros) == (30, 60)
    assert (alpha.worst_input_usd_micros, beta.worst_input_usd_micros) == (40, 80)
    assert (alpha.input_tokens, alpha.output_limit) == (10, 100)
    assert (alpha.risk_ppm, alpha.success_ppm) == (5_000, 900_000)
    assert alpha.observation == Observation(0, 1_000_000, 0, False)


@pytest.mark.parametrize("name", sorted(DEFAULT.by_name.keys() - DEFAULT.labels.keys()))
@pytest.mark.parametrize("needs", [frozenset[str](), frozenset({"teleportation"})])
def test_every_route_of_a_name_is_there_in_catalogue_order(name: str, needs: frozenset[str]) -> None:
    hopeless = LOAD._replace(input_bytes=10**8, max_output_tokens=10**7, p_small_fails_ppm=1_000_000, needs=needs)
    for load in (LOAD, hopeless):
        routes = [candidate.route for candidate in build_candidates(DEFAULT, name, load, {})]
        asked = [
            route
            for route in DEFAULT.routes
            if name
            in ("auto", route.model, *(f"{route.provider}/{rest}" for rest in ("auto", route.model, route.served_id)))
            # What only embeds has to be named.
            and ("chat" in route.capabilities or not name.endswith("auto"))
        ]
        assert routes == asked


def test_ids_with_slashes_are_names() -> None:
    (only,) = build_candidates(DEFAULT, "workers-ai/@cf/meta/llama-3.1-8b-instruct-fast", LOAD, {})
    assert only.route.id == "workers-ai/llama-3.1-8b-instruct@serverless"
    assert [r.provider for r in (DEFAULT.routes[at] for at in requested_routes(DEFAULT, "groq/qwen/qwen3-32b"))] == [
        "groq"
    ]


@pytest.mark.parametrize("name", ["", "gpt-9", "AUTO", "auto ", "alpha", "alpha/", "/m", "m/alpha", ALPHA, "beta/m/m"])
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        build_candidates(COMPILED, name, LOAD, {})
    assert (caught.value.status, caught.value.param) == (404, "model")


@pytest.mark.parametrize(
    ("input_tokens", "output_tokens", "cost"),
    [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1), (333_333, 0, 1), (10**6, 0, 3)],
)
def test_costs_round_up(input_tokens: int, output_tokens: int, cost: int) -> None:
    cheap = offer("alpha", 3, output_usd_micros_per_mtok=5)
    route = compile_catalogue(replace(CATALOGUE, offers=(cheap,))).routes[0]
    assert cost_usd_micros(route, input_tokens, output_tokens) == cost


@pytest.mark.parametrize(
    ("input_bytes", "images", "planned", "limit", "worst"),
    [
        (0, 0, 0, 100, 0),
        (1, 0, 1, 100, 1),
        (4, 0, 1, 100, 4),
        (5, 0, 2, 100, 5),
        (3_600, 0, 900, 100, 3_600),
        (3_601, 0, 901, 99, 3_601),
        (3_996, 0, 999, 1, 3_996),
        (4_000, 0, 1_000, 0, 4_000),
        (8_000, 0, 2_000, 0, 8_000),
        (4, 1, 1_001, 0, 104),
    ],
)
def test_what_fits_into_the_context(input_bytes: int, images: int, planned: int, limit: int, worst: int) -> None:
    load = LOAD._replace(input_bytes=input_bytes, images=images, max_output_tokens=0)
    candidate = build_candidates(COMPILED, "alpha/m", load, {})[0]
    assert (candidate.input_tokens, candidate.output_limit, candidate.worst_input_usd_micros) == (planned, limit, worst)


@pytest.mark.parametrize(
    ("expected", "wished", "choices", "cost"),
    [(10, 0, 1, 30), (10, 3, 1, 16), (10, 50, 1, 30), (500, 0, 1, 210), (500, 60, 1, 130), (10, 0, 3, 70)],
)
def test_no_more_output_is_expected_than_is_allowed(expected: int, wished: int, choices: int, cost: int) -> None:
    load = LOAD._replace(expected_output_tokens=expected, max_output_tokens=wished, choices=choices)
    candidate = build_candidates(COMPILED, "alpha/m", load, {})[0]
    assert candidate.cost_usd_micros == cost
    assert candidate.ttv_us == 100_000 + 1_000 * min(expected, wished or 100)


def test_what_was_seen_stretches_the_time_of_its_route_alone() -> None:
    seen = Observation(5, 2_500_000, 1, True)
    alpha, beta = build_candidates(COMPILED, "auto", LOAD, {ALPHA: seen, "gone/m@solo": seen})
    assert alpha.ttv_us == 275_000
    assert alpha.observation is seen
    assert beta.ttv_us == 110_000


@pytest.mark.parametrize(("fails", "success"), [(0, 1_000_000), (1, 1_000_000), (3, 999_999), (1_000_000, 620_000)])
def test_a_stronger_model_fails_less(fails: int, success: int) -> None:
    load = LOAD._replace(p_small_fails_ppm=fails)
    assert build_candidates(DEFAULT, "groq/qwen3-32b", load, {})[0].success_ppm == success


def test_complexities_are_columns() -> None:
    assert [complexity_index(name) for name in ("simple", "moderate", "complex")] == [0, 1, 2]


@given(
    st.sampled_from(sorted(DEFAULT.by_name)),
    st.integers(0, 200_000),
    st.integers(0, 3),
    st.integers(1, 4),
    st.integers(0, 20_000),
    st.integers(0, 20_000),
)
def test_the_worst_case_covers_whatever_is_used_within_the_bounds(
    name: str, input_bytes: int, images: int, choices: int, wished: int, expected: int
) -> None:
    load = LOAD._replace(
        input_bytes=input_bytes,
        images=images,
        choices=choices,
        max_output_tokens=wished,
        expected_output_tokens=expected,
    )
    for candidate in build_candidates(DEFAULT, name, load, {}):
        route, limit = candidate.route, candidate.output_limit
        worst = candidate.worst_input_usd_micros + -(-limit * choices * route.output_price // 1_000_000)
        bound = input_bytes + images * DEFAULT.source.image_tokens_bound
        assert cost_usd_micros(route, bound, limit * choices) <= worst
        assert candidate.input_tokens <= max(bound, 1)
        assert 0 <= limit <= route.max_output_tokens
