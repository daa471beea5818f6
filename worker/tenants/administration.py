"""Administration inside one transaction: tenants and keys are made, changed, shown, and what they used is told.

Every change is a STRUCTURE_UPDATE in the tenant's ledger. It holds digests alone: neither a token nor its hash, neither
a name nor a limit can be read off it; but who knows what was set can show that it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from worker.admitting import MediatorConfig, ensure_canon
from worker.budget import TENANT_ACCOUNT
from worker.ledger.canonical import canonical_json
from worker.ledger.entry import STRUCTURE_UPDATE, append_entry
from worker.ledger.erasure import erase_in
from worker.ports import Hasher, Sql, SqlRow, as_int
from worker.tenants.limits import LimitSet, Terms, stored_terms
from worker.tenants.standing import standing_of
from worker.tenants.usage import usage_in

#: Acts that may be the first on a database.
MAKING = ("create_tenant", "list_tenant")
#: The act after which nothing of what a user said may be left.
ERASE = "erase"
#: Keys of a tenant that were not revoked; more is a fault of whoever makes them.
MAX_KEYS = 10_000
NO_TENANT, TENANT_EXISTS, NO_KEY, KEY_REVOKED, TOO_MANY_KEYS = (
    "no_tenant",
    "tenant_exists",
    "no_key",
    "key_revoked",
    "too_many_keys",
)


class Order(NamedTuple):
    """What an administrator wants done with a tenant: `act` is a name of `ACTS`, `given` what that needs, plain."""

    tenant: str
    act: str
    at_us: int
    given: dict[str, Any]


def order_to_json(order: Order) -> str:
    """The order as JSON text, for a mediator elsewhere."""
    return json.dumps(order._asdict())


def order_from_json(text: str) -> Order:
    """The inverse of `order_to_json`."""
    return Order(**json.loads(text))


class Desk(NamedTuple):
    """What an act works with."""

    sql: Sql
    hasher: Hasher
    config: MediatorConfig
    order: Order

    @property
    def tenant(self) -> str:
        return self.order.tenant

    def log(self) -> int | None:
        """The number of the tenant's log, None if there is no such tenant."""
        rows = self.sql.execute("SELECT log FROM tenant WHERE tenant = ?", self.tenant)
        return as_int(rows[0][0]) if rows else None

    def record(self, log: int, item: str, described: dict[str, Any], **members: str) -> None:
        """Append the act to the tenant's log, with the digest of what it made true."""
        payload = {
            "act": self.order.act,
            "hash": self.hasher.sha3_256(canonical_json(described)).hex(),
            "item": item,
            "level": "CANON",
            "source": "administration",
            **members,
        }
        text = canonical_json(payload).decode()
        append_entry(self.sql, self.hasher, self.tenant, log, STRUCTURE_UPDATE, self.order.at_us, text)


def administer_in(sql: Sql, hasher: Hasher, config: MediatorConfig, order: Order) -> dict[str, Any]:
    """Carry an order out. Returns: `found`, what it is about as it now stands; or `problem`, why nothing was done."""
    desk = Desk(sql, hasher, config, order)
    log = desk.log()
    if order.act == "list_tenant":
        return _list_tenant(desk)
    if order.act == "create_tenant":
        return _problem(TENANT_EXISTS) if log is not None else _create_tenant(desk)
    if order.act == "list_tenants":
        return {"found": _list_tenants(desk)}
    if log is None:
        return _problem(NO_TENANT)
    return ACTS[order.act](desk, log)


def _problem(name: str) -> dict[str, Any]:
    return {"problem": name}


def changed(terms: Terms, patch: dict[str, Any]) -> Terms:
    """The terms with what a patch names: a limit or a list that is null there is lifted."""
    limits = LimitSet(**{**terms.limits._asdict(), **patch.get("limits", {})})
    allowed = {
        name: None if patch[name] is None else frozenset(patch[name])
        for name in ("providers", "models")
        if name in patch
    }
    return terms._replace(limits=limits, **allowed)


def _text(terms: Terms) -> str:
    return canonical_json(terms.to_plain()).decode()


def _create_tenant(desk: Desk) -> dict[str, Any]:
    log = ensure_canon(desk.sql, desk.hasher, desk.config, desk.tenant, desk.order.at_us)
    return _set_terms(desk, log, changed(Terms(), desk.order.given))


