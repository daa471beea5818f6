"""Headless Chromium driven over its DevTools protocol: pages that are opened, asked, typed into and photographed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.presentation.browser import FAILURE_BOUND_S, OPTIONS

POLL_S = 0.02
#: What says that a page has a fault, among all that Chromium tells of it.
_FAULTS = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


class Failed(AssertionError):
    """The browser refused a command, or a page threw."""


class Page:
    """One tab. `faults`: what it logged as an error, threw, or was refused by its own policy."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self.faults: list[str] = []

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, to this page."""
        return await self._browser.command(method, self._session, **parameters)

    async def go(self, url: str) -> None:
        """Open a URL; returns once it is loaded."""
        said = await self.command("Page.navigate", url=url)
        if said.get("errorText"):
            raise Failed(said["errorText"])
        await self.until(f"location.href !== 'about:blank' && document.readyState === 'complete' && {url!r} && true")

    async def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; promises are awaited."""
        said = await self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in said:
            raise Failed(said["exceptionDetails"].get("exception", {}).get("description") or str(said))
        return said["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true; its value."""
        end = asyncio.get_running_loop().time() + FAILURE_BOUND_S
        while True:
            with contextlib.suppress(Failed):
                # What is true in the page, such as an element, may be an empty object here.
                is_so, value = await self.run(f"(async () => [!!(await ({expression})), await ({expression})])()")
                if is_so:
                    return value
            if asyncio.get_running_loop().time() > end:
                raise Failed(f"never came true: {expression}; faults: {self.faults}")
            await asyncio.sleep(POLL_S)

    async def type(self, selector: str, text: str) -> None:
        """Type a text into a field, key by key as far as the page can tell."""
        await self.run(f"document.querySelector({selector!r}).focus()")
        await self.command("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        """Press a key: Tab, Enter, Escape, or a letter."""
        texts = {"Enter": "\r"} | ({key: key} if len(key) == 1 else {})
        codes = {"Enter": 13, "Tab": 9, "Escape": 27}
        given: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        if key in texts:
            given["text"] = texts[key]
        await self.command("Input.dispatchKeyEvent", type="keyDown", **given)
        await self.command("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    async def size(self, width: int, height: int, scale: float = 1.0, *, is_dark: bool = False) -> None:
        """The window's size in CSS pixels, and which theme the system asks for."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        await self.command("Emulation.setDeviceMetricsOverride", **metrics)
        feature = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[feature])

    async def photograph(self, path: Path, *, is_whole: bool = False) -> None:
        """Write what is seen, or all of the page, as a PNG."""
        said = await self.command("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(said["data"]))

    async def close(self) -> None:
        """Close the tab, with its events of leaving, as a user does."""
        with contextlib.suppress(Failed):
            await self.command("Page.close")
        end = asyncio.get_running_loop().time() + FAILURE_BOUND_S
        while asyncio.get_running_loop().time() < end:
            said = await self._browser.command("Target.getTargets")
            if all(one["targetId"] != self._target for one in said["targetInfos"]):
                return
            await asyncio.sleep(POLL_S)
        raise Failed("the page did not close")

    def hear(self, method: str, told: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.faults.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.faults.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            self.faults.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))


class Browser:
    """A running Chromium."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def command(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json({**message, "sessionId": session} if session else message)
        said = await asyncio.wait_for(answer, FAILURE_BOUND_S)
        if "error" in said:
            raise Failed(f"{method}: {said['error']['message']}")
        found: dict[str, Any] = said["result"]
        return found

    async def open(self, url: str = "about:blank") -> Page:
        """A new tab; of another than the blank page, once it is loaded."""
        target = (await self.command("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.command("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.command(f"{domain}.enable")
        if url != "about:blank":
            await page.go(url)
        return page

    async def listen(self) -> None:
        """Hand out what the browser says, until it ends."""
        async for message in self._socket:
            said = message.json()
            waiting = self._waiting.pop(said.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(said)
            elif said.get("method") in _FAULTS and said.get("sessionId") in self._pages:
                self._pages[said["sessionId"]].hear(said["method"], said["params"])


@contextlib.asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Browser]:
    """A Chromium with a fresh profile, ended at the end. Args: folder: for its profile and log."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing: `python3 tests/setup.py` as root, or install it"
    profile = folder / "profile"
    command = [chromium, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        port, path = await _address(profile / "DevToolsActivePort", process, folder / "log")
        url = f"ws://127.0.0.1:{port}{path}"
        async with aiohttp.ClientSession() as client, client.ws_connect(url, max_msg_size=0) as socket:
            browser = Browser(socket)
            listening = asyncio.create_task(browser.listen())
            try:
                yield browser
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _address(file: Path, process: asyncio.subprocess.Process, log: Path) -> tuple[str, str]:
    """Where the browser listens: it writes port and path into its profile."""
    end = asyncio.get_running_loop().time() + FAILURE_BOUND_S
    while asyncio.get_running_loop().time() < end and process.returncode is None:
        lines = await asyncio.to_thread(_lines, file)
        if len(lines) == 2:
            return lines[0], lines[1]
        await asyncio.sleep(POLL_S)
    raise Failed("\n".join((await asyncio.to_thread(_lines, log))[-20:]))


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8", "replace").splitlines() if file.exists() else []
