"""`harpoon billing`: what leases of hosted.ai cost by our own accounts, held against the platform's bill."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer

from gateway.commands.options import Json
from gateway.failure import NO, CommandFailed
from gateway.output import Cell, Column, write_json, write_line, write_table

if TYPE_CHECKING:
    from gateway.hostedai.billing import Statement
    from gateway.settings import HostSettings

billing_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What leases of GPU pools cost: our accounts against the platform's bill.",
    epilog="Example: `harpoon billing reconcile`",
)


@billing_cli.callback()
def billing() -> None:
    """Nothing of its own."""


@billing_cli.command(
    epilog="Example: `harpoon billing reconcile --json`\n\nReads the leases in HARPOON_STATE and asks the panel of"
    " HOSTED_AI_PANEL_URL; changes nothing. Exit status 1 if a difference is left unexplained."
)
def reconcile(as_json: Json = False) -> None:
    """Compare every lease with what the platform bills for it, and explain each difference."""
    from gateway.commands.offline import local_settings
    from gateway.hostedai.billing import to_plain
    from worker.errors import HarpoonError

    settings = local_settings()
    if settings.leases is None:
        raise CommandFailed("nothing is leased: HOSTED_AI_DIALECT is direct")
    try:
        statement = asyncio.run(_statement(settings))
    except HarpoonError as problem:
        raise CommandFailed(problem.message) from problem
    if as_json:
        write_json(to_plain(statement))
    else:
        _show(statement)
    if not statement.is_explained:
        raise typer.Exit(NO)


async def _statement(settings: HostSettings) -> Statement:
    """Raises: HarpoonError; CommandFailed if there are no leases."""
    from gateway.adapters.host import SystemClock
    from gateway.adapters.provider_transport import ProviderTransport
    from gateway.adapters.sqlite_database import SqliteDatabase
    from gateway.hostedai.billing import reconcile as reconcile_all
    from gateway.hostedai.client import HostedAiClient
    from gateway.hostedai.lease import Rules
    from gateway.hostedai.lease_store import LeaseStore
    from gateway.hostedai.leasing import LEASES_FILE

    file = settings.state / LEASES_FILE
    if settings.leases is None or not file.exists():
        raise CommandFailed(f"there are no leases in {settings.state}")
    clock, transport, database = SystemClock(), ProviderTransport(), SqliteDatabase(str(file))
    await database.open()
    try:
        store = LeaseStore(database, Rules())
        leases, charges, uses = await store.all(), await store.charges(), await store.uses()
        if not leases:
            raise CommandFailed(f"there are no leases in {settings.state}")
        team, client = settings.leases.team, HostedAiClient(transport, clock, settings.leases.panel)
        first = _day(min(lease.created_us for lease in leases))
        until = _day(clock.now_us()) + timedelta(days=1)
        metered = await client.metered(team, f"{first:%Y-%m-%d}", f"{until:%Y-%m-%d}")
        bill = await client.bill(team, f"{first:%Y-%m-%dT%H:%M}", f"{until:%Y-%m-%dT%H:%M}")
        return reconcile_all(leases, charges, uses, metered, bill, clock.now_us())
    finally:
        await database.close()
        await transport.aclose()


def _day(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(hour=0, minute=0, second=0)


def _show(statement: Statement) -> None:
    from worker.money import usd_text

    columns = (
        Column("subscription", right=True),
        Column("pool"),
        Column("ours $", right=True),
        Column("theirs $", right=True),
        Column("difference $", right=True),
        Column("requests", right=True),
        Column("requests $", right=True),
        Column("tokens", right=True),
    )
    write_table(
        columns,
        [
            (
                f"{line.subscription_id or '-'}",
                line.pool,
                usd_text(line.ours_usd_micros),
                usd_text(line.theirs_usd_micros),
                Cell(usd_text(line.difference_usd_micros), "red" if line.unexplained_usd_micros else ""),
                f"{line.requests}",
                usd_text(line.requests_usd_micros),
                f"{line.input_tokens + line.output_tokens}",
            )
            for line in statement.lines
        ],
    )
    write_line()
    for line in statement.lines:
        for part in line.parts:
            write_line(f"{line.subscription_id}: {usd_text(part.usd_micros)} {part.why}")
        if line.unexplained_usd_micros:
            write_line(f"{line.subscription_id}: {usd_text(line.unexplained_usd_micros)} is NOT explained")
    write_line(f"bill: {usd_text(statement.bill_usd_micros)}")
    for part in statement.bill_parts:
        write_line(f"  {usd_text(part.usd_micros)} {part.why}")
    if statement.unexplained_usd_micros:
        write_line(f"  {usd_text(statement.unexplained_usd_micros)} of the bill is NOT explained")
    write_line("every difference is explained" if statement.is_explained else "there are unexplained differences")
