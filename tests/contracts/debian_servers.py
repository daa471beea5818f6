"""PostgreSQL and NATS as Debian has them (tests/setup.py installs both), on ports and folders of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from glob import glob
from pathlib import Path
from types import TracebackType
from typing import Self

READY_S = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A process that listens on `port`, with a folder that outlives its restarts."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="harpoon-tests-"))
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        ends_s = time.monotonic() + READY_S
        while not self.is_ready():
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < ends_s, "it doesn't get ready"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(READY_S)


class Nats(Server):
    """nats-server with JetStream."""

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        binary = shutil.which("nats-server") or "/usr/sbin/nats-server"
        return [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder)]


class Postgres(Server):
    """A cluster of its own, run by the user `postgres`, because PostgreSQL refuses to be run by root."""

    def __init__(self) -> None:
        super().__init__()
        self._binaries = max(glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(self.folder, "postgres")
            (self.folder / "server.log").touch()
        data = str(self.folder / "data")
        command = [f"{self._binaries}/initdb", "-D", data, "-U", "harpoon", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*self._as_user, *command], check=True, capture_output=True, cwd=self.folder)

    @property
    def url(self) -> str:
        return f"postgresql://harpoon@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        listens = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        return [
            *self._as_user,
            *(f"{self._binaries}/postgres", "-D", str(self.folder / "data"), "-p", str(self.port), "-F"),
            *listens,
        ]

    def is_ready(self) -> bool:
        asked = subprocess.run(
            [f"{self._binaries}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return asked.returncode == 0

    def stop(self) -> None:
        """Through pg_ctl: runuser passes no signal on."""
        if self._process is not None:
            data = str(self.folder / "data")
            stop = [f"{self._binaries}/pg_ctl", "stop", "-D", data, "-m", "immediate", "-w"]
            subprocess.run([*self._as_user, *stop], check=True, capture_output=True, cwd=self.folder)
            self._process.wait(READY_S)
            self._process = None
