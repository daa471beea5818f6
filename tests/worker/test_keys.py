"""Stored keys: accepted by their hash inside admission, ended by time or by order, and bound by their terms."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

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
from worker.admission import BUDGET, LIMITED, POLICY, UNKNOWN_KEY, Admission, facts_from_json, to_json
from worker.tenants.administration import (
    ACTS,
    KEY_REVOKED,
    NO_KEY,
    NO_TENANT,
    TENANT_EXISTS,
    Order,
    order_from_json,
    order_to_json,
)
from worker.tenants.standing import EXPIRED, REVOKED, UNKNOWN

KEY, OTHER = "key_" + "0" * 24, "key_" + "1" * 24
TOKEN, NEXT = f"hk_acme_{KEY}_{'a' * 64}", f"hk_acme_{KEY}_{'b' * 64}"
DAY_US = 86_400 * SECOND_US


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture
async def state() -> AsyncIterator[World]:
    async with world() as found:
        await order(found, "create_tenant")
        yield found


async def order(state: World, act: str, at_us: int = NOW_US, tenant: str = "acme", **given: Any) -> dict[str, Any]:
    said = await state.mediator.administer(Order(tenant, act, at_us, given))
    assert json.loads(json.dumps(said)) == said
    return said


async def create(state: World, key_id: str = KEY, token: str = TOKEN, **given: Any) -> dict[str, Any]:
    members = {"key_id": key_id, "digest": digest(token), "name": "ci", "expires_us": None, **given}
    found: dict[str, Any] = (await order(state, "create_key", **members))["found"]
    return found


def with_key(number: int = 1, token: str = TOKEN, key_id: str = KEY, **changes: Any) -> Any:
    return facts(number, key_id=key_id, key_digest=digest(token), **changes)


async def admit(state: World, number: int = 1, **changes: Any) -> Admission:
    return await state.mediator.admit(with_key(number, **changes))


def why(admission: Admission) -> str:
    """Why the key was not accepted, "" if it was."""
    if admission.refusal is None:
        return ""
    assert admission.refusal.kind == UNKNOWN_KEY
    return admission.refusal.reasons[0]


async def test_a_key_is_accepted_by_its_token_alone(state: World) -> None:
    await create(state)
    assert why(await admit(state)) == ""
    assert why(await admit(state, 2, token=NEXT)) == UNKNOWN
    assert why(await admit(state, 3, key_id=OTHER)) == UNKNOWN
    # Another tenant's key of the same id and token is another key.
    assert why(await admit(state, 4, tenant="other")) == UNKNOWN
    rows = await state.rows("SELECT key_id, state FROM decision")
    assert rows == [(KEY, "open")]


async def test_facts_of_a_key_survive_the_edge() -> None:
    assert facts_from_json(to_json(with_key())) == with_key()
    made = Order("acme", "rotate_key", NOW_US, {"key_id": KEY, "digest": digest(NEXT), "overlap_us": 5})
    assert order_from_json(order_to_json(made)) == made


async def test_whom_nobody_knows_leaves_nothing_behind(state: World) -> None:
    before = await everything(state)
    for number in range(50):
        admission = await admit(state, number, tenant=f"unknown-{number}")
        assert why(admission) == UNKNOWN
        assert await state.mediator.authorise(f"unknown-{number}", KEY, digest(TOKEN), NOW_US) == UNKNOWN
        for act in ACTS:
            assert await order(state, act, tenant=f"unknown-{number}", key_id=KEY) == {"problem": NO_TENANT}
    assert await everything(state) == before


async def everything(state: World) -> dict[str, Any]:
    tables = ("tenant", "account", "decision", "ledger", "api_key", "bucket", "usage")
    return {table: await state.rows(f"SELECT * FROM {table}") for table in tables}


async def test_a_key_ends_at_its_time_and_whoever_has_the_token_is_told(state: World) -> None:
    await create(state, expires_us=NOW_US + 10)
    assert why(await admit(state, at_us=NOW_US + 9)) == ""
    assert why(await admit(state, 2, at_us=NOW_US + 10)) == EXPIRED
    assert why(await admit(state, 3, token=NEXT, at_us=NOW_US + 10)) == UNKNOWN
    await order(state, "update_key", key_id=KEY, expires_us=None)
    assert why(await admit(state, 4, at_us=NOW_US + 10)) == ""


async def test_a_rotated_key_has_two_tokens_until_the_overlap_ends(state: World) -> None:
    await create(state)
    await order(state, "rotate_key", key_id=KEY, digest=digest(NEXT), overlap_us=10)
    assert why(await admit(state, 1)) == ""
    assert why(await admit(state, 2, token=NEXT)) == ""
    assert why(await admit(state, 3, at_us=NOW_US + 10)) == EXPIRED
    assert why(await admit(state, 4, token=NEXT, at_us=NOW_US + 10)) == ""


async def test_rotated_without_overlap_the_old_token_ends_at_once(state: World) -> None:
    await create(state)
    await order(state, "rotate_key", key_id=KEY, digest=digest(NEXT), overlap_us=0)
    assert why(await admit(state)) == EXPIRED
    # A second rotation forgets the first token for good.
    await order(state, "rotate_key", key_id=KEY, digest=digest("third"), overlap_us=10)
    assert (why(await admit(state, 2)), why(await admit(state, 3, token=NEXT))) == (UNKNOWN, "")


async def test_a_revoked_key_is_refused_at_once_and_for_ever(state: World) -> None:
    await create(state)
    assert why(await admit(state)) == ""
    assert (await order(state, "revoke_key", at_us=NOW_US + 5, key_id=KEY))["found"]["revoked_us"] == NOW_US + 5
    assert why(await admit(state, 2)) == REVOKED
    assert await state.mediator.authorise("acme", KEY, digest(TOKEN), NOW_US) == REVOKED
    for act, given in (
        ("rotate_key", {"digest": digest(NEXT), "overlap_us": 1}),
        ("update_key", {}),
        ("revoke_key", {}),
    ):
        assert await order(state, act, key_id=KEY, **given) == {"problem": KEY_REVOKED}
    # What was admitted before runs to its end, and is charged.
    assert (await state.mediator.advance(fallback())).granted
    await state.mediator.settle(settlement(route=BETA))
    assert (await order(state, "read_usage", key_id=KEY, first_day=0, last_day=10**6))["found"]["days"][0][
        "requests"
    ] == 1


async def test_hashes_are_compared_in_constant_time(state: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(state)
    await order(state, "rotate_key", key_id=KEY, digest=digest(NEXT), overlap_us=10)
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def watched(stored: str, given: str) -> bool:
        compared.append((stored, given))
        return real(stored, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for number, token in enumerate((TOKEN, NEXT, "none")):
        await admit(state, number, token=token)
        assert compared == [(digest(NEXT), digest(token)), (digest(TOKEN), digest(token))]
        compared.clear()


async def test_the_limits_of_a_key_are_its_own_and_the_tenants_hold_too(state: World) -> None:
    await order(state, "update_tenant", limits={"requests_per_minute": 3})
    await create(state, limits={"requests_per_minute": 2})
    await create(state, OTHER, NEXT, name="batch")

    async def ask(count: int, first: int, token: str, key_id: str) -> list[Admission]:
        numbers = range(first, first + count)
        return await asyncio.gather(*(admit(state, number, token=token, key_id=key_id) for number in numbers))

    refused = [one.refusal for one in await ask(8, 0, TOKEN, KEY) if one.refusal is not None]
    assert (len(refused), refused[0]) == (6, (LIMITED, ("requests_per_minute of key ci: 2",)))
    refused = [one.refusal for one in await ask(8, 100, NEXT, OTHER) if one.refusal is not None]
    assert (len(refused), refused[0]) == (7, (LIMITED, ("requests_per_minute of tenant acme: 3",)))
    # A token of the host's has no key, and the tenant's limit.
    admission = await state.mediator.admit(facts(200))
    assert admission.refusal == (LIMITED, ("requests_per_minute of tenant acme: 3",))


async def test_the_headers_tell_of_the_tightest_limit(state: World) -> None:
    await order(state, "update_tenant", limits={"requests_per_minute": 30})
    await create(state, limits={"requests_per_minute": 20})
    (rate,) = (await admit(state)).rates
    assert rate == ("requests_per_minute", 20, 19, 3 * SECOND_US)


async def test_requests_at_a_time_are_counted_for_each_key(state: World) -> None:
    await create(state, limits={"concurrent_requests": 1})
    await create(state, OTHER, NEXT, limits={"concurrent_requests": 1})
    assert (await admit(state)).refusal is None
    assert (await admit(state, 2, token=NEXT, key_id=OTHER)).refusal is None
    assert (await admit(state, 3)).refusal == (LIMITED, ("concurrent_requests of key ci: 1",))
    await state.mediator.settle(settlement(1))
    assert (await admit(state, 4)).refusal is None


async def test_tokens_of_a_key_are_put_right_in_both_buckets(state: World) -> None:
    await order(state, "update_tenant", limits={"tokens_per_minute": 1_000})
    await create(state, limits={"tokens_per_minute": 100})
    await admit(state)
    await state.mediator.settle(settlement(1, at_us=NOW_US, input_tokens=3, output_tokens=2))
    rows = await state.rows("SELECT subject, level / 60000000 FROM bucket ORDER BY subject")
    assert rows == [("", 5), (KEY, 5)]


@pytest.mark.parametrize(
    ("limit", "account"),
    [
        ("total_usd_micros", "key"),
        ("hour_usd_micros", "key_hour"),
        ("day_usd_micros", "key_day"),
        ("month_usd_micros", "key_month"),
        ("user_day_usd_micros", "key_user_day"),
        ("request_usd_micros", "key_request"),
    ],
)
async def test_a_keys_budget_refuses_by_its_name(state: World, limit: str, account: str) -> None:
    enough = WORST_ALPHA if limit == "request_usd_micros" else 2 * WORST_ALPHA
    await create(state, limits={limit: enough})
    admissions = [await admit(state, number, model="alpha/m") for number in range(3)]
    if limit == "request_usd_micros":
        assert [one.refusal for one in admissions] == [None] * 3
        admissions[2] = await admit(state, 3, model="beta/m")
    refusal = admissions[2].refusal
    assert refusal is not None
    assert refusal.kind == BUDGET
    assert refusal.reasons[0].startswith(f"COST_BOUND_EXCEEDED: {account} (")


async def test_a_budget_set_later_counts_what_the_key_spent_before(state: World) -> None:
    await create(state)
    await admit(state)
    await state.mediator.settle(settlement(1))
    await order(state, "update_key", key_id=KEY, limits={"total_usd_micros": 20 + WORST_ALPHA - 1})
    refusal = (await admit(state, 2, model="alpha/m")).refusal
    assert refusal is not None
    assert refusal.reasons[0].startswith("COST_BOUND_EXCEEDED: key (")


async def test_what_a_key_may_not_use_is_denied_by_authority_and_recorded(state: World) -> None:
    await create(state, providers=["beta"])
    admission = await admit(state)
    assert admission.routes == (BETA,)
    record = await state.mediator.read("acme", admission.decision_id)
    assert record is not None
    assert record["decision"]["authority"] == [["beta"], None]
    assert "AUTHORITY_BOUNDARY_FAIL:alpha:0:0" in record["decision"]["candidates"][0]
    await order(state, "update_key", key_id=KEY, providers=None, models=[])
    refusal = (await admit(state, 2)).refusal
    assert refusal is not None
    assert (refusal.kind, refusal.reasons[0]) == (POLICY, "AUTHORITY_BOUNDARY_FAIL: m [2 of 2]")


async def test_a_key_may_use_what_its_tenant_may_and_a_fallback_no_more(state: World) -> None:
    await order(state, "update_tenant", providers=["alpha"])
    await create(state, providers=["alpha", "beta"])
    assert (await admit(state)).routes == (ALPHA,)
    assert not (await state.mediator.advance(fallback())).granted
    explained = await state.mediator.explain(with_key(2))
    assert explained["selected"] == ALPHA


async def test_nothing_of_authority_is_recorded_where_everything_is_allowed(state: World) -> None:
    await create(state)
    with_one, without = await admit(state), await state.mediator.admit(facts(2))
    for admission in (with_one, without):
        record = await state.mediator.read("acme", admission.decision_id)
        assert record is not None
        assert "authority" not in record["decision"]


async def test_usage_is_counted_once_and_corrected(state: World) -> None:
    await create(state)
    for number in range(3):
        await admit(state, number)
    await state.mediator.settle(settlement(0))
    await state.mediator.settle(settlement(0))
    await state.mediator.settle(settlement(1, usage="unknown", input_tokens=0, output_tokens=0))
    (day,) = await usage(state)
    assert (day["requests"], day["input_tokens"], day["output_tokens"]) == (2, 10, 5)
    assert day["cost_usd_micros"] == 20 + WORST_ALPHA
    await state.mediator.settle(settlement(1))
    assert await state.mediator.sweep(NOW_US + DAY_US) == 1
    today, first = await usage(state)
    assert (first["requests"], first["cost_usd_micros"]) == (2, 40)
    assert (today["requests"], today["cost_usd_micros"]) == (1, WORST_ALPHA)
    spent = (await order(state, "read_key", key_id=KEY))["found"]
    assert (spent["spent_usd_micros"], spent["reserved_usd_micros"]) == (40 + WORST_ALPHA, 0)


async def usage(state: World, key_id: str | None = KEY) -> list[dict[str, Any]]:
    said = await order(state, "read_usage", key_id=key_id, first_day=0, last_day=10**6)
    days: list[dict[str, Any]] = said["found"]["days"]
    return days


async def test_what_was_refused_is_counted_too(state: World) -> None:
    await create(state, limits={"requests_per_minute": 2, "total_usd_micros": WORST_ALPHA})
    for number in range(4):
        await admit(state, number, model="alpha/m")
    assert [day["refused"] for day in await usage(state)] == [3]
    assert await usage(state, None) == await usage(state)


async def test_every_act_is_an_entry_without_a_secret(state: World) -> None:
    await create(state, name="ci of Ada", limits={"requests_per_minute": 41})
    await order(state, "rotate_key", key_id=KEY, digest=digest(NEXT), overlap_us=5)
    await order(state, "update_key", key_id=KEY, name="of nobody")
    await order(state, "revoke_key", key_id=KEY)
    await order(state, "update_tenant", providers=["alpha"])
    entries = await state.entries()
    acts = [entry["payload"]["act"] for entry in entries[4:]]
    assert acts == ["create_tenant", "create_key", "rotate_key", "update_key", "revoke_key", "update_tenant"]
    assert {entry["kind"] for entry in entries} == {"STRUCTURE_UPDATE"}
    text = json.dumps(entries)
    assert [word for word in (digest(TOKEN), digest(NEXT), "Ada", "nobody", "per_minute", TOKEN) if word in text] == []
    hashes = [entry["payload"]["hash"] for entry in entries[5:9]]
    assert len(set(hashes)) == 4
    # Reading is no act.
    await order(state, "read_key", key_id=KEY)
    assert len(await state.entries()) == len(entries)


async def test_acts_on_what_is_not_there_say_so(state: World) -> None:
    assert await order(state, "create_tenant") == {"problem": TENANT_EXISTS}
    for act in ("read_key", "update_key", "rotate_key", "revoke_key", "read_usage"):
        assert await order(state, act, key_id=KEY) == {"problem": NO_KEY}


async def test_a_tenant_is_made_where_requests_made_it_already(state: World) -> None:
    await state.mediator.admit(facts(tenant="early"))
    assert await order(state, "create_tenant", tenant="early") == {"problem": TENANT_EXISTS}
    found = (await order(state, "update_tenant", tenant="early", limits={"requests_per_minute": 1}))["found"]
    assert found["limits_in_force"] == {"requests_per_minute": 1}
    listed = (await order(state, "list_tenants", after="", limit=10))["found"]
    assert [one["tenant"] for one in listed] == ["acme", "early"]


async def test_keys_are_listed_newest_first_page_by_page(state: World) -> None:
    for number in range(5):
        await create(state, f"key_{number:024x}")
    pages, before = [], None
    while True:
        found = (await order(state, "list_keys", limit=2, before=before))["found"]
        if not found:
            break
        pages.append([one["key_id"][-1] for one in found])
        before = found[-1]["key_id"]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]


async def test_lifting_a_limit_brings_the_settings_back() -> None:
    from worker.tenants.limits import LimitSet

    async with world(config(default_limits=LimitSet(requests_per_minute=5), default_cap=7)) as state:
        found = (await order(state, "create_tenant", limits={"requests_per_minute": 9, "total_usd_micros": 8}))["found"]
        assert found["limits_in_force"] == {"requests_per_minute": 9, "total_usd_micros": 8}
        patch = {"requests_per_minute": None, "total_usd_micros": None}
        found = (await order(state, "update_tenant", limits=patch))["found"]
        assert found["limits_in_force"] == {"requests_per_minute": 5, "total_usd_micros": 7}
        assert found["terms"] == {"limits": {}}
