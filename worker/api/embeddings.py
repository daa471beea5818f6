"""POST /v1/embeddings: texts in, vectors out; the way of a chat request in everything else."""

from __future__ import annotations

from worker.api.chat import ChatCompletions
from worker.services import Services
from worker.upstream.wires import EMBEDDINGS_WIRE


class Embeddings(ChatCompletions):
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, EMBEDDINGS_WIRE)
