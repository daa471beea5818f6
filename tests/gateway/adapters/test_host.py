"""The machine's clock and identifiers keep their ports."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from gateway.adapters.host import SystemClock, SystemIds


def test_wall_time_is_in_microseconds() -> None:
    clock = SystemClock()
    before = time.time_ns()
    now_us = clock.now_us()
    after = time.time_ns()
    assert type(now_us) is int
    assert before // 1000 <= now_us <= after // 1000


def test_elapsed_time_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic_us() for _ in range(1000)]
    assert readings == sorted(readings)
    assert {type(reading) for reading in readings} == {int}


async def test_a_timeout_ends_a_body_that_waits() -> None:
    with pytest.raises(TimeoutError):
        async with SystemClock().timeout(1000):
            await asyncio.Event().wait()


async def test_a_timeout_leaves_a_body_that_ends_alone() -> None:
    async with SystemClock().timeout(60_000_000):
        await asyncio.sleep(0)


async def test_a_timeout_of_nothing_ends_at_the_first_wait() -> None:
    with pytest.raises(TimeoutError):
        async with SystemClock().timeout(0):
            await asyncio.Event().wait()


def test_identifiers_are_prefixed_and_never_repeat() -> None:
    ids = SystemIds()
    made = [ids.new("dec") for _ in range(1000)]
    assert all(re.fullmatch(r"dec_[0-9a-f]{32}", identifier) for identifier in made)
    assert len(set(made)) == 1000


async def test_a_sleep_ends_and_a_callback_comes_unless_it_is_called_off() -> None:
    clock, called = SystemClock(), asyncio.Event()
    clock.call_later(0, lambda: pytest.fail("it was called off")).cancel()
    clock.call_later(1_000, called.set)
    before_us = clock.monotonic_us()
    await clock.sleep(2_000)
    assert clock.monotonic_us() > before_us
    await called.wait()
