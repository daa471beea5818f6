"""GET /v2/catalogue: the catalogue in force, its hash, and which of its providers can be called here."""

from __future__ import annotations

from worker.api.answers import Receive, Scope, Send, send_error, send_json
from worker.api.auth import authenticate
from worker.errors import HarpoonError
from worker.ledger.sha3 import sha3_256
from worker.routing.identity import hash_of, without_addresses
from worker.services import Services


class CatalogueInForce:
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hash = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        headers = [(b"x-request-id", services.ids.new("req").encode())]
        try:
            await authenticate(services, scope)
            # The same for as long as the process lives, and milliseconds of work.
            self._hash = self._hash or hash_of(services.catalogue.canonical, sha3_256)
            value = {
                "object": "catalogue",
                "catalogue_hash": self._hash,
                "configured": sorted(services.configured),
                "catalogue": without_addresses(services.catalogue.canonical),
            }
            await send_json(send, value, headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)
