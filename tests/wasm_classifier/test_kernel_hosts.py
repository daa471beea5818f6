"""The same kernel through presentation/kernel.js in Node and in a headless browser: the reference's answers again."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.edge.harness import setup_edge
from tests.kernel_build import built_kernel
from tests.wasm_classifier.kernel_cases import expected, message_cases, text_cases
from wasm_classifier import kernel as abi

HERE = Path(__file__).parent
LOADER = HERE.parents[1] / "presentation" / "kernel.js"
ANSWERS = HERE / "kernel_answers.mjs"
FAILURE_BOUND_S = 60


@cache
def cases() -> bytes:
    return json.dumps({"texts": text_cases(), "messages": message_cases()}).encode()


@cache
def right_answers() -> dict[str, Any]:
    return expected(text_cases(), message_cases())


def run_node(*arguments: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [str(setup_edge.ensure().node), *arguments]
    return subprocess.run(command, input=given, capture_output=True, timeout=FAILURE_BOUND_S, check=False)


def test_node_gives_the_reference_s_answers() -> None:
    done = run_node(str(ANSWERS), str(LOADER), str(built_kernel()), given=cases())
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == right_answers()


TEXT_AND_BYTES = """
import { readFileSync } from "node:fs";
const { loadKernel } = await import(process.argv[1]);
const bytes = readFileSync(0);
const kernels = [await loadKernel(bytes), await loadKernel(new WebAssembly.Module(bytes)),
                 await loadKernel(new Response(bytes, { headers: { "content-type": "application/wasm" } }))];
const said = kernels.map((one) => [one.score("naïve?"), one.score(new TextEncoder().encode("naïve?")), one.about]);
console.log(JSON.stringify(said));
"""


def test_every_way_to_load_and_to_ask_gives_the_same() -> None:
    arguments = ("--input-type=module", "-e", TEXT_AND_BYTES, LOADER.as_uri())
    done = run_node(*arguments, given=built_kernel().read_bytes())
    assert done.returncode == 0, done.stderr.decode()
    first, *others = json.loads(done.stdout)
    assert others == [first, first]
    assert first[0] == first[1]
    assert first[2] == json.loads(abi.about_text())


@pytest.mark.parametrize(
    ("find", "put", "said"), [(b'"abi":1', b'"abi":2', "reads ABI 1, the module has 2"), (b"\0asm", b"\0txt", "magic")]
)
def test_what_is_no_kernel_of_this_abi_is_refused(find: bytes, put: bytes, said: str) -> None:
    arguments = ("--input-type=module", "-e", TEXT_AND_BYTES, LOADER.as_uri())
    done = run_node(*arguments, given=built_kernel().read_bytes().replace(find, put, 1))
    assert done.returncode != 0
    assert said in done.stderr.decode()


class Page(ThreadingHTTPServer):
    """Serves the page and what it loads, on the loopback; `said` is what the page posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PageRequest)
        self.said: bytes | None = None
        self.has_said = threading.Event()


class PageRequest(BaseHTTPRequestHandler):
    server: Page

    def do_GET(self) -> None:
        found = {
            "/": ("text/html", (HERE / "kernel_page.html").read_bytes),
            "/kernel.js": ("text/javascript", LOADER.read_bytes),
            "/kernel_answers.mjs": ("text/javascript", ANSWERS.read_bytes),
            "/kernel.wasm": ("application/wasm", built_kernel().read_bytes),
            "/cases.json": ("application/json", cases),
        }.get(self.path)
        if found is None:
            self.send_error(404)
            return
        self._answer(found[0], found[1]())

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


def test_a_browser_gives_the_reference_s_answers(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: `python3 tests/setup.py` as root, or install it"
    with Page() as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        url = f"http://127.0.0.1:{page.server_address[1]}/"
        with (tmp_path / "log").open("wb") as log:
            browser = subprocess.Popen(
                [chromium, *options, f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0", url],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            has_said = page.has_said.wait(FAILURE_BOUND_S)
        finally:
            browser.terminate()
            browser.wait(FAILURE_BOUND_S)
            page.shutdown()
    assert has_said, (tmp_path / "log").read_text("utf-8", "replace")[-2_000:]
    assert page.said is not None
    assert json.loads(page.said) == right_answers()
