"""Leases and their money, durable: every change of a lease, its charges and the budget in one transaction.

Several processes may share the file. One of them steers: it holds an epoch, and each write names its epoch, so that a
process that was paused, and replaced meanwhile, changes nothing any more. All may read which endpoints are held.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeVar

from gateway.hostedai.lease import Charge, Doing, Event, Lease, Moment, Row, Rules, State, Step
from gateway.hostedai.lease_machine import advance
from gateway.hostedai.lease_revival import revive
from worker.errors import IntegrityError
from worker.ports import Database, Sql, SqlValue, as_int

T = TypeVar("T")
_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, team TEXT NOT NULL,
    pool_id INTEGER NOT NULL, is_live INTEGER NOT NULL, due_us INTEGER NOT NULL, body TEXT NOT NULL) STRICT""",
    # The platform lets a team hold a pool once, so two live leases of one would share what only one of them pays for.
    "CREATE UNIQUE INDEX IF NOT EXISTS lease_of_pool ON lease (team, pool_id) WHERE is_live = 1",
    "CREATE INDEX IF NOT EXISTS lease_of_team ON lease (team, pool_id)",
    "CREATE INDEX IF NOT EXISTS lease_due ON lease (due_us) WHERE is_live = 1",
    """CREATE TABLE IF NOT EXISTS lease_charge (lease_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    usd_micros INTEGER NOT NULL, from_us INTEGER NOT NULL, until_us INTEGER NOT NULL, at_us INTEGER NOT NULL,
    PRIMARY KEY (lease_id, seq)) STRICT""",
    """CREATE TABLE IF NOT EXISTS lease_budget (tenant TEXT PRIMARY KEY, cap INTEGER, spent INTEGER NOT NULL) STRICT""",
    """CREATE TABLE IF NOT EXISTS lease_use (lease_id TEXT NOT NULL, request_id TEXT NOT NULL, token INTEGER NOT NULL,
    began_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, held_us INTEGER NOT NULL, usd_micros INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL) STRICT""",
    "CREATE INDEX IF NOT EXISTS lease_use_of ON lease_use (lease_id)",
    """CREATE TABLE IF NOT EXISTS lease_steering (only INTEGER PRIMARY KEY CHECK (only = 1), holder TEXT NOT NULL,
    epoch INTEGER NOT NULL, ends_us INTEGER NOT NULL, token INTEGER NOT NULL) STRICT""",
    "CREATE TABLE IF NOT EXISTS lease_wish (pool TEXT PRIMARY KEY, at_us INTEGER NOT NULL) STRICT",
    "INSERT OR IGNORE INTO lease_steering VALUES (1, '', 0, 0, 0)",
)


class NotSteering(IntegrityError):
    """Another process steers the leases now."""

    code = "not_steering"


class AlreadyLeased(IntegrityError):
    """There is a live lease of this pool for this team."""

    code = "already_leased"


@dataclass(frozen=True, slots=True)
class Use:
    """A request that ran on a lease. `held_us`: its part of the lease's time, shared with what ran beside it."""

    lease_id: str
    request_id: str
    token: int
    began_us: int
    ended_us: int
    held_us: int
    usd_micros: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """A charge as it is kept."""

    lease_id: str
    charge: Charge
    at_us: int


