"""The Database port on a SQLite file: many transaction functions per commit, all on the event loop's thread.

A transaction here takes tens of microseconds, so a thread hop would cost more than it frees. Functions that arrive
together, or in neighbouring turns of the event loop, share one `BEGIN IMMEDIATE` ... `COMMIT`; a patient one waits for
company. If one of them fails, everything is
rolled back and the batch runs again one by one, each in a transaction of its own, so nobody sees another's failure.
Several processes may share the file: SQLite's write lock orders them, and waiting for it never blocks the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.adapters.sqlite_checkpoint import Checkpointer
from gateway.adapters.sqlite_sql import MEMORY, SqliteSettings, SqliteSql, open_connection
from worker.errors import StateError
from worker.ports import Sql

T = TypeVar("T")

__all__ = ["SqliteDatabase", "SqliteSettings"]


class _Waiting:
    """One caller of `transact`: its function, and then what came of it."""

    __slots__ = ("alone", "error", "fn", "future", "value")

    def __init__(self, fn: Callable[[Sql], Any], future: asyncio.Future[None]) -> None:
        self.fn = fn
        self.future = future
        self.alone = False  # gets a transaction of its own
        self.value: Any = None
        self.error: BaseException | None = None

    def settle(self, error: BaseException | None) -> None:
        self.error = error
        if not self.future.done():
            self.future.set_result(None)


class SqliteDatabase:
    """A `worker.ports.Database` kept in the file `path`, or in memory for ":memory:".

    `commit_listener` is a test and audit hook: it runs inside each transaction right before its COMMIT, sees what is
    about to become durable, and refuses it by raising. Use one object on one event loop, between `open` and `close`.
    """

    def __init__(
        self,
        path: str,
        settings: SqliteSettings | None = None,
        commit_listener: Callable[[Sql], None] | None = None,
    ) -> None:
        self._path = path
        self._settings = settings or SqliteSettings()
        self._commit_listener = commit_listener
        self._waiting: deque[_Waiting] = deque()
        self._flush_handle: asyncio.Handle | None = None
        self._is_patient = False  # the flush under way is a timer that an urgent transaction brings forward
        self._busy_since: float | None = None  # loop time
        self._busy_pause_us = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: sqlite3.Connection | None = None
        self._sql: SqliteSql | None = None
        self._checkpointer: Checkpointer | None = None

    async def open(self) -> None:
        """Open the file and start the checkpoint thread. Raises: StateError."""
        if self._connection is not None:
            raise StateError("The database is already open.")
        connection = open_connection(self._path, self._settings)
        if self._path != MEMORY:
            checkpointer = Checkpointer(self._path, self._settings)
            try:
                checkpointer.start()
            except BaseException:
                connection.close()
                raise
            self._checkpointer = checkpointer
        self._connection = connection
        self._sql = SqliteSql(connection)
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Commit what still waits, checkpoint, and end the thread; afterwards `transact` refuses. Harmless twice."""
        loop, self._loop = self._loop, None
        if loop is not None and self._is_patient and self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush(loop)
        unsettled = [waiting.future for waiting in self._waiting if not waiting.future.done()]
        if unsettled:
            await asyncio.wait(unsettled)
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        checkpointer, self._checkpointer = self._checkpointer, None
        connection, self._connection, self._sql = self._connection, None, None
        if checkpointer is not None:
            await asyncio.to_thread(checkpointer.stop)
        if connection is not None:
            connection.close()

    async def transact(self, fn: Callable[[Sql], T], *, patient: bool = False) -> T:
        """See `worker.ports.Database.transact`.

        A caller that is cancelled while it waits can't know whether its function was committed.
        """
        loop = self._loop
        if loop is None:
            raise StateError("The database is not open.")
        # A patient one ends something that has begun: to refuse it would lose what it has to say.
        if not patient and len(self._waiting) >= self._settings.max_waiting:
            raise StateError("Too many transactions wait for the database.")
        waiting = _Waiting(fn, loop.create_future())
        self._waiting.append(waiting)
        if self._flush_handle is None:
            if patient:
                self._flush_handle = loop.call_later(self._settings.patience_us / 1_000_000, self._flush, loop)
                self._is_patient = True
            else:
                self._flush_handle = loop.call_soon(self._gather, loop, 0, self._settings.gathering_turns)
        elif self._is_patient and (not patient or len(self._waiting) >= self._settings.max_batch):
            self._flush_handle.cancel()
            self._is_patient = False
            self._flush_handle = loop.call_soon(self._gather, loop, 0, self._settings.gathering_turns)
        await waiting.future
        if waiting.error is not None:
            raise waiting.error
        value: T = waiting.value
        return value

    def _gather(self, loop: asyncio.AbstractEventLoop, seen: int, turns: int) -> None:
        """Let the loop turn again while each turn brings more transactions: what comes together commits together."""
        waiting = len(self._waiting)
        if turns and seen < waiting < self._settings.max_batch:
            self._flush_handle = loop.call_soon(self._gather, loop, waiting, turns - 1)
        else:
            self._flush(loop)

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run one batch, and come back by itself while anything waits."""
        self._flush_handle = None
        self._is_patient = False
        if self._checkpointer is not None and self._checkpointer.is_finishing:
            pause_us = self._settings.busy_first_pause_us
        else:
            batch = self._take_batch()
            pause_us = self._run(batch, loop) if batch else 0
        if not self._waiting:
            self._busy_since = None
        elif pause_us:
            self._flush_handle = loop.call_later(pause_us / 1_000_000, self._flush, loop)
        else:
            self._flush_handle = loop.call_soon(self._flush, loop)
        if self._checkpointer is not None:
            self._checkpointer.poke()

    def _take_batch(self) -> list[_Waiting]:
        """The next functions to share a transaction; callers that were cancelled meanwhile are dropped."""
        queue = self._waiting
        limit = self._settings.max_batch
        batch: list[_Waiting] = []
        while queue and len(batch) < limit:
            if queue[0].future.done():
                queue.popleft()
            elif not queue[0].alone:
                batch.append(queue.popleft())
            elif batch:
                break
            else:
                return [queue.popleft()]
        return batch

    def _run(self, batch: list[_Waiting], loop: asyncio.AbstractEventLoop) -> int:
        """Settle the batch, or put it back and return for how many microseconds to leave the database alone."""
        connection, sql = self._connection, self._sql
        assert connection is not None
        assert sql is not None
        try:
            connection.execute("BEGIN IMMEDIATE")
            values = self._commit(connection, sql, batch)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            error = exc
            if isinstance(exc, sqlite3.Error):
                if _is_busy(exc) and (pause_us := self._next_pause_us(loop.time())):
                    self._waiting.extendleft(reversed(batch))
                    return pause_us
                error = StateError(f"SQLite can't begin a transaction: {exc}.")
                error.__cause__ = exc
            if len(batch) == 1:
                batch[0].settle(error)
            else:
                for waiting in batch:
                    waiting.alone = True
                self._waiting.extendleft(reversed(batch))
            return 0
        self._busy_since = None
        for waiting, value in zip(batch, values, strict=True):
            waiting.value = value
            waiting.settle(None)
        return 0

    def _commit(self, connection: sqlite3.Connection, sql: SqliteSql, batch: list[_Waiting]) -> list[object]:
        """Run the batch in the open transaction and commit it; on any exception nothing of it remains."""
        sql.is_open = True
        try:
            values = [waiting.fn(sql) for waiting in batch]
            if self._commit_listener is not None:
                self._commit_listener(sql)
            if not sql.is_open:
                raise StateError("SQLite ended the transaction after a failure its function did not pass on.")
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as exc:
                raise StateError(f"SQLite could not commit: {exc}.") from exc
            return values
        finally:
            sql.is_open = False
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def _next_pause_us(self, now: float) -> int:
        """How long to wait before asking for the write lock again, in microseconds; 0 once the limit has passed."""
        if self._busy_since is None:
            self._busy_since = now
            self._busy_pause_us = self._settings.busy_first_pause_us
        elif (now - self._busy_since) * 1_000_000 > self._settings.busy_limit_us:
            return 0
        else:
            self._busy_pause_us = min(2 * self._busy_pause_us, self._settings.busy_longest_pause_us)
        return self._busy_pause_us


def _is_busy(error: sqlite3.Error) -> bool:
    # The lowest byte is the primary result code; extended codes such as BUSY_RECOVERY sit above it.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
