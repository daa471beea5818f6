"""/admin: tenants and their keys, for whoever has the administrator's token; off while HARPOON_ADMIN_TOKEN is unset.

A key's secret is made here and shown once; what goes on to the tenant's state is its SHA-256. The same endpoints serve
the command line, over HTTP or in its own process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.routing import Route

from worker.api.admin_fields import Fields, show_key, show_list, show_tenant, show_usage
from worker.api.answers import Headers, Receive, Scope, Send, header_of, send_error, send_json
from worker.api.auth import is_admin, is_key_id, key_token, tenant_of, token_digest
from worker.api.chat import read_body
from worker.api.query import id_in, read_query, whole_in
from worker.errors import CallerError, HarpoonError, MalformedRequest, NotAuthenticated
from worker.ledger.erasure import SESSION, USER
from worker.mediator import MediatorPort
from worker.ports import Clock, Ids
from worker.routing.catalogue import CompiledCatalogue
from worker.services import Services
from worker.sessions.spool_erasure import erase_from_spool
from worker.sessions.spool_port import SpoolPort
from worker.strict_json import JsonLimits
from worker.tenants.administration import KEY_REVOKED, NO_KEY, NO_TENANT, TENANT_EXISTS, TOO_MANY_KEYS, Order
from worker.tenants.usage import DAY_US

DEFAULT_LISTED, MAX_LISTED = 100, 1_000
DEFAULT_DAYS, MAX_DAYS = 31, 366
DEFAULT_OVERLAP_S = 86_400
_TERMS = ("limits", "providers", "models")
_SUBJECTS = {"user_id": USER, "session_id": SESSION}
_SECOND_US = 1_000_000


class AdminOff(CallerError):
    """No administrator's token is set, so nobody is one."""

    status = 404
    code = "administration_off"


class UnknownTenant(CallerError):
    """No tenant has this name."""

    status = 404
    code = "tenant_not_found"


class UnknownKey(CallerError):
    """No key of this tenant has this id."""

    status = 404
    code = "key_not_found"


class Conflict(CallerError):
    """What is asked for contradicts what is there."""

    status = 409
    code = "conflict"


_PROBLEMS: dict[str, tuple[type[CallerError], str]] = {
    NO_TENANT: (UnknownTenant, "no tenant has this name; POST /admin/tenants makes one"),
    TENANT_EXISTS: (Conflict, "there is a tenant of this name already; PATCH changes it"),
    NO_KEY: (UnknownKey, "no key of this tenant has this id"),
    KEY_REVOKED: (Conflict, "this key was revoked, which is for ever; make another"),
    TOO_MANY_KEYS: (Conflict, "this tenant has too many keys; revoke some"),
}


class Office(NamedTuple):
    """What administration works with. `digest`: of the administrator's token, "" = there is none.

    `spool`: of completed sessions, None = the host keeps none.
    """

    mediator: MediatorPort
    clock: Clock
    ids: Ids
    catalogue: CompiledCatalogue
    digest: str
    limits: JsonLimits
    spool: SpoolPort | None = None


def office_of(services: Services) -> Office:
    """The office of an application."""
    return Office(
        services.mediator,
        services.clock,
        services.ids,
        services.catalogue,
        services.admin_digest,
        services.limits.json,
        services.spool,
    )


class Call(NamedTuple):
    """One request of an administrator, whose token was right."""

    office: Office
    scope: Scope
    body: bytes
    at_us: int

    @property
    def tenant(self) -> str:
        """Raises: UnknownTenant for what can't be a tenant's name."""
        tenant: str = self.scope["path_params"]["tenant"]
        if tenant_of(f"hk_{tenant}_x") != tenant:
            raise UnknownTenant(_PROBLEMS[NO_TENANT][1])
        return tenant

    @property
    def key_id(self) -> str:
        """Raises: UnknownKey for what can't be a key's id."""
        key_id: str = self.scope["path_params"]["key_id"]
        if not is_key_id(key_id):
            raise UnknownKey(_PROBLEMS[NO_KEY][1])
        return key_id

    def fields(self, *known: str) -> Fields:
        return Fields(self.body, self.office.limits, known)

    async def order(self, act: str, given: dict[str, Any], tenant: str | None = None) -> Any:
        """What the tenant's state says to an order. Raises: CallerError."""
        order = Order(self.tenant if tenant is None else tenant, act, self.at_us, given)
        said = await self.office.mediator.administer(order)
        if "problem" in said:
            kind, message = _PROBLEMS[said["problem"]]
            raise kind(message)
        return said["found"]


