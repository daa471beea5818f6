"""One GPU: its tenants share it in space while their memory fits together, else in exclusive turns with paging.

Work is counted in GPU time alone: a request of `work_us` takes that long on an idle card by itself. A tenant's
`progress` grows with the speed each of its requests has, so a request that comes in at progress P is done at P + its
work, however often speeds change in between: one number a tenant to move, not one a request. All integers; a speed is
in ppm, so progress is in millionths of a microsecond.
"""

from __future__ import annotations

from typing import Final

from gateway.simulator.pools.parameters import AUTO, MILLION, TEMPORAL, Parameters, PoolSpec
from gateway.simulator.pools.tenant import Task, Tenant

__all__ = ["Card", "Task", "Tenant"]

#: Speeds never fall below this share however many tenants interfere, so that every request ends.
_LEAST_FACTOR_PPM: Final = 100_000
#: A turn works at least this part of its quantum, even if page-in uses up turns and takes longer than one.
_LEAST_OF_TURN: Final = 10


class Card:
    """A GPU of a pool. `settle` brings everything up to a time, `plan` says when something will change by itself."""

    __slots__ = (
        "busy_us",
        "drained_us",
        "grant_us",
        "grants",
        "idle_from_us",
        "index",
        "owner",
        "parameters",
        "queue",
        "ready_us",
        "since_us",
        "spec",
        "spell_from_us",
        "switches",
        "temporal",
        "tenants",
        "turn_until_us",
        "version",
    )

    def __init__(self, index: int, spec: PoolSpec, parameters: Parameters) -> None:
        self.index = index
        self.spec = spec
        self.parameters = parameters
        self.tenants: list[Tenant] = []
        self.temporal = spec.share_mode == TEMPORAL
        self.owner: Tenant | None = None
        self.queue: list[Tenant] = []
        self.ready_us = 0
        self.drained_us = 0
        self.turn_until_us = 0
        self.idle_from_us = -1
        self.since_us = 0
        self.version = 0
        self.switches = 0
        self.busy_us = 0
        self.grants = self.grant_us = self.spell_from_us = 0

    @property
    def allocated_mb(self) -> int:
        """Memory handed out to pods that live."""
        return sum([tenant.allocated_mb for tenant in self.tenants if not tenant.failed])

    @property
    def slices_taken(self) -> int:
        return sum([tenant.slices for tenant in self.tenants])

    @property
    def wants_turns(self) -> bool:
        """Whether the pool's rule asks for exclusive turns now."""
        if self.spec.share_mode == AUTO:
            return self.allocated_mb > self.parameters.usable_memory_mb
        return self.spec.share_mode == TEMPORAL

    def settle(self, now_us: int, finished: list[Task]) -> None:
        """Let the time since the last change pass: progress, and what was done by it."""
        passed = now_us - self.since_us
        self.since_us = now_us
        is_busy = False
        for tenant in self.tenants:
            if tenant.running_count:
                tenant.present_us += passed
                if tenant.rate:
                    tenant.progress += passed * tenant.rate
                    tenant.held_us += passed
                    is_busy = True
                    if tenant.running[0][0] <= tenant.progress:
                        tenant.reap(now_us, finished)
        if is_busy:
            self.busy_us += passed

    def plan(self, now_us: int) -> int:
        """Set every tenant's speed as of now; returns when the card must be looked at next, -1 = never by itself."""
        return self._plan_turns(now_us) if self.temporal else self._plan_together(now_us)

    # --- in space -----------------------------------------------------------------------------------------------

    def _plan_together(self, now_us: int) -> int:
        active = []
        for tenant in self.tenants:
            tenant.rate = 0
            if tenant.running_count:
                active.append(tenant)
        if not active:
            return -1
        soonest = -1
        for tenant, share in zip(active, self._shares(active), strict=True):
            tenant.rate = rate = max(1, tenant.speeds[tenant.running_count] * share // MILLION)
            if tenant.unstarted:
                self._work_from(tenant, now_us)
            left_us = (tenant.running[0][0] - tenant.progress + rate - 1) // rate
            if soonest < 0 or left_us < soonest:
                soonest = left_us
        return now_us + soonest

    def _shares(self, active: list[Tenant]) -> list[int]:
        """Each active tenant's share of the card in ppm: by weight, none above its demand, the rest handed on."""
        count = len(active)
        if count == 1:
            return [min(MILLION, active[0].demand_ppm)]
        factor = max(_LEAST_FACTOR_PPM, MILLION - self.parameters.interference_ppm * (count - 1))
        by_slices = self.parameters.slices_weight_spatial
        weights = [max(1, tenant.slices) if by_slices else 1 for tenant in active]
        shares, left, open_ones = [0] * count, MILLION, list(range(count))
        while open_ones and left > 0:
            total = sum([weights[position] for position in open_ones])
            capped = [p for p in open_ones if active[p].demand_ppm * total <= left * weights[p]]
            if not capped:
                for position in open_ones:
                    shares[position] = left * weights[position] // total
                break
            for position in capped:
                shares[position] = active[position].demand_ppm
                left -= shares[position]
            open_ones = [position for position in open_ones if position not in capped]
        return [share * factor // MILLION for share in shares]

    # --- in turns -----------------------------------------------------------------------------------------------

    def _plan_turns(self, now_us: int) -> int:
        self._queue_up(now_us)
        while True:
            owner = self.owner
            if owner is None or owner.failed:
                if not self.queue:
                    self._set_owner_rate(0)
                    return -1
                self._grant(self.queue.pop(0), now_us)
                continue
            end = self._turn_ends_us(now_us, owner)
            if 0 <= end <= now_us and self.queue:
                self._release(owner, now_us)
                continue
            break
        if not owner.running_count:
            self._set_owner_rate(0)
            return end
        if now_us < self.ready_us:
            self._set_owner_rate(0)
            return self.ready_us
        rate = owner.speeds[owner.running_count]
        if owner.demand_ppm < MILLION:
            rate = max(1, rate * owner.demand_ppm // MILLION)
        self._set_owner_rate(rate)
        if owner.unstarted:
            self._work_from(owner, now_us)
        done = now_us + -(-(owner.running[0][0] - owner.progress) // owner.rate)
        return done if end < 0 else min(done, end)

    def _queue_up(self, now_us: int) -> None:
        """Whoever has work and no turn stands in the queue once; VIPs before others, but past each of them only once.

        Else VIPs that come and go could keep one out for ever, whom its slices guarantee a share.
        """
        for tenant in self.tenants:
            if tenant.running_count and tenant is not self.owner and tenant not in self.queue and not tenant.failed:
                place = len(self.queue)
                if tenant.vip:
                    place = next((at for at, other in enumerate(self.queue) if self._goes_before(tenant, other)), place)
                self.queue.insert(place, tenant)
                tenant.queued_us = now_us

    def _goes_before(self, vip: Tenant, other: Tenant) -> bool:
        return not other.vip and (vip.last_turn_us < other.queued_us or not vip.last_turn_us)

    def _turn_ends_us(self, now_us: int, owner: Tenant) -> int:
        """When the turn ends, -1 while nobody waits for it: at the quantum, or when its owner idled long enough."""
        if owner.running_count:
            if self.idle_from_us >= 0:
                if self._end_idling(owner, now_us) < now_us:
                    self.spell_from_us = now_us
                self.idle_from_us = -1
        elif self.idle_from_us < 0:
            self.idle_from_us = now_us
        if not self.queue:
            return -1
        if self.turn_until_us < now_us and self.parameters.renew_turns:
            # Nobody waited when the turn was over, so another one began; who comes now waits for its end.
            length = self._turn_us(owner)
            self.turn_until_us += -(-(now_us - self.turn_until_us) // length) * length
        if self.idle_from_us < 0:
            return self.turn_until_us
        return min(self.turn_until_us, self.idle_from_us + self.parameters.idle_hold_us)

    def _end_idling(self, owner: Tenant, now_us: int) -> int:
        """Count what an owner kept its turn for without work; returns until when it did, and ends its spell there."""
        until_us = min(now_us, self.idle_from_us + self.parameters.idle_hold_us)
        owner.present_us += until_us - self.idle_from_us
        if until_us < now_us:
            self._end_spell(owner, until_us)
        return until_us

    def _end_spell(self, owner: Tenant, until_us: int) -> None:
        owner.spells += 1
        owner.spell_us += max(0, min(until_us - self.spell_from_us, self._turn_us(owner)))

    def _release(self, owner: Tenant, now_us: int) -> None:
        owner.rate = 0
        if self.idle_from_us < 0 or self._end_idling(owner, now_us) == now_us:
            self._end_spell(owner, now_us)
        self.owner = None
        self.switches += 1
        if owner.running_count:
            self.queue.append(owner)
            owner.queued_us = now_us
        self.drained_us = now_us + self.parameters.drain_us

    def _grant(self, tenant: Tenant, now_us: int) -> None:
        # What the last owner has submitted must have run, which it has where nobody worked for a while.
        drain = max(0, self.drained_us - now_us)
        missing = max(0, tenant.working_set_mb - tenant.resident_mb)
        if missing:
            self._make_room(tenant)
        cost = drain + missing * MILLION // self.parameters.page_in_mb_per_s
        tenant.resident_mb = tenant.working_set_mb
        tenant.last_turn_us = now_us
        self.owner, self.ready_us, self.idle_from_us = tenant, now_us + cost, -1
        begins = now_us if self.parameters.page_in_inside_turn else self.ready_us
        turn_us = self._turn_us(tenant)
        self.turn_until_us = max(begins + turn_us, self.ready_us + turn_us // _LEAST_OF_TURN)
        self.grants += 1
        self.grant_us += cost
        self.spell_from_us = begins

    def _turn_us(self, tenant: Tenant) -> int:
        return max(1, tenant.slices) * self.spec.quantum_us

    def _make_room(self, tenant: Tenant) -> None:
        """Evict other tenants' pages, those whose turn was longest ago first."""
        free = self.parameters.usable_memory_mb - sum([other.resident_mb for other in self.tenants])
        needed = tenant.working_set_mb - tenant.resident_mb - free
        for other in sorted(self.tenants, key=lambda other: (other.last_turn_us, other.id)):
            if needed <= 0:
                return
            if other is not tenant:
                evicted = min(other.resident_mb, needed)
                other.resident_mb -= evicted
                needed -= evicted

    def _set_owner_rate(self, rate: int) -> None:
        for tenant in self.tenants:
            tenant.rate = 0
        if self.owner is not None:
            self.owner.rate = rate

    def _work_from(self, tenant: Tenant, now_us: int) -> None:
        """Note that the card works on the tenant's requests from now on."""
        for task in tenant.unstarted:
            task.started_us = now_us
        tenant.unstarted.clear()

    # --- tenants ------------------------------------------------------------------------------------------------

    def place(self, tenant: Tenant) -> None:
        """Take a tenant in; its working set comes into what memory is free."""
        free = self.parameters.usable_memory_mb - sum([other.resident_mb for other in self.tenants])
        tenant.resident_mb = max(0, min(tenant.working_set_mb, free))
        tenant.card = self
        self.tenants.append(tenant)

    def remove(self, tenant: Tenant) -> None:
        """Let a tenant go with its memory; what it still ran must have been called off."""
        self.tenants.remove(tenant)
        self.forget(tenant)
        tenant.card = None

    def forget(self, tenant: Tenant) -> None:
        """End a tenant's turn and its place in the queue, and free its memory; the card is settled up to now."""
        tenant.rate, tenant.resident_mb = 0, 0
        self.leave_queue(tenant)
        if self.owner is tenant:
            self.owner = None
            self.drained_us = self.since_us + self.parameters.drain_us

    def leave_queue(self, tenant: Tenant) -> None:
        """End a tenant's place in the queue: it has nothing to do any more."""
        if tenant in self.queue:
            self.queue.remove(tenant)

    def switch_mode(self) -> None:
        """Change between sharing in space and in turns; in space all working sets come into the card that fit."""
        self.temporal = not self.temporal
        self.owner, self.ready_us, self.idle_from_us = None, 0, -1
        self.queue.clear()
        if self.temporal:
            return
        free = self.parameters.usable_memory_mb - sum([tenant.resident_mb for tenant in self.tenants])
        for tenant in self.tenants:
            missing = 0 if tenant.failed else max(0, min(free, tenant.working_set_mb - tenant.resident_mb))
            tenant.resident_mb += missing
            free -= missing
