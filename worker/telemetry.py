"""What is told of a request once it is over: gathered on its way, handed to an observer as one plain value.

Nothing is gathered unless somebody asked: an observer is set, the caller named a trace, or every request shall have
one. No prompt, no answer and no token of a caller is ever in it. What observers make of it they decide
(worker/log_lines.py, worker/genai_conventions.py); no decision reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from worker.admission import Attempt, Facts, Settlement
from worker.canon.codes import DENIAL_REASON_CODES
from worker.errors import HarpoonError, NotAuthenticated
from worker.ports import Clock, Ids
from worker.routing.catalogue import Route
from worker.trace_context import TRACEPARENT, Trace, begin_trace, names_trace, new_span_id, read_parent

#: Where a request's record stands in its ASGI scope.
SEEN: Final = "harpoon.seen"
#: Whether a request belongs to a trace: if its caller named one or somebody here records it, every one, or none.
AUTO, ALWAYS, OFF = "auto", "always", "off"
TRACE_MODES: Final = (AUTO, ALWAYS, OFF)
#: Whether each request gets a line in the log: `auto` = as the log's level says.
LOG_REQUESTS_MODES: Final = (AUTO, "on", OFF)
MAX_PATH_CHARACTERS: Final = 200
_REQUEST_ID, _DECISION_ID, _CACHE = b"x-request-id", b"x-harpoon-decision-id", b"cf-aig-cache-status"
_CACHE_WORDS: Final = {b"HIT": "hit", b"MISS": "miss"}
#: The member of a stream's first event that says which model gives it: inside of a string its own quotation marks would
#: be escaped. It is looked for in so many bytes.
_MODEL = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*"([!#-\[\]-~]{1,128})"')
_MODEL_WITHIN: Final = 4_096
_MODEL_NAME = re.compile(r"[!-~]{1,128}", re.ASCII)


class Step(NamedTuple):
    """One upstream call: how it ended, its span, when it began on the wall clock.

    `asked`: the model's id as the provider was sent it; `answered`: the one that it says it answered with, "" = none.
    """

    attempt: Attempt
    span_id: str
    at_us: int
    asked: str
    answered: str


class Finished(NamedTuple):
    """A request that is over. Times in microseconds, money in micro-dollars; "" and None = it didn't come so far.

    `endpoint`: which of the model endpoints it was for, "" = none of them. `status`: what the client was sent, 0 =
    nothing. `error`: the code of a refusal before any attempt, `reasons` the codes of its reasons. `cache`: `hit` or
    `miss` where a cache was looked into. `cost_usd_micros`: None = not settled.
    """

    method: str
    path: str
    endpoint: str
    request_id: str
    decision_id: str
    status: int
    at_us: int
    elapsed_us: int
    trace: Trace
    error: str
    reasons: tuple[str, ...]
    facts: Facts | None
    is_stream: bool
    cache: str
    route: Route | None
    settlement: Settlement | None
    cost_usd_micros: int | None
    steps: tuple[Step, ...]


class Observer(Protocol):
    """Somebody who is told of finished requests, on the request's own way: it neither waits nor raises."""

    def samples(self, trace_id: str, parent_is_sampled: bool | None) -> bool:
        """Whether the spans of a trace are recorded here; `parent_is_sampled` None = the trace begins here."""
        ...

    def finished(self, request: Finished) -> None:
        """A request is over."""
        ...


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a host wants observed. `trace`: of TRACE_MODES; `to_providers`: whether attempts carry the trace on."""

    trace: str = AUTO
    to_providers: bool = True
    observer: Observer | None = None


class Seen:
    """The record of one request, filled in on its way."""

    __slots__ = (
        "_at_us",
        "_began_us",
        "_cache",
        "_decision_id",
        "_is_forwarded",
        "_is_told",
        "_method",
        "_models",
        "_path",
        "_request_id",
        "_spans",
        "cost_usd_micros",
        "endpoint",
        "error",
        "facts",
        "is_stream",
        "route",
        "settlement",
        "status",
        "trace",
    )

    def __init__(self, scope: MutableMapping[str, Any], trace: Trace, telemetry: Telemetry, clock: Clock) -> None:
        self.trace = trace
        self.endpoint = self._request_id = self._decision_id = self._cache = ""
        self.status = 0
        self.error: HarpoonError | None = None
        self.facts: Facts | None = None
        self.is_stream = False
        self.route: Route | None = None
        self.settlement: Settlement | None = None
        self.cost_usd_micros: int | None = None
        self._method, self._path = scope["method"], scope["path"]
        self._is_told = telemetry.trace != OFF
        self._is_forwarded = self._is_told and telemetry.to_providers
        self._at_us, self._began_us = clock.now_us(), clock.monotonic_us()
        self._spans: list[tuple[str, int, str]] = []
        self._models: dict[int, str] = {}

    @property
    def ids(self) -> dict[str, str]:
        """What a log record about this request tells besides its message."""
        return {"trace_id": self.trace.trace_id, "request_id": self._request_id}

    def begins(self, message: MutableMapping[str, Any]) -> None:
        """The answer begins with this ASGI message, which gets the trace's header."""
        self.status = message["status"]
        headers = message.get("headers", ())
        for name, value in headers:
            if name == _REQUEST_ID:
                self._request_id = value.decode("latin-1")
            elif name == _DECISION_ID:
                self._decision_id = value.decode("latin-1")
            elif name == _CACHE:
                self._cache = _CACHE_WORDS.get(value, "")
        if self._is_told:
            message["headers"] = [*headers, (TRACEPARENT, self.trace.traceparent)]

    def attempts(
        self, route: Route, began_us: int, ids: Ids, *, leave_no_trace: bool
    ) -> tuple[tuple[bytes, bytes], ...]:
        """An attempt begins at this reading of the monotonic clock: the headers that it carries.

        Args: leave_no_trace: no other party is told which trace it belongs to.
        """
        span_id = new_span_id(ids)
        self._spans.append((span_id, began_us, route.served_id))
        return self.trace.headers_for(span_id) if self._is_forwarded and not leave_no_trace else ()

    def answered(self, answer: Mapping[str, Any] | None, first: bytes) -> None:
        """The attempt that began last was answered: by this value, or by a stream that begins with these bytes."""
        if answer is not None:
            model = answer.get("model")
            named = model if isinstance(model, str) and _MODEL_NAME.fullmatch(model) else ""
        else:
            found = _MODEL.search(first, 0, _MODEL_WITHIN)
            named = "" if found is None else found[1].decode()
        if named:
            self._models[len(self._spans) - 1] = named

    def decides(self, facts: Facts, *, is_stream: bool) -> None:
        """The request is about to be decided on."""
        self.facts, self.is_stream = facts, is_stream

    def ends(self, settlement: Settlement, route: Route) -> None:
        """The request is about to be settled. The answer that is to be kept is nobody's to observe."""
        self.settlement, self.route = settlement if settlement.keep is None else settlement._replace(keep=None), route

    def finished(self, now_us: int) -> Finished:
        """All of it, at this reading of the monotonic clock."""
        error, settlement = self.error, self.settlement
        attempts = settlement.attempts if settlement is not None else ()
        return Finished(
            method=self._method,
            path=self._path[:MAX_PATH_CHARACTERS],
            endpoint=self.endpoint,
            request_id=self._request_id,
            decision_id=self._decision_id,
            status=self.status,
            at_us=self._at_us,
            elapsed_us=now_us - self._began_us,
            trace=self.trace,
            error="" if error is None else error.code or error.type,
            reasons=() if error is None else _codes(error),
            # Until a token is found to be the tenant's, it only says so.
            facts=None if self.status == NotAuthenticated.status else self.facts,
            is_stream=self.is_stream,
            cache=self._cache,
            route=self.route,
            settlement=settlement,
            cost_usd_micros=self.cost_usd_micros,
            steps=tuple(
                Step(attempt, span_id, self._at_us + began_us - self._began_us, asked, self._models.get(position, ""))
                for position, (attempt, (span_id, began_us, asked)) in enumerate(
                    zip(attempts, self._spans, strict=False)
                )
            ),
        )


