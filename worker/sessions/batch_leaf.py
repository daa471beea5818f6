"""Reported events in the ledger: one entry for a batch, with the Merkle root over its events.

A leaf is SHA3-256(0x00 || salt || text), with 32 random bytes of its own for each event, which are kept beside the log:
with an event's text and its salt anybody can check that it is in the batch; once the salt is erased, no guess at what
the event said can be. The tree has the shape of RFC 6962 section 2.1, as the log has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from worker.errors import LedgerFault
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import ENTRIES_PER_LOG, LEAF_PREFIX, SESSION_COMPLETION, append_entry
from worker.ledger.merkle import BAD_PROOF, HASH_BYTES, inclusion_path, root_hash, subtree_of, verify_inclusion
from worker.ports import Hasher, Sql, as_int

SALT_BYTES: Final = 32
_NO_SALT: Final = bytes(SALT_BYTES)


class Leaf(NamedTuple):
    """A reported event in its batch: its number in the spool, its salt and its leaf hash, both hex."""

    id: int
    salt: str
    hash: str


def leaf_of(hasher: Hasher, salt: bytes, text: str) -> bytes:
    """The leaf hash of an event's stored text."""
    return hasher.sha3_256(LEAF_PREFIX + salt + text.encode())


def append_batch_in(
    sql: Sql, hasher: Hasher, tenant: str, log: int, spool: str, leaves: Sequence[Leaf], at_us: int
) -> int | None:
    """Append one entry for the events that have none yet, in the order of their numbers; its number in the log.

    Args: spool: the name of the spool they are in. Returns: None if all of them have an entry: saying it twice changes
    nothing.
    """
    last = sql.execute("SELECT MAX(last_id) FROM reported WHERE tenant = ? AND spool = ?", tenant, spool)[0][0]
    fresh = [leaf for leaf in leaves if last is None or leaf.id > as_int(last)]
    if not fresh:
        return None
    hashes = [bytes.fromhex(leaf.hash) for leaf in fresh]
    payload = {
        "count": len(fresh),
        "first_id": fresh[0].id,
        "last_id": fresh[-1].id,
        "root": root_hash(hasher, subtree_of(hasher, hashes), len(fresh)).hex(),
        "spool": spool,
    }
    entry = append_entry(sql, hasher, tenant, log, SESSION_COMPLETION, at_us, canonical_json(payload).decode())
    sql.execute(
        """INSERT INTO reported (tenant, spool, last_id, first_id, entry_id, ids, leaves, salts)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        tenant,
        spool,
        fresh[-1].id,
        fresh[0].id,
        entry,
        json.dumps([leaf.id for leaf in fresh], separators=(",", ":")),
        b"".join(hashes),
        b"".join([bytes.fromhex(leaf.salt) for leaf in fresh]),
    )
    return entry % ENTRIES_PER_LOG


def batch_proof_in(sql: Sql, hasher: Hasher, tenant: str, spool: str, number: int) -> dict[str, Any] | None:
    """The proof that event `number` of the spool is in the ledger; None = it is not, or not yet.

    Returns: `entry`, its number in the log; `count`, `root` and `index`: of its batch, and where it stands there;
    `salt` and `path`, hex. Of an event that was erased `is_erased` stands for salt and path.
    """
    found = _batch_of(sql, tenant, spool, number)
    if found is None:
        return None
    _, entry, index, leaves, salts = found
    hashes, salt = _parts(leaves), _parts(salts)[index]
    subtree = subtree_of(hasher, hashes)
    shown = {
        "entry": entry % ENTRIES_PER_LOG,
        "count": len(hashes),
        "index": index,
        "root": root_hash(hasher, subtree, len(hashes)).hex(),
    }
    if salt == _NO_SALT:
        return {**shown, "is_erased": True}
    path = inclusion_path(hasher, subtree, index, len(hashes))
    return {**shown, "salt": salt.hex(), "path": [step.hex() for step in path]}


def unsalt_in(sql: Sql, tenant: str, spool: str, numbers: Sequence[int]) -> int:
    """Forget the salts of these events of the spool; how many were known."""
    count = 0
    for number in numbers:
        found = _batch_of(sql, tenant, spool, number)
        if found is None:
            continue
        last_id, _, index, _, salts = found
        before, after = salts[: index * SALT_BYTES], salts[(index + 1) * SALT_BYTES :]
        sql.execute(
            "UPDATE reported SET salts = ? WHERE tenant = ? AND spool = ? AND last_id = ?",
            before + _NO_SALT + after,
            tenant,
            spool,
            last_id,
        )
        count += 1
    return count


def verify_reported(hasher: Hasher, text: str, proof: dict[str, Any], payload: dict[str, Any]) -> None:
    """Check that an event's text is in the batch whose ledger entry has this payload. Raises: LedgerFault.

    That the entry is in the log, the log's own inclusion proof says.
    """
    try:
        salt, path = bytes.fromhex(proof["salt"]), [bytes.fromhex(step) for step in proof["path"]]
        index, count, root = proof["index"], payload["count"], bytes.fromhex(payload["root"])
        is_whole = type(index) is int and type(count) is int and len(salt) == SALT_BYTES
    except (KeyError, TypeError, ValueError):
        is_whole = False
    if not is_whole:
        raise LedgerFault(BAD_PROOF, "a proof has salt, path and index, and the payload of a batch count and root")
    verify_inclusion(hasher, leaf_of(hasher, salt, text), index, count, path, root)


def _batch_of(sql: Sql, tenant: str, spool: str, number: int) -> tuple[int, int, int, bytes, bytes] | None:
    """The batch of an event: its key, its entry, the event's place in it, its leaves and its salts."""
    rows = sql.execute(
        """SELECT last_id, entry_id, ids, leaves, salts FROM reported
           WHERE tenant = ? AND spool = ? AND last_id >= ? ORDER BY last_id LIMIT 1""",
        tenant,
        spool,
        number,
    )
    if not rows:
        return None
    last_id, entry, ids, leaves, salts = rows[0]
    numbers: list[int] = json.loads(str(ids))
    if number not in numbers:
        return None
    assert isinstance(leaves, bytes)
    assert isinstance(salts, bytes)
    return as_int(last_id), as_int(entry), numbers.index(number), leaves, salts


def _parts(blob: bytes) -> list[bytes]:
    return [blob[at : at + HASH_BYTES] for at in range(0, len(blob), HASH_BYTES)]
