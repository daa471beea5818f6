"""What Harpoon's Durable Objects share: each builds its ports over its own storage, and its content once, when called.

An object is one thread and one I/O context; what it holds in memory lives as long as the runtime keeps the object
there, so everything that must last goes through the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from workers import DurableObject

from worker.edge.bindings import raw_storage
from worker.edge.durable_database import DurableDatabase
from worker.edge.host import EdgeClock, EdgeHasher, EdgeIds
from worker.ports import Clock


@dataclass(frozen=True, slots=True)
class ObjectHost:
    """What an object offers to its content.

    `name` is the name it was asked for by; `set_alarm` takes UTC microseconds since 1970 and replaces an earlier alarm.
    """

    name: str
    env: Any
    database: DurableDatabase
    clock: EdgeClock
    ids: EdgeIds
    hasher: EdgeHasher
    set_alarm: Callable[[int], Awaitable[None]]


class BuiltObject(DurableObject):
    """A Durable Object whose content a subclass in the entry module builds."""

    @staticmethod
    async def build(host: ObjectHost) -> Any:
        """Make the content of one object; called before its first call, and again if it failed."""
        raise NotImplementedError("the entry module's class sets `build`")

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        self._building: asyncio.Future[Any] | None = None

    async def alarm(self, _info: Any = None) -> None:
        await (await self._ready()).alarm()

    async def _ready(self) -> Any:
        # Calls that come while the first one builds wait for the same content: an object is one I/O context.
        if self._building is None:
            self._building = asyncio.ensure_future(type(self).build(self._host()))
        building = self._building
        try:
            return await asyncio.shield(building)
        except BaseException:
            if self._building is building and building.done():
                self._building = None
            raise

    def _host(self) -> ObjectHost:
        storage = raw_storage(self.ctx)

        async def set_alarm(at_us: int) -> None:
            await storage.setAlarm(-(-at_us // 1000))

        name = getattr(self.ctx.id, "name", None)
        return ObjectHost(
            name=name if isinstance(name, str) else "",
            env=self.env,
            database=DurableDatabase(storage),
            clock=EdgeClock(),
            ids=EdgeIds(),
            hasher=EdgeHasher(),
            set_alarm=set_alarm,
        )


class Waking:
    """An object's one alarm: the earliest time that anybody asked for counts, and none that was asked for is lost.

    Args: set_alarm: of the host. The runtime runs an alarm that it was given until its handler has ended well once,
    whatever dies meanwhile.
    """

    def __init__(self, set_alarm: Callable[[int], Awaitable[None]]) -> None:
        self._set_alarm = set_alarm
        self._set_us: int | None = None
        self._is_running = False
        self._wanted_us: int | None = None

    async def at(self, at_us: int) -> None:
        """See that the alarm comes no later than just after `at_us`."""
        if self._is_running:
            self._wanted_us = at_us if self._wanted_us is None else min(self._wanted_us, at_us)
        elif self._set_us is None or at_us < self._set_us:
            # Also one that is due and hasn't come yet is one that comes.
            await self._set_alarm(at_us)
            self._set_us = at_us

    async def run(self, handler: Callable[[], Awaitable[None]]) -> None:
        """Run the alarm's handler, and then set what was asked for meanwhile; the handler itself may ask, too."""
        self._set_us, self._wanted_us, self._is_running = None, None, True
        try:
            await handler()
        finally:
            self._is_running = False
            if self._wanted_us is not None:
                await self.at(self._wanted_us)


def backoff_after(clock: Clock, failures: int) -> int:
    """When to try again after so many failures in a row, UTC microseconds: in 1 s, doubled each time, 1 min at most."""
    return clock.now_us() + min(60, 1 << min(failures, 6)) * 1_000_000
