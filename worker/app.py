"""create_app: the Starlette application both hosts serve."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from worker.api.answers import error_body
from worker.api.chat import ChatCompletions
from worker.api.decisions import Decisions
from worker.api.health import Health
from worker.api.models import Models
from worker.errors import CallerError, HarpoonError
from worker.services import Services


class _NotServed(CallerError):
    status = 404
    code = "not_found"


async def _http_problem(request: Request, problem: Exception) -> Response:
    """A path or method nobody serves, in the one error shape of this surface."""
    assert isinstance(problem, HTTPException)
    error = _NotServed(f"{request.method} {request.url.path} is not served here; see GET / for what is")
    return Response(error_body(error), problem.status_code, headers=problem.headers, media_type="application/json")


async def _our_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HarpoonError)
    return Response(error_body(problem), problem.status, media_type="application/json")


async def _unexpected(request: Request, problem: Exception) -> Response:
    """A fault of ours: the server's log has the trace, the caller only that it happened."""
    error = HarpoonError("the gateway failed while handling this request; it was not the request's fault")
    return Response(error_body(error), 500, media_type="application/json")


def create_app(services: Services, extra_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The application over its services; `extra_routes` are the host's own (the gateway's simulator, for one)."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", ChatCompletions(services), methods=["POST"]),
            Route("/v1/models", Models(services), methods=["GET"]),
            Route("/v1/models/{model_id:path}", Models(services), methods=["GET"]),
            Route("/v1/decisions/{decision_id}", Decisions(services), methods=["GET"]),
            Route("/health", Health(services), methods=["GET"]),
            Route("/", Health(services), methods=["GET"]),
            *extra_routes,
        ],
        exception_handlers={HTTPException: _http_problem, HarpoonError: _our_problem, Exception: _unexpected},
    )