def _update_tenant(desk: Desk, log: int) -> dict[str, Any]:
    rows = desk.sql.execute("SELECT terms FROM tenant WHERE tenant = ?", desk.tenant)
    return _set_terms(desk, log, changed(stored_terms(rows[0][0]), desk.order.given))


def _set_terms(desk: Desk, log: int, terms: Terms) -> dict[str, Any]:
    desk.sql.execute("UPDATE tenant SET terms = ? WHERE tenant = ?", _text(terms), desk.tenant)
    desk.record(log, "tenant", {"terms": terms.to_plain()})
    return _read_tenant(desk, log)


def _read_tenant(desk: Desk, _log: int) -> dict[str, Any]:
    ((created_us, text),) = desk.sql.execute("SELECT created_us, terms FROM tenant WHERE tenant = ?", desk.tenant)
    terms = stored_terms(text)
    standing = standing_of(desk.config, desk.tenant, terms)
    in_force = standing.limits._replace(total_usd_micros=standing.cap)
    return {
        "found": {
            "tenant": desk.tenant,
            "created_us": created_us,
            "terms": terms.to_plain(),
            "limits_in_force": in_force.to_plain(),
            **_money(desk, TENANT_ACCOUNT),
        }
    }


def _money(desk: Desk, account: str) -> dict[str, Any]:
    rows = desk.sql.execute(
        "SELECT spent, reserved FROM account WHERE tenant = ? AND account = ?", desk.tenant, account
    )
    spent, reserved = rows[0] if rows else (0, 0)
    return {"spent_usd_micros": spent, "reserved_usd_micros": reserved}


def _list_tenant(desk: Desk) -> dict[str, Any]:
    """Note a tenant's name where the list of names is another database than its own; harmless when repeated."""
    desk.sql.execute(
        "INSERT INTO tenant (tenant, catalogue_hash, created_us) VALUES (?, '', ?) ON CONFLICT (tenant) DO NOTHING",
        desk.tenant,
        desk.order.at_us,
    )
    return {"found": {}}


def _list_tenants(desk: Desk) -> list[dict[str, Any]]:
    """Tenants in the order of their names, after one of them."""
    given = desk.order.given
    rows = desk.sql.execute(
        "SELECT tenant, created_us FROM tenant WHERE tenant > ? ORDER BY tenant LIMIT ?", given["after"], given["limit"]
    )
    return [{"tenant": tenant, "created_us": created_us} for tenant, created_us in rows]


_KEY = """SELECT key_id, name, created_us, rotated_us, expires_us, revoked_us, old_until_us, terms, digest,
    (SELECT MAX(day) FROM usage u WHERE u.tenant = k.tenant AND u.key_id = k.key_id) FROM api_key k"""


def _key_row(desk: Desk) -> SqlRow | None:
    rows = desk.sql.execute(f"{_KEY} WHERE tenant = ? AND key_id = ?", desk.tenant, desk.order.given["key_id"])
    return rows[0] if rows else None


def _key(desk: Desk, row: SqlRow) -> dict[str, Any]:
    """A key as it is shown: everything but what proves it."""
    key_id, name, created_us, rotated_us, expires_us, revoked_us, old_until_us, terms, _, last_day = row
    return {
        "key_id": key_id,
        "tenant": desk.tenant,
        "name": name,
        "created_us": created_us,
        "rotated_us": rotated_us,
        "expires_us": expires_us,
        "revoked_us": revoked_us,
        "old_token_until_us": old_until_us,
        "terms": stored_terms(terms).to_plain(),
        "last_used_day": last_day,
        **_money(desk, f"key:{key_id!s}"),
    }


def _described(row: SqlRow) -> dict[str, Any]:
    """What the ledger's digest of a key is taken of: how it stands, and which token is its."""
    _, name, _, _, expires_us, revoked_us, old_until_us, terms, digest, _ = row
    return {
        "digest": digest,
        "expires_us": expires_us,
        "name": name,
        "old_until_us": old_until_us,
        "revoked_us": revoked_us,
        "terms": stored_terms(terms).to_plain(),
    }


def _recorded(desk: Desk, log: int) -> dict[str, Any]:
    """Record a key that was changed, and show it."""
    row = _key_row(desk)
    assert row is not None
    desk.record(log, "key", _described(row), key_id=str(row[0]))
    return {"found": _key(desk, row)}


