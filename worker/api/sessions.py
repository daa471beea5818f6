"""/api/session-completion: report completed sessions, and read what became of them.

An answer of 2xx to a report says that its events are durable; every other one, that nothing of it was kept.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

from starlette.routing import Route

from worker.api.answers import Headers, Receive, Scope, Send, header_of, send_body, send_error, send_json
from worker.api.chat import read_body
from worker.api.query import read_query, whole_in
from worker.api.session_reporters import Reporter, cross_origin, reader_of, reporter_of
from worker.errors import CallerError, HarpoonError, NotBuilt, StateError
from worker.services import Services
from worker.sessions.cloudevents_reading import is_cloudevent, parse_cloudevents
from worker.sessions.event import is_own_id, rfc3339
from worker.sessions.fields import InvalidEvent
from worker.sessions.ledger_link import with_ledger
from worker.sessions.reading import MAX_BYTES, CaptureContext, Captured, parse_events
from worker.sessions.schema import capture_schema, event_schema
from worker.sessions.session_figures import brief_figures
from worker.sessions.spool_port import EventConflict, Receipt, SpoolFull, SpoolPort
from worker.sessions.spool_views import MAX_RECENT

PATH: Final = "/api/session-completion"
EVENTS_PATH: Final = PATH + "/events"
MAX_PUBLIC_BYTES: Final = 64 * 1024
DEFAULT_RECENT: Final = 50
RETRY_S: Final = 5
_MAX_ID: Final = 128
_log = logging.getLogger("harpoon")


class SessionsOff(NotBuilt):
    """This host keeps no spool."""

    code = "sessions_off"


class SpoolUnavailable(HarpoonError):
    """The spool's state can't be written: a full disk, most likely."""

    status = 503
    code = "spool_unavailable"


class UnknownEvent(CallerError):
    """No event of the caller's has that id."""

    status = 404
    code = "event_not_found"


class _At:
    """The one time that holds for a whole request."""

    __slots__ = ("_at_us",)

    def __init__(self, at_us: int) -> None:
        self._at_us = at_us

    def now_us(self) -> int:
        return self._at_us


def session_routes(services: Services) -> list[Route]:
    """The paths of the surface."""
    return [
        Route(EVENTS_PATH, Capture(services), methods=["POST", "OPTIONS"]),
        Route(EVENTS_PATH + "/{event_id}", Reading(services, find), methods=["GET"]),
        Route(PATH + "/recent", Reading(services, recent), methods=["GET"]),
        Route(PATH + "/metrics", Reading(services, figures), methods=["GET"]),
        Route(PATH + "/schema", Schema(services), methods=["GET"]),
    ]


