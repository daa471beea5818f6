"""`python -m bench.lease_schedules`: leases under random faults, kills and preemptions; after each the books balance.

The panel, its pools and its quirks are the simulated platform's; the client, the leases, their store and the reconciler
are the product. Time is virtual, chance is seeded: `--first N --schedules 1` plays schedule N again. In each:

  - tenants want leases by random priorities for random times, some with too small a budget, some on a full pool;
  - calls fail in every known way, pods fail, holds vanish, rows stick; the gateway is killed and started anew.

And after each, faults over and everything released:

  - no leak: the platform has no hold of ours, and no lease is live;
  - no double allocation: never two leases, nor two holds, of one pool for one team; every hand-out has a higher token;
  - no other tenant's row: no call named a hold of another team, or one that somebody made by hand, and no endpoint was
    another team's pod;
  - money: what budgets have spent is the sum of all charges, no budget went over its cap but for overruns, and tenants
    were charged at least what the platform bills, but for minutes in which a hold was hidden; the platform's
    bill, read by its API, differs in nothing that can't be explained.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bench.lease_watch import TENANTS, Watch, WatchedTransport, demand
from bench.lease_world import MILLION, Gateway, SeededIds, platform_of
from bench.virtual_time import VirtualLoop
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.hostedai.billing import reconcile
from gateway.hostedai.errors import HostedAiError
from gateway.hostedai.lease import UNANSWERED, Lease, Rules, cost_usd_micros
from gateway.hostedai.lease_store import NotSteering
from gateway.hostedai.policy_table import POLICY_TABLE
from gateway.hostedai.pool_search import GiveUp
from gateway.simulator.platform.billing import hold_cost
from gateway.simulator.platform.faults import KINDS, Fault
from gateway.simulator.platform.neighbours import Neighbour
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.quirks import Quirks, in_service
from gateway.simulator.platform.settings import PlatformSettings
from gateway.simulator.pools.parameters import Parameters, PoolSpec

STEPS: Final = (
    *("available_regions", "available_pools", "compatible_pools", "subscribe", "subscriptions", "expose"),
    *("expose_status", "unsubscribe", "inference"),
)
ALL_KINDS: Final = tuple(KINDS)
HIDING: Final = (("subscriptions", "empty"), ("subscribe", "hang_after"), ("unsubscribe", "empty_before"))
#: Virtual seconds after the last fault within which everything must have been given back.
PATIENCE_S: Final = 40_000
#: The longest time between two looks of the reconciler that get an answer, with a fault in between.
HIDDEN_US: Final = 180 * MILLION
_OTHERS: Final = ("stranger-1", "stranger-2")


@dataclass(slots=True)
class Played:
    """What schedules were made of."""

    schedules: int = 0
    leases: int = 0
    calls: int = 0
    kills: int = 0
    faults: int = 0
    charged_usd_micros: int = 0
    billed_usd_micros: int = 0
    endings: Counter[str] = field(default_factory=Counter)

    def add(self, other: Played) -> None:
        """Count another one in."""
        self.schedules += other.schedules
        self.leases += other.leases
        self.calls += other.calls
        self.kills += other.kills
        self.faults += other.faults
        self.charged_usd_micros += other.charged_usd_micros
        self.billed_usd_micros += other.billed_usd_micros
        self.endings += other.endings


def _settings(chance: Random) -> PlatformSettings:
    """A small platform: pools with little room, neighbours in some of it, quirks by chance."""
    pools = (
        PoolSpec(1, "private-1x", chance.choice((1, 2)), 1, private=True),
        PoolSpec(2, "shared-4x", 1, 4, hourly_usd_micros=chance.choice((660_000, 659_999, 1))),
        PoolSpec(3, "shared-8x", 1, 8),
        PoolSpec(4, "another", 1, 4, hourly_usd_micros=2_490_000),
    )
    neighbours = tuple(Neighbour(team, chance.choice((2, 3, 4))) for team in _OTHERS if chance.random() < 0.5)
    quirks = chance.choice((Quirks(), in_service(), Quirks(leaking_rows=100, late_rows=100, ids_as_strings=100)))
    return PlatformSettings(
        pools=pools,
        neighbours=neighbours,
        quirks=quirks,
        parameters=Parameters(provision_median_us=chance.choice((5, 60, 300)) * MILLION),
        model_load_us=chance.choice((0, 30, 200)) * MILLION,
        seed=chance.getrandbits(30),
        warm_up_us=chance.choice((0, 700)) * MILLION,
        stuck_us=chance.choice((200, 900)) * MILLION,
    )


def play(number: int) -> Played:
    """One schedule from its first wish to the last credit. Raises: Broken."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_play(number))


