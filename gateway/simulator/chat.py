"""Decides the OpenAI answer to a chat request: the completion object, the chunks of its stream, or the error body.

Source: OpenAI's CreateChatCompletionResponse, CreateChatCompletionStreamResponse and ErrorResponse. Every answer says
that it is simulated: in its id, its model and its system_fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.simulator.answer import Answer, compose, finish
from gateway.simulator.prompt import read_prompt
from gateway.simulator.request import ChatRequest, JsonObject
from gateway.simulator.shape import call_tool, fill_schema
from gateway.simulator.tokens import split_pieces
from worker.errors import HarpoonError

#: What follows the requested model's id in the answer's.
MODEL_SUFFIX = "-simulated"
FINGERPRINT = "fp_simulator"

_ID_DIGITS = 24


@dataclass(frozen=True, slots=True)
class Completion:
    """An answered request, from which both the plain and the streamed form are made."""

    id: str
    created: int  # seconds since 1970
    model: str
    answer: Answer
    tool: str | None  # the function called; the answer's text is then its arguments
    choices: int

    @property
    def usage(self) -> JsonObject:
        prompt, completion = self.answer.prompt_tokens, self.answer.completion_tokens * self.choices
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    @property
    def finish_reason(self) -> str:
        called = self.tool is not None and self.answer.finish_reason == "stop"
        return "tool_calls" if called else self.answer.finish_reason


def complete(request: ChatRequest, body: Mapping[str, object], now_s: Callable[[], int]) -> Completion:
    """Answer `request`; `body` is the object it was read from, which alone decides the id."""
    prompt = read_prompt(request.messages)
    tool = None
    if request.tools:
        tool, text = call_tool(prompt, request.tools)
    else:
        text = compose(prompt)
        if request.schema is not None:
            text = fill_schema(prompt, request.schema, text)
        elif request.json_object:
            text = json.dumps({"answer": text}, ensure_ascii=False)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return Completion(
        id=f"chatcmpl-sim-{hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]}",
        created=now_s(),
        model=request.model + MODEL_SUFFIX,
        answer=finish(
            text,
            prompt_tokens=prompt.tokens,
            max_tokens=request.max_tokens,
            stop=() if tool is not None else request.stop,
        ),
        tool=tool,
        choices=request.choices,
    )


def to_response(completion: Completion) -> JsonObject:
    """The `chat.completion` object."""
    message: JsonObject = {"role": "assistant", "content": completion.answer.text, "refusal": None}
    if completion.tool is not None:
        function = {"name": completion.tool, "arguments": completion.answer.text}
        message["content"] = None
        message["tool_calls"] = [{"id": _call_id(completion), "type": "function", "function": function}]
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": completion.finish_reason}
        for index in range(completion.choices)
    ]
    return {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": completion.model,
        "choices": choices,
        "usage": completion.usage,
        "system_fingerprint": FINGERPRINT,
    }


def to_chunks(completion: Completion, *, include_usage: bool) -> Iterator[JsonObject]:
    """The `chat.completion.chunk` objects in order: roles, one piece each, finish reasons, and usage if asked for."""
    head: JsonObject = {
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": FINGERPRINT,
    }
    if include_usage:
        head["usage"] = None
    for delta, finish_reason in _deltas(completion):
        for index in range(completion.choices):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            yield {**head, "choices": [choice]}
    if include_usage:
        yield {**head, "choices": [], "usage": completion.usage}


def _deltas(completion: Completion) -> Iterator[tuple[JsonObject, str | None]]:
    pieces = split_pieces(completion.answer.text)
    if completion.tool is None:
        yield {"role": "assistant", "content": "", "refusal": None}, None
        for piece in pieces:
            yield {"content": piece}, None
    else:
        call: JsonObject = {"index": 0, "id": _call_id(completion), "type": "function"}
        call["function"] = {"name": completion.tool, "arguments": ""}
        yield {"role": "assistant", "content": None, "tool_calls": [call]}, None
        for piece in pieces:
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, None
    yield {}, completion.finish_reason


def _call_id(completion: Completion) -> str:
    return f"call_sim_{completion.id.removeprefix('chatcmpl-sim-')}"


def to_error(error: HarpoonError) -> JsonObject:
    """OpenAI's error body: all four fields always present."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def encode(value: Mapping[str, object]) -> bytes:
    """`value` as UTF-8 JSON; a lone surrogate, which UTF-8 can't carry, becomes "?"."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
