"""GET /health and GET /: that the service lives, and where a newcomer goes from here."""

from __future__ import annotations

from worker.api.answers import Receive, Scope, Send, send_json
from worker.services import Services

VERSION = "0.1.0"


class Health:
    """Both endpoints, as an ASGI application. Open to everyone: they tell nothing about a tenant."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        if scope["path"] == "/health":
            value: dict[str, object] = {
                "status": "healthy",
                "version": VERSION,
                "host": services.host,
                "providers": {
                    provider.id: "configured" if provider.id in services.configured else "not configured"
                    for provider in services.catalogue.source.providers
                },
            }
        else:
            value = {
                "name": "harpoon",
                "version": VERSION,
                "try": 'POST /v1/chat/completions with model "auto"; any OpenAI client, base URL <this>/v1',
                "endpoints": ["/v1/chat/completions", "/v1/models", "/v1/decisions/{id}", "/health"],
                "open_access": services.keyring.is_open,
            }
        await send_json(send, value, [])
