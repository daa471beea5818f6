"""Predicted waits against the pool model: within stated bounds of what it then does, and worst cases that hold."""

from __future__ import annotations

import pytest

from gateway.simulator.pools.calibration import Setup, calibrate
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.gauge import Gauge, sped_up
from gateway.simulator.pools.parameters import SPATIAL, TEMPORAL, Parameters
from tests.gateway.simulator.pools.pool_kit import SECOND, card_of, tenant
from worker.routing.pool_waits import INTERFERENCE_PPM, MILLION, PoolReading

#: How far the mean predicted may be off the mean simulated, in percent: neighbours that never rest, and all others.
NEVER_RESTING, BURSTY = 6, 40


def test_the_predictor_assumes_the_model_s_interference() -> None:
    assert Parameters().interference_ppm == INTERFERENCE_PPM


@pytest.mark.parametrize("neighbours", [1, 3])
@pytest.mark.parametrize(("mode", "quantum_s"), [(SPATIAL, 30), (TEMPORAL, 2), (TEMPORAL, 30)])
def test_behind_neighbours_that_never_rest(mode: str, quantum_s: int, neighbours: int) -> None:
    found = calibrate(Setup(mode, neighbours, quantum_s * SECOND, MILLION), 500)
    assert found.busy_ppm == MILLION
    assert abs(found.error_ppm) <= NEVER_RESTING * 10_000
    assert found.beyond_ppm == 0
    assert found.longest_us * 100 >= found.worst_us * 90  # the worst case is not far from what happens


@pytest.mark.parametrize("neighbours", [1, 3])
@pytest.mark.parametrize(("mode", "quantum_s"), [(SPATIAL, 30), (TEMPORAL, 2), (TEMPORAL, 30)])
@pytest.mark.parametrize("load_ppm", [30_000, 100_000])
def test_behind_neighbours_that_work_now_and_then(mode: str, quantum_s: int, neighbours: int, load_ppm: int) -> None:
    found = calibrate(Setup(mode, neighbours, quantum_s * SECOND, load_ppm), 1_000)
    assert abs(found.error_ppm) <= BURSTY * 10_000
    assert found.beyond_ppm == 0
    if mode == TEMPORAL:  # every burst of 2 s keeps the card for 5 s more
        assert found.busy_ppm > 2 * load_ppm


def test_equal_seeds_give_equal_figures_and_company_makes_them_grow() -> None:
    one, again = (calibrate(Setup(TEMPORAL, 2, 10 * SECOND, 50_000), 60, seed=5) for _ in range(2))
    assert one == again
    more = [calibrate(Setup(TEMPORAL, others, 10 * SECOND, 100_000), 300).expected_us for others in (0, 1, 3, 6)]
    assert more[0] == 0
    assert more == sorted(set(more))


def test_a_gauge_tells_of_the_last_minutes_and_begins_anew_with_new_neighbours() -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine, quantum_us=10 * SECOND, share_mode=TEMPORAL)
    ours, busy, idle = (tenant(number, working_set_mb=10_000) for number in range(3))
    gauge = Gauge(engine, ours)
    assert gauge.read() is None  # no pod yet
    engine.place(card, ours)
    assert gauge.read() == PoolReading(TEMPORAL, 10 * SECOND, 50_000, 10 * SECOND, 0, 0)
    for one in (busy, idle):
        engine.place(card, one)
    engine.submit(busy, 400 * SECOND)
    found = gauge.read()
    assert found is not None
    assert (found.neighbours, found.busy_ppm) == (2, 500_000)  # one of two is at work at this moment
    engine.run_until(100 * SECOND)
    found = gauge.read()
    assert found is not None
    assert (found.neighbours, found.busy_ppm) == (2, 500_000)
    engine.run_until(400 * SECOND)
    gauge.read()
    engine.run_until(1_000 * SECOND)
    gauge.read()
    engine.run_until(1_200 * SECOND)
    found = gauge.read()
    assert found is not None
    assert (found.neighbours, found.busy_ppm) == (2, 0)  # the work is over, and forgotten
    engine.fail(idle)
    found = gauge.read()
    assert found is not None
    assert found.neighbours == 1
    engine.fail(ours)
    assert gauge.read() is None


def test_a_faster_clock_makes_turns_shorter_for_whoever_looks_on() -> None:
    reading = PoolReading(TEMPORAL, 30 * SECOND, 600_000, 12 * SECOND, 3, 400_000)
    assert sped_up(reading, 1) is reading
    assert sped_up(reading, 60) == PoolReading(TEMPORAL, 500_000, 10_000, 200_000, 3, 400_000)
