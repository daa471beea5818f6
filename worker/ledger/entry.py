"""Ledger entries: what is appended before an effect happens, and the leaf hash that pins it.

An entry is canonical JSON (RFC 8785); its leaf hash is SHA3-256(0x00 || entry), the shape of RFC 6962 section 2.1. The
stored text is what was hashed: verification never re-encodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.ledger.canonical import canonical_json
from worker.ports import Hasher, Sql

SCHEMA_VERSION = 1
LEAF_PREFIX = b"\x00"

ACTION = "ACTION"
DENY = "DENY"
SESSION_COMPLETION = "SESSION_COMPLETION"
STRUCTURE_UPDATE = "STRUCTURE_UPDATE"


def leaf_hash(hasher: Hasher, entry: bytes) -> bytes:
    """RFC 6962 leaf hash with SHA3-256, 32 bytes."""
    return hasher.sha3_256(LEAF_PREFIX + entry)


def append_entry(
    sql: Sql,
    hasher: Hasher,
    tenant: str,
    kind: str,
    at_us: int,
    payload: Mapping[str, Any],
    evidence: str | None = None,
) -> int:
    """Append one entry to the tenant's log inside the open transaction; returns its sequence number, from 0.

    The log itself says how long it is: nothing about it is cached across transactions. `evidence` is kept beside the
    entry; the entry's payload holds its digest. Raises: CanonicalError.
    """
    last = sql.execute("SELECT MAX(seq) FROM ledger WHERE tenant = ?", tenant)[0][0]
    sequence = last + 1 if isinstance(last, int) else 0
    entry = canonical_json(
        {"at_us": at_us, "kind": kind, "payload": payload, "seq": sequence, "tenant": tenant, "v": SCHEMA_VERSION}
    )
    sql.execute(
        "INSERT INTO ledger (tenant, seq, at_us, kind, entry, leaf_hash, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)",
        tenant,
        sequence,
        at_us,
        kind,
        entry.decode(),
        leaf_hash(hasher, entry),
        evidence,
    )
    return sequence
