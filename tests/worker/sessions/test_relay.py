"""The relay: our own sessions into the spool, once in effect, with their names and their ledger entry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.host import SystemClock, SystemIds
from gateway.adapters.sqlite_database import SqliteDatabase
from tests.worker.decision_kit import NOW_US, SECOND_US, World, config, facts, hasher, settlement, world
from tests.worker.ledger.log_kit import erase, verify_stored
from worker.admission import Attempt
from worker.errors import StateError
from worker.ledger.entry import ENTRIES_PER_LOG
from worker.ledger.personal import Opening
from worker.ledger_settings import Retention
from worker.mediator import Mediator
from worker.sessions.completed import to_text
from worker.sessions.desk import RELAYED
from worker.sessions.event import Session, session_completed
from worker.sessions.outbox import Completion, delivered
from worker.sessions.reading import CaptureContext, read_event
from worker.sessions.relay import MOST_ENTRIES, Relay, push_outbox
from worker.sessions.spool import Spool
from worker.sessions.spool_erasure import erase_from_spool
from worker.sessions.spool_ledger import SpoolLedger

CAPPED = config(default_cap=10**9)
CLOCK = SystemClock()
DAY_US = 86_400 * SECOND_US


class Plane:
    """A gateway's state, a spool beside it, and the relay between them."""

    def __init__(self, state: World, database: SqliteDatabase) -> None:
        self.state = state
        self.database = database
        self.spool = Spool(database)
        self.relay = Relay(state.mediator, self.spool, SpoolLedger(database, hasher()), CLOCK)
        state.mediator.on_settled = self.relay.note

    async def serve(self, number: int = 1, **changes: Any) -> None:
        await self.state.mediator.admit(facts(number, **changes))
        tenant = changes.get("tenant", "acme")
        await self.state.mediator.settle(settlement(number, tenant=tenant))

    async def events(self, tenant: str | None = None) -> list[dict[str, Any]]:
        """What is in the spool, the oldest first."""
        return [found["event"] for found in reversed(await self.spool.recent(tenant, 200))]


@asynccontextmanager
async def plane() -> AsyncIterator[Plane]:
    async with world(CAPPED) as state:
        database = SqliteDatabase(":memory:")
        await database.open()
        try:
            made = Plane(state, database)
            await made.spool.open()
            yield made
        finally:
            await database.close()


async def test_a_session_comes_into_the_spool_with_its_names_and_its_entry() -> None:
    async with plane() as made:
        await made.serve(session_id="chat-7", user_id="lovelace")
        await made.relay.run_once(scan=False)
        (event,) = await made.events()
        assert (event["session"]["session_id"], event["user"]["user_id"]) == ("chat-7", "lovelace")
        assert event["metadata"]["decision_id"] == facts().decision_id
        entry = (await made.state.entries())[event["metadata"]["ledger_entry"]]
        assert (entry["kind"], entry["payload"]["decision_id"]) == ("SESSION_COMPLETION", facts().decision_id)
        found = await made.spool.find("acme", event["event_id"])
        assert found is not None
        assert (found["source"], found["tenant"]) == ("own", "acme")


async def test_what_is_in_the_spool_is_what_a_reader_takes_and_writes() -> None:
    async with plane() as made:
        for number, names in enumerate([{}, {"user_id": '","user_id":"x'}, {"session_id": '"session_id":"\\'}], 1):
            await made.serve(number, **names)
        await made.relay.run_once()
        rows = await made.database.transact(lambda sql: sql.execute("SELECT event, key FROM event ORDER BY id"))
        context = CaptureContext("acme", SystemIds(), CLOCK)
        for text, key in rows:
            event = read_event(json.loads(str(text)), context)
            assert to_text(event) == text
            assert key == f"4:acme:{event.session_id}"
        assert len(rows) == 3


async def test_it_is_there_once_however_often_it_is_relayed() -> None:
    async with plane() as made:
        for number in range(1, 4):
            await made.serve(number)
        # A spool that has committed, and a process that dies before the mark moves.
        deaf = _Deaf(made.state.mediator)
        for _ in range(2):
            with pytest.raises(StateError):
                await push_outbox(deaf, made.spool, "acme", CLOCK)
        assert await made.state.rows("SELECT relayed_id FROM tenant") == [(0,)]
        await made.relay.run_once()
        await Relay(made.state.mediator, made.spool, SpoolLedger(made.database, hasher()), CLOCK).run_once()
        assert [event["event_id"] for event in await made.events()] == [f"evt_{number:032x}_1" for number in (1, 2, 3)]


