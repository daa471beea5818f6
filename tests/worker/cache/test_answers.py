"""The cache inside a mediator: what admission is told, who leads and who waits, and what a settlement brings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from gateway.adapters.host import SystemClock
from tests.worker.decision_kit import (
    ALPHA,
    BETA,
    CATALOGUE,
    NOW_US,
    SECOND_US,
    World,
    config,
    facts,
    hasher,
    offer,
    settlement,
    world,
)
from worker.admission import (
    Admission,
    Attempt,
    admission_from_json,
    awaited_from_json,
    facts_from_json,
    kept_from_plain,
    settlement_from_json,
    to_json,
)
from worker.cache.answers import GRACE_US, Answers, may_keep
from worker.cache.kept import HIT, MISS, WAIT, Awaited, Keep, Kept, Wish
from worker.covenant.policy import NO_COVENANT, Policy
from worker.mediator import Mediator
from worker.routing.estimates import FAILURES_TO_OPEN, OPEN_FOR_US
from worker.tenants.administration import Order

KEY = "k" * 64
TTL_US = 300 * SECOND_US
WISH = Wish(KEY, TTL_US, joins=True)
ANSWER = b'{"choices":[]}'
KEEP = Keep(KEY, TTL_US, ANSWER)
PATIENCE_US = 10 * SECOND_US


class Cached:
    """A world whose mediator has an answer cache; `two_models`: beta serves another model than alpha."""

    def __init__(self, state: World, mediator: Mediator) -> None:
        self.state = state
        self.mediator = mediator

    async def ask(self, number: int, **changes: Any) -> Admission:
        return await self.mediator.admit(facts(number, **{"cache": WISH, **changes}))

    async def settle(self, number: int, **changes: Any) -> None:
        await self.mediator.settle(settlement(number, **changes))

    async def wait(self, admission: Admission, limit_us: int = PATIENCE_US) -> Kept | None:
        return await self.mediator.awaited(Awaited("acme", KEY, TTL_US, admission.routes, NOW_US, limit_us))


@asynccontextmanager
async def cached(max_bytes: int = 100_000, **settings: Any) -> AsyncIterator[Cached]:
    async with world() as state:
        given = config(**settings)
        answers = Answers(SystemClock(), lambda route: given.catalogue.by_id[route].model, max_bytes)
        yield Cached(state, Mediator(state.database, hasher(), given, answers))


async def test_an_answer_that_was_kept_is_found_by_the_next_who_asks() -> None:
    async with cached() as cache:
        assert (await cache.ask(1)).cache == MISS
        await cache.settle(1, keep=KEEP)
        found = await cache.ask(2)
        assert (found.cache, found.kept, found.refusal) == (HIT, Kept(ALPHA, ANSWER), None)
        assert (await cache.state.decision(2))["held"] > 0, "it was admitted like any other"
        await cache.settle(2, usage="none", input_tokens=0, output_tokens=0, attempts=(), cached=True)
        assert (await cache.state.decision(2))["charged"] == 0


async def test_who_wishes_nothing_is_told_nothing() -> None:
    async with cached() as cache:
        await cache.ask(1)
        await cache.settle(1, keep=KEEP)
        found = await cache.ask(2, cache=None)
        assert (found.cache, found.kept) == ("", None)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(requirements=("no_logging",)),
        Policy(priority="max_security"),
        Policy(residency=("DE",)),
        Policy(residency_exclude=("US",)),
    ],
)
def test_policies_that_want_no_copy(policy: Policy) -> None:
    assert may_keep(facts(), NO_COVENANT)
    assert not may_keep(facts(), policy)


def test_prompts_that_leave_redacted_are_not_kept() -> None:
    asks = Policy(requirements=("redact_pii",))
    assert may_keep(facts(redactable=("email:1",)), NO_COVENANT)
    assert not may_keep(facts(redactable=("email:1",)), asks)
    assert not may_keep(facts(redactable=("email:1",), redact_always=True), NO_COVENANT)
    assert may_keep(facts(redactable=(), redact_always=True), asks)


async def test_a_refusal_says_nothing_of_the_cache() -> None:
    async with cached(caps={"acme": 0}) as cache:
        refused = await cache.ask(1)
        assert refused.refusal is not None
        assert (refused.cache, refused.kept) == ("", None)


async def test_an_answer_counts_for_the_model_that_gave_it() -> None:
    """The first route failed and another model answered: who is decided for the first model asks anew."""
    models = (*CATALOGUE.models, replace(CATALOGUE.models[0], id="n"))
    offers = (CATALOGUE.offers[0], offer("beta", 2_000_000, model="n", served_id="n"))
    other = "beta/n@solo"
    async with cached(catalogue=replace(CATALOGUE, models=models, offers=offers)) as cache:
        assert (await cache.ask(1)).routes == (ALPHA, other)
        await cache.settle(1, route=other, keep=KEEP)
        assert (await cache.ask(2)).cache == MISS
        assert (await cache.ask(3, model="n")).kept == Kept(other, ANSWER)


async def test_a_route_that_a_decision_does_not_admit_serves_nobody_there() -> None:
    async with cached() as cache:
        await cache.ask(1)
        await cache.settle(1, route=BETA, keep=KEEP)
        assert (await cache.ask(2, model="alpha/m")).cache == MISS
        assert (await cache.ask(3)).kept == Kept(BETA, ANSWER)


async def test_the_first_leads_and_the_others_wait_for_its_settlement() -> None:
    async with cached() as cache:
        told = [await cache.ask(number) for number in (1, 2, 3)]
        assert [admission.cache for admission in told] == [MISS, WAIT, WAIT]
        waiting = [asyncio.create_task(cache.wait(admission)) for admission in told[1:]]
        await asyncio.sleep(0)
        await cache.settle(1, keep=KEEP)
        assert await asyncio.gather(*waiting) == [Kept(ALPHA, ANSWER)] * 2
        assert await cache.wait(told[1]) == Kept(ALPHA, ANSWER), "who comes late finds it, too"


async def test_a_leader_without_an_answer_lets_the_others_go() -> None:
    async with cached() as cache:
        await cache.ask(1)
        follower = await cache.ask(2)
        waiting = asyncio.create_task(cache.wait(follower))
        await asyncio.sleep(0)
        await cache.settle(1, outcome="error")
        assert await waiting is None
        assert (await cache.ask(3)).cache == MISS, "the next one leads"


async def test_who_stops_waiting_disturbs_nobody() -> None:
    async with cached() as cache:
        told = [await cache.ask(number) for number in (1, 2, 3)]
        leaver, stayer = (asyncio.create_task(cache.wait(admission)) for admission in told[1:])
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.wait([leaver])
        assert await cache.wait(told[1], limit_us=1_000) is None, "nor does who has waited long enough"
        await cache.settle(1, keep=KEEP)
        assert await stayer == Kept(ALPHA, ANSWER)


async def test_a_stream_neither_leads_nor_waits() -> None:
    async with cached() as cache:
        stream = WISH._replace(joins=False)
        assert [(await cache.ask(number, cache=stream)).cache for number in (1, 2)] == [MISS, MISS]
        await cache.settle(1, keep=KEEP)
        assert (await cache.ask(3, cache=stream)).cache == HIT


async def test_a_leader_that_never_tells_is_waited_for_no_longer_than_it_can_live() -> None:
    """Its isolate is gone: the sweep settles its money, and the next who asks leads."""
    async with cached() as cache:
        await cache.ask(1)
        follower = await cache.ask(2)
        waiting = asyncio.create_task(cache.wait(follower))
        await asyncio.sleep(0)
        over_us = NOW_US + facts().time_limit_us + GRACE_US
        assert (await cache.ask(3, at_us=over_us - 1)).cache == WAIT
        assert (await cache.ask(4, at_us=over_us)).cache == MISS
        assert await waiting is None
        await cache.settle(1)
        assert (await cache.ask(5, at_us=over_us)).cache == WAIT, "a late word from the first ends nobody's wait"


async def test_a_leader_behind_one_with_more_time_is_given_up_in_time() -> None:
    async with cached() as cache:
        await cache.ask(1, cache=WISH._replace(key="another"), time_limit_us=600 * SECOND_US)
        await cache.ask(2)
        over_us = NOW_US + facts().time_limit_us + GRACE_US
        assert (await cache.ask(3, at_us=over_us)).cache == MISS
        await cache.mediator.sweep(over_us + 600 * SECOND_US)
        assert (await cache.ask(4, at_us=over_us)).cache == MISS


async def test_tenants_keep_apart() -> None:
    async with cached() as cache:
        await cache.ask(1)
        await cache.settle(1, keep=KEEP)
        assert (await cache.ask(2, tenant="other")).cache == MISS
        assert (await cache.ask(3)).cache == HIT


async def test_what_is_erased_of_a_user_leaves_no_answer_behind() -> None:
    async with cached() as cache:
        for number, tenant in ((1, "acme"), (2, "other")):
            await cache.ask(number, tenant=tenant)
            await cache.settle(number, tenant=tenant, keep=KEEP)
        for act, given, left in (
            ("read_tenant", {}, HIT),
            ("erase", {"subject": "user", "name": "ada"}, MISS),
        ):
            await cache.mediator.administer(Order("acme", act, NOW_US, given))
            assert (await cache.ask(10 if left == HIT else 11)).cache == left
        assert (await cache.ask(12, tenant="other")).cache == HIT


async def test_who_is_served_from_the_cache_leaves_the_probe_of_a_resting_route_to_others() -> None:
    """A hit asks nobody, so it can't find out whether the route is back."""
    async with cached() as cache:
        await cache.ask(1)
        await cache.settle(1, keep=KEEP)
        failed = tuple(Attempt(ALPHA, "connect", 0, 1) for _ in range(FAILURES_TO_OPEN))
        await cache.ask(2, cache=None)
        await cache.settle(2, usage="none", outcome="error", attempts=failed, at_us=NOW_US)
        later_us = NOW_US + OPEN_FOR_US
        only_alpha: dict[str, Any] = {"model": "alpha/m", "at_us": later_us}
        assert (await cache.ask(3, **only_alpha)).kept == Kept(ALPHA, ANSWER)
        assert (await cache.ask(4, **only_alpha)).refusal is not None, "one at a time probes"
        ended: dict[str, Any] = {"usage": "none", "input_tokens": 0, "output_tokens": 0, "attempts": ()}
        await cache.settle(3, at_us=later_us, cached=True, **ended)
        probe = await cache.ask(5, cache=None, **only_alpha)
        assert (probe.refusal, probe.routes) == (None, (ALPHA,))
        await cache.settle(3, at_us=later_us, cached=True, **ended)
        assert (await cache.ask(6, **only_alpha)).refusal is not None, "the probe of another isn't given back"
        await cache.settle(5, at_us=later_us)
        assert (await cache.ask(7, **only_alpha)).refusal is None


