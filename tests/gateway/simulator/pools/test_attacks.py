"""What could make a model that runs for months, or under a hostile load, lose work, time or memory."""

from __future__ import annotations

import pytest

from gateway.simulator.pools.card import Tenant
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import (
    AUTO,
    BATCH_POINTS,
    MILLION,
    SPATIAL,
    TEMPORAL,
    ParameterError,
    Parameters,
    PoolSpec,
    batch_speeds,
)
from gateway.simulator.pools.study import Configuration, study
from gateway.simulator.pools.traffic import Poisson
from tests.gateway.simulator.pools.pool_kit import SECOND, card_of, tenant, took, waited

HOUR = 3_600 * SECOND


def test_whoever_called_its_request_off_takes_no_turn() -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine, share_mode=TEMPORAL)
    holder, fickle, patient = tenant(1), tenant(2), tenant(3)
    for one in (holder, fickle, patient):
        engine.place(card, one)
    engine.submit(holder, 100 * SECOND)
    engine.run_until(SECOND)
    gone, kept = engine.submit(fickle, SECOND), engine.submit(patient, SECOND)
    engine.cancel(gone)
    engine.run()
    # One turn of 30 s, one change of 0.05 s, and no idle hold of somebody with nothing to do.
    assert waited(kept) == 29 * SECOND + 50_000
    assert (gone.failed, gone.started_us, gone.done_us) == (True, None, SECOND)


def test_a_request_called_off_while_it_runs_leaves_its_place_and_its_turn_to_the_next() -> None:
    engine = Engine(Parameters(), seed=1)
    card, only = card_of(engine, share_mode=TEMPORAL), tenant(1)
    engine.place(card, only)
    first, second = engine.submit(only, 10 * SECOND), engine.submit(only, SECOND)
    engine.run_until(4 * SECOND)
    engine.cancel(first)
    engine.cancel(first)
    engine.run()
    assert (first.failed, first.done_us) == (True, 4 * SECOND)
    assert (second.started_us, second.done_us) == (4 * SECOND, 5 * SECOND)
    assert engine.finished == [first, second]


def test_requests_called_off_are_told_and_leave_nothing_behind() -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine, share_mode=TEMPORAL)
    holder, other = (Tenant(number, "team", batch_speeds(BATCH_POINTS, 32)) for number in (1, 2))
    for one in (holder, other):
        engine.place(card, one)
    engine.submit(holder, 10**13)
    engine.run_until(SECOND)
    for _ in range(20_000):
        engine.cancel(engine.submit(holder, 10**13))
        engine.cancel(engine.submit(other, SECOND))
        assert len(engine.finished) == 2
        engine.finished.clear()
    # Every one of them planned the card anew, four months ahead.
    assert len(engine._heap) < 10_000
    assert (len(holder.running), len(other.running), holder.unstarted, other.unstarted) == (1, 0, [], [])


def test_a_card_that_nobody_worked_on_for_long_has_nothing_to_drain() -> None:
    engine = Engine(Parameters(), seed=1)
    card, first, second = card_of(engine, share_mode=TEMPORAL), tenant(1), tenant(2)
    for one in (first, second):
        engine.place(card, one)
    engine.submit(first, SECOND)
    engine.run()
    engine.remove(first)
    engine.run_until(HOUR)
    late = engine.submit(second, SECOND)
    engine.run()
    assert waited(late) == 0


def test_an_owner_that_leaves_hands_its_turn_on_at_once() -> None:
    engine = Engine(Parameters(), seed=1)
    card, owner, waiting = card_of(engine, share_mode=TEMPORAL), tenant(1), tenant(2)
    for one in (owner, waiting):
        engine.place(card, one)
    lost = engine.submit(owner, 100 * SECOND)
    kept = engine.submit(waiting, SECOND)
    engine.run_until(3 * SECOND)
    engine.remove(owner)
    engine.run()
    assert (lost.failed, kept.started_us) == (True, 3 * SECOND + 50_000)


