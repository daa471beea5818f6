"""The log in its database: what verification sees there, across commits, tiles and migrations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.worker.decision_kit import NOW_US, World, config, facts, world
from tests.worker.ledger.log_kit import SHA3, check, checkpoint_of, erase, export_of, fill, signed, verify_stored
from worker.errors import LedgerFault
from worker.ledger.entry import OBSERVATION, append_entry, entry_id, leaf_hash
from worker.ledger.merkle import Frontier, root_hash, subtree_of, verify_consistency, verify_inclusion
from worker.ledger.tiles import TILE, StoredTree, integrate_in
from worker.ports import Sql


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world(config(default_cap=10**9)) as found:
        yield found


async def grow(state: World, count: int, tenant: str = "acme", log: int = 1) -> None:
    """Plain entries, many a transaction."""

    def append(sql: Sql) -> None:
        made = (
            "INSERT INTO tenant (log, tenant, catalogue_hash, created_us) VALUES (?, ?, '', 0) ON CONFLICT DO NOTHING"
        )
        sql.execute(made, log, tenant)
        for number in range(count):
            append_entry(sql, SHA3, tenant, log, OBSERVATION, NOW_US + number, '{"n":1}')

    await state.database.transact(append)


async def leaves_of(state: World, tenant: str = "acme") -> list[bytes]:
    rows = await state.rows("SELECT entry FROM ledger WHERE tenant = ? ORDER BY seq", tenant)
    return [leaf_hash(SHA3, str(entry).encode()) for (entry,) in rows]


async def test_a_tenant_without_a_log_has_one_of_nothing(state: World) -> None:
    head = await state.mediator.ledger("acme", "head", {})
    assert head == {"size": 0, "root": SHA3.sha3_256(b"").hex(), "checkpoint": None}
    report = await verify_stored(state)
    assert (report["ok"], report["size"], report["root"]) == (True, 0, head["root"])
    assert (await state.mediator.ledger("acme", "inclusion", {"entry": 0, "size": None}))["problem"] == "out_of_range"


@pytest.mark.parametrize("limit", [1, 7, 256, 10_000])
async def test_what_was_appended_verifies_however_it_is_cut(state: World, limit: int) -> None:
    await fill(state)
    await erase(state, "lovelace")
    report = await verify_stored(state, limit=limit)
    head = await state.mediator.ledger("acme", "head", {})
    assert report == {
        "ok": True,
        "size": head["size"],
        "root": head["root"],
        "evidence": 13,
        "dropped": 0,
        "opened": 4,
        "erased": 2,
        "checkpoints": 0,
        "fault": None,
    }
    assert check(await export_of(state)).root == head["root"]


async def test_two_tenants_logs_are_apart(state: World) -> None:
    await fill(state)
    await state.mediator.admit(facts(90, tenant="other"))
    assert (await verify_stored(state))["size"] > (await verify_stored(state, "other"))["size"] == 5
    entries = await state.mediator.ledger("other", "entries", {"first": 0, "limit": 100, "is_open": False})
    assert all('"tenant":"other"' in one["entry"] for one in entries["entries"])
    assert (await state.mediator.ledger("nobody", "entries", {"first": 0, "limit": 9, "is_open": True}))[
        "entries"
    ] == []


TAMPERING = [
    ("UPDATE ledger SET entry = replace(entry, 'CANON', 'PROPO') WHERE seq = 2", "LEAF_MISMATCH", 2),
    ("UPDATE ledger SET entry = entry || ' ' WHERE seq = 2", "NOT_CANONICAL", 2),
    ("UPDATE ledger SET leaf_hash = zeroblob(32) WHERE seq = 2", "LEAF_MISMATCH", 2),
    ("UPDATE ledger SET at_us = at_us + 1 WHERE seq = 4", "COLUMN_MISMATCH", 4),
    ("UPDATE ledger SET kind = 'DENY' WHERE seq = 4", "COLUMN_MISMATCH", 4),
    ("UPDATE ledger SET tenant = 'other' WHERE seq = 4", "COLUMN_MISMATCH", 4),
    ("UPDATE ledger SET evidence = evidence || ' ' WHERE seq = 4", "EVIDENCE_MISMATCH", 4),
    ("UPDATE ledger SET evidence = NULL WHERE seq = 4", "EVIDENCE_MISSING", 4),
    ("UPDATE ledger SET evidence = '{}' WHERE seq = 0", "EVIDENCE_MISMATCH", 0),
    ("DELETE FROM ledger WHERE seq = 3", "SEQ_MISMATCH", 3),
    ("UPDATE personal SET user_id = 'eve' WHERE user_id = 'lovelace'", "COMMITMENT_MISMATCH", None),
    ("UPDATE personal SET salt = zeroblob(32)", "COMMITMENT_MISMATCH", None),
    ("DELETE FROM personal WHERE user_id = 'lovelace'", "OPENING_MISSING", None),
]


@pytest.mark.parametrize(("statement", "reason", "seq"), TAMPERING)
async def test_whoever_writes_past_the_log_is_seen(state: World, statement: str, reason: str, seq: int | None) -> None:
    await fill(state)
    await state.rows(statement)
    fault = (await verify_stored(state))["fault"]
    assert fault["reason"] == reason
    assert seq is None or fault["seq"] == seq


async def test_an_entry_moved_to_another_place_is_seen(state: World) -> None:
    await fill(state)
    first = entry_id(1, 0)
    await state.rows("UPDATE ledger SET id = ? WHERE id = ?", first + 1_000, first + 5)
    await state.rows("UPDATE ledger SET id = ? WHERE id = ?", first + 5, first + 6)
    await state.rows("UPDATE ledger SET id = ? WHERE id = ?", first + 6, first + 1_000)
    assert (await verify_stored(state))["fault"]["seq"] == 5


async def test_the_tail_can_be_cut_off_unseen_unless_a_checkpoint_was_given_out(state: World) -> None:
    await fill(state)
    size = (await state.mediator.ledger("acme", "head", {}))["size"]
    text = (await checkpoint_of(state)).to_text()
    await state.rows("DELETE FROM ledger WHERE seq >= ?", size - 2)
    await state.rows("DELETE FROM personal WHERE entry_id >= ?", entry_id(1, size - 2))
    # Negative: the log itself has no way to know; that is what checkpoints are for.
    assert (await verify_stored(state))["ok"]
    await state.rows("INSERT INTO checkpoint VALUES (1, ?, 0, ?)", size, text)
    assert (await verify_stored(state))["fault"]["reason"] == "TRUNCATED"
    await grow(state, 5)
    # Positive: what has taken the place of the cut part does not agree with what was given out.
    assert (await verify_stored(state))["fault"] == {
        "reason": "CHECKPOINT_MISMATCH",
        "message": f"a checkpoint of {size} entries is of another log",
        "seq": size - 1,
    }


async def test_a_checkpoint_is_kept_only_if_it_is_of_this_log(state: World) -> None:
    await fill(state)
    good = await checkpoint_of(state)
    for bad in (
        good._replace(tenant="other"),
        good._replace(root=bytes(32)),
        good._replace(size=good.size + 1),
    ):
        with pytest.raises(LedgerFault):
            await state.mediator.ledger("acme", "keep", {"text": (await signed(bad)).to_text()})
    await state.mediator.ledger("acme", "keep", {"text": good.to_text()})
    assert (await state.mediator.ledger("acme", "head", {}))["checkpoint"] == good.to_text()
    await grow(state, 1)
    assert (await state.mediator.ledger("acme", "head", {}))["checkpoint"] is None
    assert (await verify_stored(state))["checkpoints"] == 1


async def test_proofs_at_every_size_around_a_tile(state: World) -> None:
    await grow(state, TILE + 40)
    leaves = await leaves_of(state)
    roots = [b""]
    frontier = Frontier(SHA3)
    for leaf in leaves:
        frontier.append(leaf)
        roots.append(frontier.root())
    for size in (1, 2, 3, TILE - 1, TILE, TILE + 1, TILE + 39, TILE + 40):
        for entry in {0, size // 2, size - 1}:
            found = await state.mediator.ledger("acme", "inclusion", {"entry": entry, "size": size})
            assert found["root"] == roots[size].hex()
            path = [bytes.fromhex(step) for step in found["path"]]
            verify_inclusion(SHA3, leaves[entry], entry, size, path, roots[size])
        found = await state.mediator.ledger("acme", "consistency", {"first": size, "second": None})
        path = [bytes.fromhex(step) for step in found["path"]]
        verify_consistency(SHA3, size, len(leaves), path, roots[size], roots[-1])


async def test_a_tile_is_integrated_with_its_last_leaf_and_a_wrong_one_is_seen(state: World) -> None:
    await grow(state, TILE - 1)
    assert await state.rows("SELECT COUNT(*) FROM ledger_node") == [(0,)]
    await grow(state, 1)
    leaves = await leaves_of(state)
    expected = root_hash(SHA3, subtree_of(SHA3, leaves), TILE)
    assert await state.rows("SELECT level, idx, hash FROM ledger_node") == [(1, 0, expected)]
    await state.rows("UPDATE ledger_node SET hash = zeroblob(32)")
    for limit in (7, 256, 1_000):
        assert (await verify_stored(state, limit=limit))["fault"]["reason"] == "NODE_MISMATCH"


async def test_a_log_from_before_there_were_tiles_catches_up(state: World) -> None:
    await grow(state, 20 * TILE + 5)
    right = await state.mediator.ledger("acme", "head", {})
    await state.rows("DELETE FROM ledger_node")
    tree_root = await state.database.transact(
        lambda sql: root_hash(SHA3, StoredTree(sql, SHA3, 1).subtree, 20 * TILE + 5).hex()
    )
    assert tree_root == right["root"]  # without any stored hash, from the leaves alone
    assert await state.mediator.ledger("acme", "head", {}) == right
    assert await state.rows("SELECT COUNT(*) FROM ledger_node") == [(20,)]


async def test_hashes_of_tiles_of_tiles(state: World) -> None:
    """65,536 leaves make a second row; the leaves are written past the log, which would take a while."""
    size = TILE * TILE + 3
    leaves = [SHA3.sha3_256(b"%d" % number) for number in range(size)]

    def write(sql: Sql) -> None:
        for number, leaf in enumerate(leaves):
            sql.execute(
                "INSERT INTO ledger VALUES (?, 'acme', ?, 0, 'OBSERVATION', '', ?, NULL)",
                entry_id(1, number),
                number,
                leaf,
            )

    await state.database.transact(write)
    steps = 0
    while not await state.database.transact(lambda sql: integrate_in(sql, SHA3, 1, size)):
        steps += 1
    assert steps == TILE // 16 - 1
    frontier = Frontier(SHA3)
    for leaf in leaves:
        frontier.append(leaf)
    assert await state.rows("SELECT level, COUNT(*) FROM ledger_node GROUP BY level") == [(1, TILE), (2, 1)]
    root = await state.database.transact(lambda sql: root_hash(SHA3, StoredTree(sql, SHA3, 1).subtree, size))
    assert root == frontier.root()


async def test_the_number_of_entries_read_for_a_root_does_not_grow_with_the_log(state: World) -> None:
    await grow(state, 30 * TILE + 9)

    def statements(sql: Sql) -> int:
        counted = Counted(sql)
        root_hash(SHA3, StoredTree(counted, SHA3, 1).subtree, 30 * TILE + 9)
        return counted.rows

    assert await state.database.transact(statements) <= 30 + TILE


class Counted:
    """A `Sql` that counts the rows it gives."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self.rows = 0

    def execute(self, statement: str, *parameters: Any) -> list[Any]:
        found = self._sql.execute(statement, *parameters)
        self.rows += len(found)
        return found


async def test_a_gap_in_the_leaves_is_a_fault_of_the_state(state: World) -> None:
    await grow(state, 10)
    await state.rows("DELETE FROM ledger WHERE seq = 4")
    with pytest.raises(LedgerFault):
        await state.mediator.ledger("acme", "head", {})


async def test_what_is_erased_while_verification_runs_is_no_fault(state: World) -> None:
    await fill(state)
    given: dict[str, Any] = {"state": None, "size": None, "limit": 6}
    first = await state.mediator.ledger("acme", "verify", given)
    await erase(state, "lovelace")
    given |= {"state": first["state"], "size": first["size"]}
    while "report" not in (found := await state.mediator.ledger("acme", "verify", given)):
        given |= {"state": found["state"], "size": found["size"]}
    assert found["report"]["ok"], found
