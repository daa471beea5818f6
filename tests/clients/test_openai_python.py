"""OpenAI's Python SDK before a provider that calls tools and fails; tests/gateway/test_openai_sdk.py has the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.clients.conftest import token_of
from tests.clients.provider import ARGUMENTS, TEXT, VECTOR, Provider
from tests.openai_shapes import answer_findings, chunk_findings
from tests.serving import Serving

MODEL = "gpt-4o-mini"
ASKED: ChatCompletionMessageParam = {"role": "user", "content": "How is the weather?"}
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
Look = Callable[..., list[dict[str, Any]]]


class Client:
    """The SDK, and the status of every answer that it was given."""

    def __init__(self, sdk: openai.OpenAI) -> None:
        self.sdk = sdk
        self.statuses: list[int] = []
        sdk._client.event_hooks["response"].append(self._note)

    def _note(self, response: Any) -> None:
        self.statuses.append(response.status_code)

    def says(self, content: str, **fields: Any) -> Any:
        return self.sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}], **fields)


@pytest.fixture
def client(harpoon: Serving) -> Iterator[Client]:
    """As it comes: it tries twice more what it believes to be passing."""
    with openai.OpenAI(base_url=f"{harpoon.base}/v1", api_key=token_of("python")) as sdk:
        yield Client(sdk)


def test_chat_and_its_request_id(client: Client, decisions: Look) -> None:
    answer = client.says("Where are you?")
    assert answer.choices[0].message.content == TEXT
    (decision,) = decisions("python", answer._request_id)
    assert decision["outcome"]["outcome"] == "success"
    assert answer_findings(answer.to_dict(exclude_unset=True)) == []


def test_streams(client: Client) -> None:
    chunks = list(client.says("Where are you?", stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert [finding for chunk in chunks for finding in chunk_findings(chunk.to_dict(exclude_unset=True))] == []


def test_tools(client: Client, provider: Provider) -> None:
    create = client.sdk.chat.completions.create
    answer = create(model=MODEL, messages=[ASKED], tools=[WEATHER])
    message = answer.choices[0].message
    assert (answer.choices[0].finish_reason, message.content) == ("tool_calls", None)
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", ARGUMENTS)
    told: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": call.id, "content": "raining"}
    said: Any = message.to_dict()
    end = create(model=MODEL, messages=[ASKED, said, told], tools=[WEATHER])
    assert end.choices[0].message.content == "It is raining."
    # What the provider heard is what was said, to the last member.
    (heard,) = provider.heard_about("raining")
    assert heard["messages"] == [ASKED, said, told]
    assert heard["tools"] == [WEATHER]


def test_streamed_tools(client: Client) -> None:
    with client.sdk.chat.completions.stream(model=MODEL, messages=[ASKED], tools=[WEATHER]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "get_weather", ARGUMENTS)


def test_a_passing_fault_is_tried_again(client: Client) -> None:
    assert client.says("#503 python").choices[0].message.content == TEXT
    chunks = list(client.says("#429 python", stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert client.statuses == [503, 200, 429, 200]


def test_errors_of_a_provider_become_the_sdks_own(client: Client) -> None:
    impatient = client.sdk.with_options(max_retries=0).chat.completions
    with pytest.raises(openai.InternalServerError) as down:
        impatient.create(model=MODEL, messages=[{"role": "user", "content": "#500 python"}])
    assert (down.value.status_code, down.value.code) == (503, "all_routes_down")
    assert (down.value.request_id or "").startswith("req_")
    with pytest.raises(openai.BadRequestError) as rejected:
        impatient.create(model=MODEL, messages=[{"role": "user", "content": "#400 python"}])
    assert rejected.value.code == "provider_rejected"


def test_a_refusal_is_not_tried_again(client: Client) -> None:
    with pytest.raises(openai.APIStatusError):
        client.says("Hi", extra_body={"covenant": {"budget_usd": 0}})
    assert client.statuses == [402]


def test_embeddings_and_responses(client: Client) -> None:
    embedded = client.sdk.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [item.embedding for item in embedded.data] == [VECTOR, VECTOR]
    assert client.sdk.responses.create(model=MODEL, input="Where are you?").output_text == TEXT
    with client.sdk.responses.stream(model=MODEL, input="Where are you?") as stream:
        assert stream.get_final_response().output_text == TEXT
