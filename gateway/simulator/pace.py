"""When an answer may go on: what the simulator asks of whoever models the GPUs it pretends to have."""

from __future__ import annotations

from typing import Protocol

from gateway.simulator.request import JsonObject

#: Names the pool that answers; without it nothing waits.
POOL_HEADER = "x-harpoon-pool"


class PodGone(Exception):
    """The pod that worked on an answer failed, stopped or was taken away."""


class TellsTime(Protocol):
    """The part of `worker.ports.Clock` that an answer needs."""

    def now_us(self) -> int:
        """UTC in microseconds since 1970."""
        ...

    def monotonic_us(self) -> int:
        """Microseconds that never go back."""
        ...


class Timing(Protocol):
    """One answer in the making."""

    async def until(self, tokens: int) -> None:
        """Return once so many of its tokens are out, the first for 0 as for 1. Raises: PodGone."""
        ...

    def leave(self) -> None:
        """Nobody wants the rest; harmless when there is none."""
        ...


class Pacer(Protocol):
    """One pod."""

    def begin(self, model: str, prompt_tokens: int, output_tokens: int) -> Timing:
        """A request arrives now."""
        ...


class Pacing(Protocol):
    """The pods that may answer."""

    def at(self, pool: str | None) -> Pacer | None:
        """The pod for a request to `pool`, None = nothing waits. Raises: worker.errors.MalformedRequest for no pool."""
        ...

    def tells(self, pool: str | None) -> str:
        """What a pool's answers say of it (`worker.routing.pool_readings.HEADER`), "" = nothing. Raises nothing."""
        ...

    def overview(self) -> list[JsonObject]:
        """What the pools are in now, one row each."""
        ...
