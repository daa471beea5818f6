"""A provider's event stream on its way to the client: re-framed, made conformant, counted; bytes in, bytes out.

Sans-io: `feed` takes whatever bytes arrived, cut anywhere, and returns the complete events to send on. Nothing is
delayed but an unfinished event. Events that need no change leave as the bytes they came as; what OpenAI's schema wants
and a provider leaves out is filled in, and every chunk gets the id and the time of the first.
Framing: WHATWG server-sent events (CR, LF and CRLF end a line, an empty line ends an event).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from worker.compact_json import build_encoder
from worker.errors import HarpoonError, MalformedRequest
from worker.strict_json import parse_json
from worker.upstream.event_frames import EventFrames, payload_of
from worker.upstream.usual_run import Shape, counts_of, run_of, shape_of
from worker.upstream.wire import Identity, fill_identity, generated_bytes, usage_of

DONE = b"data: [DONE]\n\n"
#: A single event may not be larger than this; real ones are a few hundred bytes.
MAX_EVENT_BYTES = 8 * 1024 * 1024
#: Content events kept as they are until somebody needs to count them; then they are folded into two integers.
_KEEP_EVENTS = 512
#: The members of an only choice's last event that show that nothing is missing in it.
_INDEX, _DELTA, _FINISH = b'"index":0', b'"delta":{', b'"finish_reason":"'
_KIND = "chat.completion.chunk"
_to_text = build_encoder(ensure_ascii=False)
#: How nearly all chunks of an only choice begin, up to what differs: later chunks need no look at these members.
_USUAL_HEAD = re.compile(
    rb'data: \{"id":"([^"\\]+)","object":"chat\.completion\.chunk","created":([0-9]{1,15}),"model":"([^"\\]+)",'
    rb'(?:"(?:system_fingerprint|service_tier)":(?:"[^"\\]*"|null),)*"choices":\[\{"index":0,"delta":\{'
)
#: So many events of a stream are looked at for the shape of the others: it changes when reasoning ends, for one.
_LOOKS = 8
#: No event begins with it.
_NO_HEAD = b"\n"
#: Some models of Workers AI stream a token that looks like a number, or like true, as one.
_BARE_CONTENT = re.compile(rb'("content": ?)(-?[0-9][0-9.eE+-]*|true|false)(?=[,}\s])')
#: A text in an event that can't be read.
_UNREAD_TEXT = re.compile(rb'"(?:reasoning_)?content": ?"([^"\\]*)"')


class StreamBroken(HarpoonError):
    """The provider's stream can't be read on: an error event, or something that is no event at all.

    `whole`: the events that were complete before it and not handed out yet; they are counted, so they are still owed.
    """

    status = 502
    type = "upstream_error"
    code = "stream_broken"
    whole = b""


class Relay:
    """One stream. After `feed` returned the last event, `done` is true and `usage` holds what the provider reported.

    Args: include_usage: whether the client asked for the usage chunk. closing: called once before `[DONE]` with the
    relay; its bytes (a comment line) go in front. choices: how many finish reasons make the answer complete. identity:
    asked for what the provider's first chunk doesn't say of itself.
    """

    def __init__(
        self,
        include_usage: bool,
        closing: Callable[[Relay], bytes],
        choices: int = 1,
        identity: Callable[[], Identity] = lambda: Identity("chatcmpl-0", 0, "unknown"),
    ) -> None:
        self.done = False
        self.usage: tuple[int, int] | None = None
        self._include_usage = include_usage
        self._closing = closing
        self._frames = EventFrames()
        self._content_events: list[bytes] = []
        self._counted_events = 0
        self._counted_bytes = 0
        self._choices = choices
        self._finished: set[str] = set()
        self._owed_usage = b""
        self._default_identity = identity
        self._identity: Identity | None = None
        self._head = _NO_HEAD
        self._shape: Shape | None = None
        self._looks = _LOOKS
        self._marks: tuple[bytes, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether every choice has its finish reason: nothing of the answer is missing."""
        return len(self._finished) >= self._choices

    def feed(self, chunk: bytes) -> bytes:
        """The complete events that `chunk` finishes, ready to send. Raises: StreamBroken."""
        data = self._frames.feed(chunk)
        if not data:
            if self._frames.size > MAX_EVENT_BYTES:
                raise StreamBroken("the provider sent an event larger than the gateway reads")
            return b""
        ready: list[bytes] = []
        try:
            self._pass_on(data, len(data), ready)
        except StreamBroken as problem:
            problem.whole = b"".join(ready)
            raise
        return ready[0] if len(ready) == 1 else b"".join(ready)

    def _pass_on(self, data: bytes, stop: int, ready: list[bytes]) -> None:
        """The complete events in `data`, as far as `stop`, each as it leaves: runs of usual ones together."""
        at, by_runs = 0, True
        while at < stop:
            shape = self._shape
            if shape is not None and by_runs and not self.done and data.startswith(shape.head, at):
                end, count = run_of(data, at, stop, shape)
                if count:
                    self._note_run(data, at, end, count, shape)
                    run = data[at:end]
                    ready.append(run if shape.sent == shape.tail else run.replace(shape.tail, shape.sent))
                    at = end
                    continue
                by_runs = False  # it would be tried in vain at every event that follows
            end = data.find(b"\n\n", at, stop - 2)
            if end < 0:
                end = stop - 2
            ready.append(self._event(data[at:end]))
            at = end + 2

    def finish(self) -> bytes:
        """What is still owed when the provider's bytes end. Raises: StreamBroken if the stream was cut off."""
        # An event without its empty line may have been cut anywhere, so it is read even if it looks whole.
        rest = self._frames.finish().strip()
        tail = self._last_event(rest) if rest and not self.done else b""
        if self.done:
            return tail
        if not self.finished:
            problem = StreamBroken("the provider's stream ended before the answer did")
            problem.whole = tail
            raise problem
        # Some providers never say [DONE]; the finish reason shows that nothing is missing.
        return tail + self._end()

    def counted_tokens(self) -> int:
        """Output tokens as seen in the stream: one per content event, or a token per four bytes, whichever is more."""
        self._fold()
        return max(self._counted_events, -(-self._counted_bytes // 4))

    def _event(self, event: bytes) -> bytes:
        if not event or self.done:
            return b""
        if event.startswith(b"data: {") and b"\n" not in event:
            if _BARE_CONTENT.search(event):
                event = _BARE_CONTENT.sub(rb'\1"\2"', event)
            unchanged = self._untouched(event)
            if unchanged is None:
                return self._rewritten(event[6:])
            self._note(event)
            if self._looks and event.startswith(self._head):
                self._looks -= 1
                self._shape = shape_of(event, len(self._head), self._include_usage) or self._shape
            return unchanged
        if event.startswith(b":") and b"\n" not in event:
            return event + b"\n\n"
        return self._any_event(event)

    def _untouched(self, event: bytes) -> bytes | None:
        """The event with at most its empty usage member cut out or put in, or None if it has to be read.

        A quote inside a JSON string is escaped, so these byte patterns can only be members.
        """
        if b'"finish_reason":null' not in event and b'"finish_reason": null' not in event:
            if self._choices > 1 or not (_FINISH in event and _INDEX in event and _DELTA in event):
                return None
            self._finished.add("0")
        if b'"error"' in event or not event.endswith(b"}"):
            return None
        if not event.startswith(self._head) and not self._is_named(event):
            return None
        at = event.find(b'"usage"')
        if at < 0:
            return event[:-1] + b',"usage":null}\n\n' if self._include_usage else event + b"\n\n"
        if not event.startswith(b'"usage":null', at):
            return None
        if self._include_usage:
            return event + b"\n\n"
        return event[: at - 1] + event[at + 12 :] + b"\n\n" if event[at - 1 : at] == b"," else None

    def _is_named(self, event: bytes) -> bool:
        """Whether an event shows the identity of the first one; the first one may set it."""
        if self._identity is None:
            usual = _USUAL_HEAD.match(event) if self._choices == 1 else None
            if usual is None:
                return False
            try:
                self._identity = Identity(usual[1].decode(), int(usual[2]), usual[3].decode())
            except UnicodeDecodeError:
                return False
            self._head = usual[0]
            return True
        return bool(self._marks) and all(mark in event for mark in self._marks)

    def _name(self, chunk: dict[str, Any], payload: bytes) -> None:
        """Give a chunk the identity of the first one, or make it the first."""
        chunk["object"] = _KIND
        known = self._identity
        if known is not None:
            chunk["id"], chunk["created"] = known.id, known.created
            fill_identity(chunk, lambda: known)
            return
        was_filled = fill_identity(chunk, self._default_identity)
        self._identity = Identity(chunk["id"], chunk["created"], chunk["model"])
        if not was_filled:
            self._marks = _marks_of(self._identity, payload, self._choices)

    def _last_event(self, event: bytes) -> bytes:
        """An event without its empty line. Cut short, it is only missed if the answer isn't complete without it."""
        try:
            return self._any_event(event)
        except StreamBroken:
            if not self.finished or is_error(payload_of(event) or b""):
                raise
            return b""

    def _any_event(self, event: bytes) -> bytes:
        """An event of any legal form: several lines, a field without a space, a comment in between."""
        payload = payload_of(event)
        if payload is None:
            return b""
        if payload == b"[DONE]":
            return self._end()
        return self._rewritten(payload)

    def _rewritten(self, payload: bytes) -> bytes:
        """An event that reports usage or misses a required field: read, mended, written again. Raises: StreamBroken."""
        chunk = _read_chunk(payload)
        usage = usage_of(chunk)
        if usage is not None:
            self.usage = usage
        choices = chunk["choices"]
        if not choices:
            if usage is not None and self._include_usage:
                self._name(chunk, payload)
                self._owed_usage = _encode(chunk)
            return b""
        self._name(chunk, payload)
        for index, choice in enumerate(choices):
            choice.setdefault("index", index)
            delta = choice.setdefault("delta", {})
            if isinstance(delta, dict) and isinstance(delta.get("content"), int | float):
                delta["content"] = json.dumps(delta["content"])
            if choice.setdefault("finish_reason", None) is not None:
                self._finished.add(str(choice["index"]))
        reported = chunk.pop("usage", None)
        if self._include_usage:
            chunk["usage"] = None
        encoded = _encode(chunk)
        self._note(encoded[:-2])
        if usage is not None and self._include_usage:
            # Some providers report a running total in every chunk: the client gets the last one, at the end.
            self._owed_usage = _encode({**chunk, "choices": [], "usage": reported})
        return encoded

    def _note(self, event: bytes) -> None:
        self._content_events.append(event)
        if len(self._content_events) >= _KEEP_EVENTS:
            self._fold()

    def _note_run(self, data: bytes, at: int, end: int, count: int, shape: Shape) -> None:
        counts = counts_of(data, at, end, count, shape)
        if counts is not None:
            self._counted_events += counts[0]
            self._counted_bytes += counts[1]
            return
        self._content_events += data[at : end - 2].split(b"\n\n")
        if len(self._content_events) >= _KEEP_EVENTS:
            self._fold()

    def _fold(self) -> None:
        for event in self._content_events:
            size = _content_bytes(event)
            self._counted_events += size > 0
            self._counted_bytes += size
        self._content_events.clear()

    def _end(self) -> bytes:
        self.done = True
        return self._owed_usage + self._closing(self) + DONE


def _marks_of(identity: Identity, payload: bytes, choices: int) -> tuple[bytes, ...]:
    """The members that make a chunk whole, in the provider's own spelling; () if not all of them are found.

    Another chunk that holds all of them needs no change. An only choice has the index 0.
    """
    members: list[tuple[str, str | int]] = [("id", identity.id), ("object", _KIND), ("created", identity.created)]
    marks = []
    for member, value in members if choices > 1 else [*members, ("index", 0)]:
        spellings = [
            f'"{member}":{space}{json.dumps(value, ensure_ascii=False)}{end}'.encode()
            for space in ("", " ")
            for end in (",", "}")
        ]
        found = next((spelling for spelling in spellings if spelling in payload), None)
        if found is None:
            return ()
        marks.append(found)
    compact = b'"model":"' in payload
    return (*marks, b'"model":"' if compact else b'"model": "', b'"delta":', b'"index":')


def is_error(payload: bytes) -> bool:
    """Whether an event's payload is an object that reports an error."""
    try:
        value = parse_json(payload)
    except HarpoonError:
        return False
    return isinstance(value, dict) and bool(value.get("error"))


def _read_chunk(payload: bytes) -> dict[str, Any]:
    """A chunk with a list of choices that are objects. Raises: StreamBroken for anything else, or an error event."""
    try:
        chunk: Any = parse_json(payload)
    except HarpoonError as problem:
        raise StreamBroken("the provider sent an event that is not JSON") from problem
    if not isinstance(chunk, dict):
        raise StreamBroken("the provider sent an event that is not an object")
    if chunk.get("error"):
        raise StreamBroken("the provider reported an error inside the stream")
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise StreamBroken("the provider sent an event without choices")
    return chunk


def _encode(chunk: dict[str, Any]) -> bytes:
    return b"data: " + _to_text(chunk).encode() + b"\n\n"


def _content_bytes(event: bytes) -> int:
    """UTF-8 bytes of what a model made in one event."""
    try:
        chunk = parse_json(event[6:])
    except MalformedRequest:
        # It was passed on unread, as one with half a character in it may be, so it is counted the same way.
        texts = _UNREAD_TEXT.findall(event)
        return sum([len(text) for text in texts]) if texts else 1
    total = 0
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    for choice in choices if isinstance(choices, list) else []:
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if isinstance(delta, dict):
            total += generated_bytes(delta)
    return total


def error_event(problem: HarpoonError) -> bytes:
    """The in-band form of an error, for a stream that has begun."""
    body = {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}
    return _encode({"error": body})
