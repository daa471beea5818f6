"""What this process has just seen, for whoever watches it live: a bounded ring of plain notes.

The ledger is the feed; a note only says earlier what a settlement will say too. So a note that is overwritten before
anybody looks, or taken down in another process, loses nothing.
"""

from __future__ import annotations

from typing import NamedTuple

FIRST_TOKEN = "first_token"
NOTES = 1_024


class Note(NamedTuple):
    """Something happened to the request of a decision. `at_us`: microseconds since 1970."""

    decision_id: str
    what: str
    at_us: int


class LiveNotes:
    """The latest `NOTES` notes of a process; every reader keeps a position of its own.

    `is_closed`: the host is about to stop and waits for every connection to end, so feeds end.
    """

    __slots__ = ("_end", "_notes", "is_closed")

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self._end = 0
        self.is_closed = False

    @property
    def end(self) -> int:
        """The position after the latest note."""
        return self._end

    def close(self) -> None:
        """End every feed of this process within a poll."""
        self.is_closed = True

    def append(self, note: Note) -> None:
        if len(self._notes) < NOTES:
            self._notes.append(note)
        else:
            self._notes[self._end % NOTES] = note
        self._end += 1

    def between(self, start: int, end: int) -> list[Note]:
        """The notes from position `start` up to `end`, as far as they are still kept."""
        return [self._notes[position % NOTES] for position in range(max(start, self._end - NOTES), end)]
