"""Tells a starting process whether it is alone on a state folder, with a lock the kernel drops when a process dies.

Reservations of a process that was killed stay behind. A process that is alone may settle them at once; while others
live it must leave every reservation to its expiry, because it may be theirs.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from worker.errors import StateError

LOCK_FILE = "state.lock"


class StateLock:
    """An flock(2) on `<state>/state.lock`: exclusive while orphans are recovered, then shared for life.

    `wait_limit_us` bounds how long a starting process waits for another one's recovery, `pause_us` is the time
    between two tries. A child made by fork shares the lock; a program started with exec does not.
    """

    def __init__(self, state: Path, *, wait_limit_us: int = 60_000_000, pause_us: int = 10_000) -> None:
        self._path = state / LOCK_FILE
        self._wait_limit_us = wait_limit_us
        self._pause_us = pause_us
        self._descriptor: int | None = None

    def try_exclusive(self) -> bool:
        """Whether no other live process uses this state; blocks while another process is recovering it.

        True: the lock is held exclusively and others wait in their own start-up, so recover, then call `share`.
        False: the lock is held shared already. Raises: StateError when the folder can't be locked, or the wait for
        another process's recovery passed its limit.
        """
        if self._descriptor is not None:
            raise StateError("The state folder is already locked by this object.")
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise StateError(f"The state folder can't be locked: {exc.strerror}.") from exc
        waited_us = 0
        while True:
            if self._take(fcntl.LOCK_EX):
                return True
            if self._take(fcntl.LOCK_SH):
                return False
            if waited_us >= self._wait_limit_us:
                self.release()
                raise StateError("Another process has been recovering the state folder for too long.")
            time.sleep(self._pause_us / 1_000_000)
            waited_us += self._pause_us

    def share(self) -> None:
        """Let other processes in; call it after recovery and before the first reservation. Raises: StateError.

        Changing a lock's kind is not atomic: a third process may hold it exclusively for a moment in between. That
        process finds nothing of ours to recover, for we have not begun, and we wait until it shares.
        """
        if self._descriptor is None:
            raise StateError("The state folder is not locked.")
        waited_us = 0
        while not self._take(fcntl.LOCK_SH):
            if waited_us >= self._wait_limit_us:
                raise StateError("Another process has been recovering the state folder for too long.")
            time.sleep(self._pause_us / 1_000_000)
            waited_us += self._pause_us

    def release(self) -> None:
        """Give the lock up; harmless twice. The kernel does it by itself when the process ends, however it ends."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _take(self, kind: int) -> bool:
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:
            raise StateError(f"The state folder can't be locked: {exc.strerror}.") from exc
        return True
