"""The predicted wait of a pool against what its model then does: a tenant asks the predictor before each request.

Both are models, so agreement says that the closed forms follow from the simulation's rules, and nothing of any GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.simulator.pools.card import Card, Task, Tenant
from gateway.simulator.pools.chance import Chance
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.gauge import Gauge
from gateway.simulator.pools.parameters import MILLION, SPATIAL, TEMPORAL, Parameters, PoolSpec, batch_speeds
from worker.routing.pool_waits import waits_us

#: Requests of a neighbour that never rests: one that never ends.
_ENDLESS_US: Final = 10**15
_WARM_UP_US: Final = 1_800 * MILLION


class Setup(NamedTuple):
    """A card and its load. Args: load_ppm: GPU time that each neighbour asks for, of the time; a million = never rests.

    `burst_us`: GPU time of one of its requests. `work_us`: of ours, `gap_us` apart on average.
    """

    mode: str
    neighbours: int
    quantum_us: int
    load_ppm: int
    burst_us: int = 2 * MILLION
    work_us: int = 2 * MILLION
    gap_us: int = 180 * MILLION


class Calibration(NamedTuple):
    """Means over our requests, in microseconds; `p95_us` and `longest_us` of the simulated waits.

    `busy_ppm`: what the card told of its neighbours. `beyond_ppm`: requests that waited longer than the worst foretold.
    """

    setup: Setup
    requests: int
    busy_ppm: int
    expected_us: int
    simulated_us: int
    worst_us: int
    p95_us: int
    longest_us: int
    beyond_ppm: int

    @property
    def error_ppm(self) -> int:
        """How far the mean predicted is off, of the mean simulated."""
        return (self.expected_us - self.simulated_us) * MILLION // max(1, self.simulated_us)


LOADS: Final = (30_000, 100_000, MILLION)
SETUPS: Final[tuple[Setup, ...]] = (
    *[Setup(SPATIAL, others, 30 * MILLION, load) for others in (1, 3) for load in LOADS],
    *[
        Setup(TEMPORAL, others, seconds * MILLION, load)
        for others in (1, 3)
        for seconds in (2, 10, 30)
        for load in LOADS
    ],
)


def calibrate(setup: Setup, requests: int, seed: int = 1, parameters: Parameters | None = None) -> Calibration:
    """Send `requests` of ours, one at a time, into the pool and compare. Equal seeds give equal figures."""
    engine = Engine(parameters or Parameters(), seed)
    card = Card(0, PoolSpec(1, "pool", 1, 10, setup.quantum_us, setup.mode), engine.parameters)
    server = Server(working_set_mb=11_000)
    speeds = batch_speeds(server.batch_points, server.batch)
    ours, *others = [
        Tenant(number, f"team-{number}", speeds, working_set_mb=server.working_set_mb)
        for number in range(setup.neighbours + 1)
    ]
    for tenant in (ours, *others):
        engine.place(card, tenant)
    for tenant in others:
        _load(engine, tenant, setup, seed)
    gauge = Gauge(engine, ours)
    engine.run_until(_WARM_UP_US // 2)
    gauge.read()
    engine.run_until(_WARM_UP_US)
    chance = Chance(seed * 7_919)
    waited: list[int] = []
    expected = worst = busy = beyond = 0
    for _ in range(requests):
        reading = gauge.read()
        assert reading is not None, "no pod fails here"
        mean_us, longest_us = waits_us(reading, setup.work_us)
        wait_us = _took_us(engine, engine.submit(ours, setup.work_us)) - setup.work_us
        waited.append(wait_us)
        expected, worst, busy = expected + mean_us, worst + longest_us, busy + reading.busy_ppm
        beyond += wait_us > longest_us
        engine.run_until(engine.now_us + chance.exponential_us(setup.gap_us))
        engine.finished.clear()
    return _told(setup, waited, expected, worst, busy, beyond)


def _told(setup: Setup, waited: Sequence[int], expected: int, worst: int, busy: int, beyond: int) -> Calibration:
    count, ordered = len(waited), sorted(waited)
    return Calibration(
        setup,
        count,
        busy // count,
        expected // count,
        sum(waited) // count,
        worst // count,
        ordered[-(-95 * count // 100) - 1],
        ordered[-1],
        beyond * MILLION // count,
    )


def _took_us(engine: Engine, task: Task) -> int:
    while task.done_us is None:
        engine.run_until(engine.next_event_us() or 0)
    return task.done_us - task.arrival_us


def _load(engine: Engine, tenant: Tenant, setup: Setup, seed: int) -> None:
    """Have a neighbour's requests come at random times, or one that never ends."""
    if setup.load_ppm >= MILLION:
        engine.submit(tenant, _ENDLESS_US)
        return
    chance, mean_us = Chance(seed * 104_729 + tenant.id), setup.burst_us * MILLION // setup.load_ppm

    def arrive() -> None:
        engine.submit(tenant, max(1, chance.exponential_us(setup.burst_us)))
        engine.at(engine.now_us + chance.exponential_us(mean_us), arrive)

    engine.at(chance.exponential_us(mean_us), arrive)
