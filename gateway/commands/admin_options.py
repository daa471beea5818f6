"""What `harpoon tenants` and `harpoon keys` have in common: whom they ask, how limits are said and answers shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.failure import ClientFailed, CommandFailed
from gateway.output import Cell, Column, write_fields, write_json, write_table

if TYPE_CHECKING:
    from gateway.administration import Office

AdminUrl = Annotated[str, typer.Option("--url", help="Where Harpoon serves.", envvar="HARPOON_URL", show_default=True)]
AdminToken = Annotated[
    str,
    typer.Option("--admin-token", help="The administrator's token.", envvar="HARPOON_ADMIN_TOKEN", show_default=False),
]
Local = Annotated[
    bool, typer.Option("--local", help="Work on this machine's state folder, whether a server runs on it or not.")
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        help="name=value, or name=none to lift it; may be repeated.",
        metavar="NAME=VALUE",
        show_default=False,
    ),
]
ProviderOption = Annotated[
    list[str] | None,
    typer.Option("--provider", help="May use this provider only; may be repeated; any = all.", show_default=False),
]
ModelOption = Annotated[
    list[str] | None,
    typer.Option("--model", help="May use this model only; may be repeated; any = all.", show_default=False),
]
Days = Annotated[int, typer.Option("--days", help="How many days back, 1 to 366.", min=1, max=366)]
LIMIT_NAMES = (
    "Limits: requests_per_minute, tokens_per_minute, concurrent_requests; in dollars usd_per_request, usd_per_hour, "
    "usd_per_day, usd_per_month, usd_total, usd_per_user_per_day."
)
NONE, ANY = "none", "any"
STRANGE = "what answers is not Harpoon, or another version of it"


def office_of(url: str, admin_token: str, local: bool) -> Office:
    """Whom the command asks. Raises: CommandFailed."""
    from gateway.administration import open_office

    return open_office(url, admin_token, local)


def terms_of(limits: list[str] | None, providers: list[str] | None, models: list[str] | None) -> dict[str, Any]:
    """The options as the body's members. Raises: CommandFailed."""
    said: dict[str, Any] = {}
    if limits:
        said["limits"] = dict(map(_limit, limits))
    for name, values in (("providers", providers), ("models", models)):
        if values:
            said[name] = None if values == [ANY] else values
    return said


def _limit(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise CommandFailed(f"--limit {text} is not name=value, such as requests_per_minute=60")
    return name, None if value == NONE else value


def show(value: Any, as_json: bool, table: Callable[[Any], None]) -> None:
    """An answer as JSON or as a person reads it. Raises: ClientFailed for one of another shape."""
    if as_json:
        write_json(value)
        return
    try:
        table(value)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        raise ClientFailed(STRANGE) from problem


def limit_fields(limits: dict[str, Any]) -> str:
    """The limits that are set, on one line."""
    return ", ".join(f"{name}={value}" for name, value in limits.items() if value is not None) or "none"


def terms_fields(one: dict[str, Any]) -> list[tuple[str, str | Cell]]:
    """What a tenant or a key may do, one a line."""
    fields: list[tuple[str, str | Cell]] = [("limits", limit_fields(one["limits"]))]
    for name in ("providers", "models"):
        if one[name] is not None:
            fields.append((name, ", ".join(one[name]) or "none"))
    return [*fields, ("spent", f"${one['spent_usd']}, and ${one['reserved_usd']} reserved")]


def show_usage(found: dict[str, Any]) -> None:
    """The days of a usage answer, with their sum."""
    rows: list[Sequence[str | Cell]] = [_usage_row(day["day"], day) for day in found["days"]]
    rows.append(_usage_row("together", found["total"]))
    names = ("day (UTC)", "requests", "refused", "tokens in", "tokens out", "cost")
    write_table([Column(name, right=name != names[0]) for name in names], rows)
    if found["key_id"] is None:
        write_fields(
            [("tenant", f"spent ${found['spent_usd']}, reserved ${found['reserved_usd']}, all tokens together")]
        )


def _usage_row(name: str, row: dict[str, Any]) -> Sequence[str | Cell]:
    numbers = [str(row[column]) for column in ("requests", "refused", "input_tokens", "output_tokens")]
    return [name, *numbers, f"${row['cost_usd']}"]
