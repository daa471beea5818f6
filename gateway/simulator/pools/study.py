"""The same traffic over one pool configuration after another: what requests would take and cost, by the model."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.simulator.pools.card import Card, Tenant
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import AUTO, MILLION, Parameters, PoolSpec, batch_speeds
from gateway.simulator.pools.traffic import Arrival

PERCENTILES = (50, 90, 95, 99)
#: Requests between two calls of `progress`.
PROGRESS_EVERY = 4_096
Progress = Callable[[int, int], None]


class Configuration(NamedTuple):
    """What is varied: cards, slots a card is sold in, the longest turn of a slice, and how a card shares."""

    gpus: int
    sharing_ratio: int
    quantum_us: int
    share_mode: str = AUTO


class Spread(NamedTuple):
    """Percentiles of a time in microseconds, in the order of PERCENTILES, with mean and maximum."""

    mean_us: int
    percentiles_us: tuple[int, ...]
    max_us: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the model says of one configuration. Money in micro-dollars, shares in ppm.

    `refused`: requests of tenants that found no slot. `cost_per_request`: the pool's price over the whole time, divided
    by what was served. `horizon_us`: from the first request's hour to the last answer.
    """

    configuration: Configuration
    served: int
    refused: int
    failed: int
    latency: Spread
    wait: Spread
    first_token: Spread
    horizon_us: int
    busy_ppm: int
    switches: int
    cost_usd_micros: int
    cost_per_request_usd_micros: int
    transitions: int

    @property
    def per_hour(self) -> int:
        """Served requests an hour."""
        return self.served * 3_600_000_000 // max(1, self.horizon_us)


@dataclass(slots=True)
class _Tally:
    """Times of served requests, as they end."""

    latency: array[int] = field(default_factory=lambda: array("q"))
    wait: array[int] = field(default_factory=lambda: array("q"))
    first: array[int] = field(default_factory=lambda: array("q"))
    failed: int = 0
    last_us: int = 0

    def collect(self, engine: Engine) -> None:
        for task in engine.finished:
            assert task.done_us is not None
            self.last_us = max(self.last_us, task.done_us)
            if task.failed or task.started_us is None or task.first_token_us is None:
                self.failed += 1
                continue
            self.latency.append(task.done_us - task.arrival_us)
            self.wait.append(task.started_us - task.arrival_us)
            self.first.append(task.first_token_us - task.arrival_us)
        engine.finished.clear()


def spread_of(times: Iterable[int]) -> Spread:
    """Percentiles by nearest rank; all zero for nothing."""
    ordered = sorted(times)
    if not ordered:
        return Spread(0, (0,) * len(PERCENTILES), 0)
    count = len(ordered)
    ranks = [ordered[-(-percent * count // 100) - 1] for percent in PERCENTILES]
    return Spread(sum(ordered) // count, tuple(ranks), ordered[-1])


def study(
    traffic: Iterable[Arrival],
    configuration: Configuration,
    server: Server,
    parameters: Parameters,
    *,
    hourly_usd_micros: int,
    seed: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Run traffic through one configuration. Tenants get a slot each in the order they first come, while there are any.

    Args: hourly_usd_micros: price of one card. progress: told how many requests came so far, and virtual time.
    """
    engine = Engine(parameters, seed)
    spec = PoolSpec(1, "study", **configuration._asdict())
    cards = [Card(index, spec, parameters) for index in range(spec.gpus)]
    speeds = batch_speeds(server.batch_points, server.batch)
    tenants: dict[str, Tenant | None] = {}
    tally, refused = _Tally(), 0
    for came, arrival in enumerate(traffic, start=1):
        engine.run_until(arrival.at_us)
        if arrival.tenant not in tenants:
            tenants[arrival.tenant] = _settle_in(engine, cards, server, speeds, len(tenants), arrival.tenant)
        tenant = tenants[arrival.tenant]
        if tenant is None:
            refused += 1
        else:
            engine.submit(tenant, arrival.work_us, arrival.first_us)
        if came % PROGRESS_EVERY == 0:
            tally.collect(engine)
            if progress is not None:
                progress(came, engine.now_us)
    engine.run()
    tally.collect(engine)
    horizon_us = max(tally.last_us, engine.now_us, 1)
    # Cards are paid for by the hour that they are held, whether they work or not.
    cost = -(-spec.gpus * hourly_usd_micros * horizon_us // 3_600_000_000)
    served = len(tally.latency)
    return Outcome(
        configuration,
        served,
        refused,
        tally.failed,
        spread_of(tally.latency),
        spread_of(tally.wait),
        spread_of(tally.first),
        horizon_us,
        sum([card.busy_us for card in cards]) * MILLION // (horizon_us * spec.gpus),
        sum([card.switches for card in cards]),
        cost,
        -(-cost // served) if served else 0,
        engine.transitions,
    )


def _settle_in(
    engine: Engine, cards: list[Card], server: Server, speeds: tuple[int, ...], number: int, team: str
) -> Tenant | None:
    """A slot for a new tenant; None if every slot is taken. Nobody leaves, so the next card is always the emptiest."""
    card = cards[number % len(cards)]
    if card.slices_taken >= card.spec.sharing_ratio:
        return None
    tenant = Tenant(
        number,
        team,
        speeds,
        allocated_mb=server.allocated_mb,
        working_set_mb=server.working_set_mb,
        demand_ppm=server.demand_ppm,
    )
    engine.place(card, tenant)
    return tenant


class Wish(NamedTuple):
    """What a recommendation must keep. None = not asked. `alone`: nobody else on the card."""

    deadline_us: int | None = None
    budget_usd_micros: int | None = None
    alone: bool = False
    percentile: int = 95


def recommend(outcomes: list[Outcome], wish: Wish) -> tuple[Outcome | None, dict[Configuration, str]]:
    """The cheapest configuration per request that keeps the wish, and why each other one was not taken.

    One that refuses requests or loses them is never recommended. Ties: the faster one, then the smaller configuration.
    """
    rank = PERCENTILES.index(wish.percentile)
    reasons: dict[Configuration, str] = {}
    fit = []
    for outcome in outcomes:
        late_us = outcome.latency.percentiles_us[rank]
        if outcome.refused:
            reasons[outcome.configuration] = f"{outcome.refused} requests found no slot"
        elif outcome.failed or not outcome.served:
            reasons[outcome.configuration] = (
                f"{outcome.failed} requests failed" if outcome.failed else "nothing was served"
            )
        elif wish.alone and outcome.configuration.sharing_ratio > 1:
            reasons[outcome.configuration] = "the card is shared"
        elif wish.deadline_us is not None and late_us > wish.deadline_us:
            reasons[outcome.configuration] = f"p{wish.percentile} is {late_us // 1_000} ms, over the deadline"
        elif wish.budget_usd_micros is not None and outcome.cost_per_request_usd_micros > wish.budget_usd_micros:
            reasons[outcome.configuration] = f"a request costs {outcome.cost_per_request_usd_micros} micro-dollars"
        else:
            fit.append(outcome)
    fit.sort(key=lambda one: (one.cost_per_request_usd_micros, one.latency.percentiles_us[rank], one.configuration))
    for outcome in fit[1:]:
        reasons[outcome.configuration] = "another one is cheaper, or as cheap and faster"
    return (fit[0] if fit else None), reasons
