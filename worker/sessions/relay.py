"""Brings our own sessions from the ledgers into the spool, and reported events from the spool into the ledgers.

Both ways the receiver commits first and knows what it is given twice, and only then the sender's mark moves: whatever
dies in between, nothing is lost and nothing counts twice. Nothing of it happens while a request is served: a settlement
only notes whose it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from typing import Any, Final, Protocol

from worker.errors import HarpoonError
from worker.ports import Clock
from worker.sessions.completed import WrongPart
from worker.sessions.desk import APPEND, HEADS, NEXT, RELAYED, UNSALT
from worker.sessions.spool_ledger import SpoolLedger

#: Entries of a log looked at in one transaction: it holds up whoever asks meanwhile.
MOST_ENTRIES: Final = 128
#: How long a settlement waits for company: briefly after a quiet moment, and otherwise until so long after the last
#: push that what many requests have settled goes in one.
SOON_US: Final = 5_000
APART_US: Final = 100_000
#: How often it looks for what other processes have settled, and for reported events.
SCAN_US: Final = 1_000_000
#: What a state that fails, or something that should not be in one, raises. Whatever it is, a relay that ended would be
#: missed by nobody until the bills are.
FAULTS: Final = (HarpoonError, WrongPart, LookupError, TypeError, ValueError)
_log = logging.getLogger("harpoon.sessions")


class RelayMediator(Protocol):
    """What the relay asks of tenants' states. Raises: StateError."""

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]: ...


class AcceptingSpool(Protocol):
    """What the relay asks of the spool (`worker.sessions.spool_port.SpoolPort`). Raises: StateError."""

    async def accept(self, tenant: str, texts: list[tuple[str, str, str]], now_us: int) -> int: ...


async def push_outbox(mediator: RelayMediator, spool: AcceptingSpool, tenant: str, clock: Clock, after: int = 0) -> int:
    """Bring the tenant's completions into the spool, in order, until none is left.

    Args: after: an entry up to which nothing is left, if that is known. Returns: the same, for the next time.
    Raises: StateError, and then the rest is brought the next time.
    """
    while True:
        found = await mediator.sessions(tenant, NEXT, {"after": after, "limit": MOST_ENTRIES})
        texts: list[tuple[str, str, str]] = found["completions"]
        after = int(found["cursor"])
        if texts:
            await spool.accept(tenant, texts, clock.now_us())
            await mediator.sessions(tenant, RELAYED, {"cursor": after})
        if not found["more"]:
            return after


async def ledger_reported(mediator: RelayMediator, source: SpoolLedger, clock: Clock) -> int:
    """Append what was reported to the tenants' ledgers, until none is left; how many events. Raises: StateError."""
    count = 0
    while True:
        found = await source.next()
        if not found.end:
            return count
        for tenant, leaves in found.by_tenant.items():
            given = {"spool": found.spool, "leaves": [list(leaf) for leaf in leaves], "at_us": clock.now_us()}
            await mediator.sessions(tenant, APPEND, given)
            count += len(leaves)
        if found.by_tenant:
            # Who was erased on the way has come into the ledger with a salt that nobody must keep.
            for tenant, ids in (await source.changed(found)).items():
                await mediator.sessions(tenant, UNSALT, {"spool": found.spool, "ids": ids})
        await source.done(found.end)
        if found.is_last:
            return count  # what was reported since then comes with the next scan, many at a time


class Outboxes:
    """The outboxes of all tenants of one database, each with how far it is known to be empty."""

    def __init__(self, mediator: RelayMediator, spool: AcceptingSpool, clock: Clock) -> None:
        self._mediator = mediator
        self._spool = spool
        self._clock = clock
        self._after: dict[str, int] = {}

    async def push(self, tenants: Collection[str]) -> None:
        """Bring what these tenants have completed into the spool.

        Raises: what the first of them failed with, once the others had their turn; `waiting` finds what is left.
        """
        failed: Exception | None = None
        for tenant in sorted(tenants):
            after = self._after.get(tenant, 0)
            try:
                self._after[tenant] = await push_outbox(self._mediator, self._spool, tenant, self._clock, after)
            except FAULTS as problem:
                # Whatever one tenant's log has in it, it is no other tenant's bill.
                failed = failed or problem
        if failed is not None:
            raise failed

    async def waiting(self) -> set[str]:
        """The tenants whose logs have grown since they were looked at. Raises: StateError."""
        heads: dict[str, int] = (await self._mediator.sessions("", HEADS, {}))["heads"]
        return {tenant for tenant, head in heads.items() if head > self._after.get(tenant, 0)}

    async def push_all(self) -> None:
        """Bring what anybody has completed into the spool. Raises: StateError."""
        await self.push(await self.waiting())


class Relay:
    """Relays for ever, on a host where one database has every tenant. `note` is what the mediator tells settlements."""

    def __init__(self, mediator: RelayMediator, spool: AcceptingSpool, source: SpoolLedger, clock: Clock) -> None:
        self._mediator = mediator
        self._outboxes = Outboxes(mediator, spool, clock)
        self._source = source
        self._clock = clock
        self._dirty: set[str] = set()
        self._waker: asyncio.Future[None] | None = None
        self._scan_at_us = 0
        self._pushed_us = 0

    def note(self, tenant: str) -> None:
        """A session of this tenant has ended: its event is brought soon."""
        if not self._dirty and self._waker is not None:
            self._wake_soon()
        self._dirty.add(tenant)

    def _wake_soon(self) -> None:
        since_us = self._clock.monotonic_us() - self._pushed_us
        self._clock.call_later(max(SOON_US, APART_US - since_us), self._wake)

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    async def run_once(self, *, scan: bool = True) -> None:
        """Relay what was noted; with `scan`, also what other processes have settled, and what was reported.

        Raises: StateError, after which what was not relayed is found by the next scan.
        """
        tenants, self._dirty = self._dirty, set()
        if scan:
            tenants |= await self._outboxes.waiting()
        failed: Exception | None = None
        try:
            await self._outboxes.push(tenants)
        except FAULTS as problem:
            failed = problem
        if scan:
            await ledger_reported(self._mediator, self._source, self._clock)
        if failed is not None:
            raise failed

    async def run_for_ever(self) -> None:
        """Relay until it is cancelled."""
        while True:
            self._waker = asyncio.get_running_loop().create_future()
            now_us = self._clock.monotonic_us()
            is_due = now_us >= self._scan_at_us
            if is_due:
                self._scan_at_us = now_us + SCAN_US
            self._pushed_us = now_us
            try:
                await self.run_once(scan=is_due)
            except FAULTS as problem:
                _log.error("sessions can't be relayed, will try again: %s: %s", type(problem).__name__, problem)
                await self._clock.sleep(SCAN_US)
            if self._dirty:
                self._wake_soon()
            wait_us = max(1_000, self._scan_at_us - self._clock.monotonic_us())
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(wait_us):
                    await self._waker
