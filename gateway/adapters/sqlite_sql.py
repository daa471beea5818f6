"""One SQLite connection held to the rules of a Durable Object, so that a statement means the same on both hosts.

Decides which statements, parameters and values may pass; opens connections. Transactions are `sqlite_database`'s.
The limits are those of SQLite in Durable Objects (Cloudflare's "Limits" page) and of JavaScript's exact integers.
"""

from __future__ import annotations

import re
import sqlite3
import time
from dataclasses import dataclass
from typing import Literal

from worker.errors import StateError
from worker.ports import SqlRow, SqlValue

#: Integers beyond this lose digits in JavaScript (2^53-1).
MAX_INTEGER = 9_007_199_254_740_991
_LEAST_INTEGER = -MAX_INTEGER
MAX_PARAMETERS = 100
MAX_VALUE_BYTES = 2_000_000
MAX_STATEMENT_BYTES = 100_000
MAX_COLUMNS = 100
#: Transactions belong to the port, and the connection's set-up to its adapter.
FORBIDDEN_KEYWORDS = frozenset(
    ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "ATTACH", "DETACH", "VACUUM")
)
#: How many distinct statement texts are remembered as checked before the memory is emptied.
MAX_CHECKED_STATEMENTS = 2_048

MEMORY = ":memory:"
OPEN_PAUSE_MS = 10


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """How one SQLite database is kept; every field is a limit or a trade, with its unit in its name."""

    #: NORMAL survives the death of the process (kill -9); FULL also the loss of power, at one fsync per commit.
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    #: How long a patient transaction waits for others to share its commit with.
    patience_us: int = 2_000
    #: How often at most the event loop turns again before a commit, while each turn brings more transactions.
    gathering_turns: int = 6
    #: Most transaction functions in one commit: bounds how long the event loop is held.
    max_batch: int = 64
    #: Most transactions that may wait; further ones are refused at once.
    max_waiting: int = 10_000
    #: How long another process may keep the write lock before our waiting transactions fail.
    busy_limit_us: int = 5_000_000
    #: First and longest pause between two tries for the write lock; pauses double.
    busy_first_pause_us: int = 1_000
    busy_longest_pause_us: int = 16_000
    #: The write-ahead log is checkpointed once it is larger than this.
    checkpoint_wal_bytes: int = 128 * 1024 * 1024
    #: Its size is looked at once in so many commits.
    commits_per_checkpoint_look: int = 16
    #: How long the last step of a checkpoint may wait for readers while it holds the write lock.
    checkpoint_wait_ms: int = 50
    cached_statements: int = 256
    #: Of a database that is new; each commit writes whole pages, twice a system call for each.
    page_bytes: int = 4096
    page_cache_bytes: int = 8 * 1024 * 1024
    #: How long opening may wait for another process that is opening the same file.
    open_wait_ms: int = 5_000


def _begin_wal(connection: sqlite3.Connection, wait_ms: int) -> str:
    """Switch to a write-ahead log; the journal mode that holds then. Raises: sqlite3.Error.

    SQLite does not wait for its lock in this one statement, so two processes that make a new file have to.
    """
    for _ in range(wait_ms // OPEN_PAUSE_MS):
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            time.sleep(OPEN_PAUSE_MS / 1000)
    return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])


def open_connection(path: str, settings: SqliteSettings) -> sqlite3.Connection:
    """Open `path` in autocommit mode with the write-ahead log on and a Durable Object's limits set.

    Raises: StateError when the file can't be opened or its file system has no write-ahead log.
    """
    try:
        connection = sqlite3.connect(
            path,
            timeout=settings.open_wait_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=settings.cached_statements,
        )
    except sqlite3.Error as exc:
        raise StateError(f"The database can't be opened: {exc}.") from exc
    try:
        connection.execute(f"PRAGMA page_size={settings.page_bytes}")
        mode = _begin_wal(connection, settings.open_wait_ms)
        if mode != "wal" and path != MEMORY:
            raise StateError(f"The state folder's file system can't hold a write-ahead log (SQLite chose {mode!r}).")
        connection.execute(f"PRAGMA synchronous={settings.synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        # What was erased is overwritten; Debian's SQLite does so by itself.
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute(f"PRAGMA cache_size=-{settings.page_cache_bytes // 1024}")
        connection.execute("PRAGMA busy_timeout=0")
    except (sqlite3.Error, StateError) as exc:
        connection.close()
        if isinstance(exc, StateError):
            raise
        raise StateError(f"The database can't be opened: {exc}.") from exc
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, MAX_PARAMETERS)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, MAX_COLUMNS)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    return connection


class SqliteSql:
    """The `worker.ports.Sql` of one connection; usable only while its owner has a transaction open."""

    __slots__ = ("_checked", "_connection", "_cursor", "is_open")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._checked: set[str] = set()
        self.is_open = False

    def execute(self, statement: str, *parameters: SqlValue) -> list[SqlRow]:
        """See `worker.ports.Sql.execute`. Raises: StateError, whose message carries no parameter value."""
        if not self.is_open:
            raise StateError("No transaction is open: a statement may run only inside its transaction function.")
        if statement not in self._checked:
            self._check_statement(statement)
        for value in parameters:
            # Exact types only: a bool or an enum reaches JavaScript as something else than it reaches SQLite here.
            kind = type(value)
            if kind is int:
                if not _LEAST_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]  # an int, by the line above
                    raise StateError("An integer parameter is beyond 2^53-1.")
            elif kind is not str and value is not None and kind is not bytes:
                raise StateError(f"A parameter is a {kind.__name__}: only str, int, bytes and None can be stored.")
        try:
            rows: list[SqlRow] = self._cursor.execute(statement, parameters).fetchall()
        except (sqlite3.Error, sqlite3.Warning) as exc:
            # Full disks and I/O errors make SQLite end the transaction itself; what follows must not autocommit.
            self.is_open = self._connection.in_transaction
            raise StateError(f"SQLite refused a statement: {exc}.") from exc
        except (UnicodeError, ValueError, OverflowError):
            # These exceptions quote the value: they must not be chained.
            raise StateError("A statement or parameter is not valid Unicode text, or contains a null.") from None
        if rows:
            _check_rows(rows)
        return rows

    def _check_statement(self, statement: str) -> None:
        # A leading comment or semicolon could hide the keyword, so a statement has to begin with it.
        match = re.match(r"\s*([A-Za-z]+)", statement)
        if match is None:
            raise StateError("A statement must begin with its keyword.")
        keyword = match.group(1).upper()
        if keyword in FORBIDDEN_KEYWORDS:
            raise StateError(f"{keyword} is not allowed inside a transaction function.")
        if len(self._checked) >= MAX_CHECKED_STATEMENTS:
            self._checked.clear()
        self._checked.add(statement)


def _check_rows(rows: list[SqlRow]) -> None:
    for row in rows:
        for value in row:
            kind = type(value)
            if kind is str:
                continue  # most are: a quarter less time
            if kind is int:
                if not _LEAST_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]  # an int, by the line above
                    raise StateError("A statement returned an integer beyond 2^53-1.")
            elif kind is float:
                raise StateError("A statement returned a floating-point number: only integers are exact.")
