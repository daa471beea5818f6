"""A study as one HTML page with pictures: no script, nothing from the network, light and dark, printable."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from gateway.report.html import STYLE
from gateway.report.picture import Bar, scale_bars
from gateway.simulator.pools.parameters import parameter_notes
from gateway.simulator.pools.report import HEADS, Report, name_of, notes_of, row_of, said_of, seconds
from gateway.simulator.pools.study import PERCENTILES, Outcome
from worker.money import usd_text

_OWN_STYLE = """td, th { overflow-wrap: normal; } .figures { font-size: .8rem; } .figures td { white-space: nowrap; }
.figures th, .figures td { padding: .25rem .35rem; text-align: right; } svg { overflow: visible; }
@media screen { .wide { overflow-x: auto; } .wide svg { max-width: none; } }
"""


def to_html(report: Report) -> str:
    """The page's text."""
    body = [
        "<h1>GPU pools by sharing ratio and time quantum</h1>",
        '<p class="note">Outputs of a model, in virtual time: no GPU was used and nothing here was measured.</p>',
        f"<p><strong>{escape(said_of(report))}</strong></p>",
        "<h2>How long requests take</h2>",
        "<p>Lost: requests that found no slot or failed; no figure counts them.</p>" if _loses(report) else "",
        _picture(report, "95 of 100 answers are done within", _latency),
        "<h2>How long they wait before a card works on them</h2>",
        _picture(report, "95 of 100 requests wait at most", _wait)
        if any(_wait(outcome)[0] for outcome in report.outcomes)
        else "<p>In no configuration do more than 5 of 100 requests wait.</p>",
        "<h2>What a served request costs</h2>",
        _picture(report, "Price of the cards divided by the requests served", _cost),
        "<h2>All figures</h2>",
        _table(HEADS, [row_of(outcome) for outcome in report.outcomes], "figures"),
        "<ul>" + "".join(f"<li>{escape(note.replace('`', ''))}</li>" for note in notes_of(report)) + "</ul>",
        "<h2>Constants of the model</h2>",
        "<p>The defaults; what was set otherwise for this run is in the command that made it.</p>",
        _table(
            ("name", "value", "source", "meaning"),
            [[name, str(value), mark, meaning] for name, value, mark, meaning in parameter_notes()],
        ),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/><title>GPU pools</title>'
        f"<style>{STYLE}{_OWN_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _picture(report: Report, title: str, bar_of: Callable[[Outcome], tuple[int, str]]) -> str:
    bars = []
    for outcome in report.outcomes:
        value, text = bar_of(outcome)
        look = "bar" if outcome is report.best else "other"
        bars.append(Bar(name_of(outcome.configuration), value, text, look))
    return f'<div class="wide">{scale_bars(f"{title} (model)", bars)}</div>'


def _latency(outcome: Outcome) -> tuple[int, str]:
    time_us = outcome.latency.percentiles_us[PERCENTILES.index(95)]
    return time_us, seconds(time_us) + _lost(outcome)


def _wait(outcome: Outcome) -> tuple[int, str]:
    time_us = outcome.wait.percentiles_us[PERCENTILES.index(95)]
    return time_us, seconds(time_us) + _lost(outcome)


def _cost(outcome: Outcome) -> tuple[int, str]:
    return outcome.cost_per_request_usd_micros, f"${usd_text(outcome.cost_per_request_usd_micros)}" + _lost(outcome)


def _loses(report: Report) -> bool:
    return any(outcome.refused or outcome.failed for outcome in report.outcomes)


def _lost(outcome: Outcome) -> str:
    """What a figure leaves out, said beside it."""
    lost = outcome.refused + outcome.failed
    return f", {lost} lost" if lost else ""


def _table(heads: tuple[str, ...], rows: list[list[str]], look: str = "") -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide {look}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
