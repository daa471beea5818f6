"""A request becomes OpenAI's answer, stream or error: in shape, in meaning, and the same each time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.chat import Completion, complete, encode, to_chunks, to_error, to_response
from gateway.simulator.request import parse_request, read_body
from tests.gateway.simulator.simulator_kit import CHUNK, COMPLETION, ERROR, LEASE, MODEL, chat_body, check_shape
from worker.errors import CallerError, MalformedRequest, RequestTooLarge, UnknownModel

MODELS = frozenset({MODEL})
NOW_S = 1_800_000_000


def run(body: dict[str, Any]) -> Completion:
    return complete(parse_request(body, MODELS), body, lambda: NOW_S)


def said(body: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = json.loads(encode(to_response(run(body))))
    check_shape(response, COMPLETION)
    return response


def streamed(body: dict[str, Any]) -> list[dict[str, Any]]:
    request = parse_request(body, MODELS)
    chunks = [json.loads(encode(chunk)) for chunk in to_chunks(run(body), include_usage=request.include_usage)]
    for chunk in chunks:
        check_shape(chunk, CHUNK)
    return chunks


def test_an_answer_says_what_it_is() -> None:
    assert said(chat_body("What is 2+2?")) == {
        "id": "chatcmpl-sim-5c5ff95de11a59987370a24c",
        "object": "chat.completion",
        "created": NOW_S,
        "model": "llama-3.1-8b-instruct-simulated",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "2 + 2 = 4", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        "system_fingerprint": "fp_simulator",
    }


def test_the_id_follows_the_request_and_not_the_order_of_its_members() -> None:
    body = chat_body("Hello", temperature=0.5)
    assert run(body).id == run(dict(reversed(body.items()))).id
    assert run(body).id != run(chat_body("Hello", temperature=0.6)).id


def test_a_stream_says_the_same_piece_by_piece() -> None:
    body = chat_body("List 5 planets", stream=True)
    chunks = streamed(body)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(pieces) == "Mercury, Venus, Earth, Mars and Jupiter."
    assert len(pieces) - 2 == run(body).answer.completion_tokens
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert not any("usage" in chunk for chunk in chunks)


def test_usage_is_streamed_last_and_only_when_asked_for() -> None:
    body = chat_body("List 5 planets", stream=True, stream_options={"include_usage": True})
    *chunks, last = streamed(body)
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"] == run(body).usage


def test_several_choices_are_alike_and_paid_for() -> None:
    one, three = said(chat_body("List 5 planets")), said(chat_body("List 5 planets", n=3))
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in three["choices"]} == {one["choices"][0]["message"]["content"]}
    assert three["usage"]["completion_tokens"] == 3 * one["usage"]["completion_tokens"]
    chunks = streamed(chat_body("List 5 planets", n=3, stream=True))
    assert [chunk["choices"][0]["index"] for chunk in chunks[:6]] == [0, 1, 2, 0, 1, 2]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-3:]] == ["stop"] * 3


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_answer_and_says_so(field: str) -> None:
    choice = said(chat_body("List 5 planets", **{field: 3}))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Mercury,", "length")
    assert (
        streamed(chat_body("List 5 planets", stream=True, **{field: 3}))[-1]["choices"][0]["finish_reason"] == "length"
    )


def test_the_newer_limit_wins_and_a_stop_text_ends_the_answer() -> None:
    body = chat_body("List 5 planets", max_tokens=1, max_completion_tokens=50, stop=["Mars", ", Earth"])
    choice = said(body)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Mercury, Venus", "stop")


def test_an_answer_can_be_a_json_object() -> None:
    content = said(chat_body("List 5 planets", response_format={"type": "json_object"}))["choices"][0]["message"][
        "content"
    ]
    assert json.loads(content) == {"answer": "Mercury, Venus, Earth, Mars and Jupiter."}


def test_an_answer_can_follow_a_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "summary": {"type": "string"},
            "years": {"type": ["integer", "null"]},
            "tone": {"enum": ["formal", "casual"]},
            "urgent": {"type": "boolean"},
            "points": {"type": "array", "items": {"type": "string"}},
            "party": {"$ref": "#/$defs/party"},
            "note": {"type": "string"},
        },
        "required": ["summary", "years", "tone", "urgent", "points", "party"],
        "$defs": {"party": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    }
    prompt = f"Summarise in one sentence, casual tone, years: 10, city: Oslo\n\n{LEASE}"
    shape = {"type": "json_schema", "json_schema": {"name": "lease", "schema": schema}}
    content = said(chat_body(prompt, response_format=shape))["choices"][0]["message"]["content"]
    first = "The lease between Northwind and the city runs for ten years."
    assert json.loads(content) == {
        "summary": first,
        "years": 10,
        "tone": "casual",
        "urgent": False,
        "points": [first],
        "party": {"city": "Oslo"},
    }


def test_a_schema_without_end_is_filled_to_a_bound() -> None:
    names = {f"p{number}": {"$ref": "#"} for number in range(9)}
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": names}}}
    content = said(chat_body("Hello", response_format=shape))["choices"][0]["message"]["content"]
    assert json.loads(content).keys() == names.keys()
    loop = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#"}}}
    assert said(chat_body("Hello", response_format=loop))["choices"][0]["message"]["content"] == "null"


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer"},
                "note": {"type": "string"},
            },
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "description": "The time of day"}}


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "function": {"name": "get_weather"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]},
        },
    ],
)
def test_a_required_tool_is_called_with_what_the_prompt_says(choice: object) -> None:
    body = chat_body("What is the weather in Paris in celsius for 3 days?", tools=[CLOCK, WEATHER], tool_choice=choice)
    response = said(body)["choices"][0]
    (call,) = response["message"]["tool_calls"]
    assert response["finish_reason"] == "tool_calls"
    assert response["message"]["content"] is None
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris", "unit": "celsius", "days": 3}

    first, *rest = streamed({**body, "stream": True})
    opened = first["choices"][0]["delta"]["tool_calls"][0]
    pieces = [piece["choices"][0]["delta"]["tool_calls"][0] for piece in rest[:-1]]
    assert opened["function"] == {"name": "get_weather", "arguments": ""}
    assert "".join(piece["function"]["arguments"] for piece in pieces) == call["function"]["arguments"]
    assert rest[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_tool_nobody_requires_is_not_called() -> None:
    for choice in (None, "auto", "none"):
        body = chat_body("What is 2+2?", tools=[WEATHER], tool_choice=choice)
        assert said(body)["choices"][0]["message"]["content"] == "2 + 2 = 4"
    body = chat_body("Anything", tools=[CLOCK], tool_choice="required")
    assert said(body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


_USER = {"role": "user", "content": "x"}

MALFORMED: list[tuple[dict[str, object], str]] = [
    ({}, "model"),
    ({"model": 7}, "model"),
    ({"model": ""}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": "hi"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [_USER, {"role": "owner", "content": "x"}]}, "messages[1].role"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": True}, "stream_options"),
    ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"temperature": "warm"}, "temperature"),
    ({"top_p": True}, "top_p"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"n": True}, "n"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_completion_tokens": -1}, "max_completion_tokens"),
    ({"stop": 7}, "stop"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": ["a", 7]}, "stop"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {"type": "yaml"}}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format"),
    ({"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}}, "response_format"),
    ({"tools": {}}, "tools"),
    ({"tools": [7]}, "tools[0]"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0]"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0]"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": 7, "tools": [CLOCK]}, "tool_choice"),
    ({"tool_choice": {"type": "function", "function": {"name": "other"}}, "tools": [CLOCK]}, "tool_choice"),
]


@pytest.mark.parametrize(("change", "param"), MALFORMED)
def test_what_is_no_request_is_refused_by_name(change: dict[str, object], param: str) -> None:
    body = {"model": MODEL, "messages": [_USER], **change} if change else {"messages": [_USER]}
    with pytest.raises(MalformedRequest) as caught:
        parse_request(body, MODELS)
    assert caught.value.param == param
    check_shape(to_error(caught.value), ERROR)


def test_an_unknown_model_is_not_served() -> None:
    with pytest.raises(UnknownModel) as caught:
        parse_request(chat_body("x", model="no-such-model"), MODELS)
    assert caught.value.status == 404
    check_shape(to_error(caught.value), ERROR)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", b'{"model":', b'{"a":NaN}', b"\xff", b'{"a":1,"a":2}', b"[" * 90_000, b'"\\ud800"'],
)
def test_a_body_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read_body(data, max_bytes=100_000)


def test_a_body_over_the_limit_is_refused() -> None:
    assert read_body(b'{"a":1}', max_bytes=7) == {"a": 1}
    with pytest.raises(RequestTooLarge):
        read_body(b'{"a":11}', max_bytes=7)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["user", "text", "required", "json_schema", MODEL, "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "name", "schema", "json_schema"]), inner
        )
    ),
    max_leaves=12,
)
_FIELDS = ["messages", "stream", "stream_options", "n", "max_tokens", "stop", "tools", "tool_choice", "response_format"]


@given(st.dictionaries(st.sampled_from(_FIELDS), _JSON), st.booleans())
def test_every_body_is_answered_or_refused(fields: dict[str, Any], valid_messages: bool) -> None:
    body = {"model": MODEL, **fields}
    if valid_messages:
        body["messages"] = [_USER]
    try:
        response = said(body)
    except CallerError as error:
        check_shape(to_error(error), ERROR)
    else:
        assert response["id"] == said(body)["id"]
