"""What the core asks of its host: the only doors to state, network, time and chance.

The core receives these objects and never constructs one. Every adapter of a port runs the same contract suite in
`tests/contracts`. A port names the only exceptions its adapters may raise; an adapter converts everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

import httpx

if TYPE_CHECKING:
    from worker.classification import Classification

T = TypeVar("T")
SqlValue = str | int | bytes | None
SqlRow = tuple[SqlValue, ...]


class Sql(Protocol):
    """One open transaction, as a transaction function sees it."""

    def execute(self, statement: str, *parameters: SqlValue) -> list[SqlRow]:
        """Run one statement and return all its rows (none for a write without RETURNING).

        Placeholders are `?`; at most 100 parameters; integers within +-(2^53-1); a row stays under 2 MB.
        """
        ...


def as_int(value: SqlValue) -> int:
    """A column that is declared INTEGER, as the type checker wants to see it."""
    assert isinstance(value, int)
    return value


class Database(Protocol):
    """A tenant's durable state; the arbiter of every budget."""

    async def transact(self, fn: Callable[[Sql], T], *, patient: bool = False) -> T:
        """Run `fn` in one serialisable transaction and return its value once the transaction is durable.

        Transactions run in the order of their calls. A `patient` one may be held back for a moment, so that it shares a
        commit with the next; nobody's answer waits for it.

        `fn` is synchronous, does no I/O but through its argument, and may be run more than once (its last run counts).
        An exception of `fn` rolls its writes back and comes out unchanged. Raises: worker.errors.StateError.
        """
        ...


#: Performs one HTTP exchange: `handle_async_request`. Raises only httpx.TransportError and its subclasses; that nothing
#: was sent it says by NotSent or NotSentInTime and by nothing else, because only that may be repeated without paying
#: twice. (Other clients call a server that closed the connection after reading the request a ConnectTimeout.)
Transport = httpx.AsyncBaseTransport


class NotSent(httpx.ConnectError):
    """No byte of the request left: nobody could be connected to."""


class NotSentInTime(httpx.ConnectTimeout):
    """No byte of the request left: there was no connection in time."""


class Hasher(Protocol):
    """SHA3-256 (FIPS 202)."""

    async def load(self) -> None:
        """Make `sha3_256` ready; harmless when called again."""
        ...

    def sha3_256(self, data: bytes) -> bytes:
        """The 32-byte SHA3-256 digest of `data`."""
        ...


class Signer(Protocol):
    """An Ed25519 key (RFC 8032) that signs ledger checkpoints. Raises: worker.errors.StateError."""

    async def load(self) -> None:
        """Make the key ready; harmless when called again."""
        ...

    def public_key(self) -> bytes:
        """The 32 bytes by which anybody can check a signature."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature over `message`; the same for the same message."""
        ...


class Timer(Protocol):
    """Something that will be called later."""

    def cancel(self) -> None:
        """Have it not called; harmless afterwards."""
        ...


class Clock(Protocol):
    """Wall time, elapsed time, and waits."""

    def now_us(self) -> int:
        """UTC wall time in microseconds since 1970."""
        ...

    def monotonic_us(self) -> int:
        """Microseconds on a clock that never goes back; only differences mean anything."""
        ...

    def timeout(self, delay_us: int) -> AbstractAsyncContextManager[object]:
        """A context that ends its body with TimeoutError once `delay_us` microseconds have passed."""
        ...

    async def sleep(self, delay_us: int) -> None:
        """Return once `delay_us` microseconds have passed."""
        ...

    def call_later(self, delay_us: int, callback: Callable[[], object]) -> Timer:
        """Have `callback` called in this event loop once `delay_us` microseconds have passed."""
        ...


class Ids(Protocol):
    """Unguessable identifiers."""

    def new(self, prefix: str) -> str:
        """`prefix` + "_" + 32 lower-case hexadecimal digits of fresh randomness."""
        ...


class Scorer(Protocol):
    """How hard a request is, judged before any model is called."""

    async def load(self) -> None:
        """Make `score` ready; harmless when called again."""
        ...

    def score(self, text: bytes) -> Classification:
        """Classify one text: any bytes of any length, the same answer for the same bytes. Raises nothing."""
        ...
