"""Every route of a request with what it is expected to take: enumerates and estimates, never filters, never orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from worker.routing.catalogue import COMPLEXITIES, CompiledCatalogue, Route
from worker.routing.pool_waits import PoolReading, PoolWait, shared_ttv_us

#: Planning figure for English text; only the worst case (one token per byte) ever holds money back.
BYTES_PER_TOKEN = 4
PLANNED_IMAGE_TOKENS = 1_000
MILLION = 1_000_000


class Load(NamedTuple):
    """What a request asks of any route. `max_output_tokens` 0 = the client set none."""

    input_bytes: int
    images: int
    choices: int
    max_output_tokens: int
    expected_output_tokens: int
    p_small_fails_ppm: int
    complexity: str
    needs: frozenset[str]


class Observation(NamedTuple):
    """What the tenant's past attempts say of a route; `ratio_ppm`: moving average of seen over planned time."""

    samples: int
    ratio_ppm: int
    failures: int
    open: bool


NOTHING_OBSERVED = Observation(0, MILLION, 0, False)


class Candidate(NamedTuple):
    """A route with its estimates. A tuple, because one is made per route per request (a dataclass costs six times it).

    Times in microseconds, money in micro-dollars, chances in parts per million. `worst_input_usd_micros` is the
    worst case of the input alone; `output_limit` the most output tokens the route allows for this request. `wait`: what
    the pool's other tenants add; None = the pool says nothing of itself, and the catalogue's figures of it count.
    """

    route: Route
    ttv_us: int
    cost_usd_micros: int
    risk_ppm: int
    success_ppm: int
    input_tokens: int
    output_limit: int
    worst_input_usd_micros: int
    observation: Observation
    wait: PoolWait | None = None


def requested_routes(catalogue: CompiledCatalogue, model: str) -> tuple[int, ...]:
    """Positions of the routes that `model` stands for: `auto`, a model id, `provider/model`, a label, `provider/auto`.

    Raises: UnknownModel.
    """
    found = catalogue.by_name.get(model)
    return catalogue.by_name[catalogue.name_of(model)] if found is None else found


def cost_usd_micros(route: Route, input_tokens: int, output_tokens: int) -> int:
    """What `route` charges, in micro-dollars, rounded up."""
    return -(-(input_tokens * route.input_price + output_tokens * route.output_price) // MILLION)


def unconfigured_routes(catalogue: CompiledCatalogue, model: str, configured: frozenset[str]) -> list[str]:
    """Ids of the model's routes that nobody can call here. Raises: UnknownModel."""
    routes, positions = catalogue.routes, requested_routes(catalogue, model)
    return [route.id for at in positions if (route := routes[at]).provider not in configured]


def build_candidates(
    catalogue: CompiledCatalogue,
    model: str,
    load: Load,
    observed: Mapping[str, Observation],
    configured: frozenset[str] | None = None,
    readings: Mapping[str, PoolReading] | None = None,
) -> list[Candidate]:
    """All candidates of a request, in catalogue order. Raises: UnknownModel.

    Args: configured: providers that can be called; a route of another has no estimates (`unconfigured_routes` names it,
    and its only verdict is PROVIDER_CONFIGURED). None = all. readings: what pools say of themselves, by route id.
    """
    # An upper bound on input tokens (one per byte) holds money; the planning figure feeds the estimates.
    bound = load.input_bytes + load.images * catalogue.source.image_tokens_bound
    planned = -(-load.input_bytes // BYTES_PER_TOKEN) + load.images * PLANNED_IMAGE_TOKENS
    routes, wished, choices = catalogue.routes, load.max_output_tokens, load.choices
    label = catalogue.label_of(model)
    if label is not None:
        routes = label.asked if wished else label.unasked
    small_fails = load.p_small_fails_ppm
    candidates = []
    for position in requested_routes(catalogue, model):
        route = routes[position]
        if configured is not None and route.provider not in configured:
            continue
        observation = observed.get(route.id, NOTHING_OBSERVED) if observed else NOTHING_OBSERVED
        limit = route.context_window_tokens - planned
        if limit > route.max_output_tokens:
            limit = route.max_output_tokens
        elif limit < 0:
            limit = 0
        expected = load.expected_output_tokens
        if expected > (wished or limit):
            expected = wished or limit
        wait = None
        if readings and (reading := readings.get(route.id)) is not None:
            ttv_us, wait = shared_ttv_us(reading, route.alone_us(expected), observation.ratio_ppm)
        else:
            ttv_us = (route.first_token_us + route.us_per_token * expected) * observation.ratio_ppm // MILLION
        candidates.append(
            Candidate(
                route,
                ttv_us,
                -(-(planned * route.input_price + expected * choices * route.output_price) // MILLION),
                route.risk_ppm,
                MILLION - small_fails * route.failure_factor_ppm // MILLION,
                planned,
                limit,
                -(-bound * route.input_price // MILLION),
                observation,
                wait,
            )
        )
    return candidates


def complexity_index(complexity: str) -> int:
    """Column of a complexity class in per-complexity tables."""
    return COMPLEXITIES.index(complexity)
