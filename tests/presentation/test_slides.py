"""The presentation on both hosts: gone through by click and key, beside the demo, with samples that really run."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.presentation.sites import SLIDES, Reader, Site

Read = Callable[..., Reader]


def opened(reader: Reader) -> Page:
    """The presentation, once its figures and pictures stand."""
    page = reader.open(SLIDES)
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    return page


def test_it_is_gone_through_by_click_and_by_key(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    page = opened(reader)
    shown = page.locator("#sections a[aria-current=true]")
    links = page.locator("#sections a")
    for at in range(links.count()):
        link = links.nth(at)
        link.click()
        expect(link).to_have_attribute("aria-current", "true")
        expect(page.locator(f"{link.get_attribute('href')} :is(h1, h2)").first).to_be_in_viewport()
    page.locator("body").press("1")
    expect(shown).to_have_attribute("href", "#overview")
    page.keyboard.press("ArrowRight")
    expect(shown).to_have_attribute("href", "#architecture")
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    expect(shown).to_have_attribute("href", "#architecture")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.locator("#keys-on").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    expect(shown).to_have_attribute("href", "#architecture")
    reader.check()


def test_it_stands_beside_the_live_demo(read: Read, site: Site) -> None:
    """Split, single, and two tabs; a line of the script loads the demo with its covenant."""
    reader = read(site, viewport={"width": 1600, "height": 900})
    page = opened(reader)
    page.keyboard.press("s")
    demo = page.frame_locator("#demo-frame")
    expect(demo.locator("#connection")).to_have_attribute("data-state", "open")
    handle = page.locator("#split-handle")
    handle.focus()
    page.keyboard.press("ArrowLeft")
    expect(handle).to_have_attribute("aria-valuenow", "55")
    page.locator("[data-setup=single]").first.click()
    expect(page.locator("#demo-pane")).not_to_be_visible()
    page.locator("#script-toggle").click()
    while not page.locator("#script .step:visible [data-demo]").count():
        page.locator("#script-next").click()
    page.locator("#script .step:visible [data-demo]").first.click()
    expect(demo.locator("#covenant-text")).not_to_have_value("")
    expect(demo.locator("#prompt")).not_to_have_value("")
    demo.locator("#send").click()
    expect(demo.locator(".message[data-role=assistant]")).to_have_attribute("data-state", "done")
    with page.context.expect_page() as tab:
        page.locator("a[target=harpoon-demo]").first.click()
    expect(tab.value.locator("#connection")).to_have_attribute("data-state", "open")
    reader.check()


@pytest.mark.parametrize("option", ["direct", "gateway", "pools"])
def test_each_way_to_integrate_runs_live(read: Read, site: Site, option: str) -> None:
    reader = read(site)
    page = opened(reader)
    box = page.locator(f"#option-{option}")
    code = box.locator("pre").first
    expect(code).to_contain_text("curl")
    box.locator("input[value=python]").check()
    expect(code).to_contain_text("from openai import OpenAI")
    page.locator(f"#run-{option}").click()
    expect(page.locator(f"#status-{option}")).to_contain_text(re.compile("^(Streamed|Answered with 200)"))
    expect(page.locator(f"#answer-{option} .answer-text")).to_contain_text("GPU")
    expect(page.locator(f"#answer-{option} .headers")).to_contain_text("x-harpoon-route")
    reader.check()


def test_the_requirements_are_seen_on_the_gateway_itself(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    page = opened(reader)
    page.locator("#check-requirements").click()
    expect(page.locator("#requirements-status")).to_contain_text("6 of 6 seen")
    reader.check()


def test_a_decision_is_worked_through(read: Read, site: Site) -> None:
    """The formula over a live decision, whose totals the page finds again; the covenant's words; the kernel."""
    reader = read(site)
    page = opened(reader)
    page.locator("#formula-run").click()
    expect(page.locator("#formula-out ul.checks li.good")).to_have_count(4)
    expect(page.locator("#formula-out tr.chosen")).to_have_count(1)
    page.locator("#covenant-text").fill("$3 budget, 20s timeout, only in Germany")
    expect(page.locator("#covenant-chips")).to_contain_text("20")
    expect(page.locator("#covenant-words mark.stands")).not_to_have_count(0)
    page.locator("#kernel-text").fill("Hi")
    expect(page.locator("#kernel-class")).to_have_text(re.compile("simple", re.IGNORECASE))
    for which in ("cheapest", "high security"):
        page.locator(f"[data-hero='{which}']").click()
        expect(page.locator("#hero-lines li.selected")).to_have_count(1)
    reader.check()


def test_assumptions_are_labelled_and_can_be_edited(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    page = opened(reader)
    for fields, result in (("#cost-fields", "#cost-result"), ("#pool-fields", "#pool-result")):
        before = page.locator(result).inner_text()
        field = page.locator(f"{fields} input").first
        field.fill(str(int(re.sub(r"\D", "", field.input_value()) or "1") * 3))
        expect(page.locator(result)).not_to_have_text(before)
    for metric in page.locator("#overcommit-metric option").evaluate_all("all => all.map((one) => one.value)"):
        page.locator("#overcommit-metric").select_option(metric)
        expect(page.locator("#overcommit-panels svg")).to_have_count(2)
    kinds = page.locator("[data-figure]").evaluate_all("all => all.map((one) => one.dataset.kind)")
    assert set(kinds) <= {"measured", "sourced", "assumed"}
    reader.check()


def test_on_paper_every_section_is_there_with_its_sources_open(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    page = opened(reader)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("main details:not([open], .on-screen)").count() == 0
    assert page.locator("main > section").evaluate_all("all => all.every((one) => one.checkVisibility())")
    for selector in ("#sections", "#script-toggle", "#demo-pane", ".run"):
        assert not page.locator(selector).first.is_visible(), selector
    reader.check()