def seen_of(scope: MutableMapping[str, Any], endpoint: str) -> Seen | None:
    """The record of a request that has come to a model endpoint, if somebody wants one."""
    seen: Seen | None = scope.get(SEEN)
    if seen is not None:
        seen.endpoint = endpoint
    return seen


def _codes(problem: HarpoonError) -> tuple[str, ...]:
    """The reason codes of a refusal; its details may be words of the request too."""
    told = {one.partition(":")[0] for one in problem.details}
    return tuple(code for code in DENIAL_REASON_CODES if code in told)


def watch(telemetry: Telemetry, scope: MutableMapping[str, Any], clock: Clock, ids: Ids) -> Seen | None:
    """The record of a request that begins, also put into its scope; None if nobody wants one."""
    observer, mode = telemetry.observer, telemetry.trace
    if observer is None and mode == OFF:
        return None
    is_named = mode != OFF and names_trace(scope["headers"])
    if observer is None and not is_named and mode != ALWAYS:
        return None
    parent = read_parent(scope["headers"]) if is_named else None
    trace = begin_trace(parent, ids, is_sampled=parent is not None and parent.is_sampled)
    if observer is not None:
        told = None if parent is None else parent.is_sampled
        trace = trace._replace(is_sampled=observer.samples(trace.trace_id, told))
    seen = scope[SEEN] = Seen(scope, trace, telemetry, clock)
    return seen
