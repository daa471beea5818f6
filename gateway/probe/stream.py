"""A streamed chat answer, read: its chunks, when each piece of its text came, its usage, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway.probe.exchange import Exchange
from gateway.probe.sse import Event, EventReader
from worker.errors import HarpoonError
from worker.strict_json import parse_json

DONE: Final = "[DONE]"
#: Members of a delta that are text for the reader, reasoning included, as servers name it.
_TEXTS: Final = ("content", "reasoning_content", "reasoning", "refusal")


@dataclass(frozen=True, slots=True)
class Stream:
    """What came of a stream. Times in microseconds since the request was sent.

    unread: events that are no JSON object. pieces_us: the times of the chunks with text or a tool call. error: the
    message of an error within the stream. usage: (tokens in, tokens out), None = not told.
    """

    events: tuple[Event, ...]
    chunks: tuple[dict[str, Any], ...]
    unread: int
    pieces_us: tuple[int, ...]
    text: str
    usage: tuple[int, int] | None
    finish_reason: str | None
    is_done: bool
    is_cut_off: bool
    error: str


def read_stream(exchange: Exchange) -> Stream:
    """The stream in an exchange's body; nothing in it for a body that is none."""
    reader = EventReader()
    events = tuple(event for part in exchange.parts for event in reader.feed(part.data, part.at_us))
    chunks, unread, pieces_us, texts = [], 0, [], []
    usage, finish_reason, error = None, None, ""
    for event in events:
        if event.data == DONE:
            break
        chunk = _object(event.data)
        if chunk is None:
            unread += 1
            continue
        chunks.append(chunk)
        text, is_piece, ended = _content(chunk)
        texts.append(text)
        if is_piece:
            pieces_us.append(event.at_us)
        finish_reason = ended or finish_reason
        usage = usage_of(chunk) or usage
        error = error or _error(chunk)
    is_done = any(event.data == DONE for event in events)
    return Stream(
        events, tuple(chunks), unread, tuple(pieces_us), "".join(texts), usage, finish_reason, is_done,
        reader.is_cut_off(), error,
    )  # fmt: skip


def usage_of(value: Any) -> tuple[int, int] | None:
    """Tokens in and out of an answer or a chunk; None if it doesn't tell both."""
    usage = value.get("usage") if isinstance(value, dict) else None
    if not isinstance(usage, dict):
        return None
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    if not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in counts):
        return None
    return counts[0], counts[1]  # type: ignore[return-value]  # both are integers: looked at above


def choices_of(value: Any) -> list[dict[str, Any]]:
    """The choices that are objects; none where there is no such list."""
    listed = value.get("choices") if isinstance(value, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _content(chunk: dict[str, Any]) -> tuple[str, bool, str | None]:
    """A chunk's text, whether it brings any or a tool call, and its finish reason."""
    texts, is_piece, ended = [], False, None
    for choice in choices_of(chunk):
        delta = choice.get("delta")
        if isinstance(delta, dict):
            found = [delta[name] for name in _TEXTS if isinstance(delta.get(name), str) and delta[name]]
            texts += found
            is_piece = is_piece or bool(found) or bool(delta.get("tool_calls"))
        if isinstance(choice.get("finish_reason"), str):
            ended = choice["finish_reason"]
    return "".join(texts), is_piece, ended


def _error(chunk: dict[str, Any]) -> str:
    error = chunk.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or "an error without a message")
    return str(error) if error else ""


def _object(data: str) -> dict[str, Any] | None:
    try:
        value = parse_json(data.encode("utf-8", "surrogatepass"))
    except HarpoonError:
        return None
    return value if isinstance(value, dict) else None