async def _play(number: int) -> Played:
    chance = Random(number)
    platform = platform_of(_settings(chance))
    watch = Watch(platform)
    transport = WatchedTransport(platform, watch)
    rules = Rules(
        block_us=chance.choice((300, 600, 1_800)) * MILLION,
        renew_us=chance.choice((60, 120)) * MILLION,
        bring_up_us=chance.choice((300, 1_500)) * MILLION,
    )
    database = SqliteDatabase(":memory:")
    await database.open()
    played = Played(schedules=1)
    by_hand = watch.by_hand = _by_hand(platform, chance)
    world = _World(platform, transport, database, rules, watch, chance)
    try:
        async with asyncio.timeout(PATIENCE_S * 3):
            await world.run(played)
        await _check(world, by_hand, played)
    finally:
        await world.gateway.kill()
        await database.close()
    for _ in range(3):
        await asyncio.sleep(0)
    demand(len(asyncio.all_tasks()) == 1, f"left behind: {asyncio.all_tasks()}")
    played.calls = len(transport.calls)
    return played


def _by_hand(platform: Platform, chance: Random) -> int | None:
    """A hold that somebody of a team made without us, at times."""
    if chance.random() >= 0.3:
        return None
    return platform.subscribe(chance.choice(TENANTS), 4, vgpus=1, share_percent=0).id


