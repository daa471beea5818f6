"""Covenants: how one is read, and those that are stored."""

from __future__ import annotations

from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    MODE,
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
    operation,
    or_null,
    query,
    record,
    ref,
)

_OBJECT_OR_NULL: Plain = {"type": ["object", "null"]}
_EXAMPLE = {
    "title": "One login for every service",
    "description": "Bring the services under one way to log in",
    "reality_state": {"description": "Each service has its own", "key_aspects": ["three user tables"]},
    "target_state": {"description": "One login", "success_criteria": ["one user table"]},
    "covenant": "$2 budget, 30s timeout",
}


def paths() -> Plain:
    created = answer(
        "The covenant.", ref("CreatedCovenant"), ("x-request-id", "x-harpoon-covenant-warnings", "location")
    )
    create = operation(
        "createCovenant",
        "Store a covenant; requests that name its id draw on its budget",
        {"201": created, **errors(400, 401, 403, 413, 422, 500)},
        parameters=[MODE],
        requestBody=body(ref("CovenantDocument"), _EXAMPLE),
    )
    listed = operation(
        "listCovenants",
        "Your covenants, newest first",
        {"200": answer("A page.", ref("CovenantList")), **errors(400, 401, 403, 404, 500)},
        parameters=[
            query("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "how many; 20 if absent"),
            query("before", {"type": "string", "pattern": "^cov-[0-9a-f]{8}$"}, "only those created before this one"),
        ],
    )
    found = operation(
        "getCovenant",
        "One covenant of yours, with what has been spent under it",
        {"200": answer("The covenant.", ref("StoredCovenant")), **errors(401, 403, 404, 500)},
        parameters=[in_path("covenant_id", {"type": "string", "pattern": "^cov-[0-9a-f]{8}$"}, "its id")],
    )
    parse = operation(
        "parseCovenant",
        "How a covenant is read: policy, and the words each part came from",
        {"200": answer("The reading.", ref("Reading")), **errors(400, 401, 403, 413, 422, 500)},
        parameters=[MODE],
        requestBody=body(ref("ParseRequest"), {"text": "$2 budget, 30s timeout, high security"}),
    )
    return {
        "/v2/covenant": {"post": create, "get": listed},
        "/v2/covenant/{covenant_id}": {"get": found},
        "/v2/covenant/parse": {"post": parse},
    }


def schemas() -> Plain:
    words: Plain = {"type": "string", "minLength": 1, "maxLength": 2000}
    clause = {
        "rule": STRING,
        "field": STRING,
        "value": STRING,
        "start": COUNT,
        "end": COUNT,
        "words": STRING,
        "stands": BOOLEAN,
    }
    reading: Plain = {
        "policy": ref("PolicyFields"),
        "clauses": list_of(record(clause)),
        "flags": list_of(STRING),
        "served": BOOLEAN,
        "refusal": NULLABLE_STRING,
        "warnings": list_of(STRING),
        "pool": or_null(ref("PoolChoice")),
    }
    parse: Plain = {"text": words, "covenant": {"anyOf": [words, ANY_OBJECT]}, "mode": one_of("lenient")}
    page: Plain = {"object": one_of("list"), "data": list_of(ref("StoredCovenant")), "has_more": BOOLEAN}
    return {
        "CovenantDocument": _document(),
        "StoredCovenant": record(_stored()),
        "CreatedCovenant": record({**_stored(), "warnings": list_of(STRING)}),
        "CovenantList": record(page),
        "PolicyFields": _policy(),
        "PoolChoice": _pool_choice(),
        "ParseRequest": {**record(parse, optional=parse), "minProperties": 1},
        "Reading": record(reading),
    }


def _document() -> Plain:
    reality: Plain = {"description": STRING, "key_aspects": list_of(STRING)}
    target: Plain = {"description": STRING, "success_criteria": list_of(STRING)}
    members: Plain = {
        "title": {"type": "string", "minLength": 1, "maxLength": 300},
        "description": STRING,
        "intent": STRING,
        "reality_state": record(reality, optional=reality, is_open=True),
        "target_state": record(target, optional=target, is_open=True),
        "metadata": ANY_OBJECT,
        "covenant": {"anyOf": [ANY_OBJECT, {"type": "string", "minLength": 1, "maxLength": 2000}]},
        "text": {"type": "string", "minLength": 1, "maxLength": 2000},
        "constraints": ANY_OBJECT,
    }
    either = [{"required": [name]} for name in ("title", "intent", "covenant", "text", "constraints")]
    return {**record(members, optional=members, is_open=True), "anyOf": either}


def _stored() -> Plain:
    return {
        "object": one_of("covenant"),
        "covenant_id": {"type": "string", "pattern": "^cov-[0-9a-f]{8}$"},
        "created_us": COUNT,
        "status": one_of("active", "completed"),
        "title": NULLABLE_STRING,
        "description": NULLABLE_STRING,
        "intent": NULLABLE_STRING,
        "reality_state": _OBJECT_OR_NULL,
        "target_state": _OBJECT_OR_NULL,
        "metadata": _OBJECT_OR_NULL,
        "covenant": {"type": ["object", "string", "null"]},
        "constraints": _OBJECT_OR_NULL,
        "policy": ref("PolicyFields"),
        "spent_usd": USD,
        "reserved_usd": USD,
        "budget": _OBJECT_OR_NULL,
    }


def _policy() -> Plain:
    """The fields of the covenant data set."""
    number: Plain = {"type": ["number", "null"], "minimum": 0}
    members: Plain = {
        "budget_usd": number,
        "budget_other": or_null(record({"amount": {"type": "number"}, "currency": STRING})),
        "budget_scope": NULLABLE_STRING,
        "deadline_s": number,
        "quality": NULLABLE_STRING,
        "priority": NULLABLE_STRING,
        "residency": list_of(STRING),
        "residency_exclude": list_of(STRING),
        "requirements": list_of(STRING),
        "flags": list_of(STRING),
    }
    return record(members)


def _pool_choice() -> Plain:
    pool: Plain = {
        "pool": STRING,
        "sharing_ratio": COUNT,
        "scheduling": STRING,
        "optimisation": STRING,
        "guaranteed_share_percent": COUNT,
    }
    return record({**pool, "alternatives": list_of(record(pool))})
