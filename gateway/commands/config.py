"""`harpoon config`: whether the settings can be used, what they are, and where each came from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.failure import CommandFailed
from gateway.home import home_folder
from gateway.output import Cell, Column, write_json, write_line, write_table

if TYPE_CHECKING:
    from gateway.settings import Gathered

config_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Check the settings, show them, and tell which configuration file is read.\n\n"
    "The file is YAML. It is looked for in --config, then HARPOON_CONFIG, then ~/.orchestrator/config.yaml"
    " (`harpoon config path` tells). Its sections: service (host, port, log_level); one for each provider, such as"
    " openai, groq, workers_ai, native, hosted_ai (base_url, api_key); models, with gemma and qwen; harpoon; and"
    " settings, where any name that `harpoon settings` lists may stand.",
    epilog="Example: `harpoon config check --config harpoon.yaml`\n\nA whole file:\n\n"
    "`service: {port: 9000}`\n\n`openai: {api_key: ...}`\n\n`settings: {HARPOON_BUDGET_USD: 10}`",
)
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file; else HARPOON_CONFIG, else ~/.orchestrator/config.yaml."),
]


def _gather(config: Path | None) -> Gathered:
    from gateway.settings import find_config, gather_settings
    from worker.errors import SettingsError

    try:
        return gather_settings(os.environ, {}, find_config(os.environ, config, home_folder()))
    except SettingsError as problem:
        raise CommandFailed(problem.message) from problem


@config_cli.command(
    epilog="Example: `harpoon config check --config harpoon.yaml && harpoon serve --config harpoon.yaml`"
)
def check(config: ConfigOption = None) -> None:
    """Say whether a server could start with these settings, or everything that is wrong, with file and line.

    Exit status: 0 = it could, 2 = it could not.
    """
    from gateway.config_view import shown_settings, strange_variables
    from gateway.sessions.routes_check import routes_problems
    from gateway.settings import check_settings

    gathered = _gather(config)
    settings, problems = check_settings(gathered)
    if settings is not None:
        problems = routes_problems(settings.configuration.sessions, os.environ, settings.state)
        settings = None if problems else settings
    notes = strange_variables(os.environ)
    if settings is None:
        count = "one thing is" if len(problems) == 1 else f"{len(problems)} things are"
        raise CommandFailed("\n".join([f"{count} wrong", *(f"  {problem}" for problem in (*problems, *notes))]))
    rows = [row for row in shown_settings(gathered) if row.is_set]
    kinds = [row.kind for row in rows]
    file = (
        "no configuration file" if gathered.config is None else f"{kinds.count('file')} settings of {gathered.config}"
    )
    write_line(f"ok: {file}, {kinds.count('environment')} of the environment")
    write_line(f"  providers  {', '.join(sorted(settings.configuration.configured)) or 'none'}")
    for row in rows:
        if row.later:
            write_line(f"  note       {row.key or row.name} ({row.where or row.kind}): {row.later}")
    for note in notes:
        write_line(f"  note       {note}")


@config_cli.command(epilog="Example: `harpoon config show --json`")
def show(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not at its default.")] = False,
) -> None:
    """Show every setting, its value and where it came from: default, file and line, or environment. Secrets are masked.

    What is shown need not be usable: `harpoon config check` tells.
    """
    from gateway.config_view import short, shown_settings, to_json
    from gateway.settings import check_settings

    gathered = _gather(config)
    if as_json:
        write_json(to_json(gathered, check_settings(gathered)[1]))
        return
    rows = [
        (row.name, short(row.value) or Cell("-", "dim"), row.where or row.kind, Cell(row.later, "dim"))
        for row in shown_settings(gathered)
        if row.is_set or not changed
    ]
    if rows:
        write_table((Column("setting"), Column("value"), Column("from"), Column("")), rows)
    else:
        write_line("every setting is at its default; `harpoon config show` lists them")


@config_cli.command(epilog="Example: `$EDITOR $(harpoon config path)`")
def path(config: ConfigOption = None) -> None:
    """Print the path of the configuration file: the one that is read, or else where it would be looked for."""
    from gateway.settings import CONFIG_FILE, find_config
    from worker.errors import SettingsError

    home = home_folder()
    try:
        found = find_config(os.environ, config, home)
    except SettingsError as problem:
        raise CommandFailed(problem.message) from problem
    if found is None and home is None:
        raise CommandFailed("none is read: this user has no home folder; name one with --config or HARPOON_CONFIG")
    write_line(str(found or Path(home or "", CONFIG_FILE)))
