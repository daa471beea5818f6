"""sdk/js in a real Chromium: pages that close, servers that are away, tabs that share a queue, foreign origins.

A running gateway is the server where nothing has to go wrong; where it has to, tests/sdk/public_capture.py is.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.presentation.browser import Page as Site
from tests.presentation.devtools import Browser, Page, browsing
from tests.sdk.public_capture import PUBLIC_KEY, public_capture
from tests.serving import Serving, free_port, serving

SDK = Path(__file__).parents[2] / "sdk" / "js" / "scr_sdk.js"
FAILURE_BOUND_S = 30
PAGE = b"""<!doctype html><title>shop</title><script type="module">
import { SessionCompletionRuntime } from "/scr_sdk.js";
window.problems = [];
window.open_runtime = (options) => {
  window.scr = new SessionCompletionRuntime({ onProblem: (one) => window.problems.push(one), ...options });
};
window.ended = (session_id) => scr.capture({ session_id, usage: { total_tokens: 7 }, outcome: "success" }).event_id;
window.ready = true;
</script>"""


@pytest.fixture
def site() -> Iterator[Site]:
    files = {"/": ("text/html", PAGE), "/scr_sdk.js": ("text/javascript", SDK.read_bytes())}
    with Site(files) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def origin_of(site: Site) -> str:
    return f"http://localhost:{site.server_address[1]}"


async def visit(browser: Browser, site: Site, port: int, options: str = "") -> Page:
    """A page with a runtime that reports to the port."""
    page = await browser.open(origin_of(site))
    await page.until("window.ready")
    # A name that stands there twice has its last value.
    given = f"endpoint: 'http://127.0.0.1:{port}', publicKey: '{PUBLIC_KEY}', baseMs: 20, capMs: 100, {options}"
    await page.run(f"open_runtime({{ {given} }})")
    return page


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(FAILURE_BOUND_S):
        # It happens in another thread, which could wake nobody here.
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_a_page_captured_while_the_server_was_away_arrives_at_the_next_visit(
    site: Site, tmp_path: Path
) -> None:
    port = free_port()
    async with browsing(tmp_path) as browser:
        page = await visit(browser, site, port)
        wanted = [await page.run("ended('one')"), await page.run("ended('two')")]
        await page.until("problems.some((one) => one.kind === 'server')")
        assert await page.run("scr.flush({ timeoutMs: 300 })") is False
        await page.close()
        with public_capture(port, origin_of(site)) as server:
            again = await visit(browser, site, port)
            await again.until("scr.stats().waiting === 0")
            assert sorted(set(server.ids)) == sorted(wanted)
            assert await again.run("Object.keys(localStorage).filter((key) => key.startsWith('scr_sdk')).length") == 0
            await again.close()


async def test_what_is_captured_as_the_page_closes_goes_by_beacon_and_counts_once_later(
    site: Site, tmp_path: Path
) -> None:
    port = free_port()
    async with browsing(tmp_path) as browser:
        with public_capture(port, origin_of(site)) as server:
            page = await visit(browser, site, port)
            await page.run("addEventListener('pagehide', () => { localStorage.last = ended('last') })")
            await page.close()
            await until(lambda: bool(server.ids))
            ((mode, origin, kind),) = server.requests
            assert (mode, origin, kind) == ("no-cors", origin_of(site), "text/plain;charset=utf-8")
            # Nobody could tell the page that it arrived, so it is said once more: the same event, by its id.
            again = await visit(browser, site, port)
            await again.until("scr.stats().waiting === 0")
            assert server.ids == [await again.run("localStorage.last")] * 2
            await again.close()


async def test_tabs_share_the_queue_and_do_not_send_at_once(site: Site, tmp_path: Path) -> None:
    port = free_port()
    async with browsing(tmp_path) as browser:
        first, second = [await visit(browser, site, port, "batchEvents: 1") for _ in range(2)]
        wanted = []
        for page in (first, second, first, second):
            wanted += [await page.run(f"ended('{len(wanted)}')") for _ in range(3)]
        with public_capture(port, origin_of(site), pace_s=0.02) as server:
            flushed = await asyncio.gather(first.run("scr.flush()"), second.run("scr.flush()"))
            assert flushed == [True, True]
            assert server.ids == wanted
            assert server.most_at_once == 1
        await asyncio.gather(first.close(), second.close())


@pytest.mark.parametrize(
    "without",
    [
        "delete Navigator.prototype.locks",
        "delete crypto.__proto__.randomUUID",
        # As in a sandboxed frame, which has locks and may not use them.
        "LockManager.prototype.request = () => Promise.reject(new DOMException('no', 'SecurityError'))",
        # A tab that crashed as the clock was far ahead.
        "delete Navigator.prototype.locks, localStorage.setItem(TURN, 'x|9999999999999999')",
    ],
)
async def test_a_page_without_what_only_https_has(site: Site, tmp_path: Path, without: str) -> None:
    port = free_port()
    async with browsing(tmp_path) as browser:
        with public_capture(port, origin_of(site)) as server:
            page = await visit(browser, site, port)
            turn = f"'scr_sdk|http://127.0.0.1:{port}|{PUBLIC_KEY}|turn'"
            await page.run(f"{without.replace('TURN', turn)}, 1")
            wanted = await page.run("ended('one')")
            assert await page.run("scr.flush()") is True
            assert server.ids == [wanted]
            await page.close()


async def test_a_page_that_may_keep_nothing_sends_from_memory(site: Site, tmp_path: Path) -> None:
    port = free_port()
    async with browsing(tmp_path) as browser:
        with public_capture(port, origin_of(site)) as server:
            page = await visit(browser, site, port)
            full = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"
            await page.run(f"{full}, 1")
            wanted = await page.run("ended('one')")
            assert await page.run("scr.flush()") is True
            assert server.ids == [wanted]
            await page.close()


async def test_a_foreign_page_is_refused_and_its_events_wait(site: Site, tmp_path: Path) -> None:
    port = free_port()
    async with browsing(tmp_path) as browser:
        with public_capture(port, "https://shop.example") as server:
            page = await visit(browser, site, port)
            await page.run("ended('one')")
            assert await page.run("scr.flush()") is False
            assert await page.run("scr.stats().waiting") == 1
            assert server.ids == []
            with contextlib.suppress(AssertionError):
                await page.close()
            assert server.ids == []


async def test_a_page_that_lives_on_unseen_goes_on_trying(site: Site, tmp_path: Path) -> None:
    port = free_port()
    async with browsing(tmp_path) as browser:
        page = await visit(browser, site, port, "beaconHoldMs: 100")
        hide = "Object.defineProperty(document, 'visibilityState', { value: 'hidden' })"
        await page.run(f"{hide}, document.dispatchEvent(new Event('visibilitychange')), 1")
        wanted = await page.run("ended('one')")
        await page.until("problems.some((one) => one.kind === 'server')")
        with public_capture(port, origin_of(site)) as server:
            await page.until("scr.stats().waiting === 0")
            assert server.ids == [wanted]
        await page.close()


async def test_a_secret_key_does_not_work_in_a_page(site: Site, tmp_path: Path) -> None:
    async with browsing(tmp_path) as browser:
        page = await browser.open(origin_of(site))
        await page.until("window.ready")
        await page.run("open_runtime({ apiKey: 'scr_demo_key_123' })")
        assert await page.run("ended('one')") is None
        assert await page.run("problems.map((one) => one.kind)") == ["configuration", "closed"]


GATEWAY_KEY = "scr_public_key_of_shop"
TOKEN = "hk_default_s3cret"


async def captured(harpoon: Serving) -> list[dict[str, Any]]:
    """The events that the gateway has, the oldest first."""
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = await client.get(f"{harpoon.base}/api/session-completion/recent", headers=headers)
    found: list[dict[str, Any]] = answer.json()["events"]
    return found[::-1]


@pytest.fixture
def harpoon(site: Site, tmp_path: Path) -> Iterator[Serving]:
    settings = {"HARPOON_TOKENS": TOKEN, "SCR_PUBLIC_KEYS": GATEWAY_KEY, "SCR_ALLOWED_ORIGINS": origin_of(site)}
    with serving(tmp_path / "state", **settings) as server:
        yield server


async def test_a_running_gateway_takes_each_event_once(site: Site, harpoon: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "browser"
    folder.mkdir()
    async with browsing(folder) as browser:
        page = await visit(browser, site, harpoon.port, f"publicKey: '{GATEWAY_KEY}'")
        wanted = [await page.run(f"ended('sess_{number}')") for number in range(3)]
        assert await page.run("scr.flush()") is True
        await page.run("addEventListener('pagehide', () => { localStorage.last = ended('last') })")
        await page.close()
        async with asyncio.timeout(FAILURE_BOUND_S):
            while len(await captured(harpoon)) < 4:  # noqa: ASYNC110 - another process has it
                await asyncio.sleep(0.05)
        # The beacon was not answered: the next visit sends it once more, and it is there once.
        again = await visit(browser, site, harpoon.port, f"publicKey: '{GATEWAY_KEY}'")
        wanted.append(await again.run("localStorage.last"))
        await again.until("scr.stats().waiting === 0")
        found = await captured(harpoon)
        assert [one["event_id"] for one in found] == wanted
        assert {(one["tenant"], one["source"], one["usage"]["total_tokens"]) for one in found} == {
            ("default", "reported", 7)
        }
        # The key reads nothing.
        key = {"authorization": f"Bearer {GATEWAY_KEY}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{harpoon.base}/api/session-completion/recent", headers=key)
        assert answer.status_code == 401
        await again.close()


async def test_a_running_gateway_refuses_a_page_from_elsewhere(site: Site, harpoon: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "browser"
    folder.mkdir()
    async with browsing(folder) as browser:
        page = await browser.open(f"http://127.0.0.1:{site.server_address[1]}")
        await page.until("window.ready")
        await page.run(f"open_runtime({{ endpoint: '{harpoon.base}', publicKey: '{GATEWAY_KEY}' }})")
        await page.run("ended('one')")
        assert await page.run("scr.flush()") is False
        assert await page.run("scr.stats().waiting") == 1
        await page.close()
    assert await captured(harpoon) == []
