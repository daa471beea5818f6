"""A small world for stories about decisions: two providers, one model, prices that make sums easy to follow.

One token costs alpha 1 micro-dollar in and 2 out, beta twice that. The usual request has 40 bytes (a worst case of 40
input tokens, 10 planned) and asks for 10 output tokens: it holds 60 on alpha and 120 on beta.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from gateway.adapters.host import PySha3Hasher
from gateway.adapters.sqlite_database import SqliteDatabase, SqliteSettings
from worker.admission import Attempt, Facts, Fallback, Settlement
from worker.admitting import MediatorConfig, catalogue_hash
from worker.classification import Classification
from worker.covenant.policy import NO_COVENANT
from worker.errors import StateError
from worker.mediator import Mediator
from worker.ports import Sql, SqlRow
from worker.routing.catalogue import (
    PRIORITIES,
    Catalogue,
    Model,
    Offer,
    Pool,
    PoolConfiguration,
    Provider,
    QualityFloors,
    Weights,
    compile_catalogue,
)

ALPHA, BETA = "alpha/m@solo", "beta/m@solo"
WORST_ALPHA, WORST_BETA = 60, 120
NOW_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
SECOND_US = 1_000_000


def provider(name: str, **changes: Any) -> Provider:
    return replace(Provider(name, name, (1_000_000, 1_000_000, 1_000_000), ("DE",), ("gdpr",), ""), **changes)


def offer(name: str, price: int, **changes: Any) -> Offer:
    usual = Offer(
        provider=name,
        model="m",
        served_id="m",
        pools=("solo",),
        input_usd_micros_per_mtok=price,
        output_usd_micros_per_mtok=2 * price,
        first_token_us=100_000,
        decode_us_per_token=1_000,
        priced_on="2026-01-01",
        price_source="a test",
    )
    return replace(usual, **changes)


def weights(**changes: Any) -> Weights:
    return replace(Weights(1_000, 1, 1, 500_000, False, {"solo": PoolConfiguration("spatial", "test", 100)}), **changes)


CATALOGUE = Catalogue(
    version="test",
    providers=(provider("alpha"), provider("beta", tier_factor_ppm=(2_000_000, 2_000_000, 2_000_000))),
    models=(Model("m", 1_000, 100, 1_000_000, ("chat", "json"), 1_700_000_000),),
    offers=(offer("alpha", 1_000_000), offer("beta", 2_000_000)),
    pools=(Pool("solo", 1, 1_000_000, 0, 1_000_000, 5_000, private=True),),
    weights=dict.fromkeys(PRIORITIES, weights()),
    quality_floors=QualityFloors(900_000, 700_000, 1, 1),
    horizon_us=120_000_000,
    min_output_tokens=4,
    image_tokens_bound=100,
)
CLASSIFICATION = Classification("simple", 100_000, "other", 10, "test-1")


def facts(number: int = 1, **changes: Any) -> Facts:
    usual = Facts(
        tenant="acme",
        decision_id=f"dec_{number:032x}",
        request_id=f"req_{number:032x}",
        at_us=NOW_US,
        request_digest="sha256:" + "0" * 64,
        model="auto",
        policy=NO_COVENANT,
        classification=CLASSIFICATION,
        input_bytes=40,
        images=0,
        choices=1,
        max_output_tokens=10,
        needs=(),
        time_limit_us=30 * SECOND_US,
        session_id="",
        user_id="",
    )
    return usual._replace(**changes)


def settlement(number: int = 1, **changes: Any) -> Settlement:
    usual = Settlement(
        tenant="acme",
        decision_id=f"dec_{number:032x}",
        at_us=NOW_US + SECOND_US,
        route=ALPHA,
        usage="reported",
        input_tokens=10,
        output_tokens=5,
        outcome="success",
        first_byte_us=200_000,
        elapsed_us=SECOND_US,
        attempts=(Attempt(ALPHA, "ok", 200, SECOND_US),),
    )
    return usual._replace(**changes)


def fallback(number: int = 1, **changes: Any) -> Fallback:
    usual = Fallback("acme", f"dec_{number:032x}", NOW_US + SECOND_US, BETA, True)
    return usual._replace(**changes)


def hasher() -> PySha3Hasher:
    """The fast hasher, loaded without an event loop of its own."""
    made = PySha3Hasher()
    try:
        made.load().send(None)
    except StopIteration:
        return made
    raise AssertionError("load waited")


def config(catalogue: Catalogue = CATALOGUE, **changes: Any) -> MediatorConfig:
    compiled = compile_catalogue(catalogue)
    usual = MediatorConfig(
        catalogue=compiled,
        catalogue_hash=catalogue_hash(hasher(), compiled),
        configured=frozenset(p.id for p in catalogue.providers),
        caps={},
    )
    return replace(usual, **changes)


class Books:
    """A commit listener: at every commit the accounts must balance with the decisions, and no cap be broken."""

    def __init__(self) -> None:
        self.commits = 0
        self.refuse = False

    def __call__(self, sql: Sql) -> None:
        self.commits += 1
        if self.refuse:
            raise StateError("the commit is refused")
        if not sql.execute("SELECT 1 FROM sqlite_schema WHERE name = 'decision'"):
            return
        held: dict[tuple[Any, str], int] = {}
        charged: dict[tuple[Any, str], int] = {}
        rows = sql.execute("SELECT tenant, accounts, state, held, charged FROM decision")
        for tenant, accounts, state, held_now, charged_now in rows:
            for account in json.loads(str(accounts)):
                key = (tenant, account)
                held[key] = held.get(key, 0) + (int(str(held_now)) if state == "open" else 0)
                charged[key] = charged.get(key, 0) + int(str(charged_now))
        for tenant, account, cap, spent, reserved, overrun in sql.execute(
            "SELECT tenant, account, cap, spent, reserved, overrun FROM account"
        ):
            assert isinstance(spent, int)
            assert isinstance(reserved, int)
            assert isinstance(overrun, int)
            key = (tenant, str(account))
            assert min(spent, reserved, overrun) >= 0, key
            assert reserved == held.get(key, 0), key
            assert spent == charged.get(key, 0), key
            assert cap is None or spent + reserved <= int(str(cap)) + overrun, key


class World:
    """A mediator over a database of its own, and a look into its tables."""

    def __init__(self, database: SqliteDatabase, settings: MediatorConfig, books: Books) -> None:
        self.database = database
        self.books = books
        self.mediator = Mediator(database, hasher(), settings)

    def with_config(self, settings: MediatorConfig) -> Mediator:
        """Another process's mediator over the same state."""
        return Mediator(self.database, hasher(), settings)

    async def rows(self, query: str, *parameters: str | int) -> list[SqlRow]:
        return await self.database.transact(lambda sql: sql.execute(query, *parameters))

    async def account(self, name: str = "tenant", tenant: str = "acme") -> tuple[Any, ...]:
        """(cap, spent, reserved, overrun) of one account."""
        query = "SELECT cap, spent, reserved, overrun FROM account WHERE tenant = ? AND account = ?"
        (row,) = await self.rows(query, tenant, name)
        return row

    async def decision(self, number: int = 1) -> dict[str, Any]:
        """What is held and charged for a decision."""
        columns = ("state", "route", "attempt", "held", "expires_us", "charged")
        query = f"SELECT {', '.join(columns)} FROM decision WHERE decision_id = ?"
        (row,) = await self.rows(query, f"dec_{number:032x}")
        return dict(zip(columns, row, strict=True))

    async def entries(self, tenant: str = "acme") -> list[dict[str, Any]]:
        """The tenant's ledger entries in order."""
        rows = await self.rows("SELECT entry FROM ledger WHERE tenant = ? ORDER BY seq", tenant)
        return [json.loads(str(entry)) for (entry,) in rows]

    async def kinds(self, tenant: str = "acme") -> list[str]:
        """The kinds of the tenant's entries after the genesis ones."""
        return [entry["kind"] for entry in await self.entries(tenant)][4:]

    async def events(self) -> list[dict[str, Any]]:
        return [json.loads(str(event)) for (event,) in await self.rows("SELECT event FROM outbox ORDER BY id")]

    async def dump(self) -> dict[str, list[SqlRow]]:
        """Everything that is stored."""
        tables = ("tenant", "account", "decision", "estimate", "ledger", "outbox")
        return {table: await self.rows(f"SELECT * FROM {table}") for table in tables}


@asynccontextmanager
async def world(
    settings: MediatorConfig | None = None, path: str = ":memory:", max_batch: int = 64
) -> AsyncIterator[World]:
    """A mediator whose books are checked inside every commit; at most `max_batch` transactions share one."""
    books = Books()
    database = SqliteDatabase(path, SqliteSettings(busy_limit_us=60_000_000, max_batch=max_batch), books)
    await database.open()
    try:
        found = World(database, settings or config(), books)
        await found.mediator.open()
        yield found
    finally:
        await database.close()
