"""Pools and who holds them: admission, placement, provisioning and release, as the platform does them.

Nothing queues for capacity: a full pool refuses. A subscription's pods run after a while, or are deleted at the pending
limit. What the platform answers to each of these over HTTP is the service's business, not the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.simulator.pools.card import Card, Tenant
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import (
    BATCH_POINTS,
    MILLION,
    PACK,
    ParameterError,
    PoolSpec,
    batch_speeds,
    check_integers,
)

INSUFFICIENT, NO_ACCESS, ALREADY, BAD_SHARE, UNKNOWN_POOL = "insufficient", "no_access", "already", "bad_share", "pool"
SUBSCRIBING, SUBSCRIBED, UNSUBSCRIBING = "subscribing", "subscribed", "un_subscribing"
#: Requests that a server may answer at once.
MOST_BATCH = 4_096
PENDING, RUNNING, FAILED, DELETED = "Pending", "Running", "Failed", "Deleted"


class Refused(Exception):
    """A subscription that was not granted. Attributes: reason, one of the words at the top of this file."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Server:
    """What a pod serves with. `batch`: most requests at once. `demand_ppm`: the share of a card it can use at most.

    Raises: ParameterError.
    """

    allocated_mb: int = 20_000
    working_set_mb: int = 20_000
    batch: int = 32
    demand_ppm: int = 1_000_000
    batch_points: tuple[tuple[int, int], ...] = BATCH_POINTS

    def __post_init__(self) -> None:
        check_integers(self, ("allocated_mb", "working_set_mb", "batch", "demand_ppm"))
        if not 0 <= self.working_set_mb <= self.allocated_mb:
            raise ParameterError("a server's working_set_mb is part of its allocated_mb")
        if not 1 <= self.batch <= MOST_BATCH:
            raise ParameterError(f"a server answers 1 to {MOST_BATCH} requests at once (batch)")
        if not 1 <= self.demand_ppm <= MILLION:
            raise ParameterError(f"demand_ppm must be from 1 to {MILLION}")
        batch_speeds(self.batch_points, self.batch)


@dataclass(slots=True)
class Subscription:
    """One team's hold on a pool: its slices are taken from the first moment, its pods come later."""

    id: int
    team: str
    pool: int
    slices: int
    created_us: int
    server: Server = field(default_factory=Server)
    vip: bool = False
    status: str = SUBSCRIBING
    ready_us: int | None = None
    ended_us: int | None = None
    tenants: list[Tenant] = field(default_factory=list)
    pods: list[str] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)


