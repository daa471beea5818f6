"""Which partition a key belongs to: rendezvous hashing, the same on every host and in every process.

Every partition bids a hash of the key and itself, and the highest bid wins. So a new partition takes keys from all the
others alike, and no key ever moves between two that were there before; and one key's events stay together, in order.
Source: D. Thaler, C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from worker.sessions.completed import SessionCompleted

SESSION, USER = "session_id", "user_id"


def rendezvous(key: str, names: Sequence[str]) -> str:
    """The one of `names` that the key belongs to, whatever their order. Raises: ValueError if there is none."""
    if not names:
        raise ValueError("there is no partition to choose from")
    encoded = key.encode()
    # The length first, so that no other key and name run together into the same bytes.
    prefix = b"harpoon.partition.v1\0%d\0" % len(encoded) + encoded
    return max(names, key=lambda name: (hashlib.sha256(prefix + name.encode()).digest(), name))


def partition_names(count: int) -> tuple[str, ...]:
    """The names of `count` numbered partitions. Raises: ValueError if it isn't at least 1."""
    if count < 1:
        raise ValueError("there is at least one partition")
    return tuple([f"p{index}" for index in range(count)])


def partition_key(event: SessionCompleted, by: str = SESSION) -> str:
    """What an event is kept in order by: its tenant's session, or its tenant's user. Raises: ValueError."""
    if by not in (SESSION, USER):
        raise ValueError(f"events are partitioned by {SESSION} or {USER}")
    own = event.session_id if by == SESSION else event.user_id
    return f"{len(event.organization_id)}:{event.organization_id}:{own}"
