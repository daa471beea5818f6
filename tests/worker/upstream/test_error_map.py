"""What a provider's refusal means, row by row, and that a body of any form is read without harm."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.misbehaving_server import Server
from tests.worker.api.application_kit import answers, application, ask, causes, refuses
from worker.upstream.error_map import (
    ABSENT,
    AI_GATEWAY,
    CAPACITY,
    CAUSES,
    ELSEWHERE,
    ERROR_MAP,
    EVERY_PROVIDER,
    KEY_TROUBLE,
    QUOTA,
    RATE_LIMITED,
    REJECTED,
    UNFIT,
    meaning_of,
    quota_ends_us,
    read_refusal,
)

PAGE = Path(__file__).parents[3] / "docs" / "providers.md"
DAY_US = 86_400_000_000

BODIES = [
    ("groq", 498, {"error": {"code": "capacity_exceeded", "message": "later"}}, CAPACITY, "capacity_exceeded"),
    ("groq", 413, {"error": {"code": "rate_limit_exceeded", "message": "TPM"}}, UNFIT, "rate_limit_exceeded"),
    ("groq", 400, {"error": {"code": "model_decommissioned"}}, UNFIT, "model_decommissioned"),
    ("workers-ai", 429, {"errors": [{"code": 3036, "message": "used up"}], "success": False}, QUOTA, "3036"),
    ("workers-ai", 429, {"errors": [{"code": 3040, "message": "full"}]}, CAPACITY, "3040"),
    ("workers-ai", 429, {"error": "AiError: 3040: Capacity temporarily exceeded"}, CAPACITY, "3040"),
    ("workers-ai", 429, {"error": {"message": "3036: You have used up", "type": "x", "code": None}}, QUOTA, "3036"),
    ("workers-ai", 408, {"errors": [{"code": 3007}]}, ELSEWHERE, "3007"),
    ("workers-ai", 413, {"errors": [{"code": 3006}]}, UNFIT, "3006"),
    ("workers-ai", 400, {"errors": [{"code": 5007}]}, UNFIT, "5007"),
    ("workers-ai", 400, {"errors": [{"code": 5004}]}, REJECTED, "5004"),
    ("openai", 429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}, KEY_TROUBLE, None),
    ("openai", 429, {"error": {"code": None, "type": "insufficient_quota"}}, KEY_TROUBLE, "insufficient_quota"),
    ("openai", 429, {"error": {"code": "rate_limit_exceeded"}}, RATE_LIMITED, "rate_limit_exceeded"),
    ("openai", 400, {"error": {"code": "context_length_exceeded"}}, UNFIT, "context_length_exceeded"),
    ("openrouter", 402, {"error": {"code": 402, "message": "no credit"}}, KEY_TROUBLE, "402"),
    ("openrouter", 403, {"error": {"code": 403, "message": "flagged"}}, REJECTED, "403"),
    ("openrouter", 503, {"error": {"code": 503}}, UNFIT, "503"),
    ("hosted-ai", 400, {"object": "error", "message": "too hot", "code": 400}, REJECTED, ""),
    ("somebody", 418, {}, REJECTED, ""),
    ("somebody", 500, {}, ELSEWHERE, ""),
    ("somebody", 301, {}, ABSENT, ""),
    ("somebody", 404, {}, ABSENT, ""),
]


@pytest.mark.parametrize(("provider", "status", "body", "meaning", "code"), BODIES)
def test_what_a_refusal_means(provider: str, status: int, body: object, meaning: str, code: str | None) -> None:
    found = read_refusal(provider, status, json.dumps(body).encode())
    assert found.meaning == meaning
    assert code is None or found.code == code


def test_the_gateways_own_codes_count_only_behind_it() -> None:
    body = b'{"success":false,"result":[],"error":[{"code":2009,"message":"Unauthorized"}]}'
    assert read_refusal("groq", 401, body, through_gateway=True) == (KEY_TROUBLE, "2009", "Unauthorized")
    blocked = b'{"error":[{"code":2016,"message":"Prompt blocked"}]}'
    assert read_refusal("groq", 400, blocked, through_gateway=True).meaning == REJECTED
    full = b'{"error":{"code":"capacity_exceeded"}}'
    assert read_refusal("groq", 498, full, through_gateway=True).meaning == CAPACITY


@given(st.binary(max_size=200), st.integers(300, 599))
def test_no_body_does_harm_and_what_is_no_error_is_read_by_its_status(body: bytes, status: int) -> None:
    found = read_refusal("workers-ai", status, body)
    assert found.meaning in CAUSES
    assert len(found.words) <= 500
    assert found.code or found.meaning == meaning_of("workers-ai", status)


@pytest.mark.parametrize(
    "body",
    [{"error": 7}, {"error": []}, {"error": [7]}, {"error": {"message": 7, "code": True}}, {"error": None}, [], 7],
)
def test_an_odd_error_has_no_words(body: object) -> None:
    assert read_refusal("openai", 400, json.dumps(body).encode()) == (REJECTED, "", "")


def test_an_allowance_is_there_again_at_midnight_utc() -> None:
    assert quota_ends_us(0) == DAY_US
    assert quota_ends_us(DAY_US - 1) == DAY_US
    assert quota_ends_us(DAY_US) == 2 * DAY_US


def test_the_page_has_the_table_row_for_row() -> None:
    told = re.findall(r"^\| ([a-zA-Z .-]+) \| ([0-9]+) \| (\S+) \| `([a-z_]+)` \| (.+) \|$", PAGE.read_text(), re.M)
    names = {AI_GATEWAY: "AI Gateway", EVERY_PROVIDER: "any"}
    table = [
        (names.get(name, name), str(rule.status), f"`{rule.code}`" if rule.code else "-", rule.meaning, rule.because)
        for name, rules in ERROR_MAP.items()
        for rule in rules
    ]
    assert told == table


async def test_a_provider_whose_daily_allowance_is_used_up_is_not_asked_before_midnight_utc() -> None:
    used_up = refuses(429, b'{"errors":[{"code":3036,"message":"You have used up your daily free allocation"}]}')
    good = answers()
    async with (
        Server(used_up) as cloudflare,
        Server(good) as openai,
        application(
            WORKERS_AI_BASE_URL=f"http://127.0.0.1:{cloudflare.port}/v1",
            OPENAI_BASE_URL=f"http://127.0.0.1:{openai.port}/v1",
            HARPOON_MAX_FALLBACKS="16",
        ) as harpoon,
    ):
        first = await harpoon.client.post("/chat/completions", json=ask())
        assert first.headers["x-harpoon-route"].startswith("openai/")
        # Neither the same route again nor another one of the same account.
        assert causes(await harpoon.settled()) == ["quota", "ok"]
        for _ in range(2):
            again = await harpoon.client.post("/chat/completions", json=ask())
            assert (again.status_code, again.headers["x-harpoon-attempts"]) == (200, "1")
        assert len(used_up.calls) == 1
        rests = await harpoon.rows("SELECT route, open_until_us FROM estimate WHERE failures = 0 AND open_until_us > 0")
        assert {str(route).partition("/")[0] for route, _ in rests} == {"workers-ai"}
        assert {int(str(until)) % DAY_US for _, until in rests} == {0}


async def test_what_is_too_large_for_one_is_offered_to_the_next_and_else_told_in_the_providers_words() -> None:
    too_large = refuses(413, b'{"error":{"code":"rate_limit_exceeded","message":"Request too large for this model"}}')
    good = answers()
    async with Server(too_large) as groq, Server(good) as openai:
        both = {"GROQ_BASE_URL": f"http://127.0.0.1:{groq.port}", "OPENAI_BASE_URL": f"http://127.0.0.1:{openai.port}"}
        async with application(**both, HARPOON_MAX_FALLBACKS="16") as harpoon:
            assert (await harpoon.client.post("/chat/completions", json=ask())).status_code == 200
        async with application(GROQ_BASE_URL=both["GROQ_BASE_URL"]) as harpoon:
            answer = await harpoon.client.post("/chat/completions", json=ask(model="groq/qwen3-32b"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "provider_rejected")
            assert "Request too large for this model" in answer.text
            record = await harpoon.settled()
            assert (causes(record), record["charged_usd_micros"]) == (["unfit"], 0)


def test_every_meaning_has_a_cause_and_every_row_a_meaning() -> None:
    assert {rule.meaning for rules in ERROR_MAP.values() for rule in rules} <= set(CAUSES)
    for rules in ERROR_MAP.values():
        assert len({(rule.status, rule.code) for rule in rules}) == len(rules)
