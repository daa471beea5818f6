"""`harpoon pools`: what GPU pools would do with a traffic, by the model; nothing is leased and no server is asked."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.options import Json
from gateway.failure import CommandFailed
from gateway.output import Cell, Column, Working, write_json, write_line, write_table

if TYPE_CHECKING:
    from gateway.simulator.pools.cluster import Server
    from gateway.simulator.pools.parameters import Parameters
    from gateway.simulator.pools.report import Report
    from gateway.simulator.pools.study import Configuration, Wish
    from gateway.simulator.pools.traffic import Arrival, Poisson

pools_cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Model GPU pools: how long requests take and what they cost, by sharing ratio and time quantum.",
    epilog="Example: `harpoon pools simulate --arrivals 600/h --tenants 4 --ratio 1,2,4 --quantum 10,30`",
)
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
_RATE = re.compile(r"([0-9]{1,9})/(s|m|h|d)", re.ASCII)
_UNIT_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
#: Runs of one command, so that a slip of the keyboard doesn't take a day.
MAX_CONFIGURATIONS = 200


class Mode(StrEnum):
    """How the cards of a pool share."""

    auto = "auto"
    spatial = "spatial"
    temporal = "temporal"


@pools_cli.callback()
def pools() -> None:
    """Nothing of its own."""


@pools_cli.command(
    epilog="Examples: `harpoon pools simulate --arrivals 600/h --tenants 4 --ratio 1,2,4 --quantum 10,30 --covenant"
    ' "within 10 seconds"`, `harpoon pools simulate --trace day.jsonl --gpus 2,4 --html pools.html`'
    "\n\nA trace has one JSON object a line: `at_ms`, `tenant`, `work_ms` (GPU time alone) and, if known, `first_ms`."
)
def simulate(
    arrivals: Annotated[str, typer.Option(help="Requests of all tenants together, at random: 10/s, 600/h.")] = "",
    trace: Annotated[Path | None, typer.Option(help="Requests from this file instead.", show_default=False)] = None,
    tenants: Annotated[int, typer.Option(min=1, max=10_000, help="How many tenants --arrivals come from.")] = 4,
    duration: Annotated[str, typer.Option(help="How long --arrivals go on, in virtual time.")] = "4h",
    work: Annotated[str, typer.Option(help="GPU time of a request that is alone on a card.")] = "2s",
    first: Annotated[str, typer.Option(help="Part of it until the first token.")] = "200ms",
    varies: Annotated[bool, typer.Option("--varies", help="Work varies (exponentially) around --work.")] = False,
    gpus: Annotated[str, typer.Option(help="Cards of the pool; several to compare: 1,2,4.")] = "1",
    ratio: Annotated[str, typer.Option(help="Slots a card is sold in, 1 to 10.")] = "1,2,4,8",
    quantum: Annotated[str, typer.Option(help="Longest turn of a slice in seconds, 2 to 300.")] = "10,30,90",
    mode: Annotated[Mode, typer.Option(help="auto shares in space while memory fits, in turns else.")] = Mode.auto,
    memory_gb: Annotated[int, typer.Option(min=1, max=1_000, help="Memory that each tenant's server takes.")] = 20,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Requests that a server answers at once.")] = 32,
    price: Annotated[str, typer.Option(help="Dollars an hour for one card.")] = "0.66",
    covenant: Annotated[str, typer.Option(help="Recommend for this covenant: words.", show_default=False)] = "",
    assume: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another value for a constant of the model.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal figures.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Run one traffic through pool configurations in virtual time, compare them, and recommend one."""
    from gateway.simulator.pools.cluster import Server
    from gateway.simulator.pools.parameters import ParameterError

    traffic = _traffic(arrivals, trace, tenants, duration, work, first, varies, seed)
    wish = _wish(covenant)
    memory_mb = memory_gb * 1_000
    server = Server(allocated_mb=memory_mb, working_set_mb=memory_mb, batch=batch)
    try:
        parameters = _parameters(assume or [])
        configurations = _configurations(gpus, ratio, quantum, mode.value)
        report = _run(traffic, configurations, server, parameters, _price(price), seed, wish)
    except ParameterError as problem:
        raise CommandFailed(str(problem)) from problem
    if html is not None:
        _write_page(html, report)
    if as_json:
        from gateway.simulator.pools.report import to_plain

        write_json(to_plain(report))
    else:
        _show(report)
    if html is not None and not as_json:
        write_line(f"wrote {html}")


