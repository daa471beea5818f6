"""Runs a Worker in real workerd under real `wrangler dev`, for tests.

The deployed wrangler.toml is read and only what must differ is changed: the module root is staged once into a folder
of its own, so that an edit elsewhere doesn't reload a Worker under test, and the flags of a locally packed Pyodide
bundle are added where that is used.
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
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import setup_edge  # noqa: E402  (a script beside this file, not a package)

from tests.kernel_build import built_kernel  # noqa: E402

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 10


class EdgeWorkerError(Exception):
    """The Worker could not be started; the message ends with wrangler's last words."""


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EdgeWorker:
    """One Worker in `wrangler dev`; use it as a context manager, or `start()` and `stop()` it.

    Args:
        entry: the entry module; None means the product's own.
        added: further modules that the entry imports; they are put beside it.
        label: names the staging folder build/edge-<label>.
        variables: vars and secrets of the Worker.
        queue: whether a queue is bound as SESSIONS_QUEUE, whose consumer is the Worker itself.
        ready_path: a GET of it answers below 500 once the Worker runs.
    """

    def __init__(
        self,
        entry: Path | None = None,
        *,
        added: Sequence[Path] = (),
        label: str = "test",
        variables: Mapping[str, str] | None = None,
        queue: bool = False,
        ready_path: str = "/health",
    ) -> None:
        self.tools = setup_edge.ensure()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._entry = entry
        self._added = tuple(added)
        self._variables = dict(variables or {})
        self._queue = queue
        self._ready_path = ready_path
        self._folder = ROOT / "build" / f"edge-{label}"
        self.state = Path(tempfile.mkdtemp(prefix="harpoon-edge-"))
        self.log = self.state / "wrangler.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> EdgeWorker:
        self._stage()
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start the Worker and return once it answers. Raises: EdgeWorkerError."""
        command = [
            str(self.tools.node),
            str(self.tools.wrangler),
            "dev",
            "--config",
            str(self._folder / "wrangler.json"),
        ]
        command += ["--ip", "127.0.0.1", "--port", str(self.port), "--inspector-port", str(free_port())]
        command += ["--persist-to", str(self.state / "objects"), "--show-interactive-dev-session", "false"]
        for name, value in self._variables.items():
            command += ["--var", f"{name}:{value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def stop(self, *, crash: bool = False) -> None:
        """End wrangler and both its workerd processes; `crash` gives them no chance to say goodbye."""
        process, self._process = self._process, None
        if process is None:
            return
        group = process.pid  # start_new_session made it the leader of a group of its own
        _signal_group(group, signal.SIGKILL if crash else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        _signal_group(group, signal.SIGKILL)
        process.wait()

    def restart(self, *, crash: bool = False) -> None:
        """Stop and start again over the same state and port."""
        self.stop(crash=crash)
        self.start()

    def close(self) -> None:
        """Stop the Worker and remove its state."""
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)

    def read_log(self) -> str:
        """What wrangler and the Worker have printed so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def _stage(self) -> None:
        built_kernel()
        command = [sys.executable, str(ROOT / "deploy" / "edge" / "stage.py"), "--out", str(self._folder / "src")]
        if self._entry is not None:
            command += ["--entry", str(self._entry)]
        for path in self._added:
            command += ["--add", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        config = tomllib.loads((ROOT / "wrangler.toml").read_text())
        del config["build"]
        config["main"] = "src/entry.py"
        config["assets"]["directory"] = "src-pages"
        if self._queue:
            producer = {"queue": "harpoon-sessions", "binding": "SESSIONS_QUEUE"}
            consumer = {"queue": "harpoon-sessions", "max_batch_timeout": 0}
            config["queues"] = {"producers": [producer], "consumers": [consumer]}
        config["compatibility_flags"] += self.tools.local_flags
        (self._folder / "wrangler.json").write_text(json.dumps(config, indent=1))
        link = self._folder / "python_modules"
        if not link.is_symlink():
            link.symlink_to(self.tools.python_modules, target_is_directory=True)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.tools.node.parent}:{os.environ.get('PATH', '')}",
            "HOME": str(self.state),
            "TMPDIR": str(self.state),  # miniflare leaves its folders behind when it is killed
            "MINIFLARE_WORKERD_PATH": str(self.tools.workerd),
            "WRANGLER_LOG_PATH": str(self.state / "logs"),
            "WRANGLER_SEND_METRICS": "false",
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            "CI": "true",
            "NO_COLOR": "1",
        }

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)
            try:
                connection.request("GET", self._ready_path)
                if connection.getresponse().status < 500:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.1)
        log = self.read_log()
        self.stop()
        raise EdgeWorkerError("the Worker did not start:\n" + "\n".join(log.splitlines()[-30:]))


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
