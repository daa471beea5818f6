"""GET /v1/decisions/{id}/certificate, and decisions whose records were written before certificates."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.worker.api.application_kit import answers, application, ask, two_providers
from tests.worker.api.test_admin import LOOPBACK_LIMITS, Office
from tests.worker.decision_kit import hasher
from worker.admitting import catalogue_hash
from worker.api.decisions import present_candidates
from worker.canon.certificate import verify_certificate
from worker.ledger.canonical import canonical_json
from worker.routing.catalogue import compile_catalogue

BASE = "http://localhost/v1"


async def test_a_served_and_a_refused_request_have_a_certificate_that_holds() -> None:
    async with application() as harpoon:
        for body in (ask(), ask(covenant={"residency": ["JP"]}), ask(covenant={"budget_usd": 0})):
            answer = await harpoon.client.post("/chat/completions", json=body)
            await harpoon.none_open()
            decision = answer.headers["x-harpoon-decision-id"]
            found = await harpoon.client.get(f"/decisions/{decision}/certificate")
            assert found.status_code == 200, found.text
            certificate = json.loads(found.content)
            verify_certificate(certificate, hasher())
            told = (await harpoon.client.get(f"/decisions/{decision}")).json()
            assert certificate["decision_digest"] == told["decision_digest"]
            assert certificate["selected"] == told["selected"]
            assert "What is a whale?" not in found.text


async def certificate_of(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """The certificate of the decision that an answer names; it holds, and has the digest that the record has."""
    decision = f"{BASE}/decisions/{answer.headers['x-harpoon-decision-id']}"
    found, told = await client.get(f"{decision}/certificate"), await client.get(decision)
    assert found.status_code == 200, found.text
    certificate: dict[str, Any] = json.loads(found.content)
    verify_certificate(certificate, hasher())
    assert certificate["decision_digest"] == told.json()["decision_digest"]
    assert certificate["selected"] == told.json()["selected"]
    return certificate


SECRET_PROMPT = "Write to jane.doe@example.com"
GUARDED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "redacted": ({}, {"covenant": {"requirements": ["redact_pii"]}}, '"redacted":["email:1"]'),
    "always redacted": ({"HARPOON_REDACT": "always"}, {}, '"redacted":["email:1"]'),
    "can't be redacted": ({"HARPOON_REDACT": "always", "HARPOON_GUARD_MAX_CHARACTERS": "5"}, {}, "GUARDRAIL_REDACTION"),
    "personal data": ({"HARPOON_GUARD_PII": "deny"}, {}, "GUARDRAIL_PERSONAL_DATA"),
    "a label": ({}, {"model": "gemma"}, '"model":"gemma"'),
    "an unset limit": ({"HARPOON_BUDGET_USD": "0.0001"}, {}, '["tenant",100,0,0]'),
}


@pytest.mark.parametrize(("settings", "fields", "said"), GUARDED.values(), ids=GUARDED)
async def test_what_a_guard_did_is_derived_again_and_no_word_of_the_prompt_is_told(
    settings: dict[str, str], fields: dict[str, Any], said: str
) -> None:
    async with application(**settings) as harpoon:
        messages = [{"role": "user", "content": SECRET_PROMPT}]
        answer = await harpoon.client.post("/chat/completions", json=ask(**fields, messages=messages))
        text = canonical_json(await certificate_of(harpoon.client, answer)).decode()
        assert said in text
        assert "jane" not in text


async def test_a_stored_covenant_s_money_is_derived_again() -> None:
    async with application() as harpoon:
        body = {"title": "Ten", "covenant": {"budget_usd": 0.0001}}
        made = await harpoon.client.post("http://localhost/v2/covenant", json=body)
        assert made.status_code == 201, made.text
        for _ in range(2):
            answer = await harpoon.client.post("/chat/completions", json=ask(covenant_id=made.json()["covenant_id"]))
            certificate = await certificate_of(harpoon.client, answer)
            assert [account[:2] for account in certificate["decision"]["accounts"]] == [
                ["tenant", None],
                ["covenant", 100],
            ]
            await harpoon.none_open()


async def test_a_fallback_leaves_the_decision_and_its_certificate_as_they_were() -> None:
    """It is granted on what is left, and told by an ACTION of its own; the certificate is of the decision alone."""
    async with two_providers(None, answers()) as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask())
        assert answer.headers["x-harpoon-attempts"] == "3"
        await harpoon.none_open()
        certificate = await certificate_of(harpoon.client, answer)
        assert certificate["selected"] != answer.headers["x-harpoon-route"]
        actions = await harpoon.rows("SELECT entry, evidence FROM ledger WHERE kind = 'ACTION' ORDER BY seq")
        payloads = [json.loads(str(entry))["payload"] for entry, _ in actions]
        assert [payload["decision"] for payload in payloads] == [certificate["decision_digest"]] * 2
        assert payloads[1]["route"] == answer.headers["x-harpoon-route"]
        assert [evidence is None for _, evidence in actions] == [False, True]


async def test_what_a_key_may_and_may_not_is_derived_again() -> None:
    limits = {"usd_per_day": "1", "usd_per_request": "0.5", "usd_total": "3", "usd_per_user_per_day": "0.1"}
    async with application(**LOOPBACK_LIMITS) as harpoon:
        office = Office(harpoon)
        await office.call("POST", "/tenants", {"tenant": "acme", "limits": {"usd_per_month": "9"}}, 201)
        key = await office.key(models=["qwen3-30b-a3b"], limits=limits)
        client = harpoon.client
        client.headers["authorization"] = f"Bearer {key['token']}"
        for fields, status in (({}, 200), ({"model": "llama-3.1-8b-instruct"}, 403)):
            answer = await client.post("/chat/completions", json=ask(**fields))
            assert answer.status_code == status, answer.text
            await harpoon.none_open()
            record = (await certificate_of(client, answer))["decision"]
            assert record["authority"] == [None, ["qwen3-30b-a3b"]]
            kinds = {account[0] for account in record["accounts"]}
            assert kinds == {"tenant", "tenant_month", "key", "key_day", "key_user_day", "key_request"}
            assert key["key_id"] not in json.dumps(record)


async def test_the_certificate_of_a_price_of_yesterday_is_had_over_http() -> None:
    async with application() as harpoon:
        answer = await harpoon.client.post("/chat/completions", json=ask())
        before = await certificate_of(harpoon.client, answer)
        await harpoon.none_open()
        mediator: Any = harpoon.mediator
        catalogue = mediator._config.catalogue.source
        dearer = compile_catalogue(replace(catalogue, version="another"))
        mediator._config = replace(mediator._config, catalogue=dearer, catalogue_hash=catalogue_hash(hasher(), dearer))
        assert (await harpoon.client.post("/chat/completions", json=ask())).status_code == 200
        assert await certificate_of(harpoon.client, answer) == before
        # What the tenant's log no longer has can't be had.
        await harpoon.rows("UPDATE ledger SET evidence = NULL WHERE kind = 'STRUCTURE_UPDATE'")
        decision = answer.headers["x-harpoon-decision-id"]
        gone = await harpoon.client.get(f"/decisions/{decision}/certificate")
    assert (gone.status_code, gone.json()["error"]["code"]) == (409, "certificate_unavailable")


async def test_a_decision_that_is_nobodys_has_no_certificate() -> None:
    async with application() as harpoon:
        missing = await harpoon.client.get(f"/decisions/dec_{'0' * 32}/certificate")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "decision_not_found")


def test_a_record_of_the_first_version_is_still_shown() -> None:
    rows = ["a/m@p 300 2 7 500000 60 10 3 695454 -", "b 1 1 500001 9 0 0 0 - RISK_BOUND_EXCEEDED:max_risk_ppm:6:7"]
    best, denied = present_candidates({"candidates": rows, "unconfigured": []})
    assert (best["observed_samples"], best["total_us"], best["denials"]) == (3, 695_454, [])
    assert denied["denials"][0]["bound"] == 6
    assert "observed_open" not in best