@pools_cli.command(epilog="Example: `harpoon pools parameters`")
def parameters(as_json: Json = False) -> None:
    """List the constants of the model: value, where each comes from, and what it means."""
    from gateway.simulator.pools.parameters import parameter_notes

    notes = parameter_notes()
    if as_json:
        names = ("name", "value", "source", "meaning")
        write_json([dict(zip(names, note, strict=True)) for note in notes])
        return
    columns = (Column("name"), Column("value", right=True), Column("source", style="dim"), Column("meaning"))
    write_table(columns, [(name, f"{value}", mark, meaning) for name, value, mark, meaning in notes])


@pools_cli.command(
    epilog='Example: `harpoon pools plan "$2 budget, 30s timeout, high security"`\n\nNothing is sent. Ids that are not'
    " known stand in angle brackets, with the option that says them; HOSTED_AI_TEAM_ID and HOSTED_AI_POOL_ID are read"
    " from the environment."
)
def plan(
    covenant: Annotated[str, typer.Argument(help="A covenant in words; empty = none.")] = "",
    team: Annotated[str, typer.Option(help="The team that subscribes.", envvar="HOSTED_AI_TEAM_ID")] = "",
    pool: Annotated[str, typer.Option(help="The platform's number of the pool.", envvar="HOSTED_AI_POOL_ID")] = "",
    gpuaas: Annotated[int | None, typer.Option(min=1, help="The cluster that gets the pool.")] = None,
    gpu: Annotated[list[str] | None, typer.Option(help="UUID of a GPU for the pool; may be repeated.")] = None,
    memory_gb: Annotated[int, typer.Option(min=1, max=1_000, help="Memory that a server takes.")] = 20,
    as_json: Json = False,
) -> None:
    """Say which pool a covenant means, why, and the exact requests that would make it and subscribe to it."""
    from gateway.commands.pools_plan import show_plan

    show_plan(covenant, team, pool, gpuaas, tuple(gpu or ()), memory_gb * 1_000, as_json=as_json)


def _run(
    traffic: Poisson | list[Arrival],
    configurations: list[Configuration],
    server: Server,
    parameters: Parameters,
    hourly_usd_micros: int,
    seed: int,
    wish: Wish,
) -> Report:
    from gateway.simulator.pools.report import Report
    from gateway.simulator.pools.study import recommend, study

    outcomes = []
    with Working(f"requests simulated ({len(configurations)} configurations)") as working:
        for configuration in configurations:
            told = 0

            def progress(came: int, _now_us: int) -> None:
                nonlocal told
                working.advance(came - told)
                told = came

            outcomes.append(
                study(
                    traffic,
                    configuration,
                    server,
                    parameters,
                    hourly_usd_micros=hourly_usd_micros,
                    seed=seed,
                    progress=progress,
                )
            )
    best, reasons = recommend(outcomes, wish)
    return Report(tuple(outcomes), best, reasons, wish, hourly_usd_micros, seed)


def _show(report: Report) -> None:
    from gateway.simulator.pools.report import HEADS, notes_of, row_of, said_of

    columns = [Column(head, right=at > 3) for at, head in enumerate(HEADS)]
    rows = []
    for outcome in report.outcomes:
        style = "green" if outcome is report.best else ""
        rows.append([Cell(cell, style) for cell in row_of(outcome)])
    write_table(columns, rows)
    write_line()
    write_line(said_of(report))
    for note in notes_of(report):
        write_line(f"  {note}")


def _write_page(path: Path, report: Report) -> None:
    from gateway.simulator.pools.page import to_html

    try:
        path.write_text(to_html(report), encoding="utf-8")
    except OSError as problem:
        raise CommandFailed(f"{path} can't be written: {problem.strerror}") from problem


