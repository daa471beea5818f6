"""What an operator decides about the answer cache; off unless they say otherwise, because answers are kept then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OFF, ASK, ON = "off", "ask", "on"
CACHE_MODES: Final = (OFF, ASK, ON)
MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """`mode`: off, ask = for requests that ask for it by a cf-aig-cache-* header, on = for every request.

    `ttl_us`: how long an answer is kept if its request doesn't say. `max_bytes` bounds all answers of one memory (a
    process, or a tenant's object at the edge), `max_entry_bytes` a single one.
    """

    mode: str = OFF
    ttl_us: int = 300_000_000
    max_bytes: int = 32 * MEBIBYTE
    max_entry_bytes: int = 256 * 1024

    @property
    def is_on(self) -> bool:
        """Whether any request may be served from the cache."""
        return self.mode != OFF
