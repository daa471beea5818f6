"""The forms of a report say the same: Markdown, JSON, and an HTML page that is well-formed and safe to open."""

from __future__ import annotations

import itertools
import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.report.facts import read_facts
from gateway.report.html import to_html
from gateway.report.json import to_json
from gateway.report.markdown import to_markdown
from gateway.report.picture import BAR_WIDTH, Bar, part_bars, scale_bars, shares_of
from gateway.report.sections import dollars, milliseconds, percent
from tests.gateway.report.invented import decision, summary_of, ten_facts

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "groq/<script>alert('x')</script>&\"|@serverless"


def page(html: str) -> ElementTree.Element:
    assert html.startswith("<!DOCTYPE html>\n")
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))


def test_the_page_is_well_formed_and_needs_nobody() -> None:
    html = to_html(summary_of(ten_facts()))
    root = page(html)
    assert {child.tag for child in root} == {"head", "body"}
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use"}
    assert not re.search(r"(?:src|href|url|@import)\s*[=(]", html)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}
    for words in ("prefers-color-scheme: dark", "@media print"):
        assert words in html


def test_what_others_named_stays_text() -> None:
    facts = read_facts([decision(0, HOSTILE, tokens=(1, 1), cost=1, elapsed_us=5)], frozenset())
    html = to_html(summary_of(facts))
    assert "<script" not in html
    assert HOSTILE in "".join(page(html).itertext())
    rows = [line for line in to_markdown(summary_of(facts)).splitlines() if "alert" in line]
    assert rows
    assert all("\\|" in row for row in rows)


def test_simulated_figures_are_called_simulated_in_every_form() -> None:
    summary = summary_of(ten_facts())
    markdown = to_markdown(summary)
    real, _, simulated = markdown.partition("## Simulated requests (no model behind them)")
    assert "(simulated)" not in real
    headings = re.findall(r"^### (.+)$", simulated, re.MULTILINE)
    assert headings
    assert all(heading.endswith("(simulated)") for heading in headings)
    root = page(to_html(summary))
    assert [head.text for head in root.iter("h2")] == ["Requests", "Simulated requests (no model behind them)"]
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert any("(simulated)" in title for title in titles)
    assert [group["simulated"] for group in json.loads(to_json(summary))["groups"]] == [False, True]


def test_markdown_holds_the_figures() -> None:
    text = to_markdown(summary_of(ten_facts()))
    for row in (
        "| success rate: at least 99.9 % | 60 % (n = 5) | not enough data |",
        "| on the baseline, n = 4 | $0.0106 |",
        "| charged, n = 4 | $0.000181 |",
        "| saving | 98.29 % |",
        "| whole request | 3 | 1101 ms | 700 ms | 2000 ms | 2000 ms |",
        "| budget of one request (mean) | 2 | 30 % | 50 % |",
        "| COST_BOUND_EXCEEDED | 1 |",
        "| groq/llama-3.1-8b-instruct@serverless | 4 | 2 | $0.000037 | 651 ms |",
    ):
        assert row in text, row
    assert "1 of the compared were decided under another catalogue" in text
    assert "Nobody knows the usage of 1 more: they were charged their worst case, $0.005" in text


def test_the_page_says_what_markdown_says() -> None:
    summary = summary_of(ten_facts())
    root = page(to_html(summary))
    cells = [cell.text or "" for row in root.iter("tr") for cell in row]
    rows = [line.removeprefix("| ").removesuffix(" |") for line in to_markdown(summary).splitlines() if line[:1] == "|"]
    told = [cell for row in rows for cell in row.split(" | ") if not row.startswith("---")]
    assert told == cells


def test_json_is_integers_with_their_units() -> None:
    plain = json.loads(to_json(summary_of(ten_facts())))
    real = plain["groups"][0]
    assert plain["baseline"]["route"] == "openai/gpt-4o@serverless"
    assert real["cost"]["saving_ppm"] == 982_924
    assert real["ends"]["success_ppm"] == 600_000
    assert real["latency"]["mean_us"] == 1_100_001
    assert real["refusals"] == {"COST_BOUND_EXCEEDED": 1, "RISK_BOUND_EXCEEDED": 1}
    with_floats: list[str] = []
    json.loads(to_json(summary_of(ten_facts())), parse_float=with_floats.append)
    assert with_floats == []


def test_an_empty_report_says_what_to_do() -> None:
    summary = summary_of([])
    for text in (to_markdown(summary), to_html(summary), to_json(summary)):
        assert "harpoon serve" in text
        assert "harpoon ask" in text
    page(to_html(summary))


def rects(svg: str) -> list[int]:
    return [int(rect.get("width") or -1) for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect")]


def test_the_bars_of_parts_add_up() -> None:
    bars = [Bar("a", 1, "1"), Bar("b", 1, "1"), Bar("c", 1, "1")]
    assert rects(part_bars("thirds", bars)) == [100, 100, 100]
    sevenths = [Bar("a", 3, "3"), Bar("b", 2, "2"), Bar("c", 2, "2")]
    assert rects(part_bars("sevenths", sevenths)) == [128, 86, 86]
    assert rects(scale_bars("twice", [Bar("a", 5, "5"), Bar("b", 10, "10")])) == [BAR_WIDTH // 2, BAR_WIDTH]
    assert rects(scale_bars("nothing", [Bar("a", 0, "0")])) == [0]


@given(st.lists(st.integers(0, 2**53), max_size=40))
def test_widths_always_add_up_and_keep_the_order(values: list[int]) -> None:
    widths = shares_of(values)
    assert sum(widths) == (BAR_WIDTH if sum(values) else 0)
    assert all(width >= 0 for width in widths)
    ordered = sorted(zip(values, widths, strict=True))
    assert all(later[1] >= earlier[1] - 1 for earlier, later in itertools.pairwise(ordered))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (percent(999_500), "99.95 %"),
        (percent(-425_197), "-42.52 %"),
        (percent(None), "-"),
        (milliseconds(843_600), "844 ms"),
        (milliseconds(99_910), "100 ms"),
        (milliseconds(3_499), "3.5 ms"),
        (milliseconds(1), "0.1 ms"),
        (dollars(-54), "-$0.000054"),
        (dollars(0), "$0"),
    ],
)
def test_figures_are_written_exactly(made: str, text: str) -> None:
    assert made == text
