"""Usual events are passed on by the run, and what comes of it is what reading each of them would have made."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.upstream.relay import Relay, StreamBroken
from worker.upstream.usual_run import counts_of, run_of, shape_of

BASE = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
HEAD = b'data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{'


class Reader(Relay):
    """A relay that looks at every event: what its brother does by the run is held against it."""

    def _pass_on(self, data: bytes, stop: int, ready: list[bytes]) -> None:
        self._looks, self._shape = 0, None
        super()._pass_on(data, stop, ready)


def event(
    text: Any, *, usage: Any = "absent", finish: str | None = None, ascii_only: bool = True, **delta: Any
) -> bytes:
    choice = {"index": 0, "delta": {**delta, "content": text}, "logprobs": None, "finish_reason": finish}
    chunk: dict[str, Any] = {**BASE, "choices": [choice]}
    if usage != "absent":
        chunk["usage"] = usage
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=ascii_only).encode() + b"\n\n"


def play(kind: type[Relay], pieces: list[bytes], include_usage: bool) -> tuple[bytes, Any, int, bool, str]:
    relay, out, words = kind(include_usage, lambda _: b": end\n\n"), b"", ""
    try:
        for piece in pieces:
            out += relay.feed(piece)
        out += relay.finish()
    except StreamBroken as problem:
        out, words = out + problem.whole, problem.message
    return out, relay.usage, relay.counted_tokens(), relay.finished, words


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(marks)]


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", '"', "\\", '\\"', '"},"error":1', "\n\n", "data: {", '","finish_reason":null}]}\n\n', "\u00fc"]
    ),
)
EVENTS = st.one_of(
    st.builds(event, TEXTS, ascii_only=st.booleans()),
    st.builds(event, TEXTS, usage=st.none()),
    st.builds(event, TEXTS, role=st.just("assistant")),
    st.builds(event, TEXTS, reasoning_content=TEXTS),
    st.builds(event, st.integers(0, 9)),
    st.builds(event, TEXTS, usage=st.just({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})),
    st.sampled_from([b": ping\n\n", b"\n", b"data: {}\n\n", b'data: {"error":{"message":"no"}}\n\n', b"event: x\n\n"]),
)
ENDS = [b"", event("", finish="stop"), event("", finish="stop") + b"data: [DONE]\n\n"]


@given(
    st.lists(st.tuples(EVENTS, st.integers(1, 5)), max_size=8),
    st.sampled_from(ENDS),
    st.lists(st.integers(0, 10_000), max_size=6),
    st.booleans(),
)
def test_any_stream_comes_out_as_if_every_event_were_read(
    events: list[tuple[bytes, int]], ending: bytes, places: list[int], include_usage: bool
) -> None:
    data = b"".join(one * times for one, times in events) + ending
    pieces = cut(data, places)
    assert play(Relay, pieces, include_usage) == play(Reader, pieces, include_usage)


@pytest.mark.parametrize("include_usage", [True, False])
@pytest.mark.parametrize("usage", ["absent", None])
def test_a_run_is_passed_on_whole_and_counted(include_usage: bool, usage: Any) -> None:
    events = [event(text, usage=usage) for text in ("Gr\u00fc\u00dfe", "", " aus ", "K\u00f6ln", '"ja"')]
    shape = shape_of(events[0][:-2], len(HEAD), include_usage)
    assert shape is not None
    data = b"".join(events[1:4]) + b"data: [DONE]\n\n"
    assert run_of(data, 0, len(data), shape) == (len(data) - 14, 3)
    plain = b"".join([event(text, usage=usage, ascii_only=False) for text in ("", " aus ", "K\u00f6ln")])
    assert counts_of(plain, 0, len(plain), 3, shape) == (2, len(" ausK\u00f6ln ".encode()))
    assert counts_of(data, 0, len(data) - 14, 3, shape) is None  # it has an escape


@pytest.mark.parametrize(
    "smuggled",
    [
        event("a").replace(b'"a"', b'"a","refusal":"b"'),
        event("a").replace(b'"a"', b'"a"},"error":{"x":"b"'),
        event("a").replace(b'"a"', b'"a\nb"'),
        event("a").replace(b'"a"', b'"a\n\nb"'),
        event("a").replace(b'"finish_reason":null', b'"finish_reason":"stop"'),
        event("a").replace(b'"c1"', b'"c2"'),
        event("a").replace(b"data: ", b"data:  "),
        event("a", usage={"prompt_tokens": 1}),
        event("a\\"),
        b": ping\n\n",
    ],
)
def test_one_that_is_not_like_the_others_is_found_among_them(smuggled: bytes) -> None:
    shape = shape_of(event("a")[:-2], len(HEAD), False)
    assert shape is not None
    data = event("x") + smuggled + event("y")
    assert run_of(data, 0, len(data), shape)[1] == 0


@pytest.mark.parametrize(
    "unusual",
    [
        event(7),
        event("a", finish="stop"),
        event("a", tool_calls=[]),
        event("a").replace(b"}]}", b'},{"index":1,"delta":{"content":"b"},"finish_reason":null}]}'),
        event("a", usage={"prompt_tokens": 1}),
        event("a").replace(b"}\n\n", b',"error":null}\n\n'),
        event("a").replace(b"}\n\n", b',"x":"\\\\"}\n\n'),
        event("a").replace(b'"logprobs"', b'"refusal":"b","logprobs"').replace(b'"a"}', b'"a"'),
    ],
)
def test_no_shape_is_learnt_from_an_unusual_event(unusual: bytes) -> None:
    assert shape_of(unusual[:-2], len(HEAD), True) is None
