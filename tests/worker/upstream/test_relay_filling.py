"""What OpenAI's schema wants of a chunk and a provider leaves out or gets wrong, however the stream is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.openai_shapes import stream_findings
from worker.upstream.relay import Relay
from worker.upstream.wire import Identity, conform_answer, fill_identity

OURS = Identity("chatcmpl-ours", 1_700_000_000, "m-served")
NAMED = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def event(value: Any, *, loose: bool = False) -> bytes:
    separators = (", ", ": ") if loose else (",", ":")
    return b"data: " + json.dumps(value, separators=separators).encode() + b"\n\n"


def content(text: Any, **members: Any) -> dict[str, Any]:
    return {**NAMED, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **members}


def run(data: bytes, size: int, *, include_usage: bool = False, choices: int = 1) -> tuple[list[Any], Relay]:
    """The chunks a client gets of a stream that arrives `size` bytes at a time."""
    relay = Relay(include_usage, lambda _: b"", choices, lambda: OURS)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    text = (b"".join(map(relay.feed, pieces)) + relay.finish()).decode()
    if choices == 1:
        assert stream_findings(text, include_usage=include_usage) == []
    assert text.endswith("data: [DONE]\n\n")
    return [json.loads(line[6:]) for line in text.split("\n\n")[:-2]], relay


SIZES = (1, 7, 1_000_000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", ["42", "0", "-1", "3.10", "1e5", "007.5", "true", "false"])
@pytest.mark.parametrize("space", ["", " "])
def test_a_number_becomes_the_text_it_was_written_as(number: str, space: str, size: int) -> None:
    bare = f'"content":{space}{number}'.encode()
    odd = event(content("X")).replace(b'"content":"X"', bare)
    chunks, relay = run(event(content("It is ")) + odd + event(content(".")) + END, size)
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["It is ", number, ".", None]
    assert relay.counted_tokens() == max(3, -(-len("It is ." + number) // 4))


def test_what_is_no_number_stays_as_it_is() -> None:
    plain = [content('"content":5'), content(None), {**content("x"), "extra": {"content": [1]}}]
    chunks, _ = run(b"".join(map(event, plain)) + END, 9)
    assert chunks[:3] == plain


def test_a_number_in_one_of_several_choices_is_found() -> None:
    choices = [{"index": at, "delta": {"content": text}, "finish_reason": None} for at, text in enumerate(("a", 5))]
    ends = [{"index": at, "delta": {}, "finish_reason": "stop"} for at in range(2)]
    data = event({**NAMED, "choices": choices}) + event({**NAMED, "choices": ends}) + b"data: [DONE]\n\n"
    chunks, _ = run(data, 11, choices=2)
    assert [choice["delta"]["content"] for choice in chunks[0]["choices"]] == ["a", "5"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("include_usage", [False, True])
def test_chunks_without_an_identity_get_ours_and_all_the_same(size: int, include_usage: bool) -> None:
    bare = [{"choices": [{"delta": {"content": text}}]} for text in ("one ", "two")]
    usage = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    data = b"".join(map(event, bare)) + END.replace(b"data: [DONE]", event(usage).rstrip() + b"\n\ndata: [DONE]")
    chunks, _ = run(data, size, include_usage=include_usage)
    assert {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks} == {
        (*OURS, "chat.completion.chunk")
    }
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]] == [None, None, "stop"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("loose", [False, True])
@pytest.mark.parametrize(
    "later", [{"id": "c2"}, {"created": 8}, {"created": 71}, {"object": "chunk"}, {"id": None}, {"model": None}]
)
def test_every_chunk_gets_the_identity_of_the_first(size: int, loose: bool, later: dict[str, Any]) -> None:
    data = event(content("a"), loose=loose) + event(content("b", **later), loose=loose) + END
    chunks, _ = run(data, size)
    assert [{key: chunk[key] for key in NAMED} for chunk in chunks] == [NAMED] * 3


@pytest.mark.parametrize("head", [b'{"choices":[', b'{"model":"m","choices":['])
def test_members_in_another_order_pass_untouched(head: bytes) -> None:
    choice = b'{"index":0,"delta":{"content":"a"},"finish_reason":null}'
    rest = b'],"created":7,"object":"chat.completion.chunk","id":"c1"' + (b"" if b"model" in head else b',"model":"m"')
    odd = b"data: " + head + choice + rest + b"}\n\n"
    relay = Relay(False, lambda _: b"", 1, lambda: OURS)
    relay.feed(odd)
    assert relay.feed(odd * 3) == odd * 3


def test_the_usual_chunk_passes_untouched_from_the_first_on() -> None:
    usual = [event(content("a")), event(content("b", created=7)), event(content("c"))]
    relay = Relay(False, lambda _: b"", 1, lambda: OURS)
    assert b"".join(map(relay.feed, usual)) == b"".join(usual)


@pytest.mark.parametrize("number", [5, 3.5, True])
def test_a_plain_answer_of_a_number_is_mended(number: Any) -> None:
    answer: dict[str, Any] = {"choices": [{"message": {"content": number}}]}
    assert conform_answer(answer)
    assert answer["choices"][0]["message"]["content"] == json.dumps(number)


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"id": "a", "created": 1, "model": "x"}, False),
        ({"id": "a", "created": 1}, True),
        ({"id": 5, "created": 1, "model": "x"}, True),
        ({"id": "a", "created": "now", "model": "x"}, True),
        ({"id": "a", "created": True, "model": "x"}, True),
        ({}, True),
    ],
)
def test_a_plain_answer_gets_what_its_identity_lacks(given: dict[str, Any], changed: bool) -> None:
    answer = dict(given)
    assert fill_identity(answer, lambda: OURS) is changed
    assert isinstance(answer["id"], str)
    assert type(answer["created"]) is int
    assert isinstance(answer["model"], str)
    kept = {key: value for key, value in given.items() if answer[key] == value and type(answer[key]) is type(value)}
    assert len(kept) >= len(given) - 1
