"""Every number on the presentation comes from figures.json, and every measured one stands in the docs as it is said."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench.exposure_topologies import topologies
from bench.overcommit import LOADS, REQUESTS, WAYS, cell_of, run_cell
from bench.slide_figures import FIGURES, MEASURED, PAGE, FigureMissing, filled, measured_value, renew, section_of, shown

ROOT = Path(__file__).parents[2]
SLIDES = ROOT / "presentation" / "slides"
VOID = frozenset({"meta", "link", "input", "br", "path", "circle"})
#: Of these the text is code, a command, a key or what the reader may change; no claim is made there.
NO_CLAIM = frozenset({"code", "pre", "kbd", "textarea", "script", "style"})


@cache
def figures() -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(FIGURES.read_text("utf-8"))
    return plain


class Texts(HTMLParser):
    """The page's texts: `claims` outside of code and figures, `figures` by id with what stands there."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.claims: list[str] = []
        self.figures: list[tuple[str, bool, str]] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if found.get("id"):
            self.ids.add(str(found["id"]))
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if tag not in VOID:
            self.open.append((tag, found))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        names = [tag for tag, _ in self.open]
        if names and names[-1] == "data":
            attributes = self.open[-1][1]
            self.figures.append((str(attributes["data-figure"]), "data-bare" in attributes, data))
        elif not NO_CLAIM & set(names):
            self.claims.append(data)


@cache
def texts() -> Texts:
    found = Texts()
    found.feed(PAGE.read_text("utf-8"))
    return found


def test_every_figure_on_the_page_is_the_files() -> None:
    assert texts().figures
    for name, is_bare, text in texts().figures:
        assert text == shown(figures()["figures"][name], is_bare), name
    assert filled(PAGE.read_text("utf-8"), figures()["figures"]) == PAGE.read_text("utf-8")


def test_no_other_number_is_claimed() -> None:
    # The names hold digits and are none: shared-4x, SHA3-256.
    names = sorted(figures()["names"], key=len, reverse=True)
    for claim in texts().claims:
        rest = claim
        for name in names:
            rest = rest.replace(name, "")
        assert not re.search(r"[0-9]", rest), claim


def test_scripts_show_no_number_of_their_own() -> None:
    for file in SLIDES.glob("*.js"):
        code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", file.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        said = re.sub(r"\$\{[^}]*\}", "", code)
        found = re.findall(r"[0-9][0-9.,]*\s?(?:ms|µs|MB|%|req/s|percent|times|x faster)\b", said)
        assert not found, (file.name, found)


@pytest.mark.parametrize("name", [name for name, one in figures()["figures"].items() if one["kind"] == MEASURED])
def test_a_measured_figure_stands_in_the_docs_with_its_command(name: str) -> None:
    figure = figures()["figures"][name]
    origin = figures()["origins"][figure["of"]]
    section = section_of(figure["of"], origin)
    # If this fails after a benchmark: python -m bench.slide_figures --write
    assert measured_value(figure, section) == figure["value"]
    assert f"`{origin['command']}`" in section
    module = ROOT / (origin["command"].split()[2].replace(".", "/") + ".py")
    assert module.is_file()


def test_every_figure_has_a_kind_and_says_where_it_is_from() -> None:
    shown_names = {name for name, _, _ in texts().figures}
    for name, figure in figures()["figures"].items():
        assert figure["kind"] in {MEASURED, "sourced", "assumed"}
        assert figure["label"]
        assert figure["value"]
        if figure["kind"] == "sourced":
            assert figures()["origins"][figure["of"]]["source"]
        if figure["kind"] == "assumed":
            assert "calculator" in figure or figures()["origins"][figure["of"]]["source"]
            if "calculator" in figure:
                assert figure["min"] <= float(figure["value"]) <= figure["max"]
        assert name in shown_names or "calculator" in figure, f"{name} is shown nowhere"


