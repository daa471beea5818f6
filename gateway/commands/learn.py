"""`harpoon learn`: whether what became of your own answers makes a better classifier, and a correction if it does."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.options import HERE, Json, Token, Url
from gateway.failure import NO, CommandFailed
from gateway.output import Column, Working, write_fields, write_json, write_line, write_table

if TYPE_CHECKING:
    from gateway.outcomes import Gathered, Told
    from wasm_classifier.learn import Report

learn_cli = typer.Typer(add_completion=False)


@learn_cli.command(
    epilog="Example: `harpoon learn outcomes.jsonl`, and where it helps `harpoon learn outcomes.jsonl --out"
    " correction.json --enable`, then `HARPOON_CORRECTION=correction.json harpoon serve`.\n\n"
    'A line is a JSON object such as `{"text": "...", "small": true, "large": true}`, when both models were asked, or'
    ' `{"text": "...", "decision": "dec_...", "accepted": false}`, with the id of the header x-harpoon-decision-id;'
    " instead of accepted: rating (0 to 1), retried or escalated, or none of them.\n\n"
    "Without a server: `harpoon decisions --jsonl > decisions.jsonl`, then --decisions decisions.jsonl."
)
def learn(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="Outcomes, one JSON object a line; none or - = standard input."),
    ] = None,
    decisions: Annotated[
        str,
        typer.Option(
            help="A file of `harpoon decisions --jsonl`; else the server is asked, if a line names a decision."
        ),
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Write the correction to this file.")] = None,
    enable: Annotated[
        bool, typer.Option("--enable", help="Switch it on in that file, if it is better by more than chance gives.")
    ] = False,
    url: Url = HERE,
    token: Token = "",
    as_json: Json = False,
) -> None:
    """Fit a correction of the classifier on your own outcomes, and report before and after on outcomes held back.

    Each fifth of the outcomes is judged by a correction that did not see it. Nothing changes until a server is started
    with the file. Exit status: 0 = it is better, 1 = it is not, 2 = it can't be told.
    """
    if enable and out is None:
        raise CommandFailed("--enable needs --out: which file is the correction to be switched on in?")
    from wasm_classifier.learn import learn as learn_from

    gathered = _gathered(files, decisions, url, token)
    try:
        with Working("learning"):
            report = learn_from(gathered.outcomes)
    except ValueError as problem:
        raise CommandFailed(_with_reasons(str(problem), gathered)) from problem
    switched_on = enable and report.is_better
    if out is not None:
        _write(out, report, switched_on)
    if as_json:
        write_json(_plain(gathered, report, switched_on))
    else:
        _show(gathered, report, out, switched_on)
    raise typer.Exit(0 if report.is_better else NO)


def _gathered(files: list[str] | None, decisions: str, url: str, token: str) -> Gathered:
    from gateway.outcomes import gather

    lines = [line for name in files or ["-"] for line in _objects(name)]
    told: dict[str, Told] = {}
    if any(line.get("decision") is not None for line in lines):
        told = _told(decisions, url, token)
    is_routed = any(line.get("decision") is not None or line.get("route") is not None for line in lines)
    return gather(lines, told, _small_models() if is_routed else lambda route: None)


def _objects(name: str) -> Iterator[Mapping[str, Any]]:
    from gateway.commands.batch import opened
    from worker.errors import HarpoonError
    from worker.strict_json import parse_object

    with opened(name) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                try:
                    yield parse_object(line.strip()).values
                except HarpoonError as problem:
                    shown = "standard input" if name == "-" else name
                    raise CommandFailed(f"{shown}:{number}: {problem.message}") from problem


def _told(decisions: str, url: str, token: str) -> dict[str, Told]:
    from gateway.outcomes import told_by

    if decisions:
        from gateway.commands.batch import opened
        from gateway.report.facts import read_lines

        with opened(decisions) as stream:
            return told_by(read_lines(stream, decisions))
    from gateway.client import Client

    with Client(url, token, hint="or name a file with --decisions") as client:
        return told_by(client.decisions())


def _small_models() -> Callable[[str], bool | None]:
    """Says of a route whether its model is the small one that the score is about, or a smaller one."""
    from gateway.commands.offline import local_settings
    from wasm_classifier.learn import PPM

    routes = local_settings().configuration.catalogue.by_id

    def is_small(route: str) -> bool | None:
        found = routes.get(route)
        return None if found is None else found.failure_factor_ppm >= PPM

    return is_small


def _write(out: Path, report: Report, switched_on: bool) -> None:
    """Raises: CommandFailed. The file is there whole or not at all."""
    from wasm_classifier.correction import to_plain

    text = json.dumps(to_plain(report.correction, switched_on=switched_on, report=_figures(report)))
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(out)
    except OSError as problem:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise CommandFailed(f"{out} can't be written: {problem.strerror}") from problem


def _figures(report: Report) -> dict[str, int]:
    return {
        "texts": report.count,
        "length_ppm": report.length_ppm,
        "before_ppm": report.before_ppm,
        "after_ppm": report.after_ppm,
        "error_ppm": report.error_ppm,
    }


def _plain(gathered: Gathered, report: Report, switched_on: bool) -> dict[str, Any]:
    return {
        "lines": gathered.lines,
        "unused": dict(gathered.unused),
        **_figures(report),
        "is_better": report.is_better,
        "switched_on": switched_on,
        "model_version": report.correction.model_version,
    }


def _with_reasons(problem: str, gathered: Gathered) -> str:
    reasons = [f"  {count} {reason}" for reason, count in gathered.unused.items()]
    return "\n".join([problem, *([f"of {gathered.lines} lines of no use:"] if reasons else []), *reasons])


def _show(gathered: Gathered, report: Report, out: Path | None, switched_on: bool) -> None:
    from wasm_classifier.reference import MODEL_VERSION

    write_fields(
        [
            ("outcomes", f"{report.count} texts, from {gathered.lines} lines"),
            *[("not used", f"{count} {reason}") for reason, count in gathered.unused.items()],
        ]
    )
    write_line()
    rows = [
        ("the prompt's length alone", _share(report.length_ppm)),
        (f"{MODEL_VERSION}, as it is", _share(report.before_ppm)),
        ("corrected", _share(report.after_ppm)),
        ("difference", f"{report.after_ppm - report.before_ppm:+,} ppm, standard error {report.error_ppm:,}"),
    ]
    columns = (Column("the larger model is sent what seems hardest by"), Column("share of its gain", right=True))
    write_table(columns, rows)
    write_line()
    verdict = "better by more than its standard error" if report.is_better else "not better than chance could make it"
    write_line(f"the correction is {verdict}")
    if out is not None:
        state = "switched on" if switched_on else "not switched on: a server refuses it"
        write_line(f"{out}: {report.correction.model_version}, {state}")
        if switched_on:
            write_line(f"use it: HARPOON_CORRECTION={out} harpoon serve")


def _share(ppm: int) -> str:
    """Parts per million with three decimals; .5 is what chance gives."""
    return f"{(ppm + 500) // 1_000 / 1_000:.3f}"
