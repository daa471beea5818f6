"""GET /: where a newcomer goes from here. A browser is shown the demo instead, by its host, if there is one."""

from __future__ import annotations

from collections.abc import Sequence

from worker.api.answers import Receive, Scope, Send, send_json
from worker.api.health import VERSION
from worker.services import Services


class Index:
    """The endpoint, as an ASGI application, over the paths that are served."""

    def __init__(self, services: Services, paths: Sequence[str]) -> None:
        self._services = services
        self._paths = list(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        value = {
            "name": "harpoon",
            "version": VERSION,
            "try": 'POST /v1/chat/completions with model "auto"; any OpenAI client, base URL <this>/v1',
            "endpoints": self._paths,
            "description": "/openapi.json",
            "open_access": self._services.keyring.is_open,
        }
        await send_json(send, value, [(b"vary", b"Accept")])
