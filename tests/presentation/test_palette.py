"""The command palette on both hosts: found by a few letters, moved through by arrows, and every command by keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.presentation.demo_kit import COMMANDS, Demo
from tests.presentation.sites import PLAYED_MODEL, PLAYED_ROUTE, Reader, Site
from tests.presentation.talker import ANSWER

Read = Callable[..., Reader]
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}


@pytest.fixture
def demo(read: Read, site: Site) -> Demo:
    """The demo with one covenant and one finished answer."""
    started = Demo(read(site, **CLIPBOARD))
    started.covenant("$2 budget, 30s timeout")
    started.ask("What is a vGPU?")
    started.is_in("#execution-state", "success")
    return started


def test_it_offers_every_command_and_finds_one_by_a_few_letters(read: Read, gateway_site: Site) -> None:
    demo = Demo(read(gateway_site))
    demo.open_palette()
    options = demo.at("#palette-list [role=option]")
    offered = set(options.evaluate_all("all => all.map((one) => one.dataset.command)"))
    assert offered <= set(COMMANDS)
    assert {"new-covenant", "explain", "theme", "shortcuts", "share", "history", "token", "lenient"} <= offered
    demo.page.keyboard.type("shrtct")
    expect(options.first).to_have_attribute("data-command", "shortcuts")
    demo.page.keyboard.press("ArrowUp")
    demo.page.keyboard.press("ArrowDown")
    demo.page.keyboard.press("Enter")
    expect(demo.at("#shortcuts-dialog")).to_be_visible()
    demo.page.keyboard.press("Escape")
    expect(demo.at("#shortcuts-dialog")).not_to_be_visible()
    demo.open_palette()
    demo.page.keyboard.type("nothing is called like that")
    expect(demo.at("#palette-list [data-command]")).to_have_count(0)
    demo.page.keyboard.press("Enter")
    demo.page.keyboard.press("Escape")
    expect(demo.at("#palette")).not_to_be_visible()
    demo.reader.check()


def test_commands_about_the_covenant(demo: Demo) -> None:
    demo.run("share")
    expect(demo.at(".toast").first).to_be_visible()
    assert "#covenant=" in demo.page.evaluate("navigator.clipboard.readText()")
    demo.covenant("budget €5", "refused")
    demo.run("lenient")
    demo.is_in("#covenant-state", "served")
    demo.run("lenient")
    demo.is_in("#covenant-state", "refused")
    demo.run("new-covenant")
    expect(demo.at("#covenant-text")).to_have_value("")
    expect(demo.at("#covenant-text")).to_be_focused()
    demo.run("history", choose="vGPU")
    expect(demo.at("#covenant-text")).to_have_value("$2 budget, 30s timeout")
    expect(demo.at("#prompt")).to_have_value("What is a vGPU?")
    demo.run("forget-history")
    expect(demo.at("#history-list")).not_to_contain_text("vGPU")
    demo.reader.check()


def test_commands_about_routes(demo: Demo) -> None:
    demo.at("#prompt").fill("What is a vGPU?")
    before = demo.answers.count()
    demo.run("explain")
    demo.is_in("#execution-state", "planned")
    assert demo.answers.count() == before
    demo.run("pin-route", choose="openai/gpt-4o-mini")
    expect(demo.at("#model")).not_to_have_value("auto")
    demo.send("What is a vGPU?")
    expect(demo.answers).to_have_count(before + 1)
    expect(demo.answers.last).to_have_attribute("data-state", "done")
    expect(demo.at("#attempts li[data-cause=ok]")).to_have_attribute("data-route", PLAYED_ROUTE)
    demo.run("unpin-route")
    expect(demo.at("#model")).to_have_value("auto")
    demo.reader.check()


def test_commands_about_a_decision(demo: Demo) -> None:
    demo.run("verify")
    demo.is_in("#verify-result", "verified")
    demo.run("whatif")
    expect(demo.at("#whatif")).to_be_in_viewport()
    demo.run("replay", choose="")
    demo.is_in("#execution-state", "replayed")
    demo.reader.check()


def test_commands_about_an_answer(demo: Demo) -> None:
    demo.pick(PLAYED_MODEL)
    demo.ask("Say it.")
    demo.run("copy")
    expect(demo.at(".toast").first).to_be_visible()
    assert demo.page.evaluate("navigator.clipboard.readText()") == ANSWER
    demo.run("retry")
    expect(demo.answers).to_have_count(3)
    expect(demo.answers.last).to_have_attribute("data-state", "done")
    demo.send("#slow 400")
    expect(demo.answers.last).to_contain_text("word3")
    demo.run("cancel")
    expect(demo.answers.last).to_have_attribute("data-state", "cancelled")
    demo.run("clear")
    expect(demo.answers).to_have_count(0)
    demo.reader.check()


def test_export_is_a_file_with_the_covenant_and_the_transcript(demo: Demo, tmp_path: Path) -> None:
    with demo.page.expect_download() as downloaded:
        demo.run("export")
    downloaded.value.save_as(tmp_path / "export.json")
    plain: dict[str, Any] = json.loads((tmp_path / "export.json").read_text("utf-8"))
    text = json.dumps(plain)
    assert "$2 budget, 30s timeout" in text
    assert "What is a vGPU?" in text
    assert "hk_" not in text
    demo.reader.check()


def test_commands_about_the_page(demo: Demo) -> None:
    background = demo.page.evaluate("getComputedStyle(document.body).backgroundColor")
    demo.run("theme")
    expect(demo.at("body")).not_to_have_css("background-color", background)
    demo.run("token")
    expect(demo.at("#token-dialog")).to_be_visible()
    demo.page.keyboard.press("Escape")
    demo.run("shortcuts")
    expect(demo.at("#shortcuts-dialog")).to_be_visible()
    demo.page.keyboard.press("Escape")
    expect(demo.at("#shortcuts-dialog")).not_to_be_visible()
    demo.reader.check()
