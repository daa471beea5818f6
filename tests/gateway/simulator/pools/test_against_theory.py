"""The model held against closed forms: a queue with fixed service, and turns taken by tenants that never rest."""

from __future__ import annotations

import pytest

from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.formulas import (
    effective_share_ppm,
    guaranteed_share_ppm,
    lock_utilisation_ppm,
    long_job_us,
    md1_wait_us,
    turn_wait_us,
)
from gateway.simulator.pools.parameters import TEMPORAL, Parameters
from tests.gateway.simulator.pools.pool_kit import (
    SECOND,
    SWITCH_US,
    WORKING_SET_MB,
    card_of,
    poisson,
    tenant,
    tight_memory,
    took,
    waited,
)


def within(found: float, expected: int, percent: int) -> bool:
    return abs(found - expected) * 100 <= expected * percent


@pytest.mark.parametrize("utilisation_ppm", [200_000, 500_000, 800_000])
def test_a_card_alone_is_an_md1_queue(utilisation_ppm: int) -> None:
    engine, work_us = Engine(Parameters(), seed=1), 100_000
    only = tenant(1)
    engine.place(card_of(engine), only)
    mean_us = work_us * 1_000_000 // utilisation_ppm
    sent = poisson(engine, only, mean_us=mean_us, count=150_000, work_us=work_us)
    engine.run()
    mean_wait_us = sum(map(waited, sent)) / len(sent)
    assert within(mean_wait_us, md1_wait_us(work_us, utilisation_ppm), percent=2)


def probe_waits(neighbours: int, quantum_s: int, probes: int) -> list[int]:
    """Waits of a tenant that asks for an instant's work at a random time in its neighbours' round of turns."""
    engine = Engine(tight_memory(), seed=7)
    card = card_of(engine, quantum_us=quantum_s * SECOND, share_mode=TEMPORAL)
    others = [tenant(number, allocated_mb=1, working_set_mb=WORKING_SET_MB) for number in range(neighbours)]
    probe = tenant(99, allocated_mb=1, working_set_mb=WORKING_SET_MB)
    for one in [*others, probe]:
        engine.place(card, one)
    for one in others:
        engine.submit(one, 10**14)
    turn_us = quantum_s * SECOND + SWITCH_US
    engine.run_until(10 * neighbours * turn_us)
    waits = []
    for _ in range(probes):
        task = engine.submit(probe, 1)
        while task.done_us is None:
            engine.run_until(engine.next_event_us() or 0)
        waits.append(waited(task))
        # The probe keeps its turn for the idle hold or the quantum; a neighbour's turn begins when it is over.
        while card.owner is probe:
            engine.run_until(engine.next_event_us() or 0)
        engine.run_until(engine.now_us + engine.chance.below(turn_us * neighbours))
    return waits


#: The sheet's worked table: neighbours, quantum in seconds -> mean, p95 and longest wait in tenths of a second.
WORKED = {
    (1, 2): (33, 48, 50), (1, 10): (73, 124, 130), (1, 30): (173, 314, 330), (1, 90): (473, 885, 930),
    (3, 2): (102, 118, 120), (3, 10): (302, 354, 360), (3, 30): (802, 944, 960), (3, 90): (2302, 2710, 2760),
}  # fmt: skip


