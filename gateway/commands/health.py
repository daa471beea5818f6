"""`harpoon health`: whether a running Harpoon is well, as words and as an exit status."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import NO, ClientFailed
from gateway.output import Cell, Column, write_fields, write_json, write_line, write_table

health_cli = typer.Typer(add_completion=False)
HEALTHY = "healthy"
_STYLES = {"healthy": "green", "degraded": "yellow", "up": "green", "down": "red", "not configured": "dim"}


@health_cli.command(
    epilog="Examples: `harpoon health || echo 'not well'`, in a script that waits for the server;"
    " `harpoon health --detailed`, which also asks every provider for its models"
)
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
        # Degraded or not, the plain form is always an answer; the detailed one may refuse who asks.
        found = client.get("/health", **query) if detailed else client.status_of("/health")[1]
        base = client.base
    if not isinstance(found, dict) or "status" not in found:
        raise ClientFailed(f"what answers at {base} is not Harpoon")
    if as_json:
        write_json(found)
    else:
        apart = ("details", "providers") if "details" in found else ()
        write_fields(_fields({name: member for name, member in found.items() if name not in apart}))
        if apart:
            try:
                _show_details(found["details"])
            except (KeyError, TypeError, AttributeError) as problem:
                raise ClientFailed(f"what answers at {base} is not Harpoon") from problem
    if found["status"] != HEALTHY:
        raise typer.Exit(NO)


def _show_details(details: dict[str, Any]) -> None:
    """A table of the providers, then what each configured one lacks."""
    rows: list[tuple[str | Cell, ...]] = []
    notes = []
    for name, one in details.items():
        calls, probe = one["calls"], one["probe"]
        rows.append(
            (
                name,
                Cell(one["status"], _STYLES.get(one["status"], "")),
                _ended(probe, "result") if probe else "-",
                f"{calls['answered']} answered, {calls['failed']} failed" if one["configured"] else "-",
                _ended(calls["last_failure"], "cause") if calls["last_failure"] else "-",
                str(len(one["models"])),
            )
        )
        if one.get("not_listed"):
            notes.append(f"{name} does not list {', '.join(one['not_listed'])}: requests for it may fail there")
        for route, breaker in one["routes"].items():
            if breaker["breaker"] != "closed":
                notes.append(
                    f"{route} rests ({breaker['breaker']}) after {breaker['failed_in_a_row']} failures in a row"
                )
    columns = ("provider", "status", "probe", "calls", "last failure", "models")
    write_line()
    write_table([Column(column, right=column == "models") for column in columns], rows)
    for note in notes:
        write_line(f"note  {note}")


def _ended(what: dict[str, Any], name: str) -> str:
    """How a probe or a call ended, with its HTTP status and when."""
    from gateway.commands.decisions import clock_text

    status = f" (HTTP {what['http_status']})" if what["http_status"] else ""
    return f"{what[name]}{status}, {clock_text(what['at_us'])} UTC"


#: How members are told whose figures nobody reads as they are.
_READABLE: dict[str, Callable[[Any], str]] = {
    "deployment_modes": ", ".join,
    "uptime_s": lambda seconds: duration_text(int(seconds)),
}


def duration_text(seconds: int) -> str:
    """A time in its two largest units: `3 min 5 s`."""
    parts: list[str] = []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number or (name == "s" and not parts):
            parts.append(f"{number} {name}")
    return " ".join(parts[:2])


def _fields(value: dict[str, Any], before: str = "") -> list[tuple[str, str | Cell]]:
    """An object's members by their dotted names, one a line."""
    fields: list[tuple[str, str | Cell]] = []
    for name, member in value.items():
        if isinstance(member, dict) and member:
            fields += _fields(member, f"{before}{name}.")
            continue
        text = member if isinstance(member, str) else json.dumps(member, ensure_ascii=False)
        if name in _READABLE and not before:
            with contextlib.suppress(TypeError, ValueError):  # another form than is known is shown as it is
                text = _READABLE[name](member)
        fields.append((f"{before}{name}", Cell(text, _STYLES.get(text, ""))))
    return fields
