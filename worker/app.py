"""create_app: the application both hosts serve, Starlette's router in one thin error handler.

Starlette's own application class wraps every request and every message sent in two more layers; the endpoints here
answer their errors themselves, so those layers would only cost their 15 us.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route, Router

from worker.api.answers import Receive, Scope, Send, send_error
from worker.api.chat import ChatCompletions
from worker.api.decisions import Decisions
from worker.api.health import Health
from worker.api.models import Models
from worker.errors import CallerError, HarpoonError
from worker.services import Services

OUR_FAULT = "the gateway failed while handling this request; it was not the request's fault"
_log = logging.getLogger("harpoon")


class NotServed(CallerError):
    """A path or a method that nobody serves."""

    status = 404
    code = "not_found"


class Application:
    """The ASGI application: routes a request, and gives what was not caught on its way the one error shape there is."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._router = Router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The router tells a missing path or a wrong method by HTTPException only within an application.
        scope["app"] = self
        try:
            await self._router(scope, receive, send)
        except HTTPException as problem:
            error = NotServed(f"{scope['method']} {scope['path']} is not served here; see GET / for what is")
            error.status = problem.status_code
            headers = [(name.encode(), value.encode()) for name, value in (problem.headers or {}).items()]
            await send_error(send, error, headers)
        except HarpoonError as problem:
            await send_error(send, problem, [])
        except Exception:
            # A fault of ours: the server's log has the trace, the caller only that it happened. Where an answer has
            # begun, the server refuses a second one and breaks the first off.
            _log.exception("a request failed")
            await send_error(send, HarpoonError(OUR_FAULT), [])


def create_app(services: Services, extra_routes: Sequence[BaseRoute] = ()) -> Application:
    """The application over its services; `extra_routes` are the host's own (the gateway's simulator, for one)."""
    return Application(
        [
            Route("/v1/chat/completions", ChatCompletions(services), methods=["POST"]),
            Route("/v1/models", Models(services), methods=["GET"]),
            Route("/v1/models/{model_id:path}", Models(services), methods=["GET"]),
            Route("/v1/decisions/{decision_id}", Decisions(services), methods=["GET"]),
            Route("/health", Health(services), methods=["GET"]),
            Route("/", Health(services), methods=["GET"]),
            *extra_routes,
        ]
    )
