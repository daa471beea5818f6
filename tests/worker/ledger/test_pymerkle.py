"""Roots and proofs agree with a second implementation, written by others: pymerkle, with SHA3-256."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

from tests.worker.decision_kit import config, world
from tests.worker.ledger.log_kit import SHA3, fill
from tests.worker.ledger.setup_oracle import python
from worker.ledger.entry import leaf_hash
from worker.ledger.merkle import consistency_path, inclusion_path, root_hash, subtree_of

ORACLE = Path(__file__).with_name("pymerkle_oracle.py")
SIZE = 24
PAIRS = [(first, second) for second in range(1, SIZE + 1) for first in range(1, second + 1)]


async def some_entries() -> list[bytes]:
    async with world(config(default_cap=10**9)) as state:
        await fill(state, 20)
        rows = await state.rows("SELECT entry FROM ledger ORDER BY seq LIMIT ?", SIZE)
    return [str(entry).encode() for (entry,) in rows]


def ranges(first: int, start: int, end: int, known: bool = True) -> list[tuple[int, int]]:
    """SUBPROOF of RFC 6962 section 2.1.2, as the ranges of leaves that its hashes are over."""
    if first == end:
        return [] if known else [(start, end)]
    split = 1
    while 2 * split < end - start:
        split *= 2
    middle = start + split
    if first <= middle:
        return [*ranges(first, start, middle, known), (middle, end)]
    return [*ranges(first, middle, end, False), (start, middle)]


def test_leaves_roots_and_proofs_at_every_size() -> None:
    entries = asyncio.run(some_entries())
    assert len(entries) == SIZE
    inclusions = [(first - 1, second) for first, second in PAIRS]
    asked = {
        "entries": [entry.hex() for entry in entries],
        "inclusions": inclusions,
        "consistencies": PAIRS,
        "ranges": sorted({one for first, second in PAIRS for one in ranges(first, 0, second)}),
    }
    done = subprocess.run(
        [str(python()), str(ORACLE)], input=json.dumps(asked), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    leaves = [leaf_hash(SHA3, entry) for entry in entries]
    subtree = subtree_of(SHA3, leaves)
    roots = [root_hash(SHA3, subtree, size).hex() for size in range(SIZE + 1)]
    assert said["leaves"] == [leaf.hex() for leaf in leaves]
    assert said["roots"] == roots
    # It writes a proof in another order, and its leaf or its first root with it.
    for (entry, size), path in zip(inclusions, said["inclusions"], strict=True):
        ours = [step.hex() for step in inclusion_path(SHA3, subtree, entry, size)]
        assert sorted(path) == sorted([leaves[entry].hex(), *ours]), (entry, size)
    # RFC 6962 says what a consistency proof is made of as ranges of leaves: each hash is the root of a tree of its own.
    roots_of = dict(zip(map(tuple, asked["ranges"]), said["ranges"], strict=True))
    for first, second in PAIRS:
        ours = [step.hex() for step in consistency_path(SHA3, subtree, first, second)]
        assert ours == [roots_of[one] for one in ranges(first, 0, second)], (first, second)
