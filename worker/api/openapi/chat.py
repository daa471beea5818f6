"""OpenAI's surface: chat completions and models."""

from __future__ import annotations

from worker.api.openapi.parts import (
    COUNT,
    NULLABLE_STRING,
    OF_A_CHAT,
    OF_AN_ANSWER,
    STRING,
    Plain,
    answer,
    body,
    chat_parameters,
    errors,
    event_stream,
    in_path,
    list_of,
    one_of,
    operation,
    record,
    ref,
)

_FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


def paths() -> Plain:
    example = {"model": "auto", "messages": [{"role": "user", "content": "What is a vGPU?"}]}
    whole = answer("The whole answer, or a stream of chunks if `stream` is true.", ref("ChatAnswer"), OF_AN_ANSWER)
    whole["content"]["text/event-stream"] = event_stream(
        "its data is a chunk or an error as JSON, and [DONE] in the last one"
    )
    chat = operation(
        "createChatCompletion",
        "A chat completion, whole or streamed",
        {"200": whole, **errors(*OF_A_CHAT)},
        parameters=chat_parameters(),
        requestBody=body(ref("ChatRequest"), example),
    )
    models = operation(
        "listModels",
        "What a request may name as model",
        {"200": answer("The models.", ref("Models")), **errors(401, 403, 500)},
    )
    model = operation(
        "getModel",
        "One model",
        {"200": answer("The model.", ref("Model")), **errors(401, 403, 404, 500)},
        parameters=[in_path("model_id", {"type": "string", "minLength": 1}, "may hold slashes")],
    )
    return {
        "/v1/chat/completions": {"post": chat},
        "/v1/models": {"get": models},
        "/v1/models/{model_id}": {"get": model},
    }


def schemas() -> Plain:
    model = {"id": STRING, "object": one_of("model"), "created": COUNT, "owned_by": STRING}
    return {
        "ChatRequest": _request(),
        "ChatAnswer": _answer(),
        "Covenant": covenant(),
        "Model": record(model, is_open=True),
        "Models": record({"object": one_of("list"), "data": list_of(ref("Model"))}),
    }


def covenant() -> Plain:
    """What may be given as a covenant; its fields are described in the documentation."""
    return {
        "description": "an object of limits, words, `from_prompt`, or the id of a stored covenant",
        "anyOf": [{"type": "object"}, {"type": "string", "minLength": 1, "maxLength": 2000}, {"type": "null"}],
    }


def _request() -> Plain:
    def number(least: int, most: int) -> Plain:
        return {"type": ["number", "null"], "minimum": least, "maximum": most}

    limit: Plain = {"type": ["integer", "null"], "minimum": 1, "maximum": 10_000_000}
    roles = one_of("assistant", "developer", "function", "system", "tool", "user")
    part = record({"type": one_of("text"), "text": STRING}, is_open=True)
    content: Plain = {"anyOf": [STRING, list_of(part, minItems=1)]}
    members: Plain = {
        "model": {"type": "string", "minLength": 1, "maxLength": 256},
        "messages": list_of(record({"role": roles, "content": content}, is_open=True), minItems=1),
        "stream": {"type": ["boolean", "null"]},
        "max_tokens": limit,
        "max_completion_tokens": limit,
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 128},
        "temperature": number(0, 2),
        "top_p": number(0, 1),
        "frequency_penalty": number(-2, 2),
        "presence_penalty": number(-2, 2),
        "seed": {"type": ["integer", "null"]},
        "stop": {"anyOf": [STRING, list_of(STRING), {"type": "null"}]},
        "user": NULLABLE_STRING,
        "covenant": ref("Covenant"),
        "covenant_id": {"type": ["string", "null"], "pattern": "^cov-[0-9a-f]{8}$"},
    }
    return record(members, optional=[name for name in members if name not in ("model", "messages")], is_open=True)


def _answer() -> Plain:
    message: Plain = {"role": one_of("assistant"), "content": NULLABLE_STRING, "refusal": NULLABLE_STRING}
    choice: Plain = {
        "index": COUNT,
        "message": record(message, is_open=True),
        "logprobs": {"type": ["object", "null"]},
        "finish_reason": one_of(*_FINISH_REASONS),
    }
    usage = record({"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT}, is_open=True)
    members: Plain = {
        "id": STRING,
        "object": one_of("chat.completion"),
        "created": COUNT,
        "model": STRING,
        "choices": list_of(record(choice, is_open=True), minItems=1),
        "usage": {"anyOf": [usage, {"type": "null"}]},
    }
    return record(members, optional=("usage",), is_open=True)
