"""POST /v1/responses: OpenAI's newer form of a chat, whole or as typed events; the way of a chat request otherwise."""

from __future__ import annotations

from worker.api.chat import ChatCompletions
from worker.services import Services
from worker.upstream.wires import RESPONSES_WIRE


class Responses(ChatCompletions):
    """The endpoint, as an ASGI application."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, RESPONSES_WIRE)
