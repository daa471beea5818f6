"""TensorZero's embedded gateway (tests/clients/tensorzero_client.py) with Harpoon as its provider."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import HERE, Seen
from tests.clients.provider import ARGUMENTS, TEXT, USAGE, VECTOR, Provider
from tests.clients.setup_clients import Clients

TOKENS = [USAGE["prompt_tokens"], USAGE["completion_tokens"]]
Look = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def seen(clients: Clients, drive: Callable[[str, list[str]], Seen]) -> Seen:
    return drive("tensorzero", [str(clients.python), str(HERE / "tensorzero_client.py")])


def test_chat(seen: Seen, provider: Provider) -> None:
    assert seen["chat"] == {"text": TEXT, "finish": "stop", "usage": TOKENS}
    assert seen["covenant"] == TEXT
    assert "covenant" not in provider.heard_about("With a covenant")[0]


def test_streams(seen: Seen) -> None:
    assert seen["stream"] == {"text": TEXT, "finish": ["stop"], "usage": [TOKENS]}


def test_tools(seen: Seen, provider: Provider) -> None:
    call = {"name": "get_weather", "arguments": {"city": "Köln"}}
    assert seen["tools"] == {"finish": "tool_call", "call": call, "id": "call_1", "end": "It is snowing."}
    assert seen["streamed_tools"] == {"arguments": ARGUMENTS, "name": "get_weather", "id": "call_1"}
    assert provider.heard_about("snowing")


@pytest.mark.parametrize(
    ("act", "code"),
    [
        ("model", "model_not_found"),
        ("token", "invalid_api_key"),
        ("body", "invalid_request"),
        ("covenant", "unreadable_covenant"),
        ("budget", "budget_exceeded"),
        ("stream", "budget_exceeded"),
    ],
)
def test_errors(seen: Seen, act: str, code: str) -> None:
    """To its own client each is a 502; what Harpoon said stands in its words."""
    error = seen["errors"][act]
    assert error["status"] == 502
    assert f'"code":"{code}"' in error["words"].replace("\\", "")


def test_the_request_id_of_an_error_leads_to_the_decision(seen: Seen, decisions: Look) -> None:
    """It tells the provider's request id where a request failed, and nowhere else."""
    for act in ("budget", "stream"):
        found = re.search(r"request_id: (req_\w+)", seen["errors"][act]["words"], re.ASCII)
        assert found is not None
        (decision,) = decisions("tensorzero", found[1])
        assert decision["state"] == "denied"


def test_a_passing_fault_is_tried_again_and_a_refusal_is_not(seen: Seen, provider: Provider, decisions: Look) -> None:
    assert seen["retries"] == {"text": TEXT, "streamed": TEXT}
    assert [len(provider.heard_about(f"#{status} tensorzero")) for status in (503, 429)] == [2, 2]
    assert "all_routes_down" in seen["impatience"]["words"]
    assert len(provider.heard_about("#502 tensorzero")) == 1
    assert [one["state"] for one in decisions("tensorzero")].count("denied") == 2


def test_embeddings(seen: Seen) -> None:
    assert seen["embeddings"] == {"vectors": [VECTOR, VECTOR], "usage": 9}


def test_responses(seen: Seen) -> None:
    assert seen["responses"] == {"text": TEXT, "usage": TOKENS}
    stream = seen["streamed_responses"]
    # It calls every streamed response `length`, whoever answered.
    assert (stream["text"], stream["usage"]) == (TEXT, [TOKENS])
