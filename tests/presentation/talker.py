"""A provider for the pages' tests: OpenAI's chat on a real socket, which does what the last message tells it.

`#fail` answers 503, `#hang` never answers, `#cut` breaks off in mid-stream, `#slow N` streams N words with pauses
between them; one of the texts it was given is said back; anything else is answered in a few words.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "A share of a GPU. Several tenants see one card, each as a device of its own."
PAUSE_S = 0.03


class Talker(ThreadingHTTPServer):
    """The server. Args: texts: what it says back."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, texts: Sequence[str] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts = list(texts)
        #: Clients that left in mid-stream.
        self.left = 0
        #: Set at the end, so that nobody waits for what hangs.
        self.ending = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off belongs to the story; whatever else happens is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextlib.contextmanager
def talking(texts: Sequence[str] = ()) -> Iterator[Talker]:
    """A provider that answers until the context ends."""
    with Talker(texts) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Talker

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = str(body["messages"][-1]["content"])
        told, _, number = text.partition(" ")
        if told == "#fail":
            self._json(503, {"error": {"message": "not now", "type": "x", "param": None, "code": None}})
        elif told == "#hang":
            self.server.ending.wait(60)
            self.close_connection = True
        elif text in self.server.texts:
            self._answer(body, [text[at : at + 700] for at in range(0, len(text), 700)], cut=False)
        elif told == "#slow":
            self._answer(body, [f"word{at} " for at in range(int(number))], cut=False, pause_s=PAUSE_S)
        else:
            self._answer(
                body, [f"{word} " for word in ANSWER.split(" ")[:-1]] + [ANSWER.split(" ")[-1]], cut=told == "#cut"
            )

    def _answer(self, body: dict[str, Any], parts: Sequence[str], *, cut: bool, pause_s: float = 0) -> None:
        usage = {"prompt_tokens": 9, "completion_tokens": len(parts), "total_tokens": 9 + len(parts)}
        head = {"id": "chatcmpl-1", "created": 7, "model": body["model"]}
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(parts), "refusal": None}
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            self._json(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        head["object"] = "chat.completion.chunk"
        deltas: list[tuple[dict[str, Any], str | None]] = [({"content": part}, None) for part in parts]
        try:
            for delta, finish in [*(deltas[: len(deltas) // 2] if cut else [*deltas, ({}, "stop")])]:
                choice = {"index": 0, "delta": delta, "finish_reason": finish}
                self._chunk({**head, "choices": [choice]})
                self.server.ending.wait(pause_s)
            if not cut:
                self._chunk({**head, "choices": [], "usage": usage})
                self._send(b"data: [DONE]\n\n")
                self._send(b"")
        except ConnectionError:
            self.server.left += 1
            raise
        self.close_connection = cut

    def _chunk(self, chunk: dict[str, Any]) -> None:
        self._send(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def _send(self, event: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))

    def _json(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
