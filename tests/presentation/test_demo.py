"""The live demo on both hosts: a covenant read, an answer streamed, what really happened, what one can do with it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.edge.harness import EdgeWorker
from tests.presentation.demo_kit import Demo
from tests.presentation.sites import PLAYED_MODEL, TOKEN, Reader, Site
from tests.presentation.talker import ANSWER, Talker

Read = Callable[..., Reader]
REPORT = "Analyze this financial report. Extract the top 5 risks. Budget: $1. Time limit: 30 seconds. Quality: high."
#: Shifts of the layout that no key or click explains (https://web.dev/articles/cls).
WATCH_SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      if (!entry.hadRecentInput)
        window.shifts.push([entry.value, ...entry.sources.map((one) => one.node?.id || one.node?.className || "?")]);
  }).observe({ type: "layout-shift", buffered: false });
}"""


def test_an_answer_is_streamed_and_everything_that_happened_is_shown(read: Read, site: Site) -> None:
    reader = read(site)
    demo = Demo(reader)
    demo.covenant("$2 budget, 30s timeout")
    answer = demo.ask("What is a vGPU?")
    expect(answer.locator(".message-text")).to_contain_text("vGPU")
    demo.is_in("#execution-state", "success")
    for step in ("classified", "candidates", "decided", "attempt", "first_token", "settled"):
        expect(demo.at(f"#steps [data-step={step}]")).to_have_attribute("data-state", "done")
    expect(demo.at("#candidates [data-verdict=selected]")).to_have_count(1)
    expect(demo.at("#limit-cost .limit-bound")).to_contain_text("$2")
    expect(demo.at("#limit-latency .limit-bound")).to_contain_text("30")
    expect(demo.at("#attempts li[data-cause=ok]")).to_have_count(1)
    demo.at("#verify").click()
    demo.is_in("#verify-result", "verified")
    reader.check()


