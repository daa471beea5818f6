"""The mediator on both sides of a Durable Object's boundary: values here, JSON text in between.

Inside the object, `ObjectMediator` runs the core's mediator over the object's database and keeps an alarm set, so
that a reservation nobody settles is settled at its worst case. In the isolate, `RemoteMediator` is that mediator for
callers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from worker.admission import (
    UNKNOWN_KEY,
    Admission,
    Facts,
    Fallback,
    Grant,
    Refusal,
    Settled,
    Settlement,
    admission_from_json,
    awaited_from_json,
    facts_from_json,
    fallback_from_json,
    grant_from_json,
    kept_from_plain,
    kept_to_json,
    settled_from_json,
    settlement_from_json,
    to_json,
)
from worker.admitting import ORPHAN_GRACE_US
from worker.cache.kept import Awaited, Kept
from worker.canon.order import Order as CanonOrder
from worker.canon.order import order_from_json as canon_order_from_json
from worker.canon.order import order_to_json as canon_order_to_json
from worker.covenant_store import Draft, draft_from_json, draft_to_json
from worker.edge.bindings import MediatorStub
from worker.edge.built_object import Waking, backoff_after
from worker.mediator import Mediator
from worker.ports import Clock
from worker.sessions.relay import FAULTS
from worker.tenants.administration import MAKING, NO_TENANT, Order, order_from_json, order_to_json
from worker.tenants.standing import UNKNOWN

#: How long a settlement waits for company on its way into the spool.
GATHER_US = 50_000
RETAIN_AGAIN_US = 1_000_000
_log = logging.getLogger("harpoon.sessions")
#: The object that knows which tenants were made by administration; no tenant's name has such a character.
INDEX_OBJECT = "_tenants"


class ObjectMediator:
    """One tenant's mediator inside its object.

    Args: set_alarm: takes microseconds since 1970. outbox: brings what the tenant's log has completed into the spool
    (StateError: not now), None = there is no spool.
    """

    def __init__(
        self,
        mediator: Mediator,
        clock: Clock,
        set_alarm: Callable[[int], Awaitable[None]],
        outbox: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._mediator = mediator
        self._clock = clock
        self._waking = Waking(set_alarm)
        self._outbox = outbox
        self._failures = 0
        self._is_open = False

    async def open(self) -> None:
        """Make or migrate the tables, once, for a caller who is known; see `_is_there` for one who is not yet."""
        if not self._is_open:
            await self._mediator.open()
            self._is_open = True
            if self._outbox is not None:
                # What an earlier life of the object has left, and an alarm it had set for it.
                await self._waking.at(self._clock.now_us() + GATHER_US)

    async def _is_there(self) -> bool:
        """Whether the object holds a tenant's state: what an unknown caller says must not make any."""
        if not self._is_open and await self._mediator.is_there():
            await self.open()
        return self._is_open

    async def admit(self, json_text: str) -> str:
        facts = facts_from_json(json_text)
        if not facts.key_digest:
            await self.open()
        elif not await self._is_there():
            return to_json(Admission(facts.decision_id, "", (), 0, 0, Refusal(UNKNOWN_KEY, (UNKNOWN,))))
        admission = await self._mediator.admit(facts)
        if admission.refusal is None:
            limit_us = admission.time_limit_us or facts.time_limit_us
            await self._waking.at(facts.at_us + limit_us + ORPHAN_GRACE_US + 1_000)
        return to_json(admission)

    async def advance(self, json_text: str) -> str:
        await self.open()
        return to_json(await self._mediator.advance(fallback_from_json(json_text)))

    async def settle(self, json_text: str) -> str:
        await self.open()
        settled = await self._mediator.settle(settlement_from_json(json_text))
        if self._outbox is not None:
            await self._waking.at(self._clock.now_us() + GATHER_US)
        return to_json(settled)

    async def awaited(self, json_text: str) -> str:
        return kept_to_json(await self._mediator.awaited(awaited_from_json(json_text)))

    async def read(self, json_text: str) -> str:
        await self.open()
        asked = json.loads(json_text)
        return json.dumps(await self._mediator.read(asked["tenant"], asked["decision_id"]))

    async def certificate(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.certificate(**json.loads(json_text)))

    async def create_covenant(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.create_covenant(draft_from_json(json_text)))

    async def read_covenant(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.read_covenant(**json.loads(json_text)))

    async def list_covenants(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.list_covenants(**json.loads(json_text)))

    async def explain(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.explain(facts_from_json(json_text)))

    async def decisions(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.decisions(**json.loads(json_text)))

    async def follow(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.follow(**json.loads(json_text)))

    async def observations(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.observations(**json.loads(json_text)))

    async def authorise(self, json_text: str) -> str:
        if not await self._is_there():
            return json.dumps(UNKNOWN)
        return json.dumps(await self._mediator.authorise(**json.loads(json_text)))

    async def administer(self, json_text: str) -> str:
        order = order_from_json(json_text)
        if order.act in MAKING:
            await self.open()
        elif not await self._is_there():
            return json.dumps({"found": []} if order.act == "list_tenants" else {"problem": NO_TENANT})
        return json.dumps(await self._mediator.administer(order))

    async def ledger(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.ledger(**json.loads(json_text)))

    async def sessions(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.sessions(**json.loads(json_text)))

    async def canon(self, json_text: str) -> str:
        await self.open()
        return json.dumps(await self._mediator.canon(canon_order_from_json(json_text)))

    async def alarm(self) -> None:
        """Settle what has expired, bring what was completed into the spool, and come back for what will be."""
        await self._waking.run(self._awake)

    async def _awake(self) -> None:
        await self.open()
        await self._mediator.sweep(self._clock.now_us())
        waits = self._outbox is not None and not await self._push(self._outbox)
        await self._mediator.retain(self._clock.now_us())
        expiry_us, drop_us = await self._mediator.next_expiry_us(), await self._mediator.next_drop_us()
        if expiry_us is not None:
            await self._waking.at(expiry_us + 1_000)
        if drop_us is not None and not (waits and drop_us <= self._clock.now_us()):
            # A tenant that asks no more is not forgotten: its evidence is dropped in time, too. What is due already
            # waits for the spool: it goes once the outbox has been brought there.
            await self._waking.at(max(drop_us + 1_000, self._clock.now_us() + RETAIN_AGAIN_US))

    async def _push(self, outbox: Callable[[], Awaitable[None]]) -> bool:
        """Bring the outbox to the spool; False = not now, and the alarm comes again for it."""
        try:
            await outbox()
        except FAULTS as problem:
            fault = type(problem).__name__
            _log.error("completed sessions can't be brought to the spool now, will try again: %s: %s", fault, problem)
            await self._waking.at(backoff_after(self._clock, self._failures))
            self._failures += 1
            return False
        self._failures = 0
        return True