def slices_of(sharing_ratio: int, share_percent: int) -> int:
    """How many slices a guaranteed share takes; 0 % takes one. Raises: Refused for a share that is no whole number."""
    if not 0 <= share_percent <= 100 or sharing_ratio * share_percent % 100:
        allowed = [percent for percent in range(1, 101) if sharing_ratio * percent % 100 == 0]
        raise Refused(BAD_SHARE, f"a share of this pool is one of {', '.join(map(str, allowed))} percent")
    return max(1, sharing_ratio * share_percent // 100)


def _tenant_of(subscription: Subscription, position: int) -> Tenant:
    server = subscription.server
    return Tenant(
        subscription.id * 1_000 + position,
        subscription.team,
        batch_speeds(server.batch_points, server.batch),
        slices=subscription.slices,
        allocated_mb=server.allocated_mb,
        working_set_mb=server.working_set_mb,
        demand_ppm=server.demand_ppm,
        vip=subscription.vip,
    )


class Cluster:
    """The pools of one region over an engine. `barred`: (team, pool) pairs that no resource policy admits."""

    def __init__(self, engine: Engine, pools: Sequence[PoolSpec]) -> None:
        self.engine = engine
        self.pools = {pool.id: pool for pool in pools}
        self.cards = {pool.id: [Card(index, pool, engine.parameters) for index in range(pool.gpus)] for pool in pools}
        self.subscriptions: dict[int, Subscription] = {}
        self.barred: set[tuple[str, int]] = set()
        self._taken: dict[Card, int] = {}
        self._next_id = 1

    def add_pool(self, spec: PoolSpec) -> None:
        """One more pool, with cards of its own."""
        self.pools[spec.id] = spec
        self.cards[spec.id] = [Card(index, spec, self.engine.parameters) for index in range(spec.gpus)]

    def remove_pool(self, pool: int) -> None:
        """Take a pool away that nobody holds slices of."""
        if not self.live(pool):
            del self.pools[pool], self.cards[pool]

    def live(self, pool: int) -> list[Subscription]:
        """The subscriptions that hold slices of a pool, oldest first."""
        return [one for one in self.subscriptions.values() if one.pool == pool]

    def free_slots(self, pool: int) -> int:
        """Slices of a pool that nobody holds."""
        spec = self.pools[pool]
        return sum([spec.sharing_ratio - self._taken.get(card, 0) for card in self.cards[pool]])

    def fitting_vgpus(self, pool: int, slices: int) -> int:
        """How many vGPUs of so many slices each a pool has room for."""
        ratio = self.pools[pool].sharing_ratio
        return sum([(ratio - self._taken.get(card, 0)) // slices for card in self.cards[pool]])

    def subscribe(
        self, team: str, pool: int, server: Server, *, vgpus: int = 1, share_percent: int = 0, vip: bool = False
    ) -> Subscription:
        """Take slices now, and have pods after a while. Raises: Refused."""
        spec = self.pools.get(pool)
        if spec is None:
            raise Refused(UNKNOWN_POOL, "there is no such pool")
        if (team, pool) in self.barred:
            raise Refused(NO_ACCESS, "the team's resource policy does not reach this pool")
        if any(one.team == team for one in self.live(pool)):
            raise Refused(ALREADY, "Already subscribed")
        if spec.private and any(one.team != team for one in self.live(pool)):
            raise Refused(INSUFFICIENT, "Insufficient resources")
        slices = slices_of(spec.sharing_ratio, share_percent)
        cards = self._choose(pool, slices, vgpus)
        subscription = Subscription(self._next_id, team, pool, slices, self.engine.now_us, server, vip, cards=cards)
        self._next_id += 1
        self.subscriptions[subscription.id] = subscription
        for card in cards:
            self._taken[card] = self._taken.get(card, 0) + slices
        self._provision(subscription)
        return subscription

    def _choose(self, pool: int, slices: int, vgpus: int) -> list[Card]:
        """A card for each vGPU, apart where there are enough cards. Raises: Refused."""
        ratio = self.pools[pool].sharing_ratio
        sign = -1 if self.pools[pool].placement == PACK else 1
        taken = {card.index: self._taken.get(card, 0) for card in self.cards[pool]}
        chosen: list[Card] = []
        for _ in range(vgpus):
            free = [card for card in self.cards[pool] if taken[card.index] + slices <= ratio]
            apart = [card for card in free if card not in chosen] or free
            if not apart:
                raise Refused(INSUFFICIENT, "Insufficient resources")
            best = min(apart, key=lambda card: (sign * taken[card.index], card.index))
            taken[best.index] += slices
            chosen.append(best)
        return chosen

    def _provision(self, subscription: Subscription) -> None:
        engine, parameters = self.engine, self.engine.parameters
        delay_us = engine.chance.lognormal_us(parameters.provision_median_us, parameters.provision_sigma_ppm)

        def ready() -> None:
            if subscription.status != SUBSCRIBING:
                return
            subscription.status, subscription.ready_us = SUBSCRIBED, engine.now_us
            for position, card in enumerate(subscription.cards):
                tenant = _tenant_of(subscription, position)
                subscription.tenants.append(tenant)
                engine.place(card, tenant)

        def too_late() -> None:
            if subscription.status == SUBSCRIBING:
                self.release(subscription)

        if delay_us < parameters.pending_limit_us:
            engine.at(engine.now_us + delay_us, ready)
        else:
            engine.at(engine.now_us + parameters.pending_limit_us, too_late)

    def stop_pod(self, subscription: Subscription, position: int) -> None:
        """End the pod of one vGPU: its memory is free, its slices stay taken, what it ran ends as failed."""
        self.engine.remove(subscription.tenants[position])

    def start_pod(self, subscription: Subscription, position: int) -> None:
        """Begin it anew, empty, where it was. A pod that stands is ended first."""
        self.stop_pod(subscription, position)
        subscription.tenants[position] = tenant = _tenant_of(subscription, position)
        self.engine.place(subscription.cards[position], tenant)

    def pod_status(self, subscription: Subscription, position: int = 0) -> str:
        """What the pod of one vGPU is in: Pending, Running, Failed or Deleted."""
        if subscription.ended_us is not None:
            return DELETED
        if position >= len(subscription.tenants):
            return PENDING
        return FAILED if subscription.tenants[position].failed else RUNNING

    def release(self, subscription: Subscription) -> None:
        """Give the slices back at once; what still ran ends as failed. Saying it twice changes nothing."""
        if self.subscriptions.pop(subscription.id, None) is None:
            return
        for tenant in subscription.tenants:
            self.engine.remove(tenant)
        for card in subscription.cards:
            self._taken[card] -= subscription.slices
        subscription.status, subscription.ended_us = UNSUBSCRIBING, self.engine.now_us
