"""A tenant's canon in its database: every change is a ledger entry first, and the table of items a view of the log.

Entries that change it are STRUCTURE_UPDATE (imported, proposed, revised, demoted, superseded) and PROMOTION. An
imported item is one of the four that the host vouches for: its entry holds the hash of a table that GET /v2/catalogue
shows, and the first that names a catalogue keeps that as evidence, once in a log. Of every other change the entry holds
the digest, and the evidence beside it the item as it then stands. Nothing is ever deleted: an item that no longer holds
falls to a lower level.

Which imported items are below CANON, and what CANON models say of routes, is written into the tenant's row too, where
admission reads it with all else.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from worker.canon.items import (
    CANON,
    Item,
    Provenance,
    Snapshot,
    content_hash_of,
    item_from_plain,
    item_to_plain,
    snapshot_of,
)
from worker.canon.ttv_model import MODEL, models_text
from worker.errors import StateError
from worker.ledger.canonical import MAX_INT, canonical_json
from worker.ledger.entry import ENTRIES_PER_LOG, PROMOTION, STRUCTURE_UPDATE, append_entry, entry_id
from worker.ports import Hasher, Sql, SqlRow, as_int

#: The items every tenant begins with, and their kinds: what the request path rests on.
IMPORTED: Final[Mapping[str, str]] = {
    "catalogue": "table",
    "default_policy": "policy",
    "pool_table": "table",
    "price_table": "table",
}
#: The tag of the actions that imported items are about: sending a request along a route.
ROUTE: Final = "route"
IMPORT, PROPOSE, REVISE, PROMOTE, DEMOTE, SUPERSEDE = "import", "propose", "revise", "promote", "demote", "supersede"
#: Acts whose evidence says more than the item.
_SAYING: Final = (PROMOTE, DEMOTE, SUPERSEDE)
_IMPORT_MEMBERS: Final = {"hash", "item", "level", "source"}
_IS_CHANGE: Final = "(kind = 'PROMOTION' OR kind = 'STRUCTURE_UPDATE') AND id >= ? AND id < ?"
#: Without evidence, which is as long as the items it holds: of most changes it is not needed.
_CHANGES: Final = f"SELECT id, at_us, kind, entry FROM ledger WHERE {_IS_CHANGE} AND at_us <= ? ORDER BY id LIMIT ?"
_ITEM, _HASH, _LEVEL = (f"json_extract(entry, '$.payload.{name}')" for name in ("item", "hash", "level"))
#: An import of the catalogue, and of no other item; a tenant's own change of that says which.
_IS_IMPORT: Final = f"{_IS_CHANGE} AND {_ITEM} = 'catalogue' AND json_extract(entry, '$.payload.canon') IS NULL"
CHANGES_AT_ONCE: Final = 500


class Change(NamedTuple):
    """One change of the store: where it is in the log, what was done, the item as it stands since, and what was said.

    `said`: members of the evidence beside the item, such as the reason of a demotion.
    """

    sequence: int
    at_us: int
    act: str
    item: Item
    said: dict[str, Any]


def import_in(
    sql: Sql,
    hasher: Hasher,
    tenant: str,
    log: int,
    at_us: int,
    hashes: Mapping[str, str],
    catalogue: str | None = None,
) -> tuple[str, ...]:
    """Make the host's tables items of the tenant's canon, each with an entry; returns those below CANON.

    An import is CANON, unless the very same content was demoted before: what the tenant judged, it judged of that, also
    if other content was imported meanwhile. Args: catalogue: the text that its hash is taken of, which becomes evidence
    unless the log has it; None = it is not kept.
    """
    if catalogue is not None and catalogue_in(sql, hasher, tenant, hashes["catalogue"]) is not None:
        catalogue = None
    judged = _judged_in(sql, log, hashes)
    held = {item.id: item for item in items_in(sql, hasher, tenant, IMPORTED)}
    if not held:
        # A log that began before items were kept has imports all the same.
        held = {change.item.id: change.item for change in changes_in(sql, hasher, tenant)}
    for name in sorted(IMPORTED):
        before, level = held.get(name), judged.get(name, CANON)
        payload = {"hash": hashes[name], "item": name, "level": level, "source": "import"}
        text, evidence = canonical_json(payload).decode(), catalogue if name == "catalogue" else None
        entry = append_entry(sql, hasher, tenant, log, STRUCTURE_UPDATE, at_us, text, evidence)
        held[name] = _imported(before, payload, at_us, entry - entry_id(log, 0))
        _write_in(sql, tenant, held[name], entry)
    return _note_missing(sql, tenant)


def catalogue_in(sql: Sql, hasher: Hasher, tenant: str, digest: str) -> str | None:
    """The text that a catalogue's hash is taken of, from the tenant's log; None = the log has none with this hash."""
    logs = sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)
    if not logs:
        return None
    first = entry_id(as_int(logs[0][0]), 0)
    rows = sql.execute(
        f"SELECT evidence FROM ledger WHERE {_IS_IMPORT} AND {_HASH} = ? AND evidence IS NOT NULL ORDER BY id LIMIT 1",
        first,
        first + ENTRIES_PER_LOG,
        digest,
    )
    text = str(rows[0][0]) if rows else None
    return text if text is not None and content_hash_of(hasher, text) == digest else None


def _judged_in(sql: Sql, log: int, hashes: Mapping[str, str]) -> dict[str, str]:
    """The level that the log last gave each of these contents, where it knows them."""
    first = entry_id(log, 0)
    rows = sql.execute(
        f"""SELECT {_ITEM}, {_HASH}, {_LEVEL} FROM ledger
            WHERE {_IS_CHANGE} AND {_ITEM} IN ({", ".join("?" * len(hashes))}) ORDER BY id""",
        first,
        first + ENTRIES_PER_LOG,
        *sorted(hashes),
    )
    return {str(name): str(level) for name, digest, level in rows if hashes[str(name)] == digest}


def change_in(
    sql: Sql, hasher: Hasher, tenant: str, log: int, act: str, at_us: int, item: Item, said: Mapping[str, Any]
) -> Change:
    """Record a change and make it: the item is from now on what is given. Raises: CanonicalError.

    Args: said: what else the evidence holds, as canonical values.
    """
    evidence = canonical_json({**said, "act": act, "item": item_to_plain(item)})
    payload = {
        "canon": act,
        "hash": item.content_hash,
        "item": item.id,
        "level": item.level,
        "source": item.provenance.source,
    }
    kind = PROMOTION if act == PROMOTE else STRUCTURE_UPDATE
    text = canonical_json(payload).decode()
    entry = append_entry(sql, hasher, tenant, log, kind, at_us, text, evidence.decode())
    _write_in(sql, tenant, item, entry)
    if item.id in IMPORTED:
        _note_missing(sql, tenant)
    if item.kind == MODEL:
        _note_models(sql, hasher, tenant)
    return Change(entry - entry_id(log, 0), at_us, act, item, dict(said))


def items_in(sql: Sql, hasher: Hasher, tenant: str, names: Iterable[str] | None = None) -> list[Item]:
    """The tenant's items in the order of their ids. Args: names: only these, at most 90; None = all."""
    wanted = None if names is None else list(names)
    only = "" if wanted is None else f" AND item_id IN ({', '.join('?' * len(wanted))})"
    rows = sql.execute(f"SELECT item FROM canon_item WHERE tenant = ?{only} ORDER BY item_id", tenant, *(wanted or ()))
    return [item_from_plain(json.loads(str(text)), hasher) for (text,) in rows]


