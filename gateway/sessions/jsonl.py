"""A file with one event a line: appended, cut into files of a size, and mended after a crash.

An event that was written before a crash may be written again after it; its id tells. A line that a crash tore is cut
off when the file is opened, because the event it began is delivered again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.sessions.destination import Failed, Fate, Outcome, Shaped, all_failed

_LOOK_BACK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class JsonlSettings:
    """Where the lines go. `fsync`: a delivered event survives the loss of power too. `rotate_bytes`: 0 = one file."""

    path: Path
    fsync: bool = False
    rotate_bytes: int = 0


class JsonlDestination:
    """A `Destination` for one file; several processes may append to it in turn.

    The file is open only while a batch is written: a write that was given up on may still be under way in its thread,
    and whoever closed its descriptor then would have it write to whatever is opened next.
    """

    def __init__(self, settings: JsonlSettings) -> None:
        self._settings = settings

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        data = "".join([f"{shaped.text}\n" for shaped in batch]).encode()
        try:
            await asyncio.to_thread(self._write, data)
        except OSError as problem:
            return all_failed(batch, Failed(f"the file can't be written: {problem.strerror}", is_down=True))
        return [Fate.DELIVERED] * len(batch)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _write(self, data: bytes) -> None:
        """All of it, or an exception and nothing of it."""
        descriptor = self._opened()
        try:
            before = os.lseek(descriptor, 0, os.SEEK_END)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                if self._settings.fsync:
                    os.fsync(descriptor)
            except OSError:
                # Of a disk that is full the part that still fitted is taken back, and is tried again as a whole.
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        """The file, held by nobody else, mended; a new one if the one before has grown enough."""
        settings = self._settings
        settings.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            descriptor = os.open(settings.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                # Whoever lost the cursor while it wrote may still do so. Not every file system has locks.
                with contextlib.suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                if self._is_current(descriptor):
                    # A process may have died here whose turn it was.
                    cut_torn_line(descriptor)
                    size = os.lseek(descriptor, 0, os.SEEK_END)
                    if not settings.rotate_bytes or size < settings.rotate_bytes:
                        return descriptor
                    settings.path.rename(_next_name(settings.path))
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._settings.path))
        except FileNotFoundError:
            return False


def cut_torn_line(descriptor: int) -> int:
    """Cut off what stands after the file's last end of a line; how many bytes."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    end = size
    while end:
        start = max(0, end - _LOOK_BACK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
    return size - end


def _next_name(path: Path) -> Path:
    """The first of path.1, path.2, ... that is free: the greater the number, the newer."""
    begins = f"{path.name}."
    ends = [name[len(begins) :] for name in os.listdir(path.parent) if name.startswith(begins)]
    taken = [int(end) for end in ends if end.isascii() and end.isdecimal()]
    return path.with_name(f"{begins}{max(taken, default=0) + 1}")
