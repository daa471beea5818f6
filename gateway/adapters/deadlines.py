"""Time limits of one event loop, all under one timer.

`asyncio.timeout` makes a timer for each limit and cancels it: of a request that has two limits, neither of which it
ever reaches, a thirtieth of its time. Here a limit is an entry in a set, and the timer is set to the earliest there is.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """The limits that are running on a loop."""

    __slots__ = ("_at", "_handle", "_running", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._running: set[Deadline] = set()
        self._handle: asyncio.TimerHandle | None = None
        #: Loop time for which the timer is set.
        self._at = 0.0

    def begin(self, deadline: Deadline) -> None:
        self._running.add(deadline)
        if self._handle is None or deadline.when < self._at:
            self._set_timer(deadline.when)

    def end(self, deadline: Deadline) -> None:
        # The timer stays: it costs less to find nothing over, once in as long as the limits are.
        self._running.discard(deadline)

    def _set_timer(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._at = when
        self._handle = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        """End what is over, and wait for the next."""
        self._handle = None
        now = self.loop.time()
        for deadline in sorted([one for one in self._running if one.when <= now], key=lambda one: one.when):
            self._running.discard(deadline)
            deadline.expire()
        if self._running:
            self._set_timer(min([one.when for one in self._running]))


class Deadline:
    """`async with` it: the body ends with TimeoutError at loop time `when`, as under `asyncio.timeout_at`."""

    __slots__ = ("_all", "_asked_before", "_is_over", "_task", "when")

    def __init__(self, all_of_loop: Deadlines, when: float) -> None:
        self.when = when
        self._all = all_of_loop
        self._is_over = False
        self._task: asyncio.Task[object] | None = None
        self._asked_before = 0

    async def __aenter__(self) -> Deadline:
        task = self._task = asyncio.current_task(self._all.loop)
        if task is None:
            raise RuntimeError("a time limit needs a task that it can end")
        self._asked_before = task.cancelling()
        self._all.begin(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.end(self)
        if self._is_over:
            assert self._task is not None
            # Whoever else asked for a cancellation gets it.
            if self._task.uncancel() <= self._asked_before and kind is asyncio.CancelledError:
                raise TimeoutError from problem

    def expire(self) -> None:
        """The time is over: cancel the body."""
        assert self._task is not None
        self._is_over = True
        self._task.cancel()