def item_in(sql: Sql, hasher: Hasher, tenant: str, name: str) -> Item | None:
    """One item, or None."""
    found = items_in(sql, hasher, tenant, (name,))
    return found[0] if found else None


def bytes_in(sql: Sql, tenant: str) -> int:
    """How much the tenant's items say and are, about."""
    found = sql.execute("SELECT COALESCE(SUM(length(CAST(item AS BLOB))), 0) FROM canon_item WHERE tenant = ?", tenant)
    return as_int(found[0][0])


def snapshot_in(sql: Sql, hasher: Hasher, tenant: str) -> Snapshot:
    """The tenant's canon as it stands."""
    return snapshot_of(hasher, items_in(sql, hasher, tenant))


def store_at(
    sql: Sql, hasher: Hasher, tenant: str, *, at_us: int | None = None, sequence: int | None = None
) -> Snapshot:
    """The tenant's canon as it stood, from the log alone.

    Args: at_us: after the entries not later than this, UTC microseconds. sequence: after the entry of this number.
    Raises: StateError if the log's evidence is not what its entries say, or was moved away.
    """
    # An item is what its last change says; what an import says of one depends on how that stood.
    latest: dict[str, Item | _Told] = {}
    for told in _told_in(sql, tenant, at_us=at_us, sequence=sequence):
        name, before = told.payload["item"], latest.get(told.payload["item"])
        if told.act != IMPORT:
            latest[name] = told
        elif not isinstance(before, _Told):
            latest[name] = _imported(before, told.payload, told.at_us, told.sequence)
        elif (before.payload["hash"], before.payload["level"]) != (told.payload["hash"], told.payload["level"]):
            latest[name] = _imported(None, told.payload, told.at_us, told.sequence)
    items = [one if isinstance(one, Item) else _change_of(sql, hasher, one).item for one in latest.values()]
    return snapshot_of(hasher, items)


