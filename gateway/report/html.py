"""A report as one HTML page: no script, nothing from the network, light and dark, printable."""

from __future__ import annotations

from html import escape

from gateway.report.picture import Bar, part_bars, scale_bars
from gateway.report.sections import (
    Section,
    Table,
    count,
    dollars,
    empty_sentences,
    group_title,
    label,
    milliseconds,
    opening,
    sections,
)
from gateway.report.summary import MET, NOT_MET, Figures, Share, Summary

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d5dae0; --soft: #5b6470; --bar: #2f6fb2;
  --other: #9aa4b0; --good: #1a7f4b; --bad: #b3261e; --note: #fff4d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #15181c; --line: #343a42; --soft: #9aa4b0;
  --bar: #6aa9e9; --other: #5b6470; --good: #57c78a; --bad: #ff8a80; --note: #3a3215; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h3 { margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; } th, td { padding: .3rem .8rem; text-align: left;
  border-bottom: 1px solid var(--line); vertical-align: top; } th { color: var(--soft); font-weight: 600; }
td, th { overflow-wrap: anywhere; } @media (max-width: 30rem) { th, td { padding: .3rem .4rem; }
  body { font-size: 15px; margin: 1rem auto; padding: 0 .6rem; } }
.right { text-align: right; font-variant-numeric: tabular-nums; } .good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; } .note { background: var(--note); padding: .5rem .8rem; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 13px; }
.bar { fill: var(--bar); } .other { fill: var(--other); }
@media print { :root { --ink: #000; --paper: #fff; --line: #999; --soft: #333; --bar: #333; --other: #999; --good: #000;
  --bad: #000; --note: #eee; } body { margin: 0; max-width: none; } h3, table, svg { break-inside: avoid; } }
"""
_LOOKS = {MET: "good", NOT_MET: "bad"}


def to_html(summary: Summary) -> str:
    """The page's text; well-formed as XML too, but for its doctype."""
    body = ["<h1>Harpoon report</h1>"]
    if not summary.groups:
        body += _paragraphs(empty_sentences())
    else:
        body += _paragraphs(opening(summary))
        for figures in summary.groups:
            body += _group(figures)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/><title>Harpoon report</title>'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _group(figures: Figures) -> list[str]:
    lines = [f"<h2>{escape(group_title(figures))}</h2>"]
    if figures.is_simulated:
        lines.append(
            '<p class="note">These requests were answered by the simulator: no model, no GPU and no money was behind'
            " them. Their figures say nothing about a provider.</p>"
        )
    for section in sections(figures):
        lines += [f"<h3>{escape(section.title)}</h3>", *_paragraphs(section.sentences)]
        picture = _picture(section, figures)
        if picture:
            lines.append(picture)
        if section.table is not None:
            lines.append(_table(section.table))
    return lines


def _paragraphs(sentences: tuple[str, ...]) -> list[str]:
    return [f"<p>{escape(sentence)}</p>" for sentence in sentences]


def _table(table: Table) -> str:
    def cells(tag: str, row: tuple[str, ...]) -> str:
        made = []
        for at, cell in enumerate(row):
            look = "right" if table.is_numeric and at else _LOOKS.get(cell, "") if tag == "td" else ""
            made.append(f'<{tag} class="{look}">{escape(cell)}</{tag}>' if look else f"<{tag}>{escape(cell)}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    return (
        f"<table><thead>{cells('th', table.heads)}</thead>"
        f"<tbody>{''.join(cells('td', row) for row in table.rows)}</tbody></table>"
    )


def _picture(section: Section, figures: Figures) -> str:
    mark = label(figures)
    if section.chart == "cost" and figures.cost.compared:
        cost = figures.cost
        bars = [
            Bar("charged", cost.charged_usd_micros, dollars(cost.charged_usd_micros)),
            Bar("on the baseline", cost.baseline_usd_micros, dollars(cost.baseline_usd_micros), "other"),
        ]
        return scale_bars(f"Cost against the baseline{mark}", bars)
    if section.chart == "latency" and figures.latency.n:
        times = figures.latency
        named = (("average", times.mean_us), ("p50", times.p50_us), ("p95", times.p95_us), ("p99", times.p99_us))
        bars = [
            Bar(name, us or 0, milliseconds(us), "bar" if at == 0 else "other") for at, (name, us) in enumerate(named)
        ]
        return scale_bars(f"Latency of whole requests{mark}", bars)
    if section.chart == "refusals":
        bars = [Bar(code, number, count(number)) for code, number in figures.refusals]
        return scale_bars(f"Refusals by reason{mark}", bars)
    shares: dict[str, tuple[Share, ...]] = {"routes": figures.routes, "complexities": figures.complexities}
    if section.chart in shares:
        bars = [Bar(share.name, share.requests, count(share.requests)) for share in shares[section.chart]]
        return part_bars(f"{section.title}: requests", bars)
    return ""
