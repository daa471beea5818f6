"""The administrator's surface: tenants, their keys, and what they used."""

from __future__ import annotations

from typing import Any

from worker.api.openapi.parts import (
    COUNT,
    NULLABLE_COUNT,
    NULLABLE_STRING,
    STRING,
    USD,
    Plain,
    answer,
    body,
    errors,
    in_path,
    list_of,
    one_of,
    or_null,
    query,
    record,
    ref,
    text,
)
from worker.tenants.limit_settings import WIRE_NAMES

_EXAMPLE = {"limits": {"requests_per_minute": 60, "usd_per_day": "5"}}


def _operation(name: str, summary: str, responses: Plain, *parameters: Plain, given: Plain | None = None) -> Plain:
    """An operation that the administrator's token opens; `given`: its request body."""
    members: Plain = {} if given is None else {"requestBody": given}
    statuses = (400, 401, 403, 404, 413, 500)
    return {
        "operationId": name,
        "summary": summary,
        "security": [{"administrator": []}],
        **({"parameters": list(parameters)} if parameters else {}),
        **members,
        "responses": {**responses, **errors(*statuses)},
    }


def paths() -> Plain:
    return {**_tenant_paths(), **_key_paths()}


def _tenant() -> Plain:
    return in_path("tenant", STRING, "the tenant's name")


def _days() -> Plain:
    return query("days", {"type": "integer", "minimum": 1, "maximum": 366}, "how many days back, today included; 31")


