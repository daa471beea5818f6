"""Where the events of a stream end, for bytes that are cut anywhere (WHATWG, server-sent events).

CR, LF and CRLF end a line, an empty line ends an event, and a byte order mark may stand in front of all. Each byte is
looked at a few times, however large an event is and however small the pieces are that it comes in. Sans-io; what an
event says is for others to read.
"""

from __future__ import annotations

from collections.abc import Iterator

_MARK = b"\xef\xbb\xbf"


class EventFrames:
    """One stream. `size`: the bytes of the event that is not complete yet."""

    __slots__ = ("_has_cr", "_is_new", "_parts", "size")

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []
        #: A CR came last: it ends a line, alone or with the LF that may follow.
        self._has_cr = False
        self._is_new = True

    def feed(self, chunk: bytes) -> bytes:
        """The events that `chunk` completes, their lines ended by LF, each with its empty line."""
        if self._is_new:
            chunk = self.finish() + chunk
            self._is_new = len(chunk) < len(_MARK) and _MARK.startswith(chunk)
            if self._is_new:
                return self._keep(chunk)
            chunk = chunk.removeprefix(_MARK)
        if self._has_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        end = chunk.rfind(b"\n\n")
        if self._parts:
            if end < 0 and not (chunk.startswith(b"\n") and self._parts[-1].endswith(b"\n")):
                return self._keep(chunk)
            chunk = b"".join([*self._parts, chunk])
            self._parts.clear()
            end = chunk.rfind(b"\n\n")
        if end < 0:
            return self._keep(chunk)
        self.size = 0
        if end + 2 == len(chunk):
            return chunk
        self._keep(chunk[end + 2 :])
        return chunk[: end + 2]

    def finish(self) -> bytes:
        """What came after the last complete event."""
        rest = b"".join(self._parts) + (b"\n" if self._has_cr else b"")
        self._parts.clear()
        self.size, self._has_cr = 0, False
        return rest

    def _keep(self, piece: bytes) -> bytes:
        if piece:
            self._parts.append(piece)
            self.size += len(piece)
        return b""

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        if self._has_cr:
            chunk = b"\r" + chunk
        self._has_cr = chunk.endswith(b"\r")
        if self._has_cr:
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def payload_of(event: bytes) -> bytes | None:
    """What the `data` lines of an event say together, or None if it has none."""
    data = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(data).strip() if data else None


def payloads_of(events: bytes) -> Iterator[bytes]:
    """The payloads of those complete events that have one."""
    return (payload for event in events.split(b"\n\n") if (payload := payload_of(event)) is not None)
