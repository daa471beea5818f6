"""`python -m bench.pages`: how soon each page is painted, and what it transfers, from a gateway on this machine.

Each load is the first of a browser context: nothing is cached. First contentful paint is what Chromium itself reports.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from tests.presentation.sites import NAMES, PAGES, Site, launch, reading
from tests.serving import serving

PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const found = list.getEntriesByName("first-contentful-paint")[0];
  if (found) done(found.startTime);
}).observe({ type: "paint", buffered: true }))"""
TRANSFERRED = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter((entry) => !entry.name.endsWith("/kernel.wasm"))
  .reduce((sum, entry) => sum + entry.transferSize, 0)"""


def one_load(browser: Browser, site: Site, path: str) -> tuple[float, int]:
    """Milliseconds to the first contentful paint, and bytes transferred without the kernel."""
    with reading(browser, site) as reader:
        page = reader.open(path)
        paint: float = page.evaluate(PAINT)
        page.wait_for_timeout(300)
        transferred: int = page.evaluate(TRANSFERRED)
    return paint, transferred


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.pages", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--loads", type=int, default=15, help="of each page")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        with serving(Path(folder) / "state") as server:
            site = Site("gateway", server.base)
            print(f"{'page':12}{'first contentful paint, ms':>34}{'transferred, KB':>18}")
            for name, path in zip(NAMES, PAGES, strict=True):
                loads = [one_load(browser, site, path) for _ in range(chosen.loads)]
                paints = sorted(paint for paint, _ in loads)
                shown = f"median {median(paints):.0f}, slowest {paints[-1]:.0f}"
                print(f"{name:12}{shown:>34}{max(size for _, size in loads) / 1e3:>18.1f}")
        browser.close()


if __name__ == "__main__":
    main()
