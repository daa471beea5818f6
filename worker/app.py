"""create_app: the application both hosts serve, Starlette's router in one thin error handler.

Starlette's own application class wraps every request and every message sent in two more layers; the endpoints here
answer their errors themselves, so those layers would only cost their 15 us.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from worker.api.admin import admin_routes, office_of
from worker.api.answers import OUR_FAULT, Headers, Message, Receive, Scope, Send, send_error
from worker.api.auth import refuse_strangers
from worker.api.canon import canon_routes
from worker.api.catalogue import CatalogueInForce
from worker.api.chat import ChatCompletions
from worker.api.covenants import Covenants, ParseCovenant
from worker.api.dashboard import dashboard_routes
from worker.api.decisions import Certificate, DecisionList, Decisions
from worker.api.embeddings import Embeddings
from worker.api.health import Health
from worker.api.index import Index
from worker.api.ledger import ledger_routes
from worker.api.live import Live
from worker.api.metrics_page import MetricsPage
from worker.api.models import Models
from worker.api.openapi.endpoint import OpenApi
from worker.api.plain_text import Classify, Process, Run, Strike
from worker.api.responses import Responses
from worker.api.route import ExplainRoute
from worker.api.sessions import EVENTS_PATH, Capture, session_routes
from worker.errors import CallerError, HarpoonError
from worker.services import Services
from worker.telemetry import Seen, watch

CHAT_PATH = "/v1/chat/completions"
_log = logging.getLogger("harpoon")


class NotServed(CallerError):
    """A path or a method that nobody serves."""

    status = 404
    code = "not_found"


class _Answer:
    """A `send` that knows how far an answer has come, and tells the request's record, if there is one."""

    __slots__ = ("_seen", "_send", "is_begun", "is_complete")

    def __init__(self, send: Send, seen: Seen | None) -> None:
        self._send = send
        self._seen = seen
        self.is_begun = False
        self.is_complete = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if self.is_begun:
            self.is_complete = not message.get("more_body", False)
        elif self._seen is not None:
            self._seen.begins(message)
        self.is_begun = True
        return self._send(message)


class Application:
    """The ASGI application: routes a request, and gives what was not caught on its way the one error shape there is."""

    def __init__(self, services: Services, chat: ChatCompletions, routes: Sequence[BaseRoute]) -> None:
        self._services = services
        self._is_open = services.keyring.is_open
        self._straight: dict[str, ASGIApp] = {EVENTS_PATH: Capture(services)}
        if not services.sessions.is_alone:
            self._straight[CHAT_PATH] = chat
        self._router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The router tells a missing path or a wrong method by HTTPException only within an application.
        scope["app"] = self
        services = self._services
        seen = watch(services.telemetry, scope, services.clock, services.ids) if scope["type"] == "http" else None
        answer = _Answer(send, seen)
        try:
            if self._is_open:
                refuse_strangers(scope)
            endpoint = self._straight.get(scope["path"]) if scope["type"] == "http" else None
            if endpoint is not None and scope["method"] == "POST":
                # Nearly every request: the router would find the same endpoint 8 us later.
                await endpoint(scope, receive, answer)
            else:
                await self._router(scope, receive, answer)
        except HTTPException as problem:
            error = NotServed(f"{scope['method']} {scope['path']} is not served here; see GET / for what is")
            error.status = problem.status_code
            headers = [(name.encode(), value.encode()) for name, value in (problem.headers or {}).items()]
            await self._refuse(answer, error, headers)
        except Exception as problem:
            if answer.is_complete:
                # The caller has all of it, so the connection goes on; what failed is the settlement.
                _log.error("a request failed after its answer", exc_info=problem, extra=seen.ids if seen else None)
            elif answer.is_begun:
                raise  # the server logs it, and breaks off an answer that can't be completed
            elif isinstance(problem, HarpoonError):
                await self._refuse(answer, problem, [])
            else:
                # A fault of ours: the server's log has the trace, the caller only that it happened.
                _log.exception("a request failed", extra=seen.ids if seen else None)
                await self._refuse(answer, HarpoonError(OUR_FAULT), [])
        finally:
            if seen is not None and services.telemetry.observer is not None:
                services.telemetry.observer.finished(seen.finished(services.clock.monotonic_us()))

    async def _refuse(self, send: Send, problem: HarpoonError, headers: Headers) -> None:
        request_id = (b"x-request-id", self._services.ids.new("req").encode())
        await send_error(send, problem, [request_id, *headers])


def create_app(services: Services, extra_routes: Sequence[BaseRoute] = ()) -> Application:
    """The application over its services; `extra_routes` are the host's own (the gateway's pages, for one)."""
    chat = ChatCompletions(services)
    own = _gateway_routes(services, chat) if not services.sessions.is_alone else []
    routes = [
        *own,
        *session_routes(services),
        *dashboard_routes(services),
        Route("/health", Health(services), methods=["GET"]),
        Route("/metrics", MetricsPage(services), methods=["GET"]),
        Route("/openapi.json", OpenApi(), methods=["GET"]),
    ]
    index = Index(services, [*dict.fromkeys(route.path_format for route in routes)])
    return Application(services, chat, [*routes, *extra_routes, Route("/", index, methods=["GET"])])


def _gateway_routes(services: Services, chat: ChatCompletions) -> list[Route]:
    """All that isn't about sessions alone."""
    return [
        Route(CHAT_PATH, chat, methods=["POST"]),
        Route("/v1/responses", Responses(services), methods=["POST"]),
        Route("/v1/embeddings", Embeddings(services), methods=["POST"]),
        Route("/v1/models", Models(services), methods=["GET"]),
        Route("/v1/models/{model_id:path}", Models(services), methods=["GET"]),
        Route("/v1/decisions", DecisionList(services), methods=["GET"]),
        Route("/v1/decisions/{decision_id}", Decisions(services), methods=["GET"]),
        Route("/v1/decisions/{decision_id}/certificate", Certificate(services), methods=["GET"]),
        Route("/classify", Classify(services, chat), methods=["POST"]),
        Route("/run", Run(services, chat), methods=["POST"]),
        Route("/v2/process", Process(services, chat), methods=["POST"]),
        Route("/v2/strike", Strike(services, chat), methods=["POST"]),
        Route("/v2/covenant", Covenants(services), methods=["POST"]),
        Route("/v2/covenant", Covenants(services), methods=["GET"]),
        Route("/v2/covenant/parse", ParseCovenant(services), methods=["POST"]),
        Route("/v2/covenant/{covenant_id}", Covenants(services), methods=["GET"]),
        Route("/v2/route", ExplainRoute(services), methods=["POST"]),
        Route("/v2/catalogue", CatalogueInForce(services), methods=["GET"]),
        Route("/api/live", Live(services), methods=["GET"]),
        *ledger_routes(services),
        *canon_routes(services),
        *admin_routes(office_of(services)),
    ]
