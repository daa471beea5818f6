"""Time that is moved, that jumps, and that runs faster; and the model that follows it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.simulator.pace import PodGone
from gateway.simulator.platform.clock import ScaledClock, VirtualClock, sleep_until
from gateway.simulator.platform.pump import Pump
from gateway.simulator.pools.cluster import Cluster, Server
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import Parameters, PoolSpec


def test_virtual_time_moves_by_hand_and_in_order() -> None:
    clock, seen = VirtualClock(), []
    for at in (30, 10, 20):
        clock.call_at(at, lambda at=at: seen.append((at, clock.now_us())))  # type: ignore[misc]
    off = clock.call_at(15, lambda: seen.append((15, 15)))
    off.cancel()
    off.cancel()
    clock.advance(25)
    assert (seen, clock.now_us()) == ([(10, 10), (20, 20)], 25)
    clock.call_at(1, lambda: seen.append((1, clock.now_us())))
    clock.advance(5)
    assert seen[2:] == [(1, 25), (30, 30)]


async def test_a_clock_that_jumps_wakes_everybody_in_order() -> None:
    clock, seen = VirtualClock(jumps=True), []

    async def wait(until_us: int) -> None:
        await sleep_until(clock, until_us)
        seen.append((until_us, clock.now_us()))

    waits = [wait(until_us) for until_us in (3_000, 1_000, 2_000)]
    await asyncio.gather(*waits)
    assert seen == [(1_000, 1_000), (2_000, 2_000), (3_000, 3_000)]
    await sleep_until(clock, 5)
    assert clock.now_us() == 3_000


async def test_scaled_time_runs_faster() -> None:
    clock = ScaledClock(1_000_000)
    await sleep_until(clock, 20_000_000)
    assert clock.now_us() >= 20_000_000
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(0)


def pod(most_idle_us: int | None = None) -> tuple[VirtualClock, Pump, Cluster]:
    clock = VirtualClock(jumps=True)
    engine = Engine(Parameters(provision_median_us=0), 1)
    cluster = Cluster(engine, [PoolSpec(1, "pool")])
    cluster.subscribe("a", 1, Server())
    engine.run_until(0)
    return clock, Pump(engine, clock, most_idle_us=most_idle_us), cluster


async def test_everybody_who_waits_is_told_at_the_models_time() -> None:
    clock, pump, cluster = pod()
    tenant = cluster.live(1)[0].tenants[0]
    tasks = [pump.submit(tenant, 1_000_000, 100_000) for _ in range(2)]
    await asyncio.gather(*[pump.begun(task) for task in tasks])
    assert clock.now_us() == tasks[0].first_token_us
    await asyncio.gather(*[pump.ended(task) for task in tasks])
    assert clock.now_us() == tasks[0].done_us == tasks[1].done_us
    await pump.ended(tasks[0])
    pump.cancel(tasks[0])


async def test_a_request_called_off_lets_the_others_go_faster() -> None:
    clock, pump, cluster = pod()
    tenant = cluster.live(1)[0].tenants[0]
    first, second = (pump.submit(tenant, 1_000_000, 0) for _ in range(2))
    clock.advance(1_000)
    pump.cancel(second)
    await pump.ended(first)
    assert first.done_us is not None
    assert 1_000_000 < first.done_us < 1_000_200
    with pytest.raises(PodGone):
        await pump.ended(second)
    with pytest.raises(PodGone):
        await pump.begun(second)


@pytest.mark.parametrize("wait", ["ended", "begun"])
async def test_a_pod_that_fails_ends_every_wait(wait: str) -> None:
    clock, pump, cluster = pod()
    tenant = cluster.live(1)[0].tenants[0]
    task = pump.submit(tenant, 60_000_000, 50_000_000)
    waiting = asyncio.ensure_future(getattr(pump, wait)(task))
    pump.engine.at(10_000, lambda: pump.engine.fail(tenant))
    with pytest.raises(PodGone):
        await waiting
    assert clock.now_us() == 10_000


async def test_idle_time_is_skipped_but_for_its_end() -> None:
    clock, pump, _ = pod(most_idle_us=1_000_000)
    clock.advance(3_600_000_000)
    pump.catch_up()
    assert pump.engine.now_us == 1_000_000
    clock.advance(500_000)
    pump.catch_up()
    assert pump.engine.now_us == 1_500_000
