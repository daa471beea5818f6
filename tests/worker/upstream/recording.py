"""A server that plays every provider, and an AI Gateway, and keeps what it is sent, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.contracts.misbehaving_server import Server
from tests.worker.api.application_kit import Application, application, http_answer

MESSAGE = {"role": "assistant", "content": "hi", "refusal": None}
CHOICE = {"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}
CHAT = {
    **{"id": "c1", "object": "chat.completion", "created": 7, "model": "m", "choices": [CHOICE]},
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
OTHERS = {"object": "list", "data": [{"embedding": [1]}], "output": [], "usage": {"prompt_tokens": 1}}
TOLD = "cf-aig-cache-status: MISS\r\ncf-aig-request-id: r-7\r\ncf-aig-secret: no\r\ncf-aig-step: 0\r\n"


class Recorder:
    """A server that keeps every request as it came, and answers each endpoint."""

    def __init__(self, status: int = 200, body: Any = None) -> None:
        self.requests: list[bytes] = []
        self._status = status
        self._body = body

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        body = await reader.readexactly(int(length.partition(b":")[2]))
        self.requests.append(head + body)
        answer = self._body or (CHAT if b"/chat/completions" in head.split(b"\r\n")[0] else OTHERS)
        writer.write(http_answer(self._status, json.dumps(answer).encode(), TOLD))
        await writer.drain()


@contextlib.asynccontextmanager
async def through(recorder: Recorder, **settings: str) -> AsyncIterator[tuple[Application, int]]:
    """The application whose AI Gateway, and any address with `{port}` in it, is the recorder."""
    async with Server(recorder) as server:
        given = {name: value.replace("{port}", str(server.port)) for name, value in settings.items()}
        gateway = {"AI_GATEWAY_BASE_URL": f"http://127.0.0.1:{server.port}/v1", "CLOUDFLARE_ACCOUNT_ID": "acc"}
        async with application(**{**gateway, "AI_GATEWAY_ID": "gate", "AI_GATEWAY_TOKEN": "cf-t0ken", **given}) as app:
            yield app, server.port


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """Request line, headers by lower-case name, body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return first, {name.lower(): value for name, value in pairs}, body
