"""Everything that `capture` can raise: after any of these the event was not taken.

SdkError
├── InvalidEvent       the event is wrong; `path` names the field
├── SpoolFull          too much waits for the server already
├── SpoolUnavailable   the disk refused
└── RuntimeClosed      `close` came before
"""

from __future__ import annotations


class SdkError(Exception):
    """Root of the tree."""


class InvalidEvent(SdkError, ValueError):
    """The event is wrong; the message quotes nothing of it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path


class SpoolFull(SdkError):
    """The spool holds as much as it may: the server has been away for long, or refuses our key."""


class SpoolUnavailable(SdkError):
    """The spool's file can't be opened or written."""


class RuntimeClosed(SdkError):
    """Captured after `close`."""
