"""The edge's clock, identifiers and hasher.

In production time stands still during computation and moves only across I/O, so a difference of two readings measures
waiting, never work. Randomness exists only inside handlers.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import js

from worker.errors import StateError
from worker.ports import Timer


class EdgeClock:
    """`worker.ports.Clock` over the runtime's clock, which has a resolution of one millisecond."""

    def __init__(self) -> None:
        self._latest_us = 0

    def now_us(self) -> int:
        """UTC wall time in microseconds since 1970."""
        return int(js.Date.now()) * 1000

    def monotonic_us(self) -> int:
        """Microseconds that never go back: the runtime offers wall time only, so a step back is held."""
        self._latest_us = max(self._latest_us, self.now_us())
        return self._latest_us

    def timeout(self, delay_us: int) -> AbstractAsyncContextManager[object]:
        """A context that ends its body with TimeoutError once `delay_us` microseconds have passed."""
        return asyncio.timeout(delay_us / 1_000_000)

    async def sleep(self, delay_us: int) -> None:
        """Return once `delay_us` microseconds have passed."""
        await asyncio.sleep(delay_us / 1_000_000)

    def call_later(self, delay_us: int, callback: Callable[[], object]) -> Timer:
        """Have `callback` called in this event loop once `delay_us` microseconds have passed."""
        return asyncio.get_running_loop().call_later(delay_us / 1_000_000, callback)


class EdgeIds:
    """`worker.ports.Ids`; usable inside handlers only."""

    def new(self, prefix: str) -> str:
        """`prefix` + "_" + 32 lower-case hexadecimal digits of fresh randomness."""
        return f"{prefix}_{secrets.token_hex(16)}"


class EdgeHasher:
    """`worker.ports.Hasher` by the kernel where one was uploaded, else by the pure-Python sponge."""

    def __init__(self) -> None:
        self._digest: Callable[[bytes], bytes] | None = None

    async def load(self) -> None:
        """Make `sha3_256` ready, inside a handler; harmless when called again."""
        from worker.edge.kernel_module import load_kernel

        try:
            self._digest = load_kernel().sha3_256
        except StateError as problem:
            from worker.ledger.sha3 import sha3_256

            js.console.warn(f"SHA3-256 runs in pure Python. {problem}")
            self._digest = sha3_256

    def sha3_256(self, data: bytes) -> bytes:
        """The 32-byte SHA3-256 digest of `data`. Raises: RuntimeError before `load`."""
        if self._digest is None:
            raise RuntimeError("the hasher was not loaded")
        return self._digest(data)
