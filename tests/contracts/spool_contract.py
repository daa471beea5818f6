"""What a spool does on every host, as plain cases that run wherever a Database can be had.

Each case is a coroutine function that gets an open, empty database of its own. Imports stay with the standard library
and the core, so that the cases also run inside workerd.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from worker.errors import CallerError
from worker.ledger.sha3 import sha3_256
from worker.ports import Database
from worker.sessions.batch_leaf import leaf_of
from worker.sessions.cursors import conserved_in
from worker.sessions.delivery import Deliverer, DeliverySettings
from worker.sessions.destination import Failed, Fate, Outcome, Shaped
from worker.sessions.reading import CaptureContext, parse_events
from worker.sessions.retry_schedule import RetrySchedule
from worker.sessions.shaping import everything_to
from worker.sessions.spool import EventConflict, Spool, SpoolFull
from worker.sessions.spool_ledger import SpoolLedger
from worker.sessions.spool_retention import forget_in

Case = Callable[[Database], Awaitable[None]]
CASES: list[Case] = []
NOW_US = 1_767_225_600_000_000
SECOND_US = 1_000_000


def case(function: Case) -> Case:
    CASES.append(function)
    return function


class SteppedClock:
    """`worker.ports.Clock` whose wall time the case moves; waits are real and end at once."""

    def __init__(self) -> None:
        self.at_us = NOW_US

    def now_us(self) -> int:
        return self.at_us

    def monotonic_us(self) -> int:
        return self.at_us

    @asynccontextmanager
    async def timeout(self, _delay_us: int) -> AsyncIterator[None]:
        yield

    async def sleep(self, _delay_us: int) -> None:
        await asyncio.sleep(3_600)

    def call_later(self, _delay_us: int, _callback: Callable[[], object]) -> Any:
        raise AssertionError("nothing is called later here")


class CountingIds:
    """`worker.ports.Ids` that count."""

    def __init__(self) -> None:
        self._made = 0

    def new(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_{self._made:032x}"


class PlainHasher:
    """`worker.ports.Hasher` in pure Python."""

    async def load(self) -> None: ...

    def sha3_256(self, data: bytes) -> bytes:
        return sha3_256(data)


class Kept:
    """A destination that keeps what it takes; `refuse` says what becomes of an event."""

    def __init__(self) -> None:
        self.taken: list[Shaped] = []
        self.refuse: Callable[[Shaped], Outcome | None] = lambda _: None

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        stopped: set[str] = set()
        for one in batch:
            outcome: Outcome = Fate.NOT_TRIED if one.key in stopped else self.refuse(one) or Fate.DELIVERED
            if outcome is Fate.DELIVERED:
                self.taken.append(one)
            elif isinstance(outcome, Failed) and not outcome.is_permanent:
                stopped.add(one.key)
            outcomes.append(outcome)
        return outcomes

    async def close(self) -> None: ...

    def numbers(self, session: str | None = None) -> list[int]:
        events = [json.loads(one.text) for one in self.taken]
        return [event["usage"]["total_tokens"] for event in events if session in (None, event["session"]["session_id"])]


class Plane:
    """A spool with one destination, and a clock that the case moves."""

    def __init__(self, database: Database, max_pending: int = 1_000) -> None:
        self.database = database
        self.clock, self.ids = SteppedClock(), CountingIds()
        self.kept = Kept()
        self.spool = Spool(database, max_pending)

    async def begin(self) -> Deliverer:
        """Open everything, as a process does at its start when the one before it has died."""
        await self.spool.open()
        deliverer = Deliverer(
            self.database,
            {"kept": self.kept},
            everything_to(("kept",)),
            self.clock,
            self.ids,
            self.ids.new("holder"),
            schedules={"kept": RetrySchedule(SECOND_US, 4 * SECOND_US, 4)},
            settings=DeliverySettings(batch=7, rounds=50),
        )
        await deliverer.open(alone=True)
        return deliverer

    async def capture(self, *events: dict[str, Any], tenant: str = "acme") -> int:
        context = CaptureContext(tenant, self.ids, self.clock)
        found = parse_events(json.dumps(list(events), ensure_ascii=False).encode(), context).events
        return (await self.spool.capture(tenant, found, self.clock.now_us())).fresh

    async def settle(self, deliverer: Deliverer, rounds: int = 60) -> None:
        """Run until nothing is due, moving the clock to whatever is."""
        for _ in range(rounds):
            due_us = await deliverer.run_once()
            (account,) = await self.database.transact(conserved_in)
            assert account.is_conserved, account
            if due_us is None:
                return
            self.clock.at_us = max(self.clock.at_us, due_us)
        raise AssertionError("something is due for ever")


def event(number: int, session: str = "s", **further: Any) -> dict[str, Any]:
    return {"event_id": f"evt_{number}", "session_id": session, "usage": {"total_tokens": number}, **further}


async def refused(capture: Awaitable[int]) -> CallerError:
    """The refusal that it must end in."""
    try:
        await capture
    except CallerError as problem:
        return problem
    raise AssertionError("not refused")


@case
async def case_an_event_is_there_once_and_another_of_its_id_is_refused(database: Database) -> None:
    plane = Plane(database)
    await plane.begin()
    assert await plane.capture(event(1, timestamp="2026-01-01T00:00:00Z")) == 1
    assert await plane.capture(event(1, timestamp="2026-01-01T00:00:00Z")) == 0
    assert await plane.capture(event(1), tenant="beta") == 1
    conflict = await refused(plane.capture(event(2), event(1, session="another")))
    assert isinstance(conflict, EventConflict)
    assert (conflict.status, conflict.param) == (409, "[1].event_id")
    assert await plane.spool.find("acme", "evt_2") is None
    assert [one["event"]["event_id"] for one in await plane.spool.recent("acme", 9)] == ["evt_1"]


@case
async def case_what_would_be_too_much_is_refused_as_a_whole(database: Database) -> None:
    plane = Plane(database, max_pending=3)
    await plane.begin()
    await plane.capture(event(1), event(2))
    full = await refused(plane.capture(event(3), event(4)))
    assert isinstance(full, SpoolFull)
    assert full.retry_after_s > 0
    assert len(await plane.spool.recent(None, 9)) == 2
    # Our own are never refused, and come once.
    assert await plane.spool.accept("acme", [("evt_9", "k", "{}"), ("evt_9", "k", "{}"), ("evt_8", "k", "{}")], 1) == 2


@case
async def case_a_batch_of_long_events_is_taken(database: Database) -> None:
    plane = Plane(database)
    deliverer = await plane.begin()
    long = "ü" * 120_000
    assert await plane.capture(*[event(number, metadata={"long": long}) for number in range(30)]) == 30
    await plane.settle(deliverer)
    assert plane.kept.numbers() == list(range(30))


@case
async def case_events_of_a_key_keep_their_order_whatever_fails(database: Database) -> None:
    plane = Plane(database)
    deliverer = await plane.begin()
    failures: dict[str, int] = {}

    def refuse(one: Shaped) -> Outcome | None:
        # Every third event fails twice before it is taken.
        failures[one.event_id] = failures.get(one.event_id, 0) + 1
        return Failed("not yet") if int(one.event_id[4:]) % 3 == 0 and failures[one.event_id] < 3 else None

    plane.kept.refuse = refuse
    await plane.capture(*[event(number, f"s-{number % 4}") for number in range(40)])
    await plane.settle(deliverer)
    assert sorted(plane.kept.numbers()) == list(range(40))
    for name in ("s-0", "s-1", "s-2", "s-3"):
        assert plane.kept.numbers(name) == sorted(plane.kept.numbers(name)), name


@case
async def case_what_is_never_taken_becomes_a_dead_letter_and_can_be_replayed(database: Database) -> None:
    plane = Plane(database)
    deliverer = await plane.begin()
    plane.kept.refuse = lambda one: Failed("unwanted", is_permanent=True) if one.event_id == "evt_2" else None
    await plane.capture(event(1, "a"), event(2, "b"), event(3, "c"))
    await plane.settle(deliverer)
    assert plane.kept.numbers() == [1, 3]
    (destination,) = (await plane.spool.figures(None, plane.clock.now_us()))["destinations"]
    assert (destination["delivered"], destination["dead"], destination["pending"]) == (2, 1, 0)
    plane.kept.refuse = lambda _: None
    assert await plane.spool.replay(plane.clock.now_us(), "kept", "evt_2", "acme") == 1
    await plane.settle(deliverer)
    assert plane.kept.numbers() == [1, 3, 2]


@case
async def case_who_dies_while_delivering_has_lost_nothing(database: Database) -> None:
    plane = Plane(database)
    deliverer = await plane.begin()

    class Died(BaseException):
        pass

    def die(_one: Shaped) -> Outcome | None:
        raise Died

    await plane.capture(*[event(number, f"s-{number % 2}") for number in range(9)])
    plane.kept.refuse = die
    with contextlib.suppress(Died):
        await deliverer.run_once()
    plane.kept.refuse = lambda _: None
    await plane.settle(await plane.begin())
    assert sorted(plane.kept.numbers()) == list(range(9))


@case
async def case_reported_events_are_told_to_their_ledgers_once(database: Database) -> None:
    plane = Plane(database)
    await plane.begin()
    hasher = PlainHasher()
    source = SpoolLedger(database, hasher)
    await plane.capture(event(1), event(2))
    await plane.capture(event(1), tenant="beta")
    await plane.spool.accept("acme", [("evt_own", "k", '{"own":1}')], NOW_US)
    first, again = await source.next(), await source.next()
    assert {tenant: [leaf.id for leaf in leaves] for tenant, leaves in first.by_tenant.items()} == {
        "acme": [1, 2],
        "beta": [3],
    }
    assert (first.spool, first.end) == (again.spool, again.end)
    ((text,),) = await database.transact(lambda sql: sql.execute("SELECT event FROM event WHERE id = 1"))
    leaf = first.by_tenant["acme"][0]
    assert leaf.hash == leaf_of(hasher, bytes.fromhex(leaf.salt), str(text)).hex()
    assert leaf.salt != again.by_tenant["acme"][0].salt
    await source.done(first.end)
    assert (await source.next()).end == 0


@case
async def case_old_events_go_once_nobody_needs_them(database: Database) -> None:
    plane = Plane(database)
    deliverer = await plane.begin()
    await plane.capture(event(1), event(2))
    later_us = NOW_US + 10**9
    assert await database.transact(lambda sql: forget_in(sql, later_us, later_us)) == 0
    await plane.settle(deliverer)
    assert await database.transact(lambda sql: forget_in(sql, NOW_US, later_us)) == 0
    assert await database.transact(lambda sql: forget_in(sql, later_us, later_us)) == 2
    await plane.capture(event(3))
    await plane.settle(deliverer)
    assert plane.kept.numbers() == [1, 2, 3]


@case
async def case_a_person_is_erased_from_what_is_kept_and_what_waits(database: Database) -> None:
    plane = Plane(database)
    deliverer = await plane.begin()
    plane.kept.refuse = lambda _: Failed("not yet")
    await plane.capture(
        event(1, "s", user_id="lovelace"), event(2, "s", user_id="lovelace"), event(3, "t", user_id="eve")
    )
    await deliverer.run_once()
    (place,) = await plane.spool.named("acme", "user", "lovelace")
    assert len(place.ids) == 2
    assert await plane.spool.named("beta", "user", "lovelace") == [place._replace(ids=[])]
    assert await plane.spool.erase_person("acme", place._replace(spool="another")) == 0
    assert await plane.spool.erase_person("acme", place) == 2
    plane.kept.refuse = lambda _: None
    await plane.settle(deliverer)
    assert sorted(plane.kept.numbers()) == [1, 2, 3]
    assert plane.kept.numbers("erased") == [1, 2]
    assert "lovelace" not in "".join(one.text + one.key for one in plane.kept.taken)


@case
async def case_the_figures_and_the_overview_count_what_is_there(database: Database) -> None:
    plane = Plane(database)
    deliverer = await plane.begin()
    await plane.capture(*[event(number) for number in range(5)])
    await plane.settle(deliverer)
    figures = await plane.spool.figures(None, plane.clock.now_us())
    assert (figures["captured"], figures["captured_last_hour"], figures["waiting"]) == (5, 5, 0)
    (destination,) = figures["destinations"]
    assert (destination["name"], destination["delivered"], destination["is_on"]) == ("kept", 5, True)
    overview = await plane.spool.overview(plane.clock.now_us())
    assert (sum(overview["per_minute"]), len(overview["recent"])) == (5, 5)
    found = await plane.spool.find("acme", "evt_3")
    assert found is not None
    assert [one["destination"] for one in found["routed_to"]] == ["kept"]
