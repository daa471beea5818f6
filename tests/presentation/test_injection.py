"""Texts that would run if a page took them for HTML are shown as the texts they are, wherever they come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.presentation.conftest import settings_of
from tests.presentation.demo_kit import DENIED_PATHS, Demo
from tests.presentation.payloads import NAMES, PAYLOADS
from tests.presentation.sites import DASHBOARD, DEMO, PLAYED_MODEL, SLIDES, Reader, Site
from tests.presentation.talker import Talker
from tests.serving import serving
from worker.ledger.canonical import canonical_json
from worker.routing.catalogue import compile_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

Read = Callable[..., Reader]
#: Set before any script of the page, so that a payload that runs is noticed.
TRAP = "window.pwned = () => { window.wasPwned = true; };"
#: Of the kinds of elements that no data of ours ever becomes: how many there are, and which ways to run a script.
CENSUS = """() => {
  const kinds = "script style link meta base iframe object embed math img animate form audio video".split(" ");
  const counts = Object.fromEntries(kinds.map((kind) => [kind, document.getElementsByTagName(kind).length]));
  const all = [...document.querySelectorAll("*")];
  const attributes = all.flatMap((one) => [...one.attributes]);
  counts.handlers = attributes.filter(({ name }) => name.startsWith("on") || name === "srcdoc").length;
  counts.scripts = attributes.filter(({ value }) => /^\\s*(javascript|vbscript):/i.test(value)).length;
  return counts;
}"""


def trapped(reader: Reader) -> Reader:
    """The reader, which notices what runs and what asks."""
    reader.page.add_init_script(TRAP)
    reader.page.on("dialog", lambda dialog: reader.faults.append(f"a dialog: {dialog.message}"))
    return reader


def assert_inert(page: Page, census: dict[str, int]) -> None:
    """Nothing ran, and there is nothing on the page that was not there when it was opened."""
    assert page.evaluate("window.wasPwned === undefined")
    assert page.evaluate(CENSUS) == census
    assert page.evaluate("Object.keys(Object.prototype).length") == 0


def test_prompts_and_answers(read: Read, gateway_site: Site) -> None:
    """Each text is asked, and answered with itself; both stand there letter by letter."""
    reader = trapped(read(gateway_site))
    demo = Demo(reader)
    census = demo.page.evaluate(CENSUS)
    demo.pick(PLAYED_MODEL)
    for number, payload in enumerate(PAYLOADS):
        if number % 12 == 11:  # what was said before is sent again with every message
            assert_inert(demo.page, census)
            demo.run("clear")
        said = demo.ask(payload).locator(".message-text").first
        assert said.evaluate("(one) => one.textContent") == payload
    assert_inert(demo.page, census)
    demo.page.reload()
    demo.at("#history-list").wait_for()
    assert_inert(demo.page, census)
    reader.check(failures=DENIED_PATHS)


def test_covenants(read: Read, gateway_site: Site) -> None:
    """Typed, read, marked, refused with their own words in the reasons, and brought by a link."""
    reader = trapped(read(gateway_site))
    demo = Demo(reader)
    census = demo.page.evaluate(CENSUS)
    for payload in PAYLOADS:
        text = f"$2 budget {payload[:1_500]}"
        demo.at("#covenant-text").fill(text)
        demo.is_in("#covenant-state", ("served", "refused"))
        shown: str = demo.at("#covenant-text").input_value()
        marked: str = demo.at("#covenant-marks").evaluate("(one) => one.textContent")
        assert marked.rstrip("\u200b") == shown
    assert_inert(demo.page, census)
    for payload in PAYLOADS[:8]:
        told = {"v": 1, "covenant": payload, "prompt": payload, "model": payload}
        code: str = demo.page.evaluate("(told) => btoa(unescape(encodeURIComponent(JSON.stringify(told))))", told)
        demo.page.goto(f"{gateway_site.url}/#covenant={code.replace('+', '-').replace('/', '_').rstrip('=')}")
        expect(demo.at("#prompt")).to_have_value(payload)
        assert_inert(demo.page, census)
    reader.check(failures=DENIED_PATHS)


def catalogue_with_odd_names() -> str:
    """The built-in catalogue, each of whose models has a payload for a name: it comes back in headers and in bodies."""
    plain: dict[str, Any] = json.loads(canonical_json(compile_catalogue(DEFAULT_CATALOGUE).canonical))
    names = dict(zip((model["id"] for model in plain["models"]), NAMES, strict=False))
    text = json.dumps(plain)
    for old, new in names.items():
        text = text.replace(json.dumps(old), json.dumps(new))
    return text


@pytest.fixture(scope="module")
def odd_site(talker: Talker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {**settings_of(talker), "HARPOON_CATALOGUE_JSON": catalogue_with_odd_names()}
    with serving(tmp_path_factory.mktemp("odd") / "state", **settings) as server:
        yield Site("gateway", server.base)


def test_names_of_models_in_headers_and_bodies(read: Read, odd_site: Site) -> None:
    reader = trapped(read(odd_site))
    demo = Demo(reader)
    census = demo.page.evaluate(CENSUS)
    demo.ask("What is a vGPU?")
    demo.is_in("#execution-state", "success")
    shown = demo.at("#candidates").inner_text()
    assert any(name in shown for name in NAMES)
    assert_inert(demo.page, census)
    reader.check()


@pytest.mark.parametrize("path", [DEMO, SLIDES, DASHBOARD], ids=["demo", "slides", "dashboard"])
def test_addresses_and_storage(read: Read, gateway_site: Site, path: str) -> None:
    """What a link or an earlier page could leave behind."""
    reader = trapped(read(gateway_site))
    census = reader.open(path).evaluate(CENSUS)
    keys = ("harpoon.history", "harpoon.draft", "harpoon.theme", "harpoon.token")
    for payload in (
        *PAYLOADS[:6],
        json.dumps([{"covenant": PAYLOADS[3], "prompt": PAYLOADS[3], "model": PAYLOADS[3]}]),
    ):
        page = reader.open(path)
        page.evaluate(
            "([keys, text]) => keys.forEach((key) => { localStorage.setItem(key, text); })", [list(keys), payload]
        )
        page.goto("about:blank")
        page.goto(f"{gateway_site.url}{path}?{payload[:60]}#{payload[:60]}")
        expect(page.locator("h1:visible")).to_have_count(1)
        assert_inert(page, census)
    reader.check()


def test_the_policy_stops_what_a_fault_of_ours_would_let_through(
    read: Read, gateway_site: Site, tmp_path: Path
) -> None:
    """Were a payload put into a page as HTML after all, the browser would still refuse to run it or to fetch for it."""
    reader = trapped(read(gateway_site))
    page = reader.open(DEMO)
    page.evaluate("(texts) => { document.body.insertAdjacentHTML('beforeend', texts.join('')); }", list(PAYLOADS[:16]))
    page.wait_for_timeout(300)
    assert page.evaluate("window.wasPwned === undefined")
    assert reader.strangers == []
    assert any("Content Security Policy" in fault for fault in reader.faults)
