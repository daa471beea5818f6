"""`harpoon settings`: every name an operator may set."""

from __future__ import annotations

import typer

from gateway.output import Cell, Column, write_table

settings_cli = typer.Typer(add_completion=False)


@settings_cli.command(epilog="Example: `harpoon settings | grep BUDGET`")
def settings() -> None:
    """List every setting, what it does and its default; those marked secret belong in the environment or a file.

    What is accepted and read by nothing yet is marked so.
    """
    from gateway.settings import ALL_SETTINGS

    write_table(
        (Column("setting"), Column("what it does"), Column("default")),
        [
            (
                Cell(setting.name, "dim" if setting.later else ""),
                f"{setting.help} (not used yet)" if setting.later else setting.help,
                "(secret)" if setting.secret else setting.default,
            )
            for setting in ALL_SETTINGS
        ],
    )
