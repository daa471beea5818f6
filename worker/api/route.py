"""POST /v2/route: what would be decided for a request now, with every number's source, and nothing sent or held.

The body is a chat body, or just {"text": "..."}; the decision is the one that admission would make of it, digest and
all. A refusal is an answer like any other.
"""

from __future__ import annotations

import json
from typing import Any

from worker.admission import UNKNOWN_COVENANT, Facts, Refusal
from worker.api.answers import Headers, Receive, Scope, Send, send_error, send_json
from worker.api.asked import facts_of
from worker.api.auth import identify
from worker.api.chat import read_body
from worker.api.covenant_headers import covenant_headers, warning_headers
from worker.api.decisions import present_candidates
from worker.api.guarding import guard_chat
from worker.api.refusals import refusal_error
from worker.canon.decide import Terms
from worker.errors import HarpoonError, MalformedRequest
from worker.guard.guarding import guarded_facts
from worker.routing.candidates import requested_routes
from worker.routing.catalogue import CompiledCatalogue, Offer, Route
from worker.services import Services
from worker.strict_json import JsonLimits, parse_object
from worker.upstream.wire import parse_chat


class ExplainRoute:
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        headers: Headers = [(b"x-request-id", services.ids.new("req").encode())]
        try:
            caller = await identify(services, scope)
            given = await read_body(scope, receive, services.limits.json.max_bytes)
            if given is None:
                return
            covenant = covenant_headers(scope)
            body = chat_body(given, services.limits.json)
            request = parse_chat(body, covenant.text, services.limits.json, covenant.lenient)
            requested_routes(services.catalogue, request.model)
            facts = facts_of(services, scope, caller, headers[0][1].decode(), body, covenant.raw, request)
            guarded = guard_chat(services.guard, request)
            if guarded is not None:
                facts = guarded_facts(facts, guarded)
            found = await services.mediator.explain(facts)
            if found["refusal"] is not None and found["refusal"]["kind"] == UNKNOWN_COVENANT:
                raise refusal_error(services.catalogue, Refusal(UNKNOWN_COVENANT, ()), facts)
            headers += warning_headers(request.covenant_warnings)
            await send_json(send, explanation(services.catalogue, facts, found), headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


def chat_body(body: bytes, limits: JsonLimits) -> bytes:
    """The chat body that is explained: the bytes as they came, or `text` as the only message.

    The model is auto if none is named. Raises: MalformedRequest; RequestTooLarge.
    """
    parsed = parse_object(body, limits)
    replace: dict[str, str | None] = {}
    if "text" in parsed.values:
        text = parsed.values["text"]
        if not isinstance(text, str) or "messages" in parsed.values:
            raise MalformedRequest("give the prompt once: text, a string, or messages", param="text")
        replace["text"] = None
        replace["messages"] = json.dumps([{"role": "user", "content": text}])
    if "model" not in parsed.values:
        replace["model"] = '"auto"'
    return parsed.with_members(replace) if replace else body


def explanation(catalogue: CompiledCatalogue, facts: Facts, found: dict[str, Any]) -> dict[str, Any]:
    """The answer's value, from what the mediator found out."""
    decision = found["decision"]
    candidates = present_candidates(decision)
    ranking = [candidates[position]["route"] for position in decision["ranking"]]
    winner = found["terms"][decision["ranking"][0]] if ranking else None
    for position, candidate in enumerate(candidates):
        route = candidate["route"]
        admitted = not candidate["denials"]
        candidate["verdict"] = "selected" if ranking[:1] == [route] else "admitted" if admitted else "denied"
        if position >= len(found["terms"]):
            continue  # nobody can call it, so nothing was estimated
        terms = found["terms"][position]
        candidate["estimate_sources"] = _sources(
            catalogue, catalogue.by_id[route], decision, found["observed"][position], found["waits"][position]
        )
        if found["waits"][position] is not None:
            candidate["pool_wait"] = found["waits"][position]
        candidate["terms"] = terms
        if admitted and winner is not None and route != ranking[0]:
            candidate["difference"] = {name: terms[name] - winner[name] for name in Terms._fields}
            candidate["to_tie"] = found["ties"][position]
    refusal = found["refusal"]
    if refusal is not None:
        problem = refusal_error(catalogue, Refusal(refusal["kind"], tuple(refusal["reasons"])), facts)
        refusal = {"kind": refusal["kind"], "message": problem.message, "reasons": refusal["reasons"]}
    version, complexity, task, p_small_fails_ppm, expected_output_tokens = decision["classification"]
    return {
        "object": "route_explanation",
        "classification": {
            "complexity": complexity,
            "task": task,
            "p_small_fails_ppm": p_small_fails_ppm,
            "expected_output_tokens": expected_output_tokens,
            "model_version": version,
        },
        "policy": decision["policy"],
        "decision_digest": found["decision_digest"],
        "selected": found["selected"],
        "ranking": ranking,
        "candidates": candidates,
        "refusal": refusal,
        "flips": found["flips"],
    }


def _sources(
    catalogue: CompiledCatalogue,
    route: Route,
    decision: dict[str, Any],
    observed: dict[str, Any],
    wait: dict[str, Any] | None,
) -> dict[str, Any]:
    """Where each of a candidate's estimates comes from."""
    offer = _offer_of(catalogue, route)
    version = catalogue.source.version
    ttv: dict[str, Any] = {"source": "catalogue", "version": version}
    if observed["samples"]:
        ttv = {"source": "observed", "samples": observed["samples"], "ratio_ppm": observed["ratio_ppm"]}
    if wait is not None:
        ttv = {"source": "pool", "samples": observed["samples"], "ratio_ppm": observed["ratio_ppm"]}
    return {
        "ttv_us": ttv,
        "cost_usd_micros": {
            "source": "price table",
            "priced_on": offer.priced_on,
            "price_source": offer.price_source,
            "pool": route.pool,
        },
        "success_ppm": {
            "source": "classifier and model profile",
            "classifier": decision["classification"][0],
            "failure_factor_ppm": route.failure_factor_ppm,
        },
        "risk_ppm": {"source": "pool table", "pool": route.pool, "version": version},
    }


def _offer_of(catalogue: CompiledCatalogue, route: Route) -> Offer:
    return next(
        offer
        for offer in catalogue.source.offers
        if (offer.provider, offer.model) == (route.provider, route.model) and route.pool in offer.pools
    )
