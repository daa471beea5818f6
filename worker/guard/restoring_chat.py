"""Restores the events of a streamed chat completion: the texts of every choice's deltas, in their order."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from worker.errors import HarpoonError
from worker.guard.restoring import TextRestorer, json_texts, place_part
from worker.strict_json import parse_json

#: Where a streamed text belongs: the choice, the tool call (None = the message itself), the member.
_Place = tuple[Any, Any, str]
#: What of a tool call is streamed, and the member it stands in: of functions, and of custom tools.
_HOLDERS = {"arguments": "function", "input": "custom"}


class ChatEvents:
    """`worker.guard.restoring.Events` for chunks of the kind chat.completion.chunk."""

    def __init__(self, originals: Mapping[str, str], *, wants_json: bool = False) -> None:
        self._originals = originals
        self._escaped = json_texts(wants_json=wants_json)
        self._texts: dict[_Place, TextRestorer] = {}
        self._template: dict[str, Any] = {}

    def restored(self, event: bytes) -> bytes:
        """An event, and before it what it shows to be no placeholder."""
        if event == b"data: [DONE]":
            return self.flush() + event + b"\n\n"
        if event.startswith(b"data: {"):
            try:
                chunk = parse_json(event[6:])
            except HarpoonError:
                return event + b"\n\n"
            if isinstance(chunk, dict) and isinstance(chunk.get("choices"), list):
                return self._chunk(chunk, event)
        return event + b"\n\n"

    def flush(self) -> bytes:
        """An event for each text that ends with something held back: the stream ended before they did."""
        events = []
        for place in list(self._texts):
            delta = self._rest_of(place)
            if delta:
                choice = {"index": place[0], "delta": delta, "finish_reason": None}
                events.append(_encode({**self._template, "choices": [choice]}))
        return b"".join(events)

    def _chunk(self, chunk: dict[str, Any], event: bytes) -> bytes:
        """The chunk with its deltas restored; as the bytes it came as if nothing in it changes."""
        self._template = {key: value for key, value in chunk.items() if key != "choices"}
        if "usage" in self._template:
            self._template["usage"] = None
        changed = False
        for choice in chunk["choices"]:
            if isinstance(choice, dict) and isinstance(choice.get("delta"), dict):
                index = place_part(choice.get("index"))
                restored = self._delta(index, choice["delta"], choice.get("finish_reason") is not None)
                changed = changed or restored != choice["delta"]
                choice["delta"] = restored
        return _encode(chunk) if changed else event + b"\n\n"

    def _delta(self, index: Any, delta: dict[str, Any], ends: bool) -> dict[str, Any]:
        """One choice's delta. What another text of the choice held back is said first: it can't go on any more."""
        spoken = {place: text for place, text in _texts_of(index, delta)}
        said: dict[str, Any] = {}
        for place in [place for place in self._texts if place[0] == index and place not in spoken and (spoken or ends)]:
            _merge(said, self._rest_of(place))
        new = copy.deepcopy(delta)
        for place, text in spoken.items():
            restorer = self._texts.get(place)
            if restorer is None:
                restorer = self._texts[place] = TextRestorer(self._originals, within_json=place[2] in self._escaped)
            sure = restorer.feed(text)
            _put(new, place, sure + restorer.finish() if ends else sure)
        if said:
            _merge(said, new)
            return said
        return new

    def _rest_of(self, place: _Place) -> dict[str, Any]:
        """A delta with what was held back of one text, whose end has come; empty if there is nothing."""
        rest = self._texts.pop(place).finish()
        if not rest:
            return {}
        _, call, member = place
        if call is None:
            return {member: rest}
        return {"tool_calls": [{"index": call, _HOLDERS[member]: {member: rest}}]}


def _texts_of(index: Any, delta: dict[str, Any]) -> list[tuple[_Place, str]]:
    """The texts that a delta continues."""
    found: list[tuple[_Place, str]] = [
        ((index, None, member), text)
        for member, text in delta.items()
        if isinstance(text, str) and text and member != "role"
    ]
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        for member, holder in _HOLDERS.items():
            held = call.get(holder) if isinstance(call, dict) else None
            text = held.get(member) if isinstance(held, dict) else None
            if isinstance(text, str) and text:
                found.append(((index, place_part(call.get("index")), member), text))
    return found


def _put(delta: dict[str, Any], place: _Place, text: str) -> None:
    _, call, member = place
    if call is None and member in delta:
        delta[member] = text
        return
    for one in delta["tool_calls"]:
        is_meant = isinstance(one, dict) and place_part(one.get("index")) == call
        holder = one.get(_HOLDERS[member]) if is_meant else None
        if isinstance(holder, dict) and member in holder:
            holder[member] = text


def _merge(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Let one delta say what two would say one after the other."""
    for member, value in delta.items():
        if member == "tool_calls" and isinstance(into.get(member), list):
            into[member] = [*into[member], *value]
        elif isinstance(value, str) and isinstance(into.get(member), str):
            into[member] += value
        else:
            into[member] = value


def _encode(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"
