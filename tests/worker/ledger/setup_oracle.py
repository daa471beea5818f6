"""Install the independent Merkle implementation that the ledger's roots and proofs are compared with.

It is GPL, so it never becomes a dependency: it lies in a virtual environment of its own, in a cache folder named after
its pins (`$HARPOON_TOOLS`, else `$XDG_CACHE_HOME/harpoon`, else `~/.cache/harpoon`), is run as a program, and is told
and tells plain JSON. Standard library only; safe to call again.

Usage: setup_oracle.py
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PINS = ("pymerkle==7.0.0", "cachetools==7.2.1")
INSTALL_TIMEOUT_S = 300


class SetupError(Exception):
    """It could not be installed; the message says why."""


def environment() -> Path:
    """The folder of the virtual environment for these pins."""
    base = os.environ.get("HARPOON_TOOLS")
    if not base:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harpoon")
    digest = hashlib.sha256("\n".join([*PINS, sys.version]).encode()).hexdigest()[:16]
    return Path(base).expanduser().resolve() / f"merkle-{digest}"


def python() -> Path:
    """The environment's Python, installed if it is missing. Raises: SetupError."""
    folder = environment()
    found = folder / "bin" / "python"
    if found.exists():
        return found
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(partial)])
    pip = [str(partial / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--no-deps", *PINS])
    try:
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)  # another process was quicker
    return found


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise SetupError(f"{command[0]} did not end within {INSTALL_TIMEOUT_S} s") from None
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise SetupError(f"{PINS[0]} could not be installed: the tests that compare with it will fail:\n{tail}")


if __name__ == "__main__":
    try:
        python()
    except SetupError as problem:
        print(f"test set-up: {problem}")
        sys.exit(1)
