"""Brings captured events to their destinations: takes what is due, has it delivered, writes down what came of it.

Each destination is on its own: one that is slow or dead holds up neither another nor a capture. Whoever drives it, a
task on a machine or an alarm at the edge, the state is in the spool alone; so a process may die at any moment, and
another goes on once the dead one's lease has run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from worker.errors import StateError
from worker.ports import Clock, Database, Ids, Sql
from worker.sessions.cursors import Claim, Due, claim_in, due_in, register_in, release_in, renew_in, set_back_in
from worker.sessions.destination import Destination, Failed, Fate, Outcome, Shaped
from worker.sessions.finishing import Finished, Result, finish_in
from worker.sessions.retry_schedule import RetrySchedule
from worker.sessions.rules import Routes
from worker.sessions.session_metrics import SessionMetrics
from worker.sessions.shaping import Shaper

_log = logging.getLogger("harpoon.sessions")
_SECOND_US: Final = 1_000_000
#: No wait is longer: neither `max_wait_s` nor what a destination may ask for.
LONGEST_WAIT_US: Final = 86_400 * _SECOND_US


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Limits of the driver. `batch`: events of a claim. `poll_us`: how long a capture by another process may wait.

    `lease_us`: how long a cursor stays with a process that has died; it is renewed three times as often.
    `rounds`: batches of a destination in one `run_once`. `stop_us`: how long a stop waits for deliveries under way.
    """

    batch: int = 200
    lease_us: int = 10 * _SECOND_US
    poll_us: int = _SECOND_US // 2
    rounds: int = 1_000
    stop_us: int = 3 * _SECOND_US


