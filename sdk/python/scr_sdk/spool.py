"""The spool: events on disk between capture and the server's word that it has them.

One SQLite file, in WAL mode. Several threads and processes may share it; what one of them is sending the others leave
alone for a while. An event leaves it in two ways only: the server took it, or the server refused it for good, and then
it is kept aside with the reason.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from scr_sdk.errors import SpoolFull, SpoolUnavailable

T = TypeVar("T")
BUSY_TIMEOUT_S = 5.0
DURABILITIES = {"process": "NORMAL", "power": "FULL"}
_TABLES = """
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL,
  leased_until_s REAL NOT NULL DEFAULT 0, holder INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS leased ON event (holder) WHERE leased_until_s > 0;
CREATE TABLE IF NOT EXISTS refused (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS held (
  one INTEGER PRIMARY KEY CHECK (one = 1), events INTEGER NOT NULL, bytes INTEGER NOT NULL, refused INTEGER NOT NULL
);
INSERT OR IGNORE INTO held VALUES (1, 0, 0, 0);
"""


class Spooled(NamedTuple):
    """An event that waits: its place in the order and its JSON text."""

    seq: int
    body: str


def _is_gone(process: int) -> bool:
    """Whether a process that held events has ended. Where that can't be known, its leases simply run out."""
    if os.name != "posix" or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Spool:
    """Bounded by `max_events` and `max_bytes` of text, what was refused included.

    durability: "process" survives the end of the process, kill -9 included; "power" also that of the machine.
    """

    def __init__(self, path: Path, max_events: int, max_bytes: int, durability: str = "process") -> None:
        """Raises: SpoolUnavailable."""
        self._path = path
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._synchronous = DURABILITIES[durability]
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._do(lambda _: None)

    def append(self, body: str) -> None:
        """Durable when it returns. Raises: SpoolFull, SpoolUnavailable."""

        def insert(connection: sqlite3.Connection) -> bool:
            counted = connection.execute(
                "UPDATE held SET events = events + 1, bytes = bytes + ?1 WHERE events < ?2 AND bytes + ?1 <= ?3",
                (len(body), self._max_events, self._max_bytes),
            )
            if counted.rowcount == 1:
                connection.execute("INSERT INTO event (body) VALUES (?)", (body,))
            return counted.rowcount == 1

        if not self._do(insert):
            raise SpoolFull(
                f"the spool holds {self._max_events} events or {self._max_bytes} bytes: is the server away?"
            )

    def lease(self, limit: int, max_bytes: int, now_s: float, until_s: float) -> list[Spooled]:
        """The oldest events that nobody is sending, at least one if there is any, now ours until `until_s`."""

        def take(connection: sqlite3.Connection) -> list[Spooled]:
            holders = connection.execute("SELECT DISTINCT holder FROM event WHERE leased_until_s > 0").fetchall()
            for (holder,) in holders:
                if _is_gone(holder):
                    connection.execute("UPDATE event SET leased_until_s = 0 WHERE holder = ?", (holder,))
            found: list[Spooled] = []
            size = 0
            rows = connection.execute(
                # A lease that ends later than any could is from before the clock was set back.
                "SELECT seq, body FROM event WHERE leased_until_s <= ? OR leased_until_s > ? ORDER BY seq LIMIT ?",
                (now_s, until_s, limit),
            )
            for seq, body in rows:
                size += len(body)
                if found and size > max_bytes:
                    break
                found.append(Spooled(seq, body))
            rows.close()
            connection.executemany(
                "UPDATE event SET leased_until_s = ?, holder = ? WHERE seq = ?",
                [(until_s, os.getpid(), one.seq) for one in found],
            )
            return found

        return self._do(take)

    def release(self, events: Sequence[Spooled]) -> None:
        """Whoever comes next may send them."""
        self._do(
            lambda connection: connection.executemany(
                "UPDATE event SET leased_until_s = 0 WHERE seq = ?", [(one.seq,) for one in events]
            )
        )

    def remove(self, events: Sequence[Spooled], refused_because: str | None = None) -> None:
        """The server has them; or it refused them for good, and they are kept aside with its reason."""

        def delete(connection: sqlite3.Connection) -> None:
            for one in events:
                gone = connection.execute("DELETE FROM event WHERE seq = ?", (one.seq,)).rowcount
                if gone and refused_because is not None:
                    connection.execute("INSERT INTO refused (body, reason) VALUES (?, ?)", (one.body, refused_because))
                    connection.execute("UPDATE held SET refused = refused + 1")
                elif gone:
                    connection.execute("UPDATE held SET events = events - 1, bytes = bytes - ?", (len(one.body),))

        self._do(delete)

    def counts(self) -> tuple[int, int]:
        """How many events wait, and how many were refused for good."""

        def count(connection: sqlite3.Connection) -> tuple[int, int]:
            events, refused = connection.execute("SELECT events, refused FROM held").fetchone()
            return events - refused, refused

        return self._do(count)

    def refused(self) -> list[tuple[str, str]]:
        """Text and reason of what was refused for good, the oldest first."""
        return self._do(
            lambda connection: connection.execute("SELECT body, reason FROM refused ORDER BY seq").fetchall()
        )

    def forget_refused(self) -> None:
        """Make room: what was refused for good is no longer kept."""

        def delete(connection: sqlite3.Connection) -> None:
            (size,) = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM refused").fetchone()
            gone = connection.execute("DELETE FROM refused").rowcount
            connection.execute("UPDATE held SET events = events - ?1, bytes = bytes - ?2, refused = 0", (gone, size))

        self._do(delete)

    def before_fork(self) -> None:
        """Let nobody in, and close the file: a child that inherits it would take its parent's locks for its own."""
        self._lock.acquire()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork(self) -> None:
        """In parent and child: go on; the next use opens the file."""
        self._lock.release()

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction of its own. Raises: SpoolUnavailable."""
        with self._lock:
            try:
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    result = work(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError) as problem:
                raise SpoolUnavailable(f"the spool {self._path} can't be used: {problem}") from problem
        return result

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
            self._connection = connection
        return self._connection
