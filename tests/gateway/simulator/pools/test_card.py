"""How tenants share a card: in space while they fit, in turns when they don't, and what changing costs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.pools.card import Card, Tenant
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import (
    SPATIAL,
    TEMPORAL,
    ParameterError,
    Parameters,
    PoolSpec,
    batch_speeds,
    parameter_notes,
    parameters_from,
)
from tests.gateway.simulator.pools.pool_kit import SECOND, card_of, poisson, tenant, took, waited


def placed(engine: Engine, card: Card, *tenants: Tenant) -> None:
    for one in tenants:
        assert engine.place(card, one) is None


def test_alone_a_request_takes_its_own_work_and_nothing_more() -> None:
    engine = Engine(Parameters(), seed=1)
    card, only = card_of(engine), tenant(1)
    placed(engine, card, only)
    task = engine.submit(only, 1_234_567, first_us=234_567)
    engine.run()
    assert (task.started_us, task.first_token_us, task.done_us) == (0, 234_567, 1_234_567)


def test_two_in_space_get_half_each_less_the_interference() -> None:
    engine = Engine(Parameters(), seed=1)
    card, first, second = card_of(engine), tenant(1), tenant(2)
    placed(engine, card, first, second)
    tasks = [engine.submit(one, SECOND) for one in (first, second)]
    engine.run()
    # 0.5 * 0.95 = 0.475 of a card each.
    assert [took(task) for task in tasks] == [2_105_264, 2_105_264]


def test_slices_weigh_in_space_and_what_one_does_not_use_the_others_get() -> None:
    engine = Engine(Parameters(interference_ppm=0), seed=1)
    card = card_of(engine, sharing_ratio=4)
    small, large, modest = tenant(1), tenant(2, slices=3), tenant(3, demand_ppm=100_000)
    placed(engine, card, small, large)
    tasks = [engine.submit(small, SECOND), engine.submit(large, 3 * SECOND)]
    engine.run()
    assert [took(task) for task in tasks] == [4 * SECOND, 4 * SECOND]
    placed(engine, card, modest)
    tasks = [engine.submit(small, SECOND), engine.submit(large, 10 * SECOND), engine.submit(modest, SECOND)]
    engine.run_until(engine.now_us + 1)
    assert [small.rate, large.rate, modest.rate] == [225_000, 675_000, 100_000]


def test_a_batch_serves_many_at_a_lower_speed_each() -> None:
    engine = Engine(Parameters(), seed=1)
    card, only = card_of(engine), tenant(1, batch=2)
    placed(engine, card, only)
    tasks = [engine.submit(only, SECOND) for _ in range(3)]
    engine.run()
    # Two at half speed, then the third alone.
    assert [task.done_us for task in tasks] == [2 * SECOND, 2 * SECOND, 3 * SECOND]
    assert [waited(task) for task in tasks] == [0, 0, 2 * SECOND]


def test_a_card_goes_over_to_turns_when_memory_no_longer_fits_and_back() -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine)
    first, second = (tenant(number, allocated_mb=50_000, working_set_mb=50_000) for number in (1, 2))
    placed(engine, card, first, second)
    assert not card.temporal
    engine.run_until(SECOND)
    assert card.temporal
    engine.remove(second)
    engine.run_until(2 * SECOND)
    assert not card.temporal


@pytest.mark.parametrize(("mode", "turns"), [(SPATIAL, False), (TEMPORAL, True)])
def test_a_pool_that_says_how_it_shares_never_goes_over(mode: str, turns: bool) -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine, share_mode=mode)
    placed(engine, card, *[tenant(number, allocated_mb=55_000 if mode == SPATIAL else 10) for number in (1, 2)])
    engine.run_until(10 * SECOND)
    assert card.temporal is turns


def test_a_turn_is_kept_idle_for_the_hold_before_another_gets_it() -> None:
    engine = Engine(Parameters(), seed=1)
    card, first, second = card_of(engine, share_mode=TEMPORAL), tenant(1), tenant(2)
    placed(engine, card, first, second)
    engine.submit(first, SECOND)
    engine.run_until(SECOND)
    late = engine.submit(second, SECOND)
    engine.run()
    # The hold of 5 s runs from the end of the work; then the first's kernels drain for 0.05 s.
    assert waited(late) == 5 * SECOND + 50_000


def test_a_request_within_the_hold_runs_at_once() -> None:
    engine = Engine(Parameters(), seed=1)
    card, first, second = card_of(engine, share_mode=TEMPORAL), tenant(1), tenant(2)
    placed(engine, card, first, second)
    engine.submit(first, SECOND)
    engine.run_until(2 * SECOND)
    engine.submit(second, SECOND)
    engine.run_until(4 * SECOND)
    again = engine.submit(first, SECOND)
    engine.run()
    assert waited(again) == 0


def test_a_vip_goes_before_those_that_wait_but_interrupts_nobody() -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine, share_mode=TEMPORAL, quantum_us=10 * SECOND)
    holder, waiting, vip = tenant(1), tenant(2), tenant(3, vip=True)
    placed(engine, card, holder, waiting, vip)
    engine.submit(holder, 100 * SECOND)
    engine.run_until(SECOND)
    ordinary = engine.submit(waiting, SECOND)
    engine.run_until(2 * SECOND)
    first = engine.submit(vip, SECOND)
    engine.run()
    assert first.started_us is not None
    assert ordinary.started_us is not None
    assert 10 * SECOND <= first.started_us < ordinary.started_us


def test_memory_overcommitted_up_to_the_bound_fails_nobody() -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine)
    for number in range(2):
        assert engine.place(card, tenant(number, allocated_mb=59_000, working_set_mb=59_000)) is None


def test_memory_overcommitted_beyond_the_bound_fails_one_pod_and_its_work() -> None:
    engine = Engine(Parameters(), seed=1)
    card = card_of(engine)
    first = tenant(1, allocated_mb=80_000, working_set_mb=80_000)
    engine.place(card, first)
    task = engine.submit(first, 100 * SECOND)
    second = tenant(2, allocated_mb=80_000, working_set_mb=80_000)
    victim = engine.place(card, second)
    assert victim in (first, second)
    assert card.allocated_mb == 80_000
    engine.run()
    assert task.failed is (victim is first)


def test_a_tenant_that_leaves_ends_what_it_ran_as_failed() -> None:
    engine = Engine(Parameters(), seed=1)
    card, only = card_of(engine), tenant(1)
    placed(engine, card, only)
    tasks = [engine.submit(only, SECOND) for _ in range(3)]
    engine.run_until(SECOND + 1)
    engine.remove(only)
    assert [task.failed for task in tasks] == [False, True, True]
    assert engine.submit(only, 1).failed


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    tenants=st.integers(1, 4),
    mode=st.sampled_from([SPATIAL, TEMPORAL, "auto"]),
    memory=st.integers(1_000, 40_000),
    batch=st.integers(1, 4),
)
def test_nothing_is_lost_and_equal_seeds_are_equal_runs(
    seed: int, tenants: int, mode: str, memory: int, batch: int
) -> None:
    def run() -> list[tuple[int, int | None, int | None, int | None, bool]]:
        engine = Engine(Parameters(), seed)
        card = card_of(engine, share_mode=mode)
        sent = []
        for number in range(tenants):
            one = tenant(number, batch=batch, allocated_mb=memory, working_set_mb=memory)
            engine.place(card, one)
            sent.append(poisson(engine, one, mean_us=2 * SECOND, count=20, work_us=300_000))
        engine.run()
        assert len(engine.finished) == 20 * tenants
        return [
            (task.id, task.started_us, task.first_token_us, task.done_us, task.failed) for one in sent for task in one
        ]

    first = run()
    assert first == run()
    assert all(failed or (begun is not None and begun <= ended) for _, begun, _, ended, failed in first if ended)


def mean_latency(tenants: int, mean_us: int, mode: str) -> int:
    engine = Engine(Parameters(), seed=5)
    card = card_of(engine, share_mode=mode)
    sent = []
    for number in range(tenants):
        one = tenant(number, batch=8, allocated_mb=9_000, working_set_mb=9_000)
        engine.place(card, one)
        sent.append(poisson(engine, one, mean_us=mean_us, count=1_500, work_us=SECOND))
    engine.run()
    return sum([took(task) for one in sent for task in one]) // (1_500 * tenants)


@pytest.mark.parametrize("mode", [SPATIAL, TEMPORAL])
def test_more_company_and_more_load_never_make_it_faster(mode: str) -> None:
    by_company = [mean_latency(tenants, 60 * SECOND, mode) for tenants in (1, 2, 4, 8)]
    assert by_company == sorted(by_company)
    by_load = [mean_latency(2, mean_s * SECOND, mode) for mean_s in (120, 60, 30, 15)]
    assert by_load == sorted(by_load)


@pytest.mark.parametrize(
    "bad",
    [
        {"drain_us": -1}, {"page_in_mb_per_s": 0}, {"gpu_memory_mb": True}, {"fail_surely_ppm": 1_000_000},
        {"hidden_memory_mb": 94_970}, {"unknown": 1}, {"drain_us": "5"},
    ],
)  # fmt: skip
def test_a_parameter_that_makes_no_sense_is_named(bad: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match=next(iter(bad))):
        parameters_from(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"gpus": 0}, {"sharing_ratio": 11}, {"quantum_us": 1}, {"share_mode": "both"}, {"placement": "any"},
        {"security_level": "none"}, {"hourly_usd_micros": -1},
    ],
)  # fmt: skip
def test_a_pool_that_cannot_be_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ParameterError):
        PoolSpec(**{"id": 1, "name": "pool", **bad})  # type: ignore[arg-type]


def test_every_parameter_says_where_it_comes_from() -> None:
    notes = parameter_notes()
    assert {mark for _, _, mark, _ in notes} == {"documented", "measured", "nvshare", "assumed"}
    assert all(meaning for *_, meaning in notes)


@pytest.mark.parametrize("points", [(), ((2, 1),), ((1, 5), (1, 4)), ((1, 5), (3, 0))])
def test_batch_points_must_begin_alone_and_grow(points: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ParameterError):
        batch_speeds(points, 4)
