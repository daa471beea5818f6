"""Ledger entries: what is appended before an effect happens, and the leaf hash that pins it.

An entry is canonical JSON (RFC 8785); its leaf hash is SHA3-256(0x00 || entry), the shape of RFC 6962 section 2.1. The
stored text is what was hashed: verification never re-encodes. Evidence is kept beside its entry, which has the digest.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from worker.errors import CanonicalError, LedgerFault
from worker.ledger.canonical import canonical_string as quote
from worker.ledger.canonical import parse_canonical
from worker.ledger.tiles import TILE, integrate_in
from worker.ports import Hasher, Sql, SqlValue

#: 2: `evidence` names the digest of what is kept beside the entry. 1: only the payload told, by a member of its own.
SCHEMA_VERSION = 2
LEAF_PREFIX = b"\x00"
#: Room for a log in the numbers both hosts keep exactly (2^53): 2^21 logs of 2^32 entries.
ENTRIES_PER_LOG = 2**32

INTENT = "INTENT"
PLAN = "PLAN"
ACTION = "ACTION"
OBSERVATION = "OBSERVATION"
DENY = "DENY"
PROMOTION = "PROMOTION"
STRUCTURE_UPDATE = "STRUCTURE_UPDATE"
SESSION_COMPLETION = "SESSION_COMPLETION"
#: Personal fields were erased, or old evidence dropped: the only entries that allow something to be missing.
ERASURE = "ERASURE"
KINDS: Final = frozenset(
    (INTENT, PLAN, ACTION, OBSERVATION, DENY, PROMOTION, STRUCTURE_UPDATE, SESSION_COMPLETION, ERASURE)
)

NOT_CANONICAL = "NOT_CANONICAL"
_MEMBERS: Final = {
    1: frozenset(("at_us", "kind", "payload", "seq", "tenant", "v")),
    2: frozenset(("at_us", "evidence", "kind", "payload", "seq", "tenant", "v")),
}
#: Where entries of version 1 hold the digest of their evidence.
_VERSION_1_DIGESTS: Final = {ACTION: "decision", DENY: "decision", SESSION_COMPLETION: "event"}


class Entry(NamedTuple):
    """An entry as it is read. `evidence`: hex SHA3-256 of the text beside it, "" = none.

    `must_have_evidence`: whether that text may be missing only if a later entry says so.
    """

    seq: int
    tenant: str
    kind: str
    at_us: int
    payload: dict[str, Any]
    evidence: str
    must_have_evidence: bool


def leaf_hash(hasher: Hasher, entry: bytes) -> bytes:
    """RFC 6962 leaf hash with SHA3-256, 32 bytes."""
    return hasher.sha3_256(LEAF_PREFIX + entry)


def entry_id(log: int, sequence: int) -> int:
    """The row number of an entry: its log's number, and its place in the log."""
    return log * ENTRIES_PER_LOG + sequence


def log_of(entry_id: int) -> int:
    """The number of the log an entry is in."""
    return entry_id // ENTRIES_PER_LOG


def size_in(sql: Sql, log: int) -> int:
    """How many entries the log has: it says so itself, nothing about it is cached."""
    first = entry_id(log, 0)
    last = sql.execute("SELECT MAX(id) FROM ledger WHERE id >= ? AND id < ?", first, first + ENTRIES_PER_LOG)[0][0]
    return last - first + 1 if isinstance(last, int) else 0


def last_id_sql(log: str) -> str:
    """`SELECT` of a log's last entry, for a statement that reads something else as well. Args: log: its number, SQL."""
    return f"SELECT MAX(id) FROM ledger WHERE id >= {log} * {ENTRIES_PER_LOG} AND id < ({log} + 1) * {ENTRIES_PER_LOG}"


def append_entry(
    sql: Sql,
    hasher: Hasher,
    tenant: str,
    log: int,
    kind: str,
    at_us: int,
    payload: str,
    evidence: str | None = None,
    digest: str | None = None,
    last: SqlValue = None,
) -> int:
    """Append one entry to the tenant's log inside the open transaction; returns its id.

    The log itself says how long it is: nothing about it is cached across transactions. `payload` is canonical JSON
    already; `evidence` is kept beside the entry. `digest`: its hex SHA3-256, for a caller who has worked it out.
    `last`: the last entry's id, for who has read it in this transaction and appended nothing since.
    """
    identity = last + 1 if isinstance(last, int) else entry_id(log, size_in(sql, log))
    sequence = identity % ENTRIES_PER_LOG
    pinned = ""
    if evidence is not None:
        pinned = f'"evidence":"{digest or hasher.sha3_256(evidence.encode()).hex()}",'
    # Members in the order of their names, as RFC 8785 wants them; a test reads every kind of entry back.
    entry = (
        f'{{"at_us":{at_us},{pinned}"kind":{quote(kind)},"payload":{payload},"seq":{sequence},'
        f'"tenant":{quote(tenant)},"v":{SCHEMA_VERSION}}}'
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
    if not (sequence + 1) % TILE:
        integrate_in(sql, hasher, log, sequence + 1)
    return identity


def entry_from_text(text: str) -> Entry:
    """The entry that was stored as `text`. Raises: LedgerFault if no entry was ever written so."""
    try:
        plain = parse_canonical(text.encode())
    except (CanonicalError, UnicodeEncodeError):
        raise LedgerFault(NOT_CANONICAL, "an entry is not canonical JSON") from None
    version = plain.get("v") if isinstance(plain, dict) else None
    if not isinstance(plain, dict) or type(version) is not int or version not in _MEMBERS:
        raise LedgerFault(NOT_CANONICAL, "an entry is of no version that is known here")
    # Only what has evidence names it.
    if plain.keys() | ({"evidence"} & _MEMBERS[version]) != _MEMBERS[version]:
        raise LedgerFault(NOT_CANONICAL, "an entry has other members than its version says")
    seq, at_us, kind, tenant, payload = (plain[name] for name in ("seq", "at_us", "kind", "tenant", "payload"))
    evidence = plain.get("evidence", "")
    texts_fit = isinstance(kind, str) and isinstance(tenant, str) and isinstance(evidence, str)
    if not (type(seq) is int and type(at_us) is int and texts_fit and isinstance(payload, dict)):
        raise LedgerFault(NOT_CANONICAL, "a member of an entry has another type than its version says")
    if version == 1:
        evidence = payload.get(_VERSION_1_DIGESTS.get(str(kind), ""), "")
    return Entry(seq, str(tenant), str(kind), at_us, payload, str(evidence), version > 1 and bool(evidence))