def _create_key(desk: Desk, log: int) -> dict[str, Any]:
    given = desk.order.given
    count = desk.sql.execute("SELECT COUNT(*) FROM api_key WHERE tenant = ? AND revoked_us IS NULL", desk.tenant)
    if as_int(count[0][0]) >= MAX_KEYS:
        return _problem(TOO_MANY_KEYS)
    desk.sql.execute(
        """INSERT INTO api_key (tenant, key_id, name, digest, created_us, expires_us, terms)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        desk.tenant,
        given["key_id"],
        given["name"],
        given["digest"],
        desk.order.at_us,
        given["expires_us"],
        _text(changed(Terms(), given)),
    )
    return _recorded(desk, log)


def _alter_key(desk: Desk, log: int, alter: Callable[[SqlRow], tuple[str, tuple[Any, ...]]]) -> dict[str, Any]:
    """Change a key that was not revoked. Args: alter: its row to the SET clause, and that clause's parameters."""
    row = _key_row(desk)
    if row is None or row[5] is not None:
        return _problem(NO_KEY if row is None else KEY_REVOKED)
    clause, parameters = alter(row)
    desk.sql.execute(
        f"UPDATE api_key SET {clause} WHERE tenant = ? AND key_id = ?", *parameters, desk.tenant, str(row[0])
    )
    return _recorded(desk, log)


def _update_key(desk: Desk, log: int) -> dict[str, Any]:
    given = desk.order.given

    def alter(row: SqlRow) -> tuple[str, tuple[Any, ...]]:
        _, name, _, _, expires_us, _, _, terms, _, _ = row
        text = _text(changed(stored_terms(terms), given))
        return "name = ?, expires_us = ?, terms = ?", (
            given.get("name", name),
            given.get("expires_us", expires_us),
            text,
        )

    return _alter_key(desk, log, alter)


def _rotate_key(desk: Desk, log: int) -> dict[str, Any]:
    given, at_us = desk.order.given, desk.order.at_us

    def alter(row: SqlRow) -> tuple[str, tuple[Any, ...]]:
        until_us = at_us + given["overlap_us"]
        return "old_digest = digest, old_until_us = ?, digest = ?, rotated_us = ?", (until_us, given["digest"], at_us)

    return _alter_key(desk, log, alter)


def _revoke_key(desk: Desk, log: int) -> dict[str, Any]:
    return _alter_key(desk, log, lambda row: ("revoked_us = ?", (desk.order.at_us,)))


def _read_key(desk: Desk, _log: int) -> dict[str, Any]:
    row = _key_row(desk)
    return _problem(NO_KEY) if row is None else {"found": _key(desk, row)}


def _list_keys(desk: Desk, _log: int) -> dict[str, Any]:
    """The tenant's keys, newest first, before one of them: ids begin with their time, and all are below "key_g"."""
    given = desk.order.given
    rows = desk.sql.execute(
        f"{_KEY} WHERE tenant = ? AND key_id < ? ORDER BY key_id DESC LIMIT ?",
        desk.tenant,
        given["before"] or "key_g",
        given["limit"],
    )
    return {"found": [_key(desk, row) for row in rows]}


def _read_usage(desk: Desk, _log: int) -> dict[str, Any]:
    given = desk.order.given
    key_id = given["key_id"]
    if key_id is not None and _key_row(desk) is None:
        return _problem(NO_KEY)
    return {
        "found": {
            "tenant": desk.tenant,
            "key_id": key_id,
            "days": usage_in(desk.sql, desk.tenant, key_id, given["first_day"], given["last_day"]),
            **_money(desk, TENANT_ACCOUNT if key_id is None else f"key:{key_id}"),
        }
    }


def _erase(desk: Desk, log: int) -> dict[str, Any]:
    given = desk.order.given
    found = erase_in(desk.sql, desk.hasher, desk.tenant, log, given["subject"], given["name"], desk.order.at_us)
    return {"found": found}


#: Acts on a tenant that is there.
ACTS: dict[str, Callable[[Desk, int], dict[str, Any]]] = {
    "read_tenant": _read_tenant,
    "update_tenant": _update_tenant,
    "create_key": _create_key,
    "read_key": _read_key,
    "list_keys": _list_keys,
    "update_key": _update_key,
    "rotate_key": _rotate_key,
    "revoke_key": _revoke_key,
    "read_usage": _read_usage,
    ERASE: _erase,
}
