"""The spool does on this host what it does on every other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.contracts import spool_contract


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(str(tmp_path / "sessions.db"))
    await database.open()
    yield database
    await database.close()


@pytest.mark.parametrize("case", spool_contract.CASES, ids=lambda case: case.__name__)
async def test_contract(case: spool_contract.Case, database: SqliteDatabase) -> None:
    await case(database)


def test_every_case_is_registered() -> None:
    named = [value for name, value in vars(spool_contract).items() if name.startswith("case_")]
    assert named == spool_contract.CASES