@pytest.mark.parametrize(("neighbours", "quantum_s"), list(WORKED))
def test_the_wait_for_a_turn_is_the_worked_tables(neighbours: int, quantum_s: int) -> None:
    mean_us, longest_us = turn_wait_us(neighbours, quantum_s * SECOND, SWITCH_US)
    mean, percentile, longest = WORKED[neighbours, quantum_s]
    assert mean <= -(-mean_us // 100_000) <= mean + 1
    assert longest_us == longest * 100_000
    waits = probe_waits(neighbours, quantum_s, probes=3_000)
    assert within(sorted(waits)[len(waits) * 95 // 100], percentile * 100_000, percent=2)
    assert within(sum(waits) / len(waits), mean_us, percent=2)
    assert max(waits) <= longest_us
    assert within(max(waits), longest_us, percent=2)


def test_saturated_tenants_get_their_slices_of_the_card() -> None:
    engine = Engine(tight_memory(), seed=3)
    card = card_of(engine, sharing_ratio=4, quantum_us=10 * SECOND, share_mode=TEMPORAL)
    shares = [
        tenant(number, slices=slices, allocated_mb=1, working_set_mb=WORKING_SET_MB)
        for number, slices in ((1, 1), (2, 3))
    ]
    for one in shares:
        engine.place(card, one)
        engine.submit(one, 10**14)
    engine.run_until(100_000 * SECOND)
    # A round: 10 s and 30 s of turns, and two changes of 1.5 s.
    for one, turn_us in zip(shares, (10 * SECOND, 30 * SECOND), strict=True):
        assert within(one.progress / 1_000_000, 100_000 * SECOND * turn_us // (40 * SECOND + 2 * SWITCH_US), percent=1)
    least = effective_share_ppm(1, 4, 10 * SECOND, SWITCH_US, inside=False)
    assert shares[0].progress >= least * 100_000 * SECOND * 99 // 100
    assert guaranteed_share_ppm(1, 4) == 250_000


def test_work_longer_than_a_turn_takes_as_long_as_the_formula_says() -> None:
    engine = Engine(tight_memory(), seed=3)
    card = card_of(engine, quantum_us=10 * SECOND, share_mode=TEMPORAL)
    others = [tenant(number, allocated_mb=1, working_set_mb=WORKING_SET_MB) for number in range(2)]
    probe = tenant(99, allocated_mb=1, working_set_mb=WORKING_SET_MB)
    for one in [*others, probe]:
        engine.place(card, one)
    for one in others:
        engine.submit(one, 10**14)
    engine.run_until(1_000 * SECOND)
    task = engine.submit(probe, 45 * SECOND)
    while task.done_us is None:
        engine.run_until(engine.next_event_us() or 0)
    assert took(task) == long_job_us(waited(task), 45 * SECOND, 2, 10 * SECOND, SWITCH_US)


def test_a_small_burst_costs_its_neighbour_the_idle_hold() -> None:
    # 60 bursts an hour of 0.1 s each: held for 5 s and 1.5 s of change, that is 11 % of the card for 0.17 % of work.
    assert lock_utilisation_ppm(60, 100_000, 5 * SECOND, SWITCH_US) == 110_000
    engine = Engine(tight_memory(), seed=3)
    card = card_of(engine, quantum_us=10 * SECOND, share_mode=TEMPORAL)
    busy, bursty = (tenant(number, allocated_mb=1, working_set_mb=WORKING_SET_MB) for number in range(2))
    for one in (busy, bursty):
        engine.place(card, one)
    engine.submit(busy, 10**14)

    def burst() -> None:
        engine.submit(bursty, 100_000)
        engine.at(engine.now_us + 60 * SECOND, burst)

    engine.at(0, burst)
    hours = 10
    engine.run_until(hours * 3_600 * SECOND)
    # What the bursty one leaves, less the change back after each of its turns.
    left_us = hours * (3_600 * SECOND * (1_000_000 - 110_000) // 1_000_000 - 60 * SWITCH_US)
    assert within(busy.progress / 1_000_000, left_us, percent=2)


def test_page_in_inside_the_turn_costs_the_share_that_the_formula_says() -> None:
    engine = Engine(Parameters(gpu_memory_mb=WORKING_SET_MB + 1_536, page_in_inside_turn=1), seed=3)
    card = card_of(engine, sharing_ratio=2, quantum_us=10 * SECOND, share_mode=TEMPORAL)
    pair = [tenant(number, allocated_mb=1, working_set_mb=WORKING_SET_MB) for number in range(2)]
    for one in pair:
        engine.place(card, one)
        engine.submit(one, 10**14)
    engine.run_until(10_000 * SECOND)
    share_ppm = effective_share_ppm(1, 2, 10 * SECOND, SWITCH_US, inside=True)
    assert share_ppm == 425_000
    for one in pair:
        assert within(one.progress / 1_000_000, 10_000 * SECOND * share_ppm // 1_000_000, percent=2)


def test_turns_conserve_work_and_a_tenant_alone_pays_nothing_for_them() -> None:
    engine = Engine(tight_memory(), seed=3)
    card = card_of(engine, quantum_us=10 * SECOND, share_mode=TEMPORAL)
    busy, idle = (tenant(number, allocated_mb=1, working_set_mb=WORKING_SET_MB) for number in range(2))
    for one in (busy, idle):
        engine.place(card, one)
    engine.submit(busy, 10**14)
    engine.run_until(1_000 * SECOND)
    engine.touch(card)
    assert busy.progress == 1_000 * SECOND * 1_000_000
    assert card.switches == 0


@pytest.mark.parametrize("utilisation_ppm", [1_000_000, 1_500_000, -1])
def test_a_queue_that_never_empties_has_no_mean_wait(utilisation_ppm: int) -> None:
    with pytest.raises(ValueError, match="below full"):
        md1_wait_us(1, utilisation_ppm)
