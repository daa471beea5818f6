"""A page in headless Chromium, served from a table of files on the loopback; what it posts is what it says."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAILURE_BOUND_S = 60
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]


class Page(ThreadingHTTPServer):
    """Serves `files` (path to content type and bytes); `said` is what the page posted."""

    def __init__(self, files: Mapping[str, tuple[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), PageRequest)
        self.files = files
        self.said: bytes | None = None
        self.has_said = threading.Event()


class PageRequest(BaseHTTPRequestHandler):
    server: Page

    def do_GET(self) -> None:
        found = self.server.files.get(self.path)
        if found is None:
            self.send_error(404)
        else:
            self._answer(*found)

    def do_POST(self) -> None:
        self.server.said = self.rfile.read(int(self.headers["content-length"]))
        self._answer("text/plain", b"")
        self.server.has_said.set()

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def said_by_page(files: Mapping[str, tuple[str, bytes]], folder: Path) -> bytes:
    """What the page at `/` posted. Args: folder: for the browser's profile and log."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: `python3 tests/setup.py` as root, or install it"
    with Page(files) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{page.server_address[1]}/"
        profile = [f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0"]
        with (folder / "log").open("wb") as log:
            command = [chromium, *OPTIONS, *profile, url]
            browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            has_said = page.has_said.wait(FAILURE_BOUND_S)
        finally:
            browser.terminate()
            browser.wait(FAILURE_BOUND_S)
            page.shutdown()
    assert has_said, (folder / "log").read_text("utf-8", "replace")[-2_000:]
    assert page.said is not None
    return page.said
