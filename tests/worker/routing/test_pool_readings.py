"""What pools tell of themselves: read from a header, kept for a while, decided with, recorded, and proven."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.adapters.host import PureHasher
from tests.worker.decision_kit import (
    CATALOGUE,
    NOW_US,
    SECOND_US,
    World,
    config,
    facts,
    fallback,
    hasher,
    settlement,
    world,
)
from tests.worker.routing.readings_proof import prove
from worker.admission import Attempt, settlement_from_json, to_json
from worker.admitting import MediatorConfig
from worker.canon.certificate import CertificateError, verify_certificate
from worker.canon.certificate_form import digest_of, sealed
from worker.covenant.policy import Policy
from worker.mediator import Mediator
from worker.routing.candidates import Observation
from worker.routing.catalogue import Pool, PoolConfiguration
from worker.routing.pool_readings import (
    READING_LIVES_US,
    Learnt,
    cells_of,
    read_learnt,
    with_readings,
)
from worker.routing.pool_waits import MILLION, SPATIAL, TEMPORAL, PoolReading

#: Alpha's model on a card that four share, and on one of its own; beta's on one of its own.
SHARED, ALONE, BETA = "alpha/m@four", "alpha/m@solo", "beta/m@solo"
POOLS = (CATALOGUE.pools[0], Pool("four", 4, 1_500_000, 50_000, 250_000, 10_000, private=False))
FOUR = replace(
    CATALOGUE,
    providers=(CATALOGUE.providers[0], replace(CATALOGUE.providers[1], tier_factor_ppm=(1_000_000,) * 3)),
    offers=(replace(CATALOGUE.offers[0], pools=("four", "solo")), CATALOGUE.offers[1]),
    pools=POOLS,
    weights={
        name: replace(weights, cost_us_per_usd_micro=10_000, pools={"four": PoolConfiguration("temporal", "test", 25)})
        for name, weights in CATALOGUE.weights.items()
    },
)
SETTINGS = config(FOUR)
BUSY = PoolReading(TEMPORAL, 30 * SECOND_US, 1_500_000, 30 * SECOND_US, 3, 900_000)
IDLE = PoolReading(TEMPORAL, 30 * SECOND_US, 1_500_000, 30 * SECOND_US, 3, 0)


def told(number: int, reading: PoolReading | None, **changes: Any) -> Any:
    """How a request that the shared card answered is settled."""
    usual: dict[str, Any] = {
        "route": SHARED,
        "attempts": (Attempt(SHARED, "ok", 200, 115_000),),
        "elapsed_us": 115_000,
        "first_byte_us": 115_000,
        "output_tokens": 10,
        "pool": reading,
    }
    return settlement(number, **{**usual, **changes})


async def learnt(state: World, now_us: int = NOW_US + SECOND_US) -> Learnt:
    return await state.database.transact(lambda sql: read_learnt(sql, "acme", now_us))


async def test_a_busy_pool_is_left_while_its_reading_counts_and_joined_again_after() -> None:
    async with world(SETTINGS) as state:
        # Nothing is known: the catalogue's figures say that the shared card is cheap and nearly as fast.
        assert (await state.mediator.admit(facts(1))).routes[0] == SHARED
        await state.mediator.settle(told(1, BUSY))
        found = await learnt(state)
        assert found.readings == {"alpha@four": BUSY}
        admission = await state.mediator.admit(facts(2, at_us=NOW_US + 2 * SECOND_US))
        assert admission.routes[0] == ALONE
        record = await state.mediator.read("acme", f"dec_{2:032x}")
        assert record is not None
        assert record["decision"]["pools"] == {SHARED: "temporal 30000000 1500000 30000000 3 900000"}
        last = NOW_US + SECOND_US + READING_LIVES_US
        assert (await learnt(state, last)).readings
        assert not (await learnt(state, last + 1)).readings
        assert (await state.mediator.admit(facts(3, at_us=last + 1))).routes[0] == SHARED
        later = await state.mediator.read("acme", f"dec_{3:032x}")
        assert later is not None
        assert "pools" not in later["decision"]


async def test_an_idle_pool_is_as_fast_as_a_card_of_one_s_own() -> None:
    async with world(SETTINGS) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(told(1, IDLE))
        explained = await state.mediator.explain(facts(2, at_us=NOW_US + 2 * SECOND_US))
        shared, alone, _ = [row.split(" ") for row in explained["decision"]["candidates"]]
        assert (shared[0], alone[0]) == (SHARED, ALONE)
        # 100,000 us to the first token and ten of 1,000; the answer took 5,000 longer, of which the average took 1/8.
        assert (shared[1], alone[1]) == ("110624", "110000")


async def test_only_turns_that_may_break_a_deadline_are_told_of() -> None:
    slow = BUSY._replace(turn_us=SECOND_US, busy_ppm=100_000)
    async with world(SETTINGS) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(told(1, slow))
        at_us = NOW_US + 2 * SECOND_US
        asked = facts(2, at_us=at_us, policy=Policy(deadline_us=60 * SECOND_US))
        explained = await state.mediator.explain(asked)
        wait = explained["waits"][0]
        assert wait["worst_us"] == 3 * 31_500_000 + 1_500_000
        assert wait["expected_us"] < 3 * SECOND_US
        assert wait["may_be_late"]  # and it is not denied for that
        assert explained["decision"]["candidates"][0].endswith(" -")
        assert explained["waits"][1] is None
        patient = await state.mediator.explain(asked._replace(policy=Policy(deadline_us=100 * SECOND_US)))
        assert not patient["waits"][0]["may_be_late"]
        hurried = await state.mediator.explain(asked._replace(policy=Policy(deadline_us=SECOND_US)))
        assert "POLICY_DEADLINE" in hurried["decision"]["candidates"][0]


async def test_waits_are_counted_once_however_long_the_pool_is_busy() -> None:
    """Answers that take what is predicted move no prediction, though each takes many times the catalogue's plan."""
    steady = BUSY._replace(busy_ppm=MILLION, quantum_us=SECOND_US, turn_us=SECOND_US, switch_us=0, neighbours=1)
    async with world(SETTINGS) as state:
        for number in range(1, 30):
            await state.mediator.admit(facts(number))
            answered = Attempt(SHARED, "ok", 200, 110_000 + 500_000)
            await state.mediator.settle(told(number, steady, attempts=(answered,)))
        found = await learnt(state)
        assert found.live[SHARED] == (29, MILLION)
        assert found.observed[SHARED].ratio_ppm > 3 * MILLION  # over the catalogue's plan, for when nothing is told
        explained = await state.mediator.explain(facts(40, at_us=NOW_US + SECOND_US))
        assert explained["decision"]["candidates"][0].split(" ")[1] == "610000"


