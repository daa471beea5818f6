"""Covenants over HTTP: /v2/covenant creates, reads and lists them, /v2/covenant/parse tells how one is read.

A stored covenant belongs to the tenant that created it, and never changes; requests name its id and draw on its budget.
"""

from __future__ import annotations

import json
from typing import Any

from worker.api.answers import Headers, Receive, Scope, Send, send_error, send_json
from worker.api.auth import authenticate
from worker.api.chat import read_body
from worker.api.covenant_headers import LENIENT, covenant_headers, warning_headers
from worker.api.query import id_in, read_query, whole_in
from worker.covenant.document import DESCRIBING, LIMITING, parse_document
from worker.covenant.policy import Policy, policy_from_plain
from worker.covenant.reading import Reading
from worker.covenant.requested import ID_PREFIX, names_a_covenant
from worker.covenant.served import Served, read_words, serve_object, served_policy
from worker.covenant_store import Draft
from worker.errors import HarpoonError, MalformedRequest, UnknownCovenant, UnreadableCovenant
from worker.money import usd_text
from worker.ports import Ids
from worker.routing.pool_choice import pool_choice
from worker.services import Services
from worker.strict_json import JsonLimits, parse_decimal_json, parse_object

DEFAULT_LISTED = 20
MAX_LISTED = 100
_PARSE_FIELDS = frozenset({"covenant", "mode", "text"})


