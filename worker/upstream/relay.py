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

from worker.errors import HarpoonError, MalformedRequest
from worker.strict_json import parse_json
from worker.upstream.wire import Identity, fill_identity, generated_bytes, usage_of

DONE = b"data: [DONE]\n\n"
#: A single event may not be larger than this; real ones are a few hundred bytes.
MAX_EVENT_BYTES = 8 * 1024 * 1024
#: Content events kept as they are until somebody needs to count them; then they are folded into two integers.
_KEEP_EVENTS = 512
#: The members of an only choice's last event that show that nothing is missing in it.
_PLAIN_FINISH = (b'"index":0', b'"delta":{', b'"finish_reason":"')
_KIND = "chat.completion.chunk"
#: How nearly all chunks of an only choice begin, up to what differs: later chunks need no look at these members.
_USUAL_HEAD = re.compile(
    rb'data: \{"id":"([^"\\]+)","object":"chat\.completion\.chunk","created":([0-9]{1,15}),"model":"([^"\\]+)",'
    rb'(?:"(?:system_fingerprint|service_tier)":(?:"[^"\\]*"|null),)*"choices":\[\{"index":0,"delta":\{'
)
#: How its delta goes on where it holds nothing but text.
_USUAL_DELTAS = (b'"content":"', b'"role":"assistant","content":"', b'"reasoning_content":"')
#: No event begins with it.
_NO_HEAD = b"\n"
#: Some models of Workers AI stream a token that looks like a number, or like true, as one.
_BARE_CONTENT = re.compile(rb'("content": ?)(-?[0-9][0-9.eE+-]*|true|false)(?=[,}\s])')


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
        self._rest = b""
        self._content_events: list[bytes] = []
        self._counted_events = 0
        self._counted_bytes = 0
        self._choices = choices
        self._finished: set[str] = set()
        self._owed_usage = b""
        self._default_identity = identity
        self._identity: Identity | None = None
        self._head = _NO_HEAD
        self._heads: tuple[bytes, ...] = (_NO_HEAD,)
        self._marks: tuple[bytes, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether every choice has its finish reason: nothing of the answer is missing."""
        return len(self._finished) >= self._choices

    def feed(self, chunk: bytes) -> bytes:
        """The complete events that `chunk` finishes, ready to send. Raises: StreamBroken."""
        data = self._rest + chunk if self._rest else chunk
        if b"\r" in data:
            # A CR at the end may be half of a CRLF, so it waits for the next byte.
            held = data[-1:] if data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            held = b""
        end = data.rfind(b"\n\n")
        if end < 0:
            self._rest = data + held
            if len(self._rest) > MAX_EVENT_BYTES:
                raise StreamBroken("the provider sent an event larger than the gateway reads")
            return b""
        self._rest = data[end + 2 :] + held
        ready: list[bytes] = []
        at, special = 0, self._first_special(data, end + 2)
        kept, ending = self._content_events, b',"usage":null}\n\n' if self._include_usage else b"}\n\n"
        heads = self._heads
        try:
            for event in data[:end].split(b"\n\n"):
                # The commonest event by far is told here, at half the cost; `_untouched` says why this is safe.
                at += len(event) + 2
                if (
                    at <= special
                    and not self.done
                    and event.startswith(heads)
                    and event.endswith(b"}")
                    and b'"finish_reason":null' in event
                    and b"\n" not in event
                ):
                    kept.append(event)
                    ready.append(event[:-1] + ending)
                else:
                    ready.append(self._event(event))
                    heads = self._heads
        except StreamBroken as problem:
            problem.whole = b"".join(ready)
            raise
        if len(kept) >= _KEEP_EVENTS:
            self._fold()
        return b"".join(ready)

    def finish(self) -> bytes:
        """What is still owed when the provider's bytes end. Raises: StreamBroken if the stream was cut off."""
        # An event without its empty line may have been cut anywhere, so it is read even if it looks whole.
        rest, self._rest = self._rest.strip(), b""
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

    def _first_special(self, data: bytes, end: int) -> int:
        """Where the first member begins that makes an event more than content; `end` if there is none before it."""
        start = len(self._head) if data.startswith(self._head) else 0
        usage, error = data.find(b'"usage"', start, end), data.find(b'"error"', start, end)
        if usage < 0:
            return end if error < 0 else error
        return usage if error < 0 else min(usage, error)

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
            return unchanged
        if event.startswith(b":") and b"\n" not in event:
            return event + b"\n\n"
        return self._any_event(event)

    def _untouched(self, event: bytes) -> bytes | None:
        """The event with at most its empty usage member cut out or put in, or None if it has to be read.

        A quote inside a JSON string is escaped, so these byte patterns can only be members.
        """
        if b'"finish_reason":null' not in event and b'"finish_reason": null' not in event:
            if self._choices > 1 or not all(member in event for member in _PLAIN_FINISH):
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
            self._head = usual[0]
            self._heads = tuple([self._head + delta for delta in _USUAL_DELTAS])
            self._identity = Identity(usual[1].decode(), int(usual[2]), usual[3].decode())
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
            if not self.finished or is_error(_payload(event) or b""):
                raise
            return b""

    def _any_event(self, event: bytes) -> bytes:
        """An event of any legal form: several lines, a field without a space, a comment in between."""
        payload = _payload(event)
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


def _payload(event: bytes) -> bytes | None:
    """What the `data` lines of an event say together, or None if it has none."""
    data = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(data).strip() if data else None


def opening_event(data: bytes) -> bytes | None:
    """The payload of a stream's first event that has one, or None as long as no such event is complete."""
    events = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
    return next((payload for event in events[:-1] if (payload := _payload(event)) is not None), None)


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
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def _content_bytes(event: bytes) -> int:
    """UTF-8 bytes of what a model made in one event."""
    try:
        chunk = parse_json(event[6:])
    except MalformedRequest:
        return 0
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