class _Deaf:
    """A state that dies before it notes what was relayed."""

    def __init__(self, mediator: Mediator) -> None:
        self._mediator = mediator

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        if act == RELAYED:
            raise StateError("gone")
        return await self._mediator.sessions(tenant, act, given)


async def test_many_sessions_of_many_tenants_keep_their_order() -> None:
    async with plane() as made:
        for number in range(1, MOST_ENTRIES + 9):
            await made.serve(number, tenant=("acme", "beta")[number % 2])
        await made.relay.run_once()
        for tenant in ("acme", "beta"):
            entries = [event["metadata"]["ledger_entry"] for event in await made.events(tenant)]
            assert len(entries) == (MOST_ENTRIES + 8) // 2
            assert entries == sorted(entries)


async def test_without_a_note_the_scan_finds_what_another_process_settled() -> None:
    async with plane() as made:
        made.state.mediator.on_settled = None
        await made.serve()
        await made.relay.run_once(scan=False)
        assert await made.events() == []
        await made.relay.run_once()
        assert len(await made.events()) == 1
        await made.state.mediator.admit(facts(2))  # an entry, and no session
        await made.relay.run_once()
        assert len(await made.events()) == 1


async def test_a_settlement_after_a_sweep_is_a_second_event_that_corrects_the_first() -> None:
    async with plane() as made:
        await made.state.mediator.admit(facts(session_id="s"))
        await made.state.mediator.sweep(NOW_US + 100 * SECOND_US)
        await made.relay.run_once()
        await made.state.mediator.settle(settlement())
        await made.relay.run_once()
        worst, true = await made.events()
        assert true["metadata"]["corrects"] == worst["event_id"]
        assert (worst["metadata"]["usage_source"], true["metadata"]["usage_source"]) == ("unknown", "reported")


async def test_retention_waits_for_the_relay() -> None:
    async with plane() as made:
        await made.serve(session_id="s", user_id="lovelace")
        keeping = Mediator(
            made.state.database, hasher(), config(retention=Retention(DAY_US, events=True)), has_spool=True
        )
        assert await keeping.retain(NOW_US + 9 * DAY_US) == 0
        # The decision came before the event, so it may go.
        assert (await verify_stored(made.state))["dropped"] == 1
        await made.relay.run_once()
        await keeping.retain(NOW_US + 9 * DAY_US)
        report = await verify_stored(made.state)
        assert (report["ok"], report["dropped"]) == (True, 2)
        assert (await made.events())[0]["user"]["user_id"] == "lovelace"


async def test_who_was_erased_before_the_relay_is_delivered_without_names() -> None:
    async with plane() as made:
        await made.serve(session_id="s", user_id="lovelace")
        await erase(made.state, "lovelace")
        await made.relay.run_once()
        (event,) = await made.events()
        assert event["user"]["user_id"].startswith("salted:")
        assert event["session"]["session_id"].startswith("salted:")


