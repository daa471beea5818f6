"""The answer cache of one mediator: looked into once a request is admitted, filled when one is settled.

It decides whether a request's policy lets its answer be kept, and whether a kept answer may be served to another: that
request was admitted by itself, its decision is for the same model, and the route that answered is one it may use. It
decides nothing about money: whoever is served from here settles at nothing.

Of identical requests at a time one is the leader; the others may wait for its settlement, and go on by themselves if
that brings no answer. A mediator lives in one I/O context (a process, or a tenant's object at the edge), so they share
a future here, as no two requests of an isolate could.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

from worker.admission import Admission, Facts, Settlement
from worker.cache.kept import HIT, MISS, WAIT, Awaited, Kept
from worker.cache.memory import Memory, Slot
from worker.covenant.policy import Policy
from worker.ports import Clock

#: How long past its time limit a leader may be waited for.
GRACE_US = 2_000_000


class _Flight(NamedTuple):
    """A request on its way; `landed` is done once its answer is kept, or it is known that there is none."""

    decision_id: str
    ends_us: int
    landed: asyncio.Future[None]


def may_keep(facts: Facts, policy: Policy) -> bool:
    """Whether a request may be served from here, and its answer kept. `policy`: the one it is served under.

    Not where a policy wants no trace left; nor within a region, because nobody checks where this memory stands; nor
    where the prompt leaves redacted, because the answer is then made whole for this client alone.
    """
    if policy.leaves_no_trace or policy.residency or policy.residency_exclude:
        return False
    return not (facts.redactable and facts._replace(policy=policy).is_redacted)


class Answers:
    """Kept answers and the requests that may bring one. Args: model_of: the model of a route, by the route's id."""

    def __init__(self, clock: Clock, model_of: Callable[[str], str], max_bytes: int) -> None:
        self._clock = clock
        self._model_of = model_of
        self._memory = Memory(max_bytes)
        self._flights: dict[Slot, _Flight] = {}
        self._led: dict[tuple[str, str], Slot] = {}

    def admitted(self, facts: Facts, admission: Admission) -> Admission:
        """What is known of the answer to a request that was just admitted, told in `cache` and `kept`."""
        wish = facts.cache
        if wish is None or admission.refusal is not None or not may_keep(facts, admission.policy or facts.policy):
            return admission
        slot = (facts.tenant, wish.key, self._model_of(admission.routes[0]))
        kept = self._find(slot, admission.routes, wish.ttl_us, facts.at_us)
        if kept is not None:
            return admission._replace(cache=HIT, kept=kept)
        if not wish.joins:
            return admission._replace(cache=MISS)
        flight = self._flights.get(slot)
        if flight is not None and facts.at_us < flight.ends_us:
            return admission._replace(cache=WAIT)
        if flight is not None:
            self._led.pop((facts.tenant, flight.decision_id))
            self._land(slot)
        ends_us = facts.at_us + (admission.time_limit_us or facts.time_limit_us) + GRACE_US
        self._flights[slot] = _Flight(facts.decision_id, ends_us, asyncio.get_running_loop().create_future())
        self._led[facts.tenant, facts.decision_id] = slot
        return admission._replace(cache=MISS)

    async def awaited(self, asked: Awaited) -> Kept | None:
        """The answer that another request brings in time; None = there is none, or none that may be served here.

        Whoever stops waiting disturbs nobody else.
        """
        slot = (asked.tenant, asked.key, self._model_of(asked.routes[0]))
        flight = self._flights.get(slot)
        if flight is not None:
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(max(1, asked.limit_us)):
                    await asyncio.shield(flight.landed)
        return self._find(slot, asked.routes, asked.ttl_us, asked.at_us)

    def settled(self, settlement: Settlement) -> None:
        """A request has ended: keep its answer, if it is to be kept, and tell those who wait for it."""
        tenant, keep = settlement.tenant, settlement.keep
        self.purge(settlement.at_us)
        if keep is not None:
            slot = (tenant, keep.key, self._model_of(settlement.route))
            self._memory.put(slot, Kept(settlement.route, keep.body), keep.ttl_us, settlement.at_us)
        led = self._led.pop((tenant, settlement.decision_id), None)
        if led is not None:
            self._land(led)

    def forget(self, tenant: str) -> None:
        """Forget every answer of a tenant: what somebody said in it is to be erased."""
        self._memory.forget(tenant)

    def purge(self, at_us: int) -> None:
        """Forget answers that are too old, and leaders that never told how they ended: their isolate is gone."""
        self._memory.purge(at_us)
        # In the order of their beginnings: the first one alone is looked at, unless it is over.
        while self._led:
            led, slot = next(iter(self._led.items()))
            if at_us < self._flights[slot].ends_us:
                return
            del self._led[led]
            self._land(slot)

    def _land(self, slot: Slot) -> None:
        flight = self._flights.pop(slot)
        if not flight.landed.done():
            flight.landed.set_result(None)

    def _find(self, slot: Slot, routes: tuple[str, ...], ttl_us: int, at_us: int) -> Kept | None:
        """The answer kept under `slot`, unless it came from a route that isn't among `routes`."""
        kept = self._memory.get(slot, ttl_us, at_us)
        return kept if kept is not None and kept.route in routes else None