class Capture:
    """POST .../events, and the question a browser asks before it (OPTIONS), as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        headers: Headers = cross_origin(services.sessions, scope)
        if scope["method"] == "OPTIONS":
            await _preflight(send, headers)
            return
        headers.append((b"x-request-id", services.ids.new("req").encode()))
        try:
            reporter = await reporter_of(services, scope)
            body = await read_body(scope, receive, MAX_PUBLIC_BYTES if reporter.is_public else MAX_BYTES)
            if body is None:
                return
            began_us = services.clock.monotonic_us()
            found, receipt, at_us = await self._capture(reporter, scope, body)
            services.session_metrics.captured(receipt.fresh, services.clock.monotonic_us() - began_us)
            await send_json(send, _answer(found, receipt, at_us), headers)
        except HarpoonError as problem:
            services.session_metrics.refused(problem.code)
            retry_s = problem.retry_after_s if isinstance(problem, SpoolFull) else RETRY_S
            if problem.status in (429, 503):
                headers.append((b"retry-after", b"%d" % retry_s))
            await send_error(send, problem, headers)

    async def _capture(self, reporter: Reporter, scope: Scope, body: bytes) -> tuple[Captured, Receipt, int]:
        services = self._services
        at_us = services.clock.now_us()
        found = _events(scope, body, CaptureContext(reporter.tenant, services.ids, _At(at_us)))
        if not services.sessions.is_alone:
            _refuse_own_ids(found)
        try:
            receipt = await _spool(services).capture(reporter.tenant, found.events, at_us)
        except EventConflict as problem:
            if not found.is_batch and problem.param is not None:
                problem.param = problem.param.removeprefix("[0].")
            raise
        except StateError as problem:
            raise _unavailable(problem) from problem
        return found, receipt, at_us


def _events(scope: Scope, body: bytes, context: CaptureContext) -> Captured:
    """What a body holds. Raises: InvalidEvent, EventTooLarge."""
    content_type = header_of(scope, b"content-type") or ""
    if not is_cloudevent(content_type, header_of(scope, b"ce-specversion")):
        return parse_events(body, context)
    attributes = {
        name[3:].decode("latin-1"): unquote(value.decode("latin-1"))
        for name, value in scope["headers"]
        if name.startswith(b"ce-")
    }
    return parse_cloudevents(body, content_type, attributes, context)


def _refuse_own_ids(found: Captured) -> None:
    """Raises: InvalidEvent for the id of a session of the gateway itself, which would then be taken for reported."""
    for place, event in enumerate(found.events):
        if is_own_id(event.event_id):
            path = f"[{place}].event_id" if found.is_batch else "event_id"
            raise InvalidEvent(path, "ids of this form are those of the gateway's own sessions")


Handler = Callable[[Services, str | None, Scope], Awaitable[dict[str, Any]]]


class Reading:
    """A path that is only read, as an ASGI application."""

    def __init__(self, services: Services, handler: Handler) -> None:
        self._services = services
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = [(b"x-request-id", self._services.ids.new("req").encode()), (b"cache-control", b"no-store")]
        try:
            tenant = await reader_of(self._services, scope)
            try:
                found = await self._handler(self._services, tenant, scope)
            except StateError as problem:
                raise _unavailable(problem) from problem
            await send_json(send, found, headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


async def recent(services: Services, tenant: str | None, scope: Scope) -> dict[str, Any]:
    """The caller's newest events first, each with when it was captured and where it came from."""
    limit = whole_in(read_query(scope, ("limit",)), "limit", DEFAULT_RECENT, 1, MAX_RECENT)
    return {"events": [_shown(one) for one in await _spool(services).recent(tenant, limit)]}


async def find(services: Services, tenant: str | None, scope: Scope) -> dict[str, Any]:
    """One event of the caller's, where it was delivered, and where it stands in the ledger."""
    read_query(scope, ())
    event_id = scope["path_params"]["event_id"]
    found = await _spool(services).find(tenant, event_id) if len(event_id) <= _MAX_ID else None
    if found is None:
        raise UnknownEvent("no event of yours has this id; those that were delivered are dropped after their retention")
    found = await with_ledger(services.mediator, found)
    return {**_shown(found), "routed_to": found["routed_to"], "ledger": found["ledger"]}


async def figures(services: Services, tenant: str | None, scope: Scope) -> dict[str, Any]:
    """What was captured and delivered, and how fast."""
    read_query(scope, ())
    counts = await _spool(services).figures(tenant, services.clock.now_us())
    return {"ts": rfc3339(services.clock.now_us()), **brief_figures(counts, services.session_metrics)}


class Schema:
    """The JSON Schema of what may be reported, and with `?form=event` of what is delivered. Open to everyone."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            form = read_query(scope, ("form",)).get("form", "capture")
            if form not in ("capture", "event"):
                raise CallerError("form is capture or event", param="form")
            await send_json(send, capture_schema() if form == "capture" else event_schema(), [])
        except HarpoonError as problem:
            await send_error(send, problem, [(b"x-request-id", self._services.ids.new("req").encode())])


def _answer(found: Captured, receipt: Receipt, at_us: int) -> dict[str, Any]:
    if found.is_batch:
        return {"ok": True, "accepted": len(receipt.event_ids), "event_ids": list(receipt.event_ids)}
    return {"ok": True, "event_id": receipt.event_ids[0], "ts": rfc3339(at_us)}


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    """The event itself with what the spool knows of it beside its own fields."""
    return {**found["event"], "captured_at": found["captured_at"], "source": found["source"], "tenant": found["tenant"]}


def _spool(services: Services) -> SpoolPort:
    if services.spool is None:
        raise SessionsOff("this host keeps no sessions: its operator has not set it up to")
    return services.spool


def _unavailable(problem: StateError) -> SpoolUnavailable:
    _log.error("the spool failed: %s", problem.message)
    return SpoolUnavailable("events can't be kept or read now, and nothing of this request was: send it again later")


async def _preflight(send: Send, headers: Headers) -> None:
    """What a page may send, for ten minutes."""
    headers += [
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"authorization, content-type, x-api-key"),
        (b"access-control-max-age", b"600"),
    ]
    await send_body(send, 204, headers, b"")
