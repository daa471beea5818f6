"""The exceptions of the command line: what can't be done and what to do about it, in words for a person."""

from __future__ import annotations

#: Exit statuses: what was asked says no; it could not be asked (usage, nobody there).
NO, UNASKED = 1, 2


class CommandFailed(Exception):
    """A command ends with `message` on standard error, and with `status` as its exit status."""

    def __init__(self, message: str, status: int = UNASKED) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class ClientFailed(CommandFailed):
    """A server did not answer what was asked. `http_status`: what it said, 0 = nobody answered; `code`: its code."""

    def __init__(self, message: str, status: int = UNASKED, http_status: int = 0, code: str = "") -> None:
        super().__init__(message, status)
        self.http_status = http_status
        self.code = code
