"""What the descriptions of all surfaces are made of: answers, errors, headers, and the schemas they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Plain = dict[str, Any]

#: What each status of an error means here, whatever the endpoint.
ERRORS: Mapping[int, str] = {
    400: "The request can't be read: not JSON, a wrong type, a missing or unknown field; or the provider refused it.",
    401: "No token, or one that is not known here.",
    402: "Only a budget stands in the way.",
    403: "Nothing is admissible; or, without tokens, the request doesn't come from this machine.",
    404: "There is no such model, decision, covenant, tenant, key or item; or administration is off.",
    409: "It contradicts what is there: a name that is taken, a key that was revoked.",
    413: "The body is larger than this host reads.",
    422: "The covenant has words or values that are not guessed at; or an idempotency key was used for something else.",
    429: "A limit of yours is reached, and is named; or every provider asked is at its rate limit.",
    500: "A fault of this service or its database.",
    501: "Understood, but not built yet; nothing was done.",
    503: "No route answered.",
    504: "The deadline passed.",
}
#: What can go wrong wherever a model is asked.
OF_A_CHAT = (400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 504)

STRING: Plain = {"type": "string"}
NULLABLE_STRING: Plain = {"type": ["string", "null"]}
BOOLEAN: Plain = {"type": "boolean"}
COUNT: Plain = {"type": "integer", "minimum": 0}
NULLABLE_COUNT: Plain = {"type": ["integer", "null"], "minimum": 0}
ANY_OBJECT: Plain = {"type": "object"}
PROBABILITY: Plain = {"type": "number", "minimum": 0, "maximum": 1}
USD: Plain = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,6})?$", "description": "US dollars, as a decimal number"}


def text(pattern: str, description: str = "") -> Plain:
    """A string of this form."""
    return {"type": "string", "pattern": pattern, **({"description": description} if description else {})}


def one_of(*values: str) -> Plain:
    return {"type": "string", "enum": list(values)}


def list_of(items: Plain, **bounds: int) -> Plain:
    return {"type": "array", "items": items, **bounds}


def or_null(schema: Plain) -> Plain:
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Plain:
    """A schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, Plain], *, optional: Iterable[str] = (), is_open: bool = False) -> Plain:
    """An object of these members, all required but the `optional`; `is_open` = there may be others."""
    left_out = set(optional)
    found: Plain = {"type": "object", "properties": dict(properties)}
    required = [name for name in properties if name not in left_out]
    if required:
        found["required"] = required
    if not is_open:
        found["additionalProperties"] = False
    return found


def answer(description: str, schema: Plain, headers: Iterable[str] = ("x-request-id",)) -> Plain:
    """A JSON answer."""
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {"application/json": {"schema": schema}},
    }


def event_stream(description: str, *fields: str) -> Plain:
    """Server-sent events as a media type: its schema is of each event as it is read, which OpenAPI 3.1 leaves open.

    Args: fields: what an event has besides its data, where it says so; a reader may add the standard's defaults.
    """
    event = record({"data": STRING, **dict.fromkeys(fields, STRING)}, optional=fields, is_open=True)
    return {"schema": {**event, "description": f"each of the server-sent events; {description}"}}


def errors(*statuses: int) -> Plain:
    """Error answers by status."""
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def body(schema: Plain, example: Any) -> Plain:
    """A JSON request body, which is required."""
    return {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}


def operation(
    operation_id: str, summary: str, responses: Mapping[str, Plain], *, is_open: bool = False, **members: Any
) -> Plain:
    """One operation; `is_open` = it needs no token where tokens are set."""
    security: list[Plain] = [] if is_open else [{"token": []}]
    return {
        "operationId": operation_id,
        "summary": summary,
        "security": security,
        **members,
        "responses": dict(responses),
    }


def query(name: str, schema: Plain, description: str) -> Plain:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def in_path(name: str, schema: Plain, description: str) -> Plain:
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": description}


