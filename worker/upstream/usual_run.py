"""Runs of a stream's usual content events, told by counting bytes instead of looking at each event.

A model that streams says the same with every token but for the text: how its events begin and end is learnt from one of
them, and whatever begins and ends so, with nothing but one JSON string in between, can be passed on as it is. It is not
told by reading: a quote inside a JSON string is escaped, so an event with as many quotes as its two ends have holds no
member more. Whatever is not of this form is for `relay` to read; nothing here changes what an event says.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: How the only member of a usual delta begins, after the role that some repeat.
_TEXTS = (b'"content":"', b'"reasoning_content":"')
_ROLE = b'"role":"assistant",'
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"')
_NO_USAGE = b',"usage":null'
#: The end of an event's object, and of the event.
_END = b"}\n\n"


class Shape(NamedTuple):
    """How the usual events of one stream begin and end, each with a quote of the text; `sent` is how they leave."""

    head: bytes
    tail: bytes
    sent: bytes


def shape_of(event: bytes, start: int, include_usage: bool) -> Shape | None:
    """The shape of an event's like, or None if it is no usual one.

    Args: event: one that leaves unchanged but for its empty usage member. start: where the members of its delta begin.
    """
    at = start + len(_ROLE) if event.startswith(_ROLE, start) else start
    for text in _TEXTS:
        if event.startswith(text, at):
            break
    else:
        return None
    string = _REST_OF_STRING.match(event, at + len(text))
    if string is None:
        return None
    tail = event[string.end() - 1 :] + b"\n\n"
    bare = tail.removesuffix(_NO_USAGE + _END) + _END if tail.endswith(_NO_USAGE + _END) else tail
    is_usual = tail.startswith(b'"}') and tail.endswith(_END) and b'"finish_reason":null' in tail
    if not is_usual or b'"usage"' in bare or b'"error"' in bare or b'"delta"' in bare or b"\\" in bare:
        return None
    sent = bare.removesuffix(_END) + _NO_USAGE + _END if include_usage else bare
    return Shape(event[:start] + text, tail, sent)


def run_of(data: bytes, at: int, stop: int, shape: Shape) -> tuple[int, int]:
    """Where the run of usual events from `at` on ends, before `stop`, and how many there are; 0 = others among them.

    The first of them begins like its kind, which the caller has seen.
    """
    last = data.rfind(shape.tail, at, stop)
    if last < 0:
        return at, 0
    end = last + len(shape.tail)
    count = data.count(b"\n\n", at, end)
    # An event's end is the only place for a tail, so as many tails as events are one for each; and likewise heads.
    if (
        data.count(shape.tail, at, end) != count
        or data.count(b"\n\n" + shape.head, at, end) != count - 1
        or data.count(b"\n", at, end) != 2 * count
    ):
        return at, 0
    quotes = data.count(b'"', at, end)
    if data.find(b"\\", at, end) >= 0:
        # After two backslashes nobody can tell by counting whether a quote is escaped.
        if data.find(b'\\\\"', at, end) >= 0:
            return at, 0
        quotes -= data.count(b'\\"', at, end)
    return (end, count) if quotes == count * (shape.head.count(b'"') + shape.tail.count(b'"')) else (at, 0)


def counts_of(data: bytes, at: int, end: int, count: int, shape: Shape) -> tuple[int, int] | None:
    """How many of the run's events hold any text, and its UTF-8 bytes; None if it has escapes, so must be read."""
    if data.find(b"\\", at, end) >= 0:
        return None
    filled = count - data.count(shape.head + shape.tail, at, end)
    return filled, end - at - count * (len(shape.head) + len(shape.tail))
