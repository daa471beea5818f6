"""A stream of typed response events on its way to the client: re-framed and counted; bytes in, bytes out.

Each event has a type, `response.completed`, `response.incomplete` or `response.failed` is the last one and carries the
usage, and there is no [DONE]. Sans-io: whatever bytes arrived go in, cut anywhere; complete events come out unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from worker.errors import HarpoonError
from worker.strict_json import parse_json
from worker.upstream.event_frames import EventFrames
from worker.upstream.relay import MAX_EVENT_BYTES, StreamBroken
from worker.upstream.wire_responses import responses_usage

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})
_LAST_MARKS = tuple(kind.encode() for kind in sorted(_LAST))
_ERROR_MARK = b'"error"'
_DELTA_MARK = b'.delta"'
#: Delta events kept as they are until somebody needs to count them.
_KEEP_EVENTS = 512


class ResponsesRelay:
    """One stream. After `feed` returned the last event, `done` is true and `usage` holds what the provider reported.

    Args: closing: called once before the last event; its bytes (a comment line) go in front of it.
    """

    def __init__(self, closing: Callable[[ResponsesRelay], bytes]) -> None:
        self.done = False
        self.usage: tuple[int, int] | None = None
        self._closing = closing
        self._frames = EventFrames()
        self._deltas: list[bytes] = []
        self._counted_events = 0
        self._counted_bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        """The complete events that `chunk` finishes, ready to send. Raises: StreamBroken."""
        data = self._frames.feed(chunk)
        if self._frames.size > MAX_EVENT_BYTES:
            raise StreamBroken("the provider sent an event larger than the gateway reads")
        ready: list[bytes] = []
        try:
            for event in data[:-2].split(b"\n\n") if data else ():
                ready.append(self._event(event))
        except StreamBroken as problem:
            problem.whole = b"".join(ready)
            raise
        return b"".join(ready)

    def finish(self) -> bytes:
        """What is still owed when the provider's bytes end. Raises: StreamBroken if the stream was cut off."""
        rest = self._frames.finish().strip()
        tail = self._event(rest) if rest and not self.done else b""
        if not self.done:
            problem = StreamBroken("the provider's stream ended before the answer did")
            problem.whole = tail
            raise problem
        return tail

    def counted_tokens(self) -> int:
        """Output tokens as seen in the stream: one per delta, or a token per four bytes, whichever is more."""
        self._fold()
        return max(self._counted_events, -(-self._counted_bytes // 4))

    def _event(self, event: bytes) -> bytes:
        event = event.strip(b"\n")
        if not event or self.done:
            return b""
        # A quote inside a JSON string is escaped, so these patterns can only be members, types or event lines.
        if any(mark in event for mark in _LAST_MARKS) or _ERROR_MARK in event:
            return self._read(event)
        if _DELTA_MARK in event:
            self._deltas.append(event)
            if len(self._deltas) >= _KEEP_EVENTS:
                self._fold()
        return event + b"\n\n" if _data(event) != b"[DONE]" else b""

    def _read(self, event: bytes) -> bytes:
        payload = _data(event)
        if payload is None:
            return event + b"\n\n"
        value = _read_object(payload)
        if is_responses_error(payload):
            raise StreamBroken("the provider reported an error inside the stream")
        if value.get("type") not in _LAST:
            return event + b"\n\n"
        response = value.get("response")
        if isinstance(response, dict):
            self.usage = responses_usage(response)
        closing = self._closing_bytes()
        return closing + event + b"\n\n"

    def _closing_bytes(self) -> bytes:
        self.done = True
        return self._closing(self)

    def _fold(self) -> None:
        for event in self._deltas:
            size = _delta_bytes(event)
            self._counted_events += size > 0
            self._counted_bytes += size
        self._deltas.clear()


def _data(event: bytes) -> bytes | None:
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines).strip() if lines else None


def _read_object(payload: bytes) -> dict[str, Any]:
    try:
        value: Any = parse_json(payload)
    except HarpoonError as problem:
        raise StreamBroken("the provider sent an event that is not JSON") from problem
    if not isinstance(value, dict):
        raise StreamBroken("the provider sent an event that is not an object")
    return value


def _delta_bytes(event: bytes) -> int:
    """UTF-8 bytes of what a model made in one event."""
    try:
        delta = _read_object(_data(event) or b"").get("delta")
    except StreamBroken:
        return 0
    return len(delta.encode("utf-8", "replace")) if isinstance(delta, str) else 0


def is_responses_error(payload: bytes) -> bool:
    """Whether an event's payload is an object that reports an error."""
    try:
        value = parse_json(payload)
    except HarpoonError:
        return False
    return isinstance(value, dict) and (value.get("type") == "error" or bool(value.get("error")))


def responses_error_event(problem: HarpoonError) -> bytes:
    """The in-band form of an error, for a stream that has begun."""
    body = {"type": "error", "code": problem.code, "message": problem.message, "param": problem.param}
    # Nothing of ours is numbered in between, and a client that looks at numbers wants one that is larger.
    body_text = json.dumps({**body, "sequence_number": 2**31 - 1}, separators=(",", ":"), ensure_ascii=False)
    return b"event: error\ndata: " + body_text.encode() + b"\n\n"
