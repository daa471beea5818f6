"""One GPU: its tenants share it in space while their memory fits together, else in exclusive turns with paging.

Work is counted in GPU time alone: a request of `work_us` takes that long on an idle card by itself. A tenant's
`progress` grows with the speed each of its requests has, so a request that comes in at progress P is done at P + its
work, however often speeds change in between: one number a tenant to move, not one a request. All integers; a speed is
in ppm, so progress is in millionths of a microsecond.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Final

from gateway.simulator.pools.parameters import AUTO, MILLION, TEMPORAL, Parameters, PoolSpec

#: Speeds never fall below this share however many tenants interfere, so that every request ends.
_LEAST_FACTOR_PPM: Final = 100_000
_FIRST, _LAST = 0, 1


class Task:
    """A request: when it came, when the card first worked on it, its first token, its end; None = not yet.

    `failed`: its pod failed, or it was called off.
    """

    __slots__ = ("arrival_us", "done_us", "failed", "first_token_us", "id", "started_us", "tenant", "work_us")

    def __init__(self, identity: int, tenant: Tenant, arrival_us: int, work_us: int) -> None:
        self.id = identity
        self.tenant = tenant
        self.arrival_us = arrival_us
        self.work_us = work_us
        self.started_us: int | None = None
        self.first_token_us: int | None = None
        self.done_us: int | None = None
        self.failed = False


class Tenant:
    """One team's hold on slices of one card, with the server that runs in its pod.

    Args: slices: of the card's sharing ratio. allocated_mb: memory its server took. working_set_mb: what must be in the
    card for it to work. demand_ppm: the share of a card it can use at most. speeds: `batch_speeds` of its server; its
    length bounds how many requests run at once.
    """

    __slots__ = (
        "allocated_mb",
        "card",
        "demand_ppm",
        "failed",
        "held_us",
        "id",
        "last_turn_us",
        "progress",
        "rate",
        "resident_mb",
        "running",
        "running_count",
        "slices",
        "speeds",
        "team",
        "unstarted",
        "vip",
        "waiting",
        "working_set_mb",
    )

    def __init__(
        self,
        identity: int,
        team: str,
        speeds: tuple[int, ...],
        *,
        slices: int = 1,
        allocated_mb: int = 20_000,
        working_set_mb: int = 20_000,
        demand_ppm: int = MILLION,
        vip: bool = False,
    ) -> None:
        self.id = identity
        self.team = team
        self.slices = slices
        self.allocated_mb = allocated_mb
        self.working_set_mb = working_set_mb
        self.demand_ppm = demand_ppm
        self.vip = vip
        self.speeds = speeds
        self.card: Card | None = None
        self.failed = False
        self.resident_mb = 0
        self.progress = 0
        self.rate = 0
        self.held_us = 0
        self.last_turn_us = 0
        self.running: list[tuple[int, int, int, Task]] = []
        self.running_count = 0
        self.waiting: deque[tuple[Task, int]] = deque()
        self.unstarted: list[Task] = []

    def _start(self, task: Task, first_us: int) -> None:
        if first_us:
            heappush(self.running, (self.progress + first_us * MILLION, task.id, _FIRST, task))
        heappush(self.running, (self.progress + task.work_us * MILLION, task.id, _LAST, task))
        self.running_count += 1
        self.unstarted.append(task)

    def take(self, task: Task, first_us: int) -> None:
        """Run a request, or let it wait for a place in the batch; its first token comes after `first_us` of work."""
        if self.running_count < len(self.speeds) - 1:
            self._start(task, first_us)
        else:
            self.waiting.append((task, first_us))

    def reap(self, now_us: int, finished: list[Task]) -> None:
        """Move what is done to `finished`, and let those that wait take the places."""
        running = self.running
        while running and running[0][0] <= self.progress:
            _, _, part, task = heappop(running)
            if part == _FIRST:
                task.first_token_us = now_us
                continue
            task.done_us = now_us
            if task.first_token_us is None:
                task.first_token_us = now_us
            self.running_count -= 1
            finished.append(task)
            if self.waiting:
                self._start(*self.waiting.popleft())

    def call_off(self, now_us: int) -> list[Task]:
        """End everything the tenant runs or holds, as failed."""
        ended = [entry[3] for entry in self.running if entry[2] == _LAST] + [task for task, _ in self.waiting]
        for task in ended:
            task.failed, task.done_us = True, now_us
        self.running.clear()
        self.waiting.clear()
        self.unstarted.clear()
        self.running_count = 0
        return ended


class Card:
    """A GPU of a pool. `settle` brings everything up to a time, `plan` says when something will change by itself."""

    __slots__ = (
        "busy_us",
        "idle_from_us",
        "index",
        "owner",
        "parameters",
        "queue",
        "ready_us",
        "since_us",
        "spec",
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
        self.turn_until_us = 0
        self.idle_from_us = -1
        self.since_us = 0
        self.version = 0
        self.switches = 0
        self.busy_us = 0

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
            if tenant.rate and tenant.running_count:
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
        self._queue_up()
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
                self._release(owner)
                continue
            break
        if not owner.running_count:
            self._set_owner_rate(0)
            return end
        if now_us < self.ready_us:
            self._set_owner_rate(0)
            return self.ready_us
        self._set_owner_rate(owner.speeds[owner.running_count])
        if owner.unstarted:
            self._work_from(owner, now_us)
        done = now_us + -(-(owner.running[0][0] - owner.progress) // owner.rate)
        return done if end < 0 else min(done, end)

    def _queue_up(self) -> None:
        """Whoever has work and no turn stands in the queue once; VIPs before all others."""
        for tenant in self.tenants:
            if tenant.running_count and tenant is not self.owner and tenant not in self.queue and not tenant.failed:
                if tenant.vip:
                    place = sum([1 for other in self.queue if other.vip])
                    self.queue.insert(place, tenant)
                else:
                    self.queue.append(tenant)

    def _turn_ends_us(self, now_us: int, owner: Tenant) -> int:
        """When the turn ends, -1 while nobody waits for it: at the quantum, or when its owner idled long enough."""
        if owner.running_count:
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

    def _release(self, owner: Tenant) -> None:
        owner.rate = 0
        self.owner = None
        self.switches += 1
        if owner.running_count:
            self.queue.append(owner)
        # The next grant pays for draining what the owner has submitted.
        self.ready_us = -1

    def _grant(self, tenant: Tenant, now_us: int) -> None:
        drain = self.parameters.drain_us if self.ready_us == -1 else 0
        missing = max(0, tenant.working_set_mb - tenant.resident_mb)
        if missing:
            self._make_room(tenant)
        cost = drain + missing * MILLION // self.parameters.page_in_mb_per_s
        tenant.resident_mb = tenant.working_set_mb
        tenant.last_turn_us = now_us
        self.owner, self.ready_us, self.idle_from_us = tenant, now_us + cost, -1
        begins = now_us if self.parameters.page_in_inside_turn else self.ready_us
        self.turn_until_us = begins + self._turn_us(tenant)

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
        """End a tenant's turn and its place in the queue, and free its memory."""
        tenant.rate, tenant.resident_mb = 0, 0
        if tenant in self.queue:
            self.queue.remove(tenant)
        if self.owner is tenant:
            self.owner = None
            self.ready_us = -1

    def switch_mode(self) -> None:
        """Change between sharing in space and in turns."""
        self.temporal = not self.temporal
        self.owner, self.ready_us, self.idle_from_us = None, 0, -1
        self.queue.clear()
