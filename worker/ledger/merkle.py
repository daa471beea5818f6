"""The Merkle tree over a log's leaf hashes: roots, inclusion and consistency proofs, and how both are verified.

The shape is RFC 6962 section 2.1, the hash SHA3-256: a node is SHA3-256(0x01 || left || right), the tree over nothing
SHA3-256 of nothing. Everything here is pure. Where hashes of whole subtrees come from is the caller's matter: a
`Subtree` function, such as `worker.ledger.tiles.StoredTree`, or `subtree_of` for leaves that are at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from worker.errors import LedgerFault
from worker.ports import Hasher

NODE_PREFIX = b"\x01"
HASH_BYTES = 32
#: Hash of the perfect subtree over leaves [index * 2^level, (index + 1) * 2^level), by level and index.
Subtree = Callable[[int, int], bytes]

BAD_PROOF = "PROOF_MISMATCH"


def node_hash(hasher: Hasher, left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 6962 section 2.1), 32 bytes."""
    return hasher.sha3_256(NODE_PREFIX + left + right)


def subtree_of(hasher: Hasher, leaves: Sequence[bytes]) -> Subtree:
    """The subtrees over leaf hashes that are all at hand."""

    def subtree(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return node_hash(hasher, subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))

    return subtree


def root_hash(hasher: Hasher, subtree: Subtree, size: int) -> bytes:
    """The root of the tree over the first `size` leaves (RFC 6962 section 2.1)."""
    return _range_hash(hasher, subtree, 0, size) if size else hasher.sha3_256(b"")


def inclusion_path(hasher: Hasher, subtree: Subtree, entry: int, size: int) -> tuple[bytes, ...]:
    """The proof that leaf number `entry` is in the tree over `size` leaves (RFC 6962 section 2.1.1).

    Raises: LedgerFault unless 0 <= entry < size.
    """
    if not 0 <= entry < size:
        raise LedgerFault(BAD_PROOF, f"there is no entry {entry} in a log of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if entry < middle:
            path.append(_range_hash(hasher, subtree, middle, end))
            end = middle
        else:
            path.append(_range_hash(hasher, subtree, start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_path(hasher: Hasher, subtree: Subtree, first: int, second: int) -> tuple[bytes, ...]:
    """The proof that the tree over `first` leaves is a beginning of the one over `second` (RFC 6962 section 2.1.2).

    Raises: LedgerFault unless 0 < first <= second.
    """
    if not 0 < first <= second:
        raise LedgerFault(BAD_PROOF, f"there is no consistency proof from {first} to {second}")
    path: list[bytes] = []
    start, end, is_known = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_range_hash(hasher, subtree, middle, end))
            end = middle
        else:
            path.append(_range_hash(hasher, subtree, start, middle))
            start, is_known = middle, False
    if not is_known:
        path.append(_range_hash(hasher, subtree, start, end))
    return tuple(reversed(path))


def verify_inclusion(hasher: Hasher, leaf: bytes, entry: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check an inclusion proof (RFC 9162 section 2.1.3.2). Raises: LedgerFault."""
    if not 0 <= entry < size or len(path) != _inclusion_length(entry, size):
        raise LedgerFault(BAD_PROOF, "the proof has a length that no proof of this entry has")
    _check_hashes(leaf, root, *path)
    at, last, found = entry, size - 1, leaf
    for sibling in path:
        if at & 1 or at == last:
            found = node_hash(hasher, sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(hasher, found, sibling)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise LedgerFault(BAD_PROOF, "the proof leads to another root")


def verify_consistency(
    hasher: Hasher, first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    """Check a consistency proof (RFC 9162 section 2.1.4.2). Raises: LedgerFault."""
    _check_hashes(first_root, second_root, *path)
    if not 0 < first <= second:
        raise LedgerFault(BAD_PROOF, f"there is no consistency proof from {first} to {second}")
    if first == second:
        if path or first_root != second_root:
            raise LedgerFault(BAD_PROOF, "two roots of the same size differ")
        return
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    # No path is longer than a root's own, one hash a level and one for where the two trees meet.
    if not steps or len(steps) > second.bit_length() + 1:
        raise LedgerFault(BAD_PROOF, "the proof has a length that no proof between these sizes has")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if not last:
            raise LedgerFault(BAD_PROOF, "the proof is too long")
        if at & 1 or at == last:
            old, new = node_hash(hasher, step, old), node_hash(hasher, step, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(hasher, new, step)
        at, last = at >> 1, last >> 1
    if last or old != first_root or new != second_root:
        raise LedgerFault(BAD_PROOF, "the proof leads to other roots")


class Frontier:
    """The right edge of a growing tree: what is needed to go on, one hash for each set bit of the size."""

    __slots__ = ("_hasher", "_peaks", "size")

    def __init__(self, hasher: Hasher, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Args: peaks: of a tree of `size` leaves, the largest subtree first. Raises: LedgerFault for a wrong count."""
        if size < 0 or len(peaks) != size.bit_count():
            raise LedgerFault(BAD_PROOF, "a frontier has one hash for each bit of its size")
        self._hasher = hasher
        self._peaks = list(peaks)
        self.size = size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Take in the next leaf hash."""
        carried, size = leaf, self.size
        while size & 1:
            carried = node_hash(self._hasher, self._peaks.pop(), carried)
            size >>= 1
        self._peaks.append(carried)
        self.size += 1

    def root(self) -> bytes:
        """The root over everything taken in."""
        if not self._peaks:
            return self._hasher.sha3_256(b"")
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(self._hasher, peak, found)
        return found


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(hasher: Hasher, subtree: Subtree, start: int, end: int) -> bytes:
    """The hash over leaves [start, end), where `start` is a place at which RFC 6962 splits."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return subtree(level, start >> level)
    middle = start + _split(size)
    return node_hash(hasher, _range_hash(hasher, subtree, start, middle), _range_hash(hasher, subtree, middle, end))


def _inclusion_length(entry: int, size: int) -> int:
    """How many hashes an inclusion proof has: one a level below the split, then one for each full tree to the left."""
    inner = (entry ^ (size - 1)).bit_length()
    return inner + (entry >> inner).bit_count()


def _check_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise LedgerFault(BAD_PROOF, f"a hash has {HASH_BYTES} bytes")
