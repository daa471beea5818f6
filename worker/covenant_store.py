"""Stored covenants: what a tenant has declared once, under an id that requests name and whose accounts they draw on.

A covenant is written once and never changed, so a decision under it can be judged again at any time. Creating one is an
entry in the tenant's ledger; the entry holds digests, and none of the covenant's words.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from worker.admission import Facts
from worker.budget import COVENANT_ACCOUNT, Account, account_names, read_accounts
from worker.covenant.policy import Policy, policy_from_plain
from worker.errors import StateError
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import STRUCTURE_UPDATE, append_entry
from worker.ports import Hasher, Sql, SqlRow

ACTIVE, COMPLETED = "active", "completed"


class Draft(NamedTuple):
    """A covenant to be stored. `covenant_ids`: what it may be called, the first that is free; `document`: JSON text."""

    tenant: str
    covenant_ids: tuple[str, ...]
    at_us: int
    policy: Policy
    document: str


def draft_to_json(draft: Draft) -> str:
    """The draft as JSON text, for a mediator elsewhere."""
    return json.dumps({**draft._asdict(), "policy": draft.policy.to_plain()})


def draft_from_json(text: str) -> Draft:
    """The inverse of `draft_to_json`."""
    plain = json.loads(text)
    ids, policy = tuple(plain.pop("covenant_ids")), policy_from_plain(plain.pop("policy"))
    return Draft(covenant_ids=ids, policy=policy, **plain)


def create_in(sql: Sql, hasher: Hasher, log: int, draft: Draft) -> dict[str, Any]:
    """Store a covenant and append its creation to the tenant's log; returns it as `read_in` does.

    Raises: StateError if none of the ids is free.
    """
    covenant_id = next((name for name in draft.covenant_ids if policy_in(sql, draft.tenant, name) is None), None)
    if covenant_id is None:
        raise StateError("no covenant id was free; ask again")
    policy = canonical_json(draft.policy.to_plain())
    payload = {
        "covenant_id": covenant_id,
        "hash": hasher.sha3_256(draft.document.encode()).hex(),
        "item": "covenant",
        "level": "CANON",
        "policy": hasher.sha3_256(policy).hex(),
        "source": "import",
    }
    text = canonical_json(payload).decode()
    entry = append_entry(sql, hasher, draft.tenant, log, STRUCTURE_UPDATE, draft.at_us, text)
    sql.execute(
        """INSERT INTO covenant (tenant, covenant_id, created_us, policy, document, entry_id)
           VALUES (?, ?, ?, ?, ?, ?)""",
        draft.tenant,
        covenant_id,
        draft.at_us,
        policy.decode(),
        draft.document,
        entry,
    )
    created = read_in(sql, draft.tenant, covenant_id, draft.at_us)
    assert created is not None
    return created


def policy_in(sql: Sql, tenant: str, covenant_id: str) -> Policy | None:
    """The policy of a stored covenant, or None if the tenant has no such covenant."""
    rows = sql.execute("SELECT policy FROM covenant WHERE tenant = ? AND covenant_id = ?", tenant, covenant_id)
    return policy_from_plain(json.loads(str(rows[0][0]))) if rows else None


def bind_covenant(sql: Sql, facts: Facts) -> Facts | None:
    """The facts under the stored covenant they name: its policy, and no more time than it grants.

    None if the tenant has no such covenant; the facts themselves if they name none.
    """
    if not facts.covenant_id:
        return facts
    policy = policy_in(sql, facts.tenant, facts.covenant_id)
    if policy is None:
        return None
    limit_us = facts.time_limit_us if policy.deadline_us is None else min(facts.time_limit_us, policy.deadline_us)
    return facts._replace(policy=policy, time_limit_us=limit_us)


def read_in(sql: Sql, tenant: str, covenant_id: str, at_us: int) -> dict[str, Any] | None:
    """A covenant as plain values, or None. Args: at_us: says which window's spending is told."""
    rows = sql.execute(
        "SELECT covenant_id, created_us, policy, document FROM covenant WHERE tenant = ? AND covenant_id = ?",
        tenant,
        covenant_id,
    )
    return _record(sql, tenant, rows[0], at_us) if rows else None


def list_in(sql: Sql, tenant: str, limit: int, before: str | None, at_us: int) -> list[dict[str, Any]] | None:
    """At most `limit` covenants of the tenant, newest first. Args: before: only those created before this one.

    None if the tenant has no covenant `before`.
    """
    last = 2**53 - 1
    if before is not None:
        rows = sql.execute("SELECT id FROM covenant WHERE tenant = ? AND covenant_id = ?", tenant, before)
        if not rows:
            return None
        assert isinstance(rows[0][0], int)
        last = rows[0][0]
    rows = sql.execute(
        """SELECT covenant_id, created_us, policy, document FROM covenant WHERE tenant = ? AND id < ?
           ORDER BY id DESC LIMIT ?""",
        tenant,
        last,
        limit,
    )
    return [_record(sql, tenant, row, at_us) for row in rows]


def _record(sql: Sql, tenant: str, row: SqlRow, at_us: int) -> dict[str, Any]:
    covenant_id, created_us, policy_text, document = row
    plain = json.loads(str(policy_text))
    names = account_names(policy_from_plain(plain), None, at_us, str(covenant_id))
    own = {name: cap for name, cap in names.items() if name.startswith(f"{COVENANT_ACCOUNT}:")}
    accounts = read_accounts(sql, tenant, own)
    return {
        "covenant_id": covenant_id,
        "created_us": created_us,
        "status": _status(accounts[0]),
        "policy": plain,
        "document": document,
        "spent_usd_micros": accounts[0].spent,
        "reserved_usd_micros": accounts[0].reserved,
        "budget": _budget(accounts),
    }


def _status(lifetime: Account) -> str:
    """`completed` once its lifetime's budget is spent; before that, requests may name it."""
    return COMPLETED if lifetime.cap is not None and 0 < lifetime.cap <= lifetime.spent else ACTIVE


def _budget(accounts: list[Account]) -> dict[str, int] | None:
    """The account that has a cap, the lifetime's or the present window's; None if neither has."""
    for account in accounts:
        if account.cap is not None:
            return {
                "cap_usd_micros": account.cap,
                "spent_usd_micros": account.spent,
                "reserved_usd_micros": account.reserved,
                "left_usd_micros": max(0, account.left),
            }
    return None
