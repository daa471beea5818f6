"""The GPU pools behind the embedded simulator: three of the pool model, with other teams' work on them, in real time.

Answers wait for what the model says and nothing else. The pools are those of the catalogue; the other teams' load is
made up and modest, and the same for the same seed. Every figure here is an assumption for demonstrations.
"""

from __future__ import annotations

from typing import Final

from gateway.simulator.pace import POOL_HEADER
from gateway.simulator.platform.clock import PlatformClock, ScaledClock
from gateway.simulator.platform.neighbours import Neighbour, send_traffic
from gateway.simulator.platform.pump import Pump
from gateway.simulator.platform.timing import PodPacer
from gateway.simulator.pools.cluster import Cluster, Server, Subscription
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.gauge import Gauge, sped_up
from gateway.simulator.pools.parameters import MILLION, TEMPORAL, Parameters, PoolSpec
from gateway.simulator.request import JsonObject
from worker.errors import MalformedRequest
from worker.routing.pool_readings import told_text

#: A card each. The last takes turns always, as its eight tenants' memory would not fit; short turns, little idling.
POOLS: Final = (
    PoolSpec(1, "private-1x", sharing_ratio=1, private=True, security_level="high"),
    PoolSpec(2, "shared-4x", sharing_ratio=4, security_level="medium"),
    PoolSpec(3, "shared-8x", sharing_ratio=8, quantum_us=2 * MILLION, share_mode=TEMPORAL),
)
NEIGHBOURS: Final = (
    *[Neighbour(f"team-{number}", 2, per_hour=750) for number in range(1, 3)],
    *[Neighbour(f"team-{number}", 3, per_hour=600, output_tokens=60) for number in range(3, 7)],
)
PARAMETERS: Final = Parameters(idle_hold_us=MILLION // 2, provision_median_us=0)
#: What a tenant's server takes, and what it works with: eight such sets fit a card, so turns cost no paging.
_ALLOCATED_MB: Final = 20_000
_WORKING_SET_MB: Final = 11_000
_OURS: Final = "harpoon"
#: The teams are at work when the first request comes.
_WARM_UP_US: Final = 120 * MILLION
#: Of a longer time without requests only the last part is played.
_MOST_IDLE_US: Final = 120 * MILLION


class DemoPools:
    """The pools on a clock. `seed`: of the other teams' load. `speed`: of that clock, as callers see it."""

    def __init__(
        self,
        clock: PlatformClock,
        seed: int = 1,
        neighbours: tuple[Neighbour, ...] = NEIGHBOURS,
        speed: int = 1,
    ) -> None:
        engine, server = Engine(PARAMETERS, seed), Server(_ALLOCATED_MB, _WORKING_SET_MB)
        self._cluster = Cluster(engine, POOLS)
        self._pump = Pump(engine, clock, most_idle_us=_MOST_IDLE_US)
        self._holds: dict[str, Subscription] = {
            pool.name: self._cluster.subscribe(_OURS, pool.id, server) for pool in POOLS
        }
        others = [self._cluster.subscribe(one.team, one.pool, server) for one in neighbours]
        engine.run_until(0)
        for number, (neighbour, held) in enumerate(zip(neighbours, others, strict=True)):
            send_traffic(engine, neighbour, held.tenants[0], seed * 7_919 + number)
        self._speed = speed
        self._gauges = {name: Gauge(engine, held.tenants[0]) for name, held in self._holds.items()}
        for gauge in self._gauges.values():
            gauge.read()
        engine.run_until(_WARM_UP_US)
        self._pump.begin_now()

    def at(self, pool: str | None) -> PodPacer | None:
        """Our pod in a pool, None for no pool. Raises: MalformedRequest for a pool that isn't there."""
        if not pool:
            return None
        held = self._holds.get(pool)
        if held is None:
            known = ", ".join(sorted(self._holds))
            raise MalformedRequest(f"The simulator has no such pool; it has {known}.", param=POOL_HEADER)
        return PodPacer(self._pump, held.tenants[0])

    def tells(self, pool: str | None) -> str:
        """What our pod's card says of our neighbours there, "" for no pool."""
        gauge = self._gauges.get(pool or "")
        if gauge is None:
            return ""
        self._pump.catch_up()
        reading = gauge.read()
        return "" if reading is None else told_text(sped_up(reading, self._speed))

    def overview(self) -> list[JsonObject]:
        """What the pools are in now."""
        self._pump.catch_up()
        return [self._row(pool) for pool in POOLS]

    def _row(self, pool: PoolSpec) -> JsonObject:
        cards = self._cluster.cards[pool.id]
        tenants = [tenant for card in cards for tenant in card.tenants]
        ours = self._holds[pool.name].tenants[0]
        return {
            "pool": pool.name,
            "sharing_ratio": pool.sharing_ratio,
            "time_quantum_in_sec": pool.quantum_us // MILLION,
            "takes_turns": any(card.temporal for card in cards),
            "tenants": len(tenants),
            "free_slots": self._cluster.free_slots(pool.id),
            "running": sum([tenant.running_count for tenant in tenants]),
            "waiting": sum([len(tenant.waiting) for tenant in tenants]),
            "our_running": ours.running_count,
            "our_turn": any(card.owner is ours for card in cards) if cards[0].temporal else None,
            "memory_in_use_mb": sum([card.allocated_mb for card in cards]),
        }


def demo_pools(speed: int) -> DemoPools | None:
    """The pools `speed` times as fast as life; None for 0: then nothing waits."""
    return DemoPools(ScaledClock(speed), speed=speed) if speed else None
