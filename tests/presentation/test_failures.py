"""Failure is shown as failure: each one here really happens, at a provider, in a limit, or on the line."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.presentation.conftest import settings_of
from tests.presentation.demo_kit import DENIED_PATHS, Demo
from tests.presentation.sites import PLAYED_MODEL, Reader, Site
from tests.presentation.talker import Talker
from tests.serving import Serving, serving

Read = Callable[..., Reader]
#: Of the provider whose address nobody listens at.
ABSENT_MODEL = "groq/llama-3.1-8b-instruct"


@pytest.fixture
def patient_site(talker: Talker, tmp_path: Path) -> object:
    """A gateway of the test's own, so that a provider's failures rest no route of the others' gateway."""
    with serving(tmp_path / "state", **settings_of(talker)) as server:
        yield Site("gateway", server.base)


def problem_code(demo: Demo) -> str | None:
    return demo.answers.last.locator(".problem").get_attribute("data-code")


def test_a_provider_that_is_down(read: Read, site: Site) -> None:
    reader = read(site)
    demo = Demo(reader)
    demo.pick(ABSENT_MODEL)
    demo.ask("What is a vGPU?", "failed")
    assert problem_code(demo) == "all_routes_down"
    demo.is_in("#execution-state", "failed")
    expect(demo.at("#attempts li").first).not_to_have_attribute("data-cause", "ok")
    reader.check(failures=DENIED_PATHS)


def test_a_budget_that_nothing_fits(read: Read, site: Site) -> None:
    reader = read(site)
    demo = Demo(reader)
    demo.covenant("Budget $0.0000001")
    demo.ask("What is a vGPU?", "failed")
    assert problem_code(demo) in ("budget_exceeded", "nothing_admissible")
    demo.is_in("#execution-state", "refused")
    expect(demo.at("#why")).to_contain_text("COST_BOUND_EXCEEDED")
    expect(demo.at("#candidates [data-verdict=denied]")).not_to_have_count(0)
    expect(demo.at("#candidates [data-verdict=selected]")).to_have_count(0)
    reader.check(failures=DENIED_PATHS)


def test_a_deadline_that_is_missed(read: Read, patient_site: Site) -> None:
    reader = read(patient_site)
    demo = Demo(reader)
    demo.pick(PLAYED_MODEL)
    demo.covenant("within 2 seconds")
    demo.ask("#hang", "failed")
    assert problem_code(demo) == "deadline_exceeded"
    demo.is_in("#execution-state", "failed")
    reader.check(failures=DENIED_PATHS)


def test_an_answer_that_breaks_off_keeps_what_had_come(read: Read, patient_site: Site) -> None:
    reader = read(patient_site)
    demo = Demo(reader)
    answer = demo.ask_played("#cut", "cut")
    expect(answer.locator(".message-text").first).to_contain_text("A share of a GPU")
    assert problem_code(demo) is not None
    reader.check(failures=DENIED_PATHS)


def test_a_provider_that_refuses_is_replaced_by_the_next(read: Read, patient_site: Site) -> None:
    """The fallback is shown with both attempts, and what the first one was."""
    reader = read(patient_site)
    demo = Demo(reader)
    demo.pick(PLAYED_MODEL)
    demo.ask("#fail", "failed")
    expect(demo.at("#attempts li").first).to_contain_text("503")
    reader.check(failures=DENIED_PATHS)


def test_a_covenant_that_cannot_be_read(read: Read, site: Site) -> None:
    reader = read(site)
    demo = Demo(reader)
    demo.covenant("budget €5", "refused")
    expect(demo.at("#covenant-problems .bad")).not_to_have_count(0)
    assert demo.at("#covenant-marks mark.bad").count() > 0
    demo.ask("What is a vGPU?", "failed")
    assert problem_code(demo) == "unreadable_covenant"
    reader.check(failures=DENIED_PATHS)


def test_a_gateway_that_goes_and_comes_back(read: Read, talker: Talker, tmp_path: Path) -> None:
    """It is killed while an answer streams, and started again at the same port over the same state."""
    first = Serving(tmp_path / "state", **settings_of(talker))
    again: Serving | None = None
    try:
        first.wait()
        reader = read(Site("gateway", first.base))
        demo = Demo(reader)
        demo.is_in("#connection", "open")
        demo.pick(PLAYED_MODEL)
        demo.send("#slow 400")
        expect(demo.answers.first).to_contain_text("word3")
        first.stop(signal.SIGKILL)
        demo.is_in(".message[data-role=assistant]", "cut")
        assert problem_code(demo) == "connection_lost"
        demo.is_in("#connection", ("lost", "offline"))
        demo.covenant("$2 budget", "lost")
        again = Serving(tmp_path / "state", **{**settings_of(talker), "SERVICE_PORT": str(first.port)})
        demo.is_in("#connection", "open")
        demo.covenant("$3 budget")
        answer = demo.ask_played("What is a vGPU?")
        expect(answer.locator(".message-text").first).to_contain_text("A share of a GPU")
        assert reader.faults == []
    finally:
        first.stop()
        if again is not None:
            again.stop()
