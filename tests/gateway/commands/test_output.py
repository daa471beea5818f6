"""What is shown where: plain and unwrapped in a pipe, coloured and fitted on a terminal, never able to steer it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from gateway.cli import COMMANDS, DEBUG, FAULT
from gateway.output import Column, clean, plain_table
from tests.gateway.commands.command_kit import RUN_S, invoke, run, told
from tests.serving import HARPOON, environment


def on_a_terminal(*arguments: str, **settings: str) -> str:
    """What the command writes to a pseudo-terminal of 60 columns."""
    ours, theirs = pty.openpty()
    given = {**environment(**settings), "COLUMNS": "60", "TERM": "xterm-256color"}
    if "NO_COLOR" not in settings:
        del given["NO_COLOR"]
    process = subprocess.Popen(
        [str(HARPOON), *arguments], env=given, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux says so when the last writer has closed it
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    process.wait(RUN_S)
    return b"".join(parts).decode()


def test_colour_is_for_terminals_and_goes_by_no_color() -> None:
    green = "\x1b[32m"
    assert green in on_a_terminal("classify", "hi")
    assert green not in on_a_terminal("classify", "hi", NO_COLOR="1")
    assert "\x1b" not in run("classify", "hi").stdout


def test_a_table_fits_a_terminal_and_is_not_wrapped_in_a_pipe() -> None:
    lines = re.sub("\x1b\\[[0-9;]*m", "", on_a_terminal("settings")).splitlines()
    assert max(len(line) for line in lines) <= 60
    assert max(len(line) for line in run("settings").stdout.splitlines()) > 60


def test_no_text_can_steer_the_terminal() -> None:
    hostile = "a\x1b[2Jb\x07\x9bc\ud800\nd\te"
    assert clean(hostile) == "a\ufffd[2Jb\ufffd\ufffdc\ufffd\nd\te"
    assert "\x1b[2J" not in on_a_terminal("covenant", "under $2 \x1b[2J")
    assert "\x1b" not in run("covenant", "under $2 \x1b[2J").stdout


def test_a_plain_table_is_aligned_without_trailing_blanks() -> None:
    columns = (Column("name"), Column("n", right=True), Column("more"))
    assert plain_table(columns, [("a", "10", ""), ("long", "5", "x")]) == ["name   n  more", "a     10", "long   5  x"]
    assert plain_table(columns, [], head=False) == []


def test_every_command_teaches_by_an_example() -> None:
    help_text = invoke("--help").output
    assert "--install-completion" in help_text
    for command in COMMANDS:
        assert command in help_text
        text = " ".join(invoke(command, "--help").output.split())
        assert "Example" in text, command
        assert f"harpoon {command}" in text, command


def test_the_version_is_told() -> None:
    assert invoke("--version").output == "harpoon 0.1.0\n"


def test_completion_is_offered() -> None:
    given = environment(_HARPOON_COMPLETE="complete_bash", COMP_WORDS="harpoon cov", COMP_CWORD="1")
    done = subprocess.run([str(HARPOON)], env=given, capture_output=True, text=True, timeout=RUN_S)
    assert done.stdout.split() == ["covenant", "covenants"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("clasify",), "Did you mean 'classify'?"),
        (("ask", "--colour", "hi"), "--colour"),
        (("report", "--format", "pdf"), "pdf"),
        (("decisions", "--limit", "0"), "--limit"),
    ],
)
def test_a_mistake_on_the_command_line_is_said(arguments: tuple[str, ...], words: str) -> None:
    told(invoke(*arguments), 2, words)


def test_a_fault_of_ours_is_one_line_and_how_to_see_the_rest() -> None:
    program = "import sys, gateway.cli as cli\nsys.excepthook = cli.tell_fault\nraise ValueError('odd\\nthing')"
    for settings, has_trace in (({}, False), ({DEBUG: "1"}, True)):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment(**settings), capture_output=True, text=True, timeout=RUN_S
        )
        assert done.returncode == FAULT
        assert ("Traceback" in done.stderr) is has_trace
        if not has_trace:
            assert done.stderr.splitlines() == [
                "harpoon: this is a fault of Harpoon, not yours: ValueError: odd",
                f"  {DEBUG}=1 harpoon ... shows where it happened",
            ]


def test_a_users_mistake_has_a_trace_only_where_it_is_asked_for() -> None:
    assert "Traceback" not in run("report", "--from", "/nowhere").stderr
    traced = run("report", "--from", "/nowhere", HARPOON_DEBUG="1")
    assert "Traceback" in traced.stderr
    assert traced.returncode == 2


@pytest.mark.parametrize("module", ["uvicorn", "starlette", "httpx", "yaml", "rich"])
def test_a_batch_starts_without_what_it_does_not_need(module: str) -> None:
    program = (
        "import sys\nfrom typer.testing import CliRunner\nimport gateway.command_group as group\n"
        "for name in list(sys.modules):\n"
        "    if name.split('.')[0] == sys.argv[1]: del sys.modules[name]\n"
        "CliRunner().invoke(group.cli, ['covenant', '--jsonl'], input='{\"text\":\"under $2\"}')\n"
        "print(sys.argv[1] in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, module], capture_output=True, text=True, timeout=RUN_S)
    assert done.stdout.strip() == "False", done.stderr
