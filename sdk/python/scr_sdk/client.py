"""SessionCompletionRuntime: `capture` puts an event on disk and returns; a thread brings it to the server."""

from __future__ import annotations

import atexit
import hashlib
import os
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from scr_sdk.errors import RuntimeClosed, SdkError
from scr_sdk.event import Captured, event_text
from scr_sdk.sender import Endpoint, Sender, SendSettings
from scr_sdk.spool import DURABILITIES, Spool

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"
FLUSH_POLL_S = 0.01
EXIT_FLUSH_S = 5.0


class Stats(NamedTuple):
    """captured: by this object. waiting, refused: in the spool, whoever captured them."""

    captured: int
    waiting: int
    refused: int


class SessionCompletionRuntime:
    """Reports completed sessions.

    Args:
        api_key: sent as a bearer token; else the environment's SCR_API_KEY.
        endpoint: the server's URL; else SCR_ENDPOINT, else a server on this machine.
        spool: the file where events wait; else SCR_SPOOL, else one in the user's state folder for this server and key.
        durability: "process" (an event survives kill -9) or "power" (it survives a power cut; slower).
        max_events, max_bytes: what may wait at once; beyond that `capture` raises SpoolFull.
        send: how events are sent.
    """

    def __init__(
        self,
        api_key: str | None = None,
        endpoint: str | None = None,
        *,
        spool: str | os.PathLike[str] | None = None,
        durability: str = "process",
        max_events: int = 100_000,
        max_bytes: int = 256 * 1024 * 1024,
        send: SendSettings | None = None,
    ) -> None:
        """Raises: ValueError for arguments that can't be used, SpoolUnavailable."""
        key = api_key or os.environ.get("SCR_API_KEY", "")
        if not key:
            raise ValueError("api_key is missing, and so is SCR_API_KEY in the environment")
        if durability not in DURABILITIES:
            raise ValueError(f"durability is one of {', '.join(DURABILITIES)}")
        url = endpoint or os.environ.get("SCR_ENDPOINT") or DEFAULT_ENDPOINT
        settings = send or SendSettings()
        self._endpoint = Endpoint(url, key, settings.timeout_s)
        path = Path(spool or os.environ.get("SCR_SPOOL") or default_spool(url, key))
        self._spool = Spool(path, max_events, max_bytes, durability)
        self._sender = Sender(self._spool, self._endpoint, settings)
        self._lock = threading.Lock()
        self._captured = 0
        self._closed = False
        _stand_still_in_forks(self)
        _close_at_exit(self)
        if self._spool.counts()[0]:
            self._sender.wake()

    def __repr__(self) -> str:
        return f"SessionCompletionRuntime(captured={self._captured}, closed={self._closed})"

    def capture(self, event: Mapping[str, Any]) -> Captured:
        """Take one completed session, in full or in short; when it returns, the event is durable.

        The result may be awaited or not. The event's id is fixed here, so however often it is sent, it counts once.
        Raises: InvalidEvent, SpoolFull, SpoolUnavailable, RuntimeClosed; after any of them nothing was taken.
        """
        if self._closed:
            raise RuntimeClosed("this runtime is closed")
        event_id, text = event_text(event)
        self._spool.append(text)
        with self._lock:
            self._captured += 1
            self._sender.wake()
        return Captured(event_id)

    def stats(self) -> Stats:
        """How many events were captured, wait, and were refused for good."""
        return Stats(self._captured, *self._spool.counts())

    def refused(self) -> list[tuple[str, str]]:
        """JSON text and reason of every event that the server refused for good."""
        return self._spool.refused()

    def forget_refused(self) -> None:
        """Let go of what the server refused; until then it counts towards `max_events` and `max_bytes`."""
        self._spool.forget_refused()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until nothing waits any more; False if that took too long. What is left stays in the spool."""
        end_s = time.monotonic() + timeout_s
        while self._spool.counts()[0]:
            if time.monotonic() >= end_s:
                return False
            self._sender.wake()
            time.sleep(FLUSH_POLL_S)
        return True

    def close(self, timeout_s: float = 10.0) -> None:
        """Take no more, send what can be sent in time, and keep the rest for the next start."""
        if not self._closed:
            self._closed = True
            end_s = time.monotonic() + timeout_s
            self.flush(timeout_s)
            self._sender.stop(max(0.1, end_s - time.monotonic()))
            self._spool.close()

    def close_at_exit(self) -> None:
        """As `close`, but wait only for a server that answers, and for EXIT_FLUSH_S at most."""
        if not self._closed:
            end_s = time.monotonic() + EXIT_FLUSH_S
            while not self._sender.is_failing() and time.monotonic() < end_s and not self.flush(0.0):
                time.sleep(FLUSH_POLL_S)
            self.close(0.0)

    def before_fork(self) -> None:
        """Stand still until `after_fork`: nothing may be half done when a process doubles itself."""
        self._lock.acquire()
        self._spool.before_fork()

    def after_fork(self) -> None:
        """In parent and child: go on."""
        self._spool.after_fork()
        self._lock.release()

    def __enter__(self) -> SessionCompletionRuntime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _stand_still_in_forks(runtime: SessionCompletionRuntime) -> None:
    """SQLite's file must not be open, and no lock of ours held by another thread, while this process forks."""
    found = weakref.ref(runtime)
    standing: list[SessionCompletionRuntime] = []

    def before() -> None:
        alive = found()
        if alive is not None:
            alive.before_fork()
            standing.append(alive)

    def after() -> None:
        while standing:
            standing.pop().after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)


def _close_at_exit(runtime: SessionCompletionRuntime) -> None:
    found = weakref.ref(runtime)

    def close() -> None:
        alive = found()
        if alive is not None:
            # What can't be sent any more stays in the spool; there is nobody left to tell.
            with suppress(SdkError):
                alive.close_at_exit()

    atexit.register(close)


def default_spool(endpoint: str, api_key: str) -> Path:
    """A file for this server and this key: events must not go out under another's."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = hashlib.sha256(f"{endpoint}\0{api_key}".encode()).hexdigest()[:16]
    return state / "scr_sdk" / f"{name}.db"
