"""The log as a destination: one line for each event with its ids, and nothing of what it says."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from worker.sessions.destination import Fate, Outcome, Shaped

_log = logging.getLogger("harpoon.sessions")


class LogDestination:
    """A `Destination` that tells that a session was completed. Args: name: its own, which the line names."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        for shaped in batch:
            _log.info("%s: session.completed %s of %s", self._name, shaped.event_id, shaped.tenant)
        return [Fate.DELIVERED] * len(batch)

    async def close(self) -> None:
        """There is nothing to let go of."""