Handler = Callable[[Call], Awaitable[tuple[int, dict[str, Any]]]]


class Admin:
    """One path of the administration, as an ASGI application; `handlers` by method."""

    def __init__(self, office: Office, handlers: dict[str, Handler]) -> None:
        self._office = office
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        office = self._office
        headers: Headers = [(b"x-request-id", office.ids.new("req").encode())]
        try:
            if not office.digest:
                raise AdminOff("administration is off here: set HARPOON_ADMIN_TOKEN to switch it on")
            if not is_admin(office.digest, header_of(scope, b"authorization")):
                raise NotAuthenticated("send the administrator's token as Authorization: Bearer hk_admin_<secret>")
            body = await read_body(scope, receive, office.limits.max_bytes)
            if body is None:
                return
            handler = self._handlers["GET" if scope["method"] == "HEAD" else scope["method"]]
            status, value = await handler(Call(office, scope, body, office.clock.now_us()))
            # A token is shown once, and kept by nobody on the way.
            await send_json(send, value, [*headers, (b"cache-control", b"no-store")], status)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


def admin_routes(office: Office) -> list[Route]:
    """The paths of the administration."""
    paths: dict[str, dict[str, Handler]] = {
        "/admin/tenants": {"GET": list_tenants, "POST": create_tenant},
        "/admin/tenants/{tenant}": {"GET": read_tenant, "PATCH": update_tenant},
        "/admin/tenants/{tenant}/usage": {"GET": tenant_usage},
        "/admin/tenants/{tenant}/erasures": {"POST": erase},
        "/admin/tenants/{tenant}/keys": {"GET": list_keys, "POST": create_key},
        "/admin/tenants/{tenant}/keys/{key_id}": {"GET": read_key, "PATCH": update_key, "DELETE": revoke_key},
        "/admin/tenants/{tenant}/keys/{key_id}/rotate": {"POST": rotate_key},
        "/admin/tenants/{tenant}/keys/{key_id}/usage": {"GET": key_usage},
    }
    return [Route(path, Admin(office, handlers), methods=list(handlers)) for path, handlers in paths.items()]


async def list_tenants(call: Call) -> tuple[int, dict[str, Any]]:
    query = read_query(call.scope, ("after", "limit"))
    limit = whole_in(query, "limit", DEFAULT_LISTED, 1, MAX_LISTED)
    found = await call.order("list_tenants", {"after": query.get("after", "")[:64], "limit": limit + 1}, "")
    return 200, show_list(found, limit, lambda one: {"object": "tenant", **one})


async def create_tenant(call: Call) -> tuple[int, dict[str, Any]]:
    fields = call.fields("tenant", *_TERMS)
    tenant = fields.tenant()
    found = await call.order("create_tenant", fields.terms(call.office.catalogue), tenant)
    return 201, show_tenant(found)


async def read_tenant(call: Call) -> tuple[int, dict[str, Any]]:
    return 200, show_tenant(await call.order("read_tenant", {}))


async def update_tenant(call: Call) -> tuple[int, dict[str, Any]]:
    terms = call.fields(*_TERMS).terms(call.office.catalogue)
    return 200, show_tenant(await call.order("update_tenant", terms))


