"""A probe's report as one HTML page with pictures: no script, nothing from the network, light and dark, printable."""

from __future__ import annotations

from html import escape

from gateway.probe.answers import first_tokens, streamed_of
from gateway.probe.chat import Timed
from gateway.probe.run import Found
from gateway.probe.sections import method, notes_of, sections_of, thousandths, title_of
from gateway.probe.statistics import percentile
from gateway.report.html import STYLE
from gateway.report.picture import Bar, scale_bars
from gateway.report.sections import Table, milliseconds

_LOOKS = {"holds": "good", "met": "good", "yes": "good", "broken": "bad", "not met": "bad"}
_OWN_STYLE = """td, th { overflow-wrap: break-word; } h1 { overflow-wrap: anywhere; }
@media screen { .wide { overflow-x: auto; } .wide svg { max-width: none; } }
.piece { stroke: var(--bar); stroke-width: 1.5; } .whole { stroke: var(--line); }
"""
#: The picture of arrivals: one line for each of so many answers.
_LINES, _LINE_HEIGHT, _WIDTH = 8, 24, 720


def to_html(found: Found, baseline: tuple[str, int, int] | None) -> str:
    """The page's text; well-formed as XML too, but for its doctype."""
    title = title_of(found)
    body = [f"<h1>{escape(title)}</h1>"]
    body += [f'<p class="note">{escape(note)}</p>' for note in notes_of(found)]
    for section in sections_of(found, baseline):
        body += [f"<h2>{escape(section.title)}</h2>", *[f"<p>{escape(one)}</p>" for one in section.sentences]]
        if picture := _picture(section.chart, found):
            body.append(f'<div class="wide">{picture}</div>')
        if section.table is not None:
            body.append(_table(section.table))
    body += ["<h2>How it was measured</h2>", *[f"<p>{escape(one)}</p>" for one in method()]]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"/><title>{escape(title)}</title>'
        f"<style>{STYLE}{_OWN_STYLE}</style>"
        "</head>\n<body>\n" + "\n".join(one for one in body if one) + "\n</body></html>\n"
    )


def _table(table: Table) -> str:
    def cells(tag: str, row: tuple[str, ...]) -> str:
        made = []
        for at, cell in enumerate(row):
            look = "right" if table.is_numeric and at else _LOOKS.get(cell, "") if tag == "td" else ""
            made.append(f'<{tag} class="{look}">{escape(cell)}</{tag}>' if look else f"<{tag}>{escape(cell)}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    rows = "".join(cells("td", row) for row in table.rows)
    head = cells("th", table.heads)
    return f'<div style="overflow-x: auto"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def _picture(chart: str, found: Found) -> str:
    mark = " (simulated)" if found.is_simulated else ""
    if chart == "first":
        return scale_bars(f"First token: first requests and warm ones{mark}", _first_bars(found))
    if chart == "streaming":
        return _arrivals(f"When the pieces of answers came{mark}", streamed_of(found)[:_LINES])
    if chart == "load":
        return _load_bars(found, mark)
    if chart == "models" and found.pilot is not None:
        groups = {model: [one for one in found.pilot.timed if one.model == model] for model in found.pilot.models}
        bars = [bar for model, timed in groups.items() for bar in _whole_bars(model, timed)]
        return scale_bars(f"Whole answers by model{mark}", bars)
    return ""


def _first_bars(found: Found) -> list[Bar]:
    bars = [
        Bar(f"{name}, {one.model}", one.first_us or 0, milliseconds(one.first_us))
        for name, timed in (("first", found.firsts), ("first after a rest", found.after_idle))
        for one in timed
        if one.is_ok
    ]
    warm = first_tokens(found.warm)
    for percent in (50, 95) if warm else ():
        value = percentile(warm, percent).value
        bars.append(Bar(f"warm p{percent}, {found.warm[0].model}", value or 0, milliseconds(value), "other"))
    return bars


def _whole_bars(name: str, timed: list[Timed]) -> list[Bar]:
    whole = [one.total_us for one in timed if one.is_ok]
    bars = []
    for percent, look in ((50, "bar"), (95, "other")):
        value = percentile(whole, percent).value
        bars.append(Bar(f"{name}, p{percent}", value or 0, milliseconds(value), look))
    return bars


def _load_bars(found: Found, mark: str) -> str:
    bars, rates = [], []
    for level in sorted(found.load.levels, key=lambda one: one.concurrency):
        name = f"{level.concurrency} at once"
        lost = f", {len(level.failed)} failed" if level.failed else ""
        bars += [one._replace(text=one.text + lost) for one in _whole_bars(name, level.timed)]
        if level.ended_us and level.tokens_per_s_milli is not None:
            rates.append(Bar(name, level.tokens_per_s_milli, f"{thousandths(level.tokens_per_s_milli)} tokens/s"))
    pictures = [scale_bars(f"Whole answers by requests at once{mark}", bars)]
    return "".join(pictures + ([scale_bars(f"Tokens a second of all answers together{mark}", rates)] if rates else []))


def _arrivals(title: str, timed: list[Timed]) -> str:
    """One line for each answer, as long as it took, with a stroke for each of its pieces."""
    longest = max((one.total_us for one in timed), default=0) or 1
    height = _LINE_HEIGHT * len(timed)
    told = "; ".join(f"{len(one.pieces_us)} pieces in {milliseconds(one.total_us)}" for one in timed)
    lines = []
    for at, one in enumerate(timed):
        middle = at * _LINE_HEIGHT + _LINE_HEIGHT // 2
        width = one.total_us * _WIDTH // longest
        lines.append(f'<line class="whole" x1="0" x2="{width}" y1="{middle}" y2="{middle}"/>')
        places = dict.fromkeys(piece * (_WIDTH - 2) // longest + 1 for piece in one.pieces_us)
        lines += [
            f'<line class="piece" x1="{x}" x2="{x}" y1="{middle - 8}" y2="{middle + 8}"/>' for x in places
        ]  # fmt: skip
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title><desc>{escape(told)}</desc>'
        f"{''.join(lines)}</svg>"
    )
