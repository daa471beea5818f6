"""A copy of a stream, taken while it passes; what it costs is one list of the pieces that are sent anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Relayed(Protocol):
    """What is recorded: see `worker.upstream.wires.StreamRelay`."""

    done: bool
    usage: tuple[int, int] | None

    def feed(self, chunk: bytes) -> bytes: ...

    def finish(self) -> bytes: ...

    def counted_tokens(self) -> int: ...


class RecordedRelay:
    """A relay that hands over a copy of all it let through, once its stream has ended; used in its place.

    Args: most_bytes: of a longer stream nothing is kept. on_end: gets the copy.
    """

    def __init__(self, relay: Relayed, most_bytes: int, on_end: Callable[[bytes], None]) -> None:
        self.done = relay.done
        self.usage = relay.usage
        self._relay = relay
        self._room = most_bytes
        self._on_end = on_end
        self._parts: list[bytes] = []

    def counted_tokens(self) -> int:
        return self._relay.counted_tokens()

    def feed(self, chunk: bytes) -> bytes:
        """As the relay's. Raises: StreamBroken."""
        return self._recorded(self._relay.feed(chunk))

    def finish(self) -> bytes:
        """As the relay's. Raises: StreamBroken."""
        return self._recorded(self._relay.finish())

    def _recorded(self, ready: bytes) -> bytes:
        ended = self._relay.done and not self.done
        self.done, self.usage = self._relay.done, self._relay.usage
        if self._room >= 0 and ready:
            self._room -= len(ready)
            if self._room >= 0:
                self._parts.append(ready)
            else:
                self._parts.clear()
        if ended and self._room >= 0:
            self._on_end(b"".join(self._parts))
        return ready
