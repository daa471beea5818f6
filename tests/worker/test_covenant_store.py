"""Stored covenants: created once, recorded, and never overdrawn by any number of requests that name them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.worker.decision_kit import (
    ALPHA,
    BETA,
    NOW_US,
    SECOND_US,
    WORST_ALPHA,
    WORST_BETA,
    World,
    config,
    facts,
    fallback,
    hasher,
    settlement,
    world,
)
from worker.admission import (
    BUDGET,
    UNKNOWN_COVENANT,
    Admission,
    Refusal,
    admission_from_json,
    facts_from_json,
    to_json,
)
from worker.admitting import ORPHAN_GRACE_US
from worker.budget import account_names, covenant_of
from worker.covenant.policy import NO_COVENANT, Policy
from worker.covenant_store import Draft, draft_from_json, draft_to_json
from worker.errors import StateError
from worker.ledger.canonical import canonical_json
from worker.ports import Sql
from worker.schema import MIGRATIONS, migrate

COV = "cov-0000000a"
ACCOUNT = f"covenant:{COV}"
DOCUMENT = '{"title":"Quarterly report","reality_state":{"key_aspects":["1.50"],"share":0.50}}'
FOR_TEN = Policy(budget_usd_micros=10 * WORST_ALPHA)
HOUR_US = 3_600 * SECOND_US


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world() as found:
        yield found


def draft(policy: Policy = FOR_TEN, *ids: str, **changes: Any) -> Draft:
    return Draft("acme", ids or (COV,), NOW_US, policy, DOCUMENT)._replace(**changes)


def named(number: int = 1, **changes: Any) -> Any:
    """A request that names the covenant; only alpha, so that each holds the same."""
    return facts(number, **{"model": "alpha/m", "covenant_id": COV, **changes})


async def ask(state: World, count: int, first: int = 0, **changes: Any) -> list[Admission]:
    return await asyncio.gather(
        *(state.mediator.admit(named(number, **changes)) for number in range(first, first + count))
    )


def affordable(admissions: list[Admission]) -> int:
    refusals = [admission.refusal for admission in admissions if admission.refusal is not None]
    assert all(refusal.kind == BUDGET for refusal in refusals)
    return len(admissions) - len(refusals)


async def test_a_covenant_is_kept_word_for_word_and_recorded_by_digests_alone(state: World) -> None:
    created = await state.mediator.create_covenant(draft())
    assert created == await state.mediator.read_covenant("acme", COV, NOW_US)
    assert (created["covenant_id"], created["created_us"], created["status"]) == (COV, NOW_US, "active")
    assert created["document"] == DOCUMENT
    assert created["budget"] == {
        "cap_usd_micros": 600,
        "spent_usd_micros": 0,
        "reserved_usd_micros": 0,
        "left_usd_micros": 600,
    }
    entries = await state.entries()
    assert [entry["kind"] for entry in entries] == ["STRUCTURE_UPDATE"] * 5
    assert entries[-1]["payload"] == {
        "covenant_id": COV,
        "hash": hasher().sha3_256(DOCUMENT.encode()).hex(),
        "item": "covenant",
        "level": "CANON",
        "policy": hasher().sha3_256(canonical_json(FOR_TEN.to_plain())).hex(),
        "source": "import",
    }
    assert "Quarterly" not in json.dumps(entries)
    assert await state.rows("SELECT evidence FROM ledger WHERE evidence IS NOT NULL AND seq > 3") == []


async def test_an_id_that_is_taken_is_not_given_again(state: World) -> None:
    await state.mediator.create_covenant(draft())
    second = await state.mediator.create_covenant(draft(FOR_TEN, COV, "cov-0000000b"))
    assert second["covenant_id"] == "cov-0000000b"
    before = await state.rows("SELECT COUNT(*) FROM ledger")
    with pytest.raises(StateError):
        await state.mediator.create_covenant(draft(FOR_TEN, COV, "cov-0000000b"))
    assert await state.rows("SELECT COUNT(*) FROM ledger") == before
    # Another tenant may have the same, and sees nothing of this one's.
    other = await state.mediator.create_covenant(draft(tenant="other"))
    assert other["covenant_id"] == COV
    assert await state.mediator.read_covenant("other", "cov-0000000b", NOW_US) is None
    assert await state.mediator.read_covenant("acme", "cov-ffffffff", NOW_US) is None


async def test_covenants_are_listed_newest_first_and_page_by_page(state: World) -> None:
    ids = [f"cov-{number:08x}" for number in (7, 3, 9, 1, 5)]
    for name in ids:
        await state.mediator.create_covenant(draft(FOR_TEN, name))
        await state.mediator.create_covenant(draft(FOR_TEN, name, tenant="other"))

    async def listed(limit: int, before: str | None = None) -> list[str]:
        found = await state.mediator.list_covenants("acme", limit, before, NOW_US)
        assert found is not None
        return [record["covenant_id"] for record in found]

    assert await listed(10) == ids[::-1]
    assert await listed(2) == [ids[4], ids[3]]
    assert await listed(2, ids[3]) == [ids[2], ids[1]]
    assert await listed(2, ids[0]) == []
    assert await state.mediator.list_covenants("acme", 2, "cov-ffffffff", NOW_US) is None
    assert await state.mediator.list_covenants("nobody", 2, None, NOW_US) == []


async def test_an_unknown_covenant_leaves_nothing(state: World) -> None:
    await state.mediator.create_covenant(draft(tenant="other"))
    before = await state.dump()
    admission = await state.mediator.admit(named())
    assert admission == Admission(named().decision_id, "", (), 0, 0, Refusal(UNKNOWN_COVENANT, ()))
    assert await state.mediator.explain(named()) == {"refusal": {"kind": UNKNOWN_COVENANT, "reasons": []}}
    assert await state.dump() == before


async def test_a_request_is_decided_under_the_covenants_policy_and_time(state: World) -> None:
    policy = Policy(budget_usd_micros=600, deadline_us=5 * SECOND_US, priority="max_security", residency=("DE",))
    await state.mediator.create_covenant(draft(policy))
    admission = await state.mediator.admit(named())
    assert (admission.refusal, admission.policy, admission.time_limit_us) == (None, policy, 5 * SECOND_US)
    assert (await state.decision())["expires_us"] == NOW_US + 5 * SECOND_US + ORPHAN_GRACE_US
    record = await state.mediator.read("acme", named().decision_id)
    assert record is not None
    assert record["decision"]["policy"] == policy.to_plain()
    assert record["decision"]["accounts"] == [["tenant", None, 0, 0], ["covenant", 600, 0, 0]]
    assert COV not in json.dumps(record["decision"])
    # A shorter limit of the request's own stays.
    assert (await state.mediator.admit(named(2, time_limit_us=SECOND_US))).time_limit_us == SECOND_US


async def test_equal_covenants_decide_alike_whatever_they_are_called(state: World) -> None:
    await state.mediator.create_covenant(draft())
    await state.mediator.create_covenant(draft(FOR_TEN, "cov-0000000b"))
    first = await state.mediator.admit(named(1))
    second = await state.mediator.admit(named(2, covenant_id="cov-0000000b", tenant="acme"))
    assert first.routes == second.routes
    records = [await state.mediator.read("acme", named(number).decision_id) for number in (1, 2)]
    covenants = [record["decision"]["accounts"][1] for record in records if record is not None]
    assert covenants == [["covenant", 600, 0, 0]] * 2
    # Only what was held for the first in the tenant's own account tells them apart.
    explained = [await state.mediator.explain(named(3, covenant_id=name)) for name in (COV, "cov-0000000b")]
    assert explained[0]["decision_digest"] == explained[1]["decision_digest"]


@pytest.mark.parametrize("path", [":memory:", "file"])
@pytest.mark.parametrize("scope", [None, "total"])
async def test_64_at_once_on_a_covenant_with_money_for_ten(tmp_path: Path, path: str, scope: str | None) -> None:
    policy = Policy(budget_usd_micros=10 * WORST_ALPHA, budget_scope=scope)
    async with world(path=str(tmp_path / "harpoon.db") if path == "file" else path) as state:
        await state.mediator.create_covenant(draft(policy))
        assert affordable(await ask(state, 64)) == 10
        assert await state.account(ACCOUNT) == (600, 0, 600, 0)
        assert await state.account() == (None, 0, 600, 0)
        # Five cost nothing and five what was held: the next ones find room for exactly five.
        await asyncio.gather(
            *(
                state.mediator.settle(settlement(number, usage="none" if number < 5 else "unknown"))
                for number in range(10)
            )
        )
        assert affordable(await ask(state, 64, first=100)) == 5
        assert await state.account(ACCOUNT) == (600, 300, 300, 0)
        # Requests that don't name it are none of its business.
        assert (await state.mediator.admit(facts(500))).refusal is None
        assert await state.account(ACCOUNT) == (600, 300, 300, 0)


async def test_admissions_and_settlements_mixed_never_break_a_covenants_budget(tmp_path: Path) -> None:
    async with world(path=str(tmp_path / "harpoon.db")) as state:
        await state.mediator.create_covenant(draft())

        async def client(first: int) -> int:
            served = 0
            for number in range(first, first + 8):
                if (await state.mediator.admit(named(number))).refusal is None:
                    served += 1
                    await state.mediator.settle(settlement(number, output_tokens=number % 7))
            return served

        served = sum(await asyncio.gather(*(client(100 * number) for number in range(16))))
        rows = await state.rows("SELECT COUNT(*), SUM(charged) FROM decision WHERE state = 'settled'")
        assert rows[0][0] == served > 10
        assert await state.account(ACCOUNT) == (600, rows[0][1], 0, 0)


async def test_the_tenants_own_cap_holds_beside_the_covenants() -> None:
    async with world(config(default_cap=5 * WORST_ALPHA)) as state:
        await state.mediator.create_covenant(draft())
        assert affordable(await ask(state, 12)) == 5
        assert await state.account(ACCOUNT) == (600, 0, 300, 0)


async def test_per_request_is_for_one_request_and_its_lifetime_is_only_counted(state: World) -> None:
    await state.mediator.create_covenant(draft(Policy(budget_usd_micros=WORST_ALPHA, budget_scope="per_request")))
    assert affordable(await ask(state, 20)) == 20
    assert (await state.mediator.admit(named(50, max_output_tokens=11))).refusal is not None
    assert await state.account(ACCOUNT) == (None, 0, 20 * WORST_ALPHA, 0)
    record = await state.mediator.read_covenant("acme", COV, NOW_US)
    assert record is not None
    assert (record["budget"], record["reserved_usd_micros"]) == (None, 20 * WORST_ALPHA)


@pytest.mark.parametrize(
    ("scope", "window", "later_us"),
    [
        ("per_hour", "hour:490896", NOW_US + HOUR_US),
        ("per_day", "day:20454", NOW_US + 24 * HOUR_US),
        ("per_month", "month:2026-01", NOW_US + 31 * 24 * HOUR_US),
    ],
)
async def test_windows_are_the_covenants_own(state: World, scope: str, window: str, later_us: int) -> None:
    policy = Policy(budget_usd_micros=3 * WORST_ALPHA, budget_scope=scope)
    await state.mediator.create_covenant(draft(policy))
    assert affordable(await ask(state, 5)) == 3
    assert await state.account(f"{ACCOUNT}:{window}") == (180, 0, 180, 0)
    assert await state.account(ACCOUNT) == (None, 0, 180, 0)
    # The same policy in a request of its own has a window of its own, and the next window begins anew.
    assert (await state.mediator.admit(facts(90, model="alpha/m", policy=policy))).refusal is None
    assert affordable(await ask(state, 5, first=100, at_us=later_us)) == 3
    now, then = [await state.mediator.read_covenant("acme", COV, at_us) for at_us in (NOW_US, later_us + HOUR_US * 800)]
    assert now is not None
    assert then is not None
    assert (now["budget"]["reserved_usd_micros"], then["budget"]["reserved_usd_micros"]) == (180, 0)
    assert now["reserved_usd_micros"] == 360


async def test_a_price_bound_takes_no_account(state: World) -> None:
    await state.mediator.create_covenant(draft(Policy(budget_usd_micros=2_000_000, budget_scope="per_1m_tokens")))
    admission = await state.mediator.admit(named(model="auto"))
    assert admission.routes == (ALPHA,)
    assert await state.account(ACCOUNT) == (None, 0, WORST_ALPHA, 0)


async def test_a_fallback_stays_on_the_covenants_account(state: World) -> None:
    await state.mediator.create_covenant(draft(Policy(budget_usd_micros=WORST_ALPHA + WORST_BETA - 1)))
    await state.mediator.admit(named(model="auto"))
    # What the failed attempt may have cost is charged, and the rest doesn't buy the next one.
    assert not (await state.mediator.advance(fallback(unbilled=False))).granted
    assert await state.account(ACCOUNT) == (179, WORST_ALPHA, 0, 0)
    await state.mediator.settle(settlement(usage="none", outcome="error"))

    await state.mediator.create_covenant(draft(Policy(budget_usd_micros=WORST_BETA), "cov-0000000b"))
    await state.mediator.admit(named(2, model="auto", covenant_id="cov-0000000b"))
    assert (await state.mediator.advance(fallback(2, unbilled=True))).granted
    assert await state.account("covenant:cov-0000000b") == (120, 0, 120, 0)
    await state.mediator.settle(settlement(2, route=BETA))
    assert await state.account("covenant:cov-0000000b") == (120, 40, 0, 0)


async def test_an_orphan_is_charged_to_its_covenant(state: World) -> None:
    await state.mediator.create_covenant(draft())
    await state.mediator.admit(named())
    assert await state.mediator.sweep(NOW_US, everything=True) == 1
    assert await state.account(ACCOUNT) == (600, WORST_ALPHA, 0, 0)


async def test_a_covenant_whose_budget_is_spent_is_completed(state: World) -> None:
    await state.mediator.create_covenant(draft(Policy(budget_usd_micros=WORST_ALPHA)))
    await state.mediator.admit(named())
    await state.mediator.settle(settlement(usage="unknown"))
    record = await state.mediator.read_covenant("acme", COV, NOW_US)
    assert record is not None
    assert (record["status"], record["budget"]["left_usd_micros"]) == ("completed", 0)
    assert affordable([await state.mediator.admit(named(2))]) == 0


async def test_a_covenant_without_a_budget_bounds_everything_else(state: World) -> None:
    await state.mediator.create_covenant(draft(NO_COVENANT))
    assert (await state.mediator.admit(named())).refusal is None
    record = await state.mediator.read_covenant("acme", COV, NOW_US)
    assert record is not None
    assert (record["budget"], record["status"], record["reserved_usd_micros"]) == (None, "active", WORST_ALPHA)


def test_the_accounts_of_a_decision_tell_its_covenant() -> None:
    for scope in (None, "total", "per_request", "per_hour", "per_day", "per_month", "per_1m_tokens"):
        names = account_names(Policy(budget_usd_micros=1, budget_scope=scope), 5, NOW_US, COV)
        assert covenant_of(list(names)) == COV
        assert covenant_of(list(account_names(Policy(budget_usd_micros=1, budget_scope=scope), 5, NOW_US))) == ""


async def test_what_crosses_to_an_object_comes_back_the_same(state: World) -> None:
    for one in (draft(), draft(Policy(residency=("DE",), flags=("injection",)), "cov-00000001", "cov-00000002")):
        assert draft_from_json(draft_to_json(one)) == one
    assert facts_from_json(to_json(named())) == named()
    await state.mediator.create_covenant(draft())
    for admission in (await state.mediator.admit(named()), await state.mediator.admit(named(2, covenant_id="cov-1"))):
        assert admission_from_json(to_json(admission)) == admission


def to_the_first_format(sql: Sql) -> None:
    """Put the state's rows into tables as the first migration made them; what has no place there is lost."""
    kept = {}
    for table in ("tenant", "account", "decision", "ledger"):
        names = [str(name) for (name,) in sql.execute(f"SELECT name FROM pragma_table_info('{table}')")]
        kept[table] = [dict(zip(names, row, strict=True)) for row in sql.execute(f"SELECT * FROM {table}")]
    objects = sql.execute("SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'table') ORDER BY type DESC")
    for kind, name in objects:
        sql.execute(f"DROP {kind} {name}")
    sql.execute("CREATE TABLE migration (version INTEGER PRIMARY KEY)")
    sql.execute("INSERT INTO migration VALUES (1)")
    for statement in MIGRATIONS[0]:
        sql.execute(statement)
    for table, rows in kept.items():
        names = [str(name) for (name,) in sql.execute(f"SELECT name FROM pragma_table_info('{table}')")]
        for row in rows:
            values = [row[name] for name in names]
            sql.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", *values)


async def test_a_state_of_the_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    async with world(path=str(tmp_path / "harpoon.db")) as state:
        await state.mediator.admit(facts())
        await state.database.transact(to_the_first_format)
        assert await state.database.transact(migrate) == len(MIGRATIONS) - 1
        assert await state.database.transact(migrate) == 0
        await state.mediator.create_covenant(draft())
        await state.mediator.settle(settlement())
        assert (await state.mediator.admit(named(2))).refusal is None