async def test_a_wrong_prediction_is_corrected_an_eighth_at_a_time() -> None:
    async with world(SETTINGS) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(told(1, IDLE, attempts=(Attempt(SHARED, "ok", 200, 220_000),)))
        assert (await learnt(state)).live[SHARED] == (1, 1_125_000)
        await state.mediator.admit(facts(2))
        await state.mediator.settle(told(2, IDLE, attempts=(Attempt(SHARED, "ok", 200, 220_000),)))
        assert (await learnt(state)).live[SHARED] == (2, 1_234_375)


async def test_what_cannot_be_learnt_from_teaches_nothing() -> None:
    async with world(SETTINGS) as state:
        for number, changes in enumerate(
            (
                {"pool": None},
                {"route": ALONE, "attempts": (Attempt(ALONE, "ok", 200, 1),)},  # nobody shares that card
                {"outcome": "user_terminated"},  # told of its pool, but not of its own time
            ),
            start=1,
        ):
            await state.mediator.admit(facts(number))
            await state.mediator.settle(told(number, BUSY)._replace(**changes))
            assert bool((await learnt(state)).readings) == (number == 3)
        assert not (await learnt(state)).live


async def test_an_earlier_reading_does_not_replace_a_later_one() -> None:
    async with world(SETTINGS) as state:
        for number, reading, at_us in ((1, BUSY, NOW_US + 9 * SECOND_US), (2, IDLE, NOW_US + 3 * SECOND_US)):
            await state.mediator.admit(facts(number))
            await state.mediator.settle(told(number, reading, at_us=at_us))
        assert (await learnt(state, NOW_US + 9 * SECOND_US)).readings["alpha@four"] == BUSY
        # A stream's reading is as old as its beginning.
        await state.mediator.admit(facts(3))
        await state.mediator.settle(told(3, IDLE, at_us=NOW_US + 20 * SECOND_US, elapsed_us=19 * SECOND_US))
        assert (await learnt(state, NOW_US + 9 * SECOND_US)).readings["alpha@four"] == BUSY


async def test_with_the_catalogue_s_figures_alone_readings_count_for_nothing() -> None:
    async with world(replace(SETTINGS, frozen_estimates=True)) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(told(1, BUSY))
        assert not (await learnt(state)).readings
        assert (await state.mediator.admit(facts(2))).routes[0] == SHARED


async def test_another_tenant_s_pool_is_not_this_one_s() -> None:
    async with world(SETTINGS) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(told(1, BUSY))
        assert (await state.mediator.admit(facts(2, tenant="other", at_us=NOW_US + SECOND_US))).routes[0] == SHARED