@pytest.mark.parametrize(("first_us", "told_us"), [(0, 2), (1, 1), (2, 2), (9, 2), (-5, 2)])
def test_the_first_token_comes_within_the_work_whatever_was_said(first_us: int, told_us: int) -> None:
    engine = Engine(Parameters(), seed=1)
    card, only = card_of(engine), tenant(1)
    engine.place(card, only)
    engine.run_until(10)
    task = engine.submit(only, 2, first_us)
    engine.run()
    assert (task.first_token_us, task.done_us, only.running) == (10 + told_us, 12, [])


def test_work_of_nothing_takes_the_shortest_time_there_is() -> None:
    engine = Engine(Parameters(), seed=1)
    card, only = card_of(engine), tenant(1)
    engine.place(card, only)
    tasks = [engine.submit(only, work_us) for work_us in (0, -5)]
    engine.run()
    assert [task.done_us for task in tasks] == [1, 2]


def test_events_at_one_time_happen_in_the_order_they_were_made() -> None:
    engine, seen = Engine(Parameters(), seed=1), []
    for number in range(50):
        engine.at(7, lambda number=number: seen.append(number))  # type: ignore[misc]
    engine.at(-7, lambda: seen.append(-1))
    engine.run()
    assert seen == [-1, *range(50)]
    engine.run_until(3)
    assert engine.now_us == 7


@pytest.mark.parametrize("mode", [SPATIAL, TEMPORAL])
def test_a_card_changes_its_mode_under_work_without_losing_any_of_it(mode: str) -> None:
    """Two tenants of 60 GB each for a while: alone before, in turns or together meanwhile, alone after."""
    engine = Engine(Parameters(idle_hold_us=0), seed=1)
    card = card_of(engine, share_mode=AUTO, quantum_us=4 * SECOND)
    stays = tenant(1, allocated_mb=58_000, working_set_mb=58_000)
    memory_mb = 58_000 if mode == TEMPORAL else 10_000
    comes = tenant(2, allocated_mb=memory_mb, working_set_mb=memory_mb)
    engine.place(card, stays)
    long = engine.submit(stays, 20 * SECOND, first_us=9 * SECOND)
    engine.run_until(5 * SECOND)
    engine.place(card, comes)
    engine.submit(comes, 3 * SECOND)
    engine.run_until(7 * SECOND)
    assert card.temporal is (mode == TEMPORAL)
    engine.run_until(14 * SECOND)
    before = stays.progress
    engine.remove(comes)
    engine.run_until(15 * SECOND + 1)
    assert not card.temporal
    assert stays.resident_mb == 58_000
    assert stays.progress >= before
    engine.run()
    assert stays.progress // MILLION == 20 * SECOND
    assert long.first_token_us is not None
    assert 9 * SECOND < long.first_token_us < took(long)
    # 20 s of its own, and at most what the other did with the changes around it.
    assert 20 * SECOND < took(long) < 31 * SECOND


