"""The driver over a real database: batches, dead destinations, two processes on one spool, a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.adapters.host import SystemClock, SystemIds
from gateway.adapters.sqlite_database import SqliteDatabase
from worker.errors import StateError
from worker.ports import Sql
from worker.sessions.cursors import Account, conserved_in
from worker.sessions.dead_letters import replay_in
from worker.sessions.delivery import Deliverer, DeliverySettings
from worker.sessions.destination import Destination, Failed, Fate, Outcome, Shaped
from worker.sessions.retry_schedule import RetrySchedule
from worker.sessions.rules import Routes
from worker.sessions.rules_form import compile_routes
from worker.sessions.shaping import everything_to
from worker.sessions.spool import Spool

#: No wait at all: what is tried again is tried again at once.
AT_ONCE = RetrySchedule(base_us=1, cap_us=1, max_attempts=3)
CLOCK = SystemClock()


class Memory:
    """A destination that keeps what it got; `judge` says what becomes of each event."""

    def __init__(self, judge: Callable[[Shaped], Outcome] = lambda shaped: Fate.DELIVERED) -> None:
        self.judge = judge
        self.got: list[Shaped] = []
        self.is_closed = False
        self.gate: Awaitable[object] | None = None

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        if self.gate is not None:
            await self.gate
        outcomes: list[Outcome] = []
        stuck: set[str] = set()
        for shaped in batch:
            outcome = Fate.NOT_TRIED if shaped.key in stuck else self.judge(shaped)
            if isinstance(outcome, Failed):
                stuck.add(shaped.key)
            elif outcome is Fate.DELIVERED:
                self.got.append(shaped)
            outcomes.append(outcome)
        return outcomes

    async def close(self) -> None:
        self.is_closed = True

    @property
    def ids(self) -> list[str]:
        return [shaped.event_id for shaped in self.got]


def text_of(number: int, **members: object) -> str:
    return json.dumps({"event_id": f"evt_{number}", "timestamp": "2026-01-01T00:00:00.000000Z", **members})


class Bench:
    """An open spool with a deliverer."""

    def __init__(self, database: SqliteDatabase, destinations: dict[str, Destination], routes: Routes | None) -> None:
        self.database = database
        self.spool = Spool(database)
        self.routes = routes or everything_to(tuple(destinations))
        self.deliverer = self.another("me", destinations)

    def another(self, holder: str, destinations: dict[str, Destination], clock: SystemClock = CLOCK) -> Deliverer:
        return Deliverer(
            *(self.database, destinations, self.routes, clock, SystemIds(), holder),
            schedules=dict.fromkeys(destinations, AT_ONCE),
            settings=DeliverySettings(batch=7, poll_us=5_000, stop_us=200_000),
        )

    async def capture(self, *numbers: int, **members: object) -> None:
        texts = [(f"evt_{one}", f"key_{one % 3}", text_of(one, **members)) for one in numbers]
        await self.spool.accept("acme", texts, CLOCK.now_us())

    async def account(self, name: str) -> Account:
        (found,) = [one for one in await self.database.transact(conserved_in) if one.name == name]
        assert found.is_conserved
        return found


@asynccontextmanager
async def bench(
    routes: Routes | None = None, path: str = ":memory:", **destinations: Destination
) -> AsyncIterator[Bench]:
    database = SqliteDatabase(path)
    await database.open()
    try:
        world = Bench(database, destinations, routes)
        await world.spool.open()
        await world.deliverer.open()
        yield world
        await world.deliverer.close()
    finally:
        await database.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.002)


async def test_run_once_delivers_all_there_is_in_order_and_says_that_nothing_is_left() -> None:
    billing, audit = Memory(), Memory()
    async with bench(billing=billing, audit=audit) as world:
        await world.capture(*range(30))
        assert await world.deliverer.run_once() is None
        assert billing.ids == audit.ids == [f"evt_{one}" for one in range(30)]
        assert billing.got[3] == Shaped("evt_3", "acme", "key_0", billing.got[3].captured_us, "", text_of(3))
        assert (await world.account("billing")).delivered == 30
        assert world.deliverer.metrics.routed == {"billing": 30, "audit": 30}
    assert billing.is_closed


async def test_a_dead_destination_delays_neither_the_others_nor_a_capture() -> None:
    billing = Memory()
    dead = Memory(lambda shaped: Failed("nobody there", is_down=True))
    slow = Memory()
    slow.gate = asyncio.get_running_loop().create_future()
    async with bench(billing=billing, dead=dead, slow=slow) as world:
        task = asyncio.create_task(world.deliverer.run_for_ever())
        world.spool.on_capture = world.deliverer.wake
        for number in range(20):
            await world.capture(number)
        await until(lambda: len(billing.got) == 20)
        assert slow.got == dead.got == []
        slow.gate.set_result(None)  # type: ignore[attr-defined]
        await until(lambda: len(slow.got) == 20)
        dead.judge = lambda shaped: Fate.DELIVERED
        await until(lambda: len(dead.got) == 20)
        for _ in range(3):
            await asyncio.sleep(0)
        await world.deliverer.close()
        await task
        assert (await world.account("dead")).dead == 0


async def test_an_event_that_is_given_up_can_be_replayed() -> None:
    poison = Memory(lambda shaped: Failed("it answered 500") if shaped.event_id == "evt_2" else Fate.DELIVERED)
    async with bench(poison=poison) as world:
        await world.capture(*range(6))
        while (await world.account("poison")).dead == 0:
            # Another key succeeds each time, so that it is the event's own fault.
            await world.capture(len(poison.got) * 3 + 100)
            await world.deliverer.run_once()
            await asyncio.sleep(0.001)
        assert "evt_5" in poison.ids
        poison.judge = lambda shaped: Fate.DELIVERED
        await world.database.transact(lambda sql: replay_in(sql, CLOCK.now_us()))
        await world.deliverer.run_once()
        assert poison.ids[-1] == "evt_2"


async def test_routes_skip_sample_and_transform() -> None:
    plain = {
        "version": 1,
        "destinations": {"billing": {"transform": [{"redact": ["user.user_id"]}]}, "audit": None},
        "rules": [
            {"name": "bills", "match": {"usage.total_tokens": {"range": {"gte": 1}}}, "to": ["billing"]},
            {"name": "all", "to": ["audit"]},
        ],
    }
    billing, audit = Memory(), Memory()
    async with bench(compile_routes(plain), billing=billing, audit=audit) as world:
        await world.capture(1, usage={"total_tokens": 0}, user={"user_id": "ada"})
        await world.capture(2, usage={"total_tokens": 5}, user={"user_id": "ada"})
        await world.deliverer.run_once()
        assert audit.ids == ["evt_1", "evt_2"]
        assert billing.ids == ["evt_2"]
        assert json.loads(billing.got[0].text)["user"] == {"user_id": "[redacted]"}
        assert billing.got[0].timestamp == "2026-01-01T00:00:00.000000Z"
        account = await world.account("billing")
        assert (account.delivered, account.skipped) == (1, 1)
        found = await world.spool.find("acme", "evt_1")
        assert found is not None
        assert [one["destination"] for one in found["routed_to"]] == ["audit"]


async def test_an_adapter_with_a_bug_or_without_an_answer_loses_nothing() -> None:
    class Broken(Memory):
        async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
            raise RuntimeError("a bug")

    class Silent(Memory):
        async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
            return []

    async with bench(broken=Broken(), silent=Silent()) as world:
        await world.capture(*range(3))
        assert await world.deliverer.run_once() is not None
        for name in ("broken", "silent"):
            assert (await world.account(name)).pending == 3


async def test_a_text_that_routes_cannot_read_becomes_a_dead_letter() -> None:
    plain = {
        "version": 1,
        "destinations": {"a": None},
        "rules": [{"name": "x", "match": {"usage.model": "m"}, "to": ["a"]}],
    }
    async with bench(compile_routes(plain), a=Memory()) as world:
        await world.spool.accept("acme", [("evt_1", "key", "not JSON")], CLOCK.now_us())
        await world.deliverer.run_once()
        assert (await world.account("a")).dead == 1


async def test_two_processes_on_one_spool_deliver_each_event_once(tmp_path: Path) -> None:
    """Two connections to one file and two holders, as two worker processes have them."""
    path = str(tmp_path / "sessions.db")
    mine, theirs = Memory(), Memory()
    async with bench(path=path, shared=mine) as world, bench(path=path, shared=theirs) as other:
        twin = other.another("twin", {"shared": theirs})
        tasks = [asyncio.create_task(one.run_for_ever()) for one in (world.deliverer, twin)]
        for number in range(60):
            await (world if number % 2 else other).capture(number)
            twin.wake()
        await until(lambda: len(mine.got) + len(theirs.got) >= 60)
        await world.deliverer.close()
        await twin.close()
        await asyncio.gather(*tasks)
        assert sorted(mine.ids + theirs.ids) == sorted(f"evt_{one}" for one in range(60))


async def test_a_process_that_dies_in_the_middle_is_followed_by_one_that_delivers_the_rest() -> None:
    stuck = Memory()
    stuck.gate = asyncio.get_running_loop().create_future()
    async with bench(shared=stuck) as world:
        await world.capture(*range(5))
        dying = asyncio.create_task(world.deliverer.run_once())
        await asyncio.sleep(0.05)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        after = Memory()
        heir = world.another("heir", {"shared": after})
        await heir.open(alone=True)
        await heir.run_once()
        assert after.ids == [f"evt_{one}" for one in range(5)]


@pytest.mark.parametrize("seed", range(4))
async def test_commits_that_fail_lose_nothing_and_count_nothing_twice(seed: int) -> None:
    """As on a full disk: whatever a transaction did is undone, and what was delivered by then is delivered again."""
    draw = random.Random(seed)
    is_full = False

    def refuse(sql: Sql) -> None:
        if is_full and draw.random() < 0.5:
            raise StateError("the disk is full")

    memory = Memory(lambda shaped: Failed("it answered 500") if draw.random() < 0.2 else Fate.DELIVERED)
    database = SqliteDatabase(":memory:", commit_listener=refuse)
    await database.open()
    world = Bench(database, {"memory": memory}, None)
    await world.spool.open()
    await world.deliverer.open()
    for start in range(0, 60, 6):
        await world.capture(*range(start, start + 6))
        is_full = True
        with contextlib.suppress(StateError):
            await world.deliverer.run_once()
        is_full = False
    memory.judge = lambda shaped: Fate.DELIVERED
    for _ in range(50):
        await database.transact(lambda sql: replay_in(sql, CLOCK.now_us()))
        if await world.deliverer.run_once() is None:
            break
        await asyncio.sleep(0.001)
    account = await world.account("memory")
    assert (account.captured, account.delivered) == (60, 60)
    assert set(memory.ids) == {f"evt_{one}" for one in range(60)}
    await world.deliverer.close()
    await database.close()


async def test_a_stop_does_not_wait_for_a_destination_that_hangs() -> None:
    stuck = Memory()
    stuck.gate = asyncio.get_running_loop().create_future()
    async with bench(stuck=stuck) as world:
        await world.capture(1)
        task = asyncio.create_task(world.deliverer.run_for_ever())
        await until(lambda: "stuck" in world.deliverer._running)
        await world.deliverer.close()
        await task
        assert (await world.account("stuck")).pending == 1
        heir = Memory()
        await world.another("heir", {"stuck": heir}).run_once()
        assert heir.ids == ["evt_1"]


async def test_destinations_and_routes_are_replaced_without_losing_the_place() -> None:
    first, second = Memory(), Memory()
    async with bench(billing=first) as world:
        await world.capture(1)
        await world.deliverer.run_once()
        await world.deliverer.use({"billing": second}, everything_to(("billing",)), {"billing": AT_ONCE})
        assert first.is_closed
        await world.capture(2)
        await world.deliverer.run_once()
        assert (first.ids, second.ids) == (["evt_1"], ["evt_2"])


class MovedClock(SystemClock):
    """The system's, with a wall clock that somebody sets."""

    moved_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.moved_us


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_clock_that_is_set_back_makes_nobody_wait_for_the_time_it_was(is_restarted: bool) -> None:
    clock, hook = MovedClock(), Memory(lambda shaped: Failed("it answered 500", retry_after_us=60_000_000))
    async with bench(hook=hook) as world:
        world.deliverer = world.another("me", {"hook": hook}, clock)
        await world.capture(*range(3))
        await world.deliverer.run_once()
        hook.judge = lambda shaped: Fate.DELIVERED
        await world.deliverer.run_once()
        assert hook.got == []
        clock.moved_us = -3 * 86_400_000_000
        if is_restarted:
            world.deliverer = world.another("me too", {"hook": hook}, clock)
            await world.deliverer.open(alone=True)
        await world.deliverer.run_once()
        assert hook.ids == ["evt_0", "evt_1", "evt_2"]


async def test_routes_that_the_spool_does_not_take_leave_those_before_in_use() -> None:
    is_full = False

    def refuse(_sql: Sql) -> None:
        if is_full:
            raise StateError("the disk is full")

    database = SqliteDatabase(":memory:", commit_listener=refuse)
    await database.open()
    billing, audit = Memory(), Memory()
    world = Bench(database, {"billing": billing}, None)
    await world.spool.open()
    await world.deliverer.open()
    is_full = True
    with pytest.raises(StateError):
        await world.deliverer.use({"audit": audit}, everything_to(("audit",)), {})
    is_full = False
    await world.capture(1)
    await world.deliverer.run_once()
    assert billing.ids == ["evt_1"]
    assert not billing.is_closed
    await world.deliverer.close()
    await database.close()