def in_header(name: str, schema: Plain, description: str) -> Plain:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


#: How a covenant that can't be read is dealt with.
MODE: Plain = in_header("x-harpoon-covenant-mode", one_of("lenient"), "what can't be read is a warning, no refusal")


def chat_parameters() -> list[Plain]:
    """Headers that requests for a chat may have."""
    short = {"type": "string", "maxLength": 128}
    return [
        in_header(
            "x-harpoon-covenant", STRING, "the covenant, for clients that can't change the body; give one of the two"
        ),
        MODE,
        in_header("x-session-id", short, "kept with the record, used for nothing else"),
        in_header("x-user-id", short, "kept with the record; whose daily budget it is, where users have one"),
        in_header(
            "x-harpoon-intent-at",
            {"type": "string", "pattern": "^[0-9]{1,16}$"},
            "when the intent arose, in microseconds since 1970, of the last seven days; kept with the record",
        ),
    ]


#: Headers of answers where a limit by the minute is set.
OF_LIMITS = (
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
)
#: Headers of an answer that a route gave.
OF_AN_ANSWER = (
    "x-request-id",
    "x-harpoon-decision-id",
    "x-harpoon-complexity",
    "x-harpoon-policy",
    "x-harpoon-route",
    "x-harpoon-attempts",
    "x-harpoon-simulated",
    "x-harpoon-cost-usd",
    "x-harpoon-covenant-warnings",
    "openai-processing-ms",
    "cf-aig-cache-status",
    *OF_LIMITS,
)
_HEADERS: Mapping[str, str] = {
    "x-request-id": "Quote it when you ask for help.",
    "x-harpoon-decision-id": "The id for GET /v1/decisions/{decision_id}.",
    "x-harpoon-complexity": "simple, moderate or complex.",
    "x-harpoon-policy": "The covenant as it was read.",
    "x-harpoon-route": "provider/model@pool that answered.",
    "x-harpoon-attempts": "Upstream calls that ended.",
    "x-harpoon-simulated": "1 = no model is behind the answer.",
    "x-harpoon-cost-usd": "What was charged, in dollars; of a stream, the last comment says it.",
    "x-harpoon-covenant-warnings": "What the covenant's words said that was not applied.",
    **{
        f"x-ratelimit-{what}-{kind}": f"{told} {kind}, where such a limit is set."
        for kind in ("requests", "tokens")
        for what, told in (
            ("limit", "How many a minute are allowed:"),
            ("remaining", "How many are allowed now:"),
            ("reset", "How long until nothing is used, such as 6m0s:"),
        )
    },
    "openai-processing-ms": "Milliseconds from the start of the request to the headers of the answer.",
    "cf-aig-cache-status": "HIT or MISS, where the answer cache was looked into.",
    "location": "Where what was created is.",
    "idempotency-replayed": "true: answered under this idempotency key before; nothing was done again.",
    "retry-after": "Seconds to wait.",
    "www-authenticate": "Bearer",
    "x-should-retry": "false: OpenAI's clients don't try again by themselves.",
}


def headers() -> Plain:
    """The components' headers."""
    return {name: {"description": description, "schema": STRING} for name, description in _HEADERS.items()}


def error_responses() -> Plain:
    """The components' error answers, by status."""
    special = {
        401: ("www-authenticate",),
        402: ("x-should-retry",),
        403: ("x-should-retry",),
        429: ("retry-after", *OF_LIMITS),
    }
    return {
        str(status): answer(description, ref("Error"), ("x-request-id", *special.get(status, ())))
        for status, description in ERRORS.items()
    }


def error_schema() -> Plain:
    """OpenAI's error object; refusals add the reasons."""
    members = {
        "message": STRING,
        "type": STRING,
        "param": NULLABLE_STRING,
        "code": NULLABLE_STRING,
        "reasons": list_of(STRING),
    }
    return record({"error": record(members, optional=("reasons",))})
