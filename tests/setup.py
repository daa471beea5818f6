"""Set-up of the tests beyond the application's environment: edge tools, official clients, programs of Debian.

Idempotent; what it fetches lies in a cache outside the checkout. It says plainly what is missing when it can't go on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    HERE / "edge" / "setup_edge.py",
    HERE / "clients" / "setup_clients.py",
    HERE / "worker" / "ledger" / "setup_oracle.py",
)


#: What the tests need of Debian: the package, a file that is there once it is installed, and what fails without it.
DEBIAN = (
    ("chromium", ("/usr/bin/chromium",), "tests in a browser"),
    ("postgresql", ("/usr/lib/postgresql/*/bin/postgres",), "tests of the PostgreSQL store"),
    ("nats-server", ("/usr/sbin/nats-server", "/usr/bin/nats-server"), "tests of NATS JetStream"),
)


def install_from_debian() -> None:
    """A browser and two servers for the tests; only root can install them."""
    missing = [one for one in DEBIAN if not shutil.which(one[0]) and not any(glob(found) for found in one[1])]
    if not missing:
        return
    names = [package for package, _, _ in missing]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        for package, _, tests in missing:
            print(f"test set-up: {package} is missing and only root can install it: {tests} will fail")
        return
    print(f"test set-up: installing {', '.join(names)} from Debian", flush=True)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=False, env=environment, **quiet)  # type: ignore[call-overload]
    for package, _, tests in missing:
        done = subprocess.run(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", package],
            check=False,
            env=environment,
            **quiet,  # type: ignore[call-overload]
        )
        if done.returncode:
            print(f"test set-up: {package} could not be installed (apt-get install says why): {tests} will fail")


def main() -> int:
    """Returns the exit status: other than 0 when the Worker or the clients could not be run."""
    install_from_debian()
    return max(abs(subprocess.run([sys.executable, str(script)], check=False).returncode) for script in SCRIPTS)


if __name__ == "__main__":
    sys.exit(main())
