"""A store of events in PostgreSQL: one row an event, however often it is delivered. It needs the extra `postgres`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.sessions.trimming import expiry_us
from worker.errors import SettingsError
from worker.sessions.destination import Failed, Fate, Outcome, Shaped, all_failed

_HAS_EXPIRY: Final = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'expires_at'"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Where the table is: it is made if it isn't there. `timeout_s`: of connecting, and of each statement."""

    url: str = field(repr=False)
    table: str = "session_completed"
    timeout_s: float = 10.0


class PostgresStore:
    """A `Destination`. Raises: SettingsError where the extra isn't installed."""

    def __init__(self, settings: PostgresSettings) -> None:
        try:
            import asyncpg  # type: ignore[import-untyped]  # ships no types
        except ImportError:
            raise SettingsError("a postgres destination needs its package: pip install 'harpoon[postgres]'") from None
        self._postgres = asyncpg
        self._settings = settings
        self._connection: Any = None
        self._insert = (
            f'INSERT INTO "{settings.table}" (tenant, event_id, captured_at, event, expires_at)'
            " VALUES ($1, $2, $3, $4::jsonb, $5) ON CONFLICT (tenant, event_id)"
            " DO UPDATE SET event = excluded.event, expires_at = excluded.expires_at"
        )

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        try:
            connection = self._connection or await self._opened()
            try:
                await connection.executemany(
                    self._insert, [_row(one) for one in batch], timeout=self._settings.timeout_s
                )
            except self._postgres.DataError:
                return [await self._one(connection, one) for one in batch]
        except (OSError, TimeoutError, self._postgres.PostgresError, self._postgres.InterfaceError) as problem:
            await self.close()
            # The class alone: the message may quote the address with its password.
            return all_failed(batch, Failed(f"PostgreSQL failed: {type(problem).__name__}", is_down=True))
        return [Fate.DELIVERED] * len(batch)

    async def close(self) -> None:
        """See `Destination.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, TimeoutError, self._postgres.PostgresError):
                await connection.close(timeout=1)

    async def trim(self, now_us: int) -> None:
        """See `gateway.sessions.trimming.Trimmed`. On a connection of its own: deliveries go on meanwhile."""
        settings = self._settings
        try:
            async with asyncio.timeout(settings.timeout_s):
                connection = await self._postgres.connect(settings.url, timeout=settings.timeout_s)
                try:
                    if await connection.fetchval("SELECT to_regclass($1)", f'"{settings.table}"') is not None:
                        await connection.execute(f'DELETE FROM "{settings.table}" WHERE expires_at < $1', _at(now_us))
                finally:
                    await connection.close(timeout=1)
        except (TimeoutError, self._postgres.PostgresError, self._postgres.InterfaceError) as problem:
            # The class alone: the message may quote the address with its password.
            raise OSError(f"PostgreSQL failed: {type(problem).__name__}") from None

    async def _one(self, connection: Any, shaped: Shaped) -> Outcome:
        """An event of a batch in which one can't be stored, such as for a null character."""
        try:
            await connection.execute(self._insert, *_row(shaped), timeout=self._settings.timeout_s)
        except self._postgres.DataError as problem:
            return Failed(f"PostgreSQL can't hold it: {type(problem).__name__}", is_permanent=True)
        return Fate.DELIVERED

    async def _opened(self) -> Any:
        settings = self._settings
        async with asyncio.timeout(settings.timeout_s):
            connection = await self._postgres.connect(settings.url, timeout=settings.timeout_s)
            self._connection = connection
            # Two that make the same table at once would fail: one after the other.
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", settings.table)
                await connection.execute(
                    f'CREATE TABLE IF NOT EXISTS "{settings.table}" (tenant text NOT NULL, event_id text NOT NULL,'
                    " captured_at timestamptz NOT NULL, event jsonb NOT NULL, expires_at timestamptz,"
                    " PRIMARY KEY (tenant, event_id))"
                )
                if await connection.fetchval(_HAS_EXPIRY, f'"{settings.table}"') is None:
                    await connection.execute(f'ALTER TABLE "{settings.table}" ADD COLUMN expires_at timestamptz')
        return connection


def _row(shaped: Shaped) -> tuple[str, str, datetime, str, datetime | None]:
    expires_us = expiry_us(shaped)
    expires = None if expires_us is None else _at(expires_us)
    return shaped.tenant, shaped.event_id, _at(shaped.captured_us), shaped.text, expires


def _at(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)
