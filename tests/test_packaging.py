"""What a newcomer types works: pins agree, the Makefile has what the README names, and `make run` serves."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx

from tests.serving import START_PAUSE_S, START_TRIES, STOP_S, environment, free_port

ROOT = Path(__file__).parents[1]
KERNEL = "wasm_classifier/kernel.wasm"
#: This environment is set up already: nothing is installed, however old its stamp is.
MAKE = ["make", "--no-print-directory", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.run", "-o", KERNEL]


def make_environment(**settings: str) -> dict[str, str]:
    """The environment of a `make` that isn't part of the one which may be running these tests."""
    kept = environment(**settings)
    return {name: value for name, value in kept.items() if not name.startswith(("MAKE", "MFLAGS"))}


def normal(name: str) -> str:
    """A project's name as PyPA compares it (Simple Repository API, "Normalized Names")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    found = [re.fullmatch(r"([\w.-]+)==([\w.]+)(?:;.*)?", line.strip(), re.ASCII) for line in lines]
    assert all(found), lines
    return {normal(match[1]): match[2] for match in found if match is not None}


def test_every_pin_is_the_one_that_was_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    tested = pins([line for line in constraints if line and not line.startswith("#")])
    declared = pins(
        [*project["dependencies"], *(one for group in project["optional-dependencies"].values() for one in group)]
    )
    assert {name: tested.get(name) for name in declared} == declared


def test_make_has_the_targets_that_the_readme_names() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|[` ])make ([a-z]+)(?=`|$)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"run", "test", "deploy"} <= named <= targets


def test_make_run_would_only_serve() -> None:
    done = subprocess.run(
        [*MAKE, "-n", "run"], cwd=ROOT, env=make_environment(), capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    assert shlex.split(line)[-3:] == ["exec", f"{sys.prefix}/bin/harpoon", "serve"]


def test_make_run_serves(tmp_path: Path) -> None:
    port = free_port()
    settings = {"SERVICE_PORT": str(port), "HARPOON_STATE": str(tmp_path / "state")}
    log = tmp_path / "log"
    with log.open("wb") as output:
        making = subprocess.Popen(
            [*MAKE, "run"],
            cwd=ROOT,
            env=make_environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # the leader of a group, in which the server is too
        )
    try:
        assert health(making, port, log)["status"] == "healthy"
        assert (tmp_path / "state" / "harpoon.db").exists()
    finally:
        os.killpg(making.pid, signal.SIGTERM)
        making.wait(STOP_S)


def health(making: subprocess.Popen[bytes], port: int, log: Path) -> dict[str, str]:
    """What the server says once it answers; fails with its output if it ends instead."""
    for _ in range(START_TRIES):
        assert making.poll() is None, log.read_text()
        try:
            answer: dict[str, str] = httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()
        except httpx.TransportError:
            time.sleep(START_PAUSE_S)
        else:
            return answer
    raise AssertionError(f"it does not answer: {log.read_text()}")
