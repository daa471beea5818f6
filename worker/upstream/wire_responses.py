"""OpenAI's responses: what a caller may send, what goes upstream, and what must be in an answer.

A response may be kept at the provider and be referred to later. No other provider knows it, so whatever refers to it,
and `store: true`, is passed on only where the model's name leaves one provider; elsewhere it is refused. Where the
client doesn't say, `store: false` is sent: nothing is left behind that nobody asked to keep. `background` is refused,
because such an answer would come after its settlement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worker.covenant.requested import requested_covenant
from worker.errors import MalformedRequest
from worker.routing.catalogue import CompiledCatalogue, Route
from worker.routing.labels import Label, request_defaults
from worker.routing.tables import RESPONSES
from worker.strict_json import JsonLimits, parse_object
from worker.upstream.wire import (
    ATTACHMENTS,
    OWN_MEMBERS,
    ROLES,
    SHARED_CHECKS,
    ChatRequest,
    Check,
    check_members,
    is_count,
    last_user_text,
    preferences_member,
    read_model,
    refuse_unpriced,
    reported_usage,
    size_of,
)

_CHECKS: Mapping[str, Check] = {
    **{name: SHARED_CHECKS[name] for name in ("metadata", "stream", "stream_options", "temperature", "tool_choice")},
    **{name: SHARED_CHECKS[name] for name in ("provider", "tools", "top_logprobs", "top_p", "user")},
    "background": (lambda v: v is False, "left out: an answer in the background can't be settled"),
    "conversation": (lambda v: isinstance(v, str | dict), "a string or an object"),
    "instructions": (lambda v: isinstance(v, str), "a string"),
    "max_output_tokens": (is_count, "a whole number of at least 1"),
    "previous_response_id": (lambda v: isinstance(v, str), "a string"),
    "prompt": (lambda v: isinstance(v, dict), "an object"),
    "reasoning": (lambda v: isinstance(v, dict), "an object"),
    "store": (lambda v: isinstance(v, bool), "true or false"),
    "text": (lambda v: isinstance(v, dict), "an object"),
}
#: Members that refer to what one provider keeps.
_KEPT = ("previous_response_id", "conversation", "prompt")
_TEXT_PARTS = frozenset({"input_text", "output_text", "text"})
#: Items that hold a picture.
_PICTURE_ITEMS = frozenset({"computer_call_output", "image_generation_call"})
#: Items whose text a model reads, and the member that holds it.
_OUTPUT_ITEMS = {"function_call_output": "output", "custom_tool_call_output": "output"}


def parse_responses(body: bytes, covenant_header: str | None, limits: JsonLimits, lenient: bool = False) -> ChatRequest:
    """A request body, checked; instructions and input stand as chat messages, for whoever judges text.

    Raises: MalformedRequest; RequestTooLarge; UnreadableCovenant.
    """
    parsed = parse_object(body, limits)
    values: Mapping[str, Any] = parsed.values
    model = read_model(values)
    check_members(values, _CHECKS)
    messages, images, kept_items = _read_input(values)
    policy, covenant_id, warnings = requested_covenant(
        parsed, covenant_header, lenient, lambda: last_user_text(messages), limits
    )
    kept = next((name for name in _KEPT if values.get(name) is not None), "input" if kept_items else "")
    if policy.budget_usd_micros is not None or covenant_id:
        refuse_unpriced(values)
        if kept:
            raise MalformedRequest(
                f"what this {kept} refers to can't be priced, so no budget can be kept with it", param=kept
            )
    return ChatRequest(
        body=parsed,
        model=model,
        messages=messages,
        stream=values.get("stream") is True,
        include_usage=False,
        max_output_tokens=values.get("max_output_tokens") or 0,
        choices=1,
        images=images,
        needs=_needs(values, images),
        policy=policy,
        covenant_id=covenant_id,
        lenient=lenient,
        covenant_warnings=warnings,
        endpoint=RESPONSES,
        pinned_by=kept or ("store" if values.get("store") is True else ""),
    )


def check_pinned(request: ChatRequest, catalogue: CompiledCatalogue, positions: tuple[int, ...]) -> None:
    """Raises: MalformedRequest if the request refers to what one provider keeps, and several could serve it."""
    if request.pinned_by and len({catalogue.routes[position].provider for position in positions}) > 1:
        raise MalformedRequest(
            f"{request.pinned_by} means something to one provider only: name it, as provider/model",
            param=request.pinned_by,
        )


def _read_input(values: Mapping[str, Any]) -> tuple[list[Any], int, bool]:
    """The conversation as chat messages, how many attachments it has, and whether it refers to items kept elsewhere.

    Raises: MalformedRequest.
    """
    given = values.get("input")
    messages: list[Any] = []
    if values.get("instructions"):
        messages.append({"role": "system", "content": values["instructions"]})
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}], 0, False
    if given is None and (values.get("prompt") or values.get("previous_response_id")):
        return messages, 0, False
    if not isinstance(given, list) or not given:
        raise MalformedRequest("input must be a string or a list of at least one item", param="input")
    images, kept = 0, False
    for index, item in enumerate(given):
        where = f"input[{index}]"
        if not isinstance(item, dict) or not isinstance(item.get("type", "message"), str):
            raise MalformedRequest(f"{where} must be an object", param=where)
        kind = item.get("type", "message")
        if kind == "message":
            message, attached = _read_message(item, where)
            messages.append(message)
            images += attached
        elif kind in _OUTPUT_ITEMS:
            content, attached = _read_content(item.get(_OUTPUT_ITEMS[kind]), where)
            messages.append({"role": "tool", "content": content})
            images += attached
        elif kind in _PICTURE_ITEMS:
            images += 1
        kept = kept or kind == "item_reference"
    return messages, images, kept


def _read_message(item: Mapping[str, Any], where: str) -> tuple[dict[str, Any], int]:
    role = item.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise MalformedRequest(f"{where}.role must be one of {', '.join(sorted(ROLES))}", param=f"{where}.role")
    content, images = _read_content(item.get("content"), where)
    return {"role": role, "content": content}, images


def _read_content(content: Any, where: str) -> tuple[Any, int]:
    """A text, or parts of which those that are text are kept; how many of the others are attachments."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise MalformedRequest(f"{where} must have a string or a list of parts as its content", param=where)
    parts, images = [], 0
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise MalformedRequest(f"{where}: content parts must be objects with a type", param=where)
        if kind in _TEXT_PARTS:
            if not isinstance(part.get("text"), str):
                raise MalformedRequest(f"{where}: text parts need a text", param=where)
            parts.append({"type": "text", "text": part["text"]})
        elif kind in ATTACHMENTS or kind.startswith("input_"):
            images += 1
    return parts, images


