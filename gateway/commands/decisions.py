"""`harpoon decisions`: what was decided, why, and what became of it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import ClientFailed
from gateway.output import Cell, Column, Working, write_fields, write_json, write_line, write_table

decisions_cli = typer.Typer(add_completion=False)
SHOWN = 20
STATE_STYLES = {"settled": "green", "denied": "red", "unsettled": "yellow", "open": "cyan"}
STRANGE = "the server's decisions have another form than this command knows; is it another version of Harpoon?"
SUCCESS = "success"


class State(StrEnum):
    """What a decision may have come to."""

    open = "open"
    settled = "settled"
    unsettled = "unsettled"
    denied = "denied"


@decisions_cli.command(
    epilog="Example: `harpoon decisions`, then `harpoon decisions dec_...` for one with all its candidates.\n\n"
    "What was refused: `harpoon decisions --state denied`. The page before: `harpoon decisions --before dec_...`\n\n"
    "Export: `harpoon decisions --jsonl > decisions.jsonl`, oldest first, for `harpoon report --from decisions.jsonl`."
)
def decisions(
    decision: Annotated[str, typer.Argument(metavar="ID", help="One decision's id.", show_default=False)] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"At most so many, the newest; else {SHOWN}, or all with --jsonl.")
    ] = None,
    before: Annotated[
        str, typer.Option(metavar="ID", help="Only those made before this one.", show_default=False)
    ] = "",
    state: Annotated[State | None, typer.Option(help="Only those in this state.", show_default=False)] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Export, one JSON object a line, oldest first.")] = False,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """List your latest decisions, show one with every candidate, or export them all."""
    from gateway.client import Client

    only = state.value if state else ""
    with Client(url, token) as client:
        if decision:
            found = client.get(f"/v1/decisions/{decision}")
            show = write_json if as_json else show_decision
            _shaped(show, found)
            return
        if jsonl:
            lines = []
            with Working("decisions") as working:
                for one in client.decisions(most=limit, before=before, state=only):
                    lines.append(json.dumps(one, ensure_ascii=False, separators=(",", ":")))
                    working.advance()
            for line in reversed(lines):
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
            return
        listed = list(client.decisions(most=limit or SHOWN, before=before, state=only))
    if as_json:
        write_json(listed)
    elif listed:
        _shaped(_show_list, listed)
    elif before or only:
        write_line("no decision fits that")
    else:
        write_line('no decisions yet: `harpoon ask "What is a vGPU?"` makes the first one')


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
        state = one["state"] if outcome.get("outcome", SUCCESS) == SUCCESS else outcome["outcome"]
        rows.append(
            (
                clock_text(one["at_us"]),
                outcome.get("route") or one["selected"] or "-",
                Cell(state, STATE_STYLES.get(state, "yellow")),
                f"${one['cost_usd']}",
                took,
                one["inputs"]["classification"][1] if one["inputs"] else "-",
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
    """One decision: what was asked and under what, what became of it, every attempt and every candidate."""
    outcome, inputs = one["outcome"] or {}, one["inputs"]
    ended = outcome.get("outcome", "not ended yet" if one["state"] == "open" else "denied: nothing was sent")
    took = f", {outcome['elapsed_us'] // 1_000} ms" if outcome else ""
    fields: list[tuple[str, str | Cell]] = [
        ("decision", one["id"]),
        ("time", f"{clock_text(one['at_us'])} UTC"),
        ("state", Cell(one["state"], STATE_STYLES.get(one["state"], ""))),
        ("outcome", f"{ended}{took}"),
        ("cost", f"${one['cost_usd']}"),
    ]
    if outcome:
        told = f"{outcome['input_tokens']} in, {outcome['output_tokens']} out ({outcome['usage']})"
        fields.append(("tokens", told))
    if inputs:
        judged = inputs["classification"]
        fields.append(("request", f"model {inputs['model']}, {judged[1]} {judged[2]}"))
        fields.append(("policy", policy_line(inputs["policy"])))
    else:
        fields.append(("record", "dropped by the ledger's retention; its digest is kept"))
    write_fields([*fields, ("digest", one["decision_digest"])])
    _show_attempts(one.get("attempts", []))
    write_line()
    write_candidates(one["candidates"], one["ranking"], _tried(one))


def policy_line(policy: dict[str, Any]) -> str:
    """A recorded policy in a line; balanced is the priority where none is said."""
    from worker.money import usd_text

    parts = [policy["priority"] or "balanced"]
    if policy["budget_usd_micros"] is not None:
        scope = f" {policy['budget_scope'].replace('_', ' ')}" if policy["budget_scope"] else ""
        parts.append(f"at most ${usd_text(policy['budget_usd_micros'])}{scope}")
    if policy["deadline_us"] is not None:
        parts.append(f"within {usd_text(policy['deadline_us'])} s")
    if policy["quality"] is not None:
        parts.append(f"{policy['quality']} quality")
    for words, name in (("in", "residency"), ("not in", "residency_exclude"), ("with", "requirements")):
        if policy[name]:
            parts.append(f"{words} {', '.join(policy[name])}")
    return ", ".join(parts)


def _show_attempts(attempts: list[dict[str, Any]]) -> None:
    """What was called, in order, and how it ended."""
    if not attempts:
        return
    rows = [
        (
            str(number),
            one["route"],
            Cell(one["cause"], "green" if one["cause"] == "ok" else "red"),
            str(one["status"]) if one["status"] else "-",
            f"{one['elapsed_us'] // 1_000} ms",
        )
        for number, one in enumerate(attempts, 1)
    ]
    write_line()
    columns = (Column("", right=True), Column("attempt"), Column("ended"), Column("HTTP"), Column("took", right=True))
    write_table(columns, rows)


def _tried(one: dict[str, Any]) -> dict[str, str]:
    """The routes that were called, and what to say of each: selected if it answered, else tried."""
    tried = {}
    for attempt in one.get("attempts", []):
        tried[attempt["route"]] = "selected" if attempt["cause"] == "ok" else "tried"
    return tried


def write_candidates(candidates: list[dict[str, Any]], ranking: list[str], tried: dict[str, str] | None = None) -> None:
    """The table of candidates: the admitted ones by rank, then the denied, those without a provider in one line.

    Args: tried: what became of the routes that were called; empty = the first of the ranking is the selected one.
    """
    from worker.money import usd_text

    place = {route: rank for rank, route in enumerate(ranking, 1)}
    rows: list[list[str | Cell]] = []
    unconfigured = []
    for one in sorted(candidates, key=lambda one: (place.get(one["route"], len(place) + 1), one["route"])):
        if "ttv_us" not in one:
            unconfigured.append(one["route"])
            continue
        rank = place.get(one["route"])
        rows.append(
            [
                str(rank or "-"),
                one["route"],
                f"{one['ttv_us'] / 1_000_000:.2f} s",
                f"${usd_text(one['cost_usd_micros'])}",
                ppm_text(one["risk_ppm"]),
                ppm_text(one["success_ppm"]),
                f"{one['total_us'] / 1_000_000:.2f}" if "total_us" in one else "-",
                _verdict(one, rank, tried or {}),
            ]
        )
    names = ("", "route", "time", "cost", "risk", "success", "total", "verdict")
    right = {"", "time", "cost", "risk", "success", "total"}
    if rows:
        write_table([Column(name, right=name in right) for name in names], rows)
    if unconfigured:
        providers = sorted({route.partition("/")[0] for route in unconfigured})
        more = " more" if rows else ""
        write_line(f"{len(unconfigured)}{more} routes have no provider configured here: {', '.join(providers)}")


def _verdict(candidate: dict[str, Any], rank: int | None, tried: dict[str, str]) -> Cell:
    if rank is None:
        return Cell(_why(candidate), "red")
    said = tried.get(candidate["route"], "admitted") if tried else "selected" if rank == 1 else "admitted"
    return Cell(said, {"selected": "green", "tried": "yellow"}.get(said, ""))


def ppm_text(ppm: int) -> str:
    """A share in per cent, rounded down to two decimals: 972599 -> `97.25 %`."""
    from worker.money import usd_text

    return f"{usd_text(ppm // 100 * 10_000)} %"


def _why(candidate: dict[str, Any]) -> str:
    """Why a candidate is denied: each reason in words, and its code."""
    from worker.canon.codes import INVARIANT_VIOLATION, Denial
    from worker.canon.reasons import denial_sentence

    reasons = []
    for one in candidate["denials"]:
        denial = Denial(one["reason_code"], one["subject"], one["bound"], one["value"])
        code = denial.subject if denial.code == INVARIANT_VIOLATION else denial.code
        reasons.append(f"{denial_sentence(denial)} ({code})")
    return f"denied: {'; '.join(reasons)}"
