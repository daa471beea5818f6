"""GET /v1/models and /v1/models/{id}: what a request may name. Ids hold slashes."""

from __future__ import annotations

from typing import Any

from worker.api.answers import Receive, Scope, Send, send_error, send_json
from worker.api.auth import authenticate
from worker.errors import HarpoonError, UnknownModel
from worker.routing.catalogue import AUTO
from worker.services import Services

AUTO_CREATED = 1_763_596_800


def list_models(services: Services) -> list[dict[str, Any]]:
    """Every name a request may use with what can serve it now: auto, model ids, labels, and each of a provider's.

    A label's further names are left out: they stand for the same as the label.
    """
    catalogue = services.catalogue
    labels = {label.id for label in catalogue.source.labels}
    names: dict[str, tuple[str, int]] = {AUTO: ("harpoon", AUTO_CREATED)}
    created = {model.id: model.created for model in catalogue.source.models}
    for route in catalogue.routes:
        if route.provider in services.configured:
            names.setdefault(route.model, ("harpoon", created[route.model]))
            names.setdefault(f"{route.provider}/{route.model}", (route.provider, created[route.model]))
            names.setdefault(f"{route.provider}/{AUTO}", (route.provider, AUTO_CREATED))
            for label in catalogue.source.labels:
                if route.model in label.models:
                    names.setdefault(label.id, ("harpoon", AUTO_CREATED))
                    names.setdefault(f"{route.provider}/{label.id}", (route.provider, AUTO_CREATED))
    order = sorted(names.items(), key=lambda item: (item[0] != AUTO, item[0] not in labels, item[0]))
    return [{"id": name, "object": "model", "created": at, "owned_by": owner} for name, (owner, at) in order]


def find_model(services: Services, wanted: str) -> dict[str, Any]:
    """The entry of one name, in any spelling that a request may use. Raises: UnknownModel if nothing serves it here."""
    catalogue = services.catalogue
    name = catalogue.name_of(wanted)
    label = catalogue.label_of(name)
    if label is not None:
        own = name in (label.label.id, *label.label.names)
        name = label.label.id if own else f"{name.partition('/')[0]}/{label.label.id}"
    found = next((model for model in list_models(services) if model["id"] == name), None)
    if found is None:
        raise UnknownModel("no model of this id can be served here; GET /v1/models lists them", param="model")
    return found


class Models:
    """Both endpoints, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", self._services.ids.new("req").encode())]
        try:
            await authenticate(self._services, scope)
            wanted = scope.get("path_params", {}).get("model_id")
            if wanted is None:
                answer: dict[str, Any] = {"object": "list", "data": list_models(self._services)}
            else:
                answer = find_model(self._services, wanted)
            await send_json(send, answer, headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)
