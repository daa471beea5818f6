"""A provider's stream on its way to the client: however it is cut and framed, the same bytes come out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.upstream import relay as relay_module
from worker.upstream.relay import DONE, Relay, StreamBroken, error_event, is_error

CLOSING = b": the end is near\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice], **members}


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
TAIL = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [], "usage": USAGE}
PLAIN = [
    event(chunk({"role": "assistant", "content": ""})),
    event(chunk({"content": "Grüße"})),
    event(chunk({"content": " 世界 🌍\n\r\u2028\x85"})),
    event(chunk({"content": ' {"usage":null} "error" data: [DONE]'})),
    event(chunk({}, "stop")),
]
GOLDEN = b"".join(
    [b": keep-alive\n\n", *PLAIN[:2], b"event: message\nid: 7\nretry: 10\n" + PLAIN[2], *PLAIN[3:], event(TAIL), DONE]
)
#: Without usage asked for: the comment stays, event names and ids go, the usage chunk goes, our comment comes.
EXPECTED = b": keep-alive\n\n" + b"".join(PLAIN) + CLOSING + DONE


def run(pieces: Iterable[bytes], *, include_usage: bool = False) -> tuple[bytes, Relay]:
    """What the client gets of a stream that arrives in `pieces`."""
    relay = Relay(include_usage, lambda _: CLOSING)
    out = b"".join([relay.feed(piece) for piece in pieces])
    return out + relay.finish(), relay


def chunks_of(out: bytes) -> list[Any]:
    """The JSON events of an answer that ends well."""
    assert out.endswith(DONE)
    lines = out.removesuffix(DONE).split(b"\n\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]


def broken(*pieces: bytes, words: str) -> bytes:
    """What got through before the stream broke."""
    relay = Relay(False, lambda _: CLOSING)
    out: list[bytes] = []

    def feed_all() -> None:
        out.extend(map(relay.feed, pieces))
        out.append(relay.finish())

    with pytest.raises(StreamBroken, match=words) as raised:
        feed_all()
    out.append(raised.value.whole)
    assert DONE not in b"".join(out)
    return b"".join(out)


FRAMINGS = [b"\n", b"\r\n", b"\r"]


def framed(stream: bytes, newline: bytes) -> bytes:
    return stream.replace(b"\n", newline)


@pytest.mark.parametrize("newline", FRAMINGS)
@pytest.mark.parametrize("include_usage", [False, True])
def test_a_stream_cut_at_every_byte_comes_out_the_same(newline: bytes, include_usage: bool) -> None:
    stream = framed(GOLDEN, newline)
    whole, relay = run([stream], include_usage=include_usage)
    assert relay.usage == (11, 5)
    if not include_usage:
        assert whole == EXPECTED
    for at in range(len(stream) + 1):
        cut, relay = run([stream[:at], stream[at:]], include_usage=include_usage)
        assert cut == whole
        assert (relay.usage, relay.done) == ((11, 5), True)


@pytest.mark.parametrize("newline", FRAMINGS)
@pytest.mark.parametrize("include_usage", [False, True])
def test_a_stream_fed_byte_by_byte_comes_out_the_same(newline: bytes, include_usage: bool) -> None:
    stream = framed(GOLDEN, newline)
    whole, _ = run([stream], include_usage=include_usage)
    assert run([stream[at : at + 1] for at in range(len(stream))], include_usage=include_usage)[0] == whole


@given(st.lists(st.integers(0, len(GOLDEN)), max_size=40), st.sampled_from(FRAMINGS), st.booleans())
def test_any_cuts_come_out_the_same(cuts: list[int], newline: bytes, include_usage: bool) -> None:
    stream = framed(GOLDEN, newline)
    ends = [0, *sorted(cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(ends)]
    assert run(pieces, include_usage=include_usage)[0] == run([stream], include_usage=include_usage)[0]


def test_an_event_leaves_with_its_last_byte_and_not_later() -> None:
    relay = Relay(False, lambda _: b"")
    assert relay.feed(PLAIN[1][:-1]) == b""
    assert relay.feed(PLAIN[1][-1:]) == PLAIN[1]


def test_lines_ended_in_every_way_at_once() -> None:
    mixed = PLAIN[0][:-2] + b"\r\n\r" + PLAIN[1][:-2] + b"\n\r" + PLAIN[4][:-2] + b"\r\r\n" + DONE
    assert chunks_of(run([mixed])[0]) == chunks_of(PLAIN[0] + PLAIN[1] + PLAIN[4] + DONE)


def test_a_stream_cut_short_anywhere_never_looks_complete() -> None:
    """Unless all that is missing is the word [DONE]: the finish reason arrived whole."""
    finish = GOLDEN.index(PLAIN[4]) + len(PLAIN[4].rstrip(b"\n"))
    usage_ends = GOLDEN.index(event(TAIL)) + len(event(TAIL).rstrip(b"\n"))
    for at in range(len(GOLDEN)):
        relay, out = Relay(False, lambda _: CLOSING), b""
        try:
            out = relay.feed(GOLDEN[:at])
            out += relay.finish()
        except StreamBroken:
            assert DONE not in out
            assert at < finish or at not in (finish, finish + 1, finish + 2, usage_ends, len(GOLDEN) - 2)
            continue
        assert at >= finish
        assert out == EXPECTED
        assert relay.usage == ((11, 5) if at >= usage_ends else None)


def test_with_usage_asked_for_every_chunk_has_it_and_the_last_one_says_it() -> None:
    for absent in ({}, {"usage": None}):
        pieces = [event(chunk({"content": "a"}, **absent)), event(chunk({}, "stop", **absent)), event(TAIL), DONE]
        chunks = chunks_of(run(pieces, include_usage=True)[0])
        assert [c["usage"] for c in chunks] == [None, None, USAGE]
        assert [len(c["choices"]) for c in chunks] == [1, 1, 0]


def test_with_no_usage_asked_for_none_is_seen() -> None:
    for absent in ({}, {"usage": None}):
        pieces = [event(chunk({"content": "a"}, **absent)), event(chunk({}, "stop", **absent)), event(TAIL), DONE]
        out, relay = run(pieces)
        assert b"usage" not in out
        assert len(chunks_of(out)) == 2
        assert relay.usage == (11, 5)


def test_null_usage_is_cut_out_wherever_it_stands_and_nothing_else_is() -> None:
    first = {"usage": None, **chunk({"content": '"usage":null'})}
    spaced = b"data: " + json.dumps(chunk({"content": "b"}, usage=None, odd=[1])).encode() + b"\n\n"
    out, _ = run([event(first), spaced, event(chunk({}, "stop")), DONE])
    assert chunks_of(out) == [chunk({"content": '"usage":null'}), chunk({"content": "b"}, odd=[1]), chunk({}, "stop")]


def test_usage_in_the_last_content_chunk_becomes_a_chunk_of_its_own() -> None:
    """Some providers report usage with the finish reason, some in every chunk; the last report counts."""
    early = {"prompt_tokens": 11, "completion_tokens": 1}
    pieces = [event(chunk({"content": "a"}, usage=early)), event(chunk({}, "stop", usage=USAGE)), DONE]
    out, relay = run(pieces)
    assert b"usage" not in out
    assert relay.usage == (11, 5)
    chunks = chunks_of(run(pieces, include_usage=True)[0])
    said = [c for c in chunks if c["usage"] is not None]
    assert said == [chunks[-1]]
    assert said[0]["choices"] == []
    assert said[0]["usage"] == USAGE


def test_a_stream_without_usage_is_counted() -> None:
    words = ["Grüße", " an", " alle", "!"]
    pieces = [event(chunk({"content": word})) for word in words]
    _, relay = run([event(chunk({"role": "assistant", "content": ""})), *pieces, event(chunk({}, "stop")), DONE])
    assert relay.usage is None
    assert relay.counted_tokens() == 4


COUNTED: list[tuple[dict[str, Any], int]] = [
    ({"content": "x" * 41}, 11),
    ({"content": "x"}, 1),
    ({"content": ""}, 0),
    ({"content": None, "refusal": "I would rather not."}, 5),
    ({"reasoning_content": "é" * 20}, 10),
    ({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, 12),
    ({"content": ["?"]}, 2),
    ({}, 0),
]


@pytest.mark.parametrize(("delta", "tokens"), COUNTED)
def test_what_counts_as_output(delta: dict[str, Any], tokens: int) -> None:
    _, relay = run([event(chunk(delta)), event(chunk({}, "stop")), DONE])
    assert relay.counted_tokens() == tokens


def test_counting_a_long_stream_keeps_no_more_than_a_part_of_it() -> None:
    relay = Relay(False, lambda _: b"")
    for _ in range(3_000):
        relay.feed(PLAIN[1])
    assert len(relay._content_events) < 1_000
    assert relay.counted_tokens() == 5_250  # 7 bytes each, four to a token
    assert relay.counted_tokens() == 5_250


def test_missing_fields_are_filled_in() -> None:
    bare = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [{}]}
    words = {**bare, "choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]}
    out, relay = run([event(bare), event(words), event(chunk({}, "stop")), DONE])
    first, second, _ = chunks_of(out)
    assert first["choices"] == [{"index": 0, "delta": {}, "finish_reason": None}]
    assert [(c["index"], c["finish_reason"]) for c in second["choices"]] == [(0, None), (1, None)]
    assert relay.counted_tokens() == 1


def test_chunks_that_say_nothing_are_dropped() -> None:
    empty = {**TAIL, "usage": None}
    filtered = {"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    out, _ = run([event(filtered), event(empty), *PLAIN, DONE])
    assert out == b"".join(PLAIN) + CLOSING + DONE


def test_comments_pass_and_other_fields_do_not() -> None:
    pieces = [b": one\n\n", b"event: ping\n\n", b"id: 4\n\n", b"retry: 9\n\n", b"unknown\n\n", b"\n\n\n", *PLAIN, DONE]
    assert run(pieces)[0] == b": one\n\n" + b"".join(PLAIN) + CLOSING + DONE


def test_a_comment_in_front_of_data_does_not_hide_it() -> None:
    pieces = [b": processing\n" + PLAIN[1], b": more\n" + PLAIN[4], b": bill\n" + event(TAIL), b": over\n" + DONE]
    out, relay = run(pieces)
    assert chunks_of(out) == [json.loads(PLAIN[1][6:]), json.loads(PLAIN[4][6:])]
    assert relay.usage == (11, 5)


def test_data_over_several_lines_is_one_event() -> None:
    text = json.dumps(chunk({"content": "a"}), indent=2)
    lines = "".join(f"data: {line}\n" for line in text.split("\n")).encode() + b"\n"
    assert chunks_of(run([lines, event(chunk({}, "stop")), DONE])[0])[0] == chunk({"content": "a"})


def test_a_field_needs_no_space_after_its_colon() -> None:
    tight = b"".join(PLAIN).replace(b"data: {", b"data:{") + b"data:[DONE]\n\n"
    assert chunks_of(run([tight])[0]) == chunks_of(b"".join(PLAIN) + DONE)


def test_whitespace_in_the_finish_reason_does_not_end_a_stream() -> None:
    loose = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason" :  null}]}\n\n'
    assert json.loads(broken(loose, words="ended before the answer did")[6:]).items() >= json.loads(loose[6:]).items()


def test_a_missing_done_after_the_finish_reason_is_made_good() -> None:
    out, relay = run([*PLAIN])
    assert out == b"".join(PLAIN) + CLOSING + DONE
    assert relay.done
    assert run([b"".join(PLAIN).rstrip(b"\n")])[0] == out


def test_every_choice_needs_its_finish_reason() -> None:
    one, two = chunk({}, "stop"), chunk({}, "length")
    two["choices"][0]["index"] = 1
    for events, complete in (([one], False), ([one, one], False), ([one, two], True), ([two, one], True)):
        relay = Relay(False, lambda _: CLOSING, choices=2)
        relay.feed(b"".join(map(event, events)))
        assert relay.finished is complete


def test_nothing_after_done_is_passed_on() -> None:
    out, relay = run([*PLAIN, DONE + PLAIN[1], PLAIN[1], b": late\n\n"])
    assert out == b"".join(PLAIN) + CLOSING + DONE
    assert relay.feed(PLAIN[1]) == b""


BROKEN: list[tuple[str, list[bytes], str]] = [
    ("nothing at all", [], "ended before"),
    ("only comments", [b": hello\n\n"], "ended before"),
    ("no finish reason", PLAIN[:3], "ended before"),
    ("half an event", [PLAIN[0], PLAIN[1][:40]], "not JSON"),
    ("half an event that looks whole", [PLAIN[4].replace(b"]}", b"").rstrip(b"\n")], "not JSON"),
    ("half an object, well framed", [b'data: {"finish_reason":"stop"\n\n'], "not JSON"),
    ("an error event", [PLAIN[0], event({"error": {"message": "out of memory"}})], "reported an error"),
    ("an error beside choices", [event({**chunk({"content": "a"}), "error": {"code": 500}})], "reported an error"),
    ("not JSON", [PLAIN[0], b"data: <html>\n\n"], "not JSON"),
    ("NaN", [b'data: {"choices":[{"delta":{},"logprobs":NaN}]}\n\n'], "not JSON"),
    ("not an object", [b"data: [1]\n\n"], "not an object"),
    ("a string", [b'data: "hi"\n\n'], "not an object"),
    ("no choices", [b'data: {"id":"x"}\n\n'], "without choices"),
    ("choices of the wrong type", [b'data: {"choices":{}}\n\n'], "without choices"),
    ("a choice of the wrong type", [b'data: {"choices":[7]}\n\n'], "without choices"),
]


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize(("pieces", "words"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_stream_that_cannot_be_read_on_breaks(pieces: list[bytes], words: str, include_usage: bool) -> None:
    with pytest.raises(StreamBroken, match=words):
        run(pieces, include_usage=include_usage)
    broken(b"".join(pieces), words=words)


def test_what_arrived_before_the_break_is_still_counted() -> None:
    relay = Relay(False, lambda _: CLOSING)
    relay.feed(PLAIN[0] + PLAIN[1] + PLAIN[2])
    with pytest.raises(StreamBroken):
        relay.feed(event({"error": {"message": "x"}}))
    assert relay.counted_tokens() > 1


def test_what_was_whole_before_the_break_is_handed_out_however_it_was_cut() -> None:
    stream = b"".join(PLAIN[:3]) + event({"error": {"message": "x"}}) + PLAIN[3]
    for at in range(len(stream) + 1):
        assert broken(stream[:at], stream[at:], words="reported an error") == b"".join(PLAIN[:3])
    # The last event lacks its empty line, and no finish reason ever came.
    assert broken(PLAIN[0], PLAIN[1].rstrip(b"\n"), words="ended before") == PLAIN[0] + PLAIN[1]


def test_a_byte_order_mark_is_no_part_of_the_first_event() -> None:
    for newline in FRAMINGS:
        stream = framed(b"\xef\xbb\xbf" + b"".join(PLAIN) + DONE, newline)
        for at in range(6):
            out, relay = run([stream[:at], stream[at:]])
            assert (chunks_of(out), relay.finished) == (chunks_of(run([*PLAIN, DONE])[0]), True)


def usual(members: bytes) -> bytes:
    head = b'data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{'
    return head + members + b'},"finish_reason":null}]}\n\n'


@pytest.mark.parametrize(
    ("said", "tokens"), [(b"\xf0\x9f\x98 and more", 3), (b"a\tb", 1), (b"\\ud83d", 1), (b"\xff" * 40, 10), (b"", 0)]
)
def test_what_cannot_be_read_but_was_passed_on_is_counted(said: bytes, tokens: int) -> None:
    relay = Relay(False, lambda _: b"")
    stream = usual(b'"content":""') + usual(b'"content":"' + said + b'"')
    assert relay.feed(stream) == stream
    assert relay.counted_tokens() == tokens


@pytest.mark.parametrize("member", [b'"c1"', b'"m"'])
def test_a_name_that_is_no_text_breaks_the_stream(member: bytes) -> None:
    broken(usual(b'"content":"a"').replace(member, b'"\xff"'), words="not JSON")


@pytest.mark.parametrize(
    ("payload", "error"),
    [(b'{"error":{}}', False), (b'{"error":null}', False), (b'{"error":"x"}', True), (b'{"error":{"code":1}}', True)]
    + [(payload, False) for payload in (b"", b"[DONE]", b"[1]", b'{"er', b'"error"', b"\xff")],
)
def test_what_is_an_error_event(payload: bytes, error: bool) -> None:
    assert is_error(payload) is error


def test_an_endless_event_breaks_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "MAX_EVENT_BYTES", 1_000)
    relay = Relay(False, lambda _: b"")
    relay.feed(b"data: " + b"x" * 900)
    with pytest.raises(StreamBroken, match="larger than the gateway reads"):
        relay.feed(b"x" * 200)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_raise_anything_but_stream_broken(noise: bytes, include_usage: bool) -> None:
    for stream in (noise, b"data: {" + noise + b"\n\n", b'data: {"finish_reason"' + noise + b"\n\n"):
        try:
            run([PLAIN[0], stream, *PLAIN, DONE], include_usage=include_usage)
        except StreamBroken:
            continue


def test_the_error_event_has_the_shape_of_every_error() -> None:
    body = json.loads(error_event(StreamBroken("it broke"))[6:])
    error = {"message": "it broke", "type": "upstream_error", "param": None, "code": "stream_broken"}
    assert body == {"error": error}
