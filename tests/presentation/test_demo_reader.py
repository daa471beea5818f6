"""The demo as a stranger uses it: the script word for word, what a browser may refuse, long and right-to-left texts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.presentation.demo_calls import call, calls
from tests.presentation.demo_kit import DENIED_PATHS, Demo
from tests.presentation.sites import PLAYED_MODEL, TOKEN, Reader, Site

Read = Callable[..., Reader]
#: spec: the message of the demo's script, limits and all.
SCRIPT = "Analyze this financial report and identify the top 5 risks.\nBudget: $1\nTime: 30 seconds\nQuality: high"
FORBIDDEN = """for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });"""
FULL = 'Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };'


def test_limits_in_a_message_are_found_where_they_are_named() -> None:
    report = "Analyze this financial report and identify the top 5 risks."
    limits = "Budget: $1, Time: 30 seconds, Quality: high"
    cases = {
        SCRIPT: {"limits": limits, "rest": report},
        f"{report} Budget: $1. Time limit: 30 seconds. Quality: high.": {
            "limits": "Budget: $1, Time limit: 30 seconds, Quality: high",
            "rest": report,
        },
        "Sum it up, Budget: $1,000.50, Time: 1.5 s": {"limits": "Budget: $1,000.50, Time: 1.5 s", "rest": "Sum it up"},
        "quality = high": {"limits": "quality = high", "rest": ""},
        "What is a budget: a plan?": None,
        "Our cost: too much. Why?": None,
        "budget:": None,
        "": None,
    }
    found = calls(*[("limits", "limitsIn", [text]) for text in cases])
    assert dict(zip(cases, found, strict=True)) == cases


def test_the_script_can_be_typed_into_the_message_word_for_word(read: Read, gateway_site: Site) -> None:
    """Limits in a message don't bind, and the page says so and makes them the covenant."""
    demo = Demo(read(gateway_site))
    demo.at("#prompt").fill(SCRIPT)
    expect(demo.at("#limits-hint")).to_contain_text("Budget: $1, Time: 30 seconds, Quality: high")
    demo.at("#limits-hint").press("Enter")
    expect(demo.at("#limits-hint")).not_to_be_visible()
    expect(demo.at("#covenant-text")).to_have_value("Budget: $1, Time: 30 seconds, Quality: high")
    demo.is_in("#covenant-state", "served")
    expect(demo.at("#prompt")).to_be_focused()
    demo.page.keyboard.press("Enter")
    demo.is_in("#execution-state", "success")
    expect(demo.at("#steps [data-step=classified]")).to_contain_text("complex")
    expect(demo.at("#steps [data-step=decided]")).to_contain_text("@shared-4x")
    for limit, bound in (("cost", "of $1"), ("latency", "of 30 s"), ("quality", "floor 75.0 %")):
        expect(demo.at(f"#limit-{limit} .limit-bound")).to_have_text(bound)
    expect(demo.at("#steps [data-step=decided] .step-time")).to_have_text("start")
    demo.reader.check()


def test_what_if_tells_where_priority_and_quality_turn_the_choice(read: Read, gateway_site: Site) -> None:
    demo = Demo(read(gateway_site))
    demo.covenant("Quality: high, budget $1")
    demo.at("#prompt").fill(f"{SCRIPT}\nProve each step, compare three approaches, and write the code for each.")
    demo.run("explain")
    flips = demo.at("#whatif-flips")
    expect(flips).to_contain_text("With priority max security")
    expect(demo.at("#whatif-quality")).to_have_value("high")
    before = demo.at("#whatif-result").get_attribute("data-route")
    demo.at("#whatif-priority").select_option("max_security")
    expect(demo.at("#whatif-result")).not_to_have_attribute("data-route", before or "")
    expect(flips).to_contain_text("With priority balanced")
    demo.at("#whatif-reset").click()
    expect(demo.at("#whatif-result")).to_have_attribute("data-route", before or "")
    demo.at("#whatif-priority").select_option("cost_optimized")
    expect(flips).to_contain_text("With no quality floor")
    demo.at("#whatif-quality").select_option("")
    expect(flips).to_contain_text("With quality high")
    demo.reader.check()


def test_a_failure_is_brought_to_the_eye(read: Read, gateway_site: Site) -> None:
    """Also where what was answered before has filled the column."""
    demo = Demo(read(gateway_site, viewport={"width": 1280, "height": 600}))
    for _ in range(3):
        demo.ask_played("What is a vGPU?")
    demo.covenant("budget $0.0000001")
    answer = demo.ask("What is a vGPU?", "failed")
    expect(answer.locator(".problem > p").last).to_be_in_viewport(ratio=1)
    demo.reader.check(failures=DENIED_PATHS)


