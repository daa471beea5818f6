"""What can be asked of a tenant's log, each act one transaction: its head, its entries, proofs, and its verification.

Answers are plain JSON-like values, because at the edge they leave an object as text; hashes are hex.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from worker.errors import LedgerFault
from worker.ledger.audit import SEQ_MISMATCH, Audit
from worker.ledger.canonical import MAX_INT
from worker.ledger.checkpoint import Checkpoint, checkpoint_from_text
from worker.ledger.entry import ENTRIES_PER_LOG, entry_id, size_in
from worker.ledger.erasure import bounds_in
from worker.ledger.merkle import consistency_path, inclusion_path, root_hash
from worker.ledger.personal import Opening
from worker.ledger.tiles import TILE, StoredTree, check_nodes_in, integrate_in
from worker.ports import Hasher, Sql, SqlRow, as_int

HEAD, KEEP, ENTRIES, INCLUSION, CONSISTENCY, VERIFY = "head", "keep", "entries", "inclusion", "consistency", "verify"
#: The answer of an act that has to be asked again: a log from before there were tiles catches up in several commits.
AGAIN = "again"
#: Another column of the table than the entry says.
COLUMN_MISMATCH = "COLUMN_MISMATCH"
#: An entry or a size that the log does not have.
OUT_OF_RANGE = "out_of_range"

#: Texts read in one transaction, in bytes: an object at the edge has 128 MB for everything. One entry is always read,
#: whatever its length.
MOST_BYTES = 4 * 1024 * 1024
_LENGTHS = """SELECT id, length(CAST(entry AS BLOB)) + coalesce(length(CAST(evidence AS BLOB)), 0) FROM ledger
    WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"""
_KEPT = "SELECT text FROM checkpoint WHERE log = ? AND size = ?"
_ROWS = """SELECT l.id, l.tenant, l.seq, l.at_us, l.kind, l.entry, l.leaf_hash, l.evidence, p.user_id, p.session_id,
    p.salt FROM ledger l LEFT JOIN personal p ON p.entry_id = l.id WHERE l.id >= ? AND l.id < ? ORDER BY l.id LIMIT ?"""


class _Log(NamedTuple):
    """One log inside an open transaction. `number` None: the tenant has none yet, which is one without entries."""

    sql: Sql
    hasher: Hasher
    tenant: str
    number: int | None
    size: int

    def tree(self) -> StoredTree:
        return StoredTree(self.sql, self.hasher, self.number or 0)

    def root(self, size: int) -> str:
        return root_hash(self.hasher, self.tree().subtree, size).hex()

    def rows(self, first: int, end: int, limit: int) -> list[SqlRow]:
        """Rows from entry number `first` on, before number `end`, at most `limit`, and at most `MOST_BYTES` of them."""
        if self.number is None:
            return []
        start, end = entry_id(self.number, first), entry_id(self.number, end)
        total = 0
        for identity, length in self.sql.execute(_LENGTHS, start, end, limit):
            total += as_int(length)
            if total > MOST_BYTES and as_int(identity) > start:
                end = as_int(identity)
                break
        return self.sql.execute(_ROWS, start, end, limit)


def ledger_in(sql: Sql, hasher: Hasher, tenant: str, act: str, given: dict[str, Any]) -> dict[str, Any]:
    """Carry an act of `ACTS` out. Returns: what it found, or `problem`, or `AGAIN`. Raises: LedgerFault."""
    found = sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)
    number = as_int(found[0][0]) if found else None
    size = 0 if number is None else size_in(sql, number)
    if number is not None and act in _OF_THE_TREE and not integrate_in(sql, hasher, number, size):
        return {AGAIN: True}
    return ACTS[act](_Log(sql, hasher, tenant, number, size), given)


def _head(log: _Log, _given: dict[str, Any]) -> dict[str, Any]:
    """The log as it is now, and the checkpoint that was given out for this size, if one was."""
    kept = log.sql.execute(_KEPT, log.number, log.size)
    return {"size": log.size, "root": log.root(log.size), "checkpoint": kept[0][0] if kept else None}


def _keep(log: _Log, given: dict[str, Any]) -> dict[str, Any]:
    """Keep a checkpoint's text beside the log, unless its key has signed one of this size before: that is the one.

    Returns: `text`, what is kept. Raises: LedgerFault for one of another log, or of another size.
    """
    checkpoint = checkpoint_from_text(given["text"])
    is_ours = checkpoint.tenant == log.tenant and checkpoint.size <= log.size
    if not is_ours or checkpoint.root.hex() != log.root(checkpoint.size):
        raise LedgerFault("CHECKPOINT_MISMATCH", "a checkpoint is of another log")
    if log.number is not None and checkpoint.size:
        kept = log.sql.execute(_KEPT, log.number, checkpoint.size)
        if kept and checkpoint_from_text(str(kept[0][0])).key_id == checkpoint.key_id:
            return {"text": kept[0][0]}
        log.sql.execute(
            """INSERT INTO checkpoint (log, size, at_us, text) VALUES (?, ?, ?, ?)
               ON CONFLICT (log, size) DO UPDATE SET at_us = excluded.at_us, text = excluded.text""",
            log.number,
            checkpoint.size,
            checkpoint.at_us,
            given["text"],
        )
    return {"text": given["text"]}


def _entries(log: _Log, given: dict[str, Any]) -> dict[str, Any]:
    """Entries after one of them, oldest first, as they are stored; with what opens their personal fields, if asked.

    Fewer than `limit` where their texts are long; `size` says whether there are more.
    """
    rows = log.rows(given["first"], ENTRIES_PER_LOG, given["limit"])
    return {"entries": [_shown(row, is_open=given["is_open"]) for row in rows], "size": log.size}


def _shown(row: SqlRow, *, is_open: bool) -> dict[str, Any]:
    _, _, seq, _, _, entry, leaf, evidence, user_id, session_id, salt = row
    opening = None
    if is_open and isinstance(salt, bytes):
        opening = {"user_id": user_id, "session_id": session_id, "salt": salt.hex()}
    return {
        "seq": seq,
        "entry": entry,
        "leaf_hash": leaf.hex() if isinstance(leaf, bytes) else None,
        "evidence": evidence,
        "opening": opening,
    }


def _inclusion(log: _Log, given: dict[str, Any]) -> dict[str, Any]:
    size = log.size if given["size"] is None else given["size"]
    entry: int = given["entry"]
    if not entry < size <= log.size:
        return {"problem": OUT_OF_RANGE, "size": log.size}
    tree = log.tree()
    path = inclusion_path(log.hasher, tree.subtree, entry, size)
    return {
        "entry": entry,
        "size": size,
        "leaf_hash": tree.subtree(0, entry).hex(),
        "root": root_hash(log.hasher, tree.subtree, size).hex(),
        "path": [step.hex() for step in path],
    }


def _consistency(log: _Log, given: dict[str, Any]) -> dict[str, Any]:
    first: int = given["first"]
    second = log.size if given["second"] is None else given["second"]
    if not 0 < first <= second <= log.size:
        return {"problem": OUT_OF_RANGE, "size": log.size}
    tree = log.tree()
    path = consistency_path(log.hasher, tree.subtree, first, second)
    return {
        "first": first,
        "second": second,
        "first_root": root_hash(log.hasher, tree.subtree, first).hex(),
        "second_root": root_hash(log.hasher, tree.subtree, second).hex(),
        "path": [step.hex() for step in path],
    }


def _verify(log: _Log, given: dict[str, Any]) -> dict[str, Any]:
    """Verify some entries more of a log of `size`, from where `state` stands (None = from the beginning).

    Returns: `size`, up to which is verified; `state` to go on with, or the `report`: all is done, or a fault is found.
    """
    size = log.size if given["size"] is None else given["size"]
    state, number = given["state"], log.number or 0
    first = state["size"] if state else 0
    end = min(size, first + given["limit"])
    audit = Audit(log.hasher, log.tenant, (), bounds_in(log.sql, number), is_whole=True)
    if state:
        audit.resume(state)
    try:
        audit.expect(_checkpoints(log, first, end))
        rows = log.rows(first, end, end - first)
        if first < end and not rows:
            raise LedgerFault(SEQ_MISMATCH, f"entry {first} is missing", first)
        for row in rows:
            _take(audit, number, row)
            if not audit.size % TILE:
                check_nodes_in(log.sql, log.hasher, number, audit.size)
        if audit.size < size:
            return {"size": size, "state": audit.to_plain()}
        if audit.is_unexplained and log.size > size:
            # What was erased meanwhile is told by an entry that came meanwhile.
            return {"size": log.size, "state": audit.to_plain()}
        return {"size": size, "report": audit.finish().to_plain()}
    except LedgerFault as fault:
        return {"size": size, "report": audit.report(fault).to_plain()}


def _take(audit: Audit, number: int, row: SqlRow) -> None:
    """Have one row verified, columns included. Raises: LedgerFault."""
    identity, tenant, seq, at_us, kind, text, leaf, evidence, user_id, session_id, salt = row
    opening = Opening(str(user_id), str(session_id), salt) if isinstance(salt, bytes) else None
    entry = audit.take(
        str(text), None if evidence is None else str(evidence), leaf if isinstance(leaf, bytes) else b"", opening
    )
    said = (entry_id(number, entry.seq), entry.tenant, entry.seq, entry.at_us, entry.kind)
    if said != (identity, tenant, seq, at_us, kind):
        raise LedgerFault(COLUMN_MISMATCH, "a column of the table is not what the entry says", entry.seq)


def _checkpoints(log: _Log, first: int, end: int) -> list[Checkpoint]:
    """What was given out for sizes after `first`, up to `end`; at the log's end, for every size that it once had.

    Raises: LedgerFault for a text that is no checkpoint.
    """
    last = end if end < log.size else MAX_INT
    rows = log.sql.execute(
        "SELECT text FROM checkpoint WHERE log = ? AND size > ? AND size <= ?", log.number, first, last
    )
    return [checkpoint_from_text(str(text)) for (text,) in rows]


ACTS: dict[str, Callable[[_Log, dict[str, Any]], dict[str, Any]]] = {
    HEAD: _head,
    KEEP: _keep,
    ENTRIES: _entries,
    INCLUSION: _inclusion,
    CONSISTENCY: _consistency,
    VERIFY: _verify,
}
_OF_THE_TREE = frozenset((HEAD, KEEP, INCLUSION, CONSISTENCY))
