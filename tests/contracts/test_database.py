"""Every Database of this host keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.contracts import database_contract


@pytest.fixture(params=["file", "memory"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    path = ":memory:" if request.param == "memory" else str(tmp_path / "state.db")
    database = SqliteDatabase(path)
    await database.open()
    yield database
    await database.close()


@pytest.mark.parametrize("case", database_contract.CASES, ids=lambda case: case.__name__)
async def test_contract(case: database_contract.Case, database: SqliteDatabase) -> None:
    await case(database)


def test_every_case_is_registered() -> None:
    named = [value for name, value in vars(database_contract).items() if name.startswith("case_")]
    assert named == database_contract.CASES
