"""Bytes of an event stream to the data of its events (WHATWG, server-sent events): fed in pieces, split anywhere."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_END_OF_LINE: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """An event's data, its lines joined by line feeds, and when its last byte came."""

    at_us: int
    data: str


class EventReader:
    """Takes bytes as they come; gives each event once the empty line behind it is here."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._is_first = True

    def feed(self, data: bytes, at_us: int) -> list[Event]:
        """The events that these bytes complete."""
        found: list[Event] = []
        for line in self._lines(data):
            if line:
                self._field(line)
            elif self._data:
                found.append(Event(at_us, "\n".join(self._data)))
                self._data = []
        return found

    def is_cut_off(self) -> bool:
        """Whether the stream ended within an event, which a client then never sees."""
        return bool(self._rest.strip() or self._data)

    def _lines(self, data: bytes) -> list[bytes]:
        """The lines that these bytes end, without their ends: CR, LF or both. Time grows with the bytes alone."""
        text = self._rest + data
        cut = _last_end(text, len(text)) + 1
        if text[cut - 1 : cut] == b"\r" and cut == len(text):
            # A line feed may belong to it; an empty line needs no such patience.
            start = _last_end(text, cut - 1) + 1
            cut = start if start < cut - 1 else cut
        self._rest = text[cut:]
        lines = _END_OF_LINE.split(text[:cut])[:-1]
        if lines and self._is_first:
            lines[0], self._is_first = lines[0].removeprefix(_BYTE_ORDER_MARK), False
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))


def _last_end(text: bytes, before: int) -> int:
    """Where the last byte before `before` is that ends a line; -1 = nowhere."""
    return max(text.rfind(b"\n", 0, before), text.rfind(b"\r", 0, before))