class LeaseStore:
    """The leases of one state folder, over a Database."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self.rules = rules
        self.epoch = 0

    async def open(self) -> None:
        """Make the tables that are missing. Raises: StateError."""

        def make(sql: Sql) -> None:
            for statement in _SCHEMA:
                sql.execute(statement)

        await self._database.transact(make)

    async def steer(self, holder: str, now_us: int, term_us: int) -> bool:
        """Take the wheel, or keep it, for a while; False if another process has it."""

        def take(sql: Sql) -> int:
            ((held_by, epoch, ends_us),) = sql.execute("SELECT holder, epoch, ends_us FROM lease_steering")
            # An end that is much further away than a term was written by a clock that has been set back since.
            if held_by != holder and now_us < as_int(ends_us) <= now_us + 2 * term_us:
                return 0
            epoch = as_int(epoch) + (held_by != holder)
            sql.execute("UPDATE lease_steering SET holder = ?, epoch = ?, ends_us = ?", holder, epoch, now_us + term_us)
            return epoch

        self.epoch = await self._database.transact(take)
        return self.epoch > 0

    async def let_go(self, holder: str) -> None:
        """Give the wheel back, so that nobody has to wait for its end."""
        await self._database.transact(
            lambda sql: sql.execute("UPDATE lease_steering SET ends_us = 0 WHERE holder = ?", holder)
        )
        self.epoch = 0

    async def set_budget(self, tenant: str, cap_usd_micros: int | None) -> None:
        """How much a tenant's leases may cost in all, None = any amount."""
        statement = "INSERT INTO lease_budget VALUES (?, ?, 0) ON CONFLICT (tenant) DO UPDATE SET cap = excluded.cap"
        await self._database.transact(lambda sql: sql.execute(statement, tenant, cap_usd_micros))

    async def spent(self, tenant: str) -> int:
        """What a tenant's leases have cost so far, blocks that run included."""
        query = "SELECT spent FROM lease_budget WHERE tenant = ?"
        rows = await self._database.transact(lambda sql: sql.execute(query, tenant))
        return as_int(rows[0][0]) if rows else 0

    async def add(self, lease: Lease) -> None:
        """Begin a lease. Raises: AlreadyLeased; NotSteering."""

        def insert(sql: Sql) -> None:
            self._check(sql)
            query = "SELECT 1 FROM lease WHERE team = ? AND pool_id = ? AND is_live = 1"
            if sql.execute(query, lease.team, lease.pool_id):
                raise AlreadyLeased("there is a live lease of this pool for this team")
            sql.execute("INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?, ?)", *_row(lease))

        await self._database.transact(insert)

    async def happen(
        self, lease_id: str, event: Event, now_us: int, *, turn: int | None, is_idle: bool = False
    ) -> Lease:
        """Let an event happen to a lease, its money moved and everything stored.

        Args: turn: the turn that the event answers; an answer to an earlier one changes nothing. None = any.
        Raises: NotSteering.
        """

        def apply(sql: Sql) -> Lease:
            self._check(sql)
            lease = _lease(sql, lease_id)
            if turn is not None and lease.turn != turn:
                return lease
            return _keep(sql, advance(lease, event, _moment(sql, lease, now_us, is_idle), self.rules), now_us)

        return await self._database.transact(apply)

    async def revive(self, lease_id: str, row: Row, now_us: int) -> Lease:
        """Bring an ended lease back whose row is there after all, to be released. Raises: NotSteering."""

        def apply(sql: Sql) -> Lease:
            self._check(sql)
            lease = _lease(sql, lease_id)
            if lease.is_live or _live_of(sql, lease.team, lease.pool_id):
                return lease
            return _keep(sql, revive(lease, row, _moment(sql, lease, now_us, False), self.rules), now_us)

        return await self._database.transact(apply)

    async def live(self) -> list[Lease]:
        """Every live lease, the ones that are due first."""
        return await self._read("SELECT body FROM lease WHERE is_live = 1 ORDER BY due_us, id")

    async def all(self) -> list[Lease]:
        """Every lease there ever was, oldest first."""
        return await self._read("SELECT body FROM lease ORDER BY rowid")

    async def get(self, lease_id: str) -> Lease:
        """One lease. Raises: KeyError."""
        return await self._database.transact(lambda sql: _lease(sql, lease_id))

    async def teams(self) -> list[str]:
        """Every team that leases were made for."""
        rows = await self._database.transact(lambda sql: sql.execute("SELECT DISTINCT team FROM lease ORDER BY team"))
        return [str(row[0]) for row in rows]

    async def last_ids(self, team: str) -> list[int]:
        """The subscriptions that the team's last leases of each pool are known to have."""
        last = "SELECT max(rowid) FROM lease WHERE team = ? GROUP BY pool_id"
        leases = await self._read(f"SELECT body FROM lease WHERE rowid IN ({last})", team)
        return [lease.subscription_id for lease in leases if lease.subscription_id is not None]

    async def last_of(self, team: str, pool_id: int) -> Lease | None:
        """The last lease of a pool for a team, live or not."""
        query = "SELECT body FROM lease WHERE team = ? AND pool_id = ? ORDER BY rowid DESC LIMIT 1"
        found = await self._read(query, team, pool_id)
        return found[0] if found else None

    async def charges(self) -> list[ChargeRow]:
        """Every charge, by lease and in order."""
        query = "SELECT lease_id, kind, usd_micros, from_us, until_us, at_us FROM lease_charge ORDER BY lease_id, seq"
        rows = await self._database.transact(lambda sql: sql.execute(query))
        return [
            ChargeRow(str(row[0]), Charge(str(row[1]), as_int(row[2]), as_int(row[3]), as_int(row[4])), as_int(row[5]))
            for row in rows
        ]

    async def add_uses(self, uses: Sequence[Use]) -> None:
        """Keep what ran on leases; may share its commit with others."""

        def insert(sql: Sql) -> None:
            for use in uses:
                values: tuple[SqlValue, ...] = tuple(getattr(use, one.name) for one in fields(Use))
                sql.execute("INSERT INTO lease_use VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)

        await self._database.transact(insert, patient=True)

    async def uses(self) -> list[Use]:
        """What ran on leases, in the order it ended."""
        rows = await self._database.transact(lambda sql: sql.execute("SELECT * FROM lease_use ORDER BY rowid"))
        return [Use(*row) for row in rows]  # type: ignore[arg-type]  # the table is strict

    async def want(self, pool: str, at_us: int) -> None:
        """A pool of the policy table was wanted, or used, at that time."""
        onto = "ON CONFLICT (pool) DO UPDATE SET at_us = max(at_us, excluded.at_us)"
        statement = f"INSERT INTO lease_wish VALUES (?, ?) {onto}"
        await self._database.transact(lambda sql: sql.execute(statement, pool, at_us), patient=True)

    async def wanted(self) -> dict[str, int]:
        """When each pool was wanted last, by any process."""
        rows = await self._database.transact(lambda sql: sql.execute("SELECT pool, at_us FROM lease_wish"))
        return {str(row[0]): as_int(row[1]) for row in rows}

    async def _read(self, query: str, *parameters: SqlValue) -> list[Lease]:
        rows = await self._database.transact(lambda sql: sql.execute(query, *parameters))
        return [lease_from_text(str(row[0])) for row in rows]

    def _check(self, sql: Sql) -> None:
        if sql.execute("SELECT epoch FROM lease_steering") != [(self.epoch,)]:
            raise NotSteering("another process steers the leases")


def lease_to_text(lease: Lease) -> str:
    """A lease as JSON; the inverse of `lease_from_text`."""
    return json.dumps(asdict(lease), separators=(",", ":"))


def lease_from_text(text: str) -> Lease:
    """Raises: IntegrityError for what `lease_to_text` did not write."""
    try:
        plain: dict[str, Any] = json.loads(text)
        return Lease(**{**plain, "state": State(plain["state"]), "doing": Doing(plain["doing"])})
    except (ValueError, TypeError, KeyError) as problem:
        raise IntegrityError("a stored lease can't be read") from problem


def _row(lease: Lease) -> tuple[SqlValue, ...]:
    live = int(lease.is_live)
    return lease.id, lease.tenant, lease.team, lease.pool_id, live, lease.due_us, lease_to_text(lease)


def _lease(sql: Sql, lease_id: str) -> Lease:
    rows = sql.execute("SELECT body FROM lease WHERE id = ?", lease_id)
    if not rows:
        raise KeyError(lease_id)
    return lease_from_text(str(rows[0][0]))


def _live_of(sql: Sql, team: str, pool_id: int) -> bool:
    return bool(sql.execute("SELECT 1 FROM lease WHERE team = ? AND pool_id = ? AND is_live = 1", team, pool_id))


def _moment(sql: Sql, lease: Lease, now_us: int, is_idle: bool) -> Moment:
    budget = sql.execute("SELECT cap, spent FROM lease_budget WHERE tenant = ?", lease.tenant)
    left = as_int(budget[0][0]) - as_int(budget[0][1]) if budget and budget[0][0] is not None else None
    earlier = sql.execute(
        "SELECT 1 FROM lease WHERE team = ? AND pool_id = ? AND id <> ? LIMIT 1", lease.team, lease.pool_id, lease.id
    )
    token = as_int(sql.execute("SELECT token FROM lease_steering")[0][0]) + 1
    return Moment(now_us, left, token, may_adopt=bool(earlier), is_idle=is_idle)


def _keep(sql: Sql, step: Step, now_us: int) -> Lease:
    lease = step.lease
    sql.execute("UPDATE lease_steering SET token = max(token, ?)", lease.token)
    sql.execute(
        "UPDATE lease SET is_live = ?, due_us = ?, body = ? WHERE id = ?",
        int(lease.is_live),
        lease.due_us,
        lease_to_text(lease),
        lease.id,
    )
    for charge in step.charges:
        sql.execute(
            "INSERT INTO lease_charge SELECT ?, count(*), ?, ?, ?, ?, ? FROM lease_charge WHERE lease_id = ?",
            lease.id,
            charge.kind,
            charge.usd_micros,
            charge.from_us,
            charge.until_us,
            now_us,
            lease.id,
        )
    moved = sum([charge.usd_micros for charge in step.charges])
    if moved:
        onto = "ON CONFLICT (tenant) DO UPDATE SET spent = spent + excluded.spent"
        sql.execute(f"INSERT INTO lease_budget VALUES (?, NULL, ?) {onto}", lease.tenant, moved)
    return lease
