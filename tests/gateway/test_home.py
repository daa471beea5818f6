"""A user without a home folder, as containers have them: no HOME, and no entry among the system's users."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from gateway.settings import find_config
from tests.serving import START_PAUSE_S, START_TRIES, environment, free_port
from worker.errors import SettingsError

#: `harpoon`, by a user of whom the system knows nothing.
HOMELESS = """
import pwd, sys

def unknown(uid):
    raise KeyError(uid)

pwd.getpwuid = unknown
sys.argv[0] = "harpoon"
from gateway.cli import main
sys.exit(main())
"""


def homeless(*arguments: str, **settings: str) -> tuple[list[str], dict[str, str]]:
    """A command line and its environment."""
    known = {name: value for name, value in environment(**settings).items() if name != "HOME"}
    return [sys.executable, "-c", HOMELESS, *arguments], known


def said(*arguments: str, **settings: str) -> tuple[int, str]:
    command, known = homeless(*arguments, **settings)
    done = subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_server_starts_for_who_has_no_home(tmp_path: Path) -> None:
    port = free_port()
    command, known = homeless("serve", HARPOON_STATE=str(tmp_path / "state"), SERVICE_PORT=str(port))
    with subprocess.Popen(command, env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            for _ in range(START_TRIES):
                assert server.poll() is None, server.communicate()[0]
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                        break
                time.sleep(START_PAUSE_S)
            else:
                pytest.fail("it does not answer")
        finally:
            server.terminate()


def test_commands_say_what_to_set_where_a_home_is_needed(tmp_path: Path) -> None:
    status, text = said("serve")
    assert status != 0
    assert "HARPOON_STATE must be a path without ~ here" in text
    status, text = said("serve", HARPOON_CONFIG="~/harpoon.yaml")
    assert status != 0
    assert "HARPOON_CONFIG must be a path without ~ here" in text
    status, text = said("config", "path")
    assert status != 0
    assert "no home folder" in text
    named = tmp_path / "harpoon.yaml"
    assert said("config", "path", HARPOON_CONFIG=str(named)) == (0, f"{named}\n")
    assert said("config", "check", HARPOON_STATE=str(tmp_path))[0] == 0
    assert said("route", "--offline", "What is a vGPU?", HARPOON_STATE=str(tmp_path))[0] == 0
    status, text = said("health", HARPOON_CONFIG="~/harpoon.yaml", SERVICE_PORT="1")
    assert status != 0
    assert "127.0.0.1:1" in text or "127.0.0.1:8080" in text


def test_no_home_has_no_configuration_file() -> None:
    assert find_config({}, None, None) is None
    with pytest.raises(SettingsError, match="HARPOON_CONFIG must be a path without ~"):
        find_config({"HARPOON_CONFIG": "~nobody-of-that-name/x.yaml"}, None, None)
