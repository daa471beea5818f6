"""`harpoon covenants`: stored covenants of a running Harpoon, which requests name by their ids and draw on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.commands.options import HERE, Json, Token, Url, Words, covenant_value, encoded, text_of
from gateway.failure import ClientFailed
from gateway.output import Cell, Column, complain, write_fields, write_json, write_line, write_table

covenants_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Store covenants with a budget of their own, list them, and show what is left of one.",
    epilog="Example: `harpoon covenants create '$2 budget' --title \"Quarterly report\"`, then name the id it tells:"
    ' `harpoon ask "What is a vGPU?" --covenant cov-0a1b2c3d`\n\n'
    "`harpoon covenant` (without s) reads words and stores nothing.",
)
_STRANGE = "the server's covenants have another form than this command knows; is it another version of Harpoon?"
_STYLES = {"active": "green", "completed": "yellow"}
SHOWN = 20


@covenants_cli.command(
    epilog="Example: `harpoon covenants create 'at most $2 in total, within 30 seconds' --title \"Quarterly report\"`"
)
def create(
    words: Words = None,
    title: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Store a covenant, words or a JSON object, and tell its id. A budget without a scope is for its whole lifetime."""
    from gateway.client import Client

    text = text_of(words, "harpoon covenants create '$2 budget'")
    body: dict[str, Any] = {"title": title} if title else {}
    body["covenant"] = covenant_value(text)
    with Client(url, token) as client:
        found = client.post("/v2/covenant", encoded(body))
    if as_json:
        write_json(found)
    else:
        _shaped(found)
        write_line()
        write_line(f'use it: harpoon ask "..." --covenant {found["covenant_id"]}')
    for warning in found.get("warnings", []):
        complain(f"note: {warning}")


@covenants_cli.command("list", epilog="Example: `harpoon covenants list --limit 5`")
def list_covenants(
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many, the newest.")] = SHOWN,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """List your stored covenants, the newest first, with what is left of each."""
    from gateway.client import Client

    with Client(url, token) as client:
        found = client.get("/v2/covenant", limit=limit)
    if as_json:
        write_json(found)
        return
    try:
        rows = [_row(one) for one in found["data"]]
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem
    if not rows:
        write_line("no covenant is stored yet: `harpoon covenants create '$2 budget'` stores one")
        return
    columns = ("id", "status", "left", "spent", "limits", "title")
    write_table([Column(name, right=name in ("left", "spent")) for name in columns], rows)


@covenants_cli.command(epilog="Example: `harpoon covenants show cov-0a1b2c3d`")
def show(
    covenant: Annotated[str, typer.Argument(metavar="ID", help="A stored covenant's id.", show_default=False)],
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Show one stored covenant: its limits, what it has spent and what is left."""
    show_stored(url, token, covenant, as_json)


def show_stored(url: str, token: str, covenant_id: str, as_json: bool) -> None:
    """One stored covenant, asked for and shown. Raises: ClientFailed."""
    from gateway.client import Client

    with Client(url, token) as client:
        found = client.get(f"/v2/covenant/{covenant_id}")
    if as_json:
        write_json(found)
    else:
        _shaped(found)


def _shaped(found: dict[str, Any]) -> None:
    try:
        write_fields(_fields(found))
    except (KeyError, TypeError, AttributeError) as problem:
        raise ClientFailed(_STRANGE) from problem


def _fields(one: dict[str, Any]) -> list[tuple[str, str | Cell]]:
    from gateway.commands.covenant import fields_of
    from gateway.commands.decisions import clock_text

    fields: list[tuple[str, str | Cell]] = [
        ("covenant", one["covenant_id"]),
        ("status", Cell(one["status"], _STYLES.get(one["status"], ""))),
        ("created", f"{clock_text(one['created_us'])} UTC"),
    ]
    fields += [(name, one[name]) for name in ("title", "intent") if one[name]]
    fields += fields_of(one["policy"]) or [("limits", "none")]
    fields.append(("spent", f"${one['spent_usd']}, and ${one['reserved_usd']} held for requests under way"))
    if one["budget"]:
        fields.append(("left", f"${one['budget']['left_usd']} of ${one['budget']['cap_usd']}"))
    return fields


def _row(one: dict[str, Any]) -> tuple[str | Cell, ...]:
    from gateway.commands.covenant import fields_of

    left = f"${one['budget']['left_usd']}" if one["budget"] else "-"
    limits = ", ".join(f"{name} {value}" for name, value in fields_of(one["policy"]))
    status = Cell(one["status"], _STYLES.get(one["status"], ""))
    return one["covenant_id"], status, left, f"${one['spent_usd']}", limits or "none", one["title"] or ""
