"""What a finished request is in OpenTelemetry's words: spans and measurements, after its GenAI conventions.

The one place that knows those names. They are of SEMCONV_VERSION, the last release of the semantic conventions that
holds the GenAI ones (status: development); they moved to a repository of their own after it, which has no release yet.
Attributes that begin with `harpoon.` are ours. Prompts and answers, which the conventions let one opt into, are none.

A request is a SERVER span, each of its upstream calls a CLIENT span below it. Tokens stand at the call that gave the
answer only, so that a sum over spans counts them once.

Source: https://github.com/open-telemetry/semantic-conventions/tree/v1.41.1/docs/gen-ai (gen-ai-spans, gen-ai-metrics)
"""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.admission import Attempt
from worker.routing.tables import CHAT, EMBEDDINGS, RESPONSES
from worker.telemetry import Finished, Step

SEMCONV_VERSION: Final = "1.41.1"
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{SEMCONV_VERSION}"
SERVER, CLIENT = "server", "client"
SECONDS, TOKENS, REQUESTS, USD_MICROS = "s", "{token}", "{request}", "{micro_usd}"

#: gen_ai.operation.name by endpoint; OpenAI's Responses API counts as chat.
OPERATIONS: Final = {CHAT: "chat", RESPONSES: "chat", EMBEDDINGS: "embeddings"}
#: Where the endpoints are: http.route, which must not be a path with ids in it.
HTTP_ROUTES: Final = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", EMBEDDINGS: "/v1/embeddings"}
#: gen_ai.provider.name of providers that the conventions name; others keep their id.
PROVIDER_NAMES: Final = {"openai": "openai", "groq": "groq"}

OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
REQUEST_DURATION: Final = "gen_ai.server.request.duration"
TIME_TO_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"
TIME_PER_OUTPUT_TOKEN: Final = "gen_ai.server.time_per_output_token"
REQUEST_COUNT: Final = "harpoon.requests"
COST: Final = "harpoon.cost"

_DURATION_BOUNDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_BOUNDS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
_PER_TOKEN_BOUNDS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKEN_BOUNDS: Final = tuple(4.0**power for power in range(14))

Attributes = dict[str, str | int | float | bool]


class Instrument(NamedTuple):
    """A metric: its unit, what it says, and a histogram's bounds; none of them = a counter."""

    unit: str
    description: str
    bounds: tuple[float, ...] = ()


INSTRUMENTS: Final = {
    OPERATION_DURATION: Instrument(SECONDS, "GenAI operation duration.", _DURATION_BOUNDS),
    TOKEN_USAGE: Instrument(TOKENS, "Number of input and output tokens used.", _TOKEN_BOUNDS),
    TIME_TO_FIRST_CHUNK: Instrument(SECONDS, "From a streamed call to its first chunk.", _FIRST_BOUNDS),
    REQUEST_DURATION: Instrument(SECONDS, "From a request to the last byte of its answer.", _DURATION_BOUNDS),
    TIME_TO_FIRST_TOKEN: Instrument(SECONDS, "From a successful request to its first token.", _FIRST_BOUNDS),
    TIME_PER_OUTPUT_TOKEN: Instrument(SECONDS, "Time per output token after the first.", _PER_TOKEN_BOUNDS),
    REQUEST_COUNT: Instrument(REQUESTS, "Requests to the model endpoints, by what became of them."),
    COST: Instrument(USD_MICROS, "Millionths of a dollar charged."),
}


class Span(NamedTuple):
    """One span; ids as in a `traceparent`, times in microseconds since 1970, `error` "" = it went well."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start_us: int
    end_us: int
    error: str
    attributes: Attributes


class Measurement(NamedTuple):
    """One value for an instrument, in its unit."""

    instrument: str
    value: float
    attributes: Attributes


def spans_of(request: Finished) -> tuple[Span, ...]:
    """The request's span and those of its calls; none for what was for no model endpoint."""
    if request.endpoint not in OPERATIONS:
        return ()
    return (_request_span(request), *(_call_span(request, at) for at in range(len(request.steps))))


