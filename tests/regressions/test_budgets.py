"""Budgets that leak, or refuse without a word: what users of other gateways are hurt by (spec: regression list, 1)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from tests.worker.api.application_kit import Application, application, ask
from tests.worker.decision_kit import BETA, WORST_ALPHA, WORST_BETA, config, facts, fallback, world
from worker.admission import BUDGET, Admission
from worker.tenants.limits import LimitSet

#: What the usual question holds on the simulator's route, and ten times that.
ROUTE = "simulator/llama-3.1-8b-instruct"


async def chat(harpoon: Application, user: str = "", **fields: Any) -> httpx.Response:
    headers = {"x-user-id": user} if user else {}
    return await harpoon.client.post("/chat/completions", json=ask(**{"max_tokens": 100, **fields}), headers=headers)


async def worst_usd_micros(harpoon: Application) -> int:
    """What the usual request holds."""
    answer = await harpoon.client.post("http://localhost/v2/route", json=ask(max_tokens=100, model=ROUTE))
    found = answer.json()
    (worst,) = {one["worst_case_usd_micros"] for one in found["candidates"] if one["route"] == found["selected"]}
    return int(worst)


def blocked_by(text: str) -> set[str]:
    """The budgets that a refusal names."""
    return set(re.findall("COST_BOUND_EXCEEDED: ([a-z_]+)", text))


def usd(micros: int) -> str:
    return f"{micros // 10**6}.{micros % 10**6:06d}"


@pytest.mark.parametrize("setting", ["HARPOON_BUDGET_USD", "HARPOON_LIMIT_USD_PER_DAY", "HARPOON_LIMIT_USD_PER_HOUR"])
async def test_concurrent_requests_do_not_bypass_a_budget(setting: str) -> None:
    async with application() as plain:
        worst = await worst_usd_micros(plain)
    async with application(**{setting: usd(10 * worst)}) as harpoon:
        answers = await asyncio.gather(*(chat(harpoon, model=ROUTE) for _ in range(64)))
        await harpoon.none_open()
        spent, reserved, overrun = await harpoon.money()
    served = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} == {200, 402}
    # Those that ended made room for others, but what was spent never came near the budget.
    assert len(served) >= 10
    assert (reserved, overrun) == (0, 0)
    accounts = 1 if setting == "HARPOON_BUDGET_USD" else 2
    assert spent <= accounts * 10 * worst


async def test_concurrent_requests_do_not_bypass_a_budget_while_none_has_ended() -> None:
    async with world(config(default_limits=LimitSet(day_usd_micros=10 * WORST_ALPHA))) as state:
        asked = (state.mediator.admit(facts(number, model="alpha/m")) for number in range(64))
        assert admitted(await asyncio.gather(*asked)) == 10


def admitted(admissions: list[Admission]) -> int:
    """How many; every other one was refused for money."""
    refusals = [one.refusal for one in admissions if one.refusal is not None]
    assert all(refusal.kind == BUDGET for refusal in refusals)
    return len(admissions) - len(refusals)


async def test_the_first_concurrent_requests_of_an_unknown_user_are_within_the_users_budget() -> None:
    async with world(config(default_limits=LimitSet(user_day_usd_micros=3 * WORST_ALPHA))) as state:
        for first, user in ((0, "ada"), (100, "bob"), (200, "")):
            asked = [
                state.mediator.admit(facts(number, model="alpha/m", user_id=user))
                for number in range(first, first + 32)
            ]
            assert admitted(await asyncio.gather(*asked)) == 3
        rows = await state.rows("SELECT account FROM account WHERE account LIKE 'tenant_user_day:%'")
        assert len(rows) == 3
        # The user is a hash there: the name stays where it can be erased.
        assert "ada" not in str(rows)


async def test_the_first_concurrent_requests_of_an_unknown_tenant_are_within_its_budget() -> None:
    async with world(config(default_cap=5 * WORST_ALPHA)) as state:
        asked = (state.mediator.admit(facts(number, model="alpha/m", tenant="new")) for number in range(64))
        assert admitted(await asyncio.gather(*asked)) == 5


async def test_end_users_budgets_are_enforced_and_named() -> None:
    async with application(HARPOON_LIMIT_USD_PER_USER_PER_DAY="0.0001") as harpoon:
        costs = []
        while (answer := await chat(harpoon, "ada", model=ROUTE)).status_code == 200:
            costs.append(answer.headers["x-harpoon-cost-usd"])
            await harpoon.none_open()
        assert costs
        assert answer.status_code == 402
        assert blocked_by(answer.json()["error"]["message"]) == {"tenant_user_day"}
        # Another user is another budget, and leaving the name out is no way around.
        assert (await chat(harpoon, "bob", model=ROUTE)).status_code == 200
        while (nameless := await chat(harpoon, model=ROUTE)).status_code == 200:
            await harpoon.none_open()
        assert nameless.status_code == 402


async def test_a_fallback_hop_to_a_dearer_model_is_checked_anew() -> None:
    for name in ("day_usd_micros", "request_usd_micros", "user_day_usd_micros"):
        async with world(config(default_limits=LimitSet(**{name: WORST_BETA - 1}))) as state:
            assert (await state.mediator.admit(facts())).refusal is None
            assert not (await state.mediator.advance(fallback(route=BETA))).granted, name
        async with world(config(default_limits=LimitSet(**{name: WORST_BETA}))) as state:
            assert (await state.mediator.admit(facts())).refusal is None
            assert (await state.mediator.advance(fallback(route=BETA))).granted, name


async def test_nothing_is_blocked_where_no_budget_is_set() -> None:
    async with application() as harpoon:
        answers = await asyncio.gather(*(chat(harpoon, f"user-{number}") for number in range(64)))
        await harpoon.none_open()
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    ("settings", "body", "name"),
    [
        ({"HARPOON_BUDGET_USD": "0"}, {}, "tenant"),
        ({"HARPOON_LIMIT_USD_PER_REQUEST": "0"}, {}, "tenant_request"),
        ({"HARPOON_LIMIT_USD_PER_HOUR": "0"}, {}, "tenant_hour"),
        ({"HARPOON_LIMIT_USD_PER_DAY": "0"}, {}, "tenant_day"),
        ({"HARPOON_LIMIT_USD_PER_MONTH": "0"}, {}, "tenant_month"),
        ({"HARPOON_LIMIT_USD_PER_USER_PER_DAY": "0"}, {}, "tenant_user_day"),
        ({}, {"covenant": {"budget_usd": 0}}, "request"),
    ],
)
async def test_the_budget_that_blocked_is_named(settings: dict[str, str], body: dict[str, Any], name: str) -> None:
    async with application(**settings) as harpoon:
        answer = await chat(harpoon, **body)
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert blocked_by(error["message"]) == {name}
    assert blocked_by(" ".join(error["reasons"])) == {name}
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("limit", "name"),
    [("usd_total", "key"), ("usd_per_request", "key_request"), ("usd_per_day", "key_day"), ("covenant", "covenant")],
)
async def test_the_budget_of_a_stored_covenant_or_key_that_blocked_is_named(limit: str, name: str) -> None:
    admin, host = "hk_admin_" + "s3cret" * 5, "hk_acme_of-the-host"
    async with application(HARPOON_ADMIN_TOKEN=admin, HARPOON_TOKENS=host) as harpoon:
        limits = {} if limit == "covenant" else {limit: "0.000001"}

        async def post(path: str, token: str, **body: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {token}"}
            return await harpoon.client.post(f"http://localhost{path}", json=body, headers=headers)

        await post("/admin/tenants", admin, tenant="acme")
        made = (await post("/admin/tenants/acme/keys", admin, name="ci", limits=limits)).json()
        stored = (await post("/v2/covenant", host, covenant="at most $0.000001")).json()
        under = {"covenant_id": stored["covenant_id"]} if limit == "covenant" else {}
        answer = await post("/v1/chat/completions", made["token"], **ask(max_tokens=100, model=ROUTE, **under))
    assert answer.status_code == 402
    assert blocked_by(answer.json()["error"]["message"]) == {name}
