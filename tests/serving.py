"""A really running `harpoon serve`, as a newcomer would start it: its own process, port and state."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from gateway.settings import ALL_SETTINGS

HARPOON = Path(sys.executable).with_name("harpoon")
START_TRIES = 600
START_PAUSE_S = 0.05
STOP_S = 15


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without any setting of Harpoon's but those given."""
    names = {setting.name for setting in ALL_SETTINGS} | {"HARPOON_URL", "HARPOON_TOKEN"}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "100", **settings}


class Serving:
    """One `harpoon serve`; `base` is its root URL, `log` what it printed."""

    def __init__(self, state: Path, *arguments: str, **settings: str) -> None:
        self.state = state
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self._log = state.parent / f"{state.name}-{self.port}.log"
        given = {
            "HARPOON_STATE": str(state),
            "HARPOON_SIMULATOR_SPEED": "0",
            "SERVICE_PORT": str(self.port),
            **settings,
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(HARPOON), "serve", *arguments],
                env=environment(**given),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait(self) -> None:
        """Return once it answers; fails with its output if it ends instead."""
        for _ in range(START_TRIES):
            assert self.process.poll() is None, self.log
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.base}/health", trust_env=False).status_code == 200:
                    return
            time.sleep(START_PAUSE_S)
        raise AssertionError(f"it does not answer: {self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal to the one process that was started; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextlib.contextmanager
def serving(state: Path, *arguments: str, **settings: str) -> Iterator[Serving]:
    """A server that answers, stopped at the end."""
    server = Serving(state, *arguments, **settings)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
