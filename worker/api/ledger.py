"""GET /api/ledger/checkpoint, /entries, /proof and /verify: a tenant's log, for whoever wants to hold us to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.routing import Route

from worker.api.answers import Headers, Receive, Scope, Send, send_error, send_json
from worker.api.auth import authenticate
from worker.api.query import read_query, whole_in
from worker.errors import CallerError, HarpoonError, MalformedRequest
from worker.ledger.checkpoint import Checkpoint, checkpoint_from_text, key_id_of
from worker.ledger.entry import ENTRIES_PER_LOG
from worker.ledger.log import CONSISTENCY, ENTRIES, HEAD, INCLUSION, KEEP, OUT_OF_RANGE, VERIFY
from worker.ledger.sha3 import sha3_256
from worker.services import Services

DEFAULT_LISTED, MAX_LISTED = 100, 1_000
_MOST = ENTRIES_PER_LOG
_PROOF_FIELDS = ("entry", "size", "first", "second")


class NoSuchEntry(CallerError):
    """The log does not have an entry, or a size, that is asked about."""

    status = 404
    code = "entry_not_found"


Handler = Callable[[Services, str, Scope, Receive], Awaitable[dict[str, Any] | None]]


class Ledger:
    """One path of the surface, as an ASGI application."""

    def __init__(self, services: Services, handler: Handler) -> None:
        self._services = services
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = [(b"x-request-id", self._services.ids.new("req").encode())]
        try:
            tenant = await authenticate(self._services, scope)
            found = await self._handler(self._services, tenant, scope, receive)
            if found is not None:
                await send_json(send, found, headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


def ledger_routes(services: Services) -> list[Route]:
    """The paths of the surface."""
    return [
        Route("/api/ledger/checkpoint", Ledger(services, checkpoint), methods=["GET"]),
        Route("/api/ledger/entries", Ledger(services, entries), methods=["GET"]),
        Route("/api/ledger/proof", Ledger(services, proof), methods=["GET"]),
        Route("/api/ledger/verify", Ledger(services, verify), methods=["GET"]),
    ]


async def checkpoint(services: Services, tenant: str, scope: Scope, _receive: Receive) -> dict[str, Any]:
    """The log as it is now, signed where the host has a key. Of one size there is one, so asking again costs little."""
    read_query(scope, ())
    signer = services.signer
    public_key = b"" if signer is None else signer.public_key()
    # One block, so the reference does: here is no hasher, all other hashing is the mediator's.
    key_id = key_id_of(sha3_256, public_key) if public_key else ""
    head = await services.mediator.ledger(tenant, HEAD, {})
    kept = head["checkpoint"]
    if kept is not None and checkpoint_from_text(kept).key_id == key_id:
        return _shown(checkpoint_from_text(kept), public_key)
    made = Checkpoint(tenant, head["size"], bytes.fromhex(head["root"]), services.clock.now_us())
    if signer is not None:
        made = made._replace(key_id=key_id, signature=await signer.sign(made.signed))
    # Somebody else may have asked at the same time; then both get the one that was first.
    kept = (await services.mediator.ledger(tenant, KEEP, {"text": made.to_text()}))["text"]
    return _shown(checkpoint_from_text(kept), public_key)


async def entries(services: Services, tenant: str, scope: Scope, _receive: Receive) -> dict[str, Any]:
    """Entries as they are stored, oldest first, page by page."""
    query = read_query(scope, ("after", "limit", "openings"))
    limit = whole_in(query, "limit", DEFAULT_LISTED, 1, MAX_LISTED)
    first = whole_in(query, "after", -1, 0, _MOST) + 1
    given = {"first": first, "limit": limit, "is_open": bool(whole_in(query, "openings", 0, 0, 1))}
    found = await services.mediator.ledger(tenant, ENTRIES, given)
    listed = found["entries"]
    return {"object": "list", "data": listed, "has_more": bool(listed) and listed[-1]["seq"] + 1 < found["size"]}


async def proof(services: Services, tenant: str, scope: Scope, _receive: Receive) -> dict[str, Any]:
    """That an entry is in the log (`entry`, `size`), or that the log only grew (`first`, `second`)."""
    query = read_query(scope, _PROOF_FIELDS)
    inclusion, consistency = query.keys() & {"entry", "size"}, query.keys() & {"first", "second"}
    if bool(inclusion) == bool(consistency):
        raise MalformedRequest("ask for entry, and if you like size; or for first, and if you like second")
    name, until, act = ("entry", "size", INCLUSION) if inclusion else ("first", "second", CONSISTENCY)
    if name not in query:
        raise MalformedRequest(f"{name} is missing", param=name)
    last = whole_in(query, until, 1, 1, _MOST) if until in query else None
    given = {name: whole_in(query, name, 0, 0 if inclusion else 1, _MOST), until: last}
    found = await services.mediator.ledger(tenant, act, given)
    if found.get("problem") == OUT_OF_RANGE:
        raise NoSuchEntry(f"your log has {found['size']} entries, and no such proof")
    return {"object": "inclusion_proof" if inclusion else "consistency_proof", **found}


async def verify(services: Services, tenant: str, scope: Scope, receive: Receive) -> dict[str, Any] | None:
    """The whole log worked out anew from what is stored, some entries a transaction, for as long as somebody waits."""
    read_query(scope, ())
    given: dict[str, Any] = {"state": None, "size": None, "limit": services.limits.ledger_batch}
    leaving = asyncio.ensure_future(_left(receive))
    try:
        while not leaving.done():
            found = await services.mediator.ledger(tenant, VERIFY, given)
            if "report" in found:
                return {"object": "ledger_report", **found["report"]}
            given = {**given, "state": found["state"], "size": found["size"]}
        return None
    finally:
        leaving.cancel()


async def _left(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _shown(found: Checkpoint, public_key: bytes) -> dict[str, Any]:
    return {
        "object": "ledger_checkpoint",
        "tenant": found.tenant,
        "size": found.size,
        "root": found.root.hex(),
        "at_us": found.at_us,
        "text": found.to_text(),
        "key_id": found.key_id or None,
        "public_key": public_key.hex() or None,
        "signature": found.signature.hex() or None,
    }