class Covenants:
    """POST and GET /v2/covenant, and GET /v2/covenant/{id}, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        headers: Headers = [(b"x-request-id", services.ids.new("req").encode())]
        try:
            tenant = await authenticate(services, scope)
            if scope["method"] == "POST":
                await self._create(tenant, headers, scope, receive, send)
            elif "covenant_id" in scope["path_params"]:
                covenant_id = scope["path_params"]["covenant_id"]
                record = await services.mediator.read_covenant(tenant, covenant_id, services.clock.now_us())
                if record is None:
                    raise UnknownCovenant("no covenant of yours has this id")
                await send_json(send, present(record), headers)
            else:
                await self._list(tenant, headers, scope, send)
        except HarpoonError as problem:
            await send_error(send, problem, headers)

    async def _create(self, tenant: str, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        body = await read_body(scope, receive, services.limits.json.max_bytes)
        if body is None:
            return
        lenient = covenant_headers(scope).lenient
        document = parse_document(body, lenient, services.limits.json)
        ids = new_covenant_ids(services.ids)
        draft = Draft(tenant, ids, services.clock.now_us(), document.policy, document.text)
        created = present(await services.mediator.create_covenant(draft))
        headers += [
            (b"location", f"/v2/covenant/{created['covenant_id']}".encode()),
            *warning_headers(document.warnings),
        ]
        await send_json(send, {**created, "warnings": list(document.warnings)}, headers, 201)

    async def _list(self, tenant: str, headers: Headers, scope: Scope, send: Send) -> None:
        services = self._services
        query = read_query(scope, ("limit", "before"))
        limit = whole_in(query, "limit", DEFAULT_LISTED, 1, MAX_LISTED)
        before = id_in(query, "before", (ID_PREFIX,))
        # One more than is shown tells whether there is more.
        found = await services.mediator.list_covenants(tenant, limit + 1, before, services.clock.now_us())
        if found is None:
            raise UnknownCovenant("no covenant of yours has the id in before", param="before")
        data = [present(record) for record in found[:limit]]
        await send_json(send, {"object": "list", "data": data, "has_more": len(found) > limit}, headers)


class ParseCovenant:
    """POST /v2/covenant/parse, as an ASGI application. It reads no state and keeps nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        headers: Headers = [(b"x-request-id", services.ids.new("req").encode())]
        try:
            await authenticate(services, scope)
            body = await read_body(scope, receive, services.limits.json.max_bytes)
            if body is None:
                return
            given, lenient = parse_body(body, covenant_headers(scope).lenient, services.limits.json)
            found = explain_words(given, lenient) if isinstance(given, str) else explain_object(given, lenient)
            policy = found.pop("priority_of")
            pool = pool_choice(services.catalogue, policy.effective_priority)
            await send_json(send, {**found, "pool": pool}, headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


def parse_body(body: bytes, lenient: bool, limits: JsonLimits) -> tuple[Any, bool]:
    """The covenant to be read, words or a JSON value with Decimals, and whether leniently.

    Raises: MalformedRequest, RequestTooLarge; UnreadableCovenant for what is neither words nor an object.
    """
    parsed = parse_object(body, limits)
    unknown = sorted(parsed.values.keys() - _PARSE_FIELDS)
    if unknown:
        raise MalformedRequest("there is no such field here; there are covenant, mode and text", param=unknown[0][:64])
    mode = parsed.values.get("mode")
    if mode not in (None, LENIENT):
        raise MalformedRequest("mode may only be lenient; leave it out for the strict reading", param="mode")
    given = [name for name in ("text", "covenant") if parsed.values.get(name) is not None]
    if len(given) != 1:
        raise MalformedRequest(
            "give the covenant once: its words in text, or words or an object in covenant", param="text"
        )
    value = parse_decimal_json(parsed.raw[given[0]], limits)
    if given == ["text"] and not isinstance(value, str):
        raise MalformedRequest("text must be a string", param="text")
    if isinstance(value, str) and names_a_covenant(value):
        raise UnreadableCovenant("only words and objects can be read here", param="covenant")
    return value, lenient or mode == LENIENT


def explain_words(text: str, lenient: bool) -> dict[str, Any]:
    """How words are read, and whether a request would be served under them. Raises: UnreadableCovenant for too many."""
    reading = read_words(text)
    refusal, served = None, Served(reading.policy)
    try:
        served = served_policy(reading, lenient)
    except UnreadableCovenant as problem:
        refusal = problem.message
    return {
        "policy": reading.to_fields(),
        "clauses": [{**clause._asdict(), "words": reading.words_of(clause)} for clause in reading.clauses],
        "flags": list(reading.policy.flags),
        "served": refusal is None,
        "refusal": refusal,
        "warnings": list(served.warnings),
        "priority_of": served.policy,
    }


def explain_object(plain: Any, lenient: bool) -> dict[str, Any]:
    """How an object is read. Raises: UnreadableCovenant, because there is nothing to show of one that can't be."""
    policy, warnings = serve_object(plain, lenient)
    return {
        "policy": policy_fields(policy),
        "clauses": [],
        "flags": list(policy.flags),
        "served": True,
        "refusal": None,
        "warnings": list(warnings),
        "priority_of": policy,
    }


def new_covenant_ids(ids: Ids) -> tuple[str, ...]:
    """Four ids to choose from, `cov-` and eight hexadecimal digits each: eight alone may be taken."""
    digits = ids.new("cov").rpartition("_")[2]
    return tuple(ID_PREFIX + digits[at : at + 8] for at in range(0, 32, 8))


def policy_fields(policy: Policy) -> dict[str, Any]:
    """A policy in the fields of the covenant data set."""
    return Reading("", policy).to_fields()


def present(record: dict[str, Any]) -> dict[str, Any]:
    """A stored covenant as it is shown: its document's members, null where it has none, its policy, and its money."""
    document = json.loads(record["document"])
    budget = record["budget"]
    return {
        "object": "covenant",
        "covenant_id": record["covenant_id"],
        "created_us": record["created_us"],
        "status": record["status"],
        **{name: document.get(name) for name in (*DESCRIBING, *LIMITING)},
        "policy": policy_fields(policy_from_plain(record["policy"])),
        "spent_usd": usd_text(record["spent_usd_micros"]),
        "reserved_usd": usd_text(record["reserved_usd_micros"]),
        "budget": budget and {**budget, **{name.removesuffix("_micros"): usd_text(budget[name]) for name in budget}},
    }
