"""The stateful heart: admit before dispatch, settle after, each one transaction; nothing is remembered in between.

`Mediator` works over a Database in the same process. A host whose database lives elsewhere (the edge) has an object
with the same methods that passes the values on as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from worker.admission import UNKNOWN_COVENANT, Admission, Facts, Fallback, Grant, Settled, Settlement
from worker.admitting import MediatorConfig, Weighed, admit_in, ensure_canon, weigh_in
from worker.cache.answers import Answers
from worker.cache.kept import Awaited, Kept
from worker.canon.order import Order as CanonOrder
from worker.canon.order import problem_of
from worker.covenant_store import Draft, bind_covenant, create_in, list_in, read_in
from worker.errors import CallerError
from worker.inspection import certificate_in, certified, decision_in, decisions_in, explain, follow_in
from worker.ledger.erasure import DECISION_KINDS, EVENT_KINDS, next_drop_in, retain_in
from worker.ledger.log import AGAIN, ledger_in
from worker.ports import Database, Hasher, Sql, as_int
from worker.routing.estimates import read_observations
from worker.schema import migrate
from worker.sessions.desk import Desk, sessions_in
from worker.settling import SWEEP_LIMIT, advance_in, settle_in, sweep_in
from worker.tenants.administration import ERASE, Order, administer_in
from worker.tenants.standing import check_key_in, standing_in


class MediatorPort(Protocol):
    """What the request path asks of the tenant's state. Raises: HarpoonError of the kinds named at `Mediator`."""

    async def admit(self, facts: Facts) -> Admission: ...

    async def advance(self, fallback: Fallback) -> Grant: ...

    async def settle(self, settlement: Settlement) -> Settled: ...

    async def awaited(self, asked: Awaited) -> Kept | None: ...

    async def read(self, tenant: str, decision_id: str) -> dict[str, Any] | None: ...

    async def certificate(self, tenant: str, decision_id: str) -> dict[str, Any] | None: ...

    async def create_covenant(self, draft: Draft) -> dict[str, Any]: ...

    async def read_covenant(self, tenant: str, covenant_id: str, at_us: int) -> dict[str, Any] | None: ...

    async def list_covenants(
        self, tenant: str, limit: int, before: str | None, at_us: int
    ) -> list[dict[str, Any]] | None: ...

    async def explain(self, facts: Facts) -> dict[str, Any]: ...

    async def decisions(
        self, tenant: str, limit: int, before: str | None, request_id: str | None = None
    ) -> list[dict[str, Any]]: ...

    async def follow(
        self, tenant: str, after_id: int | None, limit: int, request: str | None = None
    ) -> dict[str, Any]: ...

    async def observations(self, tenant: str, at_us: int) -> dict[str, dict[str, Any]]: ...

    async def authorise(self, tenant: str, key_id: str, digest: str, at_us: int) -> str: ...

    async def administer(self, order: Order) -> dict[str, Any]: ...

    async def canon(self, order: CanonOrder) -> dict[str, Any]: ...

    async def ledger(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]: ...

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]: ...


