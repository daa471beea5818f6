"""The canon: decisions asked of it, its items, and what was denied."""

from __future__ import annotations

from worker.api.openapi import canon_answers
from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    STRING,
    Plain,
    answer,
    body,
    errors,
    in_header,
    in_path,
    list_of,
    one_of,
    operation,
    query,
    record,
    ref,
)
from worker.canon.items import KINDS, LEVELS, SEVERITIES, SOURCES
from worker.canon.promotion import OUTCOMES

_NAME: Plain = {
    "type": "string",
    "pattern": "^[!-+\\-.-~]{1,128}$",
    "description": "visible ASCII without commas",
}
_HASH: Plain = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_WHOLE: Plain = {"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991}
_PPM: Plain = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_NAMES: Plain = {"type": "array", "items": _NAME, "maxItems": 8, "uniqueItems": True}
_KEY_TEXT: Plain = {"type": "string", "pattern": "^[!-~]{1,255}$"}
_HEADERS = ("x-request-id", "idempotency-replayed")
_REFUSALS = (400, 401, 403, 409, 413, 422, 500)


def _key() -> Plain:
    return in_header("idempotency-key", _KEY_TEXT, "the same key again: the same answer, done once")


def _features() -> Plain:
    return record({"ttv_us": _WHOLE, "cost_usd_micros": _WHOLE, "risk_ppm": _PPM, "success_ppm": _PPM})


def _bounds() -> Plain:
    bounds = {"max_cost_usd_micros": _WHOLE, "max_risk_ppm": _PPM, "min_success_ppm": _PPM}
    return record(bounds, optional=bounds, is_open=True)


def paths() -> Plain:
    return {
        "/api/canon/decide": {"post": _decide()},
        "/api/canon/promote": {"post": _promote()},
        "/api/canon/items": {"get": _list(), "post": _change()},
        "/api/canon/items/{item_id}": {"get": _read()},
        "/api/why-not": {"get": _why_not()},
    }


def _decide() -> Plain:
    action = {
        "actionId": "answer-42",
        "intent": {"objective": "answer the question", "proposedAction": "route"},
        "canonRefs": [],
    }
    return operation(
        "decide",
        "Decide between candidates, or whether one action may be taken; recorded before it is answered",
        {
            "200": answer("The decision, a denial included.", ref("CanonDecision"), _HEADERS),
            **errors(*_REFUSALS),
        },
        parameters=[_key()],
        requestBody=body({"oneOf": [ref("DecisionProblem"), ref("ProposedAction")]}, action),
    )


def _promote() -> Plain:
    return operation(
        "promote",
        "Raise an item by one level, if what was recorded of it passes the tests",
        {
            "200": answer("Made, or denied with the tests that failed.", ref("CanonPromotion"), _HEADERS),
            **errors(*_REFUSALS, 404),
        },
        parameters=[_key()],
        requestBody=body(ref("Promotion"), {"itemId": "deploy-needs-review", "evidenceRefs": ["entry:0"]}),
    )


def _change() -> Plain:
    example = {
        "id": "deploy-needs-review",
        "kind": "definition",
        "applies_to": ["deploy"],
        "provenance": {"source": "chat", "ref": "what was said on Monday"},
        "content": {"text": "a deployment is reviewed first"},
    }
    return operation(
        "changeItem",
        "Propose an item, demote one, or supersede one by another",
        {
            "200": answer("The item as it stands now.", ref("CanonChange"), _HEADERS),
            "201": answer("The item, at EVIDENCE.", ref("CanonChange"), _HEADERS),
            **errors(*_REFUSALS, 404),
        },
        parameters=[_key()],
        requestBody=body({"oneOf": [ref("NewItem"), ref("Demotion"), ref("Supersession")]}, example),
    )


def _list() -> Plain:
    return operation(
        "listItems",
        "The items of your canon, as they stand or as they stood",
        {"200": answer("The items, without what they say.", ref("CanonItems")), **errors(400, 401, 403, 500)},
        parameters=[
            query("level", one_of(*LEVELS), "only those at this level"),
            query("kind", one_of(*KINDS), "only those of this kind"),
            query("at_us", {"type": "integer", "minimum": 0, "maximum": 2**49}, "as it stood then; UTC microseconds"),
            query("seq", {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}, "as it stood after this entry"),
        ],
    )


def _read() -> Plain:
    return operation(
        "readItem",
        "One item, what it says, and every change of it",
        {"200": answer("The item.", ref("CanonItemHistory")), **errors(400, 401, 403, 404, 500)},
        parameters=[in_path("item_id", _NAME, "the item's id")],
    )


def _why_not() -> Plain:
    return operation(
        "whyNot",
        "Denials, newest first; at least one of actionId and tenantId",
        {"200": answer("The denials.", ref("WhyNotList")), **errors(400, 401, 403, 500)},
        parameters=[
            query("actionId", _NAME, "of this action, candidate or item, or the decision id of a denied request"),
            query("tenantId", {"type": "string", "minLength": 1}, "your tenant; another is refused"),
            query("limit", {"type": "integer", "minimum": 1, "maximum": 1_000}, "at most so many; 100"),
        ],
    )


def schemas() -> Plain:
    return {**_asked(), **_changes(), **canon_answers.schemas()}


def _asked() -> Plain:
    weights = ("cost_us_per_usd_micro", "risk_us_per_ppm", "improbability_us_per_micronat")
    small: Plain = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
    candidate = record({"id": _NAME, "features": _features()}, is_open=True)
    reference: Plain = {"anyOf": [record({"id": _NAME, "hash": _HASH}), _NAME]}
    intent = record({"objective": STRING, "proposedAction": _NAME, "target": _NAME}, optional=("objective", "target"))
    lists = {name: _NAMES for name in ("tags", "prerequisites", "resources", "reads", "writes")}
    context = {**lists, "features": _features(), "bounds": _bounds()}
    shared = {"tenantId": STRING, "idempotencyKey": _KEY_TEXT}
    problem: Plain = {
        "candidates": list_of(candidate, maxItems=200),
        "weights": record(dict.fromkeys(weights, small)),
        "goal": STRING,
        "horizon_us": {**_WHOLE, "minimum": 1},
        "bounds": _bounds(),
        "invariants": list_of(ANY_OBJECT),
        "agentId": _NAME,
        **shared,
    }
    action: Plain = {
        "actionId": _NAME,
        "intent": intent,
        "canonRefs": list_of(reference, maxItems=16),
        "context": record(context, optional=context),
        "agentId": _NAME,
        **shared,
    }
    return {
        "DecisionProblem": record(
            problem, optional=[name for name in problem if name not in ("candidates", "weights")]
        ),
        "ProposedAction": record(action, optional=("canonRefs", "context", "agentId", *shared)),
    }


def _changes() -> Plain:
    trial = record(
        {
            "trial_id": _NAME,
            "context": _NAME,
            "with_item": BOOLEAN,
            "outcome": one_of(*OUTCOMES),
            "seed": _WHOLE,
            "artefact_hash": _HASH,
        }
    )
    promotion: Plain = {
        "itemId": _NAME,
        "to": one_of(*LEVELS),
        "evidenceRefs": list_of({"type": "string", "maxLength": 128}, maxItems=8),
        "trials": list_of(trial, maxItems=16),
        "scenarios": list_of(ANY_OBJECT, maxItems=8),
        "tests": {"type": "object", "description": "a verdict of the caller's own, which is passed over"},
        "tenantId": STRING,
        "idempotencyKey": _KEY_TEXT,
    }
    origin = record(
        {"source": one_of(*SOURCES), "ref": {**STRING, "minLength": 1}, "author": STRING}, optional=("author",)
    )
    new: Plain = {
        "act": one_of("propose"),
        "id": _NAME,
        "kind": one_of(*KINDS),
        "level": one_of(LEVELS[0]),
        "applies_to": {**_NAMES, "minItems": 1},
        "severity": one_of(*SEVERITIES),
        "provenance": origin,
        "content": {"type": "object", "additionalProperties": STRING},
        "content_hash": _HASH,
        "tenantId": STRING,
        "idempotencyKey": _KEY_TEXT,
    }
    why: Plain = {"type": "string", "minLength": 1, "maxLength": 512}
    fall: Plain = {"id": _NAME, "reason": why, "tenantId": STRING, "idempotencyKey": _KEY_TEXT}
    shared = ("tenantId", "idempotencyKey")
    return {
        "Promotion": record(promotion, optional=[name for name in promotion if name != "itemId"]),
        "NewItem": record(new, optional=[name for name in new if name not in ("id", "kind", "provenance", "content")]),
        "Demotion": record({"act": one_of("demote"), **fall, "to": one_of(*LEVELS)}, optional=("to", *shared)),
        "Supersession": record({"act": one_of("supersede"), **fall, "by": _NAME}, optional=shared),
    }
