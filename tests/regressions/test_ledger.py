"""Defects of earlier ledgers, which must not come back."""

from __future__ import annotations

from pathlib import Path

from tests.worker.decision_kit import config, world
from tests.worker.ledger.log_kit import check, checkpoint_of, export_of, fill, verify_stored

CAPPED = config(default_cap=10**9)


async def test_d11_append_reload_verify_is_ok_and_the_order_of_entries_is_verified(tmp_path: Path) -> None:
    """D11: verification hashed each row by itself and called that a chain; and what it re-hashed was another text than
    the one that had been hashed when it was written, so that an untouched record failed.
    """
    path = str(tmp_path / "harpoon.db")
    async with world(CAPPED, path) as state:
        await fill(state)
        kept = await checkpoint_of(state)
    async with world(CAPPED, path) as state:
        report = await verify_stored(state)
        assert (report["ok"], report["root"]) == (True, kept.root.hex())
        assert check(await export_of(state), kept).ok
        # Each row is in order by itself; only where they stand is wrong. Rows alone would not tell.
        await state.rows("UPDATE ledger SET id = id + 1000, seq = seq + 1000 WHERE seq = 5")
        await state.rows("UPDATE ledger SET id = id - 1, seq = seq - 1 WHERE seq = 6")
        await state.rows("UPDATE ledger SET id = id - 999, seq = seq - 999 WHERE seq = 1005")
        report = await verify_stored(state)
        assert (report["ok"], report["fault"]["seq"]) == (False, 5)


async def test_verification_reads_what_is_stored_and_writes_nothing(tmp_path: Path) -> None:
    """A verifier that mends what it finds, or hashes a value it has just built, finds nothing ever."""
    async with world(CAPPED, str(tmp_path / "harpoon.db")) as state:
        await fill(state)
        before = await state.dump()
        assert (await verify_stored(state))["ok"]
        assert await state.dump() == before
