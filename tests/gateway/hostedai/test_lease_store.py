"""The store: one live lease of a pool, money with the change that moved it, and nobody writes with an old epoch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.hostedai.lease import Accepted, Lease, Recovered, Refused, Row, Rows, Rules, State
from gateway.hostedai.lease_store import AlreadyLeased, LeaseStore, NotSteering, lease_from_text, lease_to_text
from tests.gateway.hostedai.lease_kit import memory
from worker.errors import IntegrityError

NOW = 1_767_225_600_000_000
WISH = Lease("lease_1", "red", "team", 2, 660_000, created_us=NOW, since_us=NOW, due_us=NOW)


async def test_a_lease_its_charges_and_its_budget_change_together() -> None:
    async with memory() as database:
        store = LeaseStore(database, Rules())
        await store.open()
        await store.open()
        assert await store.steer("me", NOW, 10)
        await store.set_budget("red", 400_000)
        await store.add(WISH)
        asked = await store.happen(WISH.id, Rows(()), NOW, turn=0)
        assert (asked.state, await store.spent("red")) == (State.SUBSCRIBING, 330_000)
        assert await store.happen(WISH.id, Rows(()), NOW, turn=0) == asked, "an answer to an earlier turn"
        failed = await store.happen(WISH.id, Refused("no_capacity"), NOW, turn=asked.turn)
        assert (failed.state, await store.spent("red")) == (State.FAILED, 0)
        assert [row.charge.kind for row in await store.charges()] == ["block", "credit"]
        back = await store.revive(WISH.id, Row(7, 2, "team"), NOW + 5)
        assert (back.state, await store.spent("red")) == (State.RELEASING, 330_000)
        assert await store.live() == [back] == [await store.last_of("team", 2)]


async def test_a_pool_is_leased_once_for_a_team() -> None:
    async with memory() as database:
        store = LeaseStore(database, Rules())
        await store.open()
        await store.steer("me", NOW, 10)
        await store.add(WISH)
        with pytest.raises(AlreadyLeased):
            await store.add(replace(WISH, id="lease_2", tenant="blue"))
        await store.add(replace(WISH, id="lease_3", team="other"))
        await store.happen(WISH.id, Rows(()), NOW, turn=0)
        await store.happen(WISH.id, Refused("no_capacity"), NOW, turn=1)
        await store.add(replace(WISH, id="lease_4"))


async def test_a_process_that_was_replaced_changes_nothing_any_more() -> None:
    async with memory() as database:
        old, new = LeaseStore(database, Rules()), LeaseStore(database, Rules())
        await old.open()
        assert await old.steer("old", NOW, 10)
        await old.add(WISH)
        assert not await new.steer("new", NOW + 9, 10)
        assert await new.steer("new", NOW + 10, 10)
        assert new.epoch > old.epoch
        for write in (
            lambda: old.happen(WISH.id, Accepted(7), NOW, turn=None),
            lambda: old.add(replace(WISH, id="lease_2", pool_id=3)),
            lambda: old.revive(WISH.id, Row(7, 2, "team"), NOW),
        ):
            with pytest.raises(NotSteering):
                await write()
        assert (await new.happen(WISH.id, Recovered(), NOW, turn=None)).turn == 1
        await new.let_go("new")
        assert await old.steer("old", NOW, 10)


async def test_a_wheel_that_was_taken_by_a_clock_since_set_back_is_free() -> None:
    async with memory() as database:
        old, new = LeaseStore(database, Rules()), LeaseStore(database, Rules())
        await old.open()
        assert await old.steer("old", NOW + 3_600, 10)
        assert not await new.steer("new", NOW + 3_595, 10)
        assert await new.steer("new", NOW, 10)
        with pytest.raises(NotSteering):
            await old.add(WISH)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": "held"}', '{"state": "odd", "doing": "read"}'])
def test_what_is_no_stored_lease_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        lease_from_text(text)


def test_a_lease_is_stored_and_read_back_as_it_is() -> None:
    lease = replace(WISH, state=State.HELD, subscription_id=7, base_url="http://pod/v1", token=3)
    assert lease_from_text(lease_to_text(lease)) == lease