def changes_in(sql: Sql, hasher: Hasher, tenant: str) -> list[Change]:
    """Every change of the store in the order of the log, each with its evidence. Raises: StateError as `store_at`."""
    changes: list[Change] = []
    latest: dict[str, Item] = {}
    for told in _told_in(sql, tenant):
        if told.act == IMPORT:
            item = _imported(latest.get(told.payload["item"]), told.payload, told.at_us, told.sequence)
            changes.append(Change(told.sequence, told.at_us, IMPORT, item, {}))
        else:
            changes.append(_change_of(sql, hasher, told))
        latest[changes[-1].item.id] = changes[-1].item
    return changes


def history_in(sql: Sql, hasher: Hasher, tenant: str, name: str, most: int) -> list[dict[str, Any]]:
    """The newest changes of one item, oldest first: `seq`, `at_us`, `act`, `level`, `content_hash`, and what was said.

    Raises: StateError as `store_at`.
    """
    found = deque((told for told in _told_in(sql, tenant, name=name)), most)
    return [
        {
            "seq": told.sequence,
            "at_us": told.at_us,
            "act": told.act,
            "level": told.payload["level"],
            "content_hash": told.payload["hash"],
            **(_said_of(sql, hasher, told) if told.act in _SAYING else {}),
        }
        for told in found
    ]


class _Told(NamedTuple):
    """What an entry tells of a change, without its evidence; `digest` is that of it."""

    id: int
    sequence: int
    at_us: int
    act: str
    payload: dict[str, str]
    digest: str


def _told_in(
    sql: Sql, tenant: str, *, at_us: int | None = None, sequence: int | None = None, name: str = ""
) -> Iterator[_Told]:
    """The changes that the log tells of, some at a time. Args: name: only those of this item."""
    logs = sql.execute("SELECT log FROM tenant WHERE tenant = ?", tenant)
    first = start = entry_id(as_int(logs[0][0]), 0) if logs else 0
    end = first + (ENTRIES_PER_LOG if sequence is None else sequence + 1)
    rows: list[SqlRow] = []
    while logs and (start == first or len(rows) == CHANGES_AT_ONCE):
        rows = sql.execute(_CHANGES, start, end, MAX_INT if at_us is None else at_us, CHANGES_AT_ONCE)
        for identity, made_us, kind, entry in rows:
            plain = json.loads(str(entry))
            payload = plain["payload"]
            is_import = kind == STRUCTURE_UPDATE and payload.keys() == _IMPORT_MEMBERS and payload["item"] in IMPORTED
            if (is_import or "canon" in payload) and name in ("", payload["item"]):
                act = IMPORT if is_import else payload["canon"]
                told_at, number = as_int(made_us), as_int(identity) - first
                yield _Told(as_int(identity), number, told_at, act, payload, plain.get("evidence", ""))
        start = as_int(rows[-1][0]) + 1 if rows else end


