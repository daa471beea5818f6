"""The clock and the events: virtual microseconds, one heap, ties in the order they were made.

A card plans its own next change; planning anew makes the earlier plan void by its version number, which costs less than
finding it in the heap.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from gateway.simulator.pools.card import Card, Task, Tenant
from gateway.simulator.pools.chance import Chance
from gateway.simulator.pools.parameters import MILLION, Parameters

_NO_CARD = -1
#: Void plans are swept out of the heap when it has grown to twice what the last sweep left, and to so many at least.
_LEAST_SWEPT = 4_096


def _is_live(version: int, target: Card | Callable[[], None]) -> bool:
    return version == _NO_CARD or (isinstance(target, Card) and target.version == version)


class Engine:
    """A running model. `finished` collects requests as they end; whoever reads them clears it.

    Attributes: now_us: virtual time. transitions: events that changed something, counted for benchmarks.
    """

    def __init__(self, parameters: Parameters, seed: int) -> None:
        self.parameters = parameters
        self.chance = Chance(seed)
        self.now_us = 0
        self.transitions = 0
        self.finished: list[Task] = []
        self._heap: list[tuple[int, int, int, Card | Callable[[], None]]] = []
        self._sequence = 0
        self._sweep_at = _LEAST_SWEPT
        self._tasks = 0

    def at(self, time_us: int, happen: Callable[[], None]) -> None:
        """Let something happen at a time, which is not before now."""
        self._sequence += 1
        heappush(self._heap, (max(time_us, self.now_us), self._sequence, _NO_CARD, happen))

    def next_event_us(self) -> int | None:
        """When something will happen by itself, None = never. Void plans are thrown away on the way."""
        heap = self._heap
        while heap:
            time_us, _, version, target = heap[0]
            if _is_live(version, target):
                return time_us
            heappop(heap)
        return None

    def run_until(self, time_us: int) -> None:
        """Let virtual time pass until `time_us`, and everything that happens by then happen."""
        heap = self._heap
        while heap and heap[0][0] <= time_us:
            at_us, _, version, target = heappop(heap)
            if version == _NO_CARD:
                self.now_us = at_us
                self.transitions += 1
                target()  # type: ignore[operator]
            elif target.version == version:  # type: ignore[union-attr]
                self.now_us = at_us
                self.transitions += 1
                self.touch(target)  # type: ignore[arg-type]
        self.now_us = max(self.now_us, time_us)

    def run(self) -> None:
        """Run until nothing will happen by itself any more."""
        while (time_us := self.next_event_us()) is not None:
            self.run_until(time_us)

    def touch(self, card: Card) -> None:
        """Bring a card up to now and plan its next change."""
        card.settle(self.now_us, self.finished)
        self.replan(card)

    def replan(self, card: Card) -> None:
        """Plan a card's next change; it must be settled up to now."""
        card.version += 1
        next_us = card.plan(self.now_us)
        if next_us >= 0:
            self._sequence += 1
            heappush(self._heap, (next_us, self._sequence, card.version, card))
            if len(self._heap) > self._sweep_at:
                self._sweep()

    def _sweep(self) -> None:
        """Throw away the plans that were made anew, which may lie hours ahead."""
        self._heap[:] = [plan for plan in self._heap if _is_live(plan[2], plan[3])]
        heapify(self._heap)
        self._sweep_at = max(_LEAST_SWEPT, 2 * len(self._heap))

    def submit(self, tenant: Tenant, work_us: int, first_us: int = 0) -> Task:
        """A request arrives now.

        Args: work_us: GPU time it takes alone, 1 at least. first_us: part of it up to the first token, at most all.
        """
        self._tasks += 1
        if not 0 <= first_us <= work_us:
            first_us = max(0, min(first_us, work_us))
        task = Task(self._tasks, tenant, self.now_us, max(1, work_us))
        card = tenant.card
        if card is None or tenant.failed:
            task.failed, task.done_us = True, self.now_us
            self.finished.append(task)
            return task
        card.settle(self.now_us, self.finished)
        tenant.take(task, first_us)
        self.replan(card)
        return task

    def cancel(self, task: Task) -> None:
        """Call one request off, as a server does whose client has left; one that has ended stays as it is."""
        card = task.tenant.card
        if task.done_us is not None or card is None:
            return
        card.settle(self.now_us, self.finished)
        if task.done_us is None:
            task.tenant.drop(task, self.now_us)
            self.finished.append(task)
            if not task.tenant.running_count:
                card.leave_queue(task.tenant)
        self.replan(card)

    def place(self, card: Card, tenant: Tenant) -> Tenant | None:
        """Put a tenant on a card; returns the tenant whose pod failed of it, if memory was overcommitted too far."""
        card.settle(self.now_us, self.finished)
        card.place(tenant)
        victim = self._victim(card, tenant)
        if victim is not None:
            self._fail(card, victim)
        self._watch_mode(card)
        self.replan(card)
        return victim

    def remove(self, tenant: Tenant) -> None:
        """Take a tenant off its card; what it still ran ends as failed."""
        card = tenant.card
        if card is None:
            return
        card.settle(self.now_us, self.finished)
        self.finished.extend(tenant.call_off(self.now_us))
        card.remove(tenant)
        self._watch_mode(card)
        self.replan(card)

    def fail(self, tenant: Tenant) -> None:
        """Let a tenant's pod fail where it stands: its slices stay taken, its memory is free."""
        card = tenant.card
        if card is None or tenant.failed:
            return
        card.settle(self.now_us, self.finished)
        self._fail(card, tenant)
        self._watch_mode(card)
        self.replan(card)

    def _fail(self, card: Card, tenant: Tenant) -> None:
        tenant.failed = True
        self.finished.extend(tenant.call_off(self.now_us))
        card.forget(tenant)

    def _victim(self, card: Card, tenant: Tenant) -> Tenant | None:
        """Drawn once for each allocation: the further memory is overcommitted, the likelier one pod fails.

        One that takes more than a card has fails itself, whoever else is there.
        """
        if tenant.allocated_mb > self.parameters.usable_memory_mb:
            return tenant
        low, high = self.parameters.fail_from_ppm, self.parameters.fail_surely_ppm
        ratio = card.allocated_mb * MILLION // self.parameters.gpu_memory_mb
        if ratio <= low:
            return None
        if self.chance.below(high - low) >= ratio - low:
            return None
        alive = [tenant for tenant in card.tenants if not tenant.failed]
        return alive[self.chance.below(len(alive))]

    def _watch_mode(self, card: Card) -> None:
        """If the pool's rule asks for the other mode, change to it once that was noticed, if it still does then."""
        if card.wants_turns == card.temporal:
            return

        def notice() -> None:
            if card.wants_turns != card.temporal:
                card.settle(self.now_us, self.finished)
                card.switch_mode()
                self.replan(card)

        self.at(self.now_us + self.parameters.switch_detection_us, notice)
