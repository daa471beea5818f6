"""/api/canon and /api/why-not: decide, promote, commit, keep items, look denials up, for the caller's tenant alone.

What is answered was in the tenant's log before, and where the log can't be written nothing is decided. A POST may bring
an idempotency key, in the header `idempotency-key` or as `idempotencyKey` of its body: under it, it happens once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from worker.api.answers import Headers, Receive, Scope, Send, header_of, send_error, send_json
from worker.api.auth import authenticate
from worker.api.chat import read_body
from worker.api.query import read_query, whole_in
from worker.canon.items import KINDS, LEVELS, is_name
from worker.canon.order import (
    AGENTS,
    CHANGE,
    DECIDE,
    INTERFERENCE,
    ITEM,
    ITEMS,
    PROMOTE,
    WHY_NOT,
    Order,
    refusal_of,
)
from worker.errors import CallerError, CanonicalError, HarpoonError, MalformedRequest
from worker.ledger.canonical import MAX_INT, canonical_json
from worker.services import Services
from worker.strict_json import parse_object

MAX_KEY_CHARACTERS = 255
DEFAULT_LISTED, MAX_LISTED = 100, 1_000
REPLAYED = (b"idempotency-replayed", b"true")
_VISIBLE = frozenset(map(chr, range(33, 127)))


class OtherTenant(CallerError):
    """The body speaks of another tenant than the token does."""

    status = 403
    code = "other_tenant"


class Canon:
    """One path, as an ASGI application. `reads`: makes an order of a GET; `writes`: the act of a POST."""

    def __init__(
        self,
        services: Services,
        reads: Callable[[Scope, str, int], Order] | None = None,
        writes: str = "",
    ) -> None:
        self._services = services
        self._reads = reads
        self._writes = writes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        headers: Headers = [(b"x-request-id", services.ids.new("req").encode())]
        try:
            tenant = await authenticate(services, scope)
            order = await self._order(scope, receive, tenant)
            if order is None:
                return
            said = await services.mediator.canon(order)
            if "problem" in said:
                raise refusal_of(said)
            if said["is_replayed"]:
                headers.append(REPLAYED)
            await send_json(send, said["body"], headers, said["status"])
        except HarpoonError as problem:
            await send_error(send, problem, headers)

    async def _order(self, scope: Scope, receive: Receive, tenant: str) -> Order | None:
        """What is asked, None if the caller left while asking. Raises: CallerError."""
        services = self._services
        if scope["method"] == "POST":
            most = min(services.limits.json.max_bytes, services.limits.canon_bytes)
            body = await read_body(scope, receive, most)
            if body is None:
                return None
            given = dict(parse_object(body, services.limits.json).values)
            return written_order(self._writes, tenant, services.clock.now_us(), given, key_in(scope))
        assert self._reads is not None
        return self._reads(scope, tenant, services.clock.now_us())


def canon_routes(services: Services) -> list[Route]:
    """The paths of the canon."""
    items = Canon(services, list_order, CHANGE)
    agents = Canon(services, agents_order, INTERFERENCE)
    return [
        Route("/api/canon/decide", Canon(services, writes=DECIDE), methods=["POST"]),
        Route("/api/canon/promote", Canon(services, writes=PROMOTE), methods=["POST"]),
        Route("/api/canon/non-interference", agents, methods=["POST"]),
        Route("/api/canon/non-interference", agents, methods=["GET"]),
        Route("/api/canon/items", items, methods=["POST"]),
        Route("/api/canon/items", items, methods=["GET"]),
        Route("/api/canon/items/{item_id:path}", Canon(services, item_order), methods=["GET"]),
        Route("/api/why-not", Canon(services, why_not_order), methods=["GET"]),
    ]


def written_order(act: str, tenant: str, at_us: int, given: dict[str, Any], key: str) -> Order:
    """The order of a body. Raises: OtherTenant; MalformedRequest for a number that is no integer, or a bad key."""
    _refuse_other(given.pop("tenantId", tenant), tenant)
    own = given.pop("idempotencyKey", "")
    if type(own) is not str or (own and not _is_key(own)) or (own and key and own != key):
        raise MalformedRequest(_KEY_FORM, param="idempotencyKey")
    try:
        canonical_json(given)
    except CanonicalError as problem:
        raise MalformedRequest(f"every number here is an integer: {problem.message}") from None
    return Order(tenant, act, at_us, given, key or own)


def key_in(scope: Scope) -> str:
    """The idempotency key of the header, "" = none. Raises: MalformedRequest."""
    key = header_of(scope, b"idempotency-key")
    if key is not None and not _is_key(key):
        raise MalformedRequest(_KEY_FORM, param="idempotency-key")
    return key or ""


_KEY_FORM = f"an idempotency key is 1 to {MAX_KEY_CHARACTERS} visible ASCII characters, told once"


def _is_key(text: str) -> bool:
    return 1 <= len(text) <= MAX_KEY_CHARACTERS and _VISIBLE.issuperset(text)


def _refuse_other(said: object, tenant: str) -> None:
    if said != tenant:
        raise OtherTenant("tenantId is not the tenant of your token; leave it out", param="tenantId")


def list_order(scope: Scope, tenant: str, at_us: int) -> Order:
    """GET /api/canon/items. Raises: MalformedRequest."""
    query = read_query(scope, ("at_us", "kind", "level", "seq"))
    given: dict[str, Any] = {}
    for name, known in (("kind", KINDS), ("level", LEVELS)):
        if name in query:
            if query[name] not in known:
                raise MalformedRequest(f"{name} must be one of {', '.join(known)}", param=name)
            given[name] = query[name]
    for name in ("at_us", "seq"):
        if name in query:
            given[name] = whole_in(query, name, 0, 0, MAX_INT if name == "at_us" else 2**32 - 1)
    return Order(tenant, ITEMS, at_us, given)


def agents_order(scope: Scope, tenant: str, at_us: int) -> Order:
    """GET /api/canon/non-interference. Raises: MalformedRequest."""
    read_query(scope, ())
    return Order(tenant, AGENTS, at_us, {})


def item_order(scope: Scope, tenant: str, at_us: int) -> Order:
    """GET /api/canon/items/{id}. Raises: MalformedRequest."""
    name = scope["path_params"]["item_id"]
    if not is_name(name):
        raise MalformedRequest("an item's id is visible ASCII without commas", param="id")
    return Order(tenant, ITEM, at_us, {"id": name})


def why_not_order(scope: Scope, tenant: str, at_us: int) -> Order:
    """GET /api/why-not. Raises: OtherTenant; MalformedRequest without any filter."""
    query = read_query(scope, ("actionId", "limit", "tenantId"))
    if "actionId" not in query and "tenantId" not in query:
        raise MalformedRequest("say whose denials: actionId, tenantId, or both", param="actionId")
    _refuse_other(query.get("tenantId", tenant), tenant)
    given: dict[str, Any] = {"limit": whole_in(query, "limit", DEFAULT_LISTED, 1, MAX_LISTED)}
    if "actionId" in query:
        if not is_name(query["actionId"]):
            raise MalformedRequest("actionId must be visible ASCII without commas", param="actionId")
        given["actionId"] = query["actionId"]
    return Order(tenant, WHY_NOT, at_us, given)
