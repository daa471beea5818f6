"""`harpoon settings`: every name an operator may set."""

from __future__ import annotations

import typer

from gateway.output import Column, write_table

settings_cli = typer.Typer(add_completion=False)


@settings_cli.command(epilog="Example: `harpoon settings | grep BUDGET`")
def settings() -> None:
    """List every setting, what it does and its default; those marked secret belong in the environment or a file."""
    from gateway.settings import ALL_SETTINGS

    write_table(
        (Column("setting"), Column("what it does"), Column("default")),
        [(setting.name, setting.help, "(secret)" if setting.secret else setting.default) for setting in ALL_SETTINGS],
    )
