"""`harpoon decisions`: what was decided, why, and what became of it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import ClientFailed
from gateway.output import Cell, Column, Working, write_fields, write_json, write_line, write_table

decisions_cli = typer.Typer(add_completion=False)
SHOWN = 20
STATE_STYLES = {"settled": "green", "denied": "red", "unsettled": "yellow", "open": "cyan"}
STRANGE = "the server's decisions have another form than this command knows; is it another version of Harpoon?"


@decisions_cli.command(
    epilog="Example: `harpoon decisions`, then `harpoon decisions dec_...` for one with all its candidates.\n\n"
    "Export: `harpoon decisions --jsonl > decisions.jsonl`, oldest first, for `harpoon report --from decisions.jsonl`."
)
def decisions(
    decision: Annotated[str, typer.Argument(metavar="ID", help="One decision's id.", show_default=False)] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"At most so many, the newest; else {SHOWN}, or all with --jsonl.")
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Export, one JSON object a line, oldest first.")] = False,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """List your latest decisions, show one with every candidate, or export them all."""
    from gateway.client import Client

    with Client(url, token) as client:
        if decision:
            found = client.get(f"/v1/decisions/{decision}")
            show = write_json if as_json else show_decision
            _shaped(show, found)
            return
        if jsonl:
            lines = []
            with Working("decisions") as working:
                for one in client.decisions(most=limit):
                    lines.append(json.dumps(one, ensure_ascii=False, separators=(",", ":")))
                    working.advance()
            for line in reversed(lines):
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
            return
        listed = list(client.decisions(most=limit or SHOWN))
    if as_json:
        write_json(listed)
    elif not listed:
        write_line('no decisions yet: `harpoon ask "What is a vGPU?"` makes the first one')
    else:
        _shaped(_show_list, listed)


def _shaped(show: Any, value: Any) -> None:
    try:
        show(value)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        raise ClientFailed(STRANGE) from problem


def clock_text(at_us: int) -> str:
    """A time as a person reads it, UTC."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _show_list(listed: list[dict[str, Any]]) -> None:
    rows = []
    for one in listed:
        outcome = one["outcome"] or {}
        took = f"{outcome['elapsed_us'] // 1_000}" if outcome else "-"
        state = one["state"] if outcome.get("outcome", "success") == "success" else outcome["outcome"]
        rows.append(
            (
                clock_text(one["at_us"]),
                outcome.get("route") or one["selected"] or "-",
                Cell(state, STATE_STYLES.get(state, "yellow")),
                f"${one['cost_usd']}",
                took,
                one["inputs"]["classification"][1],
                Cell(one["id"], "dim"),
            )
        )
    columns = (
        Column("time (UTC)"),
        Column("route"),
        Column("state"),
        Column("cost", right=True),
        Column("ms", right=True),
        Column("complexity"),
        Column("id"),
    )
    write_table(columns, rows)


def show_decision(one: dict[str, Any]) -> None:
    """One decision: what was asked, what became of it, and every candidate."""
    outcome, inputs = one["outcome"] or {}, one["inputs"]
    ended = outcome.get("outcome", "not ended yet" if one["state"] == "open" else "refused")
    took = f", {outcome['elapsed_us'] // 1_000} ms" if outcome else ""
    write_fields(
        [
            ("decision", one["id"]),
            ("time", f"{clock_text(one['at_us'])} UTC"),
            ("state", Cell(one["state"], STATE_STYLES.get(one["state"], ""))),
            ("outcome", f"{ended}{took}"),
            ("cost", f"${one['cost_usd']}"),
            ("request", f"model {inputs['model']}, {inputs['classification'][1]} {inputs['classification'][2]}"),
            ("digest", one["decision_digest"]),
        ]
    )
    write_line()
    write_candidates(one["candidates"], one["ranking"])


def write_candidates(candidates: list[dict[str, Any]], ranking: list[str]) -> None:
    """The table of candidates: the admissible ones by rank, then the denied, those without a provider in one line."""
    from worker.money import usd_text

    place = {route: rank for rank, route in enumerate(ranking, 1)}
    rows: list[list[str | Cell]] = []
    unconfigured = []
    for one in sorted(candidates, key=lambda one: (place.get(one["route"], len(place) + 1), one["route"])):
        if "ttv_us" not in one:
            unconfigured.append(one["route"])
            continue
        rank = place.get(one["route"])
        verdict = Cell("chosen", "green") if rank == 1 else Cell("admissible") if rank else Cell(_why(one), "red")
        rows.append(
            [
                str(rank or "-"),
                one["route"],
                f"{one['ttv_us'] / 1_000_000:.2f} s",
                f"${usd_text(one['cost_usd_micros'])}",
                ppm_text(one["risk_ppm"]),
                ppm_text(one["success_ppm"]),
                f"{one['total_us'] / 1_000_000:.2f}" if "total_us" in one else "-",
                verdict,
            ]
        )
    names = ("", "route", "time", "cost", "risk", "success", "total", "verdict")
    right = {"", "time", "cost", "risk", "success", "total"}
    write_table([Column(name, right=name in right) for name in names], rows)
    if unconfigured:
        providers = sorted({route.partition("/")[0] for route in unconfigured})
        write_line(f"{len(unconfigured)} more routes have no provider configured here: {', '.join(providers)}")


def ppm_text(ppm: int) -> str:
    """A share in per cent, exact: 972500 -> `97.25 %`."""
    from worker.money import usd_text

    return f"{usd_text(ppm * 100)} %"


def _why(candidate: dict[str, Any]) -> str:
    reasons = []
    for denial in candidate["denials"]:
        against = f" ({denial['value']} against {denial['bound']})" if denial["bound"] or denial["value"] else ""
        reasons.append(f"{denial['reason_code']}: {denial['subject']}{against}")
    return "; ".join(reasons)
