"""What the live demo works out itself is what the gateway found: totals, order, turning points, proofs, the trail."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.event_stream import events_of
from tests.presentation.demo_calls import call, calls, pieces
from tests.worker.api.application_kit import Application, application, ask
from worker.canon.fixed_point import neg_ln_micronats
from worker.canon.totals import total_of
from worker.covenant.served import serve_object
from worker.routing.tables import Weights

#: Two tiers beside the simulator; nothing is sent to them.
BESIDE = {
    "HARPOON_SIMULATOR": "on",
    "GROQ_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_API_KEY": "sk-a-secret",
}
PRIORITIES = ("balanced", "cost_optimized", "max_performance", "max_security")
PROMPTS = ("Hi", "Prove that the square root of two is irrational, then compare three proofs.")
COVENANTS: tuple[dict[str, Any], ...] = (
    {},
    {"budget_usd": 0.00002},
    {"deadline_s": 0.6},
    {"budget_usd": 1, "budget_scope": "per_day", "deadline_s": 30, "quality": "medium", "residency": ["EU", "US"]},
)
MOST = {"cost": 10_000_000, "risk": 10_000, "improbability": 100_000}
FIELDS = {
    "cost": "cost_us_per_usd_micro",
    "risk": "risk_us_per_ppm",
    "improbability": "improbability_us_per_micronat",
}


async def explanations(harpoon: Application) -> list[dict[str, Any]]:
    """The same requests under every priority and every covenant."""
    found = []
    for prompt, covenant, priority in itertools.product(PROMPTS, COVENANTS, PRIORITIES):
        body = {"text": prompt, "covenant": {**covenant, "priority": priority}}
        answer = await harpoon.client.post("http://localhost/v2/route", json=body)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
    return found


async def test_the_improbability_is_that_of_the_gateway() -> None:
    chances = [*range(1, 1_000_000, 7_919), 2, 3, 499_999, 500_000, 500_001, 999_999, 1_000_000]
    found = calls(*[("decide", "negLnMicronats", [ppm]) for ppm in chances])
    assert [int(one) for one in found] == [neg_ln_micronats(ppm) for ppm in chances]


async def test_every_total_and_every_order_is_found_again() -> None:
    async with application(**BESIDE) as harpoon:
        catalogue = (await harpoon.client.get("http://localhost/v2/catalogue")).json()["catalogue"]
        told = await explanations(harpoon)
    found = calls(*[("own", "redecide", [one, catalogue, None, {}]) for one in told])
    assert len([one for one in told if one["selected"]]) > 20
    assert len([one for one in told if not one["selected"]]) > 0
    for one, again in zip(told, found, strict=True):
        totals = {candidate["route"]: candidate.get("total_us") for candidate in one["candidates"]}
        assert again["agrees"]
        assert again["ranking"] == one["ranking"]
        assert [int(total) for total in again["totals"]] == [totals[route] for route in one["ranking"]]
    changed = copy.deepcopy(next(one for one in told if one["ranking"]))
    next(one for one in changed["candidates"] if not one["denials"])["cost_usd_micros"] += 1
    assert not call("own", "redecide", changed, catalogue, None, {})["agrees"]


async def test_the_choice_turns_where_the_page_says_and_nowhere_else() -> None:
    async with application(**BESIDE) as harpoon:
        catalogue = (await harpoon.client.get("http://localhost/v2/catalogue")).json()["catalogue"]
        told = [one for one in await explanations(harpoon) if len(one["ranking"]) > 1]
    found = calls(*[("own", "redecide", [one, catalogue, None, MOST]) for one in told])
    turned = 0
    for one, again in zip(told, found, strict=True):
        choice = chooser(one, catalogue)
        for name, flips in again["flips"].items():
            before, selected = 0, choice(name, 0)
            for flip in flips:
                turned += 1
                assert (choice(name, flip["at"] - 1), choice(name, flip["at"])) == (flip["insteadOf"], flip["selected"])
                assert flip["insteadOf"] == selected
                between = range(before, flip["at"], max(1, (flip["at"] - before) // 40))
                assert {choice(name, value) for value in between} == {selected}
                before, selected = flip["at"], flip["selected"]
            rest = range(before, MOST[name] + 1, max(1, (MOST[name] - before) // 40))
            assert {choice(name, value) for value in rest} == {selected}
    assert turned > 20


def chooser(told: dict[str, Any], catalogue: dict[str, Any]) -> Callable[[str, int], str]:
    """The winner under one changed weight, by the gateway's own arithmetic."""
    row = catalogue["weights"][told["policy"]["priority"] or "balanced"]
    tier = ("simple", "moderate", "complex").index(told["classification"]["complexity"])
    factors = {one["id"]: one["tier_factor_ppm"][tier] for one in catalogue["providers"]}
    horizon = told["policy"]["deadline_us"] or catalogue["horizon_us"]
    admitted = [one for one in told["candidates"] if not one["denials"]]
    lambdas = {field: row[field] for field in FIELDS.values()}

    def choice(name: str, value: int) -> str:
        weights = Weights(**{**lambdas, FIELDS[name]: value}, max_risk_ppm=0, private_only=False, pools={})
        keys = []
        for one in admitted:
            time_us = min(one["ttv_us"], horizon)
            factor = factors[one["route"].split("/")[0]]
            total = total_of(time_us, one["cost_usd_micros"], one["risk_ppm"], one["success_ppm"], factor, weights)
            keys.append((total, one["ttv_us"], one["risk_ppm"], one["cost_usd_micros"], one["route"]))
        return str(min(keys)[-1])

    return choice


