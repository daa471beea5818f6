"""A store of events in an SQLite file of its own: one row an event, however often it is delivered."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.sessions.trimming import expiry_us
from worker.sessions.destination import Failed, Fate, Outcome, Shaped, all_failed
from worker.sessions.event import rfc3339

_TABLE: Final = """CREATE TABLE IF NOT EXISTS session_completed (
    tenant TEXT NOT NULL, event_id TEXT NOT NULL, captured_at TEXT NOT NULL, event TEXT NOT NULL,
    expires_at TEXT, PRIMARY KEY (tenant, event_id)
) WITHOUT ROWID"""
_INDEX: Final = """CREATE INDEX IF NOT EXISTS session_expires ON session_completed (expires_at)
    WHERE expires_at IS NOT NULL"""
_WAIT_S: Final = 5.0
#: Rows dropped in one transaction.
_MOST_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class SqliteStoreSettings:
    """Where the file is. `fsync`: a delivered event survives the loss of power too."""

    path: Path
    fsync: bool = False


class SqliteStore:
    """A `Destination`; several processes may write to its file in turn."""

    def __init__(self, settings: SqliteStoreSettings) -> None:
        self._settings = settings
        self._connection: sqlite3.Connection | None = None
        # A write that was given up on may still be under way in its thread.
        self._lock = threading.Lock()

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        try:
            await asyncio.to_thread(self._write, batch)
        except (sqlite3.Error, OSError) as problem:
            await self.close()
            return all_failed(batch, Failed(f"the store can't be written: {problem}", is_down=True))
        return [Fate.DELIVERED] * len(batch)

    async def close(self) -> None:
        """See `Destination.close`."""
        if self._connection is not None:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _write(self, batch: Sequence[Shaped]) -> None:
        with self._lock:
            connection = self._connection or self._opened()
            connection.executemany(
                "INSERT INTO session_completed (tenant, event_id, captured_at, event, expires_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, event_id)"
                " DO UPDATE SET event = excluded.event, expires_at = excluded.expires_at",
                [_row(one) for one in batch],
            )
            connection.commit()

    async def trim(self, now_us: int) -> None:
        """See `gateway.sessions.trimming.Trimmed`."""
        await asyncio.to_thread(self._trim, rfc3339(now_us))

    def _trim(self, now: str) -> None:
        dropped = _MOST_AT_ONCE
        while dropped == _MOST_AT_ONCE:
            with self._lock:
                connection = self._connection or self._opened()
                dropped = connection.execute(
                    "DELETE FROM session_completed WHERE (tenant, event_id) IN"
                    " (SELECT tenant, event_id FROM session_completed WHERE expires_at < ? LIMIT ?)",
                    (now, _MOST_AT_ONCE),
                ).rowcount
                connection.commit()

    def _opened(self) -> sqlite3.Connection:
        path = self._settings.path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=_WAIT_S, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if self._settings.fsync else 'NORMAL'}")
            connection.execute(_TABLE)
            if "expires_at" not in [row[1] for row in connection.execute("PRAGMA table_info(session_completed)")]:
                connection.execute("ALTER TABLE session_completed ADD COLUMN expires_at TEXT")
            connection.execute(_INDEX)
            connection.commit()
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        return connection


def _row(shaped: Shaped) -> tuple[str, str, str, str, str | None]:
    expires_us = expiry_us(shaped)
    expires = None if expires_us is None else rfc3339(expires_us)
    return shaped.tenant, shaped.event_id, rfc3339(shaped.captured_us), shaped.text, expires
