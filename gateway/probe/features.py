"""Members of a chat request that an endpoint may do without: whether each is served, refused in words, or ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.probe.exchange import NOT_JSON, OK, Exchange
from gateway.probe.items import Item, Need, Verdict, item, unseen
from gateway.probe.stream import choices_of
from worker.errors import HarpoonError
from worker.strict_json import parse_json

_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "paint",
        "description": "Paint the wall in a colour.",
        "parameters": {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]},
    },
}
_SCHEMA: Final = {
    "name": "colours",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"colours": {"type": "array", "items": {"type": "string"}}},
        "required": ["colours"],
        "additionalProperties": False,
    },
}
#: Enough for a short object, where a checked answer would be cut off.
_OBJECT_TOKENS: Final = 128
#: Features whose answer has to be whole before it can be judged.
_WHOLE: Final = ("tools", "json_object", "json_schema")


class Feature(NamedTuple):
    """A member, the body that uses it, and what is wrong with an answer that claims to honour it."""

    name: str
    says: str
    body: Callable[[dict[str, Any]], Mapping[str, Any]]
    faults: Callable[[Any], list[str]]


def feature_item(feature: Feature, exchange: Exchange) -> Item:
    """What became of a request that uses a feature: a 4xx says that it isn't offered."""
    name, says = f"feature.{feature.name}", feature.says
    if exchange.status == 429:
        return unseen(name, says, "a rate limit stood before it", Need.feature)
    if 400 <= exchange.status < 500:
        return Item(name, says, Need.feature, Verdict.absent, (exchange.outcome(),))
    value = exchange.json() if exchange.is_ok else NOT_JSON
    if exchange.status != OK or value is NOT_JSON:
        return item(name, says, [exchange.outcome() if exchange.status != OK else "the body is no JSON"], Need.feature)
    faults = feature.faults(value)
    if faults and feature.name in _WHOLE and any(one.get("finish_reason") == "length" for one in choices_of(value)):
        return unseen(name, says, f"the answer was cut off at {_OBJECT_TOKENS} tokens", Need.feature)
    return item(name, says, faults, Need.feature)


def _messages(value: Any) -> list[dict[str, Any]]:
    return [one["message"] for one in choices_of(value) if isinstance(one.get("message"), dict)]


def _text(value: Any) -> str:
    return "".join(str(message.get("content") or "") for message in _messages(value))


def _calls_faults(value: Any) -> list[str]:
    calls = [call for message in _messages(value) for call in message.get("tool_calls") or []]
    if not calls:
        return ["no tool was called though one had to be"]
    call = calls[0] if isinstance(calls[0], dict) else {}
    function = call.get("function")
    if not isinstance(call.get("id"), str) or call.get("type") != "function" or not isinstance(function, dict):
        return ["the call has no id, type or function"]
    if function.get("name") != "paint" or not isinstance(function.get("arguments"), str):
        return ["the call has another name, or its arguments are no string"]
    return []


def _json_faults(value: Any) -> list[str]:
    return [] if isinstance(_parsed(_text(value)), dict) else ["the answer is no JSON object"]


def _schema_faults(value: Any) -> list[str]:
    found = _parsed(_text(value))
    listed = found.get("colours") if isinstance(found, dict) else None
    fits = isinstance(listed, list) and all(isinstance(one, str) for one in listed) and len(found) == 1
    return [] if fits else ["the answer does not keep to the schema"]


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except HarpoonError:
        return None


def _n_faults(value: Any) -> list[str]:
    choices = choices_of(value)
    return [] if len(choices) == 2 else [f"{len(choices)} choices came"]


def _logprobs_faults(value: Any) -> list[str]:
    told = [one.get("logprobs") for one in choices_of(value)]
    fits = told and all(isinstance(one, dict) and isinstance(one.get("content"), list) for one in told)
    return [] if fits else ["no logprobs came"]


def _stop_faults(value: Any) -> list[str]:
    return ["the text goes on behind the stop sequence"] if "," in _text(value) else []


def _no_faults(value: Any) -> list[str]:
    return [] if choices_of(value) else ["no choice came"]


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    """The body with the newer name of max_tokens."""
    most = body["max_tokens"]
    return {**{name: value for name, value in body.items() if name != "max_tokens"}, "max_completion_tokens": most}


def _asking_for_object(body: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Name three primary colours as a JSON object with the key colours."}]
    return {**body, "messages": messages, "max_tokens": _OBJECT_TOKENS, "response_format": form}


FEATURES: Final = (
    Feature("max_completion_tokens", "max_tokens under its newer name", _renamed, _no_faults),
    Feature("stop", "a stop sequence ends the text", lambda body: {**body, "stop": [","]}, _stop_faults),
    Feature("n", "two answers to one request", lambda body: {**body, "n": 2}, _n_faults),
    Feature("seed", "a seed is taken", lambda body: {**body, "seed": 7, "temperature": 0}, _no_faults),
    Feature("logprobs", "logprobs of the tokens", lambda body: {**body, "logprobs": True}, _logprobs_faults),
    Feature("tools", "a tool that has to be called is called",
            lambda body: {**body, "max_tokens": _OBJECT_TOKENS, "tools": [_TOOL], "tool_choice": "required"},
            _calls_faults),
    Feature("json_object", "an answer that is a JSON object",
            lambda body: _asking_for_object(body, {"type": "json_object"}), _json_faults),
    Feature("json_schema", "an answer that keeps to a JSON schema",
            lambda body: _asking_for_object(body, {"type": "json_schema", "json_schema": _SCHEMA}), _schema_faults),
)  # fmt: skip
