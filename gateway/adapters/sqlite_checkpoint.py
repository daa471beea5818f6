"""Keeps a write-ahead log short without stopping the event loop: checkpoints run in a thread of their own.

Decides when a checkpoint is due and how hard it tries. It never reads or writes a row.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading

from gateway.adapters.sqlite_sql import SqliteSettings, open_connection

#: PASSIVE rounds before the write lock is taken: each leaves only what was written while it ran.
PASSIVE_ROUNDS = 6
FEW_PAGES = 512


class Checkpointer:
    """Moves a grown write-ahead log into its database file, with an own thread and connection.

    First PASSIVE, which blocks nobody, as often as it takes until only what was written meanwhile is left; then
    TRUNCATE, which needs the write lock but finds little left to do. While it does, `is_finishing` asks this
    process's writer to hold back: a writer that never pauses would keep the lock to itself, and the log would grow
    without end.
    """

    def __init__(self, path: str, settings: SqliteSettings) -> None:
        self._path = path
        self._wal_path = path + "-wal"
        self._settings = settings
        self._due_bytes = settings.checkpoint_wal_bytes
        self._wake = threading.Event()
        self._stopping = False
        self._pokes = 0
        self._thread = threading.Thread(target=self._run, name="sqlite-checkpoint", daemon=True)
        self._connection: sqlite3.Connection | None = None
        self.is_finishing = False

    def start(self) -> None:
        """Open the second connection and start the thread. Raises: StateError."""
        self._connection = open_connection(self._path, self._settings)
        self._connection.execute(f"PRAGMA busy_timeout={self._settings.checkpoint_wait_ms}")
        self._thread.start()

    def wal_bytes(self) -> int:
        """Present size of the write-ahead log in bytes; 0 when there is none."""
        try:
            return os.stat(self._wal_path).st_size
        except FileNotFoundError:
            return 0

    def poke(self) -> None:
        """Start a checkpoint if one is due; returns at once. Looks only now and then: a look is a stat(2)."""
        self._pokes += 1
        if self._pokes % self._settings.commits_per_checkpoint_look:
            return
        if self.wal_bytes() > self._due_bytes and not self._wake.is_set():
            self._wake.set()

    def stop(self) -> None:
        """Let a running checkpoint end, do a last one, and end the thread; blocks until it has."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        connection = self._connection
        assert connection is not None
        try:
            while not self._stopping:
                self._wake.wait()
                self._checkpoint(connection)
                self._wake.clear()
        finally:
            connection.close()

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        # On failure the log still keeps every commit, and a disk that fails shows itself to the next transaction.
        try:
            with contextlib.suppress(sqlite3.Error):
                for _ in range(PASSIVE_ROUNDS):
                    _, in_log, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if in_log - moved <= FEW_PAGES:
                        break
                self.is_finishing = True
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self.is_finishing = False
        left = self.wal_bytes()
        limit = self._settings.checkpoint_wal_bytes
        # A reader that stays holds the log open: wait for as much growth again instead of trying at every commit.
        self._due_bytes = limit if left <= limit else left + limit