async def test_a_fallback_is_judged_by_the_reading_too() -> None:
    asked = facts(1, policy=Policy(deadline_us=20 * SECOND_US))
    async with world(SETTINGS) as state:
        assert (await state.mediator.admit(asked)).routes[0] == SHARED
        hop = fallback(1, route=ALONE)
        assert (await state.mediator.advance(hop)).granted
        await state.mediator.admit(facts(2))
        await state.mediator.settle(told(2, BUSY))
        assert not (await state.mediator.advance(hop._replace(route=SHARED, at_us=NOW_US + 2 * SECOND_US))).granted
        assert (await state.mediator.advance(hop._replace(route=BETA, at_us=NOW_US + 2 * SECOND_US))).granted


async def decided_with(reading: PoolReading) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record and the certificate of a decision that rests on a reading."""
    async with world(SETTINGS) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(told(1, reading))
        await state.mediator.admit(facts(2, at_us=NOW_US + 2 * SECOND_US))
        record = await state.mediator.read("acme", f"dec_{2:032x}")
        said = await state.mediator.certificate("acme", f"dec_{2:032x}")
        assert record is not None
        assert said is not None
        return record, said["certificate"]


async def test_a_certificate_proves_what_was_decided_with_a_reading() -> None:
    for reading in (BUSY, IDLE, PoolReading(SPATIAL, 0, 0, 0, 2, 300_000)):
        record, certificate = await decided_with(reading)
        verify_certificate(certificate, hasher())
        assert certificate["decision_digest"] == record["decision_digest"]
        assert certificate["decision"]["pools"] == {SHARED: cells_of(reading)}


async def test_a_certificate_whose_readings_are_changed_is_refused() -> None:
    _, certificate = await decided_with(BUSY)
    sound = {name: value for name, value in certificate.items() if name != "digest"}
    verify_certificate(sealed(sound, hasher()), hasher())
    for pools in (
        {},
        {SHARED: cells_of(IDLE)},
        {SHARED: cells_of(BUSY), ALONE: cells_of(BUSY)},
        {SHARED: cells_of(BUSY), "gone/m@four": cells_of(BUSY)},
        {SHARED: "temporal"},
        {SHARED: 7},
        [],
        "x",
    ):
        record = {**sound["decision"], "pools": pools}
        forged = {**sound, "decision": record, "decision_digest": digest_of(record, hasher())}
        with pytest.raises(CertificateError):
            verify_certificate(sealed(forged, hasher()), hasher())


async def test_the_same_readings_give_the_same_digest_by_any_hasher_and_over_a_boundary() -> None:
    """The edge's mediator hears settlements as text, and hashes with another hasher."""
    pure = PureHasher()
    await pure.load()
    digests = []
    for across in (False, True):
        async with world(SETTINGS) as state:
            mediator = Mediator(state.database, pure, SETTINGS) if across else state.mediator
            await mediator.admit(facts(1))
            said = told(1, BUSY)
            await mediator.settle(settlement_from_json(to_json(said)) if across else said)
            digests.append((await mediator.admit(facts(2, at_us=NOW_US + 2 * SECOND_US))).digest)
            evidence = await state.rows("SELECT evidence FROM ledger WHERE evidence IS NOT NULL ORDER BY id")
            assert json.loads(str(evidence[-1][0]))["pools"]
    assert digests[0] == digests[1]


async def test_readings_of_different_busyness_are_different_decisions() -> None:
    found = {(await decided_with(BUSY._replace(busy_ppm=busy)))[0]["decision_digest"] for busy in (1, 2, 3)}
    assert len(found) == 3


def settings_without(provider: str) -> MediatorConfig:
    return replace(SETTINGS, configured=SETTINGS.configured - {provider})


async def test_a_reading_of_a_provider_that_cannot_be_called_is_in_no_record() -> None:
    async with world(SETTINGS) as state:
        await state.mediator.admit(facts(1))
        await state.mediator.settle(told(1, BUSY))
        other = state.with_config(settings_without("alpha"))
        await other.admit(facts(2, at_us=NOW_US + 2 * SECOND_US))
        record = await other.read("acme", f"dec_{2:032x}")
        assert record is not None
        assert "pools" not in record["decision"]


async def test_decisions_with_drawn_readings_are_the_same_by_either_hasher() -> None:
    pure = PureHasher()
    await pure.load()
    digests = [prove(seed, hasher()) for seed in range(60)]
    assert [prove(seed, pure) for seed in range(4)] == digests[:4]
    assert len(set(digests)) == len(digests)


def test_a_model_that_is_canon_has_the_last_word_on_its_route() -> None:
    readings = Learnt({}, {SHARED: (4, 2 * MILLION)}, {"alpha@four": BUSY})
    modelled = {SHARED: Observation(9, 3 * MILLION, 0, False)}
    compiled, everyone = SETTINGS.catalogue, SETTINGS.configured
    assert with_readings(compiled, "auto", readings, modelled, everyone, modelled) == (modelled, {})
    observed, used = with_readings(compiled, "auto", readings, modelled, everyone)
    assert used == {SHARED: BUSY}
    assert observed[SHARED] == Observation(4, 2 * MILLION, 0, False)
