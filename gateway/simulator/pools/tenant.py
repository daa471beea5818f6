"""A team's hold on a card, with the requests that its server works on."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from gateway.simulator.pools.parameters import MILLION

if TYPE_CHECKING:
    from gateway.simulator.pools.card import Card

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

    For whoever reads the card (`gateway.simulator.pools.gauge`): `present_us` is the time it was in others' way, with
    work or keeping its turn; `spell_us` that of its `spells`, each from the beginning of a turn or of work on a card
    nobody else wants to its end, and no longer than a turn.
    """

    __slots__ = (
        "allocated_mb",
        "card",
        "demand_ppm",
        "failed",
        "held_us",
        "id",
        "last_turn_us",
        "present_us",
        "progress",
        "queued_us",
        "rate",
        "resident_mb",
        "running",
        "running_count",
        "slices",
        "speeds",
        "spell_us",
        "spells",
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
        self.present_us = self.spell_us = self.spells = 0
        self.last_turn_us = self.queued_us = 0
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

    def drop(self, task: Task, now_us: int) -> None:
        """End one request as failed; the next that waits takes its place."""
        task.failed, task.done_us = True, now_us
        if task in self.unstarted:
            self.unstarted.remove(task)
        for held in self.waiting:
            if held[0] is task:
                return self.waiting.remove(held)
        self.running = sorted([entry for entry in self.running if entry[3] is not task])  # sorted is a heap too
        self.running_count -= 1
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
