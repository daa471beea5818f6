"""`harpoon report`: what a gateway in use achieved, against a named baseline and fixed targets."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.options import HERE, Token, Url
from gateway.failure import CommandFailed
from gateway.output import write, write_line

if TYPE_CHECKING:
    from gateway.report.summary import Summary

report_cli = typer.Typer(add_completion=False)


class Form(StrEnum):
    """What a report can be written as."""

    md = "md"
    json = "json"
    html = "html"


@report_cli.command(
    epilog="Examples: `harpoon report --since 7d`, `harpoon report --baseline openai/gpt-4o-mini --output report.html`"
    "\n\nWithout a server: `harpoon decisions --jsonl > decisions.jsonl`, later `harpoon report --from decisions.jsonl`"
)
def report(
    source: Annotated[
        str, typer.Option("--from", help="A file of `harpoon decisions --jsonl` (- = standard input), no server.")
    ] = "",
    baseline: Annotated[
        str, typer.Option(help="Whose list price the cost is held against: provider/model, or a route's id.")
    ] = "openai/gpt-4o",
    form: Annotated[Form | None, typer.Option("--format", help="md, unless --output ends otherwise.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to this file: .md, .json or .html, or what --format says.")
    ] = None,
    since: Annotated[str, typer.Option(help="Only requests since then: 24h, 7d, 2026-11-20.")] = "",
    catalogue: Annotated[
        Path | None, typer.Option(help="Prices from this file; else the server's catalogue, or the built-in one.")
    ] = None,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Report success, cost against a baseline, latency, quality and budgets of recorded decisions, with targets."""
    from gateway.report.source import since_us

    chosen = form or _form_of(output)
    start_us = since_us(since, time.time_ns() // 1_000)
    summary = (
        _from_file(source, baseline, start_us, catalogue)
        if source
        else _from_server(url, token, baseline, start_us, catalogue)
    )
    text = _written(summary, chosen)
    if output is None:
        write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise CommandFailed(f"{output} can't be written: {problem.strerror}") from problem
    requests = sum(figures.ends.requests for figures in summary.groups)
    write_line(f"wrote {output}: {chosen} report of {requests} requests")


def _from_file(source: str, baseline: str, start_us: int, catalogue: Path | None) -> Summary:
    from gateway.report.source import baseline_route, default_prices, facts_of_file, file_prices
    from gateway.report.summary import summarise

    prices = file_prices(catalogue) if catalogue else default_prices()
    route = baseline_route(prices, baseline)
    return summarise(facts_of_file(source, prices, start_us), route, prices.hashes, prices.source)


def _from_server(url: str, token: str, baseline: str, start_us: int, catalogue: Path | None) -> Summary:
    from gateway.client import Client
    from gateway.report.source import baseline_route, facts_of_server, file_prices, server_prices
    from gateway.report.summary import summarise

    with Client(url, token, "or report on a file with --from") as client:
        prices = file_prices(catalogue) if catalogue else server_prices(client)
        route = baseline_route(prices, baseline)
        return summarise(facts_of_server(client, prices, start_us), route, prices.hashes, prices.source)


def _form_of(output: Path | None) -> Form:
    """The form that a file's name asks for. Raises: CommandFailed for an ending that is none."""
    suffix = output.suffix.removeprefix(".") if output else ""
    if not suffix:
        return Form.md
    if suffix not in list(Form):
        forms = ", ".join(f".{form}" for form in Form)
        raise CommandFailed(f"{output}: a report can't be written as .{suffix}; it ends in {forms}, or say --format")
    return Form(suffix)


def _written(summary: Summary, form: Form) -> str:
    if form is Form.html:
        from gateway.report.html import to_html

        return to_html(summary)
    if form is Form.json:
        from gateway.report.json import to_json

        return to_json(summary)
    from gateway.report.markdown import to_markdown

    return to_markdown(summary)
