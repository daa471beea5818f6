"""What OpenAI's published schemas require of an answer, a chunk, an error and a model list, field by field.

Each check returns its faults as sentences that name the field; none means that it conforms. A field that is required
and nullable must be there, be it null; a field nobody asked about may be there.
"""

from __future__ import annotations

from typing import Any, Final

FINISH_REASONS: Final = ("stop", "length", "tool_calls", "content_filter", "function_call")
_NAMES: Final = {str: "a string", int: "an integer", dict: "an object", list: "a list"}


def answer_faults(value: Any) -> list[str]:
    """A whole answer, but for what may be null: `nullable_faults`; and usage: `usage_faults`."""
    if not isinstance(value, dict):
        return ["the body is no JSON object"]
    faults = _head(value, "chat.completion")
    for path, choice in _choices(value, faults, least=1):
        faults += _field(choice, path, "index", int)
        if choice.get("finish_reason") not in FINISH_REASONS:
            faults.append(f"{path}.finish_reason is {_told(choice, 'finish_reason')}")
        message = choice.get("message")
        if not isinstance(message, dict):
            faults.append(f"{path}.message is {_told(choice, 'message')}, not an object")
            continue
        if message.get("role") != "assistant":
            faults.append(f"{path}.message.role is {_told(message, 'role')}, not assistant")
        if "content" in message and not isinstance(message["content"], str | None):
            faults.append(f"{path}.message.content is neither a string nor null")
    return faults


def nullable_faults(value: Any) -> list[str]:
    """The fields of a whole answer that must be there though they are mostly null."""
    faults: list[str] = []
    for path, choice in _choices(value, [], least=1):
        faults += _field(choice, path, "logprobs", dict, nullable=True)
        message = choice.get("message")
        if isinstance(message, dict):
            faults += _field(message, f"{path}.message", "content", str, nullable=True)
            faults += _field(message, f"{path}.message", "refusal", str, nullable=True)
    return faults


def usage_faults(value: Any) -> list[str]:
    """The token counts of an answer or of a stream's last chunk."""
    usage = value.get("usage") if isinstance(value, dict) else None
    if not isinstance(usage, dict):
        return ["usage is missing" if usage is None else "usage is no object"]
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    faults = [fault for name in names for fault in _field(usage, "usage", name, int)]
    if not faults and usage["prompt_tokens"] + usage["completion_tokens"] != usage["total_tokens"]:
        faults.append("usage.total_tokens is not the sum of the other two")
    return faults


def chunk_faults(value: Any) -> list[str]:
    """One chunk of a stream."""
    if not isinstance(value, dict):
        return ["a chunk is no JSON object"]
    faults = _head(value, "chat.completion.chunk")
    for path, choice in _choices(value, faults):
        faults += _field(choice, path, "index", int) + _field(choice, path, "delta", dict)
        if "finish_reason" not in choice:
            faults.append(f"{path}.finish_reason is missing")
        elif choice["finish_reason"] not in (*FINISH_REASONS, None):
            faults.append(f"{path}.finish_reason is {_told(choice, 'finish_reason')}")
    return faults


def error_faults(value: Any) -> list[str]:
    """The body of an error: all four members are always there."""
    if not isinstance(value, dict):
        return ["the error's body is no JSON object"]
    error = value.get("error")
    if not isinstance(error, dict):
        return [f"error is {_told(value, 'error')}, not an object"]
    faults = _field(error, "error", "message", str) + _field(error, "error", "type", str)
    faults += _field(error, "error", "param", str, nullable=True) + _field(error, "error", "code", str, nullable=True)
    return faults


def models_faults(value: Any) -> list[str]:
    """The list of models."""
    if not isinstance(value, dict):
        return ["the body is no JSON object"]
    faults = [] if value.get("object") == "list" else [f"object is {_told(value, 'object')}, not list"]
    listed = value.get("data")
    if not isinstance(listed, list):
        return [*faults, f"data is {_told(value, 'data')}, not a list"]
    for at, model in enumerate(listed):
        faults += model_faults(model, f"data[{at}]")
    return faults


def model_faults(value: Any, path: str = "model") -> list[str]:
    """One model."""
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    faults = [] if value.get("object") == "model" else [f"{path}.object is {_told(value, 'object')}, not model"]
    for name, kind in (("id", str), ("created", int), ("owned_by", str)):
        faults += _field(value, path, name, kind)
    return faults


def summed_up(faults: list[str], most: int = 4) -> tuple[str, ...]:
    """Equal faults once, those of lists' items as one, and no more than can be read."""
    merged: dict[str, int] = {}
    for fault in faults:
        general = _without_numbers(fault)
        merged[general] = merged.get(general, 0) + 1
    told = [fault if times == 1 else f"{fault} ({times} times)" for fault, times in merged.items()]
    return tuple(told[:most]) + ((f"and {len(told) - most} more",) if len(told) > most else ())


def _without_numbers(fault: str) -> str:
    before, bracket, rest = fault.partition("[")
    number, closing, after = rest.partition("]")
    return f"{before}[n]{after}" if bracket and closing and number.isdecimal() else fault


def _head(value: dict[str, Any], kind: str) -> list[str]:
    faults = [
        fault for name, of in (("id", str), ("created", int), ("model", str)) for fault in _named(value, name, of)
    ]
    return faults if value.get("object") == kind else [*faults, f"object is {_told(value, 'object')}, not {kind}"]


def _named(value: dict[str, Any], name: str, kind: type) -> list[str]:
    return _field(value, "", name, kind)


def _choices(value: Any, faults: list[str], least: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """The choices with their paths; what is wrong with the list is added to `faults`."""
    listed = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        faults.append("choices is missing" if listed is None else "choices is no list")
        return []
    if len(listed) < least:
        faults.append("choices is empty")
    faults += [f"choices[{at}] is no object" for at, one in enumerate(listed) if not isinstance(one, dict)]
    return [(f"choices[{at}]", one) for at, one in enumerate(listed) if isinstance(one, dict)]


def _field(value: dict[str, Any], path: str, name: str, kind: type, *, nullable: bool = False) -> list[str]:
    full = f"{path}.{name}" if path else name
    if name not in value:
        return [f"{full} is missing"]
    given = value[name]
    if (given is None and nullable) or (isinstance(given, kind) and not isinstance(given, bool)):
        return []
    return [f"{full} is {_told(value, name)}, not {_NAMES[kind]}{' or null' if nullable else ''}"]


def _told(value: dict[str, Any], name: str) -> str:
    """What stands there, without showing a text of unknown length."""
    if name not in value:
        return "missing"
    given = value[name]
    if given is None:
        return "null"
    if isinstance(given, bool | int):
        return str(given).lower()[:20]
    if isinstance(given, str):
        # Whole or not at all: part of a text could be part of a secret, which nobody would recognise any more.
        return repr(given) if len(given) <= 40 else f"a string of {len(given)} characters"
    return _NAMES.get(type(given), "a number")
