"""A capture endpoint for the SDK's tests: real HTTP, the runtime's own reader, and faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.worker.sessions.session_kit import context
from worker.sessions.completed import SessionCompleted
from worker.sessions.fields import InvalidEvent
from worker.sessions.reading import parse_events

KEY = "scr_demo_key_123"


class CaptureServer:
    """What arrived, in order. `faults`: statuses that the next requests get in the place of being served."""

    def __init__(self, port: int = 0) -> None:
        self.events: list[SessionCompleted] = []
        self.requests: list[tuple[str, str, int]] = []
        self.faults: list[int] = []
        self.headers: dict[str, str] = {}
        self.drop_answers = 0
        capture = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = capture.answer(self.path, self.headers.get("authorization", ""), body)
                if capture.drop_answers:
                    capture.drop_answers -= 1
                    self.close_connection = True
                    return
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                for name, value in capture.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, path: str, authorization: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.requests.append((path, authorization, len(body)))
        if self.faults:
            return self.faults.pop(0), {"error": {"message": "on demand"}}
        if path != "/api/session-completion/events":
            return 404, {"error": {"message": "no such path"}}
        if authorization != f"Bearer {KEY}":
            return 401, {"error": {"message": "who are you?"}}
        try:
            captured = parse_events(body, context())
        except InvalidEvent as refused:
            return refused.status, {"error": {"message": refused.message, "param": refused.param}}
        self.events.extend(captured.events)
        return 200, {"ok": True}

    def ids(self) -> list[str]:
        return [event.event_id for event in self.events]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(port: int = 0) -> Iterator[CaptureServer]:
    server = CaptureServer(port)
    try:
        yield server
    finally:
        server.close()
