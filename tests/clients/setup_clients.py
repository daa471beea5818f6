"""Install the official clients that the tests use, apart from the application's own environment, and say where.

Standard library only; safe to call again, as it does only what is missing. From npm and PyPI alone:

* OpenAI's Node SDK, pinned in tests/clients/package.json, for the Node that the edge tools bring, and axe-core, which
  looks for barriers in our pages;
* LiteLLM and TensorZero with all that they bring, pinned in tests/clients/requirements.txt, in a virtual environment.

Both lie in a cache folder named after the pins, beside the edge tools' (tests/edge/setup_edge.py).

Usage: setup_clients.py [--check]     (--check installs nothing and fails when something is missing)
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "edge"))

import setup_edge  # noqa: E402  (a script in a folder beside this one, not a package)

NPM_PINS = HERE / "package.json"
PYTHON_PINS = HERE / "requirements.txt"
INSTALL_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Clients:
    """Where they lie: an interpreter with LiteLLM and TensorZero, a Node, and the folder its packages are in."""

    python: Path
    node: Path
    node_folder: Path


def clients_folder() -> Path:
    """The cache folder of these pins and of this version of Python."""
    pins = hashlib.sha256(NPM_PINS.read_bytes() + PYTHON_PINS.read_bytes()).hexdigest()[:16]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return setup_edge.tools_folder().with_name(f"clients-{version}-{pins}")


def _run(what: str, command: list[str], cwd: Path) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise setup_edge.SetupError(f"{what} needs `{command[0]}`, which is not on PATH") from None
    except subprocess.TimeoutExpired:
        raise setup_edge.SetupError(f"{what} did not end within {INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise setup_edge.SetupError(f"{what} failed (exit status {done.returncode}):\n{tail}")


def _install_node_package(folder: Path) -> None:
    print(f"installing OpenAI's Node SDK and axe-core into {folder}", flush=True)
    partial = folder / "npm.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    shutil.copy(NPM_PINS, partial / "package.json")
    _run("npm install", ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], partial)
    partial.rename(folder / "npm")


def _install_python_packages(folder: Path) -> None:
    print(f"installing LiteLLM and TensorZero into {folder}", flush=True)
    partial = folder / "venv.partial"
    shutil.rmtree(partial, ignore_errors=True)
    _run("python -m venv", [sys.executable, "-m", "venv", "--without-pip", str(partial)], folder)
    command = [sys.executable, "-m", "pip", "--python", str(partial / "bin" / "python"), "install", "--quiet"]
    # Every package is named, so nothing has to be resolved, and nothing unnamed can come along.
    command += ["--no-deps", "--no-compile", "--only-binary", ":all:", "--disable-pip-version-check"]
    _run("pip install", [*command, "-r", str(PYTHON_PINS)], folder)
    partial.rename(folder / "venv")


def ensure(install: bool = True) -> Clients:
    """Return the clients, installing what is missing. Raises: setup_edge.SetupError naming what can't be had."""
    folder = clients_folder()
    edge = setup_edge.ensure(install)
    if install:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:  # two test runs may start at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "npm").is_dir():
                _install_node_package(folder)
            if not (folder / "venv").is_dir():
                _install_python_packages(folder)
    missing = [name for name in ("npm", "venv") if not (folder / name).is_dir()]
    if missing:
        raise setup_edge.SetupError(f"missing: {', '.join(missing)}; run `python3 tests/clients/setup_clients.py`")
    return Clients(folder / "venv" / "bin" / "python", edge.node, folder / "npm")


def main() -> int:
    try:
        clients = ensure(install="--check" not in sys.argv[1:])
    except setup_edge.SetupError as problem:
        print(f"the clients are not ready: {problem}", file=sys.stderr)
        return 1
    print(f"ready: {clients.python}, {clients.node_folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