def _said_of(sql: Sql, hasher: Hasher, told: _Told) -> dict[str, Any]:
    """Why an item fell, and in favour of which."""
    said = _evidence_of(sql, hasher, told)
    return {name: said[name] for name in ("from", "reason", "by") if name in said}


def _evidence_of(sql: Sql, hasher: Hasher, told: _Told) -> dict[str, Any]:
    """What is kept beside a change's entry. Raises: StateError if it is not what the entry says."""
    ((evidence,),) = sql.execute("SELECT evidence FROM ledger WHERE id = ?", told.id)
    if evidence is None:
        raise StateError(f"the evidence of ledger entry {told.sequence} was moved away, so the canon can't be replayed")
    text = str(evidence)
    if hasher.sha3_256(text.encode()).hex() != told.digest:
        raise StateError(f"the evidence of ledger entry {told.sequence} is not what its entry says")
    said: dict[str, Any] = json.loads(text)
    return said


def _change_of(sql: Sql, hasher: Hasher, told: _Told) -> Change:
    said = _evidence_of(sql, hasher, told)
    item, act = item_from_plain(said.pop("item"), hasher), said.pop("act")
    return Change(told.sequence, told.at_us, act, item, said)


def _imported(before: Item | None, payload: Mapping[str, str], at_us: int, sequence: int) -> Item:
    """The item an import makes; the one before, if that is the same."""
    if before is not None and (before.content_hash, before.level) == (payload["hash"], payload["level"]):
        return before
    name = payload["item"]
    provenance = Provenance("import", f"entry:{sequence}", "host")
    return Item(name, IMPORTED[name], payload["level"], (ROUTE,), "", at_us, provenance, "", payload["hash"])


def _write_in(sql: Sql, tenant: str, item: Item, entry: int) -> None:
    sql.execute(
        """INSERT INTO canon_item (tenant, item_id, level, item, entry_id) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (tenant, item_id) DO UPDATE SET level = excluded.level, item = excluded.item,
           entry_id = excluded.entry_id""",
        tenant,
        item.id,
        item.level,
        canonical_json(item_to_plain(item)).decode(),
        entry,
    )


def _note_missing(sql: Sql, tenant: str) -> tuple[str, ...]:
    """Write into the tenant's row which imported items are below CANON."""
    rows = sql.execute(
        f"""SELECT item_id FROM canon_item WHERE tenant = ? AND level != 'CANON'
            AND item_id IN ({", ".join("?" * len(IMPORTED))}) ORDER BY item_id""",
        tenant,
        *sorted(IMPORTED),
    )
    missing = tuple(str(name) for (name,) in rows)
    sql.execute("UPDATE tenant SET canon_missing = ? WHERE tenant = ?", ",".join(missing), tenant)
    return missing


def _note_models(sql: Sql, hasher: Hasher, tenant: str) -> None:
    """Write into the tenant's row what its CANON models say of routes' times."""
    rows = sql.execute(
        """SELECT item FROM canon_item WHERE tenant = ? AND level = 'CANON'
           AND json_extract(item, '$.kind') = 'model' ORDER BY item_id""",
        tenant,
    )
    text = models_text([item_from_plain(json.loads(str(item)), hasher) for (item,) in rows])
    sql.execute("UPDATE tenant SET ttv_models = ? WHERE tenant = ?", text, tenant)


def missing_of(text: object) -> tuple[str, ...]:
    """The names in a tenant row's `canon_missing`."""
    return tuple(str(text).split(",")) if text else ()
