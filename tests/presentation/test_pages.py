"""What holds of every page: quiet, small, its own host's alone, readable at every width, in both themes, on paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.clients import setup_clients
from tests.presentation.demo_kit import DENIED_PATHS, Demo
from tests.presentation.sites import DASHBOARD, DEMO, NAMES, PAGES, SLIDES, Reader, Site

MOST_BYTES = 120_000
WIDTHS = (360, 768, 1280, 3840)
Read = Callable[..., Reader]

#: What was transferred, by path, the kernel left out.
TRANSFERRED = """() => Object.fromEntries(
  [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .map((entry) => [new URL(entry.name).pathname, entry.transferSize])
    .filter(([path]) => path !== "/kernel.wasm"))"""
#: Elements that stick out of the window, unless something around them scrolls or cuts them off.
STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth;
  const contains = (element) => {
    for (let at = element.parentElement; at && at !== document.body; at = at.parentElement)
      if (getComputedStyle(at).overflowX !== "visible") return true;
    return false;
  };
  return [...document.body.querySelectorAll("*")]
    .filter((one) => !(one instanceof SVGElement) || one instanceof SVGSVGElement)
    .filter((one) => one.getBoundingClientRect().right > width + 1 && !contains(one))
    .map((one) => `${one.tagName}#${one.id}.${one.getAttribute("class") ?? ""}`)
    .slice(0, 5);
}"""
AXE_OPTIONS = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@cache
def axe() -> str:
    """axe-core's own script; Playwright hands it to the page past its policy, as it does every script of a test."""
    found = setup_clients.ensure().node_folder / "node_modules" / "axe-core" / "axe.min.js"
    return found.read_text("utf-8")


def violations(page: Page) -> list[str]:
    """What axe finds, each with the first element that has it."""
    page.evaluate(f"() => {{ {axe()} }}")
    found: dict[str, Any] = page.evaluate("(options) => axe.run(document, options)", AXE_OPTIONS)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_a_page_opens_quietly_and_asks_nobody_else(read: Read, site: Site, path: str) -> None:
    reader = read(site)
    page = reader.open(path)
    page.wait_for_load_state("networkidle") if path != DEMO else page.wait_for_timeout(500)
    assert page.locator("h1:visible").count() == 1
    assert page.title()
    assert page.evaluate("document.documentElement.lang") == "en"
    # Of a Worker without a login for it the dashboard says that it is off, because its API says so.
    reader.check(failures=("/dashboard/data",) if path == DASHBOARD and site.token else ())
    sizes: dict[str, int] = page.evaluate(TRANSFERRED)
    assert sum(sizes.values()) <= MOST_BYTES, sizes


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_a_page_fits_every_width(read: Read, gateway_site: Site, path: str) -> None:
    reader = read(gateway_site)
    page = reader.open(path)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800 if width < 2_000 else 2_160})
        assert page.evaluate(STICKING_OUT) == [], width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    reader.check()


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_barriers(read: Read, gateway_site: Site, path: str, scheme: str) -> None:
    reader = read(gateway_site, color_scheme=scheme)
    page = reader.open(path)
    page.wait_for_timeout(300)
    assert violations(page) == []
    reader.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_demo_in_use_has_no_barriers(read: Read, gateway_site: Site, scheme: str) -> None:
    """With chips and marks, a finished and a refused answer, a verified proof, and the palette open."""
    reader = read(gateway_site, color_scheme=scheme)
    demo = Demo(reader)
    demo.covenant("$2 budget and also a budget of $5, 30s timeout")
    demo.ask("What is a vGPU?")
    demo.is_in("#execution-state", "success")
    demo.run("verify")
    demo.is_in("#verify-result", "verified")
    assert violations(demo.page) == []
    demo.covenant("budget €5", "refused")
    demo.ask("What is a vGPU?", "failed")
    assert violations(demo.page) == []
    demo.open_palette()
    assert violations(demo.page) == []
    reader.check(failures=DENIED_PATHS)


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_the_theme_is_the_system_s_until_the_reader_chooses(read: Read, gateway_site: Site, path: str) -> None:
    reader = read(gateway_site, color_scheme="dark")
    page = reader.open(path)
    body = page.locator("body")
    dark: str = body.evaluate("(body) => getComputedStyle(body).backgroundColor")
    page.emulate_media(color_scheme="light")
    expect(body).not_to_have_css("background-color", dark)
    page.locator("[data-theme-toggle]").first.focus()
    page.keyboard.press("Enter")
    expect(body).to_have_css("background-color", dark)
    page.reload()
    expect(body).to_have_css("background-color", dark)
    reader.check()


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_a_page_prints(read: Read, gateway_site: Site, path: str) -> None:
    reader = read(gateway_site, color_scheme="dark")
    page = reader.open(path)
    page.emulate_media(media="print")
    assert page.pdf(format="A4").startswith(b"%PDF-")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if path == SLIDES:
        hidden = (
            "() => [...document.querySelectorAll('main section h2')].filter((one) => !one.checkVisibility()).length"
        )
        assert page.evaluate(hidden) == 0
    reader.check()


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_everything_can_be_reached_by_the_keyboard_and_seen(read: Read, gateway_site: Site, path: str) -> None:
    """Tab goes round all that can be used, each visibly focused, and never gets stuck."""
    reader = read(gateway_site)
    page = reader.open(path)
    page.wait_for_timeout(300)
    seen: list[int] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        place, is_shown = page.evaluate("""() => {
          const one = document.activeElement;
          const style = getComputedStyle(one);
          const ring = (style.outlineStyle !== "none" && style.outlineWidth !== "0px") || style.boxShadow !== "none";
          return [[...document.querySelectorAll("*")].indexOf(one), one === document.body || ring];
        }""")
        assert is_shown, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if place in seen:
            break
        seen.append(place)
    assert len(seen) > 3
    reader.check()
