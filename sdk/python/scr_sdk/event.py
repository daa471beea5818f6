"""What is captured: any of the forms that the server takes, given an id and a time once, here.

Only what can't be mended later is checked, so that a mistake shows where it was made; the server judges the rest.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scr_sdk.errors import InvalidEvent

MAX_COUNT = 2**53 - 1
MAX_EVENT_BYTES = 1_000_000
OUTCOMES = ("success", "error", "timeout", "user_terminated")
_TOKENS = ("total_tokens", "input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")
#: Either one says how many there were, or two do.
_ENOUGH = (
    {"total_tokens"},
    *(
        {read, written}
        for read in ("input_tokens", "prompt_tokens")
        for written in ("output_tokens", "completion_tokens")
    ),
)


@dataclass(frozen=True, slots=True)
class Captured:
    """An event that is on disk. It may be awaited, which gives it back at once: there is nothing left to wait for."""

    event_id: str

    def __await__(self) -> Generator[Any, None, Captured]:
        yield from ()
        return self


def event_text(event: Mapping[str, Any], now: datetime | None = None) -> tuple[str, str]:
    """The event's id and its JSON text. Args: now: the time it gets if it has none. Raises: InvalidEvent."""
    if not isinstance(event, Mapping):
        raise InvalidEvent("", "an event is a mapping")
    plain = {name: _plain(value, str(name)) for name, value in event.items()}
    _check(plain)
    # The time first: what is captured together stands together in an index by id.
    plain.setdefault("event_id", f"evt_{time.time_ns() // 1_000:014x}{uuid.uuid4().hex[:18]}")
    if not isinstance(plain["event_id"], str) or not plain["event_id"]:
        raise InvalidEvent("event_id", "must be a text")
    plain.setdefault("timestamp", (now or datetime.now(UTC)).isoformat())
    try:
        text = json.dumps(plain, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise InvalidEvent("", "holds something that JSON can't say") from None
    if len(text) > MAX_EVENT_BYTES:
        raise InvalidEvent("", f"has more than {MAX_EVENT_BYTES} bytes")
    return plain["event_id"], text


def _plain(value: Any, path: str) -> Any:
    """Objects of other libraries, such as the usage in an answer of OpenAI's, as mappings."""
    for method in ("model_dump", "to_dict", "dict"):
        convert = None if isinstance(value, Mapping) else getattr(value, method, None)
        if callable(convert):
            value = convert()
            break
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, f"{path}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidEvent(path, "is a time without a zone")
        return value.isoformat()
    if isinstance(value, float) and value - value != 0:
        raise InvalidEvent(path, "must be a finite number")
    return value


def _check(plain: dict[str, Any]) -> None:
    session = plain.get("session", plain)
    path = "session.session_id" if "session" in plain else "session_id"
    name = session.get("session_id") if isinstance(session, dict) else None
    if not isinstance(name, str) or not name:
        raise InvalidEvent(path, "must be a text")
    usage = plain.get("usage")
    if not isinstance(usage, dict):
        raise InvalidEvent("usage", "must be there, with the tokens")
    counts = {token: usage[token] for token in _TOKENS if token in usage}
    for token, count in counts.items():
        if type(count) is not int or not 0 <= count <= MAX_COUNT:
            raise InvalidEvent(f"usage.{token}", "must be a whole number from 0 to 2^53-1")
    if not any(enough <= counts.keys() for enough in _ENOUGH):
        raise InvalidEvent("usage.total_tokens", "is missing")
    outcome = plain.get("outcome", "success")
    status = outcome.get("status") if isinstance(outcome, dict) else outcome
    if status not in OUTCOMES:
        raise InvalidEvent("outcome", f"must be one of {', '.join(OUTCOMES)}")
