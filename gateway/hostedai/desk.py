"""Where leases are asked for: finds a pool by the policy table, waits for its pod, and knows what is held.

One live lease of a pool for a team: who asks for a pool that is leased already gets that lease, if it is their own
tenant's, and else counts the pool as full.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.hostedai.admin import HostedAiAdmin
from gateway.hostedai.client import HostedAiClient
from gateway.hostedai.driver import LeaseDriver
from gateway.hostedai.errors import HostedAiError
from gateway.hostedai.lease import NO_BUDGET, Lease, Stop
from gateway.hostedai.lease_store import AlreadyLeased, LeaseStore
from gateway.hostedai.models import PoolOffer
from gateway.hostedai.policy_table import OnFull, PolicyRow
from gateway.hostedai.pool_search import GiveUp, Memory, PoolState, Take, WaitUntil, next_move, state_of
from worker.ports import Clock, Ids

#: First-party clients keep what they read of pools this long.
POOLS_KEPT_US: Final = 30_000_000
LOOK_US: Final = 1_000_000
_log = logging.getLogger("harpoon")


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """What the operator says.

    `sharing_ratio`: of pools that don't say it themselves. `pool_ids`: empty = any. `pool`: the pool of the policy
    table that all of these are, whatever they are called; empty = as they say.
    """

    sharing_ratio: int | None = None
    pool: str = ""
    pool_ids: frozenset[int] = frozenset()
    service_id: str = ""
    memory: Memory = field(default_factory=Memory)


class LeaseDesk:
    """Asks for leases in this process, and gives them back."""

    def __init__(
        self,
        client: HostedAiClient,
        store: LeaseStore,
        clock: Clock,
        ids: Ids,
        settings: DeskSettings,
        admin: HostedAiAdmin | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._admin = admin
        self._known: dict[str, tuple[int, list[PoolOffer]]] = {}
        self._changed = asyncio.Event()
        self.driver: LeaseDriver | None = None
        #: Live leases as this process last saw them, by id.
        self.board: dict[str, Lease] = {}

    def note(self, lease: Lease) -> None:
        """A lease was decided on."""
        if lease.is_live:
            self.board[lease.id] = lease
        else:
            self.board.pop(lease.id, None)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def refresh(self) -> None:
        """Look at the store: what other processes have decided. Raises: StateError."""
        self.board = {lease.id: lease for lease in await self._store.live()}

    async def change(self, limit_us: int) -> None:
        """Return when a lease has changed, or after a while."""
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(limit_us):
                await changed.wait()

    async def pools(self, team: str) -> list[PoolState]:
        """The pools the team may subscribe to, with what is known of them. Raises: HostedAiError."""
        at_us, offers = self._known.get(team, (-POOLS_KEPT_US, []))
        now_us = self._clock.monotonic_us()
        if now_us - at_us >= POOLS_KEPT_US:
            offers = await self._offers(team)
            self._known[team] = self._clock.monotonic_us(), offers
        states = []
        for offer in offers:
            ours = sum(
                [lease.vgpus for lease in self.board.values() if (lease.team, lease.pool_id) == (team, offer.id)]
            )
            allowed = not self._settings.pool_ids or offer.id in self._settings.pool_ids
            mb = await self._neighbours_mb(offer.id, team)
            ratio = self._settings.sharing_ratio
            state = state_of(offer, ratio, ours=ours, neighbours_mb=mb, is_allowed=allowed)
            if state is not None:
                states.append(replace(state, pool=self._settings.pool or state.pool))
        return states

    async def _offers(self, team: str) -> list[PoolOffer]:
        found: dict[int, PoolOffer] = {}
        for region in await self._client.regions(team):
            found_here = await self._client.available_pools(team, region.gpuaas_id or region.id)
            priced = [offer for one in found_here if (offer := await self._priced(one, team)) is not None]
            try:
                shared = await self._client.compatible_pools(self._settings.service_id, team, region.id)
            except HostedAiError:
                shared = []  # only newer deployments have it
            told = {offer.id: offer for offer in shared}
            found |= {offer.id: _joined(offer, told.get(offer.id)) for offer in priced}
        return list(found.values())

    async def _priced(self, offer: PoolOffer, team: str) -> PoolOffer | None:
        """The offer with its price; None if nobody says it, because what costs an unknown amount keeps no budget."""
        if offer.hourly_usd_micros is not None:
            return offer
        try:
            quote = await self._client.quote(offer.id, team)
        except HostedAiError as problem:
            _log.warning("pool %s is not leased, its price is not known: %s", offer.id, problem)
            return None
        return replace(offer, hourly_usd_micros=quote.hourly_usd_micros) if quote.hourly_usd_micros >= 0 else None

    async def _neighbours_mb(self, pool_id: int, team: str) -> int | None:
        """What other teams take of a pool's memory, where the admin panel tells it."""
        if self._admin is None:
            return None
        try:
            holding = await self._admin.holding_teams(pool_id)
        except HostedAiError:
            return None
        others = [one for one in holding if one.team != team]
        return sum([one.memory_mb for one in others]) if all(one.memory_mb for one in others) else None

    async def acquire(
        self, tenant: str, team: str, row: PolicyRow, deadline_us: int | None, only: str = ""
    ) -> Lease | GiveUp:
        """A lease that serves, or why there is none.

        Args: deadline_us: on the clock's wall time; a lease that comes up later is kept for who asks next. None = wait.
        only: a pool of the policy table that alone will do.
        Raises: HostedAiError if the panel can't be read; StateError; NotSteering.
        """
        refused: set[int] = set()
        while True:
            now_us = self._clock.now_us()
            if deadline_us is not None and now_us >= deadline_us:
                return GiveUp("no lease within the deadline", may_leave=True)
            states = [state for state in await self.pools(team) if only in ("", state.pool)]
            move = next_move(row, states, self._settings.memory, frozenset(refused), self._clock.now_us(), deadline_us)
            if isinstance(move, GiveUp):
                return move
            if isinstance(move, WaitUntil):
                refused.clear()
                self._known.pop(team, None)
                await self._clock.sleep(max(1, move.at_us - self._clock.now_us()))
                continue
            lease = await self._lease_of(tenant, team, row, move)
            if lease is None or lease.tenant != tenant:
                refused.add(move.state.offer.id)
                continue
            ended = await self._until_serving(lease.id, deadline_us)
            if ended is None:
                return GiveUp("no lease within the deadline", may_leave=True)
            if ended.is_live:
                return ended
            if ended.reason == NO_BUDGET:
                return GiveUp("the lease budget is used up", may_leave=row.on_full is not OnFull.DENY)
            refused.add(move.state.offer.id)

    async def _lease_of(self, tenant: str, team: str, row: PolicyRow, take: Take) -> Lease | None:
        """The live lease of a pool, or a new one; None if it is on its way out."""
        offer, now_us = take.state.offer, self._clock.now_us()
        assert offer.hourly_usd_micros is not None, "only what has a price is offered"
        existing = next(
            (one for one in self.board.values() if one.team == team and one.pool_id == offer.id and one.is_live), None
        )
        if existing is not None:
            return existing if existing.is_wanted else None
        ratio = take.state.sharing_ratio
        share = row.share_sent(ratio)
        slices = max(1, ratio * share // 100)
        lease = Lease(
            id=self._ids.new("lease"),
            tenant=tenant,
            team=team,
            pool_id=offer.id,
            hourly_usd_micros=offer.hourly_usd_micros * slices,
            pool_name=take.state.pool,
            priority=row.priority,
            share_percent=share,
            slots=slices,
            is_vip=row.is_vip,
            memory_mb=self._settings.memory.server_mb,
            due_us=now_us,
            created_us=now_us,
            since_us=now_us,
        )
        try:
            await self._store.add(lease)
        except AlreadyLeased:
            await self.refresh()
            return None
        self.note(lease)
        self._wake()
        return lease

    async def _until_serving(self, lease_id: str, deadline_us: int | None) -> Lease | None:
        """The lease once it serves or has ended; None if the deadline comes first."""
        while True:
            lease = await self._store.get(lease_id)
            now_us = self._clock.now_us()
            if not lease.is_live or lease.serves(now_us):
                return lease
            if deadline_us is not None and now_us >= deadline_us:
                return None
            await self.change(LOOK_US if deadline_us is None else min(LOOK_US, deadline_us - now_us))

    async def release(self, lease_id: str, reason: str) -> None:
        """Have a lease given back; it may take a while. Raises: StateError; NotSteering."""
        self.note(await self._store.happen(lease_id, Stop(reason), self._clock.now_us(), turn=None))
        self._wake()

    def _wake(self) -> None:
        if self.driver is not None:
            self.driver.wake()

    def serving(self, pool: str, now_us: int) -> Lease | None:
        """The lease of a pool of the catalogue whose endpoint may be used now; the freshest of several."""
        able = [lease for lease in self.board.values() if lease.pool_name == pool and lease.serves(now_us)]
        return max(able, key=lambda lease: (lease.expires_us, lease.id), default=None)


def _joined(priced: PoolOffer, told: PoolOffer | None) -> PoolOffer:
    """What two calls say of one pool."""
    if told is None:
        return priced
    return PoolOffer(
        id=priced.id,
        name=priced.name or told.name,
        gpu_model=priced.gpu_model or told.gpu_model,
        available_vgpus=min(priced.available_vgpus, told.available_vgpus),
        total_vgpus=told.total_vgpus,
        hourly_usd_micros=priced.hourly_usd_micros,
        sharing_ratio=told.sharing_ratio,
        shares_percent=told.shares_percent,
        scheduler_mode=told.scheduler_mode,
        gpuaas_id=priced.gpuaas_id or told.gpuaas_id,
        is_private=priced.is_private,
    )