def _traffic(
    arrivals: str, trace: Path | None, tenants: int, duration: str, work: str, first: str, varies: bool, seed: int
) -> Poisson | list[Arrival]:
    """The requests that the options describe. Raises: CommandFailed."""
    from gateway.simulator.pools.traffic import Poisson, TraceError, read_trace

    if (not arrivals) == (trace is None):
        raise CommandFailed("say either --arrivals, such as 600/h, or --trace with a file of requests")
    if trace is not None:
        try:
            with trace.open(encoding="utf-8") as lines:
                return read_trace(lines)
        except OSError as problem:
            raise CommandFailed(f"{trace} can't be read: {problem.strerror}") from problem
        except (TraceError, UnicodeDecodeError) as problem:
            raise CommandFailed(f"{trace}: {problem}") from problem
    found = _RATE.fullmatch(arrivals.replace(" ", ""))
    if found is None:
        raise CommandFailed(f"--arrivals {arrivals!r}: say it like 10/s, 90/m, 600/h or 5000/d")
    per_hour = int(found[1]) * 3_600_000_000 // _UNIT_US[found[2]]
    if per_hour < 1:
        raise CommandFailed(f"--arrivals {arrivals!r}: at least one request an hour")
    work_us, first_us = _duration_us("--work", work), _duration_us("--first", first)
    if first_us > work_us:
        raise CommandFailed("--first is part of --work, so it can't be longer")
    try:
        return Poisson(per_hour, _duration_us("--duration", duration), tenants, work_us, first_us, varies, seed)
    except ValueError as problem:
        raise CommandFailed(str(problem)) from problem


def _duration_us(option: str, text: str) -> int:
    found = _DURATION.fullmatch(text.replace(" ", ""))
    if found is None:
        raise CommandFailed(f"{option} {text!r}: say it like 200ms, 2s, 10m, 4h or 1d")
    return int(found[1]) * _UNIT_US[found[2]]


def _configurations(gpus: str, ratio: str, quantum: str, mode: str) -> list[Configuration]:
    """Every combination; where nobody takes turns, only one quantum. Raises: CommandFailed."""
    from gateway.simulator.pools.study import Configuration

    cards, ratios, quanta = (_numbers(*one) for one in (("--gpus", gpus), ("--ratio", ratio), ("--quantum", quantum)))
    found = [
        Configuration(card, sharing, seconds * 1_000_000, mode)
        for card in cards
        for sharing in ratios
        for seconds in (quanta if sharing > 1 else quanta[:1])
    ]
    if len(found) > MAX_CONFIGURATIONS:
        raise CommandFailed(f"that makes {len(found)} configurations; at most {MAX_CONFIGURATIONS} at once")
    return found


def _numbers(option: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise CommandFailed(f"{option} {text!r}: say whole numbers, such as 2,4,8")
    return sorted({int(part) for part in parts})


def _parameters(assumed: list[str]) -> Parameters:
    from gateway.simulator.pools.parameters import parameters_from

    given: dict[str, Any] = {}
    for one in assumed:
        name, separator, value = one.partition("=")
        if not separator or not value.isascii() or not value.isdigit():
            raise CommandFailed(
                f"--set {one!r}: say it like idle_hold_us=1000000; `harpoon pools parameters` lists them"
            )
        given[name] = int(value)
    return parameters_from(given)


def _price(text: str) -> int:
    from worker.money import parse_usd

    try:
        return parse_usd(text.removeprefix("$"))
    except ValueError as problem:
        raise CommandFailed(f"--price {text!r}: say dollars an hour, such as 0.66") from problem


def _wish(covenant: str) -> Wish:
    """What a covenant asks of a pool: a deadline, a budget for a request, a card alone. Raises: CommandFailed."""
    from gateway.simulator.pools.study import Wish

    if not covenant:
        return Wish()
    from worker.covenant.reader import read_covenant
    from worker.covenant.served import served_policy
    from worker.errors import HarpoonError

    try:
        policy = served_policy(read_covenant(covenant), lenient=False).policy
    except HarpoonError as problem:
        raise CommandFailed(f"the covenant: {problem}") from problem
    budget = policy.budget_usd_micros if policy.budget_scope in (None, "per_request", "total") else None
    return Wish(policy.deadline_us, budget, policy.effective_priority == "max_security")
