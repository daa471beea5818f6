"""`harpoon tenants`: who may ask, and for how much."""

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
from gateway.output import Cell, Column, write_fields, write_line, write_table

tenants_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make tenants, set their limits, and see what they use: of a running server, or of the state folder here.",
    epilog="Example: `harpoon tenants create acme --limit requests_per_minute=600 --limit usd_per_day=5 --local`",
)
Name = Annotated[str, typer.Argument(help="The tenant's name: a-z, 0-9 and -.", show_default=False)]


@tenants_cli.command(
    epilog=f"{LIMIT_NAMES}\n\nExample: `harpoon tenants create acme --limit requests_per_minute=600 --local`"
)
def create(
    tenant: Name,
    limit: LimitOption = None,
    provider: ProviderOption = None,
    model: ModelOption = None,
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Make a tenant."""
    with office_of(url, admin_token, local) as office:
        made = office.ask("POST", "/admin/tenants", {"tenant": tenant, **terms_of(limit, provider, model)})
    show(made, as_json, _show_tenant)


@tenants_cli.command("list", epilog="Example: `harpoon tenants list --local`")
def list_them(local: Local = False, url: AdminUrl = HERE, admin_token: AdminToken = "", as_json: Json = False) -> None:
    """List the tenants by name."""
    found: list[dict[str, Any]] = []
    with office_of(url, admin_token, local) as office:
        while True:
            after = {"after": found[-1]["tenant"]} if found else {}
            page = office.ask("GET", "/admin/tenants", **after)
            found += page["data"]
            if not page["has_more"]:
                break
    show(found, as_json, _show_list)


@tenants_cli.command("show", epilog="Example: `harpoon tenants show acme --local`")
def show_one(
    tenant: Name, local: Local = False, url: AdminUrl = HERE, admin_token: AdminToken = "", as_json: Json = False
) -> None:
    """Show a tenant: its limits, those that hold with the settings' defaults, and its money."""
    with office_of(url, admin_token, local) as office:
        found = office.ask("GET", f"/admin/tenants/{tenant}")
    show(found, as_json, _show_tenant)


@tenants_cli.command(
    epilog=f"{LIMIT_NAMES}\n\nExample: `harpoon tenants limits acme --limit usd_per_day=none --provider any --local`"
)
def limits(
    tenant: Name,
    limit: LimitOption = None,
    provider: ProviderOption = None,
    model: ModelOption = None,
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Change what a tenant may do; what is not named stays as it is. It holds from the next request on."""
    with office_of(url, admin_token, local) as office:
        found = office.ask("PATCH", f"/admin/tenants/{tenant}", terms_of(limit, provider, model))
    show(found, as_json, _show_tenant)


@tenants_cli.command(epilog="Example: `harpoon tenants usage acme --days 7 --local`")
def usage(
    tenant: Name,
    days: Days = 31,
    local: Local = False,
    url: AdminUrl = HERE,
    admin_token: AdminToken = "",
    as_json: Json = False,
) -> None:
    """Show what a tenant's stored keys have used, day by day, and what the tenant has spent altogether."""
    with office_of(url, admin_token, local) as office:
        found = office.ask("GET", f"/admin/tenants/{tenant}/usage", days=days)
    show(found, as_json, show_usage)


def _show_tenant(one: dict[str, Any]) -> None:
    fields: list[tuple[str, str | Cell]] = [("tenant", one["tenant"]), ("made", f"{clock_text(one['created_us'])} UTC")]
    in_force = limit_fields(one["limits_in_force"])
    write_fields([*fields, *terms_fields(one), ("in force", in_force)])


def _show_list(found: list[dict[str, Any]]) -> None:
    if not found:
        write_line("no tenants yet: `harpoon tenants create NAME` makes one")
        return
    write_table(
        (Column("tenant"), Column("made (UTC)")), [(one["tenant"], clock_text(one["created_us"])) for one in found]
    )
