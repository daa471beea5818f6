"""The commands assembled with Typer: their help, their suggestions, their failures in words.

A command's file is read only when it is called or listed, and imports what is heavy only when it runs.
"""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli import COMMANDS, tell_failure
from gateway.failure import CommandFailed
from gateway.output import write_line

HELP_NAMES = ["-h", "--help"]


class HarpoonGroup(TyperGroup):
    """The commands, loaded one by one, and their failures in words."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module = importlib.import_module(f"gateway.commands.{cmd_name}")
            command = typer.main.get_command(getattr(module, f"{cmd_name}_cli"))
            command.name = cmd_name
            _without_flag_types(command)
            self.commands[cmd_name] = command
        return self.commands.get(cmd_name)

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)
        _without_types(params)
        return params

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            for name in COMMANDS:  # what is meant is suggested out of those that are loaded
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (CommandFailed, BrokenPipeError) as problem:
            raise typer.Exit(tell_failure(problem)) from problem


def _without_flag_types(command: Any) -> None:
    """As `_without_types`, for a command and those below it."""
    # What asks for help is an option too, made when it is first needed and then kept.
    context = typer.Context(command, help_option_names=HELP_NAMES)
    _without_types([*command.params, command.get_help_option(context)])
    for inner in getattr(command, "commands", {}).values():
        _without_flag_types(inner)


def _without_types(params: list[Any]) -> None:
    """A flag takes no value, so the help names no type of one."""
    for option in params:
        if getattr(option, "is_flag", False):
            option.metavar = ""


cli = typer.Typer(
    cls=HarpoonGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": HELP_NAMES},
    help="Harpoon: one OpenAI-compatible URL that turns intent into a route.",
    epilog='Start with `harpoon serve`, then in another terminal `harpoon ask "What is a vGPU?"`.\n\n'
    "`harpoon COMMAND --help` shows what a command does, with an example. Exit status: 0 yes or done, 1 the thing asked"
    " says no, 2 it could not be asked.\n\n"
    "`harpoon --install-completion` teaches your shell to complete commands and options.",
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        write_line(f"harpoon {version('harpoon')}")
        raise typer.Exit


@cli.callback()
def harpoon(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Nothing of its own: every command stands in its file."""


def run_command() -> None:
    """Read the process's command line, and do what it says. Raises: SystemExit."""
    typer.main.get_command(cli)()
