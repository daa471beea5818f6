"""Reported events in the ledger: batches, their proofs, what a crash does to them, and what erasing leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.adapters.host import SystemIds
from tests.worker.decision_kit import NOW_US, World, hasher
from tests.worker.ledger.log_kit import check, checkpoint_of, export_of, verify_stored
from tests.worker.sessions.test_relay import CLOCK, Plane, plane
from worker.errors import LedgerFault, StateError
from worker.ledger.merkle import verify_inclusion
from worker.sessions.batch_leaf import leaf_of, verify_reported
from worker.sessions.desk import APPEND
from worker.sessions.ledger_link import with_ledger
from worker.sessions.reading import CaptureContext, parse_events
from worker.sessions.relay import ledger_reported
from worker.sessions.spool_erasure import MOST_AT_ONCE, erase_from_spool
from worker.sessions.spool_ledger import MOST_EVENTS, SpoolLedger
from worker.sessions.spool_retention import forget_in

SHA3 = hasher()


def reported(*names: str, user: str = "lovelace") -> bytes:
    return json.dumps(
        [{"event_id": name, "session_id": f"s-{name}", "user_id": user, "usage": {"total_tokens": 5}} for name in names]
    ).encode()


async def capture(made: Plane, *names: str, tenant: str = "acme", user: str = "lovelace") -> None:
    context = CaptureContext(tenant, SystemIds(), CLOCK)
    await made.spool.capture(tenant, parse_events(reported(*names, user=user), context).events, NOW_US)


async def batches(state: World, tenant: str = "acme") -> list[dict[str, Any]]:
    return [one for one in await state.entries(tenant) if "root" in one["payload"]]


async def found(made: Plane, name: str, tenant: str = "acme") -> dict[str, Any]:
    event = await made.spool.find(tenant, name)
    assert event is not None
    return await with_ledger(made.state.mediator, event)


async def text_of(made: Plane, name: str) -> str:
    query = "SELECT event FROM event WHERE event_id = ?"
    return str((await made.database.transact(lambda sql: sql.execute(query, name)))[0][0])


async def test_a_batch_is_one_entry_and_each_event_can_be_shown_to_be_in_it() -> None:
    async with plane() as made:
        names = [f"evt_{number}" for number in range(7)]
        await capture(made, *names)
        assert (await found(made, "evt_0"))["ledger"] is None
        await made.relay.run_once()
        (entry,) = await batches(made.state)
        assert (entry["kind"], entry["payload"]["count"], entry["payload"]["last_id"]) == ("SESSION_COMPLETION", 7, 7)
        for index, name in enumerate(names):
            shown = await found(made, name)
            proof = shown["ledger"]
            assert (proof["entry"], proof["index"], "place" in shown) == (entry["seq"], index, False)
            verify_reported(SHA3, await text_of(made, name), proof, entry["payload"])
        # And the entry is in the log.
        log = await made.state.mediator.ledger("acme", "inclusion", {"entry": entry["seq"], "size": None})
        path = [bytes.fromhex(step) for step in log["path"]]
        leaf, root = bytes.fromhex(log["leaf_hash"]), bytes.fromhex(log["root"])
        verify_inclusion(SHA3, leaf, log["entry"], log["size"], path, root)


async def test_the_log_with_batches_verifies_and_so_does_its_export() -> None:
    async with plane() as made:
        await capture(made, "evt_1", "evt_2")
        await made.serve(user_id="lovelace", session_id="s")
        await made.relay.run_once()
        await capture(made, "evt_3")
        await made.relay.run_once()
        report = await verify_stored(made.state)
        assert (report["ok"], report["opened"]) == (True, 1)
        assert check(await export_of(made.state), await checkpoint_of(made.state)).ok
        assert [one["payload"]["count"] for one in await batches(made.state)] == [2, 1]
        # What looks at the log sees what it saw before.
        assert len(await made.state.events()) == 1
        followed = await made.state.mediator.follow("acme", 0, 100)
        assert [row["kind"] for row in followed["rows"]] == ["ACTION", "SESSION_COMPLETION"]


TAMPERED: list[tuple[str, Any]] = [
    ("salt", "00" * 32),
    ("salt", "00"),
    ("salt", "zz"),
    ("salt", 7),
    ("path", []),
    ("path", ["00" * 32] * 2),
    ("path", ["00"] * 2),
    ("path", None),
    ("index", 0),
    ("index", 9),
    ("index", -1),
    ("index", "1"),
]


@pytest.mark.parametrize(("member", "value"), TAMPERED)
async def test_a_proof_of_anything_else_is_refused(member: str, value: Any) -> None:
    async with plane() as made:
        await capture(made, "evt_1", "evt_2", "evt_3")
        await made.relay.run_once()
        proof, payload = (await found(made, "evt_2"))["ledger"], (await batches(made.state))[0]["payload"]
        text = await text_of(made, "evt_2")
        verify_reported(SHA3, text, proof, payload)
        with pytest.raises(LedgerFault):
            verify_reported(SHA3, text, {**proof, member: value}, payload)
        with pytest.raises(LedgerFault):
            verify_reported(SHA3, text + " ", proof, payload)
        with pytest.raises(LedgerFault):
            verify_reported(SHA3, text, proof, {**payload, "root": "00" * 32})


def test_a_leaf_is_golden() -> None:
    salt = bytes(range(32))
    assert leaf_of(SHA3, salt, "{}") == SHA3.sha3_256(b"\x00" + salt + b"{}")


class _Dying:
    """A state that commits and dies before it answers."""

    def __init__(self, made: Plane) -> None:
        self._mediator = made.state.mediator

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        await self._mediator.sessions(tenant, act, given)
        raise StateError("gone")


async def test_a_crash_in_between_ledgers_nothing_twice_and_loses_nothing() -> None:
    async with plane() as made:
        await capture(made, "evt_1", "evt_2")
        await capture(made, "evt_1", tenant="beta")
        source = SpoolLedger(made.database, SHA3)
        for _ in range(3):
            with pytest.raises(StateError):
                await ledger_reported(_Dying(made), source, CLOCK)
        await capture(made, "evt_3")
        assert await ledger_reported(made.state.mediator, source, CLOCK) == 4
        assert [one["payload"]["count"] for one in await batches(made.state)] == [2, 1]
        assert [one["payload"]["count"] for one in await batches(made.state, "beta")] == [1]
        payload = (await batches(made.state))[0]["payload"]
        verify_reported(SHA3, await text_of(made, "evt_2"), (await found(made, "evt_2"))["ledger"], payload)


async def test_more_events_than_one_batch_holds() -> None:
    async with plane() as made:
        names = [f"evt_{number}" for number in range(2 * MOST_EVENTS + 3)]
        for start in range(0, len(names), 100):
            await capture(made, *names[start : start + 100])
        await made.relay.run_once()
        assert [one["payload"]["count"] for one in await batches(made.state)] == [MOST_EVENTS, MOST_EVENTS, 3]
        assert (await verify_stored(made.state))["ok"]
        payload = (await batches(made.state))[1]["payload"]
        name = names[MOST_EVENTS + 17]
        verify_reported(SHA3, await text_of(made, name), (await found(made, name))["ledger"], payload)


async def test_an_event_stays_in_the_spool_until_it_is_in_its_ledger() -> None:
    async with plane() as made:
        await made.relay.run_once()
        await capture(made, "evt_1", "evt_2")
        later_us = CLOCK.now_us() * 2
        assert await made.database.transact(lambda sql: forget_in(sql, later_us, later_us)) == 0
        await made.relay.run_once()
        assert await made.database.transact(lambda sql: forget_in(sql, later_us, later_us)) == 2


async def test_our_own_sessions_are_in_no_batch() -> None:
    async with plane() as made:
        await made.serve()
        await made.relay.run_once()
        await made.relay.run_once()
        assert await batches(made.state) == []
        event_id = (await made.events())[0]["event_id"]
        assert (await found(made, event_id))["ledger"] == {"entry": 5}


async def everything(made: Plane) -> str:
    """All that either database holds."""
    texts = []
    for database in (made.database, made.state.database):
        tables = await database.transact(
            lambda sql: sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        )
        for (table,) in tables:
            texts.append(str(await database.transact(lambda sql, name=table: sql.execute(f"SELECT * FROM {name}"))))
    return "".join(texts)


async def test_erasing_a_person_takes_the_ids_and_the_salt_and_leaves_the_others_their_proofs() -> None:
    async with plane() as made:
        await capture(made, "evt_1", "evt_2")
        await capture(made, "evt_3", user="grace")
        await capture(made, "evt_4", tenant="beta")
        await made.relay.run_once()
        before = await text_of(made, "evt_1")
        salts = await made.state.rows("SELECT salts FROM reported WHERE tenant = 'acme'")
        assert await erase_from_spool(made.spool, made.state.mediator, "acme", "user", "lovelace", CLOCK) == 2
        first = await found(made, "evt_1")
        assert (first["event"]["user"]["user_id"], first["event"]["session"]["session_id"]) == ("erased", "erased")
        assert (first["ledger"]["is_erased"], "salt" in first["ledger"]) == (True, False)
        assert await text_of(made, "evt_1") == before.replace("lovelace", "erased").replace('"s-evt_1"', '"erased"')
        everywhere = await everything(made)
        assert "s-evt_1" not in everywhere
        assert "s-evt_3" in everywhere
        (after,) = await made.state.rows("SELECT salts FROM reported WHERE tenant = 'acme'")
        assert after[0] == bytes(64) + bytes(salts[0][0])[64:]  # type: ignore[arg-type]
        payload = (await batches(made.state))[0]["payload"]
        verify_reported(SHA3, await text_of(made, "evt_3"), (await found(made, "evt_3"))["ledger"], payload)
        assert (await found(made, "evt_4", "beta"))["event"]["user"]["user_id"] == "lovelace"
        assert (await verify_stored(made.state))["ok"]
        # Saying it again finds nothing.
        assert await erase_from_spool(made.spool, made.state.mediator, "acme", "user", "lovelace", CLOCK) == 0


class _Late:
    """A state that is given a batch only once somebody was erased."""

    def __init__(self, made: Plane, *, is_over: bool) -> None:
        self._made = made
        self._is_over = is_over

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        mediator = self._made.state.mediator
        if act == APPEND and self._is_over:
            await erase_from_spool(self._made.spool, mediator, "acme", "user", "lovelace", CLOCK)
        answer = await mediator.sessions(tenant, act, given)
        if act == APPEND and not self._is_over:
            await erase_from_spool(self._made.spool, mediator, "acme", "user", "lovelace", CLOCK)
        return answer


@pytest.mark.parametrize("is_over", [True, False])
async def test_who_is_erased_on_the_way_into_the_ledger_leaves_no_salt_there(is_over: bool) -> None:
    async with plane() as made:
        await capture(made, "evt_1")
        await capture(made, "evt_2", user="grace")
        await ledger_reported(_Late(made, is_over=is_over), SpoolLedger(made.database, SHA3), CLOCK)
        assert (await found(made, "evt_1"))["ledger"].get("is_erased")
        payload = (await batches(made.state))[0]["payload"]
        verify_reported(SHA3, await text_of(made, "evt_2"), (await found(made, "evt_2"))["ledger"], payload)


async def test_erasing_a_session_and_what_is_kept_in_order() -> None:
    async with plane() as made:
        await capture(made, "evt_1")
        assert await erase_from_spool(made.spool, made.state.mediator, "acme", "session", "s-evt_1", CLOCK) == 1
        await made.relay.run_once()  # ledgered as it is now
        payload = (await batches(made.state))[0]["payload"]
        verify_reported(SHA3, await text_of(made, "evt_1"), (await found(made, "evt_1"))["ledger"], payload)
        rows = await made.database.transact(lambda sql: sql.execute("SELECT key FROM event"))
        assert rows == [("4:acme:erased:1",)]


async def test_a_person_of_many_events_is_erased_in_several_commits() -> None:
    async with plane() as made:
        names = [f"evt_{number}" for number in range(MOST_AT_ONCE + 5)]
        for start in range(0, len(names), 1_000):
            await capture(made, *names[start : start + 1_000])
        assert await erase_from_spool(made.spool, made.state.mediator, "acme", "user", "lovelace", CLOCK) == len(names)
        assert "lovelace" not in await everything(made)