class _World:
    """One schedule: the gateway of the moment, who wants what, and what goes wrong."""

    def __init__(
        self,
        platform: Platform,
        transport: WatchedTransport,
        database: SqliteDatabase,
        rules: Rules,
        watch: Watch,
        chance: Random,
    ) -> None:
        self.platform = platform
        self.transport = transport
        self.database = database
        self.rules = rules
        self.watch = watch
        self.chance = chance
        self.ids = SeededIds(chance)
        self.caps: dict[str, int] = {}
        self.gateway = self._new_gateway()

    def _new_gateway(self) -> Gateway:
        return Gateway(self.transport, self.database, self.chance, rules=self.rules, seen=self.watch.lease)

    async def run(self, played: Played) -> None:
        """Everything that happens, and then the time to give it all back."""
        chance = self.chance
        await self.gateway.start()
        for tenant in TENANTS:
            if chance.random() < 0.3:
                self.caps[tenant] = chance.choice((0, 50_000, 400_000))
                await self.gateway.store.set_budget(tenant, self.caps[tenant])
        wishes = [self._wish() for _ in range(chance.randint(1, 4))]
        troubles = [self._fault(played) for _ in range(chance.randint(0, 6))]
        troubles += [self._trouble() for _ in range(chance.randint(0, 2))]
        if chance.random() < 0.5:
            troubles.append(self._kill(played))
        await asyncio.gather(*wishes, *troubles)
        self.platform.faults.clear()
        for settle_s in (0, 200):  # rows that show late are found by the reconciler
            await asyncio.sleep(settle_s)
            for _ in range(PATIENCE_S // 20):
                if not await self._release_all():
                    break
                await asyncio.sleep(20)
        self.platform.pump.catch_up()

    async def _release_all(self) -> bool:
        live = await self.gateway.store.live()
        for lease in live:
            if lease.is_wanted:
                try:
                    await self.gateway.desk.release(lease.id, "unwanted")
                except NotSteering:
                    return True
        return bool(live)

    async def _wish(self) -> None:
        """A tenant wants a lease for a while."""
        chance = self.chance
        await asyncio.sleep(chance.uniform(0, 600))
        tenant, row = chance.choice(TENANTS), POLICY_TABLE[chance.choice(tuple(POLICY_TABLE))]
        patience_s, held_s = chance.choice((30, 300, 1_500)), chance.choice((0, 60, 400, 2_000))
        desk = self.gateway.desk
        try:
            async with asyncio.timeout(patience_s + 60):
                deadline_us = round((asyncio.get_running_loop().time() + patience_s) * MILLION) + _start_us()
                found = await desk.acquire(tenant, tenant, row, deadline_us)
        except (TimeoutError, HostedAiError, NotSteering):
            return
        if isinstance(found, GiveUp):
            demand(
                row.priority != "max_security"
                or not found.may_leave
                or "deadline" in found.reason
                or "admissible" in found.reason,
                "max_security left its pool",
            )
            return
        demand(found.serves(_now_us()), "what was handed out does not serve")
        demand(row.priority != "max_security" or found.pool_name == "private-1x", "max_security on a shared pool")
        await asyncio.sleep(held_s)
        if chance.random() < 0.3:
            self.gateway.idle.add(found.id)
            return
        try:
            await self.gateway.desk.release(found.id, "unwanted")
        except NotSteering:
            return

    async def _fault(self, played: Played) -> None:
        await asyncio.sleep(self.chance.uniform(0, 900))
        chance, times = self.chance, self.chance.randint(1, 3)
        # What hides a hold from us is what leaks, so it comes more often than by chance.
        step, kind = (
            chance.choice(HIDING) if chance.random() < 0.3 else (chance.choice(STEPS), chance.choice(ALL_KINDS))
        )
        fault = Fault(step, kind, chance.randint(1, 3), times)
        played.faults += 1
        self.platform.faults.add(fault)

    async def _trouble(self) -> None:
        """A pod fails, or a hold is taken away."""
        await asyncio.sleep(self.chance.uniform(0, 2_000))
        self.platform.pump.catch_up()
        holds = [hold for hold in self.platform.live_holds() if hold.team in TENANTS and hold.pool != 4]
        if holds:
            harm = self.chance.choice((self.platform.fail_pods, self.platform.vanish, self.platform.unsubscribe))
            harm(self.chance.choice(holds))

    async def _kill(self, played: Played) -> None:
        for _ in range(self.chance.randint(1, 3)):
            await asyncio.sleep(self.chance.uniform(0, 700))
            await self.gateway.kill()
            played.kills += 1
            await asyncio.sleep(self.chance.choice((0, 5, 100, 1_000)))
            self.gateway = self._new_gateway()
            await self.gateway.start()


def _start_us() -> int:
    from bench.virtual_time import START_US

    return START_US


def _now_us() -> int:
    return round(asyncio.get_running_loop().time() * MILLION) + _start_us()


async def _check(world: _World, by_hand: int | None, played: Played) -> None:
    """The laws. Raises: Broken."""
    store, platform = world.gateway.store, world.platform
    leases, charges = await store.all(), await store.charges()
    left = [hold.id for hold in platform.live_holds() if hold.team in TENANTS and hold.id != by_hand]
    demand(not left, f"leaked: {left}")
    demand(not [lease for lease in leases if lease.is_live], f"still live: {leases}")
    for tenant in TENANTS:
        mine = {lease.id for lease in leases if lease.tenant == tenant}
        rows = [row.charge for row in charges if row.lease_id in mine]
        total, spent = sum([row.usd_micros for row in rows]), await store.spent(tenant)
        overruns = sum([row.usd_micros for row in rows if row.kind == "overrun"])
        demand(total == spent and spent >= 0, f"{tenant}: charges {total}, spent {spent}")
        cap = world.caps.get(tenant)
        demand(cap is None or spent <= cap + overruns, f"{tenant}: spent {spent} of {cap}, overruns {overruns}")
        holds = [hold for hold in platform.holds.values() if hold.team == tenant and hold.id != by_hand]
        billed = sum([hold_cost(hold, 0, 1 << 60, platform.now_us) for hold in holds])
        # Empty answers hide a hold until the reconciler looks, and one that is gone before it shows is never seen.
        hidden = [lease.hourly_usd_micros for lease in leases if lease.id in mine and lease.asked]
        slack = len(holds) + sum([cost_usd_micros(hourly, HIDDEN_US) for hourly in hidden])
        demand(spent + slack >= billed, f"{tenant}: charged {spent}, billed {billed}")
        await _reconcile(world, tenant, [lease for lease in leases if lease.tenant == tenant])
        played.charged_usd_micros += spent
        played.billed_usd_micros += billed
    played.leases = len(leases)
    played.endings.update(lease.reason for lease in leases)


async def _reconcile(world: _World, tenant: str, leases: list[Lease]) -> None:
    """Our accounts and the platform's bill, read by its API, differ in nothing unexplained. Raises: Broken."""
    if tenant not in world.platform.teams:
        return
    client, store = world.gateway.client, world.gateway.store
    for _ in range(20):
        try:
            metered = await client.metered(tenant, "2026-01-01", "2026-02-01")
            bill = await client.bill(tenant, "2026-01-01T00:00", "2026-02-01T00:00")
            break
        except HostedAiError:
            continue
    statement = reconcile(leases, await store.charges(), await store.uses(), metered, bill, _now_us())
    demand(statement.is_explained, f"{tenant}: not explained: {statement}")
    # Of each lease, the times that it asked without ever seeing what came of it.
    unseen: Counter[str] = Counter()
    for lease in leases:
        unseen[lease.pool_name] += max(0, lease.asked - (lease.reason != UNANSWERED))
    unseen.update(line.pool for line in statement.lines if line.subscription_id == world.watch.by_hand)
    strange = Counter(line.pool for line in statement.lines if not line.lease_id)
    demand(strange <= unseen, f"{tenant}: holds that nobody asked for: {strange - unseen}")


def main() -> int:
    """Play the schedules; exit status 1 at the first law that doesn't hold."""
    options = argparse.ArgumentParser(prog="python -m bench.lease_schedules")
    options.add_argument("--schedules", type=int, default=10_000, help="how many")
    options.add_argument("--first", type=int, default=0, help="number of the first one")
    given = options.parse_args()
    logging.disable(logging.CRITICAL)
    played, began_s = Played(), time.monotonic()
    for number in range(given.first, given.first + given.schedules):
        try:
            played.add(play(number))
        except Exception as problem:
            print(f"schedule {number}: {type(problem).__name__}: {problem}", file=sys.stderr)
            return 1
    elapsed_s = time.monotonic() - began_s
    print(f"{played.schedules} schedules, {played.leases} leases, {played.calls} calls: every law holds")
    print(f"{played.faults} faults, {played.kills} kills; {elapsed_s:.0f} s")
    print(f"charged {played.charged_usd_micros} micro-dollars, billed by the platform {played.billed_usd_micros}")
    print("leases ended by: " + ", ".join(f"{word} {count}" for word, count in played.endings.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
