"""What a failing provider does to a request: retried, handed to the next route, paid for at its worst, or refused."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from tests.openai_shapes import error_findings
from tests.worker.api.application_kit import (
    PATIENCE_S,
    Application,
    answers,
    answers_bytes,
    ask,
    causes,
    http_answer,
    one_provider,
    refuses,
    says,
    served,
    streams,
    two_providers,
)
from worker.errors import StateError
from worker.money import usd_text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_is_down_is_left_for_the_next(stream: bool) -> None:
    second = streams("Hello") if stream else answers()
    async with two_providers(None, second) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=stream))
        assert answer.status_code == 200
        assert answer.headers["x-harpoon-attempts"] == "3"  # one retry of what never arrived, then the fallback
        assert answer.headers["x-harpoon-route"].startswith("openai/")
        record = await harpoon.settled()
        assert causes(record) == ["connect", "connect", "ok"]
        assert record["outcome"]["route"] == answer.headers["x-harpoon-route"]
        # One reservation for each route: the first one's was given back, for nothing was sent.
        assert await harpoon.entries("ACTION") == 2
        assert record["charged_usd_micros"] == record_cost(record)
    assert [call["model"] for call in second.calls] == [answer.headers["x-harpoon-route"].split("/")[1].split("@")[0]]


async def worst_cases(body: dict[str, Any]) -> dict[str, int]:
    """What each admissible route would hold for a request, best route first, in micro-dollars."""
    async with two_providers(answers(), answers()) as probe:
        answer = await probe.client.post("/chat/completions", json=body)
        decision = (await probe.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")).json()
    worst = {
        candidate["route"]: candidate["worst_case_usd_micros"]
        for candidate in decision["candidates"]
        if candidate["denials"] == []
    }
    return {route: worst[route] for route in decision["ranking"]}


def record_cost(record: dict[str, Any]) -> int:
    """The price of OpenAI's smaller model for what was used, in micro-dollars, rounded up."""
    assert record["outcome"]["route"] == "openai/gpt-4o-mini@serverless"
    tokens_in, tokens_out = int(record["outcome"]["input_tokens"]), int(record["outcome"]["output_tokens"])
    return -(-(tokens_in * 150_000 + tokens_out * 600_000) // 1_000_000)


async def test_a_refused_key_leads_to_another_provider_at_once() -> None:
    async with two_providers(refuses(401), answers()) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask())
        assert (answer.status_code, answer.headers["x-harpoon-attempts"]) == (200, "2")
        assert causes(await harpoon.settled()) == ["key_refused", "ok"]


async def test_an_answer_that_broke_is_paid_for_at_its_worst_and_not_repeated() -> None:
    first = says(http_answer(200, b"<html>"))
    async with two_providers(first, answers(), HARPOON_MAX_FALLBACKS="16") as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(max_tokens=50))
        assert answer.status_code == 200
        record = await harpoon.settled()
        routes = [route for route, *_ in record["outcome"]["attempts"]]
        assert len(set(routes)) == len(routes)
        assert record["charged_usd_micros"] > record_cost(record)
        assert answer.headers["x-harpoon-cost-usd"] == usd_text(record["charged_usd_micros"])
        _, _, overrun = await harpoon.money()
        assert overrun == 0


async def test_a_fallback_that_the_rest_of_the_budget_cannot_buy_is_not_made() -> None:
    """At admission each route alone fits; after the first may have charged its worst case, the second doesn't."""
    first, second = says(http_answer(200, b"<html>")), answers()
    body = ask(max_tokens=16)
    dear = (await worst_cases(body))["openai/gpt-4o-mini@serverless"]
    covenant = {"x-harpoon-covenant": json.dumps({"budget_usd": (dear + 1) / 1_000_000})}
    async with two_providers(first, second, HARPOON_MAX_FALLBACKS="16") as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=body, headers=covenant)
        assert answer.status_code == 503
        assert error_findings(answer.json()) == []
        record = await harpoon.settled()
        ranking = (await harpoon.client.get(f"/decisions/{record['id']}")).json()["ranking"]
        assert "openai/gpt-4o-mini@serverless" in ranking
        assert 0 < record["charged_usd_micros"] <= dear + 1
        assert record["state"] == "unsettled"
        assert set(causes(record)) == {"malformed"}
    assert second.calls == []


async def test_the_same_request_with_more_money_falls_back() -> None:
    first, second = says(http_answer(200, b"<html>")), answers()
    async with two_providers(first, second, HARPOON_MAX_FALLBACKS="16") as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(max_tokens=16, covenant={"budget_usd": 1}))
        assert answer.status_code == 200
    assert len(second.calls) == 1


