"""Stores drop events that are older than the routes' `retention_days` for them, counted from the capture."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from worker.sessions.destination import Shaped

_DAY_US: Final = 86_400_000_000


@runtime_checkable
class Trimmed(Protocol):
    """A destination that drops what it need not keep any more."""

    async def trim(self, now_us: int) -> None:
        """Drop what has expired by `now_us`, in microseconds since 1970. Raises: OSError, sqlite3.Error."""
        ...


def expiry_us(shaped: Shaped) -> int | None:
    """When the event is to be dropped, in microseconds since 1970; None = never."""
    return None if shaped.keep_days is None else shaped.captured_us + shaped.keep_days * _DAY_US
