"""`harpoon canon ttv`: how long routes took, against what was predicted, and items that say so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.canon_group import canon_cli
from gateway.commands.options import HERE, Json, Token, Url, encoded
from gateway.failure import CommandFailed
from gateway.output import Column, complain, write_json, write_line, write_table

if TYPE_CHECKING:
    from gateway.client import Client
    from gateway.report.ttv import TtvReport
    from worker.canon.ttv import Estimate

SECOND_US = 1_000_000
_COLUMNS = (
    Column("route"),
    Column("sessions", right=True),
    Column("reached", right=True),
    Column("mean s", right=True),
    Column("95 % interval", right=True),
    Column("naive s", right=True),
    Column("predicted s", right=True),
    Column("actual/predicted", right=True),
)


@canon_cli.command(
    epilog="Example: `harpoon canon ttv --since 7d --groups 4`, then `harpoon canon ttv --since 7d --propose`.\n\n"
    "What is proposed changes nothing until it is CANON: `harpoon canon promote ttv:... --evidence entry:7`, and then "
    "with --trials and --scenarios."
)
def ttv(
    source: Annotated[
        str, typer.Option("--from", help="A file of `harpoon decisions --jsonl` (- = standard input), no server.")
    ] = "",
    since: Annotated[str, typer.Option(help="Only requests since then: 24h, 7d, 2026-11-20.")] = "",
    horizon: Annotated[int, typer.Option(min=1, max=86_400, help="H, in seconds: what counts of a longer wait.")] = 120,
    groups: Annotated[int, typer.Option(min=1, max=20, help="Groups of similar predictions, to calibrate by.")] = 1,
    propose: Annotated[
        bool, typer.Option("--propose", help="Propose what was found as items of your canon, at EVIDENCE.")
    ] = False,
    least: Annotated[int, typer.Option(min=1, help="Propose nothing of a route with fewer answers.")] = 30,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Estimate how long routes take from recorded decisions, those cut short included, and check the predictions."""
    from gateway.client import Client
    from gateway.report.source import since_us
    from gateway.report.ttv import report_to_plain, ttv_report

    start_us = since_us(since, time.time_ns() // 1_000)
    if source:
        if propose:
            raise CommandFailed("--propose wants a server, whose canon it is; leave out --from")
        report = ttv_report(_of_file(source, start_us), horizon * SECOND_US, groups)
    else:
        with Client(url, token, "or report on a file with --from") as client:
            report = ttv_report(client.decisions(start_us), horizon * SECOND_US, groups)
            if propose:
                _propose(client, report, least)
    if as_json:
        write_json(report_to_plain(report))
    else:
        _show(report)


def _of_file(source: str, start_us: int) -> list[dict[str, object]]:
    from gateway.commands.batch import opened
    from gateway.report.facts import read_lines

    with opened(source) as lines:
        return [one for one in read_lines(lines, source) if int(one.get("at_us", 0)) >= start_us]


def _propose(client: Client, report: TtvReport, least: int) -> None:
    from gateway.report.ttv import proposal_of

    for route in report.routes:
        if route.estimate.reached < least:
            complain(
                f"{route.route}: {route.estimate.reached} answers are too few to propose anything (--least {least})"
            )
            continue
        item = proposal_of(report, route)
        made = client.post("/api/canon/items", encoded(item))
        complain(f"proposed {item['id']} at {made['item']['level']}, ledger entry {made['ledger']['seq']}")


def _seconds(time_us: int) -> str:
    return f"{time_us // SECOND_US}.{time_us % SECOND_US // 1_000:03d}"


def _ratio(ppm: int) -> str:
    return f"{ppm // 1_000_000}.{ppm % 1_000_000 // 10_000:02d}"


def _cells(name: str, found: Estimate, predicted: str, ratio: str) -> tuple[str, ...]:
    interval = f"{_seconds(found.low_us)} to {_seconds(found.high_us)}"
    means = (_seconds(found.mean_us), interval, _seconds(found.naive_us))
    return (name, str(found.samples), str(found.reached), *means, predicted, ratio)


def _show(report: TtvReport) -> None:
    if report.sessions is None:
        write_line("no session was served yet, so nothing is known of times")
        return
    from worker.canon.ttv import ratio_ppm

    rows = [_cells("all sessions", report.sessions, "", "")]
    for route in report.routes:
        ratio = _ratio(ratio_ppm(route.estimate.mean_us, route.predicted_us))
        rows.append(_cells(route.route, route.estimate, _seconds(route.predicted_us), ratio))
        if len(route.groups) > 1:
            rows += [
                _cells(f"  group {at}", one.actual, _seconds(one.predicted_us), _ratio(one.ratio_ppm))
                for at, one in enumerate(route.groups, 1)
            ]
    write_table(_COLUMNS, rows)
    write_line()
    write_line(f"E[min(TTV, {report.horizon_us // SECOND_US} s)], {report.told} decisions, SHA3-256 {report.decisions}")
    is_open = [route.route for route in report.routes if route.estimate.open_ppm]
    if is_open:
        write_line(f"the last session was cut short, so the mean may be less: {', '.join(is_open)}")