async def test_a_retry_after_a_refused_fallback_is_reserved_for() -> None:
    """While the first request waits for its 503, a second one takes what the dearer route would need."""
    body = ask(max_tokens=1_000)
    held, dearer, *_ = (await worst_cases(body)).values()
    assert dearer >= 2 * held
    first_is_there, second_is_there = asyncio.Event(), asyncio.Event()

    async def play(writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
        if not first_is_there.is_set():
            first_is_there.set()
            await second_is_there.wait()
            writer.write(http_answer(503, b"{}"))
        elif not second_is_there.is_set():
            second_is_there.set()
            await asyncio.wait_for(first, PATIENCE_S)
            writer.write(answers_bytes())
        else:
            writer.write(answers_bytes())

    async with one_provider(play, HARPOON_BUDGET_USD=usd_text(dearer)) as (harpoon, _):
        first = asyncio.ensure_future(harpoon.client.post("/chat/completions", json=body))
        await first_is_there.wait()
        second = await harpoon.client.post("/chat/completions", json=body)
        answer = await first
        assert (answer.status_code, answer.headers["x-harpoon-attempts"], second.status_code) == (200, "2", 200)
        assert await harpoon.entries("ACTION") == 3
        _, reserved, overrun = await harpoon.money()
        assert (reserved, overrun) == (0, 0)


async def test_a_deadline_between_two_attempts_still_charges_the_first() -> None:
    """The first answer broke, so it may have cost; the hop to the next route never gets its reservation."""
    async with two_providers(says(http_answer(200, b"<html>")), answers(), request_us=500_000) as harpoon:

        async def never(fallback: Any) -> Any:
            await asyncio.Event().wait()

        harpoon.mediator.advance = never  # type: ignore[method-assign]
        answer = await harpoon.client.post("/chat/completions", json=ask(max_tokens=16))
        assert (answer.status_code, answer.headers["x-harpoon-attempts"]) == (504, "1")
        record = await harpoon.settled()
        assert (record["state"], causes(record)) == ("unsettled", ["malformed"])
        assert record["charged_usd_micros"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_all_routes_down_is_said_with_what_was_tried(stream: bool) -> None:
    async with two_providers(refuses(503), refuses(503)) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=stream))
        assert answer.status_code == 503
        assert error_findings(answer.json()) == []
        assert answer.json()["error"]["code"] == "all_routes_down"
        assert int(answer.headers["x-harpoon-attempts"]) in (2, 3)
        record = await harpoon.settled()
        assert (record["state"], record["charged_usd_micros"], record["outcome"]["outcome"]) == ("settled", 0, "error")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_rate_limit_everywhere_is_passed_on_with_the_wait_asked_for_last(stream: bool) -> None:
    async with two_providers(
        refuses(429, header="retry-after: 30\r\n"), refuses(429, header="retry-after: 7\r\n"), HARPOON_MAX_FALLBACKS="9"
    ) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask(stream=stream))
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert error_findings(answer.json()) == []
        record = await harpoon.settled()
        last = record["outcome"]["attempts"][-1][0]
        assert answer.headers["retry-after"] == ("30" if last.startswith("hosted-ai/") else "7")
        assert (record["state"], record["charged_usd_micros"]) == ("settled", 0)


async def test_a_rate_limit_beside_another_fault_is_no_rate_limit() -> None:
    async with two_providers(refuses(429), refuses(500), HARPOON_MAX_FALLBACKS="9") as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask())
        assert (answer.status_code, "retry-after" in answer.headers) == (503, False)


async def test_a_request_the_provider_finds_wrong_is_the_callers_and_costs_nothing() -> None:
    first = refuses(400, b'{"error":{"message":"no such tool"}}')
    async with two_providers(first, answers()) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask())
        assert answer.status_code == 400
        assert "no such tool" in answer.json()["error"]["message"]
        assert (await harpoon.settled())["charged_usd_micros"] == 0
        assert len(first.calls) == 1


async def test_a_route_that_keeps_failing_rests() -> None:
    async with two_providers(None, answers(), HARPOON_MAX_RETRIES="0") as harpoon:
        attempts = [
            (await harpoon.client.post("/chat/completions", json=ask(max_tokens=5))).headers["x-harpoon-attempts"]
            for _ in range(20)
        ]
        assert attempts[0] == "2"
        assert attempts[-1] == "1"


SECRET = "disk I/O error in /srv/harpoon.db"


async def broken(*_: Any) -> Any:
    raise StateError(SECRET)


def harpoons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, ours and the server's, without the traces."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_failing_state_is_told_to_the_operator_and_not_to_the_caller(
    harpoon: Application, caplog: pytest.LogCaptureFixture
) -> None:
    for name, request in (("admit", ("POST", "/chat/completions")), ("read", ("GET", "/decisions/dec_0"))):
        caplog.clear()
        setattr(harpoon.mediator, name, broken)
        method, path = request
        answer = await harpoon.client.request(method, path, json=ask() if method == "POST" else None)
        assert answer.status_code == 500
        assert error_findings(answer.json()) == []
        assert answer.json()["error"]["code"] == "state_error"
        assert SECRET not in answer.text
        assert answer.headers["x-request-id"].startswith("req_")
        assert harpoons(caplog) == [f"a request failed: {SECRET}"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_settlement_that_fails_after_its_answer_is_logged_once_and_the_connection_goes_on(
    harpoon: Application, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    harpoon.mediator.settle = broken  # type: ignore[method-assign]
    async with served(harpoon.app) as client:
        ports = set()
        for _ in range(3):
            async with client.stream("POST", "/chat/completions", json=ask(stream=stream)) as answer:
                assert answer.status_code == 200
                body = await answer.aread()
                ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            assert (b"[DONE]" in body) is stream
    assert harpoons(caplog) == ["a request failed after its answer"] * 3
    assert len(ports) == 1


async def test_a_fault_before_the_answer_is_answered_and_logged_once(
    harpoon: Application, caplog: pytest.LogCaptureFixture
) -> None:
    async def faulty(*_: Any) -> Any:
        raise ZeroDivisionError(SECRET)

    harpoon.mediator.admit = faulty  # type: ignore[method-assign]
    async with served(harpoon.app) as client:
        answer = await client.post("/chat/completions", json=ask())
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert SECRET not in answer.text
    assert harpoons(caplog) == ["a request failed"]
