"""Time limits under one timer end what `asyncio.timeout` would have ended, and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from gateway.adapters.deadlines import Deadline, Deadlines
from gateway.adapters.host import SystemClock

CLOCK = SystemClock()
SOON_US, LATE_US = 1_000, 60_000_000


async def wait(limit: AbstractAsyncContextManager[object], body: asyncio.Future[str]) -> str:
    async with limit:
        return await body


def never() -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


async def test_what_is_over_ends_with_a_timeout_error() -> None:
    with pytest.raises(TimeoutError):
        await wait(CLOCK.timeout(SOON_US), never())


@pytest.mark.parametrize("delay_us", [0, -1_000_000])
async def test_a_limit_that_has_passed_ends_the_first_wait(delay_us: int) -> None:
    with pytest.raises(TimeoutError):
        await wait(CLOCK.timeout(delay_us), never())


async def test_what_ends_in_time_is_left_alone() -> None:
    body = never()
    body.set_result("done")
    assert await wait(CLOCK.timeout(LATE_US), body) == "done"


async def test_an_earlier_limit_does_not_wait_for_a_later_one_nor_end_it() -> None:
    late = asyncio.ensure_future(wait(CLOCK.timeout(LATE_US), body := never()))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await wait(CLOCK.timeout(SOON_US), never())
    assert not late.done()
    body.set_result("done")
    assert await late == "done"


async def test_many_limits_end_each_at_its_own_time() -> None:
    order: list[int] = []

    async def one(number: int) -> None:
        with pytest.raises(TimeoutError):
            await wait(CLOCK.timeout(number * 3_000), never())
        order.append(number)

    await asyncio.gather(*(one(number) for number in (5, 1, 4, 2, 3)))
    assert order == [1, 2, 3, 4, 5]


async def test_the_inner_of_two_limits_is_the_one_that_tells() -> None:
    async with CLOCK.timeout(LATE_US):
        with pytest.raises(TimeoutError):
            await wait(CLOCK.timeout(SOON_US), never())
        await asyncio.sleep(0)  # and the outer one goes on


async def test_the_outer_of_two_limits_ends_both() -> None:
    told: list[type[BaseException]] = []

    async def inner() -> None:
        try:
            await wait(CLOCK.timeout(LATE_US), never())
        except BaseException as problem:
            told.append(type(problem))
            raise

    async def outer() -> None:
        async with CLOCK.timeout(SOON_US):
            await inner()

    with pytest.raises(TimeoutError):
        await outer()
    assert told == [asyncio.CancelledError]


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    task = asyncio.ensure_future(wait(CLOCK.timeout(LATE_US), never()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_comes_with_the_end_of_the_time_stays_one() -> None:
    """The same in both: who was cancelled by two must not go on because one of them is satisfied."""
    loop = asyncio.get_running_loop()
    every = Deadlines(loop)
    for limit in (Deadline(every, loop.time() + 3600), asyncio.timeout(3600)):
        task = asyncio.ensure_future(wait(limit, never()))
        await asyncio.sleep(0)
        task.cancel()
        if isinstance(limit, Deadline):
            limit.expire()
        else:
            limit.reschedule(0)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    body = never()
    body.set_exception(LookupError("gone"))
    with pytest.raises(LookupError):
        await wait(CLOCK.timeout(LATE_US), body)


def test_one_clock_serves_one_loop_after_the_other() -> None:
    async def limited() -> None:
        with pytest.raises(TimeoutError):
            await wait(CLOCK.timeout(SOON_US), never())

    asyncio.run(limited())
    asyncio.run(limited())
