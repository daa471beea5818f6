"""Looking into decisions: those that were made, the one that would be, what they rest on, and what is happening now."""

from __future__ import annotations

from worker.api.openapi.parts import (
    ANY_OBJECT,
    BOOLEAN,
    COUNT,
    NULLABLE_STRING,
    STRING,
    USD,
    Plain,
    answer,
    body,
    chat_parameters,
    errors,
    event_stream,
    in_header,
    in_path,
    list_of,
    one_of,
    operation,
    or_null,
    query,
    record,
    ref,
)

_DECISION_ID: Plain = {"type": "string", "pattern": "^dec_[0-9a-f]{32}$"}
_REQUEST_ID: Plain = {"type": "string", "pattern": "^req_[0-9a-f]{32}$"}
_INTEGER: Plain = {"type": "integer"}


def paths() -> Plain:
    decision = operation(
        "getDecision",
        "One decision of yours: inputs, candidates, ranking, outcome, cost",
        {"200": answer("The decision.", ref("Decision")), **errors(401, 403, 404, 500)},
        parameters=[in_path("decision_id", {"type": "string", "minLength": 1}, "from x-harpoon-decision-id")],
    )
    certificate = operation(
        "getDecisionCertificate",
        "A decision with all it takes to derive it again: `harpoon certificate verify` does, without a server",
        {"200": answer("The certificate.", ref("Certificate")), **errors(401, 403, 404, 409, 500)},
        parameters=[in_path("decision_id", {"type": "string", "minLength": 1}, "from x-harpoon-decision-id")],
    )
    decisions = operation(
        "listDecisions",
        "Your decisions, newest first",
        {"200": answer("A page.", ref("DecisionList")), **errors(400, 401, 403, 500)},
        parameters=[
            query("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "how many; 20 if absent"),
            query("before", _DECISION_ID, "only those made before this one"),
            query("request_id", _REQUEST_ID, "only those of this request"),
        ],
    )
    catalogue = operation(
        "getCatalogue",
        "The catalogue in force, and whose providers can be called",
        {"200": answer("The catalogue.", ref("Catalogue")), **errors(401, 403, 500)},
    )
    return {
        "/v1/decisions": {"get": decisions},
        "/v1/decisions/{decision_id}": {"get": decision},
        "/v1/decisions/{decision_id}/certificate": {"get": certificate},
        "/v2/route": {"post": _route()},
        "/v2/catalogue": {"get": catalogue},
        "/api/live": {"get": _live()},
    }


def _route() -> Plain:
    return operation(
        "explainRoute",
        "What would be decided for a request now, and where the choice would turn; nothing is sent or held",
        {
            "200": answer(
                "The decision, a refusal included.",
                ref("RouteExplanation"),
                ("x-request-id", "x-harpoon-covenant-warnings"),
            ),
            **errors(400, 401, 403, 404, 413, 422, 500),
        },
        parameters=chat_parameters(),
        requestBody=body(ref("RouteRequest"), {"text": "What is a vGPU?", "covenant": {"budget_usd": 1}}),
    )


def _live() -> Plain:
    events = event_stream("its id is where to go on from", "event", "id")
    stream = {"description": "Events until the request has ended.", "content": {"text/event-stream": events}}
    identifier: Plain = {"anyOf": [_REQUEST_ID, _DECISION_ID]}
    return operation(
        "live",
        "What happens to a request, or to all of yours, while it happens",
        {
            "200": stream,
            "204": {"description": "Nothing is left to tell."},
            **errors(400, 401, 403, 404, 413, 429, 500),
        },
        parameters=[
            query("request_id", identifier, "a request or a decision of yours; absent = all"),
            in_header("last-event-id", STRING, "the id of the last event seen"),
        ],
    )


def schemas() -> Plain:
    decision: Plain = {
        "object": one_of("decision"),
        "id": STRING,
        "request_id": STRING,
        "at_us": COUNT,
        "state": one_of("open", "settled", "unsettled", "denied"),
        "decision_digest": STRING,
        "outcome": {"type": ["object", "null"]},
        "attempts": list_of(record({"route": STRING, "cause": STRING, "status": COUNT, "elapsed_us": COUNT})),
        "cost_usd_micros": COUNT,
        "cost_usd": USD,
        "selected": NULLABLE_STRING,
        "ranking": list_of(STRING),
        "candidates": list_of(ref("JudgedCandidate")),
        "inputs": ANY_OBJECT,
    }
    denial: Plain = {"reason_code": STRING, "subject": STRING, "bound": _INTEGER, "value": _INTEGER}
    certificate: Plain = {
        "v": COUNT,
        "kind": one_of("request"),
        "decision_digest": STRING,
        "catalogue": ANY_OBJECT,
        "decision": ANY_OBJECT,
        "selected": NULLABLE_STRING,
        "terms": list_of(or_null(ANY_OBJECT)),
        "digest": STRING,
    }
    page: Plain = {"object": one_of("list"), "data": list_of(ref("Decision")), "has_more": BOOLEAN}
    catalogue: Plain = {
        "object": one_of("catalogue"),
        "catalogue_hash": STRING,
        "configured": list_of(STRING),
        "catalogue": ANY_OBJECT,
    }
    return {
        "Decision": record(decision),
        "JudgedCandidate": record({"route": STRING, "denials": list_of(record(denial))}, is_open=True),
        "DecisionList": record(page),
        "Certificate": record(certificate),
        "Catalogue": record(catalogue),
        "RouteRequest": _request(),
        "RouteExplanation": _explanation(),
    }


def _request() -> Plain:
    message = record({"role": one_of("user", "system", "assistant"), "content": STRING}, is_open=True)
    members: Plain = {
        "text": STRING,
        "messages": list_of(message, minItems=1),
        "model": {"type": "string", "minLength": 1, "maxLength": 256},
        "covenant": ref("Covenant"),
        "covenant_id": {"type": ["string", "null"], "pattern": "^cov-[0-9a-f]{8}$"},
        "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 10_000_000},
    }
    either: list[Plain] = [{"required": ["text"]}, {"required": ["messages"]}]
    return {**record(members, optional=members, is_open=True), "oneOf": either}


def _explanation() -> Plain:
    classification: Plain = {
        "complexity": one_of("simple", "moderate", "complex"),
        "task": STRING,
        "p_small_fails_ppm": COUNT,
        "expected_output_tokens": COUNT,
        "model_version": STRING,
    }
    refusal = record({"kind": STRING, "message": STRING, "reasons": list_of(STRING)})
    return record(
        {
            "object": one_of("route_explanation"),
            "classification": record(classification),
            "policy": ANY_OBJECT,
            "decision_digest": STRING,
            "selected": NULLABLE_STRING,
            "ranking": list_of(STRING),
            "candidates": list_of(ref("JudgedCandidate")),
            "refusal": or_null(refusal),
            "flips": list_of(ANY_OBJECT),
        }
    )
