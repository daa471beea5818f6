"""Hashes of whole subtrees, stored: the Merkle tree of a log without reading all its leaves.

A tile has 256 hashes of one level; the hash over a full tile is stored, and so is the hash over 256 of those, and so
on. A tile is integrated when its last leaf is appended, in the same transaction, so no edge of the tree is kept between
transactions, and most appends write a leaf and nothing else. What is stored is a cache of what the leaves say: where
it is missing, in a log from before there were tiles, the leaves are read; verification compares it with them.
"""

from __future__ import annotations

from worker.errors import LedgerFault
from worker.ledger.merkle import node_hash, root_hash, subtree_of
from worker.ports import Hasher, Sql, as_int

TILE_LEVELS = 8
TILE = 1 << TILE_LEVELS
#: Tiles integrated in one go, where a log has more to catch up with.
MOST_AT_ONCE = 16
#: As `worker.ledger.entry.ENTRIES_PER_LOG`, which builds on this module.
_LOG_SHIFT = 32

NODE_MISMATCH = "NODE_MISMATCH"


class StoredTree:
    """The tree of one log inside an open transaction; `subtree` is a `worker.ledger.merkle.Subtree`."""

    def __init__(self, sql: Sql, hasher: Hasher, log: int) -> None:
        self._sql = sql
        self._hasher = hasher
        self._log = log
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._known: dict[tuple[int, int], bytes] = {}

    def subtree(self, level: int, index: int) -> bytes:
        """The hash over leaves [index * 2^level, (index + 1) * 2^level). Raises: LedgerFault if one is missing."""
        found = self._known.get((level, index))
        if found is None:
            found = self._known[level, index] = self._look_up(level, index)
        return found

    def _look_up(self, level: int, index: int) -> bytes:
        row, is_between = divmod(level, TILE_LEVELS)
        if not is_between:
            tile = self.tile(row, index >> TILE_LEVELS)
            if index % TILE < len(tile):
                return tile[index % TILE]
            if not row:
                raise LedgerFault(NODE_MISMATCH, "a log has a gap", index)
        return node_hash(self._hasher, self.subtree(level - 1, 2 * index), self.subtree(level - 1, 2 * index + 1))

    def tile(self, row: int, index: int) -> list[bytes]:
        """What is stored of a tile, from its beginning without a gap."""
        found = self._tiles.get((row, index))
        if found is None:
            first = index << TILE_LEVELS
            if row:
                rows = self._sql.execute(
                    """SELECT idx, hash FROM ledger_node WHERE log = ? AND level = ? AND idx >= ? AND idx < ?
                       ORDER BY idx""",
                    self._log,
                    row,
                    first,
                    first + TILE,
                )
            else:
                base = self._log << _LOG_SHIFT
                rows = self._sql.execute(
                    "SELECT seq, leaf_hash FROM ledger WHERE id >= ? AND id < ? ORDER BY id",
                    base + first,
                    base + first + TILE,
                )
            found = [hash for at, (place, hash) in enumerate(rows, first) if place == at and isinstance(hash, bytes)]
            self._tiles[row, index] = found
        return found


def integrate_in(sql: Sql, hasher: Hasher, log: int, size: int, most: int = MOST_AT_ONCE) -> bool:
    """Store the hashes of full tiles over the first `size` leaves that are not stored yet, at most `most` of a level.

    Returns: whether all are stored now.
    """
    tree, row, is_done = StoredTree(sql, hasher, log), 1, True
    while size >> row * TILE_LEVELS:
        last = sql.execute("SELECT MAX(idx) FROM ledger_node WHERE log = ? AND level = ?", log, row)[0][0]
        first, full = (as_int(last) + 1 if last is not None else 0), size >> row * TILE_LEVELS
        for index in range(first, min(full, first + most)):
            hash = tree.subtree(row * TILE_LEVELS, index)
            sql.execute("INSERT INTO ledger_node (log, level, idx, hash) VALUES (?, ?, ?, ?)", log, row, index, hash)
        is_done = is_done and full <= first + most
        row += 1
    return is_done


def check_nodes_in(sql: Sql, hasher: Hasher, log: int, size: int) -> None:
    """Compare the stored hashes of the tiles that end at `size` with the row below. Raises: LedgerFault."""
    tree, row = StoredTree(sql, hasher, log), 1
    while size and not size % (1 << row * TILE_LEVELS):
        index = (size >> row * TILE_LEVELS) - 1
        stored, below = tree.tile(row, index >> TILE_LEVELS), tree.tile(row - 1, index)
        is_there = index % TILE < len(stored) and len(below) == TILE
        if is_there and stored[index % TILE] != root_hash(hasher, subtree_of(hasher, below), TILE):
            raise LedgerFault(NODE_MISMATCH, "a stored hash of the tree is not that of its leaves", size - 1)
        row += 1