@pytest.mark.parametrize("refusal", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_a_browser_that_keeps_nothing_still_sends_the_token(read: Read, gateway_site: Site, refusal: str) -> None:
    reader = read(gateway_site)
    reader.page.add_init_script(refusal)
    demo = Demo(reader)
    demo.run("token")
    demo.page.keyboard.type(TOKEN)
    demo.page.keyboard.press("Enter")
    expect(demo.at("#token-dialog")).not_to_be_visible()
    with demo.page.expect_request("**/v1/chat/completions") as asked:
        demo.send("What is a vGPU?")
    assert asked.value.headers["authorization"] == f"Bearer {TOKEN}"
    reader.check(failures=DENIED_PATHS)


def test_texts_from_right_to_left_and_very_long_ones(read: Read, gateway_site: Site) -> None:
    demo = Demo(read(gateway_site))
    demo.covenant("ميزانية, 30s timeout")
    direction = "(one) => getComputedStyle(one).direction"
    assert demo.at("#covenant-text").evaluate(direction) == demo.at("#covenant-marks").evaluate(direction) == "rtl"
    demo.ask_played("ما هي وحدة المعالجة؟")
    assert demo.at(".message[data-role=user] .message-text").evaluate(direction) == "rtl"
    demo.pick(PLAYED_MODEL)
    demo.ask("word " * 4_000)
    shown = demo.at(".message[data-role=user]").last
    expect(shown).to_contain_text("… and 12,000 characters more")
    demo.reader.check()


def test_a_turn_that_was_not_listened_to_is_told_to_its_end_when_it_is_shown(read: Read, gateway_site: Site) -> None:
    """Another decision is replayed while it runs, so its own feed was given up."""
    demo = Demo(read(gateway_site))
    demo.ask_played("What is a vGPU?")
    demo.send("#slow 40")
    expect(demo.answers.nth(1)).to_contain_text("word3")
    running = demo.at("#execution-id").get_attribute("title")
    demo.open_palette()
    demo.page.keyboard.type("replay")
    demo.page.keyboard.press("Enter")
    expect(demo.at("#palette-input")).to_have_attribute("placeholder", "Which decision?")
    demo.page.keyboard.press("ArrowDown")
    demo.page.keyboard.press("Enter")
    expect(demo.at("#execution-id")).not_to_have_attribute("title", running or "")
    expect(demo.answers.nth(1)).to_have_attribute("data-state", "done")
    expect(demo.at("#history-list .history-item").first).to_contain_text("$")
    demo.answers.nth(1).locator("[data-action=show]").click()
    expect(demo.at("#execution-id")).to_have_attribute("title", running or "")
    demo.is_in("#execution-state", "success")
    demo.reader.check()


def test_an_idle_page_notices_that_the_gateway_is_gone(read: Read, gateway_site: Site) -> None:
    reader = read(gateway_site)
    reader.page.clock.install()
    demo = Demo(reader)
    demo.is_in("#connection", "open")
    reader.page.route("**/health", lambda route: route.abort())
    reader.page.clock.run_for(11_000)
    demo.is_in("#connection", "lost")
    reader.page.unroute("**/health")
    reader.page.clock.run_for(3_000)
    demo.is_in("#connection", "open")
    reader.check(failures=("/health",))


def test_a_fallback_leaves_the_time_of_the_first_call() -> None:
    def attempt(route: str, at_us: int) -> tuple[str, dict[str, object]]:
        return "attempt", {"route": route, "reserved_usd_micros": 1, "at_us": at_us}

    trail = call("own", "trail", [attempt("a/b@c", 100), attempt("d/e@f", 169)])
    assert (trail["steps"]["attempt"], [one["route"] for one in trail["attempts"]]) == (0, ["a/b@c", "d/e@f"])


def test_an_answer_that_never_came_has_no_quality() -> None:
    candidate = {"route": "a/b@c", "cost_usd_micros": 5, "ttv_us": 9, "success_ppm": 900_000, "denials": []}
    trail: dict[str, object] = {
        "policy": None,
        "settled": None,
        "cost": None,
        "attempts": [],
        "decision": {"selected": "a/b@c"},
    }
    values = {}
    for state in ("running", "success", "failed"):
        limits = call("trail", "limitsOf", {**trail, "state": state, "candidates": [candidate]}, None, 750_000)
        values[state] = limits["quality"]["value"]
    assert values == {"running": 900_000, "success": 900_000, "failed": None}


def test_a_denial_is_told_in_its_own_units() -> None:
    cases = {
        ("RISK_BOUND_EXCEEDED", "max_risk_ppm", 90_000, 60_000): "risk 9.0 %, at most 6.0 %",
        ("SUCCESS_PROB_TOO_LOW", "success_ppm", 501_000, 750_000): "quality 50.1 %, at least 75.0 %",
        ("COST_BOUND_EXCEEDED", "request", 42, 1): "may cost $0.000042, request budget has $0.000001",
        ("COST_BOUND_EXCEEDED", "per_1m_tokens", 2_000_000, 10_000): "$2 per million tokens, at most $0.01",
        ("INVARIANT_VIOLATION", "POLICY_DEADLINE", 365_717, 10_000): "needs 366 ms of 10 ms",
        ("INVARIANT_VIOLATION", "CONTEXT_WINDOW", 9_000, 8_192): "needs 9,000 tokens of 8,192",
        ("INVARIANT_VIOLATION", "GUARDRAIL_INJECTION", 0, 0): "GUARDRAIL INJECTION",
        ("AUTHORITY_BOUNDARY_FAIL", "openai", 0, 0): "this token may not use openai",
        ("MISSING_CANON_PREREQS", "a_new_one", 7, 8): "a new one: 7 against 8",
    }
    names = ("reason_code", "subject", "value", "bound")
    found = calls(*[("verdicts", "denialWords", [dict(zip(names, case, strict=True))]) for case in cases])
    assert dict(zip(cases, found, strict=True)) == cases


def test_what_is_said_at_the_corner_covers_no_button(read: Read, gateway_site: Site) -> None:
    demo = Demo(read(gateway_site, viewport={"width": 360, "height": 740}))
    demo.run("export")
    expect(demo.at(".toast")).to_be_visible()
    demo.at("#prompt").fill("What is a vGPU?")
    demo.at("#send").click(trial=True, timeout=1_000)
    demo.reader.check()