class Mediator:
    """Budgets, decisions, estimates, ledger and outbox of every tenant in one Database; `answers` is in memory alone.

    Args: answers: the answer cache, None = there is none. has_spool: completed sessions are brought to a spool, and
    their evidence stays until they are there. `on_settled` is told the tenant of each settlement once it is durable.
    """

    def __init__(
        self,
        database: Database,
        hasher: Hasher,
        config: MediatorConfig,
        answers: Answers | None = None,
        *,
        has_spool: bool = False,
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._config = config
        self._answers = answers
        self._has_spool = has_spool
        self.on_settled: Callable[[str], object] | None = None

    async def open(self) -> None:
        """Create or migrate the tables. Raises: StateError."""
        await self._database.transact(migrate)

    async def admit(self, facts: Facts) -> Admission:
        """Decide, record, reserve. Raises: UnknownModel; StateError, and then nothing may be sent."""
        admission = await self._database.transact(lambda sql: admit_in(sql, self._hasher, self._config, facts))
        if facts.cache is None or self._answers is None:
            return admission
        return self._answers.admitted(facts, admission)

    async def advance(self, fallback: Fallback) -> Grant:
        """Move the reservation to the next route. Raises: StateError."""
        return await self._database.transact(lambda sql: advance_in(sql, self._hasher, self._config, fallback))

    async def settle(self, settlement: Settlement) -> Settled:
        """Turn the reservation into spending, once. Raises: StateError."""
        if self._answers is not None:
            # Whoever waits for this answer needn't wait for the commit too.
            self._answers.settled(settlement)
        settled = await self._database.transact(
            lambda sql: settle_in(sql, self._hasher, self._config, settlement), patient=True
        )
        if self.on_settled is not None:
            self.on_settled(settlement.tenant)
        return settled

    async def awaited(self, asked: Awaited) -> Kept | None:
        """The answer to the same request of somebody else, once it is there (`worker.cache.answers`)."""
        return None if self._answers is None else await self._answers.awaited(asked)

    async def sweep(self, now_us: int, *, everything: bool = False) -> int:
        """Settle orphans at their worst case; returns how many. Raises: StateError."""
        if self._answers is not None:
            self._answers.purge(now_us)
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
        return await self._database.transact(lambda sql: decision_in(sql, tenant, decision_id))

    async def certificate(self, tenant: str, decision_id: str) -> dict[str, Any] | None:
        """One decision's certificate (`worker.inspection.certified`), or None. Raises: StateError."""
        found = await self._database.transact(
            lambda sql: certificate_in(sql, self._hasher, self._config, tenant, decision_id)
        )
        return certified(found, self._hasher, self._config)

    async def create_covenant(self, draft: Draft) -> dict[str, Any]:
        """Store a covenant, record that in the ledger, and return it (`worker.covenant_store`). Raises: StateError."""

        def create(sql: Sql) -> dict[str, Any]:
            log = ensure_canon(sql, self._hasher, self._config, draft.tenant, draft.at_us)
            return create_in(sql, self._hasher, log, draft)

        return await self._database.transact(create)

    async def read_covenant(self, tenant: str, covenant_id: str, at_us: int) -> dict[str, Any] | None:
        """One stored covenant and what it has spent, or None. `at_us`: in which window. Raises: StateError."""
        return await self._database.transact(lambda sql: read_in(sql, tenant, covenant_id, at_us))

    async def list_covenants(
        self, tenant: str, limit: int, before: str | None, at_us: int
    ) -> list[dict[str, Any]] | None:
        """The tenant's covenants, newest first; None if there is no covenant `before`. Raises: StateError."""
        return await self._database.transact(lambda sql: list_in(sql, tenant, limit, before, at_us))

    async def explain(self, facts: Facts) -> dict[str, Any]:
        """What `admit` would decide now, with its reasons (`worker.inspection.explain`); nothing is recorded or held.

        Only a refusal if the facts name a covenant that the tenant does not have. Raises: UnknownModel; StateError.
        """

        def weigh(sql: Sql) -> tuple[Weighed, Facts] | None:
            bound = bind_covenant(sql, facts)
            if bound is None:
                return None
            return weigh_in(sql, self._config, bound, standing_in(sql, self._config, bound)), bound

        found = await self._database.transact(weigh)
        if found is None:
            return {"refusal": {"kind": UNKNOWN_COVENANT, "reasons": []}}
        return explain(found[0], self._hasher, self._config, found[1])

    async def decisions(
        self, tenant: str, limit: int, before: str | None, request_id: str | None = None
    ) -> list[dict[str, Any]]:
        """The tenant's decisions, newest first (`worker.inspection.decisions_in`). Raises: StateError."""
        return await self._database.transact(lambda sql: decisions_in(sql, tenant, limit, before, request_id))

    async def follow(self, tenant: str, after_id: int | None, limit: int, request: str | None = None) -> dict[str, Any]:
        """The tenant's ledger after a cursor (`worker.inspection.follow_in`). Raises: StateError."""
        return await self._database.transact(lambda sql: follow_in(sql, tenant, after_id, limit, request))

    async def observations(self, tenant: str, at_us: int) -> dict[str, dict[str, Any]]:
        """What the tenant's past attempts say of each route that had any (`Observation`), by id. Raises: StateError."""
        found = await self._database.transact(lambda sql: read_observations(sql, tenant, at_us))
        return {route: observed._asdict() for route, observed in found.items()}

    async def authorise(self, tenant: str, key_id: str, digest: str, at_us: int) -> str:
        """Why a stored key is not accepted (`worker.tenants.standing`), "" if it is. Raises: StateError."""
        return await self._database.transact(lambda sql: check_key_in(sql, tenant, key_id, digest, at_us)[1])

    async def administer(self, order: Order) -> dict[str, Any]:
        """Carry out an administrator's order (`worker.tenants.administration`). Raises: StateError."""
        found = await self._database.transact(lambda sql: administer_in(sql, self._hasher, self._config, order))
        if order.act == ERASE and self._answers is not None:
            # Nobody knows whose words are in which answer.
            self._answers.forget(order.tenant)
        return found

    async def ledger(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        """What an act on the tenant's log found (`worker.ledger.log`). Raises: LedgerFault; StateError."""
        while True:
            found = await self._database.transact(lambda sql: ledger_in(sql, self._hasher, tenant, act, given))
            if AGAIN not in found:
                return found

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        """What an act of the relay found (`worker.sessions.desk`). Raises: StateError."""

        def carry_out(sql: Sql) -> dict[str, Any]:
            def log() -> int:
                return ensure_canon(sql, self._hasher, self._config, tenant, given["at_us"])

            return sessions_in(Desk(sql, self._hasher, tenant, log), act, given)

        return await self._database.transact(carry_out)

    async def retain(self, now_us: int) -> int:
        """Drop evidence that has outlived the retention, of every tenant here; returns in how many steps.

        Raises: StateError.
        """
        keep_us, events = self._config.retention
        if not keep_us:
            return 0
        kinds = DECISION_KINDS | EVENT_KINDS if events else DECISION_KINDS
        logs = await self._database.transact(lambda sql: sql.execute("SELECT tenant, log FROM tenant"))
        steps = 0
        for tenant, log in logs:
            of_log = partial(
                retain_in, hasher=self._hasher, tenant=str(tenant), log=as_int(log), has_spool=self._has_spool
            )
            while await self._database.transact(partial(of_log, now_us=now_us, keep_us=keep_us, kinds=kinds)):
                steps += 1
        return steps

    async def next_drop_us(self) -> int | None:
        """When `retain` will have something to drop, for a host with an alarm; None = never. Raises: StateError."""
        keep_us, events = self._config.retention
        if not keep_us:
            return None
        kinds = DECISION_KINDS | EVENT_KINDS if events else DECISION_KINDS
        return await self._database.transact(lambda sql: next_drop_in(sql, keep_us, kinds))

    async def canon(self, order: CanonOrder) -> dict[str, Any]:
        """Carry out an order to the tenant's canon (`worker.canon.desk`), or say why it can't be. Raises: StateError.

        What it says is in the log by then; a refusal (`worker.canon.order.problem_of`) left nothing there.
        """
        from worker.canon.desk import canon_in  # heavy, and no start and no chat needs it

        try:
            return await self._database.transact(lambda sql: canon_in(sql, self._hasher, self._config, order))
        except CallerError as problem:
            return problem_of(problem)

    async def is_there(self) -> bool:
        """Whether the tables were ever made, for a host that makes none for a caller it doesn't know."""
        rows = await self._database.transact(
            lambda sql: sql.execute("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'migration'")
        )
        return rows[0][0] != 0
