"""The endpoint of GET /openapi.json. The description is put together once it is asked for, not at every start."""

from __future__ import annotations

import json

from worker.api.answers import JSON_TYPE, Receive, Scope, Send, send_body


class OpenApi:
    """The endpoint, as an ASGI application. Open to everyone: it tells nothing about a tenant."""

    def __init__(self) -> None:
        self._body = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._body:
            from worker.api.openapi.document import document

            self._body = json.dumps(document(), separators=(",", ":")).encode()
        await send_body(send, 200, [JSON_TYPE], self._body)
