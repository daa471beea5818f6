"""`harpoon health`: whether a running Harpoon is well, as words and as an exit status."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import NO, ClientFailed
from gateway.output import Cell, write_fields, write_json

health_cli = typer.Typer(add_completion=False)
HEALTHY = "healthy"


@health_cli.command(epilog="Example: `harpoon health || echo 'not well'`, in a script that waits for the server")
def health(
    detailed: Annotated[bool, typer.Option("--detailed", help="Ask for everything the server knows.")] = False,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Ask a running Harpoon how it is. Exit status: 0 healthy, 1 degraded, 2 nobody answers."""
    from gateway.client import Client

    query = {"detailed": "true"} if detailed else {}
    with Client(url, token) as client:
        _, found = client.status_of("/health", **query)
        base = client.base
    if not isinstance(found, dict) or "status" not in found:
        raise ClientFailed(f"what answers at {base} is not Harpoon")
    if as_json:
        write_json(found)
    else:
        write_fields(_fields(found))
    if found["status"] != HEALTHY:
        raise typer.Exit(NO)


def _fields(value: dict[str, Any], before: str = "") -> list[tuple[str, str | Cell]]:
    """An object's members by their dotted names, one a line."""
    fields: list[tuple[str, str | Cell]] = []
    for name, member in value.items():
        if isinstance(member, dict) and member:
            fields += _fields(member, f"{before}{name}.")
        else:
            text = member if isinstance(member, str) else json.dumps(member, ensure_ascii=False)
            style = {"healthy": "green", "degraded": "yellow"}.get(text, "")
            fields.append((f"{before}{name}", Cell(text, style)))
    return fields
