"""Decides the OpenAI answer to a responses request: the chat answer to the same conversation, in the newer form.

Source: OpenAI's CreateResponse, Response and ResponseStreamEvent. The simulator keeps nothing, so it knows no earlier
response.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.simulator.chat import Completion, encode
from gateway.simulator.request import JsonObject
from gateway.simulator.tokens import split_pieces
from worker.errors import MalformedRequest

_OUTPUTS = {"function_call_output": "output", "custom_tool_call_output": "output"}
_ECHOED = ("instructions", "max_output_tokens", "metadata", "previous_response_id", "reasoning", "temperature", "text")


def to_chat(body: Mapping[str, object]) -> JsonObject:
    """The chat body that asks for the same. Raises: MalformedRequest for what no chat can say."""
    for name in ("previous_response_id", "conversation", "prompt"):
        if body.get(name) is not None:
            raise MalformedRequest(f"`{name}` refers to something the simulator doesn't keep.", param=name)
    chat: JsonObject = {name: body[name] for name in ("model", "stream", "temperature", "top_p") if name in body}
    chat["messages"] = _messages(body)
    if body.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    tools = body.get("tools")
    if isinstance(tools, list) and tools:
        chat["tools"] = [_nested(tool) for tool in tools]
        chat["tool_choice"] = _nested(body.get("tool_choice", "auto"))
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and form.get("type") == "json_schema":
        named = {name: form[name] for name in ("name", "schema", "strict") if name in form}
        chat["response_format"] = {"type": "json_schema", "json_schema": named}
    elif isinstance(form, dict):
        chat["response_format"] = form
    return chat


def _nested(tool: object) -> object:
    """A function as chat wants it: what describes it in an object of its own."""
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    described = {name: value for name, value in tool.items() if name != "type"}
    return {"type": "function", "function": described}


def _messages(body: Mapping[str, object]) -> list[JsonObject]:
    given, messages = body.get("input"), []
    if isinstance(body.get("instructions"), str):
        messages.append({"role": "system", "content": body["instructions"]})
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise MalformedRequest("`input` has to be a string or a non-empty array.", param="input")
    for at, item in enumerate(given):
        if not isinstance(item, dict):
            raise MalformedRequest(f"`input[{at}]` has to be an object.", param=f"input[{at}]")
        kind = item.get("type", "message")
        if kind == "message":
            messages.append({"role": item.get("role"), "content": _content(item.get("content"))})
        elif kind in _OUTPUTS:
            messages.append({"role": "tool", "content": _content(item.get(_OUTPUTS[kind]))})
    return messages


def _content(content: object) -> object:
    if not isinstance(content, list):
        return content
    return [
        {"type": "text", "text": part.get("text")}
        if isinstance(part, dict) and part.get("type") in ("input_text", "output_text")
        else part
        for part in content
    ]


def to_response(completion: Completion, body: Mapping[str, object], status: str = "") -> JsonObject:
    """The `response` object; with a status of its own it is one that is still being made."""
    answer, digits = completion.answer, completion.id.removeprefix("chatcmpl-sim-")
    whole = "incomplete" if answer.finish_reason == "length" else "completed"
    usage = completion.usage
    return {
        "id": f"resp_sim_{digits}",
        "object": "response",
        "created_at": completion.created,
        "status": status or whole,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if not status and whole == "incomplete" else None,
        **{name: body.get(name) for name in _ECHOED},
        "model": completion.model,
        "output": [] if status else [_item(completion, whole)],
        "parallel_tool_calls": True,
        "store": False,
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "usage": None
        if status
        else {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        },
        "user": body.get("user"),
    }


def _item(completion: Completion, status: str, *, is_empty: bool = False) -> JsonObject:
    digits, text = completion.id.removeprefix("chatcmpl-sim-"), "" if is_empty else completion.answer.text
    if completion.tool is not None:
        call: JsonObject = {"type": "function_call", "id": f"fc_sim_{digits}", "call_id": f"call_sim_{digits}"}
        return {**call, "name": completion.tool, "arguments": text, "status": status}
    content = [] if is_empty else [_part(text)]
    return {"type": "message", "id": f"msg_sim_{digits}", "status": status, "role": "assistant", "content": content}


def _part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def to_events(completion: Completion, body: Mapping[str, object]) -> Iterator[tuple[int, bytes]]:
    """The events of a streamed response, each with how many of the answer's tokens are due before it."""
    tokens = 0
    for number, (kind, members, is_delta) in enumerate(_events(completion, body)):
        tokens += is_delta
        yield (
            tokens,
            b"event: %b\ndata: %b\n\n"
            % (
                kind.encode("ascii"),
                encode({"type": kind, "sequence_number": number, **members}),
            ),
        )


def _events(completion: Completion, body: Mapping[str, object]) -> Iterator[tuple[str, JsonObject, bool]]:
    running = to_response(completion, body, "in_progress")
    yield "response.created", {"response": running}, False
    yield "response.in_progress", {"response": running}, False
    whole = to_response(completion, body)
    item = _item(completion, str(whole["status"]))
    yield "response.output_item.added", {"output_index": 0, "item": _begun(completion)}, False
    where: JsonObject = {"item_id": item["id"], "output_index": 0}
    pieces = split_pieces(completion.answer.text)
    if completion.tool is not None:
        for piece in pieces:
            yield "response.function_call_arguments.delta", {**where, "delta": piece}, True
        done = {**where, "name": completion.tool, "arguments": completion.answer.text}
        yield "response.function_call_arguments.done", done, False
    else:
        where["content_index"] = 0
        yield "response.content_part.added", {**where, "part": _part("")}, False
        for piece in pieces:
            yield "response.output_text.delta", {**where, "delta": piece, "logprobs": []}, True
        text = completion.answer.text
        yield "response.output_text.done", {**where, "text": text, "logprobs": []}, False
        yield "response.content_part.done", {**where, "part": _part(text)}, False
    yield "response.output_item.done", {"output_index": 0, "item": item}, False
    yield f"response.{whole['status']}", {"response": whole}, False


def _begun(completion: Completion) -> JsonObject:
    return _item(completion, "in_progress", is_empty=True)
