"""The product's Worker, which is also the consumer of its own queue of sessions; for tests, never deployed.

What the queue brings is posted to RECEIVER_URL, so that the test sees it.
"""

from __future__ import annotations

from typing import Any

import js
from product_entry import Default as Product
from product_entry import MediatorAgent, SessionSpool
from pyodide.ffi import to_js

from worker.edge.bindings import read_variable

__all__ = ["Default", "MediatorAgent", "SessionSpool"]


class Default(Product):
    """The product's surface, and a consumer."""

    async def queue(self, batch: Any, _env: Any = None, _ctx: Any = None) -> None:
        for message in batch.messages:
            options = {"method": "POST", "body": message.body}
            url = f"{read_variable(self.env, 'RECEIVER_URL')}/queue"
            await js.fetch(url, to_js(options, dict_converter=js.Object.fromEntries))
