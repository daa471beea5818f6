"""Whatever fails, and wherever: a step happens as a whole or not at all, and trying again ends the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.worker.decision_kit import BETA, NOW_US, SECOND_US, World, config, facts, fallback, hasher, settlement, world
from worker.covenant.policy import Policy
from worker.errors import StateError
from worker.mediator import Mediator
from worker.ports import Sql, SqlRow, SqlValue

T = TypeVar("T")
Step = Callable[[Mediator], Awaitable[object]]
SETTINGS = config(default_cap=1_000)
LATER_US = NOW_US + 3_600 * SECOND_US


class FailingSql:
    """Passes statements on until one is to fail."""

    def __init__(self, sql: Sql, fail_at: int | None) -> None:
        self._sql = sql
        self._fail_at = fail_at
        self.statements = 0

    def execute(self, statement: str, *parameters: SqlValue) -> list[SqlRow]:
        self.statements += 1
        if self.statements - 1 == self._fail_at:
            raise StateError("the disk is full")
        return self._sql.execute(statement, *parameters)


class FailingDatabase:
    """A Database whose transactions fail at one statement, or count them."""

    def __init__(self, database: SqliteDatabase, fail_at: int | None = None) -> None:
        self._database = database
        self._fail_at = fail_at
        self.statements = 0

    async def transact(self, fn: Callable[[Sql], T], *, patient: bool = False) -> T:
        def failing(sql: Sql) -> T:
            wrapped = FailingSql(sql, self._fail_at)
            value = fn(wrapped)
            self.statements = max(self.statements, wrapped.statements)
            return value

        return await self._database.transact(failing, patient=patient)


ADMIT: Step = lambda mediator: mediator.admit(facts())  # noqa: E731
ADVANCE: Step = lambda mediator: mediator.advance(fallback(unbilled=False))  # noqa: E731
SETTLE: Step = lambda mediator: mediator.settle(settlement(route=BETA))  # noqa: E731
SWEEP: Step = lambda mediator: mediator.sweep(LATER_US)  # noqa: E731
DENY: Step = lambda mediator: mediator.admit(facts(2, policy=Policy(residency=("US",))))  # noqa: E731
WINDOW: Step = lambda mediator: mediator.admit(  # noqa: E731
    facts(3, policy=Policy(budget_usd_micros=10**6, budget_scope="per_month"))
)
STORIES: dict[str, tuple[list[Step], Step]] = {
    "the first admission": ([], ADMIT),
    "another admission": ([DENY], ADMIT),
    "a denial": ([], DENY),
    "an admission in a window": ([ADMIT], WINDOW),
    "a fallback": ([ADMIT], ADVANCE),
    "a settlement": ([ADMIT, ADVANCE], SETTLE),
    "a sweep": ([ADMIT, WINDOW], SWEEP),
    "a settlement after a sweep": ([ADMIT, ADVANCE, SWEEP], SETTLE),
}


async def prepared(state: World, before: list[Step]) -> None:
    for step in before:
        await step(state.mediator)


@pytest.mark.parametrize(("before", "step"), STORIES.values(), ids=STORIES)
async def test_a_step_that_fails_at_any_statement_leaves_nothing(before: list[Step], step: Step) -> None:
    async with world(SETTINGS) as state:
        await prepared(state, before)
        counting = FailingDatabase(state.database)
        result = await step(Mediator(counting, hasher(), SETTINGS))
        wanted = await state.dump()
    assert counting.statements > 2
    async with world(SETTINGS) as state:
        await prepared(state, before)
        untouched = await state.dump()
        for fail_at in range(counting.statements):
            with pytest.raises(StateError, match="disk"):
                await step(Mediator(FailingDatabase(state.database, fail_at), hasher(), SETTINGS))
            assert await state.dump() == untouched, fail_at
        assert await step(state.mediator) == result
        assert await state.dump() == wanted


@pytest.mark.parametrize(("before", "step"), STORIES.values(), ids=STORIES)
async def test_a_step_whose_commit_fails_leaves_nothing(before: list[Step], step: Step) -> None:
    async with world(SETTINGS) as state:
        await prepared(state, before)
        untouched = await state.dump()
        state.books.refuse = True
        with pytest.raises(StateError, match="refused"):
            await step(state.mediator)
        state.books.refuse = False
        assert await state.dump() == untouched
