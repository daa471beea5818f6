"""Personal fields and old evidence: what can leave, what stays, and that the log verifies before and after."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.decision_kit import NOW_US, SECOND_US, World, config, facts, settlement, world
from tests.worker.ledger.log_kit import SHA3, check, checkpoint_of, erase, export_of, fill, verify_stored
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import leaf_hash
from worker.ledger.erasure import DROPPED_AT_ONCE
from worker.ledger.personal import COMMITMENT_PREFIX, Opening, commitment
from worker.ledger_settings import Retention
from worker.mediator import Mediator
from worker.ports import Sql
from worker.sessions.event import outcome_of
from worker.tenants.administration import Order
from worker.tenants.limits import LimitSet

DAY_US = 86_400 * SECOND_US


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world(config(default_cap=10**9)) as found:
        yield found


async def serve(state: World, number: int = 1, **changes: object) -> None:
    await state.mediator.admit(facts(number, **changes))
    await state.mediator.settle(settlement(number))


async def everything(state: World) -> str:
    """All that is stored, as text: what a search for a name would look through."""
    tables = [str(name) for (name,) in await state.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return "".join([str(await state.rows(f"SELECT * FROM {table}")) for table in tables])


async def test_a_commitment_is_golden() -> None:
    salt = bytes(range(32))
    assert (
        commitment(SHA3, salt, "user_id", "lovelace")
        == "salted:" + SHA3.sha3_256(b"\x02" + salt + b"user_id\x00lovelace").hex()
    )
    assert COMMITMENT_PREFIX not in (b"\x00", b"\x01")  # neither a leaf nor a node


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8), st.binary(min_size=32, max_size=32))
def test_a_commitment_tells_field_value_and_salt_apart(value: str, other: str, salt: bytes) -> None:
    made = commitment(SHA3, salt, "user_id", value)
    assert made != commitment(SHA3, salt, "session_id", value)
    assert made != commitment(SHA3, bytes(31) + b"\x01" + salt[:0], "user_id", value) or salt == bytes(31) + b"\x01"
    assert (made == commitment(SHA3, salt, "user_id", other)) == (value == other)


async def test_the_log_holds_commitments_and_the_outbox_the_names(state: World) -> None:
    await serve(state, session_id="chat-7", user_id="lovelace")
    ((evidence,),) = await state.rows("SELECT evidence FROM ledger WHERE kind = 'SESSION_COMPLETION'")
    assert "lovelace" not in str(evidence)
    assert "chat-7" not in str(evidence)
    ((user_id, session_id, salt),) = await state.rows("SELECT user_id, session_id, salt FROM personal")
    assert isinstance(salt, bytes)
    event = json.loads(str(evidence))
    assert (event["user"]["user_id"], event["session"]["session_id"]) == Opening("lovelace", "chat-7", salt).sealed(
        SHA3
    )
    assert (user_id, session_id, len(salt)) == ("lovelace", "chat-7", 32)
    (delivered,) = await state.events()
    assert delivered == {
        **event,
        "user": {"user_id": "lovelace", "organization_id": "acme"},
        "session": {**event["session"], "session_id": "chat-7"},
    }


async def test_who_names_nobody_leaves_nothing_personal(state: World) -> None:
    await serve(state)
    assert await state.rows("SELECT * FROM personal") == []
    ((evidence,),) = await state.rows("SELECT evidence FROM ledger WHERE kind = 'SESSION_COMPLETION'")
    assert await state.rows("SELECT event FROM outbox") == [(evidence,)]


@pytest.mark.parametrize("name", ['"', "\\", "salted:", "';--", "salted:" + "0" * 64, "null", "x" * 128])
async def test_any_name_comes_out_of_the_outbox_as_it_went_in(state: World, name: str) -> None:
    await serve(state, session_id=name, user_id=name)
    (event,) = await state.events()
    assert (event["user"]["user_id"], event["session"]["session_id"]) == (name, name)
    assert (await verify_stored(state))["ok"]


async def test_the_same_user_can_not_be_recognised_across_entries(state: World) -> None:
    for number in (1, 2):
        await serve(state, number, user_id="lovelace")
    rows = await state.rows(
        "SELECT json_extract(evidence, '$.user.user_id') FROM ledger WHERE evidence LIKE '%salted:%'"
    )
    assert len(set(rows)) == len(rows) == 2


async def test_erasing_a_user_leaves_no_trace_of_the_name_and_a_log_that_verifies(state: World) -> None:
    await fill(state)
    kept = await checkpoint_of(state)
    before = await export_of(state)
    assert "grace" in await everything(state)
    found = await erase(state, "grace")
    assert found == {"entries": 3, "decisions": 2, "seq": kept.size}
    assert "grace" not in await everything(state)
    report = await verify_stored(state)
    assert (report["ok"], report["erased"], report["size"]) == (True, 3, kept.size + 1)
    exported = check(await export_of(state), kept)
    assert (exported.ok, exported.erased) == (True, 3)
    # What was exported before still verifies, with its names; what is there now is the same log, only longer.
    assert check(before, kept).ok
    assert "lovelace" in await everything(state)
    # Saying it again finds nothing, and writes nothing.
    assert await erase(state, "grace") == {"entries": 0, "decisions": 0, "seq": None}
    assert (await state.mediator.ledger("acme", "head", {}))["size"] == kept.size + 1


async def test_the_entry_that_tells_of_an_erasure_names_nobody(state: World) -> None:
    await serve(state, user_id="lovelace")
    await erase(state, "lovelace")
    last = (await state.entries())[-1]
    assert (last["kind"], last["payload"]) == ("ERASURE", {"act": "erase", "entries": 1, "subject": "user"})


async def test_erasing_a_session(state: World) -> None:
    await serve(state, 1, session_id="s-1", user_id="lovelace")
    await serve(state, 2, session_id="s-2", user_id="lovelace")
    order = Order("acme", "erase", NOW_US, {"subject": "session", "name": "s-1"})
    assert (await state.mediator.administer(order))["found"]["entries"] == 1
    first, second = await state.events()
    assert first["session"]["session_id"].startswith("salted:")
    assert first["user"]["user_id"].startswith("salted:")  # a session is a person's
    assert second["user"]["user_id"] == "lovelace"
    assert (await verify_stored(state))["ok"]


async def test_a_request_that_runs_while_its_user_is_erased_ends_without_a_name(state: World) -> None:
    await state.mediator.admit(facts(user_id="lovelace"))
    assert await erase(state, "lovelace") == {"entries": 0, "decisions": 1, "seq": 5}
    await state.mediator.settle(settlement())
    (event,) = await state.events()
    assert event["user"]["user_id"] == "anonymous"
    assert (await verify_stored(state))["ok"]


async def test_another_tenant_s_user_of_the_same_name_is_somebody_else(state: World) -> None:
    await serve(state, 1, user_id="lovelace")
    await state.mediator.admit(facts(2, tenant="other", user_id="lovelace"))
    await state.mediator.settle(settlement(2, tenant="other"))
    await erase(state, "lovelace")
    assert [event["user"]["user_id"][:6] for event in await state.events()] == ["salted", "lovela"]


async def test_accounts_of_days_that_have_passed_go_and_today_s_limit_stays() -> None:
    limits = LimitSet(user_day_usd_micros=10**6)
    async with world(config(default_cap=10**9, default_limits=limits)) as state:
        await serve(state, 1, user_id="lovelace")
        await state.mediator.admit(facts(2, user_id="lovelace", at_us=NOW_US + DAY_US))
        await state.mediator.settle(settlement(2, at_us=NOW_US + DAY_US))
        named = "SELECT COUNT(*) FROM account WHERE account LIKE '%user_day%'"
        assert await state.rows(named) == [(2,)]
        await erase(state, "lovelace", NOW_US + DAY_US)
        assert await state.rows(named) == [(1,)]
        await erase(state, "lovelace", NOW_US + 2 * DAY_US)
        assert await state.rows(named) == [(0,)]
        assert await state.rows("SELECT COUNT(*) FROM decision WHERE accounts LIKE '%user_day%'") == [(0,)]


async def test_events_of_version_1_lose_their_text_and_keep_their_digest(state: World) -> None:
    await serve(state, 1, user_id="lovelace")
    await serve(state, 2, user_id="grace")
    await as_version_1(state)
    assert (await verify_stored(state))["ok"]
    assert (await erase(state, "lovelace"))["entries"] == 1
    assert "lovelace" not in await everything(state)
    report = await verify_stored(state)
    assert (report["ok"], report["erased"]) == (True, 1)
    assert [event["user"]["user_id"] for event in await state.events()] == ["grace"]


async def as_version_1(state: World) -> None:
    """Rewrite the log as it was written before evidence was named and personal fields were sealed."""
    events = dict(await state.rows("SELECT id, event FROM outbox"))
    rows = await state.rows("SELECT id, entry FROM ledger ORDER BY id")

    def rewrite(sql: Sql) -> None:
        for identity, text in rows:
            entry = json.loads(str(text))
            entry.pop("evidence", None)
            entry["v"] = 1
            if identity in events:
                entry["payload"]["event"] = SHA3.sha3_256(str(events[identity]).encode()).hex()
                sql.execute("UPDATE ledger SET evidence = ? WHERE id = ?", events[identity], identity)
            new = canonical_json(entry)
            statement = "UPDATE ledger SET entry = ?, leaf_hash = ? WHERE id = ?"
            sql.execute(statement, new.decode(), leaf_hash(SHA3, new), identity)

    await state.database.transact(rewrite)
    await state.rows("DELETE FROM personal")
    # Nor was anything kept beside an import then.
    await state.rows("UPDATE ledger SET evidence = NULL WHERE kind = 'STRUCTURE_UPDATE'")


def retaining(state: World, days: int, *, events: bool = False) -> Mediator:
    return state.with_config(config(default_cap=10**9, retention=Retention(days * DAY_US, events)))


async def test_without_a_retention_nothing_is_dropped(state: World) -> None:
    await fill(state)
    assert await state.mediator.retain(NOW_US + 10_000 * DAY_US) == 0
    assert (await verify_stored(state))["dropped"] == 0


async def test_old_records_are_dropped_and_their_digests_stay(state: World) -> None:
    await fill(state)
    kept = await checkpoint_of(state)
    mediator = retaining(state, 30)
    await mediator.retain(NOW_US + 29 * DAY_US)
    assert (await verify_stored(state))["dropped"] == 0
    await mediator.retain(NOW_US + 31 * DAY_US)
    report = await verify_stored(state)
    # Six events are left, and the catalogue, on which the certificates of all decisions rest.
    assert (report["ok"], report["dropped"], report["evidence"]) == (True, 6, 7)
    assert check(await export_of(state), kept).dropped == 6
    last = (await state.entries())[-1]
    assert last["kind"] == "ERASURE"
    assert last["payload"]["act"] == "retention"
    # Events wait for their delivery, all of them.
    assert len(await state.events()) == 6
    # Doing it again writes nothing.
    await mediator.retain(NOW_US + 31 * DAY_US)
    assert (await state.mediator.ledger("acme", "head", {}))["size"] == kept.size + 1
    # A decision can still be read, without what it was made from.
    found = await state.mediator.read("acme", facts().decision_id)
    assert found is not None
    assert found["decision"] is None
    assert len(found["decision_digest"]) == 64


async def test_events_are_dropped_only_where_the_operator_says_so(state: World) -> None:
    await fill(state)
    await retaining(state, 30).retain(NOW_US + 31 * DAY_US)
    await retaining(state, 30, events=True).retain(NOW_US + 31 * DAY_US)
    assert await state.events() == []
    assert (await verify_stored(state))["dropped"] == 12
    assert check(await export_of(state, is_open=False)).ok
    # Nothing has forgotten how long the log is: its last entry is always there.
    await serve(state, 50)
    assert (await verify_stored(state))["ok"]
    assert outcome_of((await state.events())[0])["outcome"] == "success"


async def test_what_retention_does_not_cover_may_not_be_missing(state: World) -> None:
    await fill(state)
    await retaining(state, 30).retain(NOW_US + 31 * DAY_US)
    await serve(state, 50, at_us=NOW_US + 31 * DAY_US)
    last = (await state.entries())[-2]
    assert last["kind"] == "ACTION"
    await state.rows("UPDATE ledger SET evidence = NULL WHERE seq = ?", last["seq"])
    assert (await verify_stored(state))["fault"]["reason"] == "EVIDENCE_MISSING"
    report = check(await export_of(state))
    assert report.fault is not None
    assert (report.fault.reason, report.fault.seq) == ("EVIDENCE_MISSING", last["seq"])


async def test_a_clock_that_was_ahead_once_keeps_nothing_for_ever(state: World) -> None:
    await serve(state, 1)
    await state.mediator.admit(facts(2, at_us=NOW_US + 9_000 * DAY_US))
    await serve(state, 3)
    await state.mediator.admit(facts(4, at_us=NOW_US + 9_000 * DAY_US))
    await retaining(state, 30).retain(NOW_US + 31 * DAY_US)
    # The third is old, so the second is older; the fourth may be of today.
    assert (await verify_stored(state))["dropped"] == 3
    assert (await state.mediator.read("acme", facts(4).decision_id) or {})["decision"] is not None


async def test_much_is_dropped_in_several_commits(state: World) -> None:
    for number in range(1, DROPPED_AT_ONCE + 12):
        await state.mediator.admit(facts(number, needs=("vision",)))
    assert await retaining(state, 1).retain(NOW_US + 2 * DAY_US) == 1
    assert (await verify_stored(state, limit=500))["dropped"] == DROPPED_AT_ONCE + 11
    assert (await state.kinds()).count("ERASURE") == 2
