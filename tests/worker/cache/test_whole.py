"""Which answers are whole: what says so by itself, in each endpoint's form, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.cache.recording import RecordedRelay
from worker.cache.whole import (
    is_whole_chat,
    is_whole_chat_stream,
    is_whole_embeddings,
    is_whole_response,
    is_whole_response_stream,
)
from worker.upstream.relay import Relay, StreamBroken
from worker.upstream.relay_responses import ResponsesRelay


def answer(*reasons: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "A"}, "finish_reason": reason} for reason in reasons]}


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "function_call"])
def test_a_chat_answer_that_its_model_finished_is_whole(reason: str) -> None:
    assert is_whole_chat(answer(reason))
    assert is_whole_chat(answer("stop", reason))


@pytest.mark.parametrize(
    "value",
    [
        answer("length"),
        answer("content_filter"),
        answer("stop", "length"),
        answer(None),
        answer(7),
        answer(["stop"]),
        answer(),
        {"choices": [{"message": {"content": "A"}}]},
        {"choices": [{"message": {"content": None, "refusal": "I can't help."}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": "A"}, "finish_reason": "stop", "error": {"code": 502}}]},
        {**answer("stop"), "error": {"message": "overloaded"}},
        {"choices": ["stop"]},
        {"choices": "stop"},
        {},
    ],
)
def test_any_other_chat_answer_is_not(value: dict[str, Any]) -> None:
    assert not is_whole_chat(value)


def chunk(content: str | None, finish: Any = None, index: int = 0, compact: bool = True) -> bytes:
    delta = {} if content is None else {"content": content}
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    value = {"id": "c", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(value, separators=(",", ":") if compact else None).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("compact", [True, False])
def test_a_chat_stream_is_whole_once_every_choice_is_finished(compact: bool) -> None:
    said = chunk('say "finish_reason":"length"', compact=compact)
    assert is_whole_chat_stream(b": hi\n\n" + said + chunk(None, "stop", compact=compact) + DONE, 1)
    assert not is_whole_chat_stream(said + chunk(None, "length", compact=compact) + DONE, 1)
    assert not is_whole_chat_stream(said + DONE, 1)
    assert not is_whole_chat_stream(said + b"data: {broken\n\n" + DONE, 1)
    assert not is_whole_chat_stream(b"", 1)
    both = chunk(None, "stop", 0, compact) + chunk(None, "tool_calls", 1, compact)
    assert is_whole_chat_stream(both + DONE, 2)
    assert not is_whole_chat_stream(chunk(None, "stop", 0, compact) + DONE, 2)
    assert not is_whole_chat_stream(chunk(None, "stop", 0, compact) + chunk(None, "length", 1, compact) + DONE, 2)


@pytest.mark.parametrize("compact", [True, False])
def test_a_stream_of_a_refusal_is_no_answer(compact: bool) -> None:
    end = chunk(None, "stop", compact=compact) + DONE
    delta = {"choices": [{"index": 0, "delta": {"refusal": "I can"}, "finish_reason": None}]}
    refusal = b"data: " + json.dumps(delta, separators=(",", ":") if compact else None).encode() + b"\n\n"
    assert not is_whole_chat_stream(refusal + end, 1)
    assert not is_whole_chat_stream(refusal + end, 2)
    assert is_whole_chat_stream(refusal.replace(b'"I can"', b"null") + end, 1)
    assert is_whole_chat_stream(refusal.replace(b'"I can"', b'""') + end, 1)
    assert is_whole_chat_stream(chunk('say "refusal":"no"', compact=compact) + end, 1)


@pytest.mark.parametrize(
    "choices",
    [
        '[{"index":0,"finish_reason":"stop"},5]',
        '[{"index":[0],"finish_reason":"stop"}]',
        "7",
        '"stop"',
        '{"a":1}',
        "[[]]",
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_whatever_a_provider_says_of_choices_is_looked_at_without_a_fault(choices: str, count: int) -> None:
    event = f'data: {{"id":"c","choices":{choices}}}\n\n'.encode()
    assert not is_whole_chat_stream(event + event + DONE, 3)
    is_whole_chat_stream(event + DONE, count)


def test_vectors_are_whole_unless_one_is_empty() -> None:
    assert is_whole_embeddings({"data": [{"embedding": [0.0]}, {"embedding": "AAAA"}]})
    for data in ([], [{"embedding": []}], [{"embedding": [0.1]}, {"embedding": ""}], [{}], None, "x"):
        assert not is_whole_embeddings({"data": data})
    assert not is_whole_embeddings({"data": [{"embedding": [0.1]}], "error": {"message": "half of it"}})


def test_a_response_is_whole_when_it_says_so() -> None:
    assert is_whole_response({"status": "completed", "error": None, "output": []})
    for status in ("incomplete", "failed", "in_progress", None):
        assert not is_whole_response({"status": status, "output": []})
    assert not is_whole_response({"output": []})
    assert not is_whole_response({"status": "completed", "error": {"code": "x"}})
    said: dict[str, Any] = {"type": "message", "content": [{"type": "output_text", "text": "A"}]}
    assert is_whole_response({"status": "completed", "output": [said, {"type": "function_call"}, 7]})
    refused = {"type": "message", "content": [{"type": "refusal", "refusal": "I can't help."}]}
    assert not is_whole_response({"status": "completed", "output": [said, refused]})


def typed(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def test_a_stream_of_typed_events_is_whole_by_its_last_one() -> None:
    begun = typed("response.created", response={"status": "in_progress"})
    completed = typed("response.completed", response={"status": "completed"})
    assert is_whole_response_stream(begun + completed, 1)
    assert not is_whole_response_stream(begun, 1)
    assert not is_whole_response_stream(begun + typed("response.incomplete", response={"status": "incomplete"}), 1)
    assert not is_whole_response_stream(begun + typed("response.completed"), 1)
    assert not is_whole_response_stream(b"", 1)


def recorded(pieces: list[bytes], most_bytes: int = 10_000) -> tuple[bytes, list[bytes]]:
    """What a client gets of a stream, and what its recording hands over."""
    copies: list[bytes] = []
    relay = RecordedRelay(Relay(False, lambda _: b": harpoon-cost-usd 1\n\n"), most_bytes, copies.append)
    return b"".join(relay.feed(piece) for piece in pieces), copies


def test_the_copy_is_what_the_client_got_however_the_stream_is_cut() -> None:
    stream = chunk("Grüße") + chunk(None, "stop") + DONE
    whole, copies = recorded([stream])
    assert copies == [whole]
    for cut in range(1, len(stream)):
        sent, copies = recorded([stream[:cut], stream[cut:]])
        assert (sent, copies) == (whole, [whole])
    assert is_whole_chat_stream(whole, 1)


def test_nothing_is_handed_over_of_a_stream_that_is_too_long_or_has_no_end() -> None:
    stream = [chunk("a" * 100), chunk("b" * 100), chunk(None, "stop"), DONE]
    whole, copies = recorded(stream)
    assert copies == [whole]
    assert recorded(stream, len(whole))[1] == [whole]
    assert recorded(stream, len(whole) - 1)[1] == []
    assert recorded(stream, 10)[0] == whole, "the client gets all of it"
    assert recorded(stream[:-1])[1] == []


def test_a_broken_stream_is_handed_on_as_broken() -> None:
    copies: list[bytes] = []
    relay = RecordedRelay(ResponsesRelay(lambda _: b""), 1_000, copies.append)
    relay.feed(typed("response.created", response={}))
    with pytest.raises(StreamBroken):
        relay.finish()
    assert (copies, relay.done, relay.usage) == ([], False, None)
