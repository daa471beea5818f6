"""Ledger entries: what is appended before an effect happens, and the leaf hash that pins it.

An entry is canonical JSON (RFC 8785); its leaf hash is SHA3-256(0x00 || entry), the shape of RFC 6962 section 2.1. The
stored text is what was hashed: verification never re-encodes.
"""

from __future__ import annotations

from worker.ledger.canonical import canonical_string as quote
from worker.ports import Hasher, Sql

SCHEMA_VERSION = 1
LEAF_PREFIX = b"\x00"
#: Room for a log in the numbers both hosts keep exactly (2^53): 2^21 logs of 2^32 entries.
ENTRIES_PER_LOG = 2**32

ACTION = "ACTION"
DENY = "DENY"
SESSION_COMPLETION = "SESSION_COMPLETION"
STRUCTURE_UPDATE = "STRUCTURE_UPDATE"


def leaf_hash(hasher: Hasher, entry: bytes) -> bytes:
    """RFC 6962 leaf hash with SHA3-256, 32 bytes."""
    return hasher.sha3_256(LEAF_PREFIX + entry)


def entry_id(log: int, sequence: int) -> int:
    """The row number of an entry: its log's number, and its place in the log."""
    return log * ENTRIES_PER_LOG + sequence


def log_of(entry_id: int) -> int:
    """The number of the log an entry is in."""
    return entry_id // ENTRIES_PER_LOG


def append_entry(
    sql: Sql,
    hasher: Hasher,
    tenant: str,
    log: int,
    kind: str,
    at_us: int,
    payload: str,
    evidence: str | None = None,
) -> int:
    """Append one entry to the tenant's log inside the open transaction; returns its id.

    The log itself says how long it is: nothing about it is cached across transactions. `payload` is canonical
    JSON already; `evidence` is kept beside the entry, and the payload holds its digest.
    """
    first = entry_id(log, 0)
    last = sql.execute("SELECT MAX(id) FROM ledger WHERE id >= ? AND id < ?", first, first + ENTRIES_PER_LOG)[0][0]
    identity = last + 1 if isinstance(last, int) else first
    sequence = identity - first
    # Members in the order of their names, as RFC 8785 wants them; a test reads every kind of entry back.
    entry = (
        f'{{"at_us":{at_us},"kind":{quote(kind)},"payload":{payload},"seq":{sequence},"tenant":{quote(tenant)},'
        f'"v":{SCHEMA_VERSION}}}'
    )
    sql.execute(
        "INSERT INTO ledger (id, tenant, seq, at_us, kind, entry, leaf_hash, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        identity,
        tenant,
        sequence,
        at_us,
        kind,
        entry,
        leaf_hash(hasher, entry.encode()),
        evidence,
    )
    return identity