async def test_the_covenant_of_a_slider_reads_back_as_the_policy() -> None:
    async with application(**BESIDE) as harpoon:
        policies = [one["policy"] for one in await explanations(harpoon)]
        texts = calls(*[("whatif_covenant", "covenantOf", [policy]) for policy in policies])
        for policy, text in zip(policies, texts, strict=True):
            headers = {"x-harpoon-covenant": text}
            answer = await harpoon.client.post("http://localhost/v2/route", json={"text": "Hi"}, headers=headers)
            assert answer.json()["policy"] == policy
    smallest = {**policies[0], "budget_usd_micros": 1, "deadline_us": 10_000}
    served = serve_object(json.loads(call("whatif_covenant", "covenantOf", smallest), parse_float=Decimal))
    assert (served.policy.budget_usd_micros, served.policy.deadline_us) == (1, 10_000)


async def told_of(harpoon: Application, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """The events of a request that has ended."""
    answer = await harpoon.client.post("chat/completions", json=ask(**fields))
    await harpoon.none_open()
    query = {"request_id": answer.headers["x-request-id"]}
    feed = await harpoon.client.get("http://localhost/api/live", params=query)
    return [(event.name, event.data) for event in events_of(feed.text)]


async def test_the_trail_is_what_the_feed_told() -> None:
    async with application() as harpoon:
        answered = await told_of(harpoon, covenant={"budget_usd": 1, "deadline_s": 30})
        refused = await told_of(harpoon, covenant={"budget_usd": 0.000001})
    found, none, half = calls(
        ("own", "trail", [answered]), ("own", "trail", [refused]), ("own", "trail", [answered[:4]])
    )
    data = dict(answered)
    assert (found["state"], none["state"], half["state"]) == ("success", "refused", "running")
    assert found["steps"].keys() == {"classified", "candidates", "decided", "attempt", "first_token", "settled"}
    assert found["attempts"][0]["reserved_usd_micros"] == data["attempt"]["reserved_usd_micros"]
    assert (found["attempts"][0]["cause"], half["attempts"][0]["cause"]) == ("ok", None)
    assert [one["what"] for one in found["entries"]] == ["decision", "settlement"]
    assert [one["what"] for one in none["entries"]] == ["refusal"]
    limits, planned = calls(
        ("trail", "limitsOf", [found, None, None]), ("trail", "limitsOf", [half, 2_000_000, 600_000])
    )
    assert limits["cost"]["value"] == data["cost"]["cost_usd_micros"]
    assert (limits["cost"]["limit"], limits["latency"]["limit"]) == (1_000_000, 30_000_000)
    assert (limits["latency"]["value"], limits["latency"]["is"]) == (data["settled"]["elapsed_us"], "measured")
    assert (planned["latency"]["value"], planned["latency"]["is"]) == (2_000_000, "so far")
    assert (planned["cost"]["is"], planned["quality"]["limit"]) == ("expected", 600_000)


async def test_a_request_is_known_in_the_feed_of_all_by_its_digest() -> None:
    async with application() as harpoon:
        ours, others = await told_of(harpoon), await told_of(harpoon, covenant={"budget_usd": 1})
    mixed = [event for pair in zip(others, ours, strict=True) for event in pair]
    stream = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in mixed).encode()
    own = ours[0][1]["request_id"]
    digest = dict(ours)["decision"]["decision_digest"]
    known, unknown = calls(
        ("own", "watched", [pieces(stream)[0], digest, own]), ("own", "watched", [pieces(stream)[0], "0" * 64, own])
    )
    assert known == {"paths": ["api/live"], "state": "success", "requestId": own}
    assert unknown["paths"] == ["api/live", f"api/live?request_id={own}"]
    assert unknown["requestId"] is None


async def test_a_proof_holds_until_anything_is_changed() -> None:
    async with application() as harpoon:
        events = await told_of(harpoon)
        await told_of(harpoon)
        entry = events[0][1]["entry"]
        decision = next(data for name, data in events if name == "decision")
        base = "http://localhost/api/ledger"
        checkpoint = (await harpoon.client.get(f"{base}/checkpoint")).json()
        proof = (await harpoon.client.get(f"{base}/proof", params={"entry": entry})).json()
        stored = (await harpoon.client.get(f"{base}/entries", params={"limit": 1, "after": entry - 1})).json()["data"][
            0
        ]
    expected = {"decisionId": decision["decision_id"], "digest": decision["decision_digest"]}
    right = {"checkpoint": checkpoint, "proof": proof, "stored": stored, "entry": entry, "expected": expected}
    wrong = [
        {**right, "stored": {**stored, "entry": stored["entry"].replace(decision["decision_id"], "dec_0")}},
        {**right, "stored": {**stored, "evidence": stored["evidence"] + " "}},
        {**right, "proof": {**proof, "path": proof["path"][:-1]}},
        {**right, "proof": {**proof, "path": ["00" * 32, *proof["path"][1:]]}},
        {**right, "checkpoint": {**checkpoint, "text": checkpoint["text"].replace(checkpoint["root"], "00" * 32)}},
        {**right, "checkpoint": {**checkpoint, "text": "nothing"}},
        {**right, "entry": entry + 1},
        {**right, "expected": {**expected, "decisionId": "dec_1"}},
    ]
    verdicts = calls(*[("own", "prove", [given]) for given in [right, *wrong]])
    assert verdicts[0]["ok"], verdicts[0]["checks"]
    assert verdicts[0]["root"] == checkpoint["root"]
    assert [one["ok"] for one in verdicts[1:]] == [False] * len(wrong)
