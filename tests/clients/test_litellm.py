"""LiteLLM (tests/clients/litellm_client.py) with Harpoon as its `api_base`: what each of its acts saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import HERE, Seen
from tests.clients.provider import ARGUMENTS, RESPONSES_USAGE, TEXT, USAGE, VECTOR, Provider
from tests.clients.setup_clients import Clients

CALL = {"name": "get_weather", "arguments": ARGUMENTS}
Look = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def seen(clients: Clients, drive: Callable[[str, list[str]], Seen]) -> Seen:
    return drive("litellm", [str(clients.python), str(HERE / "litellm_client.py")])


def test_chat(seen: Seen) -> None:
    chat = seen["chat"]
    assert (chat["text"], chat["finish"]) == (TEXT, "stop")
    assert chat["usage"] == [USAGE["prompt_tokens"], USAGE["completion_tokens"]]
    assert seen["asynchronous"] == {"text": TEXT, "streamed": TEXT}


def test_the_request_id_leads_to_the_decision(seen: Seen, decisions: Look) -> None:
    (decision,) = decisions("litellm", seen["chat"]["request_id"])
    assert decision["outcome"]["outcome"] == "success"
    assert seen["chat"]["policy"] == "priority=balanced"
    assert seen["covenant"] == "priority=balanced; budget_usd=0.5"


def test_streams(seen: Seen) -> None:
    assert seen["stream"] == {"text": TEXT, "finish": ["stop"], "usage": [USAGE["total_tokens"]]}


def test_tools(seen: Seen, provider: Provider) -> None:
    assert seen["tools"] == {"finish": "tool_calls", "call": CALL, "id": "call_1", "end": "It is snowing."}
    assert seen["streamed_tools"] == {"finish": "tool_calls", "call": CALL, "id": "call_1"}
    assert provider.heard_about("snowing")


@pytest.mark.parametrize(
    ("act", "name", "status", "words"),
    [
        ("model", "NotFoundError", 404, 'the model "gpt-99" is not in the catalogue'),
        ("body", "BadRequestError", 400, "temperature must be a number from 0 to 2"),
        ("covenant", "BadRequestError", 422, "covenant has no field 'budget_eur'"),
        ("token", "AuthenticationError", 401, "this token is not known here"),
        ("budget", "APIError", 402, "COST_BOUND_EXCEEDED: request"),
    ],
)
def test_errors(seen: Seen, act: str, name: str, status: int, words: str) -> None:
    error = seen["errors"][act]
    assert (error["name"], error["status"]) == (name, status)
    assert words in error["words"]
    assert error["request_id"].startswith("req_")


def test_a_passing_fault_is_tried_again(seen: Seen, provider: Provider) -> None:
    assert seen["retries"] == {"text": TEXT, "streamed": TEXT}
    assert seen["own_retries"] == TEXT
    assert [len(provider.heard_about(f"#{status} litellm")) for status in (503, 429, 500)] == [2, 2, 2]
    error = seen["impatience"]
    assert (error["name"], error["status"]) == ("ServiceUnavailableError", 503)
    assert len(provider.heard_about("#502 litellm")) == 1


def test_a_refusal_is_not_tried_again(seen: Seen, decisions: Look) -> None:
    denied = [one["request_id"] for one in decisions("litellm") if one["state"] == "denied"]
    assert denied == [seen["errors"]["budget"]["request_id"]]


def test_embeddings(seen: Seen) -> None:
    assert seen["embeddings"] == {"vectors": [VECTOR, VECTOR], "usage": 9}


def test_responses(seen: Seen) -> None:
    assert seen["responses"] == {"text": TEXT, "usage": RESPONSES_USAGE["total_tokens"]}
    assert seen["streamed_responses"] == {"text": TEXT, "last": "response.completed"}