async def erase(call: Call) -> tuple[int, dict[str, Any]]:
    """Erase what names a user or a session; saying it twice finds nothing the second time."""
    fields = call.fields(*_SUBJECTS)
    subject, name = fields.only_text(_SUBJECTS)
    found = await call.order("erase", {"subject": _SUBJECTS[subject], "name": name})
    office, events = call.office, 0
    if office.spool is not None:
        asked = (call.tenant, _SUBJECTS[subject], name)
        events = await erase_from_spool(office.spool, office.mediator, *asked, office.clock)
    return 200, {"object": "erasure", "tenant": call.tenant, **found, "events": events}


async def list_keys(call: Call) -> tuple[int, dict[str, Any]]:
    query = read_query(call.scope, ("before", "limit"))
    limit = whole_in(query, "limit", DEFAULT_LISTED, 1, MAX_LISTED)
    found = await call.order("list_keys", {"before": id_in(query, "before", ("key_",)), "limit": limit + 1})
    return 200, show_list(found, limit, lambda one: show_key(one, call.at_us))


async def create_key(call: Call) -> tuple[int, dict[str, Any]]:
    fields, office = call.fields("name", "expires_in_s", *_TERMS), call.office
    key_id = f"key_{call.at_us:014x}{office.ids.new('k')[2:12]}"
    token, digest = new_token(office.ids, call.tenant, key_id)
    given = {"key_id": key_id, "digest": digest, "name": fields.name(), "expires_us": _expiry_us(fields, call.at_us)}
    found = await call.order("create_key", {**given, **fields.terms(office.catalogue)})
    return 201, show_key(found, call.at_us, token)


async def read_key(call: Call) -> tuple[int, dict[str, Any]]:
    return 200, show_key(await call.order("read_key", {"key_id": call.key_id}), call.at_us)


async def update_key(call: Call) -> tuple[int, dict[str, Any]]:
    fields = call.fields("name", "expires_in_s", *_TERMS)
    given = fields.terms(call.office.catalogue)
    if fields.has("name"):
        given["name"] = fields.name()
    if fields.has("expires_in_s"):
        given["expires_us"] = _expiry_us(fields, call.at_us)
    return 200, show_key(await call.order("update_key", {"key_id": call.key_id, **given}), call.at_us)


async def rotate_key(call: Call) -> tuple[int, dict[str, Any]]:
    """Give a key another token; the one before stays good for the overlap."""
    overlap_s = call.fields("overlap_s").seconds("overlap_s", DEFAULT_OVERLAP_S)
    if overlap_s is None:
        raise MalformedRequest(
            "overlap_s must be a whole number of seconds; 0 ends the old token now", param="overlap_s"
        )
    token, digest = new_token(call.office.ids, call.tenant, call.key_id)
    given = {"key_id": call.key_id, "digest": digest, "overlap_us": overlap_s * _SECOND_US}
    return 200, show_key(await call.order("rotate_key", given), call.at_us, token)


async def revoke_key(call: Call) -> tuple[int, dict[str, Any]]:
    return 200, show_key(await call.order("revoke_key", {"key_id": call.key_id}), call.at_us)


async def tenant_usage(call: Call) -> tuple[int, dict[str, Any]]:
    return 200, await _usage(call, None)


async def key_usage(call: Call) -> tuple[int, dict[str, Any]]:
    return 200, await _usage(call, call.key_id)


async def _usage(call: Call, key_id: str | None) -> dict[str, Any]:
    days = whole_in(read_query(call.scope, ("days",)), "days", DEFAULT_DAYS, 1, MAX_DAYS)
    today = call.at_us // DAY_US
    return show_usage(
        await call.order("read_usage", {"key_id": key_id, "first_day": today - days + 1, "last_day": today})
    )


def _expiry_us(fields: Fields, at_us: int) -> int | None:
    seconds = fields.seconds("expires_in_s", None, 1)
    return None if seconds is None else at_us + seconds * _SECOND_US


def new_token(ids: Ids, tenant: str, key_id: str) -> tuple[str, str]:
    """A token with 256 bits of randomness, and its digest."""
    token = key_token(tenant, key_id, ids.new("s")[2:] + ids.new("s")[2:])
    return token, token_digest(token)
