"""Set-up of the tests beyond the application's environment: edge tools, official clients, Chromium from Debian.

Idempotent; what it fetches lies in a cache outside the checkout. It says plainly what is missing when it can't go on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    HERE / "edge" / "setup_edge.py",
    HERE / "clients" / "setup_clients.py",
    HERE / "worker" / "ledger" / "setup_oracle.py",
)


def install_chromium() -> None:
    """Debian's Chromium, for the tests in a browser; only root can install it."""
    if shutil.which("chromium"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print("test set-up: chromium is missing and only root can install it: browser tests will fail")
        return
    print("test set-up: installing chromium from Debian", flush=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=False, env=environment, **quiet)  # type: ignore[call-overload]
    done = subprocess.run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"],
        check=False,
        env=environment,
        **quiet,  # type: ignore[call-overload]
    )
    if done.returncode:
        print(
            "test set-up: chromium could not be installed; browser tests will fail (apt-get install chromium says why)"
        )


def main() -> int:
    """Returns the exit status: other than 0 when the Worker or the clients could not be run."""
    install_chromium()
    return max(abs(subprocess.run([sys.executable, str(script)], check=False).returncode) for script in SCRIPTS)


if __name__ == "__main__":
    sys.exit(main())
