"""Restores the events of a streamed response: the deltas of every text, and the whole texts that are repeated later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worker.errors import HarpoonError
from worker.guard.restoring import TextRestorer, json_texts, place_part, restore_value
from worker.strict_json import parse_json

_DELTA, _DONE = ".delta", ".done"
_ANSWER_DELTA = "response.output_text.delta"
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})
#: What tells one text of a response from another.
_WHERE = ("item_id", "output_index", "content_index", "summary_index")
_Place = tuple[Any, ...]


class ResponseEvents:
    """`worker.guard.restoring.Events` for the typed events of POST /v1/responses."""

    def __init__(self, originals: Mapping[str, str], *, wants_json: bool = False) -> None:
        self._originals = originals
        self._wants_json = wants_json
        self._texts: dict[_Place, TextRestorer] = {}
        self._templates: dict[_Place, dict[str, Any]] = {}

    def restored(self, event: bytes) -> bytes:
        """An event, and before it what it shows to be no placeholder."""
        lines = event.split(b"\n")
        data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        try:
            value = parse_json(b"\n".join(data)) if data else None
        except HarpoonError:
            value = None
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(kind, str):
            return event + b"\n\n"
        if kind.endswith(_DELTA) and isinstance(value.get("delta"), str):
            changed = self._delta(kind, value)
            return event + b"\n\n" if changed is value else _encode(kind, changed)
        before = b""
        if kind.endswith(_DONE):
            before = self._rest(_place(kind.removesuffix(_DONE) + _DELTA, value))
        elif kind in _LAST:
            before = self.flush()
        whole = restore_value(value, self._originals, escaped=json_texts(wants_json=self._wants_json))
        return before + (event + b"\n\n" if whole == value else _encode(kind, whole))

    def flush(self) -> bytes:
        """What was held back of every text, as events: the stream ended before they did."""
        return b"".join([self._rest(place) for place in list(self._texts)])

    def _delta(self, kind: str, value: dict[str, Any]) -> dict[str, Any]:
        place = _place(kind, value)
        restorer = self._texts.get(place)
        if restorer is None:
            within_json = "arguments" in kind or (self._wants_json and kind == _ANSWER_DELTA)
            restorer = self._texts[place] = TextRestorer(self._originals, within_json=within_json)
        self._templates[place] = value
        sure = restorer.feed(value["delta"])
        return value if sure == value["delta"] else {**value, "delta": sure}

    def _rest(self, place: _Place) -> bytes:
        restorer = self._texts.pop(place, None)
        rest = "" if restorer is None else restorer.finish()
        return _encode(place[0], {**self._templates[place], "delta": rest}) if rest else b""


def _place(kind: str, value: Mapping[str, Any]) -> _Place:
    return (kind, *[place_part(value.get(member)) for member in _WHERE])


def _encode(kind: str, value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return f"event: {kind}\ndata: {text}\n\n".encode()
