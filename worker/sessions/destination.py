"""What delivery asks of a destination, and what a destination answers for each event of a batch.

A destination may get an event twice, after a crash or a lost answer; the event's id with its tenant is what it tells
that by. Adapters on every host keep the contract in tests/contracts/test_destinations.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol

MAX_REASON_CHARACTERS: Final = 300


class Shaped(NamedTuple):
    """An event as one destination gets it. `key`: what is kept in order; `timestamp`: RFC 3339, of the
    event itself; "" = it stands in the text. `keep_days`: after which a store drops it; None = never."""

    event_id: str
    tenant: str
    key: str
    captured_us: int
    timestamp: str
    text: str
    keep_days: int | None = None


def delivery_id(shaped: Shaped) -> str:
    """What every attempt to deliver the event carries, and nothing else does: two tenants may use the same event id."""
    return f"{shaped.tenant}:{shaped.event_id}"


class Fate(Enum):
    """What became of an event other than a failure. SKIPPED is said by routes, never by a destination."""

    DELIVERED = "delivered"
    SKIPPED = "skipped"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Failed:
    """An event that the destination didn't take. `reason`: for a person, without secrets and without the event's text.

    retry_after_us: the least wait it asks for. is_permanent: the event will never be taken. is_down: it is the
    destination's fault, whatever the event. is_gone: it wants nothing any more, until somebody switches it on again.
    """

    reason: str
    retry_after_us: int = 0
    is_permanent: bool = False
    is_down: bool = False
    is_gone: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason[:MAX_REASON_CHARACTERS])


Outcome = Fate | Failed


class Destination(Protocol):
    """Where events go. One batch at a time; bounded in time by the adapter itself."""

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """Deliver in the batch's order within each key; one outcome for each event. Raises nothing but its bugs.

        DELIVERED says that the destination has the event for good. After a failure the later events of the same key
        are NOT_TRIED.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections; harmless twice."""
        ...


def all_failed(batch: Sequence[Shaped], failed: Failed) -> list[Outcome]:
    """The outcomes of a batch of which nothing was taken: the first failed, the rest wasn't tried."""
    return [failed, *[Fate.NOT_TRIED] * (len(batch) - 1)]
