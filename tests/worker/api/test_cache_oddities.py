"""The answer cache under odd providers and many clients: what is sent again is valid, and the books still balance."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.worker.api.application_kit import (
    DONE_CHUNK,
    EVENT_STREAM,
    answers,
    ask,
    framed,
    says,
    served,
    two_providers,
)
from tests.worker.api.test_admin import ADMIN
from tests.worker.api.test_cache import ON, STATUS, events_of, never, outcome, post

SHOWN = ": harpoon-cost-usd 12"


def typed(kind: str, **members: Any) -> bytes:
    return framed(f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode())


async def test_words_of_the_cost_inside_an_answer_are_no_comment_on_it() -> None:
    """The last event of /v1/responses comes after the comment and holds the whole text, whoever chose its words."""
    part = {"type": "output_text", "text": f"Then it says\n{SHOWN}\n\n", "annotations": []}
    message = {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response = {"id": "r1", "object": "response", "status": "completed", "error": None, "output": [message]}
    created = typed("response.created", response={**response, "status": "in_progress", "output": []})
    says_it = says(EVENT_STREAM, created, typed("response.completed", response=response), b"0\r\n\r\n")
    async with two_providers(never(), says_it, **ON) as harpoon, served(harpoon.app) as client:
        asked = {"model": "openai/gpt-4o-mini", "input": "Say it.", "stream": True}
        first, again = [await client.post("/responses", json=asked) for _ in range(2)]
        assert (first.headers[STATUS], again.headers[STATUS]) == ("MISS", "HIT"), first.text
        assert events_of(again.text) == events_of(first.text)
        assert again.text.count("\n: harpoon-cost-usd 0\n") == 1


@pytest.mark.parametrize("choices", [1, 2])
async def test_a_stream_with_strange_choices_reaches_its_client_as_without_a_cache(choices: int) -> None:
    """What a provider says beside the usual is passed on unread; looking at it for the cache may not break it off."""
    strange: list[Any] = [{"index": 0, "delta": {}, "finish_reason": "stop"}, 5]
    if choices == 2:
        strange = [{"index": [n], "delta": {}, "finish_reason": "stop"} for n in range(2)]
    usual = [{"index": n, "delta": {"content": "A"}, "finish_reason": None} for n in range(choices)]
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    texts = [json.dumps({**event, "choices": said}, separators=(",", ":")) for said in (usual, strange)]
    chunks = [framed(f"data: {text}\n\n".encode()) for text in texts]
    for settings in ({}, ON):
        provider = says(EVENT_STREAM, *chunks, DONE_CHUNK)
        async with two_providers(provider, never(), **settings) as harpoon, served(harpoon.app) as client:
            answer = await client.post("/chat/completions", json=ask(stream=True, n=choices))
            assert answer.text.endswith("data: [DONE]\n\n"), settings
            assert (await outcome(harpoon, answer))["outcome"] == "success"


async def test_a_thousand_who_ask_the_same_are_answered_and_settled() -> None:
    many, provider = 1_000, answers("Once.")
    async with two_providers(provider, never(), **ON) as harpoon:
        told = await asyncio.gather(*[post(harpoon) for _ in range(many)])
        assert {(answer.status_code, answer.content) for answer in told} == {(200, told[0].content)}
        assert len(provider.calls) == 1
        await harpoon.none_open()
        assert await harpoon.entries("SESSION_COMPLETION") == many
        assert (await harpoon.money())[1] == 0


async def test_a_hit_uses_up_no_limit_on_tokens() -> None:
    provider = answers()
    async with two_providers(provider, never(), HARPOON_LIMIT_TOKENS_PER_MINUTE="200", **ON) as harpoon:
        for number in range(8):
            answer = await post(harpoon, max_tokens=20)
            assert (answer.status_code, answer.headers[STATUS]) == (200, "HIT" if number else "MISS")
            await harpoon.none_open()
        assert len(provider.calls) == 1


async def test_the_cache_is_no_part_of_a_decision() -> None:
    digests = []
    for settings in ({}, ON):
        frozen = {"HARPOON_ESTIMATES": "catalogue", **settings}
        async with two_providers(answers(), never(), **frozen) as harpoon:
            for _ in range(2):
                answer = await post(harpoon)
                found = await harpoon.mediator.read("local", answer.headers["x-harpoon-decision-id"])
                assert found is not None
                digests.append(found["decision_digest"])
                await harpoon.none_open()
    assert digests[0] == digests[2]
    assert digests[1] == digests[3], "a hit is decided like a call"


async def test_a_key_is_served_nothing_that_a_key_with_other_rights_got() -> None:
    """Two keys of one tenant name the same question; each is answered by the provider that it may use."""
    first, second, root = answers("Of the first."), answers("Of the second."), "http://localhost/admin/tenants"
    async with two_providers(first, second, HARPOON_ADMIN_TOKEN=ADMIN, **ON) as harpoon:
        office = {"authorization": f"Bearer {ADMIN}"}
        await harpoon.client.post(root, json={"tenant": "acme"}, headers=office)
        for provider, told in (("hosted-ai", "MISS"), ("openai", "MISS"), ("hosted-ai", "HIT"), ("openai", "HIT")):
            made = await harpoon.client.post(
                f"{root}/acme/keys", json={"name": provider, "providers": [provider]}, headers=office
            )
            headers = {"authorization": f"Bearer {made.json()['token']}", "cf-aig-cache-key": "shared"}
            answer = await post(harpoon, headers=headers)
            assert (answer.headers[STATUS], answer.headers["x-harpoon-route"].split("/")[0]) == (told, provider)
            assert ("first" in answer.text) is (provider == "hosted-ai")
            await harpoon.none_open()
