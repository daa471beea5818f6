"""Tells sinks of finished requests beside the requests' own way: a thread takes them in batches, some times a second.

The way of a request only appends to a list. What the thread does it does in small steps, letting the event loop's
thread go first between them. A sink that is stuck (a pipe that nobody reads) holds up nobody: then requests go untold,
and their number is logged.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from worker.telemetry import Finished

#: Takes a batch; runs in the observer's thread.
Sink = Callable[[Sequence[Finished]], None]

EVERY_S = 0.1
#: A batch is no larger than that, so that the end of one never waits for many.
MAX_BATCH = 64
MAX_WAITING = 10_000
STOP_S = 2.0
_log = logging.getLogger("harpoon")


class RequestObserver:
    """`worker.telemetry.Observer` with a thread behind it. Args: samples: which traces are recorded; None = none."""

    def __init__(self, sinks: Sequence[Sink], samples: Callable[[str, bool | None], bool] | None = None) -> None:
        self._sinks = tuple(sinks)
        self._samples = samples
        self._waiting: deque[Finished] = deque()
        self._untold = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="harpoon-observer", daemon=True)
        self._thread.start()

    def samples(self, trace_id: str, parent_is_sampled: bool | None) -> bool:
        """Whether the spans of a trace are recorded here; where nobody records any, the caller's word is passed on."""
        return bool(parent_is_sampled) if self._samples is None else self._samples(trace_id, parent_is_sampled)

    def finished(self, request: Finished) -> None:
        """A request is over: it waits for the thread, unless too many do."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(request)
        else:
            self._untold += 1

    def close(self) -> None:
        """Tell what is waiting, and end; a sink that is stuck is not waited for longer than STOP_S."""
        self._stopping.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        untold, self._untold = self._untold, 0
        if untold:
            _log.warning("%d finished requests were neither logged nor exported: their sinks are too slow", untold)
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            for sink in self._sinks:
                try:
                    sink(batch)
                except Exception:  # one sink's failure must not silence the others, nor end the thread
                    _log.exception("finished requests could not be told")
            time.sleep(0)


def yielding(requests: Sequence[Finished], tell: Callable[[Finished], None]) -> None:
    """Tell of each request, and let other threads run in between: none waits for longer than one takes."""
    for request in requests:
        tell(request)
        time.sleep(0)
