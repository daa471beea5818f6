"""Whether an answer is whole: finished by its model, and neither cut short, refused, filtered, nor silent on its end.

Only such an answer is kept. It is looked at as the provider sent it, before what is missing in it is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from worker.errors import HarpoonError
from worker.strict_json import parse_json

#: Finish reasons of a model that had nothing more to say.
WHOLE_REASONS: Final = frozenset({"stop", "tool_calls", "function_call"})
_UNFINISHED = (b'"finish_reason":null', b'"finish_reason": null')
#: How a refusal's words begin in an event; inside a string its own quotation marks would be escaped.
_REFUSED = re.compile(rb'"refusal" ?: ?"[^"]')


def is_whole_chat(answer: Mapping[str, Any]) -> bool:
    """A chat completion whose every choice says that it is finished, and is neither an error nor a refusal."""
    choices = answer.get("choices")
    return (
        isinstance(choices, list)
        and bool(choices)
        and not answer.get("error")
        and all(isinstance(choice, dict) and _is_whole_choice(choice, "message") for choice in choices)
    )


def is_whole_response(answer: Mapping[str, Any]) -> bool:
    """A response that says that it is completed, and whose model didn't refuse."""
    if answer.get("status") != "completed" or answer.get("error"):
        return False
    parts = [part for item in _dicts(answer.get("output")) for part in _dicts(item.get("content"))]
    return not any(part.get("type") == "refusal" for part in parts)


def is_whole_embeddings(answer: Mapping[str, Any]) -> bool:
    """Vectors of which none is empty; nothing else of them can be cut short."""
    data = _dicts(answer.get("data"))
    return not answer.get("error") and bool(data) and all(item.get("embedding") for item in data)


def _is_whole_choice(choice: Mapping[str, Any], said_in: str) -> bool:
    reason, said = choice.get("finish_reason"), choice.get(said_in)
    is_refusal = isinstance(said, dict) and bool(said.get("refusal"))
    return isinstance(reason, str) and reason in WHOLE_REASONS and not is_refusal and not choice.get("error")


def _dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none if it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def is_whole_chat_stream(events: bytes, choices: int) -> bool:
    """A stream, as it was sent on, in which each of `choices` choices is finished."""
    if _REFUSED.search(events):
        return False
    reasons: dict[str, bool] = {}
    for event in events.split(b"\n\n"):
        # Nearly all events of an only choice say so; a quote inside a text would be escaped.
        if not event.startswith(b"data: {") or (choices == 1 and any(mark in event for mark in _UNFINISHED)):
            continue
        chunk = _read(event)
        # What a provider says of a choice is passed on unread, so it may be anything here.
        for choice in _dicts(chunk.get("choices")):
            if choice.get("finish_reason") is not None:
                reasons[str(choice.get("index"))] = _is_whole_choice(choice, "delta")
    return len(reasons) >= choices and all(reasons.values())


def is_whole_response_stream(events: bytes, choices: int) -> bool:
    """A stream of typed events, as it was sent on, that ends with a completed response."""
    last = _read(events.strip(b"\n").rpartition(b"\n\n")[2])
    response = last.get("response")
    return last.get("type") == "response.completed" and isinstance(response, dict) and is_whole_response(response)


def _read(event: bytes) -> dict[str, Any]:
    """The object in an event's data lines; an empty one if there is none."""
    data = b"\n".join([line[5:] for line in event.split(b"\n") if line.startswith(b"data:")])
    try:
        value = parse_json(data)
    except HarpoonError:
        return {}
    return value if isinstance(value, dict) else {}