def test_vips_that_come_and_go_keep_nobody_out_for_long() -> None:
    engine = Engine(Parameters(idle_hold_us=0), seed=1)
    card = card_of(engine, share_mode=TEMPORAL, quantum_us=2 * SECOND)
    vips = [tenant(number, vip=True) for number in range(3)]
    ordinary = tenant(9)
    for one in (*vips, ordinary):
        engine.place(card, one)

    def begin(vip: Tenant) -> None:
        def again() -> None:
            engine.submit(vip, SECOND)
            engine.at(engine.now_us + 2 * SECOND, again)

        again()

    for vip in vips:
        begin(vip)
    engine.run_until(100 * SECOND)
    task = engine.submit(ordinary, SECOND // 10)
    engine.run_until(HOUR)
    # The turn that runs, and each VIP once before it.
    assert waited(task) <= 4 * 2 * SECOND + 4 * 50_000


def test_page_in_that_takes_longer_than_a_turn_still_lets_some_work_be_done() -> None:
    engine = Engine(Parameters(page_in_inside_turn=1), seed=1)
    card = card_of(engine, share_mode=TEMPORAL, quantum_us=2 * SECOND)
    others = [tenant(number, allocated_mb=39_000, working_set_mb=39_000) for number in range(3)]
    for one in others:
        assert engine.place(card, one) is None
    tasks = [engine.submit(one, 2 * SECOND) for one in others]
    engine.run()
    assert all(not task.failed and took(task) < 300 * SECOND for task in tasks)


@pytest.mark.parametrize("mode", [SPATIAL, TEMPORAL])
def test_a_tenant_alone_is_as_fast_in_turns_as_in_space(mode: str) -> None:
    engine = Engine(Parameters(), seed=1)
    card, modest = card_of(engine, share_mode=mode), tenant(1, demand_ppm=100_000)
    engine.place(card, modest)
    task = engine.submit(modest, SECOND)
    engine.run()
    assert took(task) == 10 * SECOND


def test_a_pod_that_takes_more_than_a_card_has_fails_whoever_is_there() -> None:
    engine = Engine(Parameters(), seed=1)
    card, small, huge = card_of(engine), tenant(1), tenant(2, allocated_mb=93_500, working_set_mb=10)
    assert engine.place(card, small) is None
    assert engine.place(card, huge) is huge
    assert engine.submit(huge, 1).failed
    assert not engine.submit(small, 1).failed


def test_ten_thousand_tenants_are_served_or_refused() -> None:
    traffic = Poisson(360_000, 200 * SECOND, 10_000, work_us=10_000)
    server = Server(allocated_mb=5_000, working_set_mb=5_000)
    came = len(list(traffic))
    roomy = study(traffic, Configuration(1_000, 10, 10 * SECOND), server, Parameters(), hourly_usd_micros=1)
    assert (roomy.served, roomy.refused, roomy.failed) == (came, 0, 0)
    tight = study(traffic, Configuration(100, 10, 10 * SECOND), server, Parameters(), hourly_usd_micros=1)
    assert tight.served + tight.refused == came
    assert tight.refused > came * 8 // 10


@pytest.mark.parametrize("mode", [SPATIAL, TEMPORAL])
def test_more_work_than_a_card_can_do_ends_late_and_not_never(mode: str) -> None:
    found = study(
        Poisson(3_600, HOUR // 4, 4, work_us=4 * SECOND),
        Configuration(1, 4, 2 * SECOND, mode),
        Server(11_000, 11_000, batch=1),
        Parameters(),
        hourly_usd_micros=1,
    )
    assert found.failed == found.refused == 0
    assert found.horizon_us > HOUR // 2


@pytest.mark.parametrize(
    "bad",
    [
        {"batch": 0}, {"batch": 5_000}, {"batch": "8"}, {"batch": True}, {"allocated_mb": -1}, {"working_set_mb": -1},
        {"working_set_mb": 20_001}, {"demand_ppm": 0}, {"demand_ppm": 1_000_001}, {"allocated_mb": 1.5},
        {"batch_points": [[2, 1]]}, {"batch_points": "x"}, {"batch_points": [[1, 0.5]]}, {"batch_points": [[1, 1, 1]]},
        {"batch_points": None},
    ],
)  # fmt: skip
def test_a_server_that_could_never_answer_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ParameterError):
        Server(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [
        {"gpus": 1.5}, {"gpus": "2"}, {"sharing_ratio": 2.5}, {"hourly_usd_micros": 0.5}, {"name": ""}, {"name": 7},
        {"name": "x" * 129}, {"private": "no"}, {"id": None},
    ],
)  # fmt: skip
def test_a_pool_of_the_wrong_types_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ParameterError):
        PoolSpec(**{"id": 1, "name": "pool", **bad})  # type: ignore[arg-type]
