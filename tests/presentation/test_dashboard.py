"""The dashboard in a real Chromium, before a really running gateway with destinations that work and that don't."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.page_files import CONTENT_SECURITY_POLICY
from tests.presentation.devtools import Browser, Page, browsing
from tests.serving import Serving, serving

KEY = "scr_demo_key_123"
USER, PASSWORD = "ops", "right horse battery"
ROWS = "[...document.querySelectorAll('#recent tr')]"
ROUTES = """
version: 1
destinations:
  audit: {type: jsonl}
  billing: {type: webhook, url: "%s", allow_private: true, secret_env: BILLING_SECRET}
rules:
  - {name: everything, to: [audit, billing]}
"""


class Receiver(BaseHTTPRequestHandler):
    """A webhook that takes nothing (`status` 400) until it is told otherwise."""

    server: ReceiverServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class ReceiverServer(ThreadingHTTPServer):
    daemon_threads = True
    status = 400


@pytest.fixture
def billing() -> Iterator[ReceiverServer]:
    with ReceiverServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def harpoon(billing: ReceiverServer, tmp_path: Path) -> Iterator[Serving]:
    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES % f"http://127.0.0.1:{billing.server_address[1]}/")
    settings = {
        "HARPOON_TOKENS": "hk_acme_s3cret",
        "SCR_API_KEY": KEY,
        "SCR_ROUTES": str(routes),
        "SCR_DASHBOARD_USER": USER,
        "SCR_DASHBOARD_PASSWORD": PASSWORD,
        "BILLING_SECRET": "whsec_" + "QUJD" * 8,
    }
    with serving(tmp_path / "state", **settings) as server:
        yield server


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    folder = tmp_path / "browser"
    folder.mkdir()
    async with browsing(folder) as found:
        yield found


async def report(harpoon: Serving, session_id: str, **fields: Any) -> str:
    event = {"session_id": session_id, "usage": {"total_tokens": 2_140}, "outcome": "timeout", **fields}
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{harpoon.base}/api/session-completion/events", json=event, headers=headers)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["event_id"]
    return found


async def logged_in(browser: Browser, harpoon: Serving) -> Page:
    page = await browser.open(f"{harpoon.base}/dashboard")
    await page.until("!document.getElementById('login').hidden")
    await page.type("#user", USER)
    await page.type("#password", PASSWORD)
    await page.press("Enter")
    await page.until("!document.getElementById('board').hidden")
    # Asking without being logged in is a 401 on purpose, which the browser logs.
    assert [one for one in page.faults if " 401 " not in one] == []
    page.faults.clear()
    return page


async def test_from_login_to_replay(browser: Browser, harpoon: Serving, billing: ReceiverServer) -> None:
    page = await logged_in(browser, harpoon)
    assert await page.run("document.getElementById('no-recent').hidden") is False
    await report(harpoon, "sess_<b>1</b>")
    # It shows up by itself, as a text whatever is in it, and later that somebody has it.
    row = await page.until(f"{ROWS}.length === 1 && {ROWS}[0].innerText")
    assert [part in row for part in ("sess_<b>1</b>", "2,140", "timeout")] == [True] * 3
    await page.until(f"/ms$/.test({ROWS}[0].innerText.trim())")
    assert await page.run("document.getElementById('hour').textContent") == "1"
    for name in ("capture", "queue", "delivery"):
        assert "ms" in await page.until(f"document.querySelector('#{name}-latency .big .unit').textContent")
    await one_event(page)
    await page.until("document.querySelectorAll('#dead-rows tr').length === 1")
    assert "400" in await page.run("document.getElementById('dead-rows').innerText")
    await page.run("document.querySelector('#dead-rows .btn').click()")
    await page.until("document.getElementById('confirm').open")
    # Escape is no, and nothing is replayed.
    await page.press("Escape")
    await page.until("!document.getElementById('confirm').open")
    billing.status = 200
    await page.run("document.querySelector('#dead-rows .btn').click()")
    await page.until("document.getElementById('confirm').open")
    await page.press("Enter")
    await page.until("document.getElementById('dead').hidden")
    await page.until("/delivered\\s*1/.test(document.querySelector('[data-key=billing]').innerText)")
    assert page.faults == []


async def one_event(page: Page) -> None:
    """In depth: opened from the keyboard, shown with its way and its JSON, closed with the focus where it was."""
    await page.run(f"{ROWS}[0].querySelector('button').focus()")
    await page.press("Enter")
    shown = await page.until("document.querySelector('#event .json[aria-label]')?.innerText")
    assert await page.run("document.getElementById('event').open")
    assert '"session_id": "sess_<b>1</b>"' in shown
    assert '"destination": "audit"' in await page.run("document.getElementById('event').innerText")
    assert await page.run("document.getElementById('event-title').textContent") == "sess_<b>1</b>"
    await page.press("Escape")
    await page.until("!document.getElementById('event').open")
    assert await page.run("document.activeElement.textContent") == "sess_<b>1</b>"


async def test_a_wrong_login_says_so_and_logging_out_hides_everything(browser: Browser, harpoon: Serving) -> None:
    page = await browser.open(f"{harpoon.base}/dashboard")
    await page.until("!document.getElementById('login').hidden")
    await page.press("Enter")
    assert "user is missing" in await page.until("document.getElementById('login-problem').textContent")
    await page.type("#user", USER)
    await page.type("#password", "wrong")
    await page.press("Enter")
    await page.until("/wrong/.test(document.getElementById('login-problem').textContent)")
    await page.type("#password", PASSWORD)
    await page.press("Enter")
    await page.until("!document.getElementById('board').hidden")
    assert "harpoon_dashboard" not in await page.run("document.cookie")
    await page.run("document.getElementById('logout').click()")
    await page.until("!document.getElementById('login').hidden && document.getElementById('board').hidden")


async def test_every_control_has_a_name_and_the_keyboard_reaches_the_first_of_each_part(
    browser: Browser, harpoon: Serving
) -> None:
    await report(harpoon, "sess_1")
    page = await logged_in(browser, harpoon)
    await page.until("document.querySelectorAll('#dead-rows tr').length === 1")
    await page.command("Accessibility.enable")
    tree = (await page.command("Accessibility.getFullAXTree"))["nodes"]
    controls = [one for one in tree if not one["ignored"] and one["role"]["value"] in ("button", "link", "textbox")]
    assert [one for one in controls if not one["name"]["value"]] == []
    assert len(controls) > 8
    # Names of regions, and levels of headings without a gap.
    levels = await page.run(
        "[...document.querySelectorAll('#board h1, #board h2, #board h3')].map((one) => one.tagName)"
    )
    assert levels[0] == "H1"
    assert all(int(after[1]) - int(before[1]) <= 1 for before, after in itertools.pairwise(levels))
    reached = set()
    await page.run("document.activeElement.blur(), window.scrollTo(0, 0), 1")
    for _ in range(20):
        await page.press("Tab")
        reached.add(await page.run("document.activeElement.className || document.activeElement.id"))
    assert {"skip-link", "brand", "link", "table-wrap", "btn small"} <= reached


async def test_demo_sessions_are_labelled(browser: Browser, harpoon: Serving) -> None:
    page = await logged_in(browser, harpoon)
    await report(harpoon, "real")
    await report(harpoon, "sess_demo_1")
    await page.until(f"{ROWS}.length === 2")
    assert [("demo" in row.split()) for row in await page.run(f"{ROWS}.map((row) => row.innerText)")] == [True, False]
    assert "demo data" in await page.run("document.getElementById('notes').textContent")


async def test_a_lost_connection_is_said_and_so_is_its_return(browser: Browser, harpoon: Serving) -> None:
    page = await logged_in(browser, harpoon)
    state = "document.getElementById('connection').dataset.state"
    assert await page.run(state) == "live"
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await page.command("Network.emulateNetworkConditions", **offline)
    await page.until(f"{state} === 'lost'")
    await page.command("Network.emulateNetworkConditions", **{**offline, "offline": False})
    await page.until(f"{state} === 'live'")
    # Nobody looks: nobody is asked.
    await page.run("Object.defineProperty(document, 'hidden', { value: true, configurable: true }), 1")
    await page.run("document.dispatchEvent(new Event('visibilitychange')), 1")
    await page.until(f"{state} === 'paused'")
    asked = "performance.getEntriesByName(location.origin + '/dashboard/data').length"
    before = await page.run(asked)
    await asyncio.sleep(2.5)
    assert await page.run(asked) == before
    await page.run("delete document.hidden, document.dispatchEvent(new Event('visibilitychange')), 1")
    await page.until(f"{state} === 'live' && {asked} > {before}")


@pytest.mark.parametrize(("width", "height", "is_dark"), [(360, 740, False), (1_280, 800, True), (3_840, 2_160, False)])
async def test_nothing_stands_over_the_edge_at_any_width(
    browser: Browser, harpoon: Serving, width: int, height: int, is_dark: bool
) -> None:
    await report(harpoon, "a-session-with-a-name-that-is-longer-than-any-window-is-wide-" * 4)
    page = await browser.open()
    await page.size(width, height, is_dark=is_dark)
    await page.go(f"{harpoon.base}/dashboard")
    await page.until("!document.getElementById('login').hidden")
    await page.type("#user", USER)
    await page.type("#password", PASSWORD)
    await page.press("Enter")
    await page.until(f"{ROWS}.length === 1")
    assert await page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    await page.run(f"{ROWS}[0].click()")
    await page.until("document.querySelector('#event .json')")
    body = "document.getElementById('event-body')"
    assert await page.run(f"{body}.scrollWidth <= {body}.clientWidth")


async def test_the_page_brings_its_policy_and_an_open_gateway_says_that_it_is_open(
    browser: Browser, tmp_path: Path
) -> None:
    with serving(tmp_path / "state") as server:
        answer = await asyncio.to_thread(httpx.get, f"{server.base}/dashboard", trust_env=False)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        page = await browser.open(f"{server.base}/dashboard")
        await page.until("!document.getElementById('board').hidden")
        assert "no login" in await page.run("document.getElementById('notes').textContent")
        assert await page.run("document.getElementById('logout').hidden")
        assert page.faults == []


async def test_without_destinations_sessions_are_kept_and_the_page_says_how_to_name_some(
    browser: Browser, tmp_path: Path
) -> None:
    """Which is how it is until somebody sets one."""
    with serving(tmp_path / "state") as server:
        page = await browser.open(f"{server.base}/dashboard")
        await page.until("!document.getElementById('board').hidden")
        told = await page.run("document.getElementById('no-destinations').innerText")
        assert "nobody gets them" in told
        assert "SCR_DESTINATIONS=billing" in told
        await report(server, "sess_1")
        await page.until(f"{ROWS}.length === 1 && /kept$/.test({ROWS}[0].innerText.trim())")
        await page.run(f"{ROWS}[0].querySelector('button').click()")
        shown = await page.until("document.querySelector('#event .way') && document.getElementById('event').innerText")
        assert "kept here: no destination is set up" in shown
        # The capture had to assume a duration and a user, which nobody told.
        facts = await page.run("document.querySelector('#event .facts').innerText")
        assert facts.split().count("said") == 3
        assert "0.00 ms" not in facts
        assert "anonymous" not in facts
        assert page.faults == []


async def test_without_a_login_set_the_page_says_what_to_set(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path / "state", HARPOON_TOKENS="hk_acme_s3cret") as server:
        page = await browser.open(f"{server.base}/dashboard")
        await page.until("!document.getElementById('off').hidden")
        said = await page.run("document.getElementById('off').innerText")
        assert "SCR_DASHBOARD_USER" in said
        assert "SCR_DASHBOARD_PASSWORD" in said
