"""Clock, identifiers and SHA3-256 of an ordinary machine: the small ports."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn, Protocol

from gateway.adapters.deadlines import Deadline, Deadlines
from worker.errors import StateError
from worker.ports import Timer

ID_BYTES = 16
IDS_PER_FETCH = 256


class SystemClock:
    """`worker.ports.Clock` on the machine's own clocks."""

    def __init__(self) -> None:
        self._deadlines: Deadlines | None = None

    def now_us(self) -> int:
        """UTC wall time in microseconds since 1970."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """Microseconds on a clock that never goes back; only differences mean anything."""
        return time.monotonic_ns() // 1000

    def timeout(self, delay_us: int) -> AbstractAsyncContextManager[object]:
        """A context that ends its body with TimeoutError once `delay_us` microseconds have passed."""
        loop, deadlines = asyncio.get_running_loop(), self._deadlines
        if deadlines is None or deadlines.loop is not loop:
            deadlines = self._deadlines = Deadlines(loop)
        return Deadline(deadlines, loop.time() + delay_us / 1_000_000)

    async def sleep(self, delay_us: int) -> None:
        """Return once `delay_us` microseconds have passed."""
        await asyncio.sleep(delay_us / 1_000_000)

    def call_later(self, delay_us: int, callback: Callable[[], object]) -> Timer:
        """Have `callback` called in this event loop once `delay_us` microseconds have passed."""
        return asyncio.get_running_loop().call_later(delay_us / 1_000_000, callback)


class SystemIds:
    """`worker.ports.Ids` from the operating system's random source, fetched for many ids at once."""

    def __init__(self) -> None:
        self._pool = ""
        self._used = 0

    def new(self, prefix: str) -> str:
        """`prefix` + "_" + 32 lower-case hexadecimal digits of fresh randomness."""
        start = self._used
        if start == len(self._pool):
            # A system call for each id would cost more than all the rest of it.
            self._pool, start = secrets.token_hex(ID_BYTES * IDS_PER_FETCH), 0
        self._used = start + 2 * ID_BYTES
        return f"{prefix}_{self._pool[start : self._used]}"


class _Digest(Protocol):
    def digest(self) -> bytes: ...


class PySha3Hasher:
    """`worker.ports.Hasher` by safe-pysha3, compiled: the fast one."""

    def __init__(self) -> None:
        self._new: Callable[[bytes], _Digest] = _not_loaded

    async def load(self) -> None:
        """Make `sha3_256` ready. Raises: StateError when safe-pysha3 is not installed or doesn't load."""
        try:
            from sha3 import sha3_256  # type: ignore[import-untyped]  # ships no types
        except ImportError as exc:
            raise StateError("safe-pysha3 can't be loaded: install it, or choose the pure Python hasher.") from exc
        self._new = sha3_256

    def sha3_256(self, data: bytes) -> bytes:
        """The 32-byte SHA3-256 digest of `data` (FIPS 202). Raises: StateError before `load`."""
        return self._new(data).digest()


class PureHasher:
    """`worker.ports.Hasher` by the core's own sponge in Python: needs nothing, some fifty times slower."""

    def __init__(self) -> None:
        self._digest: Callable[[bytes], bytes] = _not_loaded

    async def load(self) -> None:
        """Make `sha3_256` ready."""
        from worker.ledger.sha3 import sha3_256

        self._digest = sha3_256

    def sha3_256(self, data: bytes) -> bytes:
        """The 32-byte SHA3-256 digest of `data` (FIPS 202). Raises: StateError before `load`."""
        return self._digest(data)


def _not_loaded(data: bytes) -> NoReturn:
    raise StateError("The hasher has not been loaded.")
