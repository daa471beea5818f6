"""What keeps captured events until every destination has them: the port, what it answers, and how it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from worker.errors import CallerError
from worker.sessions.completed import SessionCompleted

#: Where an event came from: our own settlement, or a service that reported it.
OWN: Final = "own"
REPORTED: Final = "reported"


class Receipt(NamedTuple):
    """What became of a capture: the events' ids in their order, and how many of them were new."""

    event_ids: tuple[str, ...]
    fresh: int


class EventConflict(CallerError):
    """Another event has this id. `param`: the path of the event in its batch, "" for a single one."""

    status = 409
    code = "event_conflict"


class SpoolFull(CallerError):
    """As many events wait for a destination as may; nothing was taken. `retry_after_s`: when to try again."""

    status = 429
    type = "requests"
    code = "spool_full"

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Named(NamedTuple):
    """Events that name somebody. `spool`: the name of the spool they are in; `ids`: their numbers there."""

    spool: str
    ids: list[int]


class SpoolPort(Protocol):
    """The spool, wherever it is. Every method raises worker.errors.StateError where its state fails."""

    async def capture(self, tenant: str, events: Sequence[SessionCompleted], now_us: int) -> Receipt:
        """Keep reported events, all or none; they are durable when it returns.

        An event that is there already with an equal text counts as captured. Raises: EventConflict, SpoolFull.
        """
        ...

    async def accept(self, tenant: str, texts: Sequence[tuple[str, str, str]], now_us: int) -> int:
        """Keep our own events, given as (event id, partition key, text); how many were new. Never refused as full."""
        ...

    async def recent(self, tenant: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest events first, each {"event", "captured_at", "source", "tenant"}; None = of all tenants."""
        ...

    async def find(self, tenant: str | None, event_id: str) -> dict[str, Any] | None:
        """One event as `recent` has it, with "routed_to": [{"destination", "delivered_at"}], or None."""
        ...

    async def named(self, tenant: str, subject: str, name: str) -> list[Named]:
        """The tenant's events that name a user or a session (`subject`), in each part of the spool."""
        ...

    async def erase_person(self, tenant: str, place: Named) -> int:
        """Erase user and session from these events of the tenant; how many."""
        ...

    async def figures(self, tenant: str | None, now_us: int) -> dict[str, Any]:
        """What was captured, and how far each destination is: worker.sessions.spool_views.figures_in."""
        ...

    async def overview(self, now_us: int) -> dict[str, Any]:
        """Of all tenants, for the dashboard: worker.sessions.overview.overview_in."""
        ...

    async def replay(self, now_us: int, destination: str, event_id: str, tenant: str) -> int:
        """Have a dead letter delivered again; how many there were (0 or 1)."""
        ...