class Deliverer:
    """Delivers the spool of one database to `destinations`.

    Args: holder: the name of this process among those that share the spool. schedules: by destination, where it isn't
    the usual one.
    """

    def __init__(
        self,
        database: Database,
        destinations: Mapping[str, Destination],
        routes: Routes,
        clock: Clock,
        ids: Ids,
        holder: str,
        *,
        schedules: Mapping[str, RetrySchedule] | None = None,
        settings: DeliverySettings | None = None,
        metrics: SessionMetrics | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._holder = holder
        self._settings = settings or DeliverySettings()
        self.metrics = metrics or SessionMetrics()
        self._destinations = dict(destinations)
        self._schedules = dict(schedules or {})
        self._shaper = Shaper(routes)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._waker: asyncio.Future[None] | None = None
        self._is_stopping = self._is_changing = False
        #: How far the wall clock was ahead of the steady one when it was last looked at; None = not yet.
        self._ahead_us: int | None = None

    async def open(self, from_beginning: Collection[str] = (), *, alone: bool = False) -> None:
        """Register the destinations. Args: alone: nobody else delivers, so what is held is a dead process's.

        Raises: StateError.
        """
        await self._register(tuple(self._destinations), from_beginning, alone=alone)

    async def _register(self, names: tuple[str, ...], from_beginning: Collection[str], *, alone: bool = False) -> None:
        now_us, lease_us = self._clock.now_us(), self._settings.lease_us

        def registered(sql: Sql) -> None:
            register_in(sql, names, from_beginning)
            set_back_in(sql, now_us, LONGEST_WAIT_US, lease_us)
            if alone:
                release_in(sql)

        await self._database.transact(registered)

    async def use(
        self,
        destinations: Mapping[str, Destination],
        routes: Routes,
        schedules: Mapping[str, RetrySchedule],
        from_beginning: Collection[str] = (),
    ) -> None:
        """Go on with these; what is under way ends first, though not for long.

        Raises: StateError, and then those before stay in use.
        """
        self._is_changing = True
        try:
            await self._settled()
            await self._register(tuple(destinations), from_beginning)
            await self._replace(destinations, routes, schedules)
        finally:
            self._is_changing = False
        self.wake()

    async def _replace(
        self, destinations: Mapping[str, Destination], routes: Routes, schedules: Mapping[str, RetrySchedule]
    ) -> None:
        replaced = [one for name, one in self._destinations.items() if destinations.get(name) is not one]
        self._destinations, self._schedules = dict(destinations), dict(schedules)
        self._shaper = Shaper(routes)
        for one in replaced:
            await one.close()

    def wake(self) -> None:
        """Something was captured: look now. Harmless at any time."""
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    async def run_once(self) -> int | None:
        """Deliver what is due; when to come again, in microseconds since 1970, None = after the next capture.

        Raises: StateError.
        """
        due = [one.name for one in await self._due() if one.at_us is not None and one.at_us <= self._clock.now_us()]
        ended = await asyncio.gather(*[self._drain(name) for name in due], return_exceptions=True)
        for problem in ended:
            if problem is not None:
                raise problem
        times = [one.at_us for one in await self._due() if one.at_us is not None]
        return min(times, default=None)

    async def run_for_ever(self) -> None:
        """Deliver until it is cancelled or `close` is called."""
        loop = asyncio.get_running_loop()
        while not self._is_stopping:
            self._waker = loop.create_future()
            wait_us = self._settings.poll_us
            try:
                wait_us = min(wait_us, await self._begin_due())
            except StateError as problem:
                _log.error("the spool can't be read, delivery will try again: %s", problem)
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(max(wait_us, 1_000)):
                    await self._waker

    async def close(self) -> None:
        """Let what is under way end, though not for long; let go of every cursor and close the destinations."""
        self._is_stopping = True
        self.wake()
        await self._settled()
        with contextlib.suppress(StateError):
            await self._database.transact(lambda sql: release_in(sql, self._holder))
        for one in self._destinations.values():
            await one.close()

    async def _due(self) -> list[Due]:
        if not self._destinations:
            return []
        await self._look_at_clock()
        due = await self._database.transact(lambda sql: due_in(sql, self._holder))
        return [one for one in due if one.name in self._destinations]

    async def _look_at_clock(self) -> None:
        """If it was set back since the last look, whoever waits is tried now, rather than when it gets there again."""
        now_us = self._clock.now_us()
        ahead_us = now_us - self._clock.monotonic_us()
        if self._ahead_us is not None and ahead_us < self._ahead_us - _SECOND_US:
            lease_us = self._settings.lease_us
            await self._database.transact(lambda sql: set_back_in(sql, now_us, 0, lease_us))
        self._ahead_us = ahead_us

    async def _begin_due(self) -> int:
        """Have every destination that has something to do served by a task of its own; microseconds until the next."""
        wait_us = self._settings.poll_us
        for name, at_us in await self._due():
            if at_us is None or name in self._running or self._is_stopping or self._is_changing:
                continue
            if at_us <= self._clock.now_us():
                task = self._running[name] = asyncio.create_task(self._serve(name))
                task.add_done_callback(partial(self._served, name))
            else:
                wait_us = min(wait_us, at_us - self._clock.now_us())
        return wait_us

    async def _serve(self, name: str) -> None:
        try:
            await self._drain(name)
        except StateError as problem:
            _log.error("%s: what was delivered can't be written down and will be sent again: %s", name, problem)
            await self._clock.sleep(_SECOND_US)

    def _served(self, name: str, task: asyncio.Task[None]) -> None:
        """A destination's task has ended; if by a bug, the next begins a while later."""
        if not task.cancelled() and task.exception() is not None:
            _log.error("%s: delivery stumbled and will try again", name, exc_info=task.exception())
            self._clock.call_later(_SECOND_US, lambda: self._free(name))
        else:
            self._free(name)

    def _free(self, name: str) -> None:
        self._running.pop(name, None)
        self.wake()

    async def _settled(self) -> None:
        """Return once no destination is being served; one that hangs is not waited for longer than `stop_us`."""
        tasks = list(self._running.values())
        if not tasks:
            return
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(self._settings.stop_us):
                await asyncio.wait(tasks)
        for task in tasks:
            # What it delivers now may have arrived, and is delivered again later.
            task.cancel()
        await asyncio.wait(tasks)

    async def _drain(self, name: str) -> None:
        """Deliver to one destination until nothing is due there, or somebody else does it. Raises: StateError."""
        settings = self._settings
        claim = await self._claim(name)
        rounds = settings.rounds
        while claim is not None:
            rounds -= 1
            goes_on = rounds > 0 and not self._is_stopping and not self._is_changing
            claim = await self._round(claim, goes_on=goes_on)

    async def _claim(self, name: str) -> Claim | None:
        now_us, settings = self._clock.now_us(), self._settings
        return await self._database.transact(
            lambda sql: claim_in(sql, name, self._holder, now_us, settings.lease_us, settings.batch)
        )

    async def _round(self, claim: Claim, *, goes_on: bool) -> Claim | None:
        """Deliver a claim and write it down; the next claim in the same transaction."""
        settings, name = self._settings, claim.name
        began_us = self._clock.now_us()
        outcomes = await self._kept(claim)
        results = [Result(taken, *drawn) for taken, drawn in zip(claim.events, self._drawn(outcomes), strict=True)]
        now_us, draw = self._clock.now_us(), self._draw()
        schedule = self._schedules.get(name, RetrySchedule())

        def turn(sql: Sql) -> tuple[Finished, Claim | None]:
            finished = finish_in(sql, claim, results, now_us, schedule, draw)
            if finished.is_lost:
                return finished, None
            if not goes_on:
                release_in(sql, self._holder, name)
                return finished, None
            return finished, claim_in(sql, name, self._holder, now_us, settings.lease_us, settings.batch)

        finished, following = await self._database.transact(turn)
        self._tell(name, results, finished, began_us, now_us)
        return following

    async def _kept(self, claim: Claim) -> Sequence[Outcome]:
        """Deliver a claim while its lease is renewed."""
        renewing = asyncio.create_task(self._renew(claim))
        try:
            return await self._deliver(claim)
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, claim: Claim) -> None:
        lease_us = self._settings.lease_us
        while True:
            await self._clock.sleep(lease_us // 3)
            renewed = partial(
                renew_in, name=claim.name, holder=claim.holder, now_us=self._clock.now_us(), lease_us=lease_us
            )
            with contextlib.suppress(StateError):
                await self._database.transact(renewed)

    async def _deliver(self, claim: Claim) -> list[Outcome]:
        """One outcome for each event of the claim."""
        outcomes: list[Outcome] = [Fate.NOT_TRIED] * len(claim.events)
        batch: list[Shaped] = []
        places: list[int] = []
        for place, taken in enumerate(claim.events):
            if taken.is_blocked:
                continue
            try:
                shaped = self._shaper.shape(claim.name, taken)
            except (ValueError, KeyError, TypeError) as problem:
                outcomes[place] = Failed(f"its routes can't be told: {type(problem).__name__}", is_permanent=True)
                continue
            if shaped is None:
                outcomes[place] = Fate.SKIPPED
            else:
                batch.append(shaped)
                places.append(place)
        if batch:
            for place, outcome in zip(places, await self._given(claim.name, batch), strict=True):
                outcomes[place] = outcome
        return outcomes

    async def _given(self, name: str, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """What the destination answers; a bug of its adapter is a failure like another."""
        delivering = asyncio.ensure_future(self._destinations[name].deliver(batch))
        try:
            await asyncio.wait([delivering])
        finally:
            delivering.cancel()
        problem = delivering.exception()
        if problem is None:
            given = list(delivering.result())
        else:
            _log.error("%s: its adapter failed", name, exc_info=problem)
            given = [Failed(f"its adapter failed: {type(problem).__name__}", is_down=True)]
        given += [Fate.NOT_TRIED] * (len(batch) - len(given))
        if all(one is Fate.NOT_TRIED for one in given):
            given[0] = Failed("nothing was tried", is_down=True)
        return given

    def _drawn(self, outcomes: Sequence[Outcome]) -> list[tuple[Outcome, int]]:
        return [(one, self._draw() if isinstance(one, Failed) else 0) for one in outcomes]

    def _draw(self) -> int:
        return int(self._ids.new("draw")[5:13], 16)

    def _tell(self, name: str, results: Sequence[Result], finished: Finished, began_us: int, now_us: int) -> None:
        if finished.is_lost:
            _log.warning("%s: another process has taken it over; what was sent here may be sent again", name)
            return
        reason = next((one.outcome.reason for one in results if isinstance(one.outcome, Failed)), "")
        if reason:
            _log.warning(
                "%s: %d delivered, %d set aside, %d dead%s: %s",
                *(name, finished.delivered, finished.parked, finished.dead),
                *(", and it is left alone for a while" if finished.is_down else "", reason),
            )
        queued = [began_us - one.taken.captured_us for one in results if one.outcome is Fate.DELIVERED]
        if queued:
            self.metrics.delivered(name, queued, max(0, now_us - began_us))
        failed = sum(isinstance(one.outcome, Failed) for one in results)
        if failed:
            self.metrics.failed(name, failed)
