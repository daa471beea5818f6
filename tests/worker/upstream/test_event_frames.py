"""Events are told apart however their bytes are cut, and at a price that doesn't grow with what came before."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.upstream.event_frames import EventFrames, payload_of, payloads_of

PIECES = st.sampled_from([b"\n", b"\r", b"\r\n", b"data: x", b":", b"data:", b"\xef\xbb\xbf", b"\xef", b"\x00", b" "])
STREAMS = st.lists(PIECES, max_size=30).map(b"".join)


def whole(stream: bytes) -> tuple[bytes, bytes]:
    """The complete events of a stream and what follows them, all of it at hand."""
    lines = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    end = lines.rfind(b"\n\n") + 2
    return (lines[:end], lines[end:]) if end > 1 else (b"", lines)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
def test_a_stream_is_cut_into_the_same_events_wherever_its_bytes_are_cut(stream: bytes, places: list[int]) -> None:
    marks = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    frames, events = EventFrames(), b""
    for start, end in pairwise(marks):
        events += frames.feed(stream[start:end])
        assert not events or events.endswith(b"\n\n")
    rest = frames.finish()
    # A line's end that came last may complete an event; whoever finishes takes that for the rest.
    assert events + rest == b"".join(whole(stream))
    assert rest.strip() == whole(stream)[1].strip() or stream.endswith((b"\r", b"\n"))
    assert frames.finish() == b""


def test_an_event_is_handed_on_with_its_last_byte() -> None:
    for newline in (b"\n", b"\r\n"):
        event = b"event: a" + newline + b"data: b" + newline * 2
        frames = EventFrames()
        assert [frames.feed(event[at : at + 1]) for at in range(len(event) - 1)] == [b""] * (len(event) - 1)
        assert frames.feed(event[-1:]) == b"event: a\ndata: b\n\n"


def test_an_event_in_small_pieces_is_put_together_once() -> None:
    frames = EventFrames()
    for _ in range(1_000):
        assert frames.feed(b"data: of several lines\n") == b""
    assert (len(frames._parts), frames.size) == (1_000, 23_000)
    assert frames.feed(b"\n") == b"data: of several lines\n" * 1_000 + b"\n"
    assert (len(frames._parts), frames.size) == (0, 0)


def test_the_payload_is_what_the_data_lines_say_together() -> None:
    assert payload_of(b": a\nevent: b") is None
    assert payload_of(b"data: {\n: a\nid: 1\ndata:}") == b"{\n}"
    assert list(payloads_of(b": a\n\ndata: 1\n\n\n\ndata:2\n\n")) == [b"1", b"2"]
