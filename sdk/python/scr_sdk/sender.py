"""Brings what is in the spool to the server, in its own thread: batches, retries with full jitter; no redirects."""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from scr_sdk.errors import SpoolUnavailable
from scr_sdk.spool import Spool, Spooled

PATH = "/api/session-completion/events"
MAX_REASON_CHARACTERS = 500
#: The event is wrong, and will be tomorrow.
REFUSALS = frozenset({400, 413, 422})
_LOG = logging.getLogger("scr_sdk")


@dataclass(frozen=True, slots=True)
class SendSettings:
    """How events are sent. Waits double from `base_s` to `cap_s`, and each is drawn evenly from nothing up to that."""

    batch_events: int = 100
    batch_bytes: int = 1_000_000
    timeout_s: float = 10.0
    lease_s: float = 60.0
    base_s: float = 0.5
    cap_s: float = 60.0


class Answer(NamedTuple):
    """What the server said; status 0 = nothing at all. `asked_s`: its retry-after."""

    status: int
    text: str = ""
    asked_s: float = 0.0


class Endpoint:
    """One connection to the server, opened when needed."""

    #: Never closed nor freed: that takes a lock which a thread of the parent may hold, and it isn't there to let go.
    inherited: ClassVar[list[http.client.HTTPConnection]] = []

    def __init__(self, url: str, api_key: str, timeout_s: float) -> None:
        """Raises: ValueError for a URL that isn't one."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError("the endpoint is a URL such as https://harpoon.example")
        if not api_key.isascii() or not api_key.isprintable():
            raise ValueError("the API key is printable ASCII")
        self._parts = parts
        self._path = f"{parts.path.rstrip('/')}{PATH}"
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {api_key}"}
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> Answer:
        """Raises nothing: what the network does is an answer of status 0."""
        try:
            connection = self._connection or self._connect()
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            text = response.read(65_536).decode("utf-8", "replace")
            asked = response.headers.get("retry-after", "")
            if response.read(1):
                self.close()
        except (OSError, http.client.HTTPException) as problem:
            self.close()
            return Answer(0, type(problem).__name__)
        asked_s = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0.0
        return Answer(response.status, text, asked_s)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def leave_to_parent(self) -> None:
        """In a child: what the parent may be sending over is not ours."""
        if self._connection is not None:
            self.inherited.append(self._connection)
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        return self._connection


class Sender:
    """The thread; it begins with the first `wake`, anew in every process that forks off."""

    def __init__(
        self, spool: Spool, endpoint: Endpoint, settings: SendSettings, draw: Callable[[], float] = random.random
    ) -> None:
        self._spool = spool
        self._endpoint = endpoint
        self._settings = settings
        self._draw = draw
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._owner = 0
        self._failures = 0

    def is_failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def wake(self) -> None:
        """There is something to send."""
        if self._owner != os.getpid() or self._thread is None:
            if self._owner not in (0, os.getpid()):
                self._endpoint.leave_to_parent()
            self._wanted, self._stopping = threading.Event(), threading.Event()
            self._owner = os.getpid()
            self._thread = threading.Thread(target=self._run, name="scr-sdk-sender", daemon=True)
            self._thread.start()
        self._wanted.set()

    def stop(self, timeout_s: float) -> None:
        """End the thread, after what it is sending right now."""
        if self._thread is not None and self._owner == os.getpid():
            self._stopping.set()
            self._wanted.set()
            self._thread.join(timeout_s)
            if not self._thread.is_alive():
                self._endpoint.close()
            self._thread = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait_s = self._round()
            except SpoolUnavailable as problem:
                _LOG.warning("%s", problem)
                self._failures += 1
                wait_s = self._backoff_s(0.0)
            if wait_s > 0:
                self._stopping.wait(wait_s)
            elif wait_s < 0:
                # Another process may have died with events leased, so there is a look now and then in any case.
                self._wanted.wait(self._settings.lease_s)
                self._wanted.clear()

    def _round(self) -> float:
        """Send one batch; how long to wait then, below 0 = until there is more."""
        settings = self._settings
        now_s = time.time()
        events = self._spool.lease(settings.batch_events, settings.batch_bytes, now_s, now_s + settings.lease_s)
        if not events:
            return -1.0
        answer = self._send(events)
        if answer.status in REFUSALS and len(events) > 1:
            # One of them is wrong; each by itself shows which.
            for one in events:
                answer = self._send([one])
                if not self._settled([one], answer):
                    break
        elif self._settled(events, answer):
            return 0.0
        if 200 <= answer.status < 300 or answer.status in REFUSALS:
            return 0.0
        self._spool.release(events)
        self._failures += 1
        wait_s = self._backoff_s(answer.asked_s)
        if self._failures in (1, 10) or self._failures % 100 == 0:
            said = f"answered {answer.status}" if answer.status else f"can't be reached ({answer.text})"
            _LOG.warning("the server %s; events stay in the spool, next try in %.1f s", said, wait_s)
        return max(wait_s, 0.001)

    def _send(self, events: list[Spooled]) -> Answer:
        body = events[0].body if len(events) == 1 else f"[{','.join(one.body for one in events)}]"
        return self._endpoint.post(body.encode())

    def _settled(self, events: list[Spooled], answer: Answer) -> bool:
        """Whether these are done with: taken, or refused for good."""
        if 200 <= answer.status < 300:
            self._failures = 0
            self._spool.remove(events)
            return True
        if answer.status in REFUSALS:
            reason = f"{answer.status}: {_message(answer.text)}"[:MAX_REASON_CHARACTERS]
            self._spool.remove(events, reason)
            _LOG.error("the server refused an event, which is kept aside: %s", reason)
            return True
        return False

    def _backoff_s(self, asked_s: float) -> float:
        ceiling_s = min(self._settings.cap_s, self._settings.base_s * 2.0 ** min(self._failures - 1, 30))
        return max(ceiling_s * self._draw(), asked_s)


def _message(text: str) -> str:
    """What an error body says, if it has the usual shape."""
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return "no reason given"
