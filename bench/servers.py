"""Starts what is measured, each a process of its own on a loopback port, and stops it by its process id.

It builds the two C programs of bench/load into build/bench, hands every server a small environment (nothing of the
caller's settings or keys), waits until it answers, and reads its memory from /proc.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
CHAT_PATH = "/v1/chat/completions"
TOKEN = "hk_bench_0123456789abcdef0123456789abcdef"
USUAL_HEADERS = (f"authorization: Bearer {TOKEN}",)
#: So large that it never refuses; it is there so that every request reads, holds and settles an account.
BUDGET_USD = "1000000"
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
LOAD_SECONDS = 30


class BenchError(Exception):
    """A measurement can't be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `log` receives what it prints; `headers` go with each chat request to it."""

    name: str
    port: int
    pid: int
    log: Path
    headers: tuple[str, ...] = USUAL_HEADERS

    def memory_mb(self) -> tuple[float, float]:
        """Resident memory now and at its highest, in MB (10^6 bytes)."""
        found = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        now, highest = (int(found[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM"))
        return now, highest

    def tree_memory_mb(self) -> float:
        """Memory of the process and all it started, in MB (10^6 bytes); what they share is counted once."""
        pages = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in _tree(self.pid)]
        return sum(int(line.split()[1]) * 1024 / 1e6 for page in pages for line in page.splitlines() if "Pss:" in line)

    def cpu_s(self) -> float:
        """Processor time used so far, in seconds: user and system, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> list[int]:
    """A process and those below it."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    below = [int(child) for children in tasks for child in children.read_text().split()]
    return [pid, *(one for child in below for one in _tree(child))]


def compile_tool(name: str) -> Path:
    """The C program bench/load/<name>.c, compiled if it changed. Raises: BenchError."""
    source, program = ROOT / "bench" / "load" / f"{name}.c", BUILD / name
    if program.is_file() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    BUILD.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)], check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        raise BenchError(f"gcc can't compile bench/load/{name}.c") from problem
    return program


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str, timeout_s: float = 5) -> int:
    """The status of a GET, 0 = nobody answers yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def ask(server: Server, body: bytes) -> tuple[int, bytes]:
    """One chat request: the answer's status and body. Raises: OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=START_TIMEOUT_S)
    headers = {"content-type": "application/json", **dict(line.split(": ", 1) for line in server.headers)}
    try:
        connection.request("POST", CHAT_PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def running(
    name: str,
    command: list[str],
    port: int,
    environment: Mapping[str, str],
    ready_path: str = "/health",
    headers: tuple[str, ...] = USUAL_HEADERS,
    timeout_s: int = START_TIMEOUT_S,
) -> Iterator[Server]:
    """Run `command` until the block ends; entered once `ready_path` answers. Raises: BenchError."""
    folder = Path(tempfile.mkdtemp(prefix=f"bench-{name}-"))
    log = folder / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LANG": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        deadline = time.monotonic() + timeout_s
        while get(port, ready_path) != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                words = "\n".join(log.read_text("utf-8", "replace").splitlines()[-20:])
                raise BenchError(f"{name} does not answer on its port:\n{words}")
            time.sleep(0.002)
        yield Server(name, port, process.pid, log, headers)
    finally:
        _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process, and what it started and leaves behind."""
    below = _tree(process.pid)[1:] if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def run_upstream() -> contextlib.AbstractContextManager[Server]:
    """The mock upstream."""
    port = free_port()
    return running("upstream", [str(compile_tool("upstream")), str(port)], port, {}, ready_path="/v1/models")


def run_floor(upstream: Server) -> contextlib.AbstractContextManager[Server]:
    """The bare pass-through, in one uvicorn process with uvloop and httptools."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.floor:create_app", "--factory", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return running("floor", command, port, {"FLOOR_UPSTREAM": f"http://127.0.0.1:{upstream.port}{CHAT_PATH}"})


@contextlib.contextmanager
def run_harpoon(upstream: Server) -> Iterator[Server]:
    """`harpoon serve`, one process, a token and a budget in force, the upstream as its provider, no earlier state."""
    port = free_port()
    program = Path(sys.executable).with_name("harpoon")
    if not program.is_file():
        raise BenchError("the harpoon command is not installed beside this Python: pip install -e .")
    with tempfile.TemporaryDirectory(prefix="bench-state-") as state:
        environment = {
            "HARPOON_STATE": state,
            "HARPOON_TOKENS": TOKEN,
            "HARPOON_BUDGET_USD": BUDGET_USD,
            "HOSTED_AI_BASE_URL": f"http://127.0.0.1:{upstream.port}",
        }
        with running("harpoon", [str(program), "serve", "--port", str(port)], port, environment) as server:
            yield server


def load(
    server: Server,
    body: Path,
    connections: int,
    requests: int,
    *,
    stream: bool,
    seconds: int = LOAD_SECONDS,
    path: str = CHAT_PATH,
) -> dict[str, Any]:
    """Drive one closed-loop load until so many requests or seconds; every answer must be good. Raises: BenchError."""
    command = [str(compile_tool("client")), str(server.port), path, str(connections), str(requests), str(body)]
    command += ["--seconds", str(seconds), *(["--stream"] if stream else [])]
    for line in server.headers:
        command += ["--header", line]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"the load client failed on {server.name}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["bad"]:
        words = server.log.read_text("utf-8", "replace").splitlines()[-10:]
        raise BenchError(f"{server.name} gave {found['bad']} bad answers: {done.stderr.strip()}\n" + "\n".join(words))
    return found
