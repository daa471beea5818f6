"""The Durable Object that holds one partition of the spool: it captures, and delivers from its alarms.

It decides nothing about order, retries or counts: that is the core's, over the object's database. What the object does
besides is to be awake when something is due: an alarm is set when an event comes in, and again for what waits; the
runtime runs it until it has ended well, whatever dies meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from worker.edge.built_object import BuiltObject, ObjectHost, Waking, backoff_after
from worker.edge.session_destinations import EdgeDestinations, routes_of
from worker.errors import CallerError, HarpoonError
from worker.ports import Clock, Database
from worker.sessions.delivery import Deliverer, DeliverySettings
from worker.sessions.destination_plan import begins_early, schedule_of
from worker.sessions.relay import FAULTS, RelayMediator, ledger_reported
from worker.sessions.settings import SessionsSettings
from worker.sessions.spool import Spool
from worker.sessions.spool_capture import Row, capture_in
from worker.sessions.spool_ledger import SpoolLedger
from worker.sessions.spool_port import EventConflict, Named, Receipt, SpoolFull
from worker.sessions.spool_retention import MOST_AT_ONCE, forget_in

#: Of one alarm: what is left then comes with the next, so that others have their turn.
DELIVERY: Final = DeliverySettings(batch=100, rounds=10)
#: How long reported events wait for company on their way into the ledgers, and how often old ones are dropped.
LEDGER_AFTER_US: Final = 250_000
FORGET_EVERY_US: Final = 3_600_000_000
UNREADY_AGAIN_US: Final = 60_000_000
_log = logging.getLogger("harpoon.sessions")


class SessionObject(BuiltObject):
    """Base of `SessionSpool`: a subclass in the entry module sets `build`, which makes an `ObjectSpool`."""

    async def ask(self, json_text: str) -> str:
        """One act of `ObjectSpool`, as JSON text."""
        content: ObjectSpool = await self._ready()
        return await content.ask(json_text)

    async def alarm(self, _info: Any = None) -> None:
        """Run the content's alarm. With routes that can't be read it comes again, until there are others."""
        try:
            content: ObjectSpool = await self._ready()
        except HarpoonError as problem:
            _log.error("nothing is delivered: %s", problem.message)
            host = self._host()
            await host.set_alarm(host.clock.now_us() + UNREADY_AGAIN_US)
            return
        await content.alarm()


class ObjectSpool:
    """One partition inside its object."""

    def __init__(
        self, host: ObjectHost, settings: SessionsSettings, deliverer: Deliverer, mediator: RelayMediator
    ) -> None:
        self._database: Database = host.database
        self._clock: Clock = host.clock
        self._settings = settings
        self._spool = Spool(host.database, settings.spool_max_events)
        self._deliverer = deliverer
        self._ledger = SpoolLedger(host.database, host.hasher)
        self._mediator = mediator
        self._waking = Waking(host.set_alarm)
        self._failures = 0
        self._ledger_at_us = 0
        self._forget_at_us = 0
        self._acts: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "capture": self._capture,
            "accept": self._accept,
            "recent": lambda given: self._spool.recent(**given),
            "find": lambda given: self._spool.find(**given),
            "figures": lambda given: self._spool.figures(**given),
            "overview": lambda given: self._spool.overview(**given),
            "replay": self._replay,
            "named": lambda given: self._spool.named(**given),
            "erase_person": lambda given: self._spool.erase_person(given["tenant"], Named(*given["place"])),
        }

    async def open(self, from_beginning: list[str]) -> None:
        """Make or migrate the tables, and see that what an earlier life of the object has left goes on."""
        await self._spool.open()
        await self._deliverer.open(from_beginning, alone=True)
        await self._waking.at(self._clock.now_us())

    async def ask(self, json_text: str) -> str:
        """Carry an act out: {"act", "given"} to {"found"} or {"refused"}."""
        asked = json.loads(json_text)
        try:
            return json.dumps({"found": await self._acts[asked["act"]](asked["given"])})
        except CallerError as problem:
            return json.dumps({"refused": refusal_to_plain(problem)})

    async def _capture(self, given: dict[str, Any]) -> int:
        rows = [Row(*row) for row in given["rows"]]
        tenant, now_us, most = given["tenant"], given["now_us"], self._settings.spool_max_events
        if given["is_rehearsal"]:
            with contextlib.suppress(_Rehearsed):
                await self._database.transact(lambda sql: _rehearse(capture_in(sql, tenant, rows, now_us, most)))
            return 0
        receipt = await self._database.transact(lambda sql: capture_in(sql, tenant, rows, now_us, most))
        if receipt.fresh:
            await self._waking.at(self._clock.now_us())
        return receipt.fresh

    async def _accept(self, given: dict[str, Any]) -> int:
        texts = [(event_id, key, text) for event_id, key, text in given["texts"]]
        fresh = await self._spool.accept(given["tenant"], texts, given["now_us"])
        if fresh:
            await self._waking.at(self._clock.now_us())
        return fresh

    async def _replay(self, given: dict[str, Any]) -> int:
        count = await self._spool.replay(**given)
        await self._waking.at(self._clock.now_us())
        return count

    async def alarm(self) -> None:
        """Deliver what is due, bring what was reported into its ledgers, drop what is old, and come back."""
        await self._waking.run(self._awake)

    async def _awake(self) -> None:
        # One after the other: each has its own failures, and none of them keeps the next from its turn.
        has_failed = False
        for step in (self._deliver, self._ledger_in_turn, self._forget_in_turn):
            try:
                await step()
            except FAULTS as problem:
                _log.error("the spool will try again: %s: %s", type(problem).__name__, problem)
                has_failed = True
        if has_failed:
            await self._waking.at(backoff_after(self._clock, self._failures))
        self._failures = self._failures + 1 if has_failed else 0

    async def _deliver(self) -> None:
        due_us = await self._deliverer.run_once()
        if due_us is not None:
            await self._waking.at(due_us)

    async def _ledger_in_turn(self) -> None:
        now_us = self._clock.now_us()
        if self._ledger_at_us > now_us:
            await self._waking.at(self._ledger_at_us)
            return
        if await ledger_reported(self._mediator, self._ledger, self._clock):
            self._ledger_at_us = self._clock.now_us() + LEDGER_AFTER_US

    async def _forget_in_turn(self) -> None:
        if not self._settings.retention_us:
            return
        now_us = self._clock.now_us()
        if self._forget_at_us <= now_us:
            before_us = now_us - self._settings.retention_us
            count = await self._database.transact(lambda sql: forget_in(sql, before_us, now_us))
            self._forget_at_us = now_us + (0 if count == MOST_AT_ONCE else FORGET_EVERY_US)
        if await self._database.transact(lambda sql: sql.execute("SELECT 1 FROM event LIMIT 1")):
            await self._waking.at(self._forget_at_us)


class _Rehearsed(Exception):
    """Rolls back what was only tried."""


def _rehearse(_receipt: Receipt) -> None:
    raise _Rehearsed


async def build_spool(host: ObjectHost, settings: SessionsSettings, mediator: RelayMediator) -> ObjectSpool:
    """The partition of one object, ready. Raises: SettingsError for routes that can't be read; StateError."""
    await host.hasher.load()
    routes = routes_of(settings)
    destinations = EdgeDestinations(host.env, host.clock).build_all(routes, settings.destinations)
    options = {name: routes.destinations[name].options for name in destinations}
    deliverer = Deliverer(
        host.database,
        destinations,
        routes,
        host.clock,
        host.ids,
        "object",
        schedules={name: schedule_of(said) for name, said in options.items()},
        settings=DELIVERY,
    )
    spool = ObjectSpool(host, settings, deliverer, mediator)
    await spool.open([name for name, said in options.items() if begins_early(said)])
    return spool


def refusal_to_plain(problem: CallerError) -> dict[str, Any]:
    """A refusal as it leaves an object."""
    return {
        "code": problem.code,
        "message": problem.message,
        "param": problem.param,
        "retry_after_s": problem.retry_after_s if isinstance(problem, SpoolFull) else 0,
    }


def refusal_from_plain(plain: dict[str, Any]) -> CallerError:
    """The inverse of `refusal_to_plain`, for what a spool refuses."""
    if plain["code"] == SpoolFull.code:
        return SpoolFull(plain["message"], plain["retry_after_s"])
    return EventConflict(plain["message"], param=plain["param"])
