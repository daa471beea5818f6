"""Where the `harpoon` command begins: whatever goes wrong is said in a sentence.

gateway/command_group.py reads the command line with Typer. `harpoon serve` with nothing but options and their values
goes without it: Typer and pydantic, on which it stands, would be a fifth of a start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from gateway.failure import CommandFailed
from gateway.output import complain

#: In the order of the help: the file `gateway/commands/<name>.py` has the command as `<name>_cli`.
COMMANDS = (
    "serve",
    "ask",
    "covenant",
    "covenants",
    "classify",
    "route",
    "models",
    "health",
    "decisions",
    "decide",
    "certificate",
    "canon",
    "report",
    "pools",
    "billing",
    "simulator",
    "probe",
    "learn",
    "ledger",
    "sessions",
    "tenants",
    "keys",
    "config",
    "settings",
    "catalogue",
)
#: What a fault of ours ends with (sysexits: EX_SOFTWARE), a reader that left (128 + SIGPIPE), Ctrl-C (128 + SIGINT).
FAULT, READER_LEFT, INTERRUPTED = 70, 141, 130
DEBUG = "HARPOON_DEBUG"
STDOUT = 1


class ServeOptions(NamedTuple):
    """What `harpoon serve` was told, as gateway/serving.py takes it."""

    host: str = ""
    port: str = ""
    workers: str = ""
    config: Path | None = None


def plain_serve(words: Sequence[str]) -> ServeOptions | None:
    """The options of `harpoon serve`; None for whatever Typer may read otherwise, or must explain.

    Args: words: the command line after `harpoon`.
    """
    if not words or words[0] != "serve":
        return None
    given: dict[str, str] = {}
    rest = iter(words[1:])
    for word in rest:
        option, equals, value = word.partition("=")
        if not equals:
            value = next(rest, "")
        name = option.removeprefix("--")
        if option == name or name not in ServeOptions._fields or not value.isascii() or value[:1] in ("", "-"):
            return None
        given[name] = value
    config = given.pop("config", None)
    return ServeOptions(**given, config=None if config is None else Path(config))


def tell_failure(problem: CommandFailed | BrokenPipeError) -> int:
    """Say why a command failed, if somebody still reads. Returns its exit status."""
    if isinstance(problem, BrokenPipeError):
        # Nobody reads on; what Python would still write at its end must not complain either.
        if sys.stdout is sys.__stdout__:
            os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return READER_LEFT
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(problem)
    complain(problem.message)
    return problem.status


def tell_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One line for a fault of ours, and how to get the rest. Raises: SystemExit, which the interpreter then follows."""
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(kind, error, trace)
    else:
        text = str(error).splitlines() or [""]
        complain(
            f"this is a fault of Harpoon, not yours: {kind.__name__}: {text[0][:200]}\n"
            f"  {DEBUG}=1 harpoon ... shows where it happened"
        )
    raise SystemExit(FAULT)


def spare_httpx_command() -> None:
    """Have httpx imported without the command line it brings, which takes click, rich and pygments along.

    httpx allows for its absence. A module that is None can't be imported (the language reference, 5.3.1).
    """
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def main() -> None:
    """Entry point of the console script."""
    sys.excepthook = tell_fault
    spare_httpx_command()
    options = plain_serve(sys.argv[1:])
    if options is None:
        from gateway.command_group import run_command

        run_command()
        return
    from gateway.serving import serve_gateway

    try:
        serve_gateway(*options)
    except (CommandFailed, BrokenPipeError) as problem:
        raise SystemExit(tell_failure(problem)) from problem
    except KeyboardInterrupt as problem:
        raise SystemExit(INTERRUPTED) from problem
