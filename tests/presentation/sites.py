"""Where the pages are served, a running gateway and the real Worker, and a reader of them in headless Chromium."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, Route

from gateway.page_files import page_files
from gateway.pages import KERNEL, PRESENTATION

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
#: Bounds a failure; nothing is measured.
FAILURE_BOUND_MS = 30_000
TENANT = "show"
TOKEN = f"hk_{TENANT}_0123456789abcdef"
#: The provider that the tests play themselves, as the catalogue names a model of it.
PLAYED_MODEL = "openai/gpt-4o-mini"
PLAYED_ROUTE = f"{PLAYED_MODEL}@serverless"
DEMO, SLIDES, DASHBOARD = "/", "/hosted-ai-presentation.html", "/dashboard"
PAGES = (DEMO, SLIDES, DASHBOARD)
NAMES = ("demo", "slides", "dashboard")
#: Chromium says this by itself of every answer from 400 on, and of every connection that failed.
_FAILED_ANSWER = re.compile(r"Failed to load resource: ")


@dataclass(frozen=True)
class Site:
    """A host of the pages. `token` is "" where none is asked for."""

    name: str
    url: str
    token: str = ""


@dataclass
class Reader:
    """A page being read, and what must not have happened when it is closed."""

    page: Page
    site: Site
    #: What the console said that a reader should never see.
    faults: list[str] = field(default_factory=list)
    #: Requests to anywhere else than the site.
    strangers: list[str] = field(default_factory=list)
    #: Addresses of answers from 400 on, and of connections that failed.
    failed: list[str] = field(default_factory=list)

    def open(self, path: str = DEMO) -> Page:
        """Show a page of the site, once its scripts have run."""
        self.page.goto(self.site.url + path, wait_until="load")
        return self.page

    def hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if _FAILED_ANSWER.match(message.text):
            self.failed.append(message.location.get("url", ""))
        else:
            self.faults.append(f"{message.type}: {message.text}")

    def watch(self, route: Route, request: Request) -> None:
        """Let nothing out but to the site itself."""
        if request.url.startswith((f"{self.site.url}/", "data:", "blob:")):
            route.continue_()
        else:
            self.strangers.append(request.url)
            route.abort()

    def check(self, *, failures: Sequence[str] = ()) -> None:
        """Assert that nothing went wrong unseen. Args: failures: beginnings of paths whose answers may have failed."""
        allowed = tuple(self.site.url + path for path in failures)
        failed = [url for url in self.failed if not url.startswith(allowed)]
        wrong = [*self.strangers, *self.faults, *failed]
        assert not wrong, wrong


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: `python3 tests/setup.py` as root, or install it"
    return playwright.chromium.launch(executable_path=chromium, args=OPTIONS)


@contextlib.contextmanager
def reading(browser: Browser, site: Site, **options: Any) -> Iterator[Reader]:
    """A reader with a context of its own, which knows the site's token. Args: options: of Playwright's context."""
    settings = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
    context = browser.new_context(**settings)
    context.set_default_timeout(FAILURE_BOUND_MS)
    try:
        reader = Reader(context.new_page(), site)
        reader.page.on("console", reader.hear)
        reader.page.on("pageerror", lambda error: reader.faults.append(f"uncaught: {error}"))
        context.route("**/*", reader.watch)
        if site.token:
            remember(context, site.token)
        yield reader
    finally:
        context.close()


def remember(context: BrowserContext, token: str) -> None:
    """Have every page of the context find the token where a reader's own typing would have left it."""
    context.add_init_script(f"sessionStorage.setItem('harpoon.token', {token!r})")


def served_paths() -> list[str]:
    """Every path of a file that both hosts serve."""
    return sorted(page_files(PRESENTATION, KERNEL))
