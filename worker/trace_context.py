"""W3C Trace Context: which trace a request belongs to, read from its headers and passed on in those of its attempts.

A malformed `traceparent` begins a new trace and is never an error; a malformed `tracestate` is left out. Nothing here
decides, and nothing of it is hashed. Versions after 00 are read as far as 00 reaches, and written as 00.

Source: W3C Recommendation Trace Context (level 1), https://www.w3.org/TR/trace-context-1/, sections 3.2 to 3.4
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from worker.ports import Ids

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
#: The only flag of level 1: whoever sent the header may have recorded this request.
SAMPLED: Final = 1
#: Of a list of vendors' states (section 3.3.1.1), and of what is passed on of it: at least this much, which is cut
#: where it is longer, the entries over MAX_ENTRY_CHARACTERS first.
MAX_STATES: Final = 32
MAX_STATE_CHARACTERS: Final = 512
MAX_ENTRY_CHARACTERS: Final = 128
#: Longer headers are not looked at.
_MAX_RAW_BYTES: Final = 8_192
_TRACE_ID = "[0-9a-f]{32}"
_SPAN_ID = "[0-9a-f]{16}"
_PARENT = re.compile(f"([0-9a-f]{{2}})-({_TRACE_ID})-({_SPAN_ID})-([0-9a-f]{{2}})(-.*)?", re.ASCII | re.DOTALL)
_KEY = r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_STATE = re.compile(f"({_KEY})=({_VALUE})", re.ASCII)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class Parent(NamedTuple):
    """What a caller's headers say: its trace, its own span in it, whether it may have recorded it, vendors' states."""

    trace_id: str
    span_id: str
    is_sampled: bool
    state: str = ""


class Trace(NamedTuple):
    """A request's place in a trace. `span_id` is its own span; `parent_id` the caller's, "" = the trace begins here."""

    trace_id: str
    span_id: str
    parent_id: str
    is_sampled: bool
    state: str = ""

    @property
    def traceparent(self) -> bytes:
        """The header that names this request's span."""
        return to_traceparent(self.trace_id, self.span_id, is_sampled=self.is_sampled)

    def headers_for(self, span_id: str) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of a request to somebody else, whose caller is the span `span_id` of this trace."""
        parent = (TRACEPARENT, to_traceparent(self.trace_id, span_id, is_sampled=self.is_sampled))
        return (parent, (TRACESTATE, self.state.encode())) if self.state else (parent,)


def to_traceparent(trace_id: str, span_id: str, *, is_sampled: bool) -> bytes:
    """A header of version 00 (section 3.2.2)."""
    return f"00-{trace_id}-{span_id}-{'01' if is_sampled else '00'}".encode()


def parse_traceparent(text: str) -> Parent | None:
    """The trace and span of a header's value, or None if it is malformed (section 3.2.2)."""
    found = _PARENT.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Parent(trace_id, span_id, bool(int(flags, 16) & SAMPLED))


def parse_tracestate(texts: Iterable[str]) -> str:
    """The values of all `tracestate` headers as the one that is passed on; "" if they are malformed or none.

    Order is kept. Of what is too long the long entries are left out first, then those at the end (section 3.3.1.5).
    """
    entries: dict[str, str] = {}
    for part in ",".join(texts).split(","):
        entry = part.strip(" \t")
        if not entry:
            continue
        found = _STATE.fullmatch(entry)
        if found is None or found[1] in entries or len(entries) == MAX_STATES:
            return ""
        entries[found[1]] = entry
    kept = list(entries.values())
    for position in range(len(kept) - 1, -1, -1):
        if _length(kept) > MAX_STATE_CHARACTERS and len(kept[position]) > MAX_ENTRY_CHARACTERS:
            del kept[position]
    while _length(kept) > MAX_STATE_CHARACTERS:
        kept.pop()
    return ",".join(kept)


def _length(entries: list[str]) -> int:
    return sum(map(len, entries)) + max(0, len(entries) - 1)


def names_trace(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request's headers (names in lower case) name a trace at all; most don't, and this is soon said."""
    for name, _ in headers:  # noqa: SIM110 - every request passes here, and `any` takes three times as long
        if name == TRACEPARENT:
            return True
    return False


def read_parent(headers: Iterable[tuple[bytes, bytes]]) -> Parent | None:
    """The trace that a request's headers name, or None if there is none or it is malformed.

    More than one `traceparent` is malformed (section 3.2): there is no telling which one holds.
    """
    parents, states = [], []
    for name, value in headers:
        if name == TRACEPARENT:
            parents.append(value)
        elif name == TRACESTATE:
            states.append(value)
    if len(parents) != 1 or len(parents[0]) > _MAX_RAW_BYTES:
        return None
    parent = parse_traceparent(parents[0].decode("latin-1").strip(" \t"))
    if parent is None or not states or sum(map(len, states)) > _MAX_RAW_BYTES:
        return parent
    return parent._replace(state=parse_tracestate([state.decode("latin-1") for state in states]))


def new_span_id(ids: Ids) -> str:
    """A fresh span id: 16 hexadecimal digits. That all are zero, which would be malformed, is one chance in 2^64."""
    return ids.new("span")[5:21]


def begin_trace(parent: Parent | None, ids: Ids, *, is_sampled: bool) -> Trace:
    """The caller's trace gone on with, or a new one, with a fresh span for the request.

    Args: is_sampled: what the headers of its attempts say.
    """
    if parent is None:
        return Trace(ids.new("trace")[6:], new_span_id(ids), "", is_sampled)
    return Trace(parent.trace_id, new_span_id(ids), parent.span_id, is_sampled, parent.state)
