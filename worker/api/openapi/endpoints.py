"""OpenAI's surfaces beside the chat: responses and embeddings."""

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
    list_of,
    one_of,
    operation,
    record,
    ref,
)


def paths() -> Plain:
    response = answer("The whole response, or its events if `stream` is true.", ref("ResponseAnswer"), OF_AN_ANSWER)
    response["content"]["text/event-stream"] = event_stream(
        "its data is JSON with the event's name as type; there is no [DONE]", "event"
    )
    return {
        "/v1/responses": {
            "post": operation(
                "createResponse",
                "A response, whole or streamed",
                {"200": response, **errors(*OF_A_CHAT)},
                parameters=chat_parameters(),
                requestBody=body(ref("ResponseRequest"), {"model": "auto", "input": "What is a vGPU?"}),
            )
        },
        "/v1/embeddings": {
            "post": operation(
                "createEmbedding",
                "Vectors of texts",
                {"200": answer("The vectors.", ref("EmbeddingAnswer"), OF_AN_ANSWER), **errors(*OF_A_CHAT)},
                parameters=chat_parameters(),
                requestBody=body(ref("EmbeddingRequest"), {"model": "hashed-words-256", "input": "What is a vGPU?"}),
            )
        },
    }


def schemas() -> Plain:
    return {
        "ResponseRequest": _response_request(),
        "ResponseAnswer": _response_answer(),
        "EmbeddingRequest": _embedding_request(),
        "EmbeddingAnswer": _embedding_answer(),
    }


def _ours() -> Plain:
    return {
        "covenant": ref("Covenant"),
        "covenant_id": {"type": ["string", "null"], "pattern": "^cov-[0-9a-f]{8}$"},
    }


def _response_request() -> Plain:
    roles = one_of("assistant", "developer", "function", "system", "tool", "user")
    part = record({"type": one_of("input_text"), "text": STRING}, is_open=True)
    content: Plain = {"anyOf": [STRING, list_of(part, minItems=1)]}
    message = record({"type": one_of("message"), "role": roles, "content": content}, optional=("type",), is_open=True)
    members: Plain = {
        "model": {"type": "string", "minLength": 1, "maxLength": 256},
        "input": {"anyOf": [STRING, list_of(message, minItems=1)]},
        "instructions": NULLABLE_STRING,
        "max_output_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 10_000_000},
        "stream": {"type": ["boolean", "null"]},
        "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
        "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "store": {"type": ["boolean", "null"], "description": "true only where `model` leaves one provider"},
        "user": NULLABLE_STRING,
        **_ours(),
    }
    return record(members, optional=[name for name in members if name not in ("model", "input")], is_open=True)


def _response_answer() -> Plain:
    usage = record({"input_tokens": COUNT, "output_tokens": COUNT, "total_tokens": COUNT}, is_open=True)
    members: Plain = {
        "id": STRING,
        "object": one_of("response"),
        "created_at": {"type": "number", "minimum": 0},
        "status": one_of("completed", "incomplete", "failed", "cancelled"),
        "error": {"type": ["object", "null"]},
        "model": STRING,
        "output": list_of(record({"type": STRING}, is_open=True)),
        "usage": {"anyOf": [usage, {"type": "null"}]},
    }
    return record(members, optional=("usage",), is_open=True)


def _embedding_request() -> Plain:
    text: Plain = {"type": "string", "minLength": 1}
    tokens = list_of({"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, minItems=1)
    members: Plain = {
        "model": {"type": "string", "minLength": 1, "maxLength": 256, "description": "a model that embeds; not `auto`"},
        "input": {"anyOf": [text, list_of(text, minItems=1, maxItems=2048), tokens]},
        "dimensions": {"type": ["integer", "null"], "minimum": 1, "maximum": 65_536},
        "encoding_format": one_of("float", "base64"),
        "user": NULLABLE_STRING,
        **_ours(),
    }
    return record(members, optional=[name for name in members if name not in ("model", "input")], is_open=True)


def _embedding_answer() -> Plain:
    item: Plain = {
        "object": one_of("embedding"),
        "index": COUNT,
        "embedding": {"anyOf": [list_of({"type": "number"}), STRING]},
    }
    usage = record({"prompt_tokens": COUNT, "total_tokens": COUNT}, is_open=True)
    members: Plain = {
        "object": one_of("list"),
        "data": list_of(record(item, is_open=True), minItems=1),
        "model": STRING,
        "usage": {"anyOf": [usage, {"type": "null"}]},
    }
    return record(members, optional=("usage",), is_open=True)
