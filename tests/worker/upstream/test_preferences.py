"""OpenRouter's preferences and price ceilings, and providers that only the operator knows, as they are called."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.worker.api.application_kit import ask
from tests.worker.upstream.recording import Recorder, parts, through
from worker.configuration import read_configuration
from worker.errors import SettingsError
from worker.routing.catalogue import to_plain
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

OPENROUTER = "openrouter/llama-3.3-70b-instruct"
CEILING = {"prompt": 0.2, "completion": 0.6}
PREFERENCES = [
    (None, {"max_price": CEILING}),
    ({}, {"max_price": CEILING}),
    (
        {"order": ["a", "b"], "only": ["a"], "ignore": ["c"], "allow_fallbacks": False, "sort": "price"},
        {"order": ["a", "b"], "only": ["a"], "ignore": ["c"], "allow_fallbacks": False, "sort": "price"}
        | {"max_price": CEILING},
    ),
    (
        {"data_collection": "deny", "max_price": {"prompt": 0.1, "completion": 5, "image": 1}},
        {"data_collection": "deny", "max_price": {"prompt": 0.1, "completion": 0.6, "image": 1}},
    ),
    ({"max_price": "cheap"}, {"max_price": CEILING}),
]


@pytest.mark.parametrize(("given", "sent"), PREFERENCES)
async def test_openrouter_gets_the_preferences_and_no_price_above_what_is_reserved(given: Any, sent: Any) -> None:
    recorder = Recorder()
    async with through(recorder, OPENROUTER_BASE_URL="http://127.0.0.1:{port}/api/v1") as (harpoon, _):
        body = ask(model=OPENROUTER) if given is None else ask(model=OPENROUTER, provider=given)
        assert (await harpoon.client.post("/chat/completions", json=body)).status_code == 200
    first, _, content = parts(recorder.requests[0])
    assert first == "POST /api/v1/chat/completions HTTP/1.1"
    assert json.loads(content)["provider"] == sent


async def test_others_are_not_told_preferences_they_would_refuse() -> None:
    recorder = Recorder()
    async with through(recorder, OPENAI_BASE_URL="http://127.0.0.1:{port}") as (harpoon, _):
        body = ask(model="openai/gpt-4o", provider={"only": ["a"]})
        assert (await harpoon.client.post("/chat/completions", json=body)).status_code == 200
        odd = await harpoon.client.post("/chat/completions", json=ask(provider="a"))
        assert (odd.status_code, odd.json()["error"]["param"]) == (400, "provider")
    assert "provider" not in json.loads(parts(recorder.requests[0])[2])


async def test_a_provider_of_the_operators_own_catalogue_has_settings_by_its_id() -> None:
    plain = to_plain(DEFAULT_CATALOGUE)
    plain["providers"].append({**plain["providers"][0], "id": "my.pod-2"})
    plain["offers"].append({**plain["offers"][0], "provider": "my.pod-2"})
    recorder = Recorder()
    own = {"HARPOON_CATALOGUE_JSON": json.dumps(plain), "MY_POD_2_BASE_URL": "http://127.0.0.1:{port}/llm"}
    async with through(recorder, **own, MY_POD_2_API_KEY="k3y") as (harpoon, _):
        answer = await harpoon.client.post("/chat/completions", json=ask(model="my.pod-2/llama-3.1-8b-instruct"))
        assert answer.headers["x-harpoon-route"].startswith("my.pod-2/")
    first, headers, _ = parts(recorder.requests[0])
    assert (first, headers["authorization"]) == ("POST /llm/chat/completions HTTP/1.1", "Bearer k3y")
    plain["providers"].append({**plain["providers"][0], "id": "my-pod.2"})
    with pytest.raises(SettingsError, match="MY_POD_2_"):
        read_configuration({"HARPOON_CATALOGUE_JSON": json.dumps(plain)})


async def test_workers_ai_is_called_directly_by_account_and_key() -> None:
    found = read_configuration({"CLOUDFLARE_ACCOUNT_ID": "acc", "WORKERS_AI_API_KEY": "k"}).access["workers-ai"]
    assert str(found.chat_url) == "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions"
