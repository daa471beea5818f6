"""The product's Worker with an auditor inside every transaction of its objects; for tests, never deployed.

Right before a transaction ends, and so at every commit, the auditor holds the accounts against the decisions: reserved
is what open decisions hold, spent is what decisions were charged, and no account with a cap is over it. What it saw
lies in a table of its own, read at /audit/<tenant>.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from product_entry import Default as Product
from product_entry import MediatorAgent as ProductAgent
from product_entry import SessionSpool
from workers import Response

from worker.edge.bindings import MediatorStub
from worker.edge.durable_database import DurableDatabase
from worker.edge.mediator_agent import ObjectHost, TextMediator

__all__ = ["Default", "MediatorAgent", "SessionSpool"]

T = TypeVar("T")
AUDIT_PATH = "/audit/"
BROKEN_ACCOUNTS = """
    SELECT COUNT(*) FROM account AS a
    WHERE (cap IS NOT NULL AND spent + reserved > cap + overrun) OR MIN(spent, reserved, overrun) < 0
       OR reserved <> (SELECT COALESCE(SUM(held), 0) FROM decision AS d, json_each(d.accounts) AS named
                       WHERE d.tenant = a.tenant AND named.value = a.account AND state = 'open')
       OR spent <> (SELECT COALESCE(SUM(charged), 0) FROM decision AS d, json_each(d.accounts) AS named
                    WHERE d.tenant = a.tenant AND named.value = a.account)"""


class AuditedDatabase:
    """The object's database, audited at the end of every transaction."""

    def __init__(self, database: DurableDatabase) -> None:
        self._database = database

    async def transact(self, fn: Callable[[Any], T], **options: bool) -> T:
        def audited(sql: Any) -> T:
            value = fn(sql)
            sql.execute("CREATE TABLE IF NOT EXISTS audit (checks INTEGER NOT NULL, violations INTEGER NOT NULL)")
            ((violations,),) = sql.execute(BROKEN_ACCOUNTS)
            sql.execute("INSERT INTO audit VALUES (1, ?)", violations)
            return value

        return await self._database.transact(audited, **options)

    async def report(self) -> dict[str, Any]:
        """What was checked so far, and the tables as they stand."""

        def read(sql: Any) -> dict[str, Any]:
            ((checks, violations),) = sql.execute("SELECT SUM(checks), SUM(violations) FROM audit")
            return {
                "checks": checks,
                "violations": violations,
                "accounts": sql.execute("SELECT account, cap, spent, reserved, overrun FROM account"),
                "states": dict(sql.execute("SELECT state, COUNT(*) FROM decision GROUP BY state")),
                "entries": dict(sql.execute("SELECT kind, COUNT(*) FROM ledger GROUP BY kind")),
                "events": sql.execute("SELECT COUNT(*) FROM outbox")[0][0],
            }

        return await self._database.transact(read)


class AuditedMediator:
    """The tenant's mediator, which also answers for its auditor."""

    def __init__(self, mediator: TextMediator, database: AuditedDatabase) -> None:
        self._mediator = mediator
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mediator, name)

    async def read(self, json_text: str) -> str:
        if json_text == AUDIT_PATH:
            return json.dumps(await self._database.report())
        return await self._mediator.read(json_text)


class MediatorAgent(ProductAgent):
    """One tenant's state, audited."""

    @staticmethod
    async def build(host: ObjectHost) -> AuditedMediator:
        database = AuditedDatabase(host.database)
        return AuditedMediator(await ProductAgent.build(replace(host, database=database)), database)


class Default(Product):
    """The product's surface, and the auditor's report."""

    async def fetch(self, request: Any) -> Any:
        _, found, tenant = request.js_object.url.partition(AUDIT_PATH)
        if not found:
            return await super().fetch(request)
        return Response(await MediatorStub(self.env, tenant).read(AUDIT_PATH))
