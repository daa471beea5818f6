"""Lets the pool model follow a clock, and tells who waits for a request when it has its first token and its end."""

from __future__ import annotations

import asyncio

from gateway.simulator.pace import PodGone
from gateway.simulator.platform.clock import Cancels, PlatformClock, sleep_until
from gateway.simulator.pools.card import Task, Tenant
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import MILLION

_LAST = 1


class Pump:
    """An engine on a clock. Times are the clock's; the engine's are behind by what was skipped.

    Args: most_idle_us: of a longer time in which nobody looked, only the last so much is played; None = all of it.
    """

    def __init__(self, engine: Engine, clock: PlatformClock, *, most_idle_us: int | None = None) -> None:
        self.engine = engine
        self.clock = clock
        self._most_idle_us = most_idle_us
        self._skipped_us = 0
        self._watched: dict[int, tuple[Task, asyncio.Future[None]]] = {}
        self._changed: asyncio.Future[None] | None = None
        self._planned: Cancels | None = None
        self._planned_us = -1
        self._seen = 0

    def begin_now(self) -> None:
        """What the engine says is now; its past was before the clock began to count."""
        self._skipped_us = self.clock.now_us() - self.engine.now_us

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        engine = self.engine
        now_us = self.clock.now_us() - self._skipped_us
        if self._most_idle_us is not None and not self._watched and now_us - engine.now_us > self._most_idle_us:
            skip_us = now_us - engine.now_us - self._most_idle_us
            self._skipped_us += skip_us
            now_us -= skip_us
        engine.run_until(max(now_us, engine.now_us))
        self._tell()

    def submit(self, tenant: Tenant, work_us: int, first_us: int) -> Task:
        """A request arrives now."""
        self.catch_up()
        return self.engine.submit(tenant, work_us, first_us)

    def cancel(self, task: Task) -> None:
        """Whoever asked has left; harmless when the request has ended."""
        self.catch_up()
        self.engine.cancel(task)
        self.catch_up()

    def _tell(self) -> None:
        engine = self.engine
        changes = engine.transitions + len(engine.finished)
        for task in engine.finished:
            found = self._watched.pop(task.id, None)
            if found is not None and not found[1].done():
                found[1].set_result(None)
        engine.finished.clear()
        # Telling of nothing new would let two that wait wake each other for ever.
        if changes != self._seen:
            self._seen = engine.transitions
            if self._changed is not None and not self._changed.done():
                self._changed.set_result(None)
            self._changed = None
        self._plan()

    def _plan(self) -> None:
        """Come back when the model will change by itself, while anybody waits for it."""
        next_us = self.engine.next_event_us() if self._watched else None
        if next_us is None:
            if self._planned is not None:
                self._planned.cancel()
                self._planned, self._planned_us = None, -1
            return
        due_us = next_us + self._skipped_us
        if due_us != self._planned_us or self._planned is None:
            if self._planned is not None:
                self._planned.cancel()
            self._planned_us, self._planned = due_us, self.clock.call_at(due_us, self._come_back)

    def _come_back(self) -> None:
        self._planned = None
        self.catch_up()

    async def ended(self, task: Task) -> None:
        """Return once the request has ended. Raises: PodGone."""
        self.catch_up()
        if task.done_us is None:
            end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watched[task.id] = task, end
            self._plan()
            try:
                await end
            finally:
                self._watched.pop(task.id, None)
        if task.failed:
            raise PodGone

    async def begun(self, task: Task) -> None:
        """Return once the request has its first token. Raises: PodGone."""
        while True:
            self.catch_up()
            if task.failed:
                raise PodGone
            if task.first_token_us is not None:
                return
            await self._change(task, None)

    async def progressed(self, task: Task, end: int, left_us: int) -> None:
        """Return once no more than `left_us` of a request's work is left. Args: end: of `end_of`. Raises: PodGone."""
        due = end - left_us * MILLION
        while True:
            self.catch_up()
            tenant = task.tenant
            if task.failed:
                raise PodGone
            if task.done_us is not None or tenant.card is None:
                return
            now_us = self.engine.now_us
            progress = tenant.progress + (now_us - tenant.card.since_us) * tenant.rate
            if progress >= due:
                return
            # What the model changes meanwhile makes this early at worst, or late by what it sped up.
            wait_us = -(-(due - progress) // tenant.rate) if tenant.rate else None
            await self._change(task, wait_us)

    async def _change(self, task: Task, within_us: int | None) -> None:
        """Return when the model changed, or after `within_us`."""
        if within_us is not None:
            await sleep_until(self.clock, self.clock.now_us() + within_us)
            return
        loop = asyncio.get_running_loop()
        if self._changed is None:
            self._changed = loop.create_future()
        changed = self._changed
        is_first = task.id not in self._watched
        if is_first:
            self._watched[task.id] = task, loop.create_future()
        self._plan()
        try:
            await asyncio.shield(changed)
        finally:
            if is_first:
                self._watched.pop(task.id, None)


def end_of(task: Task) -> int | None:
    """The progress of its tenant at which a running request is done; None for one that isn't running."""
    return next((entry[0] for entry in task.tenant.running if entry[3] is task and entry[2] == _LAST), None)
