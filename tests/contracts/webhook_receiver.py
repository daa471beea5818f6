"""A receiver of webhooks on a real socket, which checks each message with the official `standardwebhooks` package."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

from standardwebhooks.webhooks import Webhook as Standard


class Received(NamedTuple):
    """A message whose signature was good."""

    id: str
    headers: dict[str, str]
    body: str


class Receiver:
    """`answer` gives a message's status and headers, given how often its id has come before."""

    def __init__(self, secret: str, answer: Callable[[str, int], tuple[int, dict[str, str]]] | None = None) -> None:
        self.received: list[Received] = []
        self.refused = 0
        self.tries: dict[str, int] = {}
        self._answer = answer or (lambda name, tries: (204, {}))
        self._standard = Standard(secret)
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    def open(self) -> None:
        """Listen, at the same place as before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, more = receiver.take(headers, body)
                self.send_response(status)
                for name, value in {**more, "content-length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        name = headers.get("webhook-id", "")
        tries = self.tries[name] = self.tries.get(name, 0) + 1
        try:
            self._standard.verify(body, headers)
        except Exception:
            self.refused += 1
            return 401, {}
        status, more = self._answer(name, tries)
        if status < 300:
            self.received.append(Received(name, headers, body.decode()))
        return status, more

    def close(self) -> None:
        """Nobody listens any more."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
