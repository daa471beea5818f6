"""A spool in memory, its transactions run one by one, for stories about cursors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.adapters.sqlite_sql import SqliteSettings, SqliteSql, open_connection
from tests.worker.decision_kit import NOW_US
from worker.sessions.cursors import Claim, claim_in, conserved_in, register_in
from worker.sessions.destination import Fate, Outcome
from worker.sessions.finishing import Finished, Result, finish_in
from worker.sessions.retry_schedule import RetrySchedule
from worker.sessions.spool_capture import Row, accept_in
from worker.sessions.spool_schema import migrate_spool

SECOND = 1_000_000
LEASE_US = 10 * SECOND
SCHEDULE = RetrySchedule(base_us=1_000_000, cap_us=8_000_000, max_attempts=4)
ALL = 2**32 - 1


class World:
    """One spool, its wall clock, and what can be done with a destination of it."""

    def __init__(self, names: Sequence[str] = ("billing",), from_beginning: Sequence[str] = ()) -> None:
        self.now_us = NOW_US
        self._connection = open_connection(":memory:", SqliteSettings())
        self.sql = SqliteSql(self._connection)
        self.captured = 0
        with self.transaction() as sql:
            migrate_spool(sql)
            register_in(sql, names, from_beginning)

    @contextmanager
    def transaction(self) -> Iterator[SqliteSql]:
        self._connection.execute("BEGIN IMMEDIATE")
        self.sql.is_open = True
        try:
            yield self.sql
            self._connection.execute("COMMIT")
        finally:
            self.sql.is_open = False
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def capture(self, *keys: str) -> None:
        """Events number n, n+1, ... of these keys."""
        rows = []
        for key in keys:
            self.captured += 1
            rows.append(Row(f"evt_{self.captured}", key, f'{{"event_id":"evt_{self.captured}"}}'))
        with self.transaction() as sql:
            accept_in(sql, "acme", rows, self.now_us)

    def claim(self, name: str = "billing", holder: str = "me", most: int = 100) -> Claim | None:
        with self.transaction() as sql:
            return claim_in(sql, name, holder, self.now_us, LEASE_US, most)

    def finish(self, claim: Claim, outcomes: Sequence[Outcome]) -> Finished:
        results = [Result(taken, outcome, ALL) for taken, outcome in zip(claim.events, outcomes, strict=True)]
        with self.transaction() as sql:
            return finish_in(sql, claim, results, self.now_us, SCHEDULE, ALL)

    def numbers(self, name: str = "billing") -> tuple[int, int, int, int, int]:
        """Delivered, skipped, pending, parked, dead; together what was captured."""
        with self.transaction() as sql:
            (account,) = [one for one in conserved_in(sql) if one.name == name]
        assert account.is_conserved, account
        return account.delivered, account.skipped, account.pending, account.parked, account.dead

    def passes(self, us: int) -> None:
        self.now_us += us


def ids(claim: Claim | None) -> list[int]:
    return [] if claim is None else [taken.id for taken in claim.events]


def drain(world: World, seen: list[int]) -> None:
    """Deliver all there is, noting what was delivered."""
    for _ in range(20):
        world.passes(20 * SECOND)
        claim = world.claim()
        if claim is None:
            return
        outcomes: list[Outcome] = [Fate.NOT_TRIED if one.is_blocked else Fate.DELIVERED for one in claim.events]
        world.finish(claim, outcomes)
        seen += [one.id for one, outcome in zip(claim.events, outcomes, strict=True) if outcome is Fate.DELIVERED]
    raise AssertionError("it never ends")