class _Slow:
    """A spool that hangs in the middle of being given something, until it is told to go on."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.has_begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def accept(self, tenant: str, texts: list[tuple[str, str, str]], now_us: int) -> int:
        self.has_begun.set()
        await self.go_on.wait()
        return await self._spool.accept(tenant, texts, now_us)


async def test_who_is_erased_while_the_relay_has_the_names_in_hand_is_not_brought_back() -> None:
    async with plane() as made:
        await made.serve(session_id="s", user_id="lovelace")
        slow = _Slow(made.spool)
        relaying = asyncio.create_task(push_outbox(made.state.mediator, slow, "acme", CLOCK))
        await slow.has_begun.wait()
        await erase(made.state, "lovelace")
        await erase_from_spool(made.spool, made.state.mediator, "acme", "user", "lovelace", CLOCK)
        slow.go_on.set()
        await relaying
        (event,) = await made.events()
        assert event["user"]["user_id"].startswith("salted:")
        assert event["session"]["session_id"].startswith("salted:")


class _Poisoned:
    """A state in which one tenant's log can't be read."""

    def __init__(self, mediator: Mediator, tenant: str) -> None:
        self._mediator = mediator
        self._tenant = tenant

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        if tenant == self._tenant:
            raise ValueError("no JSON")
        return await self._mediator.sessions(tenant, act, given)


async def test_a_tenant_whose_log_can_t_be_read_holds_up_no_other_nor_what_was_reported() -> None:
    async with plane() as made:
        await made.serve(1)
        await made.serve(2, tenant="beta")
        reported = read_event(
            {"session_id": "s", "usage": {"total_tokens": 1}}, CaptureContext("c", SystemIds(), CLOCK)
        )
        await made.spool.capture("c", [reported], NOW_US)
        poisoned = _Poisoned(made.state.mediator, "acme")
        relay = Relay(poisoned, made.spool, SpoolLedger(made.database, hasher()), CLOCK)
        with pytest.raises(ValueError, match="no JSON"):
            await relay.run_once()
        assert len(await made.events("beta")) == 1
        assert await made.state.rows("SELECT tenant, first_id FROM reported") == [("c", 1)]


NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(
    ['"', "\\", '","usage_source":"', ',"usage_source":', '"user_id":"x"', 'salted:"', "salted:", "\x00\n", "\u2028"]
)


@given(NAMES | st.just(""), NAMES | st.just(""), st.sampled_from(["", "0af7"]), st.integers(0, 2**32 - 1), NAMES)
def test_the_delivered_text_is_the_event_with_its_names_and_its_entry(
    user: str, named: str, trace_id: str, seq: int, route: str
) -> None:
    told = settlement(trace_id=trace_id, route=route, attempts=(Attempt(route, "ok", 200, 1),))
    opening = Opening(user, named, bytes(32))
    sealed_user, sealed_session = opening.sealed(hasher())
    _, evidence = session_completed(Session("acme", sealed_session, sealed_user, NOW_US, "req_1"), told, 1_500)
    found = delivered("acme", seq, evidence, user, named)

    plain = json.loads(session_completed(Session("acme", named, user, NOW_US, "req_1"), told, 1_500)[1])
    plain["metadata"]["ledger_entry"] = seq
    event = read_event(plain, CaptureContext("acme", SystemIds(), CLOCK))
    assert found == Completion(event.event_id, f"4:acme:{event.session_id}", to_text(event))


def test_an_event_of_before_own_events_were_in_order_is_written_anew() -> None:
    old = (
        '{"event_type":"session.completed","event_id":"evt_1","session":{"session_id":"salted:0"},'
        '"user":{"user_id":"anonymous"},"usage":{"estimated_cost_usd":0.0000010},"metadata":{"z":1}}'
    )
    assert delivered("acme", 7, old, "", "s\n1") == Completion(
        "evt_1",
        "4:acme:s\n1",
        '{"event_id":"evt_1","event_type":"session.completed","metadata":{"ledger_entry":7,"z":1},"schema_version":1,'
        '"session":{"session_id":"s\\n1"},"usage":{"estimated_cost_usd":0.000001},"user":{"user_id":"anonymous"}}',
    )


@pytest.mark.parametrize("evidence", ["{}", '{"event_id":"evt_1"}', '{"event_id":"evt_1","session":{},"z":[1.50]}'])
def test_what_was_kept_in_another_form_is_delivered_as_well_as_it_can_be(evidence: str) -> None:
    found = delivered("acme", 7, evidence, "", "")
    assert json.loads(found.text)["metadata"] == {"ledger_entry": 7}
    assert json.loads(found.text)["event_id"] == found.event_id


async def test_the_mark_is_of_one_log_and_only_grows() -> None:
    async with plane() as made:
        await made.serve(1)
        await made.serve(2, tenant="beta")
        await made.relay.run_once()
        marks = dict(await made.state.rows("SELECT log, relayed_id FROM tenant"))
        assert {int(str(mark)) // ENTRIES_PER_LOG for mark in marks.values()} == set(marks)
        await made.state.mediator.sessions("acme", RELAYED, {"cursor": 1})
        assert dict(await made.state.rows("SELECT log, relayed_id FROM tenant")) == marks
