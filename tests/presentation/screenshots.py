"""Pictures of every page at three widths, light and dark; the demo with a finished answer and its decision.

    python -m tests.presentation.screenshots --out DIR

A gateway of its own serves them, on a port of its own, with no state from before.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.kernel_build import built_kernel
from tests.presentation.sites import DEMO, NAMES, PAGES, Site, launch, reading
from tests.serving import serving

SIZES = ((360, 780), (1280, 900), (3840, 2160))
#: The demo's own example, which its presenter clicks first.
EXAMPLE = "report"


def finish_an_answer(page: Page) -> None:
    """Ask the demo as its presenter would, and wait until the decision is settled and proved."""
    show(page, "covenant")
    page.locator(f"#covenant-examples [data-example={EXAMPLE}]").click()
    show(page, "conversation")
    page.locator("#covenant-state[data-state=served]").wait_for(state="attached")
    page.locator("#prompt").press("Enter")
    page.locator(".message[data-role=assistant][data-state=done]").wait_for()
    show(page, "execution")
    page.locator("#execution-state[data-state=success]").wait_for()
    page.locator("#verify").click()
    page.locator("#verify-result[data-state=verified]").wait_for()
    page.locator("#panel-execution .column-body").evaluate("(column) => column.scrollTo(0, 0)")


def show(page: Page, column: str) -> None:
    """Bring a column to the front, where the window is too narrow for all three."""
    tab = page.locator(f"#tab-{column}")
    if tab.is_visible():
        tab.click()


def take(browser: Browser, site: Site, out: Path) -> list[Path]:
    """Every picture; returns their files."""
    taken = []
    for scheme in ("light", "dark"):
        for width, height in SIZES:
            size = {"width": width, "height": height}
            with reading(browser, site, viewport=size, color_scheme=scheme) as reader:
                for name, path in zip(NAMES, PAGES, strict=True):
                    page = reader.open(path)
                    page.wait_for_timeout(500)
                    views = [""]
                    if path == DEMO:
                        finish_an_answer(page)
                        narrow = page.locator("#tab-covenant").is_visible()
                        views = ["covenant", "conversation", "execution"] if narrow else [""]
                    for view in views:
                        if view:
                            show(page, view)
                        file = out / "-".join(part for part in (name, view, str(width), scheme) if part)
                        taken.append(file.with_suffix(".png"))
                        page.screenshot(path=taken[-1], full_page=path != DEMO and width < 2_000)
    return taken


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.presentation.screenshots")
    options.add_argument("--out", type=Path, required=True, help="folder for the pictures; made if it is missing")
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    built_kernel()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright)
        with serving(Path(folder) / "state", HARPOON_SIMULATOR_SPEED="1") as server:
            taken = take(browser, Site("gateway", server.base), chosen.out)
        browser.close()
    print(f"{len(taken)} pictures in {chosen.out}")


if __name__ == "__main__":
    main()