def test_the_classifier_runs_in_the_page(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    demo = Demo(reader)
    demo.at("#prompt").fill("Hi")
    expect(demo.at("#classifier")).to_have_attribute("data-source", "page")
    simple = demo.at("#classifier-class").inner_text()
    demo.at("#prompt").fill(REPORT * 3 + " Prove each step, compare three approaches, and write the code for each.")
    expect(demo.at("#classifier-class")).not_to_have_text(simple)
    reader.check()


def test_a_covenant_is_read_as_it_is_typed(read: Read, site: Site) -> None:
    reader = read(site)
    demo = Demo(reader)
    demo.covenant("$2 budget, 30s timeout, no training on our data, only in Germany")
    fields = set(demo.at("#covenant-chips [data-field]").evaluate_all("all => all.map((one) => one.dataset.field)"))
    assert {"budget_usd", "deadline_s", "requirements", "residency", "priority"} <= fields
    demo.covenant("$2 budget and also a budget of $5", "served")
    assert demo.at("#covenant-marks mark.warn").count() > 0
    expect(demo.at("#covenant-problems .notice")).not_to_have_count(0)
    demo.covenant("budget €5", "refused")
    expect(demo.at("#covenant-text")).to_have_attribute("aria-invalid", "true")
    demo.at("#covenant-text").fill("")
    demo.is_in("#covenant-state", "empty")
    reader.check()


def test_the_script_of_the_demo_can_be_followed(read: Read, site: Site) -> None:
    """spec: a report, five risks, one dollar, thirty seconds, high quality; cost, latency and quality on the right."""
    reader = read(site)
    demo = Demo(reader)
    demo.covenant("Budget: $1. Time limit: 30 seconds. Quality: high.")
    demo.ask(REPORT)
    demo.is_in("#execution-state", "success")
    expect(demo.at("#steps [data-step=classified]")).to_contain_text("complex")
    for limit in ("cost", "latency", "quality"):
        expect(demo.at(f"#limit-{limit} .limit-value")).to_contain_text(re.compile("[0-9]"))
        expect(demo.at(f"#limit-{limit} .limit-bound")).not_to_contain_text("no ")
    reader.check()


def test_nothing_moves_while_an_answer_streams(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    demo = Demo(reader)
    demo.pick(PLAYED_MODEL)
    demo.send("#slow 60")
    expect(demo.answers.first).to_contain_text("word1 ")
    demo.page.evaluate(WATCH_SHIFTS)
    expect(demo.answers.first).to_have_attribute("data-state", "done")
    demo.is_in("#execution-state", "success")
    assert demo.page.evaluate("window.shifts") == []
    reader.check()


def test_a_running_answer_can_be_stopped(read: Read, site: Site, talker: Talker) -> None:
    reader = read(site)
    demo = Demo(reader)
    demo.pick(PLAYED_MODEL)
    left = talker.left
    demo.send("#slow 400")
    expect(demo.answers.first).to_contain_text("word3")
    demo.page.keyboard.press("Escape")
    demo.is_in(".message[data-role=assistant]", "cancelled")
    demo.is_in("#execution-state", "cancelled")
    expect(demo.at("#send")).to_be_visible()
    for _ in range(100):
        if talker.left > left:
            break
        demo.page.wait_for_timeout(50)
    assert talker.left == left + 1, "the provider still streams"
    assert "word399" not in demo.answers.first.inner_text()
    reader.check()


def test_an_answer_can_be_copied_and_asked_for_again(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site, permissions=["clipboard-read", "clipboard-write"])
    demo = Demo(reader)
    answer = demo.ask_played("What is a vGPU?")
    answer.locator("[data-action=copy]").click()
    expect(demo.at(".toast").first).to_be_visible()
    assert demo.page.evaluate("navigator.clipboard.readText()") == ANSWER
    answer.locator("[data-action=retry]").click()
    expect(demo.answers).to_have_count(2)
    expect(demo.answers.nth(1)).to_have_attribute("data-state", "done")
    reader.check()


def test_a_covenant_is_shared_by_a_link_that_no_server_sees(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site, permissions=["clipboard-read", "clipboard-write"])
    demo = Demo(reader)
    demo.covenant("$2 budget, 30s timeout")
    demo.run("share")
    link: str = demo.page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{gateway_site.url}/#covenant=")
    other = Demo(read(gateway_site), link.removeprefix(gateway_site.url))
    expect(other.at("#covenant-text")).to_have_value("$2 budget, 30s timeout")
    other.is_in("#covenant-state", "served")
    other.reader.check()


def test_history_survives_the_page(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    demo = Demo(reader)
    demo.covenant("$2 budget")
    demo.ask("What is a vGPU?")
    demo.page.reload()
    expect(demo.at("#history-list")).to_contain_text("What is a vGPU?")
    reader.check()


def test_the_worker_asks_for_a_token_and_keeps_it_for_the_tab_only(read: Read, worker: EdgeWorker) -> None:
    reader = read(Site("worker", worker.url))
    demo = Demo(reader)
    expect(demo.at("#token-dialog")).to_be_visible()
    expect(demo.at("#token-input")).to_be_focused()
    demo.page.keyboard.type(TOKEN)
    demo.page.keyboard.press("Enter")
    expect(demo.at("#token-dialog")).not_to_be_visible()
    demo.ask("What is a vGPU?")
    assert demo.page.evaluate("sessionStorage.getItem('harpoon.token')") == TOKEN
    assert TOKEN not in demo.page.evaluate("JSON.stringify({...localStorage}) + document.cookie + location.href")
    assert TOKEN not in demo.page.content()
    reader.check(failures=("/v1/models", "/v2/catalogue"))


@pytest.mark.parametrize("size", [(360, 740), (1280, 900), (3840, 2160)], ids=["360", "1280", "3840"])
def test_a_conversation_works_at_every_size_by_keyboard(read: Read, gateway_site: Site, size: tuple[int, int]) -> None:
    """Columns are reached by Alt and their number, and the answer is in the window once it is there."""
    reader = read(gateway_site, viewport={"width": size[0], "height": size[1]})
    demo = Demo(reader)
    keys = demo.page.keyboard
    keys.press("Alt+1")
    expect(demo.at("#panel-covenant")).to_be_visible()
    demo.at("#covenant-text").focus()
    keys.type("$2 budget")
    demo.is_in("#covenant-state", "served")
    keys.press("Alt+2")
    demo.at("#prompt").focus()
    keys.type("What is a vGPU?")
    keys.press("Enter")
    expect(demo.answers.first).to_have_attribute("data-state", "done")
    expect(demo.answers.first).to_be_in_viewport()
    keys.press("Alt+3")
    expect(demo.at("#execution-state")).to_be_in_viewport()
    demo.is_in("#execution-state", "success")
    assert demo.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    reader.check()