async def test_without_a_cache_nobody_is_told_anything() -> None:
    async with world() as state:
        admission = await state.mediator.admit(facts(1, cache=WISH))
        assert (admission.cache, admission.kept) == ("", None)
        await state.mediator.settle(settlement(1, keep=KEEP))
        assert await state.mediator.awaited(Awaited("acme", KEY, TTL_US, (ALPHA,), NOW_US, 1)) is None


def test_what_is_kept_is_not_shown() -> None:
    """Records and errors may show the values that they hold."""
    told = Admission("dec_1", "d", (ALPHA,), 5, 6, None, cache=HIT, kept=Kept(ALPHA, b"words"))
    ended = settlement(keep=Keep(KEY, TTL_US, b"words"))
    assert "words" not in repr((told, ended))
    assert [repr(value).count("5 bytes") for value in (told, ended)] == [1, 1]


def test_what_crosses_to_an_object_comes_back_the_same() -> None:
    asked = facts(cache=WISH)
    assert facts_from_json(to_json(asked)) == asked
    assert facts_from_json(to_json(facts())) == facts()
    told = Admission("dec_1", "d", (ALPHA,), 5, 6, None, cache=HIT, kept=Kept(ALPHA, "Grüße\n".encode()))
    assert admission_from_json(to_json(told)) == told
    ended = settlement(cached=True, keep=Keep(KEY, TTL_US, 'data: "😀"\n\n'.encode()))
    assert settlement_from_json(to_json(ended)) == ended
    wait = Awaited("acme", KEY, TTL_US, (ALPHA, BETA), NOW_US, 7)
    assert awaited_from_json(to_json(wait)) == wait
    assert kept_from_plain(None) is None
