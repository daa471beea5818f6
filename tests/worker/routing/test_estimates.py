"""What attempts teach: a bounded moving average, and a breaker that opens, rests and probes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random

import pytest

from tests.worker.decision_kit import ALPHA, BETA, NOW_US, World, world
from worker.routing.candidates import Observation
from worker.routing.estimates import (
    FAILURES_TO_OPEN,
    MAX_RATIO_PPM,
    MIN_RATIO_PPM,
    OPEN_FOR_US,
    read_observations,
    record_answer,
    record_failure,
    seen_ratio_ppm,
)


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world() as found:
        yield found


async def seen(state: World, now_us: int = NOW_US, tenant: str = "acme") -> dict[str, Observation]:
    return await state.database.transact(lambda sql: read_observations(sql, tenant, now_us))


async def answer(state: World, planned_us: int, seen_us: int) -> None:
    await state.database.transact(lambda sql: record_answer(sql, "acme", ALPHA, planned_us, seen_us))


async def fail(state: World, now_us: int = NOW_US) -> None:
    await state.database.transact(lambda sql: record_failure(sql, "acme", ALPHA, now_us))


async def put(state: World, samples: int, ratio_ppm: int) -> None:
    statement = """INSERT INTO estimate (tenant, route, samples, ratio_ppm, failures, open_until_us)
           VALUES ('acme', ?, ?, ?, 0, 0) ON CONFLICT DO UPDATE SET samples = ?, ratio_ppm = ?"""
    await state.database.transact(lambda sql: sql.execute(statement, ALPHA, samples, ratio_ppm, samples, ratio_ppm))


@pytest.mark.parametrize(
    ("samples", "ratio", "planned", "seen_us", "after"),
    [
        (0, 1_000_000, 100, 250, 2_500_000),  # the first one counts in full
        (0, 1_000_000, 100, 10**9, 10_000_000),  # within bounds
        (0, 1_000_000, 100, 0, 100_000),
        (0, 1_000_000, 0, 0, 100_000),  # nothing planned divides nothing
        (1, 1_000_000, 100, 180, 1_100_000),
        (9, 1_000_000, 100, 20, 900_000),
        (9, 1_000_000, 100, 10**9, 2_125_000),
        (7, 1_000_009, 100, 100, 1_000_008),  # towards what is seen, whole steps only
        (7, 1_000_000, 100, 100, 1_000_000),
    ],
)
async def test_golden_averages(state: World, samples: int, ratio: int, planned: int, seen_us: int, after: int) -> None:
    await put(state, samples, ratio)
    await answer(state, planned, seen_us)
    assert (await seen(state))[ALPHA] == Observation(samples + 1, after, 0, False)


@pytest.mark.parametrize(("seen_us", "samples"), [(100, 9), (102, 9), (98, 9), (103, 10), (97, 10)])
async def test_what_is_nearly_the_average_teaches_nothing_once_eight_are_known(
    state: World, seen_us: int, samples: int
) -> None:
    await put(state, 9, 1_000_000)
    await answer(state, 100, seen_us)
    assert (await seen(state))[ALPHA].samples == samples


async def test_an_answer_closes_the_breaker_even_if_it_is_the_average(state: World) -> None:
    await put(state, 9, 1_000_000)
    await fail(state)
    await answer(state, 100, 100)
    assert (await seen(state))[ALPHA].failures == 0


async def test_an_average_stays_between_its_bounds_and_moves_towards_what_is_seen(state: World) -> None:
    chance = Random(8)
    for _ in range(300):
        samples, ratio = chance.randint(0, 9), chance.randint(MIN_RATIO_PPM, MAX_RATIO_PPM)
        planned, seen_us = chance.randint(0, 10**9), chance.randint(0, 10**10)
        await put(state, samples, ratio)
        await answer(state, planned, seen_us)
        after = (await seen(state))[ALPHA].ratio_ppm
        target = seen_ratio_ppm(planned, seen_us)
        assert MIN_RATIO_PPM <= target <= MAX_RATIO_PPM
        assert min(ratio, target) <= after <= max(ratio, target)
        if samples == 0:
            assert after == target


async def test_nothing_is_known_of_a_new_tenant(state: World) -> None:
    assert await seen(state) == {}


async def test_answers_are_averaged(state: World) -> None:
    await answer(state, 100, 200)
    await answer(state, 100, 100)
    assert await seen(state) == {ALPHA: Observation(2, 1_875_000, 0, False)}
    assert await seen(state, tenant="other") == {}


async def test_a_breaker_opens_rests_and_probes(state: World) -> None:
    for failures in range(1, FAILURES_TO_OPEN):
        await fail(state)
        assert await seen(state) == {ALPHA: Observation(0, 1_000_000, failures, False)}
    await fail(state)
    assert (await seen(state))[ALPHA].open
    assert (await seen(state, NOW_US + OPEN_FOR_US - 1))[ALPHA].open
    assert not (await seen(state, NOW_US + OPEN_FOR_US))[ALPHA].open  # now one request may probe
    await fail(state, NOW_US + OPEN_FOR_US)
    assert (await seen(state, NOW_US + 2 * OPEN_FOR_US - 1))[ALPHA].open  # the probe failed: rest again
    await answer(state, 100, 100)
    assert await seen(state, NOW_US + OPEN_FOR_US) == {ALPHA: Observation(1, 1_000_000, 0, False)}


async def test_an_answer_between_failures_starts_the_count_again(state: World) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        await fail(state)
    await answer(state, 100, 100)
    for _ in range(FAILURES_TO_OPEN - 1):
        await fail(state)
    assert not (await seen(state))[ALPHA].open
    assert BETA not in await seen(state)
