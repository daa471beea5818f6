"""Keeps leases for what is asked for: begins one when a pool is wanted, and lets it go when nobody uses it any more.

Every process notes what is wanted and used in the store; the one that steers leases. What no place was found for is
tried again after a pause.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from gateway.hostedai.desk import LeaseDesk
from gateway.hostedai.dialect import HOLDER, LeaseSettings
from gateway.hostedai.errors import HostedAiError
from gateway.hostedai.lease import Lease
from gateway.hostedai.lease_store import LeaseStore, NotSteering, Use
from gateway.hostedai.policy_table import ROW_OF_POOL
from gateway.hostedai.pool_search import GiveUp
from worker.errors import IntegrityError, StateError
from worker.ports import Clock

LOOK_US: Final = 1_000_000
#: How often a use is written down; idleness is counted in minutes.
NOTE_US: Final = 10_000_000
RETRY_US: Final = 60_000_000
_log = logging.getLogger("harpoon")


class LeaseKeeper:
    """What is wanted of pools, and the tasks that get it."""

    def __init__(self, desk: LeaseDesk, store: LeaseStore, clock: Clock, settings: LeaseSettings) -> None:
        self._desk = desk
        self._store = store
        self._clock = clock
        self._settings = settings
        self._wanted: dict[str, int] = {}
        self._noted: dict[str, int] = {}
        self._getting: dict[str, asyncio.Task[None]] = {}
        self._not_before_us: dict[str, int] = {}
        self._uses: list[Use] = []
        self._running: dict[str, int] = {}

    def want(self, pool: str) -> None:
        """A request wants, or uses, a pool of the policy table now."""
        self._wanted[pool] = self._clock.now_us()

    def begun(self, pool: str) -> None:
        """A request on a lease begins: until it has ended, the pool is in use."""
        self._running[pool] = self._running.get(pool, 0) + 1

    def used(self, pool: str, use: Use) -> None:
        """A request on a lease has ended; its use is stored with the next look, so nobody's answer waits for it."""
        self.want(pool)
        self._running[pool] -= 1
        self._uses.append(use)

    def is_idle(self, lease: Lease) -> bool:
        """Whether nobody has used it for so long that another block would be wasted."""
        if self._running.get(lease.pool_name):
            return False
        return self._clock.now_us() - self._wanted.get(lease.pool_name, lease.created_us) > self._settings.idle_us

    async def run(self) -> None:
        """Look after it for ever; ends when it is cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except IntegrityError as problem:
                    _log.error("leases can't be looked after, will try again: %s", problem)
                await self._clock.sleep(LOOK_US)
        finally:
            tasks = list(self._getting.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def flush(self) -> None:
        """Store the uses that wait for it. Raises: StateError; they wait on then."""
        uses, self._uses = self._uses, []
        try:
            if uses:
                await self._store.add_uses(uses)
        except StateError:
            self._uses = uses + self._uses
            raise

    async def _look(self) -> None:
        await self.flush()
        for pool, running in self._running.items():
            if running:  # for the process that steers, which may be another one
                self.want(pool)
        for pool, at_us in list(self._wanted.items()):
            if at_us - self._noted.get(pool, -NOTE_US) >= NOTE_US:
                self._noted[pool] = at_us
                await self._store.want(pool, at_us)
        driver = self._desk.driver
        if driver is None or not driver.steers:
            await self._desk.refresh()
            return
        now_us = self._clock.now_us()
        for pool, at_us in (await self._store.wanted()).items():
            self._wanted[pool] = max(at_us, self._wanted.get(pool, 0))
        for pool, at_us in self._wanted.items():
            held = any(lease.pool_name == pool and lease.is_wanted for lease in self._desk.board.values())
            fresh = now_us - at_us <= self._settings.idle_us
            if fresh and not held and pool not in self._getting and now_us >= self._not_before_us.get(pool, 0):
                self._getting[pool] = asyncio.create_task(self._get(pool))

    async def _get(self, pool: str) -> None:
        """Look for a lease of one pool. The routes' own ranking says what follows if there is none."""
        try:
            deadline_us = self._clock.now_us() + self._settings.idle_us
            row = ROW_OF_POOL[pool]
            found = await self._desk.acquire(HOLDER, self._settings.team, row, deadline_us, only=pool)
            if isinstance(found, GiveUp):
                _log.warning("no lease of %s: %s", pool, found.reason)
                self._not_before_us[pool] = self._clock.now_us() + RETRY_US
        except NotSteering:
            pass  # the process that took over sees what is wanted
        except (HostedAiError, IntegrityError) as problem:
            _log.warning("no lease of %s: %s", pool, problem)
            self._not_before_us[pool] = self._clock.now_us() + RETRY_US
        finally:
            self._getting.pop(pool, None)
