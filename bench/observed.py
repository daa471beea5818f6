"""The gateway as `harpoon serve` builds it, with one more path that tells what its process still holds.

For bench/soak.py. Serve it with `uvicorn bench.observed:build --factory`. Of the application nothing is changed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.adapters.http_protocol import ReceiveLimits
from gateway.app import build as build_gateway

PATH = "/observed"


class Observed:
    """The application, and GET /observed before it."""

    def __init__(self, app: ASGIApp, receive_limits: ReceiveLimits) -> None:
        self._app = app
        self.receive_limits = receive_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        gc.collect()
        held = {
            "tasks": len(asyncio.all_tasks()) - 1,  # without this one
            "threads": threading.active_count(),
            "objects": len(gc.get_objects()),
        }
        body = json.dumps(held).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def build() -> Observed:
    """The application for a server's worker process."""
    gateway = build_gateway()
    return Observed(gateway, gateway.receive_limits)
