"""A provider for the clients' tests: OpenAI's endpoints on a real socket, told what to do by the last words it hears.

`#503 key` fails with that status the first time it hears the key, and answers after that; a question with tools gets a
call of the first one; a tool's result is told back; anything else gets `TEXT`, which is not ASCII.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

TEXT = "Grüße aus Köln 🌍"
ARGUMENTS = '{"city":"Köln"}'
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
RESPONSES_USAGE = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
VECTOR = [0.5, -0.25, 0.125]


class Heard(NamedTuple):
    """A call that was answered: the end of its path, and its body."""

    endpoint: str
    body: dict[str, Any]


class Provider(ThreadingHTTPServer):
    """The server; `heard` holds every call in order."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[Heard] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off belongs to the story; whatever else happens is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def heard_about(self, words: str) -> list[dict[str, Any]]:
        """The bodies of the calls whose last message was these words."""
        return [call.body for call in tuple(self.heard) if _last_words(call.body) == words]


@contextlib.contextmanager
def providing() -> Iterator[Provider]:
    """A provider that answers until the context ends."""
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Provider

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        endpoint = self.path.rpartition("/")[2]
        words = _last_words(body)
        is_first = not self.server.heard_about(words)
        self.server.heard.append(Heard(endpoint, body))
        if words.startswith("#") and is_first:
            self._json(int(words[1:4]), {"error": {"message": "not now", "type": "x", "param": None, "code": None}})
        elif endpoint == "embeddings":
            self._json(200, _embeddings(body))
        elif endpoint == "responses":
            self._answer(body, _response(body), _response_events(body))
        else:
            message = _message(body)
            self._answer(body, _completion(message), _chunks(message))

    def _answer(self, body: dict[str, Any], plain: dict[str, Any], events: list[bytes]) -> None:
        if not body.get("stream"):
            self._json(200, plain)
            return
        self._head(200, "text/event-stream", "transfer-encoding", "chunked")
        for event in [*events, b""]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))

    def _json(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self._head(status, "application/json", "content-length", str(len(data)))
        self.wfile.write(data)

    def _head(self, status: int, kind: str, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header(name, value)
        self.end_headers()


def _last_words(body: dict[str, Any]) -> str:
    """What the last message, or the input, says; "" if that is more than text."""
    given = body.get("input")
    last = body["messages"][-1].get("content") if "messages" in body else given
    if isinstance(last, list) and last and isinstance(last[-1], dict):
        last = last[-1].get("text", last[-1].get("content"))
        last = last[-1].get("text") if isinstance(last, list) else last
    return last if isinstance(last, str) else ""


def _message(body: dict[str, Any]) -> dict[str, Any]:
    if body["messages"][-1]["role"] == "tool":
        return _said(f"It is {_last_words(body)}.")
    if not body.get("tools"):
        return _said(TEXT)
    function = {"name": body["tools"][0]["function"]["name"], "arguments": ARGUMENTS}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}


def _said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "refusal": None}


def _completion(message: dict[str, Any]) -> dict[str, Any]:
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "gpt-4o-mini"}
    return {**head, "choices": [choice], "usage": USAGE}


def _chunks(message: dict[str, Any]) -> list[bytes]:
    """The same as a stream, text a character at a time, a tool's arguments three."""
    if message.get("tool_calls"):
        call = message["tool_calls"][0]
        named = {**call, "index": 0, "function": {**call["function"], "arguments": ""}}
        parts = [ARGUMENTS[at : at + 3] for at in range(0, len(ARGUMENTS), 3)]
        rest = [{"index": 0, "function": {"arguments": part}} for part in parts]
        deltas: list[dict[str, Any]] = [{"tool_calls": [one]} for one in (named, *rest)]
        finish = "tool_calls"
    else:
        deltas = [{"content": character} for character in message["content"]]
        finish = "stop"
    deltas[0] = {"role": "assistant", **deltas[0]}
    chunks = [_chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    last = _chunk([{"index": 0, "delta": {}, "finish_reason": finish}])
    return [*chunks, last, _chunk([], usage=USAGE), b"data: [DONE]\n\n"]


def _chunk(choices: list[Any], **members: Any) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "gpt-4o-mini"}
    return b"data: " + json.dumps({**head, "choices": choices, **members}, ensure_ascii=False).encode() + b"\n\n"


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [{"object": "embedding", "index": index, "embedding": VECTOR} for index in range(len(texts))]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    return {"object": "list", "model": "text-embedding-3-small", "data": data, "usage": usage}


def _item() -> dict[str, Any]:
    part = {"type": "output_text", "text": TEXT, "annotations": []}
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}


def _response(body: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 7, "model": "gpt-4o-mini", "error": None}
    settings = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "incomplete_details": None}
    done = status == "completed"
    output = {"output": [_item()] if done else [], "usage": RESPONSES_USAGE if done else None}
    return {**head, **settings, "status": status, "instructions": None, "metadata": {}, **output}


def _response_events(body: dict[str, Any]) -> list[bytes]:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response(body, "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": {**_item(), "content": []}},
        {"type": "response.content_part.added", **place, "part": {**_item()["content"][0], "text": ""}},
        *({"type": "response.output_text.delta", **place, "delta": character} for character in TEXT),
        {"type": "response.output_text.done", **place, "text": TEXT},
        {"type": "response.content_part.done", **place, "part": _item()["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": _item()},
        {"type": "response.completed", "response": _response(body)},
    ]
    return [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()
        for number, event in enumerate(events)
    ]
