"""Every known fault at every step of a lease, over real HTTP with every quirk on: it ends well, and nothing leaks."""

from __future__ import annotations

import pytest

from bench.lease_world import Gateway
from gateway.hostedai.billing import reconcile
from gateway.hostedai.errors import HostedAiError
from gateway.hostedai.lease import Lease
from gateway.hostedai.policy_table import POLICY_TABLE
from gateway.simulator.platform.faults import KINDS, Fault, Faults
from gateway.simulator.pools.parameters import Parameters
from tests.gateway.hostedai.lease_kit import EVERY_QUIRK, MILLION, TEAM, World, memory, world

#: Steps of a lease, as the platform calls them, each with at which of its calls the fault is injected: the list is read
#: before subscribing, while the pod comes up, at a renewal, and to see that the hold is gone.
STEPS = {
    "find regions": ("available_regions", 1),
    "find pools": ("available_pools", 1),
    "find shares": ("compatible_pools", 1),
    "read before": ("subscriptions", 1),
    "subscribe": ("subscribe", 1),
    "read pod": ("subscriptions", 2),
    "find service": ("expose_status", 1),
    "expose": ("expose", 1),
    "check": ("models", 1),
    "renew": ("subscriptions", 12),
    "renewing check": ("models", 4),
    "unsubscribe": ("unsubscribe", 1),
}


class SeenFaults(Faults):
    """Remembers which faults have come."""

    def __init__(self) -> None:
        super().__init__()
        self.come: list[tuple[str, str]] = []

    def take(self, step: str) -> str | None:
        kind = super().take(step)
        if kind is not None:
            self.come.append((step, kind))
        return kind


class Laws:
    """What must hold at every decision on a lease."""

    def __init__(self, place: World) -> None:
        self._place = place
        self._tokens: list[int] = []

    def __call__(self, lease: Lease) -> None:
        if lease.token and lease.token not in self._tokens:
            assert lease.token > max(self._tokens, default=0), "a fencing token that is not above those before"
            self._tokens.append(lease.token)
        platform = self._place.platform
        if lease.base_url:
            pod = platform.pod_at(int(lease.base_url.rpartition(":")[2].partition("/")[0]))
            assert pod is None or platform.pod_named(pod)[0].team == TEAM, "somebody else's pod"
        live = [hold.pool for hold in self._place.ours() if hold.leaving_us is None]
        assert len(live) == len(set(live)), "held twice"


async def acquire_and_hold(place: World, gateway: Gateway) -> None:
    """Ask for a lease until the panel can be asked, and keep it for ten minutes."""
    for _ in range(3):
        try:
            deadline_us = place.time.now_us() + 3_600 * MILLION
            await gateway.desk.acquire("local", TEAM, POLICY_TABLE["balanced"], deadline_us)
            break
        except HostedAiError:
            await place.time.sleep(30 * MILLION)
    await place.time.sleep(600 * MILLION)


async def give_everything_back(place: World, gateway: Gateway) -> None:
    """Release what is wanted, and wait until neither side has anything left."""
    for _ in range(400):
        for lease in await gateway.store.live():
            if lease.is_wanted:
                await gateway.desk.release(lease.id, "unwanted")
        await place.time.sleep(20 * MILLION)
        place.platform.pump.catch_up()
        if not await gateway.store.live() and not place.ours():
            return
    raise AssertionError(f"leaked: {place.ours()}, {await gateway.store.live()}")


async def unexplained(place: World, gateway: Gateway) -> str:
    """What our accounts and the platform's bill differ in without a reason; empty if in nothing."""
    leases, charges = await gateway.store.all(), await gateway.store.charges()
    assert await gateway.store.spent("local") == sum([row.charge.usd_micros for row in charges])
    if TEAM not in place.platform.teams:
        return "" if not sum([row.charge.usd_micros for row in charges]) else "charged for nothing"
    for _ in range(20):
        try:
            metered = await gateway.client.metered(TEAM, "2026-01-01", "2026-01-20")
            bill = await gateway.client.bill(TEAM, "2026-01-01T00:00", "2026-01-20T00:00")
        except HostedAiError:
            continue
        found = reconcile(leases, charges, [], metered, bill, place.time.now_us())
        return "" if found.is_explained else str(found)
    raise AssertionError("the bill can't be read")


@pytest.mark.parametrize("step", STEPS)
async def test_every_fault_at_this_step_ends_well(step: str) -> None:
    name, nth = STEPS[step]
    for kind in KINDS:
        parameters = Parameters(provision_median_us=20 * MILLION)
        async with (
            world(quirks=EVERY_QUIRK, neighbours=(), parameters=parameters, stuck_us=300 * MILLION) as place,
            memory() as database,
        ):
            place.platform.faults = faults = SeenFaults()
            faults.add(Fault(name, kind, nth))
            gateway = place.gateway(database, seen=Laws(place))
            await gateway.start()
            await acquire_and_hold(place, gateway)
            if step != "unsubscribe":
                faults.clear()
            await give_everything_back(place, gateway)
            assert faults.come == [(name, kind)], "the fault was never met"
            assert await unexplained(place, gateway) == "", kind
            await gateway.kill()