def test_a_changed_measurement_is_noticed() -> None:
    plain = json.loads(FIGURES.read_text("utf-8"))
    plain["figures"]["run.adds"]["value"] = "0.001"
    assert renew(plain) == [f"run.adds: 0.001 -> {figures()['figures']['run.adds']['value']}"]
    with pytest.raises(FigureMissing):
        measured_value({"row": ["no such row"], "column": "us"}, "| a | us |\n| --- | --- |\n| b | 1 |")
    with pytest.raises(FigureMissing):
        measured_value({"pattern": "([0-9]+) unicorns"}, "3 horses")


def test_one_cell_of_the_overcommit_picture_follows_from_the_model() -> None:
    plain = json.loads((SLIDES / "overcommit.json").read_text("utf-8"))
    assert plain["kind"] == "modelled"
    assert plain["assumed"]["requests_per_cell"] == REQUESTS
    cells = [dict(zip(plain["columns"], row, strict=True)) for row in plain["cells"]]
    assert len(cells) == len(LOADS) * len(WAYS) * len(plain["ratios"])
    for load, way, ratio in ((LOADS[1], WAYS[2], 8), (LOADS[0], WAYS[0], 10)):
        assert cell_of(load, way, ratio, run_cell(load, way, ratio)) in cells


def test_more_tenants_and_longer_turns_never_make_the_picture_better() -> None:
    plain = json.loads((SLIDES / "overcommit.json").read_text("utf-8"))
    cells = [dict(zip(plain["columns"], row, strict=True)) for row in plain["cells"]]
    by_line: dict[tuple[str, str, int], list[int]] = {}
    for cell in cells:
        by_line.setdefault((cell["load"], cell["mode"], cell["quantum_s"]), []).append(cell["first_token_p95_ms"])
    for waits in by_line.values():
        assert waits == sorted(waits)
    # What the page says in words beside the picture.
    assert by_line["quiet", "spatial", 0][-1] < 1_000
    assert by_line["busy", "temporal", 90][-1] < by_line["busy", "temporal", 30][-1] * 1.02


def test_who_sees_what_follows_from_the_routes() -> None:
    assert json.loads((SLIDES / "exposure.json").read_text("utf-8")) == topologies()


def test_what_the_page_names_exists() -> None:
    page = PAGE.read_text("utf-8")
    named = re.findall(r"<code>((?:tests|docs|bench|worker)/[A-Za-z0-9_/.-]+\.[a-z]+)(?:::([a-z0-9_]+))?</code>", page)
    assert named
    for path, test in named:
        text = (ROOT / path).read_text("utf-8")
        assert not test or f"def {test}(" in text, test
    parts = re.findall(r'\["[^"]+", "([^"]+/[^"]+)"\]', (SLIDES / "architecture.js").read_text("utf-8"))
    assert len(parts) > 20
    for part in parts:
        assert (ROOT / part).exists(), part


def test_links_lead_somewhere_and_nothing_is_inline() -> None:
    for link in texts().links:
        assert not link.startswith("#") or link[1:] in texts().ids, link
    for tag, name, value in texts().attributes:
        assert name != "style", tag
        assert not name.startswith("on"), (tag, name)
        if name == "src" or (tag == "link" and name == "href"):
            assert str(value).startswith("/"), value


def test_every_element_that_scripts_look_for_is_there() -> None:
    wanted: set[str] = set()
    for file in SLIDES.glob("*.js"):
        wanted |= set(re.findall(r'byId\("([^"]+)"\)', file.read_text("utf-8")))
    assert wanted <= texts().ids, wanted - texts().ids


def test_the_page_is_small() -> None:
    import gzip

    files = [
        PAGE,
        *SLIDES.glob("*.*"),
        *(ROOT / "presentation" / name for name in ("theme.css", "theme.js", "kernel.js")),
    ]
    assert sum([len(gzip.compress(file.read_bytes(), 9)) for file in files]) < 100_000
