"""The spool over a Database: every captured event, until each destination has it and its retention has passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from worker.errors import StateError
from worker.ports import Database
from worker.sessions.completed import SessionCompleted
from worker.sessions.dead_letters import replay_in
from worker.sessions.overview import overview_in
from worker.sessions.spool_capture import Row, accept_in, capture_in, row_of
from worker.sessions.spool_erasure import erase_person, named
from worker.sessions.spool_port import EventConflict, Named, Receipt, SpoolFull, SpoolPort
from worker.sessions.spool_retention import erase_in, forget_in
from worker.sessions.spool_schema import migrate_spool
from worker.sessions.spool_views import figures_in, find_in, recent_in

__all__ = ["EventConflict", "Receipt", "Spool", "SpoolFull", "SpoolPort"]


class Spool:
    """A `SpoolPort` kept in one database.

    Args: max_pending: how many events may wait for the slowest destination. on_capture: called after each capture that
    brought something new, such as to wake the delivery.
    """

    def __init__(
        self, database: Database, max_pending: int = 1_000_000, on_capture: Callable[[], object] | None = None
    ) -> None:
        self._database = database
        self._max_pending = max_pending
        self.on_capture = on_capture
        #: Why nothing more may be kept here, "" = it may. What is here can still be read and delivered.
        self.problem = ""

    async def open(self) -> None:
        """Bring the tables up to date. Raises: StateError."""
        await self._database.transact(migrate_spool)

    async def capture(self, tenant: str, events: Sequence[SessionCompleted], now_us: int) -> Receipt:
        """See SpoolPort.capture."""
        self._check()
        rows = [row_of(tenant, event) for event in events]
        receipt = await self._database.transact(lambda sql: capture_in(sql, tenant, rows, now_us, self._max_pending))
        self._tell(receipt.fresh)
        return receipt

    async def accept(self, tenant: str, texts: Sequence[tuple[str, str, str]], now_us: int) -> int:
        """See SpoolPort.accept."""
        self._check()
        rows = [Row(*text) for text in texts]
        fresh = await self._database.transact(lambda sql: accept_in(sql, tenant, rows, now_us))
        self._tell(fresh)
        return fresh

    async def recent(self, tenant: str | None, limit: int) -> list[dict[str, Any]]:
        """See SpoolPort.recent."""
        return await self._database.transact(lambda sql: recent_in(sql, tenant, limit))

    async def find(self, tenant: str | None, event_id: str) -> dict[str, Any] | None:
        """See SpoolPort.find."""
        return await self._database.transact(lambda sql: find_in(sql, tenant, event_id))

    async def figures(self, tenant: str | None, now_us: int) -> dict[str, Any]:
        """See SpoolPort.figures."""
        self._check()
        return await self._database.transact(lambda sql: figures_in(sql, tenant, now_us))

    async def overview(self, now_us: int) -> dict[str, Any]:
        """See SpoolPort.overview."""
        return await self._database.transact(lambda sql: overview_in(sql, now_us))

    async def replay(self, now_us: int, destination: str, event_id: str, tenant: str) -> int:
        """See SpoolPort.replay."""
        count = await self._database.transact(lambda sql: replay_in(sql, now_us, destination, event_id, tenant))
        self._tell(count)
        return count

    async def forget(self, before_us: int, now_us: int) -> int:
        """Drop what was captured before and is settled everywhere, some at a time; how many events went."""
        return await self._database.transact(lambda sql: forget_in(sql, before_us, now_us))

    async def erase(self, tenant: str) -> int:
        """Drop every event of a tenant, delivered or not; how many."""
        return await self._database.transact(lambda sql: erase_in(sql, tenant))

    async def named(self, tenant: str, subject: str, name: str) -> list[Named]:
        """See SpoolPort.named."""
        return [await named(self._database, tenant, subject, name)]

    async def erase_person(self, tenant: str, place: Named) -> int:
        """See SpoolPort.erase_person."""
        return await erase_person(self._database, tenant, place)

    def _check(self) -> None:
        if self.problem:
            raise StateError(self.problem)

    def _tell(self, fresh: int) -> None:
        if fresh and self.on_capture is not None:
            self.on_capture()
