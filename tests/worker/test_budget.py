"""Accounts: windows by the calendar, and the invariant spent + reserved <= cap + overrun at every commit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.adapters.sqlite_database import SqliteDatabase
from tests.worker.decision_kit import (
    ALPHA,
    BETA,
    NOW_US,
    SECOND_US,
    WORST_ALPHA,
    World,
    config,
    facts,
    fallback,
    settlement,
    world,
)
from worker.admission import BUDGET, Attempt
from worker.budget import (
    UNLIMITED,
    Account,
    account_names,
    decode_accounts,
    encode_accounts,
    funds_of,
    read_accounts,
    reserve,
)
from worker.canon.gates import Funds
from worker.covenant.policy import Policy
from worker.errors import StateError
from worker.schema import migrate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US


def window(scope: str, at_us: int) -> str:
    names = account_names(Policy(budget_usd_micros=5, budget_scope=scope), 7, at_us)
    (name,) = set(names) - {"tenant"}
    assert names == {"tenant": 7, name: 5}
    return name


def test_months_are_those_of_the_calendar() -> None:
    day = EPOCH
    while day.year <= 2100:
        midnight_us = (day - EPOCH) // timedelta(microseconds=1)
        month = f"month:{day.year}-{day.month:02d}"
        assert window("per_month", midnight_us) == month
        assert window("per_month", midnight_us + DAY_US - 1) == month
        day += timedelta(days=1)


@given(st.integers(0, 4_133_980_799 * SECOND_US))
def test_hours_and_days_are_those_of_utc(at_us: int) -> None:
    at = EPOCH + timedelta(microseconds=at_us)
    since = at.replace(minute=0, second=0, microsecond=0) - EPOCH
    assert window("per_hour", at_us) == f"hour:{since // timedelta(hours=1)}"
    assert window("per_day", at_us) == f"day:{since // timedelta(days=1)}"


@pytest.mark.parametrize("scope", [None, "total", "per_request", "per_1m_tokens"])
def test_other_scopes_open_no_account(scope: str | None) -> None:
    assert account_names(Policy(budget_usd_micros=5, budget_scope=scope), None, NOW_US) == {"tenant": None}


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (None, (Funds("request", 5), Funds("tenant", 3))),
        ("total", (Funds("request", 5), Funds("tenant", 3))),
        ("per_request", (Funds("request", 5), Funds("tenant", 3))),
        ("per_hour", (Funds("tenant", 3),)),
        ("per_1m_tokens", (Funds("tenant", 3),)),
    ],
)
def test_a_bare_amount_is_for_this_request(scope: str | None, expected: tuple[Funds, ...]) -> None:
    accounts = [Account("tenant", 10, 4, 3), Account("free", None, 99, 99)]
    assert funds_of(Policy(budget_usd_micros=5, budget_scope=scope), accounts) == expected


def test_nothing_is_left_below_nothing() -> None:
    assert Account("a", None, 10**15, 0).left == UNLIMITED
    assert Account("a", 10, 12, 3).left == -5
    assert funds_of(Policy(), [Account("tenant", 10, 12, 3), Account("hour:7", 9, 1, 0)]) == (
        Funds("tenant", 0),
        Funds("hour", 8),
    )


def test_account_names_survive_their_text() -> None:
    accounts = [Account("tenant", 1, 0, 0), Account("month:2026-01", None, 0, 0)]
    assert decode_accounts(encode_accounts(accounts)) == ["tenant", "month:2026-01"]


async def test_an_account_never_bears_more_than_it_has() -> None:
    """The gates have said it can; this is the second lock on the same door."""
    database = SqliteDatabase(":memory:")
    await database.open()
    await database.transact(migrate)
    names: dict[str, int | None] = {"tenant": 10}
    await database.transact(lambda sql: reserve(sql, "x", read_accounts(sql, "x", names), 6))
    with pytest.raises(StateError, match="tenant"):
        await database.transact(lambda sql: reserve(sql, "x", read_accounts(sql, "x", names), 5))
    assert await database.transact(lambda sql: read_accounts(sql, "x", names)) == [Account("tenant", 10, 0, 6)]
    await database.close()


async def admitted(state: World, number: int, scope: str, budget: int, at_us: int) -> bool:
    policy = Policy(budget_usd_micros=budget, budget_scope=scope)
    admission = await state.mediator.admit(facts(number, policy=policy, at_us=at_us, model="alpha/m"))
    assert admission.refusal is None or admission.refusal.kind == BUDGET
    return admission.refusal is None


@pytest.mark.parametrize(
    ("scope", "next_us"),
    [("per_hour", NOW_US + HOUR_US), ("per_day", NOW_US + DAY_US), ("per_month", NOW_US + 31 * DAY_US)],
)
async def test_a_window_fills_and_the_next_one_is_empty(scope: str, next_us: int) -> None:
    async with world() as state:
        budget = 2 * WORST_ALPHA
        assert await admitted(state, 1, scope, budget, NOW_US)
        assert await admitted(state, 2, scope, budget, next_us - 1)
        assert not await admitted(state, 3, scope, budget, next_us - 1)
        assert await admitted(state, 4, scope, budget, next_us)
        # What was not used comes back to the window it was held in, even after that window has ended.
        await state.mediator.settle(settlement(1, usage="none", at_us=next_us + 1))
        assert await admitted(state, 5, scope, budget, next_us - 1)


async def test_a_window_counts_the_fallback_in_the_window_of_the_request() -> None:
    async with world() as state:
        policy = Policy(budget_usd_micros=1_000, budget_scope="per_hour")
        await state.mediator.admit(facts(policy=policy, at_us=NOW_US + HOUR_US - 1))
        await state.mediator.advance(fallback(at_us=NOW_US + HOUR_US + 1))
        rows = await state.rows("SELECT account, reserved FROM account ORDER BY account")
        assert rows == [(f"hour:{NOW_US // HOUR_US}", 120), ("tenant", 120)]


async def test_covenants_of_different_size_share_a_window() -> None:
    async with world() as state:
        assert await admitted(state, 1, "per_day", 120, NOW_US)
        assert not await admitted(state, 2, "per_day", 100, NOW_US)  # 60 are held already
        assert await admitted(state, 3, "per_day", 130, NOW_US)
        assert not await admitted(state, 4, "per_day", 130, NOW_US)


async def test_one_tenants_money_is_not_anothers() -> None:
    async with world(config(caps={"rich": 10**6, "poor": 59})) as state:
        for number, (tenant, ok) in enumerate((("rich", True), ("poor", False), ("other", True))):
            assert ((await state.mediator.admit(facts(number, tenant=tenant))).refusal is None) is ok
        assert await state.account(tenant="other") == (None, 0, 60, 0)


SCOPES = st.sampled_from([None, "per_request", "per_hour", "per_day", "per_month", "per_1m_tokens"])
MODELS = st.sampled_from(["auto", "beta/m"])
#: How many admissions ago: the newest ones, so that they live through more than one thing.
AGES = st.integers(0, 2)


class Spending(RuleBasedStateMachine):
    """Any order of admissions, fallbacks, settlements and sweeps; the books are checked inside every commit.

    `Books` raises in the commit itself, so a broken invariant surfaces as the failure of the step that broke it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.admitted = 0
        self.at_us = NOW_US

    def run(self, step: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(step)

    @initialize(cap=st.none() | st.integers(0, 600))
    def open(self, cap: int | None) -> None:
        self.state: World = self.run(self.stack.enter_async_context(world(config(default_cap=cap))))

    @rule(scope=SCOPES, budget=st.integers(0, 500), wished=st.integers(0, 30), model=MODELS)
    def admit(self, scope: str | None, budget: int, wished: int, model: str) -> None:
        policy = Policy(budget_usd_micros=budget * 10_000 if scope == "per_1m_tokens" else budget, budget_scope=scope)
        self.admitted += 1
        asked = facts(self.admitted, policy=policy, max_output_tokens=wished, model=model, at_us=self.at_us)
        self.run(self.state.mediator.admit(asked))

    @rule(age=AGES, route=st.sampled_from([ALPHA, BETA]), unbilled=st.booleans())
    def advance(self, age: int, route: str, unbilled: bool) -> None:
        number = self.admitted - age
        if number >= 1:
            self.run(self.state.mediator.advance(fallback(number, route=route, unbilled=unbilled, at_us=self.at_us)))

    @rule(
        age=AGES,
        route=st.sampled_from([ALPHA, BETA]),
        usage=st.sampled_from(["reported", "counted", "none", "unknown"]),
        tokens=st.tuples(st.integers(0, 80), st.integers(0, 80)),
        cause=st.sampled_from(["ok", "connect"]),
    )
    def settle(self, age: int, route: str, usage: str, tokens: tuple[int, int], cause: str) -> None:
        number = self.admitted - age
        if number >= 1:
            said = settlement(
                number,
                route=route,
                usage=usage,
                input_tokens=tokens[0],
                output_tokens=tokens[1],
                at_us=self.at_us,
                attempts=(Attempt(route, cause, 0, 1_000),),
            )
            once = self.run(self.state.mediator.settle(said))
            assert self.run(self.state.mediator.settle(said)) == once

    @rule(everything=st.booleans())
    def sweep(self, everything: bool) -> None:
        self.run(self.state.mediator.sweep(self.at_us, everything=everything))

    @rule(step_us=st.sampled_from([SECOND_US, 60 * SECOND_US, HOUR_US, DAY_US]))
    def wait(self, step_us: int) -> None:
        self.at_us += step_us

    @invariant()
    def the_log_has_no_gaps(self) -> None:
        if hasattr(self, "state"):
            rows = self.run(self.state.rows("SELECT COUNT(*), MAX(seq) FROM ledger GROUP BY tenant"))
            assert all(count == last + 1 for count, last in rows)

    def teardown(self) -> None:
        if hasattr(self, "state"):
            self.run(self.state.mediator.sweep(self.at_us, everything=True))
            held = self.run(self.state.rows("SELECT COALESCE(SUM(reserved), 0) FROM account"))
            assert held == [(0,)]
            assert self.state.books.commits
        self.run(self.stack.aclose())
        self.runner.close()


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
