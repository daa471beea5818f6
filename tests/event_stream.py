"""Server-sent events as a client reads them (WHATWG server-sent events), for whoever asks for a feed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx


class Event(NamedTuple):
    """One event; `id` is what a client sends as Last-Event-ID when it comes back after it."""

    id: str
    name: str
    data: dict[str, Any]


def events_of(text: str) -> list[Event]:
    """The events of a whole stream; every line must be one a client knows."""
    found, last_id = [], ""
    for block in text.split("\n\n"):
        name, data = "", ""
        for line in block.splitlines():
            field, colon, value = line.partition(": ")
            assert colon, line
            assert field in ("", "id", "event", "data", "retry"), line
            if field == "id":
                last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data = value
        if name or data:
            found.append(Event(last_id, name, json.loads(data)))
    return found


def last_id_of(text: str) -> str:
    """The last id of a stream, of an event or alone."""
    ids = [line.removeprefix("id: ") for line in text.splitlines() if line.startswith("id: ")]
    return ids[-1] if ids else ""


class Reader:
    """A feed that is being read: `text` is all that came, `until` waits for an event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.text = ""
        self._arriving: AsyncIterator[str] = answer.aiter_text()

    async def until(self, name: str, count: int = 1) -> list[Event]:
        """Read on until so many events of this name are there; all events so far."""
        while True:
            whole = self.text[: self.text.rfind("\n\n") + 2]
            found = events_of(whole)
            if sum(event.name == name for event in found) >= count:
                return found
            self.text += await anext(self._arriving)

    async def until_text(self, wanted: str) -> str:
        """Read on until this text is there."""
        while wanted not in self.text:
            self.text += await anext(self._arriving)
        return self.text

    async def rest(self) -> list[Event]:
        """Read to the end; all events."""
        async for piece in self._arriving:
            self.text += piece
        return events_of(self.text)
