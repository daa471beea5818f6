"""`harpoon catalogue`: the built-in catalogue, to be edited and given back."""

from __future__ import annotations

import typer

from gateway.output import write_json

catalogue_cli = typer.Typer(add_completion=False)


@catalogue_cli.command(
    epilog="Example: `harpoon catalogue > catalogue.json`, edit it, `HARPOON_CATALOGUE=catalogue.json harpoon serve`"
)
def catalogue() -> None:
    """Print the catalogue as JSON: edit it, and give it back with HARPOON_CATALOGUE."""
    from worker.routing.catalogue import to_plain
    from worker.routing.default_catalogue import DEFAULT_CATALOGUE

    write_json(to_plain(DEFAULT_CATALOGUE))
