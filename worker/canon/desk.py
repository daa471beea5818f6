"""Carries an order to a tenant's canon out, inside one transaction, and an order with a key at most once.

What was answered under a key is kept with the entry that the act left in the log. The same order under the same key is
answered the same, and does nothing; another order under it is refused. So many are kept for each tenant as the settings
say, the oldest forgotten first.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from worker.admitting import MediatorConfig, ensure_canon
from worker.canon.custody import changed_in, promote_in
from worker.canon.interference_desk import interference_in
from worker.canon.interference_store import agents_in
from worker.canon.items import item_to_plain
from worker.canon.judgement import decide_in
from worker.canon.order import (
    AGENTS,
    CHANGE,
    DECIDE,
    INTERFERENCE,
    ITEM,
    ITEMS,
    PROMOTE,
    WHY_NOT,
    WRITING,
    Order,
    Refused,
)
from worker.canon.store import history_in, item_in, snapshot_in, store_at
from worker.canon.why_not import why_not_in
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import ENTRIES_PER_LOG
from worker.ports import Hasher, Sql, as_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.canon.canon_settings import CanonSettings

#: Changes of one item that are told at once, the newest: each may have to be read with all that it rests on.
MOST_HISTORY = 200
_WRITERS: dict[str, Callable[[Sql, Hasher, CanonSettings, int, Order], tuple[int, dict[str, Any], int]]] = {
    DECIDE: decide_in,
    PROMOTE: promote_in,
    CHANGE: changed_in,
    INTERFERENCE: interference_in,
}


def canon_in(sql: Sql, hasher: Hasher, config: MediatorConfig, order: Order) -> dict[str, Any]:
    """Carry an order out. Returns: `status`, `body` and `is_replayed`.

    Raises: CallerError for an order that can't be carried out, and nothing is recorded; StateError.
    """
    log = ensure_canon(sql, hasher, config, order.tenant, order.at_us)
    if order.act == AGENTS:
        return {"status": 200, "body": agents_in(sql, hasher, config.canon, order), "is_replayed": False}
    if order.act not in WRITING:
        return {"status": 200, "body": _READERS[order.act](sql, hasher, order), "is_replayed": False}
    digest = hasher.sha3_256(canonical_json({"act": order.act, "given": order.given})).hex()
    if order.key:
        kept = sql.execute(
            "SELECT digest, answer, entry_id FROM canon_answer WHERE tenant = ? AND idempotency_key = ?",
            order.tenant,
            order.key,
        )
        if kept:
            if kept[0][0] != digest:
                message = "this idempotency key was used for another request; use a new one for a new request"
                raise Refused(422, "idempotency_key_reused", message, "idempotencyKey")
            answer = json.loads(str(kept[0][1]))
            return {**answer, "body": _with_entry(sql, order, answer["body"], as_int(kept[0][2])), "is_replayed": True}
    status, body, entry = _WRITERS[order.act](sql, hasher, config.canon, log, order)
    if order.key and config.canon.kept_answers:
        _keep(sql, order, digest, {"status": status, "body": body}, entry, config.canon.kept_answers)
    return {"status": status, "body": _with_entry(sql, order, body, entry), "is_replayed": False}


def _keep(sql: Sql, order: Order, digest: str, answer: dict[str, Any], entry: int, most: int) -> None:
    sql.execute(
        "INSERT INTO canon_answer (tenant, idempotency_key, digest, answer, entry_id) VALUES (?, ?, ?, ?, ?)",
        order.tenant,
        order.key,
        digest,
        canonical_json(answer).decode(),
        entry,
    )
    sql.execute(
        """DELETE FROM canon_answer WHERE tenant = ? AND entry_id <=
           (SELECT entry_id FROM canon_answer WHERE tenant = ? ORDER BY entry_id DESC LIMIT 1 OFFSET ?)""",
        order.tenant,
        order.tenant,
        most,
    )


def _with_entry(sql: Sql, order: Order, body: dict[str, Any], entry: int) -> dict[str, Any]:
    """The answer with where it stands in the log, and a decision's certificate, which the entry's evidence is."""
    ((leaf_hash, evidence),) = sql.execute("SELECT leaf_hash, evidence FROM ledger WHERE id = ?", entry)
    assert isinstance(leaf_hash, bytes)
    pointer = {"seq": entry % ENTRIES_PER_LOG, "leaf_hash": leaf_hash.hex()}
    if order.act != DECIDE:
        return {**body, "ledger": pointer}
    if "proof" in body:
        body = {**body, "proof": {**body["proof"], "ledgerPointer": pointer}}
    certificate = None if evidence is None else json.loads(str(evidence))
    return {**body, "ledger": pointer, "certificate": certificate}


def _list_items(sql: Sql, hasher: Hasher, order: Order) -> dict[str, Any]:
    """The items as they stand, or stood, without what they say."""
    given = order.given
    at_us, sequence = given.get("at_us"), given.get("seq")
    if at_us is None and sequence is None:
        canon = snapshot_in(sql, hasher, order.tenant)
    else:
        canon = store_at(sql, hasher, order.tenant, at_us=at_us, sequence=sequence)
    wanted = [
        item
        for item in canon.items
        if given.get("level") in (None, item.level) and given.get("kind") in (None, item.kind)
    ]
    return {
        "object": "list",
        "canon_hash": canon.hash,
        "data": [item_to_plain(item, with_content=False) for item in wanted],
    }


def _read_item(sql: Sql, hasher: Hasher, order: Order) -> dict[str, Any]:
    """One item with what it says, and its newest changes."""
    name = order.given["id"]
    item = item_in(sql, hasher, order.tenant, name)
    if item is None:
        raise Refused(404, "item_not_found", "no item of your canon has this id", "id")
    return {
        "object": "canon_item",
        "item": item_to_plain(item),
        "history": history_in(sql, hasher, order.tenant, name, MOST_HISTORY),
    }


def _why_not(sql: Sql, _hasher: Hasher, order: Order) -> dict[str, Any]:
    found = why_not_in(sql, order.tenant, order.given.get("actionId"), order.given["limit"])
    return {"object": "list", "data": found}


_READERS: dict[str, Callable[[Sql, Hasher, Order], dict[str, Any]]] = {
    ITEMS: _list_items,
    ITEM: _read_item,
    WHY_NOT: _why_not,
}
