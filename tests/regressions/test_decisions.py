"""No word on why a route was chosen; decisions that can't be replayed (regression list, 4)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.worker.api.application_kit import Application, answers, application, ask, refuses, two_providers
from tests.worker.decision_kit import hasher
from worker.ledger.canonical import canonical_json

#: Requests of many kinds: each is decided by something else.
ASKED: list[dict[str, Any]] = [
    ask(),
    ask(stream=True),
    ask(model="llama-3.1-8b-instruct", max_tokens=7),
    ask(messages=[{"role": "user", "content": "Prove that there are infinitely many primes, step by step. " * 9}]),
    *(ask(covenant={"priority": name}) for name in ("max_security", "max_performance", "balanced", "cost_optimized")),
    ask(covenant={"budget_usd": 0.001, "deadline_s": 20}),
    ask(covenant="$2 budget, 30s timeout, high security"),
    ask(covenant={"quality": "high"}),
    ask(covenant={"budget_usd": 0}),
    ask(covenant={"residency": ["JP"]}),
]
#: Parts of a decision that say what happened then, and not what was decided.
MOMENT = {"id", "request_id", "at_us", "outcome", "attempts", "cost_usd", "cost_usd_micros", "state"}


async def send(harpoon: Application, body: dict[str, Any]) -> httpx.Response:
    answer = await harpoon.client.post("/chat/completions", json=body)
    await harpoon.none_open()
    return answer


async def decision_of(harpoon: Application, answer: httpx.Response) -> dict[str, Any]:
    """The decision that an answer names."""
    found = await harpoon.client.get(f"/decisions/{answer.headers['x-harpoon-decision-id']}")
    decision: dict[str, Any] = found.json()
    return decision


async def explained(harpoon: Application, body: dict[str, Any]) -> dict[str, Any]:
    answer = await harpoon.client.post("http://localhost/v2/route", json=body)
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.parametrize("body", ASKED, ids=range(len(ASKED)))
async def test_every_answer_leads_to_the_word_on_why_its_route_was_chosen(body: dict[str, Any]) -> None:
    """Served or refused, whole or streamed: each route is either ranked by its total or says what forbids it."""
    async with application() as harpoon:
        answer = await send(harpoon, body)
        decision = await decision_of(harpoon, answer)
    by_route = {one["route"]: one for one in decision["candidates"]}
    assert len(by_route) == len(decision["candidates"]) >= 2
    ranked = set(decision["ranking"])
    for route, one in by_route.items():
        assert bool(one["denials"]) is (route not in ranked)
        assert all(denial["reason_code"] for denial in one["denials"])
    totals = [by_route[route]["total_us"] for route in decision["ranking"]]
    assert totals == sorted(totals)
    if answer.status_code == 200:
        assert answer.headers["x-harpoon-route"] == decision["selected"] == decision["ranking"][0]
    else:
        assert (answer.status_code in (402, 403), decision["ranking"]) == (True, [])
        assert answer.json()["error"]["reasons"]


async def test_the_word_on_a_fallback_names_every_route_that_was_tried() -> None:
    async with two_providers(refuses(503), answers(), HARPOON_MAX_FALLBACKS="16") as harpoon:
        answer = await send(harpoon, ask())
        decision = await decision_of(harpoon, answer)
    tried = [attempt["route"] for attempt in decision["attempts"]]
    statuses = [attempt["status"] for attempt in decision["attempts"]]
    assert statuses == [503] * (len(tried) - 1) + [200]
    assert tried == decision["ranking"][: len(tried)]
    assert answer.headers["x-harpoon-route"] == tried[-1] == decision["outcome"]["route"]
    assert answer.headers["x-harpoon-attempts"] == str(len(tried))
    assert len(tried) >= 2


async def test_the_word_on_a_choice_adds_up_before_and_after() -> None:
    """What `/v2/route` says is what is decided next, and its terms add up to the totals that are recorded."""
    async with application() as harpoon:
        for body in ASKED:
            told = await explained(harpoon, body)
            decision = await decision_of(harpoon, await send(harpoon, body))
            assert (told["decision_digest"], told["selected"]) == (decision["decision_digest"], decision["selected"])
            totals = {one["route"]: one.get("total_us") for one in decision["candidates"]}
            for one in told["candidates"]:
                if one["verdict"] != "denied":
                    assert sum(one["terms"].values()) == one["total_us"] == totals[one["route"]]


async def replay(**settings: str) -> list[dict[str, Any]]:
    """What a Harpoon that has seen nothing yet decides on all of them, one after the other."""
    async with application(**settings) as harpoon:
        decisions = [await decision_of(harpoon, await send(harpoon, body)) for body in ASKED]
    return [{name: value for name, value in one.items() if name not in MOMENT} for one in decisions]


async def test_decisions_are_replayed_elsewhere_and_later() -> None:
    """Same requests, same settings, other ids, another time: the same inputs, candidates, totals and digests."""
    settings = {"HARPOON_ESTIMATES": "catalogue"}
    first, second = await replay(**settings), await replay(**settings)
    assert first == second
    assert len({one["decision_digest"] for one in first}) == len(ASKED)


async def test_a_recorded_decision_is_proved_by_its_own_record() -> None:
    """The digest is of the record that is shown, no more and no less: whoever has it can compute it."""
    sha3 = hasher()
    async with application() as harpoon:
        for body in ASKED:
            told = await send(harpoon, body)
            record = await harpoon.mediator.read("local", told.headers["x-harpoon-decision-id"])
            assert record is not None
            kept = record["decision"]
            assert sha3.sha3_256(canonical_json(kept)).hex() == record["decision_digest"]
            changed = json.loads(json.dumps(kept))
            changed["load"][0] += 1
            assert sha3.sha3_256(canonical_json(changed)).hex() != record["decision_digest"]


async def test_a_replay_with_what_was_learned_is_told_apart() -> None:
    """Where estimates are observed they are inputs, so a decision made with others has another digest and says so."""
    async with application() as harpoon:
        before = await explained(harpoon, ask())
        for _ in range(3):
            await send(harpoon, ask())
        after = await explained(harpoon, ask())
    assert before["decision_digest"] != after["decision_digest"]
    (first,) = (one for one in before["candidates"] if one["route"] == before["selected"])
    (later,) = (one for one in after["candidates"] if one["route"] == before["selected"])
    assert (first["observed_samples"], later["observed_samples"]) == (0, 3)
