"""GET /v1/models and /v1/models/{id}: what a request may name. Ids hold slashes."""

from __future__ import annotations

from typing import Any

from worker.api.answers import Receive, Scope, Send, header_of, send_error, send_json
from worker.errors import HarpoonError, UnknownModel
from worker.services import Services

AUTO_CREATED = 1_763_596_800


def list_models(services: Services) -> list[dict[str, Any]]:
    """Every name a request may use with what can serve it now: auto, model ids, and provider/model."""
    catalogue = services.catalogue
    created = {model.id: model.created for model in catalogue.source.models}
    names: dict[str, tuple[str, int]] = {"auto": ("harpoon", AUTO_CREATED)}
    for route in catalogue.routes:
        if route.provider in services.configured:
            names.setdefault(route.model, ("harpoon", created[route.model]))
            names.setdefault(f"{route.provider}/{route.model}", (route.provider, created[route.model]))
    return [
        {"id": name, "object": "model", "created": at, "owned_by": owner}
        for name, (owner, at) in sorted(names.items(), key=lambda item: (item[0] != "auto", item[0]))
    ]


class Models:
    """Both endpoints, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", self._services.ids.new("req").encode())]
        try:
            self._services.keyring.authenticate(header_of(scope, b"authorization"))
            models = list_models(self._services)
            wanted = scope.get("path_params", {}).get("model_id")
            if wanted is None:
                await send_json(send, {"object": "list", "data": models}, headers)
                return
            found = next((model for model in models if model["id"] == wanted), None)
            if found is None:
                raise UnknownModel("no model of this id can be served here; GET /v1/models lists them", param="model")
            await send_json(send, found, headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)
