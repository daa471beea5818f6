"""The stateful heart: admit before dispatch, settle after, each one transaction; nothing is remembered in between.

`Mediator` works over a Database in the same process. A host whose database lives elsewhere (the edge) has an object
with the same methods that passes the values on as JSON.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from worker.admission import Admission, Facts, Fallback, Grant, Settled, Settlement
from worker.admitting import MediatorConfig, admit_in
from worker.ports import Database, Hasher, Sql
from worker.schema import migrate
from worker.sessions.event import outcome_of
from worker.settling import SWEEP_LIMIT, advance_in, settle_in, sweep_in


class MediatorPort(Protocol):
    """What the request path asks of the tenant's state. Raises: HarpoonError of the kinds named at `Mediator`."""

    async def admit(self, facts: Facts) -> Admission: ...

    async def advance(self, fallback: Fallback) -> Grant: ...

    async def settle(self, settlement: Settlement) -> Settled: ...

    async def read(self, tenant: str, decision_id: str) -> dict[str, Any] | None: ...


class Mediator:
    """Budgets, decisions, estimates, ledger and outbox of every tenant in one Database."""

    def __init__(self, database: Database, hasher: Hasher, config: MediatorConfig) -> None:
        self._database = database
        self._hasher = hasher
        self._config = config

    async def open(self) -> None:
        """Create or migrate the tables. Raises: StateError."""
        await self._database.transact(migrate)

    async def admit(self, facts: Facts) -> Admission:
        """Decide, record, reserve. Raises: UnknownModel; StateError, and then nothing may be sent."""
        return await self._database.transact(lambda sql: admit_in(sql, self._hasher, self._config, facts))

    async def advance(self, fallback: Fallback) -> Grant:
        """Move the reservation to the next route. Raises: StateError."""
        return await self._database.transact(lambda sql: advance_in(sql, self._hasher, self._config, fallback))

    async def settle(self, settlement: Settlement) -> Settled:
        """Turn the reservation into spending, once. Raises: StateError."""
        return await self._database.transact(
            lambda sql: settle_in(sql, self._hasher, self._config, settlement), patient=True
        )

    async def sweep(self, now_us: int, *, everything: bool = False) -> int:
        """Settle orphans at their worst case; returns how many. Raises: StateError."""
        total = 0
        while True:
            swept = await self._database.transact(lambda sql: sweep_in(sql, self._hasher, now_us, everything))
            total += swept
            if swept < SWEEP_LIMIT:
                return total

    async def next_expiry_us(self) -> int | None:
        """When the earliest reservation expires, for a host that sets an alarm; None = nothing is held."""
        rows = await self._database.transact(lambda sql: sql.execute("SELECT MIN(expires_us) FROM decision"))
        earliest = rows[0][0]
        return earliest if isinstance(earliest, int) else None

    async def read(self, tenant: str, decision_id: str) -> dict[str, Any] | None:
        """One decision as plain values, or None. Raises: StateError."""
        return await self._database.transact(lambda sql: _read_in(sql, tenant, decision_id))


def _read_in(sql: Sql, tenant: str, decision_id: str) -> dict[str, Any] | None:
    rows = sql.execute(
        """SELECT d.request_id, d.at_us, d.state, d.digest, l.evidence, d.charged, c.evidence
           FROM decision d JOIN ledger l ON l.id = d.entry_id LEFT JOIN ledger c ON c.id = d.completion_id
           WHERE d.tenant = ? AND d.decision_id = ?""",
        tenant,
        decision_id,
    )
    if not rows:
        return None
    request_id, at_us, state, digest, evidence, charged, event = rows[0]
    return {
        "id": decision_id,
        "request_id": request_id,
        "at_us": at_us,
        "state": state,
        "decision_digest": digest,
        "charged_usd_micros": charged,
        "outcome": outcome_of(json.loads(str(event))) if event else None,
        "decision": json.loads(str(evidence)),
    }
