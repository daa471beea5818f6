"""Decides whether a body is a chat-completions request, and reads the fields the simulator honours.

Fields it doesn't know are let through; fields it knows have to be of OpenAI's type. Source: OpenAI's
CreateChatCompletionRequest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

from worker.errors import MalformedRequest, UnknownModel
from worker.strict_json import JsonLimits, parse_json

JsonObject = dict[str, object]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_FORMATS = frozenset({"text", "json_object", "json_schema"})
_MOST_CHOICES = 128
_MOST_MEMBERS = 100_000
_MOST_STOPS = 4


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What the simulator needs of a valid body."""

    model: str
    messages: list[JsonObject]
    stream: bool
    include_usage: bool
    choices: int
    max_tokens: int | None
    stop: tuple[str, ...]
    tools: tuple[JsonObject, ...]  # the functions one of which has to be called; empty if none has to
    schema: JsonObject | None  # of a json_schema answer
    json_object: bool


def read_body(data: bytes, *, max_bytes: int) -> JsonObject:
    """`data` as a JSON object. Raises: MalformedRequest, RequestTooLarge."""
    body = parse_json(data, JsonLimits(max_bytes=max_bytes, max_members=_MOST_MEMBERS))
    if not isinstance(body, dict):
        raise MalformedRequest("The request body has to be a JSON object.")
    return cast(JsonObject, body)


def parse_request(body: Mapping[str, object], models: Collection[str]) -> ChatRequest:
    """Check `body` and read it. Raises: MalformedRequest, UnknownModel (a model not in `models`)."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise MalformedRequest("`model` has to be a string.", param="model")
    messages = _read_messages(body.get("messages"))
    if model not in models:
        raise UnknownModel("The simulator serves no such model; GET /v1/models lists those it does.", param="model")
    stream = _read_bool(body, "stream")
    options = _read_object(body, "stream_options")
    if options is not None and not stream:
        raise MalformedRequest("`stream_options` is only allowed with `stream: true`.", param="stream_options")
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
        _check_number(body, name)
    kind, schema = _read_format(_read_object(body, "response_format"))
    limit = read_integer(body, "max_completion_tokens", 1, 2**53 - 1)
    if limit is None:
        limit = read_integer(body, "max_tokens", 1, 2**53 - 1)
    return ChatRequest(
        model=model,
        messages=messages,
        stream=stream,
        include_usage=options is not None and _read_bool(options, "include_usage", "stream_options.include_usage"),
        choices=read_integer(body, "n", 1, _MOST_CHOICES) or 1,
        max_tokens=limit,
        stop=_read_stop(body.get("stop")),
        tools=_read_tools(body),
        schema=schema,
        json_object=kind == "json_object",
    )


def _read_messages(value: object) -> list[JsonObject]:
    if not isinstance(value, list) or not value:
        raise MalformedRequest("`messages` has to be a non-empty array.", param="messages")
    for at, message in enumerate(value):
        where = f"messages[{at}]"
        if not isinstance(message, dict):
            raise MalformedRequest(f"`{where}` has to be an object.", param=where)
        role = message.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            known = ", ".join(sorted(_ROLES))
            raise MalformedRequest(f"`{where}.role` has to be one of {known}.", param=f"{where}.role")
        _check_content(message, role, f"{where}.content")
    return value


def _check_content(message: JsonObject, role: str, where: str) -> None:
    content = message.get("content")
    if isinstance(content, str) or (content is None and role in ("assistant", "function")):
        return
    if not isinstance(content, list) or not content:
        raise MalformedRequest(f"`{where}` has to be a string or a non-empty array of parts.", param=where)
    for at, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise MalformedRequest(f"`{where}[{at}]` has to be an object with a `type`.", param=f"{where}[{at}]")
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise MalformedRequest(f"`{where}[{at}].text` has to be a string.", param=f"{where}[{at}].text")


def _read_bool(body: Mapping[str, object], name: str, where: str | None = None) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise MalformedRequest(f"`{where or name}` has to be a boolean.", param=where or name)
    return value is True


def _read_object(body: Mapping[str, object], name: str) -> JsonObject | None:
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise MalformedRequest(f"`{name}` has to be an object.", param=name)
    return value


def read_integer(body: Mapping[str, object], name: str, least: int, most: int) -> int | None:
    """A whole number within bounds, None if it is absent. Raises: MalformedRequest."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise MalformedRequest(f"`{name}` has to be an integer from {least} to {most}.", param=name)
    return value


def _check_number(body: Mapping[str, object], name: str) -> None:
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise MalformedRequest(f"`{name}` has to be a number.", param=name)


def _read_stop(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS or not all(isinstance(stop, str) for stop in stops):
        raise MalformedRequest(f"`stop` has to be a string or an array of at most {_MOST_STOPS}.", param="stop")
    return tuple(stops)


def _read_format(value: JsonObject | None) -> tuple[str, JsonObject | None]:
    if value is None:
        return "text", None
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _FORMATS:
        raise MalformedRequest(
            "`response_format.type` has to be text, json_object or json_schema.", param="response_format"
        )
    if kind != "json_schema":
        return kind, None
    described = value.get("json_schema")
    schema = described.get("schema", {}) if isinstance(described, dict) else None
    if not isinstance(schema, dict):
        raise MalformedRequest(
            "`response_format.json_schema` has to be an object with a `schema`.", param="response_format"
        )
    return kind, schema


def _read_tools(body: Mapping[str, object]) -> tuple[JsonObject, ...]:
    """The functions among which `tool_choice` wants a call; none for "auto", as no model is here to decide."""
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise MalformedRequest("`tools` has to be an array.", param="tools")
    functions = tuple(_read_function(tool, f"tools[{at}]") for at, tool in enumerate(tools or ()))
    named = tuple(function for function in functions if function)
    choice = body.get("tool_choice")
    if choice is None or choice in ("none", "auto"):
        return ()
    if choice == "required":
        wanted = named
    elif isinstance(name := _named(choice), str):
        wanted = tuple(tool for tool in named if tool.get("name") == name)
    elif isinstance(choice, dict) and isinstance(allowed := choice.get("allowed_tools"), dict):
        if allowed.get("mode") != "required":
            return ()
        listed = allowed.get("tools")
        names = [_named(tool) for tool in listed] if isinstance(listed, list) else []
        wanted = tuple(tool for tool in named if tool.get("name") in names)
    else:
        wanted = ()
    if not wanted:
        raise MalformedRequest("`tool_choice` names no function of `tools`.", param="tool_choice")
    return wanted


def _named(tool: object) -> object:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def _read_function(tool: object, where: str) -> JsonObject:
    """The function a tool describes; an empty object for a tool of another type."""
    if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
        raise MalformedRequest(f"`{where}` has to be an object with a `type`.", param=where)
    if tool["type"] != "function":
        return {}
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise MalformedRequest(f"`{where}.function.name` has to be a string.", param=where)
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise MalformedRequest(f"`{where}.function.parameters` has to be an object.", param=where)
    return function
