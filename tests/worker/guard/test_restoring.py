"""What placeholders stand for comes back: in whole answers, and in streams, however they are cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.guard.redaction import PLACEHOLDER_CHARACTERS
from worker.guard.restoring import RestoredRelay, TextRestorer, json_texts, restore_text, restore_value
from worker.guard.restoring_chat import ChatEvents
from worker.guard.restoring_responses import ResponseEvents
from worker.upstream.relay import Relay, StreamBroken
from worker.upstream.relay_responses import ResponsesRelay

ORIGINALS = {
    "[EMAIL_1]": "jane@example.com",
    "[EMAIL_12]": 'ö"[EMAIL_1]"\n',
    "[PRIVATE_KEY_1]": "-----BEGIN",
    "[CARD_99999]": "4",
}
PIECES = (
    "[EMAIL_1]",
    "[EMAIL_12]",
    "[EMAIL_2]",
    "[PRIVATE_KEY_1]",
    "[CARD_99999]",
    "[",
    "]",
    "[EMAIL_",
    "_1]",
    "a",
    "日",
)
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def cuts(text: str, sizes: list[int]) -> Iterator[str]:
    at = 0
    for size in sizes:
        yield text[at : at + size]
        at += size
    yield text[at:]


def test_unknown_placeholders_and_brackets_stay() -> None:
    assert (
        restore_text("to [EMAIL_1]; [EMAIL_2] [x] [EMAIL_1", ORIGINALS) == "to jane@example.com; [EMAIL_2] [x] [EMAIL_1"
    )
    assert restore_text("[CARD_99999][EMAIL_12]", ORIGINALS) == '4ö"[EMAIL_1]"\n'


def test_within_json_text_the_original_is_escaped() -> None:
    arguments = '{"to":"[EMAIL_12]"}'
    restored = restore_value({"function": {"arguments": arguments}}, ORIGINALS)["function"]["arguments"]
    assert json.loads(restored) == {"to": ORIGINALS["[EMAIL_12]"]}


@given(texts, st.lists(st.integers(0, 5), max_size=40))
def test_any_cutting_gives_the_same_text(text: str, sizes: list[int]) -> None:
    restorer = TextRestorer(ORIGINALS)
    said = []
    for piece in cuts(text, sizes):
        said.append(restorer.feed(piece))
        assert len(restorer._held) < PLACEHOLDER_CHARACTERS
    assert "".join([*said, restorer.finish()]) == restore_text(text, ORIGINALS)


def test_only_what_may_become_a_placeholder_is_held_back() -> None:
    restorer = TextRestorer(ORIGINALS)
    assert restorer.feed("see [1") == "see "
    assert restorer.feed("] and [EMA") == "[1] and "
    assert restorer.feed("IL_1] [not a") == "jane@example.com [not a"
    assert restorer.feed("[" + "A" * PLACEHOLDER_CHARACTERS) == "[" + "A" * PLACEHOLDER_CHARACTERS
    assert restorer.finish() == ""


def delta_event(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def relay(choices: int = 1) -> RestoredRelay:
    return RestoredRelay(Relay(False, lambda _: b": end\n\n", choices), ChatEvents(ORIGINALS))


def chunks_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(event[6:]) for event in data.split(b"\n\n") if event.startswith(b"data: {")]


def spoken(data: bytes, index: int = 0) -> str:
    """What a client hears in one choice, in order: its texts, and what it calls."""
    heard = ""
    for chunk in chunks_of(data):
        for choice in chunk["choices"]:
            if choice["index"] == index:
                heard += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls") or ():
                    heard += f"<{call['index']}:{call['function'].get('arguments', '')}>"
    return heard


@given(texts, st.lists(st.integers(0, 6), max_size=30), st.lists(st.integers(1, 300), max_size=20))
def test_a_stream_says_what_its_whole_would(text: str, deltas: list[int], reads: list[int]) -> None:
    stream = b"".join(delta_event({"content": piece}) for piece in cuts(text, deltas))
    stream += delta_event({}, "stop") + DONE
    restored, out, at = relay(), b"", 0
    for size in (*reads, len(stream)):
        out += restored.feed(stream[at : at + size])
        at += size
    assert restored.done
    assert spoken(out) == restore_text(text, ORIGINALS)
    assert out.endswith(b": end\n\n" + DONE)


def test_an_event_without_a_placeholder_leaves_as_it_came() -> None:
    event = delta_event({"content": "plain"})
    assert relay().feed(event) == event


def test_what_was_held_back_is_said_before_anything_else() -> None:
    call = {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": '{"to":"[EM'}}
    rest = {"index": 0, "function": {"arguments": 'AIL_1]"}'}}
    restored = relay()
    out = restored.feed(delta_event({"role": "assistant", "content": "see [EMA"}))
    out += restored.feed(delta_event({"tool_calls": [call]}))
    out += restored.feed(delta_event({"tool_calls": [rest]}))
    assert [chunk["choices"][0]["delta"] for chunk in chunks_of(out)][1]["content"] == "[EMA"
    out += restored.feed(delta_event({}, "tool_calls") + DONE)
    assert spoken(out) == 'see [EMA<0:{"to":"><0:jane@example.com"}>'


def test_the_end_of_a_choice_brings_what_was_held_back() -> None:
    restored = relay(choices=2)
    out = restored.feed(delta_event({"content": "one [EMAIL"}) + delta_event({"content": "two [EMAIL_1"}, index=1))
    out += restored.feed(delta_event({}, "stop") + delta_event({"content": "]"}, "stop", index=1) + DONE)
    assert (spoken(out, 0), spoken(out, 1)) == ("one [EMAIL", "two jane@example.com")


def test_a_stream_that_breaks_still_says_what_was_held_back() -> None:
    restored = relay()
    assert spoken(restored.feed(delta_event({"content": "to [EMAIL_1] and [CARD"}))) == "to jane@example.com and "
    with pytest.raises(StreamBroken) as broken:
        restored.feed(delta_event({"content": "_99999]!"}) + b'data: {"error":{"message":"x"}}\n\n')
    assert spoken(broken.value.whole) == "4!"
    assert restored.flush() == b""
    restored = relay()
    restored.feed(delta_event({"content": "to [CARD"}))
    with pytest.raises(StreamBroken) as broken:
        restored.finish()
    assert spoken(broken.value.whole) == "[CARD"
    restored = relay()
    restored.feed(delta_event({"content": "to [CARD"}))
    assert spoken(restored.flush()) == "[CARD"


def test_usage_and_counts_are_the_relays() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    end = b"data: " + json.dumps({"id": "c", "choices": [], "usage": usage}).encode() + b"\n\n"
    restored = relay()
    restored.feed(delta_event({"content": "[EMAIL_1]"}) + delta_event({}, "stop"))
    restored.feed(end + DONE)
    assert (restored.done, restored.usage) == (True, (3, 5))
    assert restored.counted_tokens() >= 1


def response_event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def values_of(data: bytes) -> list[dict[str, Any]]:
    lines = [line for event in data.split(b"\n\n") for line in event.split(b"\n") if line.startswith(b"data:")]
    return [json.loads(line[5:]) for line in lines]


@given(texts, st.lists(st.integers(0, 6), max_size=30))
def test_a_streamed_response_says_what_its_whole_would(text: str, sizes: list[int]) -> None:
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    kind = "response.output_text"
    stream = b"".join(response_event(f"{kind}.delta", delta=piece, **place) for piece in cuts(text, sizes))
    stream += response_event(f"{kind}.done", text=text, **place)
    stream += response_event("response.completed", response={"output": [{"content": [{"text": text}]}]})
    restored = RestoredRelay(ResponsesRelay(lambda _: b": end\n\n"), ResponseEvents(ORIGINALS))
    values = values_of(restored.feed(stream))
    whole = restore_text(text, ORIGINALS)
    assert restored.done
    assert "".join([value["delta"] for value in values if value["type"].endswith(".delta")]) == whole
    assert [value["text"] for value in values if value["type"].endswith(".done")] == [whole]
    assert [value["type"] for value in values][-2:] == [f"{kind}.done", "response.completed"]
    assert values[-1]["response"]["output"][0]["content"][0]["text"] == whole


def test_an_answer_that_was_asked_for_as_json_stays_json() -> None:
    said = '{"to":"[EMAIL_12]"}'
    whole = restore_value({"content": said}, ORIGINALS, escaped=json_texts(wants_json=True))
    assert json.loads(whole["content"]) == {"to": ORIGINALS["[EMAIL_12]"]}
    for size in range(1, len(said) + 1):
        pieces = [said[at : at + size] for at in range(0, len(said), size)]
        chat, response = ChatEvents(ORIGINALS, wants_json=True), ResponseEvents(ORIGINALS, wants_json=True)
        chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
        out = b"".join([chat.restored(b"data: " + json.dumps(chunk).encode()) for chunk in chunks]) + chat.flush()
        told = [json.loads(event[6:])["choices"][0]["delta"] for event in out.decode().split("\n\n")[:-1]]
        assert "".join(delta["content"] for delta in told) == whole["content"]
        events = [{"type": "response.output_text.delta", "item_id": "m", "delta": piece} for piece in pieces]
        out = b"".join([response.restored(b"data: " + json.dumps(one).encode()) for one in events]) + response.flush()
        datas = [json.loads(event.split("data: ")[1]) for event in out.decode().split("\n\n")[:-1]]
        assert "".join(one["delta"] for one in datas) == whole["content"]


def test_what_a_custom_tool_is_called_with_is_restored_too() -> None:
    said = "mail [EMAIL_1]!"
    for size in range(1, len(said) + 1):
        events, out = ChatEvents(ORIGINALS), b""
        for at in range(0, len(said), size):
            call = {"index": 0, "custom": {"input": said[at : at + size]}}
            chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
            out += events.restored(b"data: " + json.dumps(chunk).encode())
        out += events.flush()
        told = [json.loads(event[6:])["choices"][0]["delta"] for event in out.decode().split("\n\n")[:-1]]
        assert "".join(delta["tool_calls"][0]["custom"]["input"] for delta in told) == "mail jane@example.com!"


@pytest.mark.parametrize("odd", [[], {}, [[1]], {"a": []}])
def test_a_place_that_is_no_number_and_no_id_is_a_place_too(odd: Any) -> None:
    chat, response = ChatEvents(ORIGINALS), ResponseEvents(ORIGINALS)
    call = {"index": odd, "function": {"arguments": "[EMAIL_1]"}}
    chunk = {"choices": [{"index": odd, "delta": {"content": "[EMAIL_1]", "tool_calls": [call]}}]}
    told = json.loads(chat.restored(b"data: " + json.dumps(chunk).encode())[6:])["choices"][0]["delta"]
    assert told["content"] == told["tool_calls"][0]["function"]["arguments"] == "jane@example.com"
    event = {"type": "response.output_text.delta", "item_id": odd, "output_index": odd, "delta": "[EMAIL_1]"}
    assert b'"delta":"jane@example.com"' in response.restored(b"data: " + json.dumps(event).encode())
