"""The floor: the least a Python gateway on this stack can do, so that Harpoon's own cost shows beside it.

Starlette takes the request, aiohttp passes it on, and JSON is parsed in both directions, because a gateway that reads
neither model nor usage is none. No authentication, no decision, no account, no retry. A streamed answer passes through
as bytes. Serve it with `uvicorn bench.floor:create_app --factory`; FLOOR_UPSTREAM holds the upstream's chat URL.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MAX_CONNECTIONS = 512
JSON = {"content-type": "application/json"}


def create_app() -> Starlette:
    """The pass-through to FLOOR_UPSTREAM."""
    upstream = os.environ["FLOOR_UPSTREAM"]

    @contextlib.asynccontextmanager
    async def live(app: Starlette) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector) as app.state.session:
            yield

    async def chat(request: Request) -> Response:
        body = await request.body()
        wants_stream = json.loads(body).get("stream") is True
        answer = await request.app.state.session.post(upstream, data=body, headers=JSON)
        if wants_stream:
            return StreamingResponse(_pass_on(answer), answer.status, media_type="text/event-stream")
        async with answer:
            content = await answer.read()
        tokens = json.loads(content)["usage"]["total_tokens"]
        return Response(content, answer.status, {"x-total-tokens": str(tokens)}, "application/json")

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "healthy"})

    routes = [Route("/v1/chat/completions", chat, methods=["POST"]), Route("/health", health)]
    return Starlette(routes=routes, lifespan=live)


async def _pass_on(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with answer:
        async for chunk in answer.content.iter_any():
            yield chunk
