"""The least that a capture could be: Starlette takes a POST, parses its JSON and answers; it keeps nothing.

Serve it with `uvicorn bench.bare_post:create_app --factory`.
"""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PATH = "/api/session-completion/events"


def create_app() -> Starlette:
    """POST at the path of the sessions API, and GET /health."""

    async def capture(request: Request) -> JSONResponse:
        event = json.loads(await request.body())
        if isinstance(event, list):
            return JSONResponse({"ok": True, "accepted": len(event)})
        return JSONResponse({"ok": True, "event_id": "evt_0", "ts": event["timestamp"]})

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "healthy"})

    return Starlette(routes=[Route(PATH, capture, methods=["POST"]), Route("/health", health)])