def _limit_of_page() -> Plain:
    return query("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}, "at most so many; 100")


def _tenant_paths() -> Plain:
    tenant: Plain = {"200": answer("The tenant.", ref("Tenant"))}
    used: Plain = {"200": answer("Counters by day.", ref("Usage"))}
    made: Plain = {"201": answer("The tenant.", ref("Tenant")), **errors(409)}
    new, terms = body(ref("NewTenant"), {"tenant": "acme", **_EXAMPLE}), body(ref("Terms"), _EXAMPLE)
    after = query("after", STRING, "only tenants whose names come after this one")
    return {
        "/admin/tenants": {
            "get": _operation("list_tenants", "Tenants by name", _listed("TenantName"), after, _limit_of_page()),
            "post": _operation("create_tenant", "Make a tenant", made, given=new),
        },
        "/admin/tenants/{tenant}": {
            "get": _operation("read_tenant", "One tenant", tenant, _tenant()),
            "patch": _operation("update_tenant", "Change what a tenant may do", tenant, _tenant(), given=terms),
        },
        "/admin/tenants/{tenant}/erasures": {"post": _erasure()},
        "/admin/tenants/{tenant}/usage": {
            "get": _operation("tenant_usage", "What a tenant's stored keys used", used, _tenant(), _days())
        },
    }


def _erasure() -> Plain:
    name: Plain = {"type": "string", "minLength": 1, "maxLength": 1024}
    erased = record(
        {
            "object": one_of("erasure"),
            "tenant": STRING,
            "entries": COUNT,
            "decisions": COUNT,
            "seq": NULLABLE_COUNT,
            "events": COUNT,
        }
    )
    wanted: Plain = {"anyOf": [record({"user_id": name}), record({"session_id": name})]}
    return _operation(
        "erase",
        "Erase what names a user or a session; the tenant's log stays verifiable",
        {"200": answer("What was erased.", erased)},
        _tenant(),
        given=body(wanted, {"user_id": "ada"}),
    )


def _key_paths() -> Plain:
    one = (_tenant(), in_path("key_id", STRING, "the key's id"))
    key: Plain = {"200": answer("The key.", ref("Key"))}
    changed: Plain = {**key, **errors(409)}
    made: Plain = {"201": answer("The key.", ref("Key")), **errors(409)}
    used: Plain = {"200": answer("Counters by day.", ref("Usage"))}
    new = body(ref("NewKey"), {"name": "ci", "expires_in_s": 7_776_000, **_EXAMPLE})
    change, rotation = body(ref("KeyChange"), _EXAMPLE), body(ref("Rotation"), {"overlap_s": 3_600})
    before = query("before", text("^key_"), "only keys made before this one")
    page = (_tenant(), before, _limit_of_page())
    again = "Give a key another token, shown this once"
    return {
        "/admin/tenants/{tenant}/keys": {
            "get": _operation("list_keys", "A tenant's keys, newest first", _listed("Key"), *page),
            "post": _operation("create_key", "Make a key; its token is shown this once", made, _tenant(), given=new),
        },
        "/admin/tenants/{tenant}/keys/{key_id}": {
            "get": _operation("read_key", "One key", key, *one),
            "patch": _operation("update_key", "Change a key's name, end or terms", changed, *one, given=change),
            "delete": _operation("revoke_key", "End a key now and for ever", changed, *one),
        },
        "/admin/tenants/{tenant}/keys/{key_id}/rotate": {
            "post": _operation("rotate_key", again, changed, *one, given=rotation)
        },
        "/admin/tenants/{tenant}/keys/{key_id}/usage": {
            "get": _operation("key_usage", "What a key used", used, *one, _days())
        },
    }


def _listed(name: str) -> Plain:
    page = record({"object": one_of("list"), "data": list_of(ref(name)), "has_more": {"type": "boolean"}})
    return {"200": answer("One page.", page)}


def schemas() -> Plain:
    names = or_null(list_of(STRING))
    terms: Plain = {"limits": ref("LimitChange"), "providers": names, "models": names}
    lasting: Plain = {"type": ["integer", "null"], "minimum": 1, "description": "seconds from now; null = never"}
    changes: Plain = {"name": {"type": "string", "minLength": 1, "maxLength": 64}, "expires_in_s": lasting, **terms}
    shown: Plain = {"limits": ref("Limits"), "providers": names, "models": names}
    money: Plain = {"spent_usd": USD, "reserved_usd": USD}
    counters: Plain = {
        "requests": COUNT,
        "refused": COUNT,
        "input_tokens": COUNT,
        "output_tokens": COUNT,
        "cost_usd": text("^-?[0-9]+(\\.[0-9]{1,6})?$", "US dollars; less than 0 if an earlier day was corrected"),
    }
    tenant: Plain = {"object": one_of("tenant"), "tenant": STRING, "created_us": COUNT}
    usage: Plain = {
        "object": one_of("usage"),
        "tenant": STRING,
        "key_id": NULLABLE_STRING,
        "days": list_of(record({"day": STRING, **counters})),
        "total": record(counters),
        **money,
    }
    return {
        "Limits": record({name: _limit(name, or_null(USD)) for name in WIRE_NAMES.values()}),
        "LimitChange": record(
            {name: _limit(name, _amount()) for name in WIRE_NAMES.values()}, optional=WIRE_NAMES.values()
        ),
        "Terms": record(terms, optional=terms),
        "TenantName": record(tenant),
        "Tenant": record({**tenant, **shown, "limits_in_force": ref("Limits"), **money}),
        "NewTenant": record({"tenant": text("^[a-z0-9-]{1,63}$"), **terms}, optional=terms),
        "Key": _key({**shown, **money}),
        "NewKey": record(changes, optional=[name for name in changes if name != "name"]),
        "KeyChange": record(changes, optional=changes),
        "Rotation": record({"overlap_s": COUNT}, optional=("overlap_s",)),
        "Usage": record(usage),
    }


def _key(more: Plain) -> Plain:
    members: dict[str, Any] = {
        "object": one_of("key"),
        "key_id": text("^key_[0-9a-f]{24}$"),
        "tenant": STRING,
        "name": STRING,
        "status": one_of("active", "expired", "revoked"),
        "token": STRING,
        "created_us": COUNT,
        "rotated_us": NULLABLE_COUNT,
        "expires_us": NULLABLE_COUNT,
        "revoked_us": NULLABLE_COUNT,
        "old_token_until_us": NULLABLE_COUNT,
        "last_used_on": NULLABLE_STRING,
        **more,
    }
    return record(members, optional=("token",))


def _limit(name: str, dollars: Plain) -> Plain:
    return dollars if name.startswith("usd") else {"type": ["integer", "null"], "minimum": 1, "maximum": 100_000_000}


def _amount() -> Plain:
    """Dollars as they may be given: text or a number; null lifts the limit."""
    return or_null({"anyOf": [USD, {"type": "number", "minimum": 0, "maximum": 999_999_999}]})
