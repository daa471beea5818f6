"""Other surfaces' way to a model: the chat endpoint itself, called in this process, its answer put into their words.

There is one request path: admission, budgets, ledger, events and headers are the chat endpoint's. Errors leave as it
wrote them; a whole answer leaves translated, before its settlement, as every answer does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from worker.api.answers import JSON_TYPE, Headers, Message, Receive, Scope, Send, send_body
from worker.api.chat import ChatCompletions

#: Of the caller's request body, not of the one that is built from it.
_OF_THE_BODY = frozenset({b"content-length", b"content-type", b"content-encoding", b"transfer-encoding"})
#: Of the chat answer's body.
_OF_THE_ANSWER = frozenset({b"content-length", b"content-type"})

#: Makes another surface's answer from the chat answer's headers (lower case) and its value.
Present = Callable[[Mapping[str, str], dict[str, Any]], dict[str, Any]]


def chat_body(text: str, members: Mapping[str, str]) -> bytes:
    """A chat request for one user message. `members`: further members, by name, as JSON text."""
    message = json.dumps({"role": "user", "content": text}, ensure_ascii=False, separators=(",", ":"))
    further = "".join(f",{json.dumps(name)}:{value}" for name, value in members.items())
    return f'{{"messages":[{message}]{further}}}'.encode()


async def ask_chat(
    chat: ChatCompletions, scope: Scope, receive: Receive, send: Send, body: bytes, present: Present
) -> None:
    """Have `body` served as a chat request of the caller's, and answer with what `present` makes of it."""
    headers = [(name, value) for name, value in scope["headers"] if name not in _OF_THE_BODY]
    given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_body() -> Message:
        return given.pop() if given else await receive()

    await chat({**scope, "headers": headers}, receive_body, _Translated(send, present))


class _Translated:
    """A `send` that holds a chat answer back until it is whole, and passes everything else on."""

    def __init__(self, send: Send, present: Present) -> None:
        self._send = send
        self._present = present
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            given: Headers = self._start["headers"]
            told = {name.decode(): value.decode("latin-1") for name, value in given}
            value = self._present(told, json.loads(message["body"]))
            kept = [header for header in given if header[0] not in _OF_THE_ANSWER]
            body = json.dumps(value, separators=(",", ":")).encode()
            await send_body(self._send, 200, [JSON_TYPE, *kept], body)
