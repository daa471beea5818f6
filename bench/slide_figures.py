"""The numbers of the presentation, taken anew from the pages that measurements are written into.

    python -m bench.slide_figures [--write]

presentation/slides/figures.json says for each figure where it stands: a table's row and column, or a sentence. Without
`--write` every figure is told that has changed there since, and the exit status is 1 if any has; with it, the file and
the texts of presentation/hosted-ai-presentation.html are brought up to date. Run it after a benchmark has rewritten its
page.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from bench.run import say

ROOT: Final = Path(__file__).parents[1]
FIGURES: Final = ROOT / "presentation" / "slides" / "figures.json"
PAGE: Final = ROOT / "presentation" / "hosted-ai-presentation.html"
MEASURED: Final = "measured"
#: An element of the page that shows a figure, up to its text; `bare` leaves the unit out.
SHOWN: Final = re.compile(
    r'(<data [^>]*data-figure="(?P<id>[^"]+)"(?P<bare> data-bare)?[^>]*>)(?P<text>[^<]*)(?=</data>)'
)
NO_BREAK: Final = "\u00a0"


class FigureMissing(ValueError):
    """A figure that its page does not have where it is said to stand."""


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("**", "") for cell in line.strip().strip("|").split("|")]


def _from_table(text: str, row: list[str], column: str) -> str:
    """The cell of `column` in the row that begins with `row`, in the first table that has both."""
    heads: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            heads = []
            continue
        cells = _cells(line)
        if not heads:
            heads = cells
        elif cells[: len(row)] == row and column in heads:
            return cells[heads.index(column)]
    raise FigureMissing(f"no row {row} with a column {column!r}")


def section_of(name: str, origin: dict[str, Any]) -> str:
    """The text of the section that the figures of `origin` stand in. Raises: FigureMissing."""
    text: str = (ROOT / origin["doc"]).read_text(encoding="utf-8")
    begun = text.partition(f"<!-- bench:{name} -->")[2]
    if not begun:
        raise FigureMissing(f"{origin['doc']} has no section {name}")
    return begun.partition(f"<!-- /bench:{name} -->")[0]


def measured_value(figure: dict[str, Any], text: str) -> str:
    """What the section says now. Raises: FigureMissing."""
    if "row" in figure:
        return _from_table(text, figure["row"], figure["column"])
    found = re.search(figure["pattern"], text)
    if found is None:
        raise FigureMissing(f"nothing says {figure['pattern']!r}")
    return str(found.group(1))


def shown(figure: dict[str, Any], is_bare: bool) -> str:
    """The figure as the page shows it."""
    unit = figure.get("unit", "")
    return str(figure["value"]) if is_bare or not unit else f"{figure['value']}{NO_BREAK}{unit}"


def filled(page: str, figures: dict[str, Any]) -> str:
    """The page's text with every figure in its place. Raises: KeyError for one that the file does not have."""
    return SHOWN.sub(lambda one: one.group(1) + shown(figures[one["id"]], one["bare"] is not None), page)


def renew(plain: dict[str, Any]) -> list[str]:
    """Put into `plain` what the sections say now; what has changed, in words. Raises: FigureMissing."""
    changes = []
    for name, figure in plain["figures"].items():
        if figure["kind"] != MEASURED:
            continue
        value = measured_value(figure, section_of(figure["of"], plain["origins"][figure["of"]]))
        if value != figure["value"]:
            changes.append(f"{name}: {figure['value']} -> {value}")
            figure["value"] = value
    return changes


def to_text(plain: dict[str, Any]) -> str:
    """The file: a line for each figure."""

    def compact(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    lines = ",\n".join(f"{compact(name)}:{compact(one)}" for name, one in plain["figures"].items())
    names, origins = compact(plain["names"]), compact(plain["origins"])
    return f'{{"names":{names},\n"origins":{origins},\n"figures":{{\n{lines}\n}}}}\n'


def main() -> int:
    """Compare, and write if asked; 1 if something has changed and was not written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    plain = json.loads(FIGURES.read_text(encoding="utf-8"))
    changes = renew(plain)
    page = PAGE.read_text(encoding="utf-8")
    renewed = filled(page, plain["figures"])
    for change in changes:
        say(change)
    if asked.write:
        FIGURES.write_text(to_text(plain), encoding="utf-8")
        PAGE.write_text(renewed, encoding="utf-8")
        return 0
    say(f"{len(changes)} changed; the page is {'up to date' if renewed == page else 'not up to date'}")
    return 1 if changes or renewed != page else 0


if __name__ == "__main__":
    sys.exit(main())
