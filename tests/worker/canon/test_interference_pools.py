"""Model requests of several tenants on one pool: who comes when it is full waits, or goes elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.worker.decision_kit import (
    ALPHA,
    BETA,
    CATALOGUE,
    NOW_US,
    SECOND_US,
    config,
    facts,
    fallback,
    hasher,
    settlement,
    world,
)
from worker.admission import POLICY
from worker.canon.certificate import CertificateError, verify_certificate
from worker.canon.certificate_form import sealed
from worker.canon.codes import NON_INTERFERENCE_VIOLATION
from worker.canon.interference_pools import pool_capacities
from worker.errors import SettingsError
from worker.routing.catalogue import compile_catalogue

TWO = config(pool_capacities={"alpha@solo": 2})
FULL = f"{NON_INTERFERENCE_VIOLATION}:alpha@solo:2:3"


async def test_a_full_pool_with_another_tenants_work_is_not_joined() -> None:
    async with world(TWO) as state:
        for number, tenant in ((1, "acme"), (2, "other")):
            assert (await state.mediator.admit(facts(number, tenant=tenant))).routes == (ALPHA, BETA)
        third = await state.mediator.admit(facts(3))
        assert third.routes == (BETA,)
        found = await state.mediator.read("acme", f"dec_{3:032x}")
        assert found is not None
        assert found["decision"]["full_pools"] == {"alpha@solo": 2}
        assert found["decision"]["candidates"][0].endswith(f"- {FULL}")
        said = await state.mediator.certificate("acme", f"dec_{3:032x}")
        assert said is not None
        verify_certificate(said["certificate"], hasher())
        await state.mediator.settle(settlement(2, tenant="other"))
        assert (await state.mediator.admit(facts(4))).routes == (ALPHA, BETA)


async def test_a_tenant_may_crowd_itself_and_nothing_counts_for_ever() -> None:
    async with world(TWO) as state:
        for number in range(1, 5):
            assert (await state.mediator.admit(facts(number))).routes[0] == ALPHA
        assert (await state.mediator.admit(facts(9, tenant="other"))).routes == (BETA,)
        later = facts(10, tenant="other", at_us=NOW_US + 60 * SECOND_US)
        assert (await state.mediator.admit(later)).routes == (ALPHA, BETA)


async def test_where_every_pool_is_full_the_request_is_denied() -> None:
    async with world(config(pool_capacities={"alpha@solo": 1, "beta@solo": 1})) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.admit(facts(2, tenant="third"))
        denied = await state.mediator.admit(facts(3, tenant="other"))
        assert denied.refusal is not None
        assert denied.refusal.kind == POLICY
        assert [reason.split(":")[0] for reason in denied.refusal.reasons] == [NON_INTERFERENCE_VIOLATION] * 2
        assert (await state.kinds("other")) == ["DENY"]
        explained = await state.mediator.explain(facts(4, tenant="other"))
        assert explained["decision"]["full_pools"] == {"alpha@solo": 1, "beta@solo": 1}


async def test_a_fallback_into_a_full_pool_is_not_granted() -> None:
    async with world(config(pool_capacities={"beta@solo": 1})) as state:
        assert (await state.mediator.admit(facts(1))).routes == (ALPHA, BETA)
        await state.mediator.admit(facts(2, tenant="other", model="beta/m"))
        assert not (await state.mediator.advance(fallback(1))).granted


async def test_a_request_is_not_in_its_own_way_when_it_tries_again() -> None:
    """Two open requests fill the pool, and one of them is this one: another attempt makes nobody slower."""
    async with world(TWO) as state:
        assert (await state.mediator.admit(facts(1))).routes[0] == ALPHA
        await state.mediator.admit(facts(2, tenant="other"))
        assert (await state.mediator.advance(fallback(1, route=ALPHA))).granted
        # A third, which was let in when there was room still for all, is in the way of the second.
        third = await state.mediator.admit(facts(3, tenant="third"))
        assert third.routes == (BETA,)
        assert not (await state.mediator.advance(fallback(3, tenant="third", route=ALPHA))).granted


async def test_without_the_setting_nothing_is_looked_at() -> None:
    async with world() as state:
        for number in range(1, 9):
            assert (await state.mediator.admit(facts(number, tenant=f"t{number % 2}"))).routes[0] == ALPHA
        found = await state.mediator.read("t1", f"dec_{7:032x}")
        assert found is not None
        assert "full_pools" not in found["decision"]


async def test_two_processes_never_overfill_a_pool(tmp_path: Path) -> None:
    path = str(tmp_path / "harpoon.db")
    async with world(TWO, path) as one, world(TWO, path) as two:
        mediators = [one.mediator, two.mediator]
        admitted = await asyncio.gather(*(mediators[n % 2].admit(facts(n, tenant=f"t{n}")) for n in range(1, 13)))
        assert [found.routes[0] for found in admitted].count(ALPHA) == 2


async def test_a_certificate_whose_full_pools_are_changed_is_refused() -> None:
    async with world(TWO) as state:
        for number, tenant in ((1, "acme"), (2, "other"), (3, "acme")):
            await state.mediator.admit(facts(number, tenant=tenant))
        said = await state.mediator.certificate("acme", f"dec_{3:032x}")
        assert said is not None
        sound = {name: value for name, value in said["certificate"].items() if name != "digest"}
        for pools in ({}, {"alpha@solo": 3}, {"alpha@solo": True}, {"beta@solo": 2}, {"alpha@solo": 2, "beta@solo": 2}):
            record = {**sound["decision"], "full_pools": pools}
            with pytest.raises(CertificateError):
                verify_certificate(sealed({**sound, "decision": record}, hasher()), hasher())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", {}), (" alpha@solo=2 , beta@solo=10,", {"alpha@solo": 2, "beta@solo": 10})],
)
def test_capacities_are_read(text: str, expected: dict[str, int]) -> None:
    assert dict(pool_capacities(text, compile_catalogue(CATALOGUE))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "alpha@solo",
        "alpha@solo=0",
        "alpha@solo=-1",
        "alpha@solo=x",
        "gamma@solo=1",
        "alpha=1",
        "alpha@solo=1,alpha@solo=1",
        "alpha@solo=1000001",
        "alpha@solo=\u0661",
    ],
)
def test_a_capacity_of_nothing_that_is_there_ends_the_start(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pool_capacities(text, compile_catalogue(CATALOGUE))
    assert caught.value.param == "HARPOON_POOL_CAPACITY"