def _needs(values: Mapping[str, Any], images: int) -> tuple[str, ...]:
    needs = [RESPONSES]
    if values.get("tools"):
        needs.append("tools")
    form = (values.get("text") or {}).get("format")
    if isinstance(form, dict) and form.get("type") in ("json_object", "json_schema"):
        needs.append("json")
    if images:
        needs.append("vision")
    return tuple(needs)


def responses_body(request: ChatRequest, route: Route, output_tokens: int, label: Label | None = None) -> bytes:
    """The body for one route: its model id, an output limit if there is none, `store: false` unless the client said."""
    replace: dict[str, str | None] = {"model": json.dumps(route.served_id)}
    for member in OWN_MEMBERS:
        if member in request.body.raw:
            replace[member] = None
    if not request.max_output_tokens:
        replace["max_output_tokens"] = str(output_tokens)
    if request.body.values.get("store") is None:
        replace["store"] = "false"
    replace.update(preferences_member(request.body, route))
    if label is not None:
        replace.update(request_defaults(label, request.body.values, template_options=False))
    return request.body.with_members(replace)


def conform_responses(answer: dict[str, Any]) -> bool:
    """Add what OpenAI's schema requires and providers leave out; returns whether anything was added.

    Raises: MalformedRequest if it is no response at all.
    """
    output = answer.get("output")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        raise MalformedRequest("the provider's answer has no output")
    changed = answer.get("object") != "response"
    answer["object"] = "response"
    for member, value in (("status", "completed"), ("error", None), ("incomplete_details", None)):
        if member not in answer:
            answer[member] = value
            changed = True
    return changed


def responses_usage(answer: Mapping[str, Any]) -> tuple[int, int] | None:
    """Input and output tokens as the provider reports them, or None if it reports nothing usable."""
    return reported_usage(answer, "input_tokens", "output_tokens")


def responses_generated(answer: Mapping[str, Any]) -> int:
    """UTF-8 bytes of what a model made: texts, refusals, summaries of its reasoning, and calls of tools."""
    total = 0
    for item in answer.get("output") or []:
        total += sum(size_of(item.get(field)) for field in ("arguments", "input", "name"))
        for part in [*_list(item.get("content")), *_list(item.get("summary"))]:
            total += sum(size_of(part.get(field)) for field in ("text", "refusal")) if isinstance(part, dict) else 0
    return total


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
