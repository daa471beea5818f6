"""What OpenAI's API requires of a chat answer, a stream and an error, checked field by field on either host.

Source: the required and nullable fields of CreateChatCompletionResponse, CreateChatCompletionStreamResponse and
ErrorResponse in OpenAI's published description. Every check returns its findings in words; none means conformant.
"""

from __future__ import annotations

import json
from typing import Any

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


def answer_findings(value: Any) -> list[str]:
    """A plain answer."""
    found = _head(value, "chat.completion")
    if found:
        return found
    for choice in _objects(value.get("choices"), "choices", found, least=1):
        message = choice.get("message")
        if not isinstance(message, dict):
            found.append("a choice has no message")
            continue
        found += _wrong(choice, "index", int)
        found += [] if choice.get("finish_reason") in FINISH_REASONS else ["finish_reason is none of the known"]
        found += _wrong(choice, "logprobs", dict, nullable=True)
        found += _wrong(message, "content", str, nullable=True) + _wrong(message, "refusal", str, nullable=True)
        found += [] if message.get("role") == "assistant" else ["role is not assistant"]
        found += _calls(message.get("tool_calls", []))
    return found + (_usage(value["usage"]) if "usage" in value else [])


def chunk_findings(value: Any) -> list[str]:
    """One event of a stream."""
    found = _head(value, "chat.completion.chunk")
    if found:
        return found
    for choice in _objects(value.get("choices"), "choices", found):
        found += _wrong(choice, "index", int) + _wrong(choice, "delta", dict)
        if "finish_reason" not in choice or choice["finish_reason"] not in (*FINISH_REASONS, None):
            found.append("finish_reason is missing or none of the known")
        delta = choice.get("delta", {})
        for field in ("content", "refusal"):
            found += _wrong(delta, field, str, nullable=True) if field in delta else []
    return found + (_usage(value["usage"]) if value.get("usage") is not None else [])


def stream_findings(text: str, *, include_usage: bool) -> list[str]:
    """A whole stream: its chunks, what must be equal in all of them, its usage, and its end."""
    data = data_of(text)
    if not data or data[-1] != "[DONE]":
        return ["the stream does not end with [DONE]"]
    chunks = [json.loads(one) for one in data[:-1]]
    found = [finding for chunk in chunks for finding in chunk_findings(chunk)]
    for field in ("id", "created", "model"):
        if len({str(chunk.get(field)) for chunk in chunks}) != 1:
            found.append(f"{field} is not the same in all chunks")
    reported = [chunk for chunk in chunks if chunk.get("usage")]
    if not include_usage:
        return found + (["usage was sent though not asked for"] if any("usage" in c for c in chunks) else [])
    if len(reported) != 1 or reported[0] is not chunks[-1] or reported[0]["choices"] != []:
        found.append("usage is not in the last chunk alone, without choices")
    if any("usage" not in chunk for chunk in chunks):
        found.append("a chunk before the last has no usage: null")
    return found


def error_findings(value: Any) -> list[str]:
    """An error's body."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        return ["there is no error object"]
    found = _wrong(error, "message", str) + _wrong(error, "type", str)
    found += _wrong(error, "param", str, nullable=True) + _wrong(error, "code", str, nullable=True)
    return found if error.get("message") else [*found, "the message is empty"]


def models_findings(value: Any) -> list[str]:
    """The list of models."""
    if not isinstance(value, dict) or value.get("object") != "list":
        return ["it is not a list object"]
    found: list[str] = []
    for model in _objects(value.get("data"), "data", found, least=1):
        found += model_findings(model)
    return found


def model_findings(value: Any) -> list[str]:
    """One model."""
    if not isinstance(value, dict) or value.get("object") != "model":
        return ["it is not a model object"]
    return _wrong(value, "id", str) + _wrong(value, "created", int) + _wrong(value, "owned_by", str)


def data_of(text: str) -> list[str]:
    """The data of a stream's events, as sent by a server that writes one line for each."""
    return [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]


def _head(value: Any, kind: str) -> list[str]:
    if not isinstance(value, dict):
        return ["it is not an object"]
    found = _wrong(value, "id", str) + _wrong(value, "created", int) + _wrong(value, "model", str)
    return found + ([] if value.get("object") == kind else [f"object is not {kind}"])


def _wrong(value: dict[str, Any], field: str, kind: type, *, nullable: bool = False) -> list[str]:
    if field not in value:
        return [f"{field} is missing"]
    given = value[field]
    if given is None and nullable:
        return []
    return [] if isinstance(given, kind) and not isinstance(given, bool) else [f"{field} has the wrong type"]


def _objects(value: Any, field: str, found: list[str], least: int = 0) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) < least or not all(isinstance(item, dict) for item in value):
        found.append(f"{field} is not a list of objects, or too short")
        return []
    return value


def _calls(value: Any) -> list[str]:
    found: list[str] = []
    for call in _objects(value, "tool_calls", found):
        found += _wrong(call, "id", str) + _wrong(call, "type", str) + _wrong(call, "function", dict)
    return found


def _usage(value: Any) -> list[str]:
    if not isinstance(value, dict):
        return ["usage is not an object"]
    found = [f for field in ("prompt_tokens", "completion_tokens", "total_tokens") for f in _wrong(value, field, int)]
    if not found and value["prompt_tokens"] + value["completion_tokens"] != value["total_tokens"]:
        found.append("total_tokens is not the sum")
    return found
