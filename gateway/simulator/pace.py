"""Decides when each part of an answer is due, from a table of pools.

The table's figures are assumptions for demonstrations, of the order of a model of at most 20 GB on a 96 GB card with
busy neighbours; they measure nothing. Times are integer microseconds on the host's monotonic clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from worker.errors import MalformedRequest

#: Waits for that many microseconds.
Sleep = Callable[[int], Awaitable[None]]

#: Names the pool whose pace an answer keeps; without it nothing waits.
POOL_HEADER = "x-harpoon-pool"


async def sleep_us(delay_us: int) -> None:
    """The host's `Sleep`: waits on the running event loop."""
    await asyncio.sleep(delay_us / 1_000_000)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a pool answers."""

    first_token_ms: int
    tokens_per_s: int

    def __post_init__(self) -> None:
        if self.first_token_ms < 0 or self.tokens_per_s < 1:
            raise ValueError(f"a pace needs first_token_ms >= 0 and tokens_per_s >= 1, got {self}")

    def due_us(self, tokens: int, speed: int) -> int:
        """Microseconds from the start until `tokens` tokens are out, `speed` times as fast; at once if speed is 0."""
        if speed == 0:
            return 0
        following = max(tokens - 1, 0) * 1_000_000 // self.tokens_per_s
        return (self.first_token_ms * 1_000 + following) // speed


#: Design section 5's pools.
POOL_PACES: Mapping[str, Pace] = MappingProxyType(
    {
        "private-1x": Pace(first_token_ms=60, tokens_per_s=120),
        "shared-4x": Pace(first_token_ms=180, tokens_per_s=60),
        "shared-8x": Pace(first_token_ms=600, tokens_per_s=25),
    }
)


def find_pace(pool: str | None, paces: Mapping[str, Pace]) -> Pace | None:
    """The pace of `pool`, None for no pool. Raises: MalformedRequest for a pool the table hasn't."""
    if not pool:
        return None
    if pool not in paces:
        raise MalformedRequest(f"The simulator has no such pool; it has {', '.join(sorted(paces))}.", param=POOL_HEADER)
    return paces[pool]
