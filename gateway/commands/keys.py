"""`harpoon keys`: the tokens of a tenant that its state keeps, as hashes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.commands.admin_options import (
    LIMIT_NAMES,
    AdminToken,
    AdminUrl,
    Days,
    LimitOption,
    Local,
    ModelOption,
    ProviderOption,
    limit_fields,
    office_of,
    show,
    show_usage,
    terms_fields,
    terms_of,
)
from gateway.commands.decisions import clock_text
from gateway.commands.options import HERE, Json
from gateway.failure import CommandFailed
from gateway.output import Cell, Column, complain, write_fields, write_line, write_table

keys_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make, rotate and revoke a tenant's keys: of a running server, or of the state folder here.",
    epilog="Example: `harpoon keys create acme ci --limit requests_per_minute=60 --expires 90d --local`",
)
Tenant = Annotated[str, typer.Argument(help="Whose key it is.", show_default=False)]
KeyId = Annotated[str, typer.Argument(help="key_..., as `harpoon keys list` shows it.", show_default=False)]
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_STYLES = {"active": "green", "expired": "yellow", "revoked": "red"}
SHOWN_ONCE = "the token is shown this once; only its hash is kept"


def seconds_of(option: str, text: str) -> int:
    """A duration such as 90d, 24h, 30m or 0s. Raises: CommandFailed."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdecimal() or len(number) > 9:
        raise CommandFailed(f"{option} must be a duration such as 90d, 24h, 30m or 0s")
    return int(number) * _UNITS[unit]


@keys_cli.command(
    epilog=f"{LIMIT_NAMES}\n\n"
    "Example: `harpoon keys create acme ci --limit requests_per_minute=60 --expires 90d --local`"
)
def create(
    tenant: Tenant,
    name: Annotated[str, typer.Argument(help="What you call the key.", show_default=False)],
    expires: Annotated[str, typer.Option("--expires", help="After how long it ends: 90d, 24h; unset = never.")] = "",
    limit: LimitOption = None,
    provider: ProviderOption = None,
    model: ModelOption = None,
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Make a key and print its token, once."""
    body: dict[str, Any] = {"name": name, **terms_of(limit, provider, model)}
    if expires:
        body["expires_in_s"] = seconds_of("--expires", expires)
    with office_of(url, admin_token, local) as office:
        made = office.ask("POST", f"/admin/tenants/{tenant}/keys", body)
    show(made, as_json, _show_key)
    complain(SHOWN_ONCE)


@keys_cli.command("list", epilog="Example: `harpoon keys list acme --local`")
def list_them(
    tenant: Tenant, local: Local = False, url: AdminUrl = HERE, admin_token: AdminToken = "", as_json: Json = False
) -> None:
    """List a tenant's keys, newest first."""
    found: list[dict[str, Any]] = []
    with office_of(url, admin_token, local) as office:
        while True:
            before = {"before": found[-1]["key_id"]} if found else {}
            page = office.ask("GET", f"/admin/tenants/{tenant}/keys", **before)
            found += page["data"]
            if not page["has_more"]:
                break
    show(found, as_json, _show_list)


@keys_cli.command(epilog="Example: `harpoon keys rotate acme key_0660b593b7fd581c15aba62c --overlap 1h --local`")
def rotate(
    tenant: Tenant,
    key_id: KeyId,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the token before stays good; 0s = not.")] = "24h",
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Give a key another token and print it, once; the one before stays good for a while."""
    body = {"overlap_s": seconds_of("--overlap", overlap)}
    with office_of(url, admin_token, local) as office:
        found = office.ask("POST", f"/admin/tenants/{tenant}/keys/{key_id}/rotate", body)
    show(found, as_json, _show_key)
    complain(SHOWN_ONCE)


@keys_cli.command(epilog="Example: `harpoon keys revoke acme key_0660b593b7fd581c15aba62c --local`")
def revoke(
    tenant: Tenant,
    key_id: KeyId,
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """End a key now and for ever. What it asked for already is still answered."""
    with office_of(url, admin_token, local) as office:
        found = office.ask("DELETE", f"/admin/tenants/{tenant}/keys/{key_id}")
    show(found, as_json, _show_key)


@keys_cli.command(
    epilog=f"{LIMIT_NAMES}\n\n"
    "Example: `harpoon keys limits acme key_0660b593b7fd581c15aba62c --limit tokens_per_minute=none --local`"
)
def limits(
    tenant: Tenant,
    key_id: KeyId,
    limit: LimitOption = None,
    provider: ProviderOption = None,
    model: ModelOption = None,
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Change what a key may do; what is not named stays as it is. It holds from the next request on."""
    with office_of(url, admin_token, local) as office:
        found = office.ask("PATCH", f"/admin/tenants/{tenant}/keys/{key_id}", terms_of(limit, provider, model))
    show(found, as_json, _show_key)


@keys_cli.command(epilog="Example: `harpoon keys usage acme key_0660b593b7fd581c15aba62c --days 7 --local`")
def usage(
    tenant: Tenant,
    key_id: KeyId,
    days: Days = 31,
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Show what a key has used, day by day."""
    with office_of(url, admin_token, local) as office:
        found = office.ask("GET", f"/admin/tenants/{tenant}/keys/{key_id}/usage", days=days)
    show(found, as_json, show_usage)


def _show_key(one: dict[str, Any]) -> None:
    fields: list[tuple[str, str | Cell]] = [
        ("key", one["key_id"]),
        ("name", one["name"]),
        ("status", Cell(one["status"], _STYLES.get(one["status"], ""))),
    ]
    if "token" in one:
        fields.append(("token", Cell(one["token"], "bold")))
    for name, at_us in (("expires", one["expires_us"]), ("old token until", one["old_token_until_us"])):
        if at_us is not None:
            fields.append((name, f"{clock_text(at_us)} UTC"))
    write_fields([*fields, *terms_fields(one)])


def _show_list(found: list[dict[str, Any]]) -> None:
    if not found:
        write_line("no keys yet: `harpoon keys create TENANT NAME` makes one")
        return
    rows: list[list[str | Cell]] = []
    for one in found:
        status = Cell(one["status"], _STYLES.get(one["status"], ""))
        last, spent = one["last_used_on"] or "never", f"${one['spent_usd']}"
        rows.append([one["key_id"], one["name"], status, last, spent, limit_fields(one["limits"])])
    names = ("key", "name", "status", "last used", "spent", "limits")
    write_table([Column(name, right=name == "spent") for name in names], rows)
