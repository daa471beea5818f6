"""A store of events in an SQLite file of its own: one row an event, however often it is delivered."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.sessions.destination import Failed, Fate, Outcome, Shaped, all_failed
from worker.sessions.event import rfc3339

_TABLE: Final = """CREATE TABLE IF NOT EXISTS session_completed (
    tenant TEXT NOT NULL, event_id TEXT NOT NULL, captured_at TEXT NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (tenant, event_id)
) WITHOUT ROWID"""
_WAIT_S: Final = 5.0


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
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.to_thread(connection.close)

    def _write(self, batch: Sequence[Shaped]) -> None:
        connection = self._connection or self._opened()
        connection.executemany(
            "INSERT INTO session_completed VALUES (?, ?, ?, ?)"
            " ON CONFLICT (tenant, event_id) DO UPDATE SET event = excluded.event",
            [(one.tenant, one.event_id, rfc3339(one.captured_us), one.text) for one in batch],
        )
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
            connection.commit()
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        return connection
