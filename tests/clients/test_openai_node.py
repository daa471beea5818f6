"""OpenAI's Node SDK (tests/clients/node_client.mjs) against a really running Harpoon: what each of its acts saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import HERE, Seen
from tests.clients.provider import ARGUMENTS, RESPONSES_USAGE, TEXT, USAGE, VECTOR, Provider
from tests.clients.setup_clients import Clients

CALL = {"name": "get_weather", "arguments": ARGUMENTS}
Look = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def seen(clients: Clients, drive: Callable[[str, list[str]], Seen]) -> Seen:
    return drive("node", [str(clients.node), str(HERE / "node_client.mjs"), str(clients.node_folder)])


def test_chat(seen: Seen) -> None:
    chat = seen["chat"]
    assert (chat["text"], chat["finish"], chat["usage"]) == (TEXT, "stop", USAGE)
    assert seen["left"] == {"then": TEXT}


def test_the_request_id_leads_to_the_decision(seen: Seen, decisions: Look) -> None:
    for act in ("chat", "headers", "stream", "embeddings", "responses"):
        request_id = seen[act]["request_id"]
        assert request_id.startswith("req_")
        (decision,) = decisions("node", request_id)
        assert decision["outcome"]["outcome"] == "success", act
    assert seen["headers"]["header"] == seen["headers"]["request_id"]
    assert seen["headers"]["policy"] == "priority=balanced; budget_usd=0.5"


def test_streams(seen: Seen) -> None:
    stream = seen["stream"]
    assert (stream["text"], stream["finish"], stream["usage"], stream["none"]) == (TEXT, "stop", USAGE, [])
    assert seen["helper"] == {"text": TEXT}


def test_tools(seen: Seen, provider: Provider) -> None:
    assert seen["tools"] == {"finish": "tool_calls", "call": CALL, "id": "call_1", "end": "It is snowing."}
    assert seen["streamed_tools"] == {"finish": "tool_calls", "call": CALL, "id": "call_1"}
    assert provider.heard_about("snowing")[0]["messages"][1]["tool_calls"][0]["function"] == CALL


@pytest.mark.parametrize(
    ("act", "name", "status", "code", "param"),
    [
        ("model", "NotFoundError", 404, "model_not_found", "model"),
        ("body", "BadRequestError", 400, "invalid_request", "temperature"),
        ("covenant", "UnprocessableEntityError", 422, "unreadable_covenant", "covenant"),
        ("budget", "APIError", 402, "budget_exceeded", None),
        ("stream", "APIError", 402, "budget_exceeded", None),
        ("token", "AuthenticationError", 401, "invalid_api_key", None),
    ],
)
def test_errors(seen: Seen, act: str, name: str, status: int, code: str, param: str | None) -> None:
    error = seen["errors"][act]
    assert (error["name"], error["status"], error["code"], error["param"]) == (name, status, code, param)
    assert error["request_id"].startswith("req_")


def test_a_passing_fault_is_tried_again(seen: Seen) -> None:
    assert seen["retries"] == {"text": TEXT, "streamed": TEXT, "statuses": [503, 200, 429, 200]}
    error = seen["impatience"]
    assert (error["name"], error["code"], error["statuses"]) == ("InternalServerError", "all_routes_down", [503])


def test_a_refusal_is_not_tried_again(seen: Seen) -> None:
    assert [seen["errors"][act]["statuses"] for act in ("budget", "stream")] == [[402], [402]]


def test_models(seen: Seen) -> None:
    assert seen["models"][0] == "auto"
    assert "openai/gpt-4o-mini" in seen["models"]


def test_embeddings(seen: Seen) -> None:
    assert seen["embeddings"]["vectors"] == [VECTOR, VECTOR]
    assert seen["embeddings"]["usage"] == {"prompt_tokens": 9, "total_tokens": 9}


def test_responses(seen: Seen) -> None:
    assert (seen["responses"]["text"], seen["responses"]["usage"]) == (TEXT, RESPONSES_USAGE["total_tokens"])
    assert seen["streamed_responses"] == {"text": TEXT, "last": "response.completed"}
