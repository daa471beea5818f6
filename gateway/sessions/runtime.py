"""The sessions of one worker process: the spool in the state folder, and what fills, empties and trims it.

Every worker process has one of these over the same file. Which of them delivers to a destination is decided by leases
in the file; whoever finds the state folder to itself lets go of the leases of processes that were killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.adapters.sqlite_database import SqliteDatabase, SqliteSettings
from gateway.sessions.building import Builder, begins_early, schedule_of
from gateway.sessions.holders import free_in, holders_in, is_dead, new_holder
from gateway.sessions.routes_watch import RoutesWatch, load
from gateway.sessions.trimming import Trimmed
from worker.errors import HarpoonError, StateError
from worker.mediator import Mediator
from worker.ports import Clock, Hasher, Ids
from worker.sessions.delivery import Deliverer
from worker.sessions.destination import Destination
from worker.sessions.relay import Relay
from worker.sessions.rules import Routes
from worker.sessions.session_metrics import SessionMetrics
from worker.sessions.settings import POWER, SessionsSettings
from worker.sessions.spool import Spool
from worker.sessions.spool_ledger import SpoolLedger
from worker.sessions.spool_restored import catch_up

DATABASE_FILE: Final = "sessions.db"
FOLDER: Final = "sessions"
WATCH_EVERY_US: Final = 1_000_000
FORGET_EVERY_US: Final = 600_000_000
_log = logging.getLogger("harpoon.sessions")


class SessionRuntime:
    """Opened by the gateway at its start. `environment`: where destinations' secrets are.

    `spool` and `metrics` are for the application; what is wrong with the routes' last change is told by the metrics.
    """

    def __init__(
        self,
        settings: SessionsSettings,
        state: Path,
        clock: Clock,
        ids: Ids,
        environment: Mapping[str, str],
        metrics: SessionMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._path = state / DATABASE_FILE
        self.metrics = metrics or SessionMetrics()
        self._builder = Builder(environment, state / FOLDER, clock, self.metrics)
        self._database = SqliteDatabase(
            str(self._path), SqliteSettings(synchronous="FULL" if settings.durability == POWER else "NORMAL")
        )
        self.spool = Spool(self._database, settings.spool_max_events)
        self._deliverer: Deliverer | None = None
        self._watch = RoutesWatch(settings)
        self._described: dict[str, object] = {}
        self._built: dict[str, Destination] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._file: tuple[int, int] | None = None

    async def start(self, *, alone: bool) -> None:
        """Open the spool and begin to deliver. Args: alone: no other process uses the state folder.

        Raises: StateError, SettingsError, OSError.
        """
        routes = load(self._settings)
        built = self._build(routes)
        self._path.touch(mode=0o600)
        await self._database.open()
        await self.spool.open()
        self._file = _file_at(self._path)
        holder = new_holder(self._ids)
        self._deliverer = Deliverer(
            *(self._database, built, routes, self._clock, self._ids, holder),
            schedules={name: schedule_of(one.options) for name, one in routes.destinations.items()},
            metrics=self.metrics,
        )
        self._built = built
        await self._deliverer.open(_early(routes), alone=alone)
        self.spool.on_capture = self._deliverer.wake
        self._begin(self._deliverer.run_for_ever())
        self._begin(self._watch_for_ever())
        self._begin(self._forget_for_ever())

    async def catch_up(self, mediator: Mediator) -> None:
        """Have what a spool that is older than the ledgers has lost brought again, while nobody uses either.

        Raises: StateError.
        """
        await catch_up(mediator, self._database)

    def relay(self, mediator: Mediator, hasher: Hasher) -> None:
        """Bring what the mediator settles into the spool, and what is reported into the ledgers, from now on."""
        relay = Relay(mediator, self.spool, SpoolLedger(self._database, hasher), self._clock)
        mediator.on_settled = relay.note
        self._begin(relay.run_for_ever())

    async def stop(self) -> None:
        """Let deliveries under way end, and close everything. Harmless twice, and after a start that failed."""
        for task in self._tasks:
            if task is not self._delivering:
                await _cancel(task)
        if self._deliverer is not None:
            await self._deliverer.close()
        for task in self._tasks:
            await _cancel(task)
        self._tasks.clear()
        self._deliverer = None
        await self._builder.close()
        await self._database.close()

    @property
    def _delivering(self) -> asyncio.Task[None] | None:
        return self._tasks[0] if self._tasks else None

    def _begin(self, work: object) -> None:
        self._tasks.append(asyncio.create_task(work))  # type: ignore[arg-type]  # a coroutine, by every call above

    def _build(self, routes: Routes) -> dict[str, Destination]:
        """The destinations of these routes; one that is described as before stays as it is. Raises: SettingsError."""
        described = {name: dict(one.options) for name, one in routes.destinations.items()}
        built = {
            name: self._built[name]
            if name in self._built and self._described[name] == options
            else self._builder.build(name, options)
            for name, options in described.items()
        }
        self._described = dict(described)
        return built

    async def _watch_for_ever(self) -> None:
        """Take up changes of the routes; those that can't be used are told, and the old ones stay. Free the dead's."""
        while True:
            await self._clock.sleep(WATCH_EVERY_US)
            self._look_at_file()
            await self._free_dead()
            routes = self._watch.changed()
            if routes is not None:
                await self._take_up(routes)
            if self._watch.problem and self._watch.problem != self.metrics.routes_problem:
                _log.error("the routes stay as they were, because the change can't be used:\n%s", self._watch.problem)
            self.metrics.routes_problem = self._watch.problem

    def _look_at_file(self) -> None:
        """What is kept in a file that was removed or replaced, no restart finds: it is delivered, but no more taken."""
        if self.spool.problem or _file_at(self._path) == self._file:
            return
        self.spool.problem = f"the spool's file {self._path.name} was removed or replaced: restart the server"
        _log.critical("%s; until then no session is taken, and what it has is delivered", self.spool.problem)

    async def _free_dead(self) -> None:
        """Let go of what processes held that have ended, so that nobody waits until their leases run out."""
        try:
            dead = [one for one in await self._database.transact(holders_in) if is_dead(one)]
            if dead:
                await self._database.transact(lambda sql: free_in(sql, dead))
        except StateError as problem:
            _log.error("the cursors of dead processes can't be freed, will try again: %s", problem)

    async def _take_up(self, routes: Routes) -> None:
        assert self._deliverer is not None
        before = self._described
        try:
            built = self._build(routes)
            schedules = {name: schedule_of(one.options) for name, one in routes.destinations.items()}
            await self._deliverer.use(built, routes, schedules, _early(routes))
            self._built = built
        except HarpoonError as problem:
            self._described = before
            self._watch.problem = problem.message
            if isinstance(problem, StateError):
                self._watch.again()
            return
        _log.info("new routes are in force: %s", ", ".join(routes.destinations) or "no destinations")

    async def _forget_for_ever(self) -> None:
        """Drop what is old enough, in the spool and in stores, now and every ten minutes."""
        while True:
            await self._forget()
            for name, one in self._built.items():
                if isinstance(one, Trimmed):
                    try:
                        await one.trim(self._clock.now_us())
                    except (OSError, sqlite3.Error) as problem:
                        _log.error("%s: what has expired could not be dropped, will try again: %s", name, problem)
            await self._clock.sleep(FORGET_EVERY_US)

    async def _forget(self) -> None:
        """Drop what is old and settled everywhere from the spool."""
        now_us = self._clock.now_us()
        try:
            # Others get their turn between two transactions.
            while self._settings.retention_us and await self.spool.forget(now_us - self._settings.retention_us, now_us):
                await self._clock.sleep(0)
        except StateError as problem:
            _log.error("old sessions could not be dropped, will try again: %s", problem)


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file is there, None = none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _early(routes: Routes) -> list[str]:
    return [name for name, one in routes.destinations.items() if begins_early(one.options)]


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