def measurements_of(request: Finished) -> tuple[Measurement, ...]:
    """What the request adds to the metrics; nothing if it was for no model endpoint."""
    if request.endpoint not in OPERATIONS:
        return ()
    settlement = request.settlement
    outcome = "refused" if settlement is None else settlement.outcome
    counted: Attributes = {"harpoon.outcome": outcome, "http.response.status_code": request.status}
    found = [Measurement(REQUEST_COUNT, 1, counted)]
    for at, step in enumerate(request.steps):
        called = _call_attributes(request, step)
        failed: Attributes = {"error.type": error} if (error := _call_error(step.attempt)) else {}
        found.append(Measurement(OPERATION_DURATION, _seconds(step.attempt.elapsed_us), called | failed))
        if at == len(request.steps) - 1:
            found += _usage_measurements(request, called)
            if first_us := _first_chunk_us(request):
                found.append(Measurement(TIME_TO_FIRST_CHUNK, _seconds(first_us), called))
    found += _server_measurements(request)
    if request.cost_usd_micros and request.route is not None:
        charged: Attributes = {"gen_ai.provider.name": _provider(request.route.provider)}
        found.append(Measurement(COST, request.cost_usd_micros, charged))
    return tuple(found)


def _request_span(request: Finished) -> Span:
    route, facts, settlement = HTTP_ROUTES[request.endpoint], request.facts, request.settlement
    told: dict[str, str | int | float | bool | None] = {
        "http.request.method": request.method,
        "http.route": route,
        "url.path": request.path,
        "http.response.status_code": request.status or None,
        "error.type": _request_error(request) or None,
        "gen_ai.operation.name": OPERATIONS[request.endpoint],
        "gen_ai.request.model": None if facts is None else facts.model,
        "gen_ai.request.stream": request.is_stream or None,
        "gen_ai.conversation.id": None if facts is None else facts.session_id or None,
        "harpoon.request_id": request.request_id or None,
        "harpoon.decision_id": request.decision_id or None,
        "harpoon.tenant": None if facts is None else facts.tenant,
        "harpoon.complexity": None if facts is None else facts.classification.complexity,
        "harpoon.cache": request.cache or None,
        "harpoon.error": request.error or None,
        "harpoon.reason_codes": ",".join(request.reasons) or None,
        "harpoon.cost_usd_micros": request.cost_usd_micros,
    }
    if settlement is not None:
        told |= {
            "harpoon.outcome": settlement.outcome,
            "harpoon.route": settlement.route,
            "harpoon.attempts": len(settlement.attempts),
            "harpoon.usage": settlement.usage,
        }
    return Span(
        name=f"{request.method} {route}",
        kind=SERVER,
        trace_id=request.trace.trace_id,
        span_id=request.trace.span_id,
        parent_id=request.trace.parent_id,
        start_us=request.at_us,
        end_us=request.at_us + request.elapsed_us,
        error=_request_error(request),
        attributes={name: value for name, value in told.items() if value is not None},
    )


def _call_span(request: Finished, position: int) -> Span:
    step = request.steps[position]
    attributes, error = _call_attributes(request, step), _call_error(step.attempt)
    facts, settlement = request.facts, request.settlement
    attributes |= {"harpoon.route": step.attempt.route, "harpoon.attempt": position + 1}
    if request.is_stream:
        attributes["gen_ai.request.stream"] = True
    if facts is not None and facts.max_output_tokens:
        attributes["gen_ai.request.max_tokens"] = facts.max_output_tokens
    if facts is not None and facts.choices != 1:
        attributes["gen_ai.request.choice.count"] = facts.choices
    if step.attempt.status:
        attributes["http.response.status_code"] = step.attempt.status
    if error:
        attributes |= {"error.type": error, "harpoon.cause": step.attempt.cause}
    if position == len(request.steps) - 1:
        if settlement is not None and _is_known(settlement.usage):
            attributes["gen_ai.usage.input_tokens"] = settlement.input_tokens
            attributes["gen_ai.usage.output_tokens"] = settlement.output_tokens
        if first_us := _first_chunk_us(request):
            attributes["gen_ai.response.time_to_first_chunk"] = _seconds(first_us)
    return Span(
        name=f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}",
        kind=CLIENT,
        trace_id=request.trace.trace_id,
        span_id=step.span_id,
        parent_id=request.trace.span_id,
        start_us=step.at_us,
        end_us=step.at_us + step.attempt.elapsed_us,
        error=error,
        attributes=attributes,
    )


