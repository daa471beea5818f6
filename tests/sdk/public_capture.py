"""A capture endpoint as pages see it: public keys, allowed origins, CORS; and the server of the pages themselves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.worker.sessions.session_kit import context
from worker.sessions.fields import InvalidEvent
from worker.sessions.reading import parse_events

PUBLIC_KEY = "scr_pub_shop"
PATH = "/api/session-completion/events"


class PublicCapture:
    """What arrived, in order. `pace_s`: how long each request takes, to see whether two overlap."""

    def __init__(self, port: int, allowed: str, pace_s: float = 0.0) -> None:
        self.ids: list[str] = []
        self.requests: list[tuple[str, str, str]] = []
        self.most_at_once = 0
        at_once = 0
        lock = threading.Lock()
        capture = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                nonlocal at_once
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    at_once += 1
                    capture.most_at_once = max(capture.most_at_once, at_once)
                time.sleep(pace_s)
                origin, kind = self.headers.get("origin", ""), self.headers.get("content-type", "")
                key = parse_qs(urlsplit(self.path).query).get("public_key", [""])[0]
                capture.requests.append((self.headers.get("sec-fetch-mode", ""), origin, kind))
                status, answer = 200, dict[str, Any](ok=True)
                if origin != allowed or key != PUBLIC_KEY or urlsplit(self.path).path != PATH:
                    status, answer = 403, {"error": {"message": "not from there"}}
                else:
                    try:
                        capture.ids += [event.event_id for event in parse_events(body, context()).events]
                    except InvalidEvent as refused:
                        status, answer = refused.status, {"error": {"message": refused.message}}
                with lock:
                    at_once -= 1
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                if origin == allowed:
                    self.send_header("access-control-allow-origin", origin)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def public_capture(port: int, allowed: str, pace_s: float = 0.0) -> Iterator[PublicCapture]:
    server = PublicCapture(port, allowed, pace_s)
    try:
        yield server
    finally:
        server.close()
