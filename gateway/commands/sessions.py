"""`harpoon sessions`: send sessions for a try, see where they are, replay what was given up, tell who sees what."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from gateway.commands.options import HERE, Json, Url
from gateway.failure import NO, CommandFailed
from gateway.output import Cell, Column, complain, write_json, write_line, write_table

sessions_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Completed AI sessions on their way to billing, analytics, audit and store. status, dead and replay work on "
    "this machine's state folder, whether a server runs on it or not.",
    epilog="Example: `harpoon sessions demo --rate 0`, then `harpoon sessions status`",
)
COUNT, TOKENS, STEP, TIMEOUT_EVERY, PAUSE_S = 100, 1_000, 10, 10, 0.1
PAGE = 500
ApiKey = Annotated[
    str, typer.Option("--api-key", help="What reports sessions.", envvar="SCR_API_KEY", show_default=False)
]
DestinationOption = Annotated[
    str, typer.Option("--destination", help="Of this destination only.", metavar="NAME", show_default=False)
]
EventOption = Annotated[str, typer.Option("--event", help="This event only.", metavar="ID", show_default=False)]
RoutesFile = Annotated[Path, typer.Argument(metavar="FILE", help="The routes.", show_default=False)]


@sessions_cli.command(
    epilog="Session i has the id sess_demo_i and 1000 + 10 i tokens; every tenth timed out. metadata.demo marks "
    "them.\n\nExample: `SCR_API_KEY=... harpoon sessions demo --rate 0`"
)
def demo(
    count: Annotated[int, typer.Option("--count", help="How many sessions.", min=1, max=100_000)] = COUNT,
    rate: Annotated[
        int, typer.Option("--rate", help="Sessions a second; 0 = without a pause.", min=0, max=100_000)
    ] = 10,
    url: Url = HERE,
    api_key: ApiKey = "",
) -> None:
    """Report made-up sessions to a server, one after another."""
    from gateway.client import Client

    timeouts = 0
    with Client(url, api_key, "SCR_API_KEY or --api-key is what it may want") as client:
        for number in range(count):
            event = demo_event(number)
            client.post("/api/session-completion/events", json.dumps(event).encode())
            timeouts += event["outcome"] == "timeout"
            if rate and number + 1 < count:
                time.sleep(1 / rate)
    write_line(f"Sent {count} events: {count - timeouts} success, {timeouts} timeout")


def demo_event(number: int) -> dict[str, Any]:
    """One made-up session, in the short form; only its event id is not the same every time."""
    return {
        "event_id": f"evt_{uuid4().hex}",
        "session_id": f"sess_demo_{number}",
        "usage": {"total_tokens": TOKENS + STEP * number},
        "outcome": "timeout" if number % TIMEOUT_EVERY == 0 else "success",
        "metadata": {"demo": True},
    }


@sessions_cli.command(
    epilog="captured = delivered + skipped + pending + parked + dead, for every destination at any time. skipped: the "
    "routes don't send it there; pending: not tried yet; parked: failed, or behind a failure of its session.\n\n"
    "Example: `harpoon sessions status`"
)
def status(as_json: Json = False) -> None:
    """Show what each destination has, what waits for it, and how it is. Exit status 1: an account doesn't add up."""
    from gateway.commands.offline import local_settings
    from gateway.sessions.local_spool import in_spool
    from worker.sessions.cursors import conserved_in
    from worker.sessions.standings import standings_in

    state = local_settings().state
    accounts, standings = in_spool(state, lambda sql: (conserved_in(sql), standings_in(sql, time.time_ns() // 1_000)))
    found = [{**one._asdict(), **standings[one.name]} for one in accounts]
    if as_json:
        write_json(found)
    else:
        names = ("captured", "delivered", "skipped", "pending", "parked", "dead")
        columns = [Column("destination"), *[Column(name, right=True) for name in names], Column("state")]
        write_table(columns, [[one["name"], *[str(one[name]) for name in names], _state(one)] for one in found])
    wrong = [one.name for one in accounts if not one.is_conserved]
    if wrong:
        raise CommandFailed(f"the account of {', '.join(wrong)} does not add up: this is a fault of Harpoon", NO)


def _state(one: dict[str, Any]) -> Cell:
    if one["off"]:
        return Cell(f"off: {one['off']}", "yellow")
    if one["failures"]:
        return Cell(f"failing: {one['reason']}", "red")
    return Cell("delivers", "green")


@sessions_cli.command(
    epilog="A dead letter stays, with its event, until it is replayed or dropped, whatever the retention.\n\n"
    "Example: `harpoon sessions dead --destination billing`"
)
def dead(destination: DestinationOption = "", event: EventOption = "", as_json: Json = False) -> None:
    """List what destinations refused for good, newest first, with the reasons."""
    from gateway.commands.offline import local_settings
    from gateway.sessions.local_spool import in_spool
    from worker.sessions.dead_letters import dead_letters_in

    state = local_settings().state
    found = in_spool(state, lambda sql: dead_letters_in(sql, destination or None, PAGE, event or None))
    if as_json:
        write_json(found)
        return
    names = ("destination", "event_id", "tenant", "failures", "reason", "at")
    rows = [[str(one[name]) for name in names] for one in found]
    write_table([Column(name, right=name == "failures") for name in names], rows)
    if len(found) == PAGE:
        complain(f"only the newest {PAGE}: --destination and --event narrow it")


@sessions_cli.command(
    epilog="A server that runs on the state folder takes them up within a second. With --drop they are given up for "
    "good and count as skipped.\n\nExample: `harpoon sessions replay --destination billing`, "
    "`harpoon sessions replay --event evt_... `, `harpoon sessions replay --all`"
)
def replay(
    destination: DestinationOption = "",
    event: EventOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Of all destinations.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Give them up instead of delivering them again.")] = False,
    switch_on: Annotated[
        bool, typer.Option("--switch-on", help="Also switch on a destination that answered 410, or waits.")
    ] = False,
) -> None:
    """Have dead letters delivered again, with all their attempts, before what waits behind them."""
    from gateway.commands.offline import local_settings
    from gateway.sessions.local_spool import in_spool
    from worker.ports import Sql
    from worker.sessions.cursors import switch_on_in
    from worker.sessions.dead_letters import MOST_AT_ONCE, drop_in, replay_in

    if not (destination or event or everything):
        raise CommandFailed("which ones? Say --destination NAME, --event ID or --all")
    if switch_on and not destination:
        raise CommandFailed("--switch-on needs --destination NAME")
    state = local_settings().state

    def some(sql: Sql) -> int:
        wanted = (destination or None, event or None)
        return drop_in(sql, *wanted) if drop else replay_in(sql, time.time_ns() // 1_000, *wanted)

    if switch_on and not in_spool(state, lambda sql: switch_on_in(sql, destination)):
        raise CommandFailed(f"there is no destination {destination}; `harpoon sessions status` lists them")
    count = done = in_spool(state, some)
    while done == MOST_AT_ONCE:
        done = in_spool(state, some)
        count += done
    what = "given up for good" if drop else "to be delivered again"
    write_line(f"{count} dead letter{'' if count == 1 else 's'} {what}")


@sessions_cli.command(
    epilog="What it tells is an upper bound over all sessions: nothing is delivered that it doesn't name.\n\n"
    "Example: `harpoon sessions exposure routes.yaml`"
)
def exposure(routes: RoutesFile, as_json: Json = False) -> None:
    """Tell which party sees which fields, through all rules, transforms and whom they pass them on to."""
    from gateway.sessions.routes_yaml import load_routes
    from worker.errors import SettingsError
    from worker.sessions.exposure import exposures

    try:
        found = exposures(load_routes(routes))
    except SettingsError as problem:
        raise CommandFailed(problem.message) from problem
    if as_json:
        write_json([{"party": one.party, "sees": sorted(one.seen), "infers": sorted(one.inferred)} for one in found])
        return
    fields = sorted(set().union(*[one.seen | one.inferred for one in found]))
    columns = [Column("field"), *[Column(one.party) for one in found]]
    write_table(columns, [[field, *[_sight(field, one.seen, one.inferred) for one in found]] for field in fields])


def _sight(field: str, seen: frozenset[str], inferred: frozenset[str]) -> Cell:
    return Cell("sees", "yellow") if field in seen else Cell("infers", "dim") if field in inferred else Cell("-", "dim")
