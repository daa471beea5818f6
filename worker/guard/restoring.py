"""Puts what placeholders stand for back into an answer, whole or streamed.

A placeholder may come in pieces. Of each text that is streamed only what could still become one is held back: less than
PLACEHOLDER_CHARACTERS characters, and only until the next piece of it, or its end. Sans-io: bytes in, bytes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from worker.guard.redaction import JSON_TEXTS, PLACEHOLDER_CHARACTERS
from worker.upstream.relay import StreamBroken

_SHAPED: Final = re.compile(r"\[[A-Z_]{2,12}_[0-9]{1,5}\]", re.ASCII)
#: What may be the beginning of one, at the end of a text.
_BEGUN: Final = re.compile(r"\[[A-Z0-9_]{0," + str(PLACEHOLDER_CHARACTERS - 2) + r"}\Z", re.ASCII)
#: Members that hold the text of an answer; they are JSON where the request asked for it.
ANSWER_TEXTS: Final = frozenset({"content", "text"})


def restore_text(text: str, originals: Mapping[str, str], *, within_json: bool = False) -> str:
    """The text with the originals in the place of their placeholders; unknown ones stay as they are."""
    if "[" not in text:
        return text

    def original(found: re.Match[str]) -> str:
        known = originals.get(found[0])
        if known is None:
            return found[0]
        return json.dumps(known, ensure_ascii=False)[1:-1] if within_json else known

    return _SHAPED.sub(original, text)


def json_texts(*, wants_json: bool) -> frozenset[str]:
    """The members of an answer that hold JSON text, where what is put back has to be escaped."""
    return JSON_TEXTS | ANSWER_TEXTS if wants_json else JSON_TEXTS


def restore_value(
    value: Any, originals: Mapping[str, str], name: str = "", escaped: frozenset[str] = JSON_TEXTS
) -> Any:
    """A JSON value with every string restored. `name`: the member that the value is of. `escaped`: see json_texts."""
    if isinstance(value, str):
        return restore_text(value, originals, within_json=name in escaped)
    if isinstance(value, list):
        return [restore_value(item, originals, name, escaped) for item in value]
    if isinstance(value, dict):
        return {key: restore_value(item, originals, key, escaped) for key, item in value.items()}
    return value


def place_part(value: Any) -> Any:
    """What tells one text of an answer from another, as a key can hold it: a number or an id, or else its JSON."""
    return value if value is None or isinstance(value, int | str) else json.dumps(value)


class TextRestorer:
    """One text that comes in pieces. All pieces together are what `restore_text` makes of the whole."""

    __slots__ = ("_held", "_originals", "_within_json")

    def __init__(self, originals: Mapping[str, str], *, within_json: bool = False) -> None:
        self._originals = originals
        self._within_json = within_json
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be said for certain by now."""
        text = self._held + piece
        # Only the last bracket can be the beginning of a placeholder: none has a bracket inside.
        begun = text.rfind("[", -PLACEHOLDER_CHARACTERS)
        if begun >= 0 and _BEGUN.match(text, begun) is None:
            begun = -1
        sure, self._held = (text, "") if begun < 0 else (text[:begun], text[begun:])
        return restore_text(sure, self._originals, within_json=self._within_json)

    def finish(self) -> str:
        """What was held back; it did not become a placeholder."""
        held, self._held = self._held, ""
        return held


class Events(Protocol):
    """Restores the events of one stream."""

    def restored(self, event: bytes) -> bytes:
        """An event, and what has to be said before it, each with its empty line. `event`: without that line."""
        ...

    def flush(self) -> bytes:
        """What was held back of every text, as events: the stream ended before they did."""
        ...


class RestoredRelay:
    """A relay whose events are restored; used in its place. What it counts is what the provider sent."""

    def __init__(self, relay: Any, events: Events) -> None:
        self.done: bool = relay.done
        self.usage: tuple[int, int] | None = relay.usage
        self._relay = relay
        self._events = events

    @property
    def finished(self) -> bool:
        return bool(self._relay.finished)

    def counted_tokens(self) -> int:
        return int(self._relay.counted_tokens())

    def feed(self, chunk: bytes) -> bytes:
        """As the relay's. Raises: StreamBroken, whose `whole` is restored and has what was held back."""
        return self._restored(lambda: self._relay.feed(chunk))

    def finish(self) -> bytes:
        """As the relay's. Raises: StreamBroken, likewise."""
        return self._restored(self._relay.finish)

    def cut(self) -> bytes:
        """As the relay's. Raises: StreamBroken, likewise."""
        return self._restored(self._relay.cut)

    def flush(self) -> bytes:
        """What was held back, for a stream that ends here."""
        return self._events.flush()

    def _restored(self, ask: Callable[[], bytes]) -> bytes:
        try:
            return self._each(ask())
        except StreamBroken as problem:
            problem.whole = self._each(problem.whole) + self._events.flush()
            raise
        finally:
            self.done, self.usage = self._relay.done, self._relay.usage

    def _each(self, events: bytes) -> bytes:
        return b"".join([self._events.restored(event) for event in events[:-2].split(b"\n\n")]) if events else b""
