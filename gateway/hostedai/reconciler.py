"""Brings what the platform says is held back to what is wanted: holds of ours that no live lease stands for are ended.

Ours is a hold of a pool that this store has leased before for that team. Any other hold of the team was made by
somebody else: it is reported and left alone. Rows of other teams never get here, because the client leaves them out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.hostedai.client import HostedAiClient
from gateway.hostedai.errors import HostedAiError
from gateway.hostedai.lease import Lease, Row
from gateway.hostedai.lease_store import LeaseStore
from worker.ports import Clock

EVERY_US: Final = 60_000_000
_log = logging.getLogger("harpoon")


class Stranger(NamedTuple):
    """A hold of one of our teams that no lease of ours ever stood for."""

    team: str
    subscription_id: int
    pool_id: int
    pool_name: str


class Reconciler:
    """Looks at the holds of every team that leases were made for. `strangers`: what the last look left alone."""

    def __init__(
        self, client: HostedAiClient, store: LeaseStore, clock: Clock, changed: Callable[[Lease], None]
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._changed = changed
        self.due_us = 0
        self.strangers: tuple[Stranger, ...] = ()

    async def run(self) -> int:
        """One look; how many ended leases had to be brought back. Raises: StateError; NotSteering."""
        self.due_us = self._clock.now_us() + EVERY_US
        revived, strangers = 0, []
        for team in await self._store.teams():
            began_us = self._clock.now_us()
            try:
                found = await self._client.subscriptions(team, await self._store.last_ids(team))
            except HostedAiError as problem:
                _log.info("holds can't be looked at: %s", problem)
                continue
            for one in found:
                lease = await self._store.last_of(team, one.pool_id)
                if lease is None:
                    strangers.append(Stranger(team, one.id, one.pool_id, one.pool_name))
                elif not lease.is_live and lease.since_us < began_us:
                    _log.warning("lease %s had ended, but its hold is there: it is given back", lease.id)
                    row = Row(one.id, one.pool_id, one.team, one.is_leaving)
                    self._changed(await self._store.revive(lease.id, row, self._clock.now_us()))
                    revived += 1
        self.strangers = tuple(strangers)
        return revived
