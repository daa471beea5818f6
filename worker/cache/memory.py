"""Where kept answers lie: in memory alone, bounded in bytes, the longest unused one leaving first.

Whoever calls says what time it is. An answer that is too old is never handed out; it leaves memory at the next sweep,
at most PURGE_EVERY_US after it became too old if anybody calls at all.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from worker.cache.kept import Kept

#: Tenant, key of the request, model that was decided on.
Slot = tuple[str, str, str]
PURGE_EVERY_US: Final = 10_000_000
#: What an entry takes beside its body: its slot, its route and the table's row.
ENTRY_OVERHEAD_BYTES: Final = 1_024


class _Entry(NamedTuple):
    kept: Kept
    stored_us: int
    ends_us: int


class Memory:
    """Kept answers by slot. Times are microseconds since 1970; `max_bytes` counts each entry with its overhead."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Slot, _Entry] = OrderedDict()
        self._purged_us = 0
        self.bytes_held = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, slot: Slot, ttl_us: int, at_us: int) -> Kept | None:
        """The answer kept under `slot`, if it is younger than its own time to live and than `ttl_us`."""
        entry = self._entries.get(slot)
        if entry is None or at_us >= entry.ends_us or at_us - entry.stored_us >= ttl_us:
            return None
        self._entries.move_to_end(slot)
        return entry.kept

    def put(self, slot: Slot, kept: Kept, ttl_us: int, at_us: int) -> bool:
        """Keep an answer in the place of an earlier one; whether there is room for it at all."""
        size = _size(kept)
        if size > self._max_bytes:
            return False
        self._drop(slot)
        self._entries[slot] = _Entry(kept, at_us, at_us + ttl_us)
        self.bytes_held += size
        while self.bytes_held > self._max_bytes:
            self._drop(next(iter(self._entries)))
        return True

    def purge(self, at_us: int) -> None:
        """Forget what is too old; looks at everything, so no more often than every PURGE_EVERY_US.

        Once a clock was set back nobody knows how old anything is: then all of it is forgotten.
        """
        if at_us < self._purged_us - PURGE_EVERY_US:
            self._entries.clear()
            self.bytes_held = 0
        elif at_us - self._purged_us < PURGE_EVERY_US:
            return
        self._purged_us = at_us
        for slot in [slot for slot, entry in self._entries.items() if at_us >= entry.ends_us]:
            self._drop(slot)

    def forget(self, tenant: str) -> None:
        """Forget all answers of a tenant."""
        for slot in [slot for slot in self._entries if slot[0] == tenant]:
            self._drop(slot)

    def _drop(self, slot: Slot) -> None:
        entry = self._entries.pop(slot, None)
        if entry is not None:
            self.bytes_held -= _size(entry.kept)


def _size(kept: Kept) -> int:
    return len(kept.body) + ENTRY_OVERHEAD_BYTES
