"""Bars as inline SVG: widths are whole units of a fixed total, so that the bars of parts add up to the whole.

No script, no font or image from elsewhere; colours are the page's, by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 720
NAME_WIDTH = 280
BAR_WIDTH = 300
ROW_HEIGHT = 26
BAR_HEIGHT = 16


class Bar(NamedTuple):
    """A bar: what it stands for, its value as a whole number, how the value is written, and the class of its colour."""

    name: str
    value: int
    text: str
    look: str = "bar"


def shares_of(values: Sequence[int], width: int = BAR_WIDTH) -> list[int]:
    """Widths in proportion to the values that add up to `width` exactly (largest remainder; the first of equals)."""
    total = sum(values)
    if not total:
        return [0 for _ in values]
    widths = [value * width // total for value in values]
    by_remainder = sorted(range(len(values)), key=lambda at: (-(values[at] * width % total), at))
    for at in by_remainder[: width - sum(widths)]:
        widths[at] += 1
    return widths


def part_bars(title: str, bars: Sequence[Bar]) -> str:
    """Parts of a whole: the bars' widths add up to the full width."""
    return _picture(title, bars, shares_of([bar.value for bar in bars]))


def scale_bars(title: str, bars: Sequence[Bar]) -> str:
    """Values on one scale: the largest has the full width."""
    most = max((bar.value for bar in bars), default=0)
    return _picture(title, bars, [bar.value * BAR_WIDTH // most if most else 0 for bar in bars])


def _picture(title: str, bars: Sequence[Bar], widths: Sequence[int]) -> str:
    height = ROW_HEIGHT * len(bars)
    told = "; ".join(f"{bar.name}: {bar.text}" for bar in bars)
    rows = [_row(at, bar, width) for at, (bar, width) in enumerate(zip(bars, widths, strict=True))]
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title><desc>{escape(told)}</desc>'
        f"{''.join(rows)}</svg>"
    )


def _row(at: int, bar: Bar, width: int) -> str:
    top, middle = at * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) // 2, at * ROW_HEIGHT + ROW_HEIGHT // 2 + 5
    return (
        f'<text x="{NAME_WIDTH - 8}" y="{middle}" text-anchor="end">{escape(_short(bar.name))}</text>'
        f'<rect class="{bar.look}" x="{NAME_WIDTH}" y="{top}" width="{width}" height="{BAR_HEIGHT}"/>'
        f'<text x="{NAME_WIDTH + width + 8}" y="{middle}">{escape(bar.text)}</text>'
    )


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else "\u2026" + name[1 - most :]