def _call_attributes(request: Finished, step: Step) -> Attributes:
    """What a call is told apart by, in its span and in the metrics alike."""
    found: Attributes = {
        "gen_ai.operation.name": OPERATIONS[request.endpoint],
        "gen_ai.provider.name": _provider(step.attempt.route.partition("/")[0]),
        "gen_ai.request.model": step.asked,
    }
    if step.answered:
        found["gen_ai.response.model"] = step.answered
    return found


def _usage_measurements(request: Finished, called: Attributes) -> list[Measurement]:
    settlement = request.settlement
    if settlement is None or not _is_known(settlement.usage):
        return []
    counts = (("input", settlement.input_tokens), ("output", settlement.output_tokens))
    return [
        Measurement(TOKEN_USAGE, count, called | {"gen_ai.token.type": kind})
        for kind, count in counts
        if count or kind == "input"
    ]


def _server_measurements(request: Finished) -> list[Measurement]:
    """How the gateway answered as a server of models; a request that no provider was chosen for names none."""
    route, settlement = request.route, request.settlement
    told: Attributes = {"gen_ai.operation.name": OPERATIONS[request.endpoint]}
    if route is not None:
        told |= {"gen_ai.provider.name": _provider(route.provider), "gen_ai.request.model": route.model}
    error = _request_error(request)
    failed: Attributes = {"error.type": error} if error else {}
    found = [Measurement(REQUEST_DURATION, _seconds(request.elapsed_us), told | failed)]
    if settlement is None or settlement.outcome != "success" or not settlement.first_byte_us:
        return found
    found.append(Measurement(TIME_TO_FIRST_TOKEN, _seconds(settlement.first_byte_us), told))
    if request.is_stream and settlement.output_tokens > 1:
        per_token = _seconds(settlement.elapsed_us - settlement.first_byte_us) / (settlement.output_tokens - 1)
        found.append(Measurement(TIME_PER_OUTPUT_TOKEN, per_token, told))
    return found


def _first_chunk_us(request: Finished) -> int:
    """From the last call to the first event of its stream, 0 = there was none."""
    settlement = request.settlement
    if not request.is_stream or settlement is None or not request.steps or not settlement.first_byte_us:
        return 0
    last = request.steps[-1]
    if last.attempt.status != 200:
        return 0
    return max(1, settlement.first_byte_us - (last.at_us - request.at_us))


def _request_error(request: Finished) -> str:
    """error.type of a request: only what is the server's fault, as the HTTP conventions say of SERVER spans."""
    settlement = request.settlement
    if request.status >= 500:
        return str(request.status)
    return settlement.outcome if settlement is not None and settlement.outcome in ("error", "timeout") else ""


def _call_error(attempt: Attempt) -> str:
    """error.type of a call: its HTTP status, or the cause."""
    if attempt.cause == "ok":
        return ""
    return str(attempt.status) if attempt.status >= 400 else attempt.cause


def _is_known(usage: str) -> bool:
    """Whether tokens were reported or counted; else their numbers say nothing."""
    return usage in ("reported", "counted")


def _provider(provider: str) -> str:
    return PROVIDER_NAMES.get(provider, provider)


def _seconds(duration_us: int) -> float:
    return duration_us / 1_000_000