class RemoteMediator:
    """`worker.mediator.MediatorPort` over the tenants' objects: the tenant names the object. Raises: StateError."""

    def __init__(self, env: Any) -> None:
        self._env = env

    async def admit(self, facts: Facts) -> Admission:
        return admission_from_json(await MediatorStub(self._env, facts.tenant).admit(to_json(facts)))

    async def advance(self, fallback: Fallback) -> Grant:
        return grant_from_json(await MediatorStub(self._env, fallback.tenant).advance(to_json(fallback)))

    async def settle(self, settlement: Settlement) -> Settled:
        return settled_from_json(await MediatorStub(self._env, settlement.tenant).settle(to_json(settlement)))

    async def awaited(self, asked: Awaited) -> Kept | None:
        return kept_from_plain(json.loads(await MediatorStub(self._env, asked.tenant).awaited(to_json(asked))))

    async def read(self, tenant: str, decision_id: str) -> dict[str, Any] | None:
        asked = json.dumps({"tenant": tenant, "decision_id": decision_id})
        record: dict[str, Any] | None = json.loads(await MediatorStub(self._env, tenant).read(asked))
        return record

    async def certificate(self, tenant: str, decision_id: str) -> dict[str, Any] | None:
        asked = json.dumps({"tenant": tenant, "decision_id": decision_id})
        found: dict[str, Any] | None = json.loads(await MediatorStub(self._env, tenant).certificate(asked))
        return found

    async def create_covenant(self, draft: Draft) -> dict[str, Any]:
        stub = MediatorStub(self._env, draft.tenant)
        created: dict[str, Any] = json.loads(await stub.create_covenant(draft_to_json(draft)))
        return created

    async def read_covenant(self, tenant: str, covenant_id: str, at_us: int) -> dict[str, Any] | None:
        asked = json.dumps({"tenant": tenant, "covenant_id": covenant_id, "at_us": at_us})
        found: dict[str, Any] | None = json.loads(await MediatorStub(self._env, tenant).read_covenant(asked))
        return found

    async def list_covenants(
        self, tenant: str, limit: int, before: str | None, at_us: int
    ) -> list[dict[str, Any]] | None:
        asked = json.dumps({"tenant": tenant, "limit": limit, "before": before, "at_us": at_us})
        found: list[dict[str, Any]] | None = json.loads(await MediatorStub(self._env, tenant).list_covenants(asked))
        return found

    async def explain(self, facts: Facts) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await MediatorStub(self._env, facts.tenant).explain(to_json(facts)))
        return found

    async def decisions(
        self, tenant: str, limit: int, before: str | None, request_id: str | None = None
    ) -> list[dict[str, Any]]:
        asked = json.dumps({"tenant": tenant, "limit": limit, "before": before, "request_id": request_id})
        found: list[dict[str, Any]] = json.loads(await MediatorStub(self._env, tenant).decisions(asked))
        return found

    async def follow(self, tenant: str, after_id: int | None, limit: int, request: str | None = None) -> dict[str, Any]:
        asked = json.dumps({"tenant": tenant, "after_id": after_id, "limit": limit, "request": request})
        found: dict[str, Any] = json.loads(await MediatorStub(self._env, tenant).follow(asked))
        return found

    async def observations(self, tenant: str, at_us: int) -> dict[str, dict[str, Any]]:
        asked = json.dumps({"tenant": tenant, "at_us": at_us})
        found: dict[str, dict[str, Any]] = json.loads(await MediatorStub(self._env, tenant).observations(asked))
        return found

    async def authorise(self, tenant: str, key_id: str, digest: str, at_us: int) -> str:
        asked = json.dumps({"tenant": tenant, "key_id": key_id, "digest": digest, "at_us": at_us})
        problem: str = json.loads(await MediatorStub(self._env, tenant).authorise(asked))
        return problem

    async def administer(self, order: Order) -> dict[str, Any]:
        text, name = order_to_json(order), order.tenant
        if order.act == "list_tenants":
            name = INDEX_OBJECT
        elif order.act == "create_tenant":
            # Listed first: of the two objects, a failure in between leaves a name without a tenant, never the reverse.
            await MediatorStub(self._env, INDEX_OBJECT).administer(order_to_json(order._replace(act="list_tenant")))
        found: dict[str, Any] = json.loads(await MediatorStub(self._env, name).administer(text))
        return found

    async def ledger(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        asked = json.dumps({"tenant": tenant, "act": act, "given": given})
        found: dict[str, Any] = json.loads(await MediatorStub(self._env, tenant).ledger(asked))
        return found

    async def sessions(self, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
        asked = json.dumps({"tenant": tenant, "act": act, "given": given})
        found: dict[str, Any] = json.loads(await MediatorStub(self._env, tenant).sessions(asked))
        return found

    async def canon(self, order: CanonOrder) -> dict[str, Any]:
        text = canon_order_to_json(order)
        said: dict[str, Any] = json.loads(await MediatorStub(self._env, order.tenant).canon(text))
        return said
