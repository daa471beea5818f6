"""A file with one event a line: appended, cut into files of a size, and mended after a crash.

An event that was written before a crash may be written again after it; its id tells. A line that a crash tore is cut
off when the file is opened, because the event it began is delivered again.
"""

from __future__ import annotations

import asyncio
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
    """A `Destination` for one file; several processes may append to it in turn."""

    def __init__(self, settings: JsonlSettings) -> None:
        self._settings = settings
        self._descriptor: int | None = None

    async def deliver(self, batch: Sequence[Shaped]) -> Sequence[Outcome]:
        """See `Destination.deliver`."""
        data = "".join([f"{shaped.text}\n" for shaped in batch]).encode()
        try:
            await asyncio.to_thread(self._write, data)
        except OSError as problem:
            await self.close()
            return all_failed(batch, Failed(f"the file can't be written: {problem.strerror}", is_down=True))
        return [Fate.DELIVERED] * len(batch)

    async def close(self) -> None:
        """See `Destination.close`."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _write(self, data: bytes) -> None:
        """All of it, or an exception and nothing of it."""
        descriptor = self._opened()
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

    def _opened(self) -> int:
        """The file, opened and mended; a new one if the one before has grown enough or was moved away."""
        settings = self._settings
        descriptor = self._descriptor
        if descriptor is not None and not self._is_current(descriptor):
            os.close(descriptor)
            descriptor = self._descriptor = None
        if descriptor is None:
            settings.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(settings.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._descriptor = descriptor
        # Another process may have died here since, whose turn it was.
        cut_torn_line(descriptor)
        if settings.rotate_bytes and os.lseek(descriptor, 0, os.SEEK_END) >= settings.rotate_bytes:
            os.close(descriptor)
            self._descriptor = None
            settings.path.rename(_next_name(settings.path))
            return self._opened()
        return descriptor

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
    taken = [
        int(found.name[len(path.name) + 1 :])
        for found in path.parent.glob(f"{path.name}.*")
        if found.name[len(path.name) + 1 :].isdecimal()
    ]
    return path.with_name(f"{path.name}.{max(taken, default=0) + 1}")
