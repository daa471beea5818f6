"""Commands as tests call them: in this process, or in one of their own with real pipes."""

from __future__ import annotations

import subprocess

from typer.testing import CliRunner, Result

from gateway.command_group import cli
from tests.serving import HARPOON, environment

RUN_S = 60


def invoke(*arguments: str, stdin: str | bytes = "", **settings: str) -> Result:
    """The command in this process."""
    unset = dict.fromkeys(("HARPOON_URL", "HARPOON_TOKEN", "HARPOON_DEBUG"))
    return CliRunner().invoke(cli, arguments, input=stdin, env={**unset, **settings, "COLUMNS": "200"})


def run(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [str(HARPOON), *arguments],
        input=stdin,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )


def told(result: Result, status: int, *words: str) -> None:
    """It ended so, with these words on standard error, and without a stack trace."""
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.output
