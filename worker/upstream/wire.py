"""OpenAI's chat bodies: what a caller may send, what goes upstream, and what must be in an answer.

Bodies stay plain values checked by hand: unknown fields pass through untouched and in order, known fields must have the
right type, and only three members are ever replaced or added on the way up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from worker.covenant.policy import Policy
from worker.covenant.requested import requested_covenant
from worker.errors import MalformedRequest
from worker.money import usd_text
from worker.routing.catalogue import Route
from worker.routing.labels import Label, request_defaults
from worker.routing.tables import CHAT
from worker.strict_json import JsonLimits, JsonObject, parse_object

ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})
MAX_CHOICES = 128
MAX_MODEL_CHARACTERS = 256
MAX_OUTPUT_TOKENS = 10_000_000
#: Parts that are no text: each is bounded and planned for like an image, and needs a model that can see.
ATTACHMENTS = frozenset({"file", "image_url", "input_audio", "input_image", "video_url"})
#: Ours, of every endpoint's body: no provider gets them.
OWN_MEMBERS = ("covenant", "covenant_id")
#: A check of a member's value, and what it must be.
Check = tuple[Callable[[Any], bool], str]
_PART_TYPES = ATTACHMENTS | {"refusal", "text"}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked chat request: the body as it came, and what the gateway itself needs of it.

    `max_output_tokens` 0 = the client set none; `include_usage` = the client asked for a usage chunk. With a
    `covenant_id` the policy is the stored covenant's, which admission loads; `lenient` = what of a covenant can't be
    read is left out, and told in `covenant_warnings`. A request to another `endpoint` has its text as `messages` too;
    `pinned_by` names the member that means something to one provider only. `placeholders`: what those in a redacted
    body stand for.
    """

    body: JsonObject
    model: str
    messages: list[Any] = field(repr=False)
    stream: bool
    include_usage: bool
    max_output_tokens: int
    choices: int
    images: int
    needs: tuple[str, ...]
    policy: Policy
    covenant_id: str = ""
    lenient: bool = False
    covenant_warnings: tuple[str, ...] = ()
    endpoint: str = CHAT
    pinned_by: str = ""
    placeholders: Mapping[str, str] = field(default_factory=dict, repr=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    return is_int(value) and 1 <= value <= MAX_OUTPUT_TOKENS


SHARED_CHECKS: Mapping[str, Check] = {
    "stream": (lambda v: isinstance(v, bool), "true or false"),
    "stream_options": (lambda v: isinstance(v, dict), "an object"),
    "max_tokens": (is_count, "a whole number of at least 1"),
    "max_completion_tokens": (is_count, "a whole number of at least 1"),
    "n": (lambda v: is_int(v) and 1 <= v <= MAX_CHOICES, f"a whole number from 1 to {MAX_CHOICES}"),
    "temperature": (lambda v: _is_number(v) and 0 <= v <= 2, "a number from 0 to 2"),
    "top_p": (lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "frequency_penalty": (lambda v: _is_number(v) and -2 <= v <= 2, "a number from -2 to 2"),
    "presence_penalty": (lambda v: _is_number(v) and -2 <= v <= 2, "a number from -2 to 2"),
    "seed": (is_int, "a whole number"),
    "logprobs": (lambda v: isinstance(v, bool), "true or false"),
    "top_logprobs": (lambda v: is_int(v) and 0 <= v <= 20, "a whole number from 0 to 20"),
    "tools": (lambda v: isinstance(v, list) and all(isinstance(t, dict) for t in v), "a list of objects"),
    "tool_choice": (lambda v: isinstance(v, str | dict), "a string or an object"),
    "response_format": (lambda v: isinstance(v, dict) and isinstance(v.get("type"), str), "an object with a type"),
    "stop": (
        lambda v: isinstance(v, str) or (isinstance(v, list) and all(isinstance(s, str) for s in v)),
        "a string or a list of strings",
    ),
    "user": (lambda v: isinstance(v, str), "a string"),
    "metadata": (lambda v: isinstance(v, dict), "an object"),
    "provider": (lambda v: isinstance(v, dict), "an object"),
}
#: Members that can make a provider charge more than its list prices per token, and when they surely don't.
_PRICED_BY_TOKENS: Mapping[str, Callable[[Any], bool]] = {
    "service_tier": lambda v: v in ("auto", "default"),
    "web_search_options": lambda v: False,
    "modalities": lambda v: v == ["text"],
    "audio": lambda v: False,
    "best_of": lambda v: v == 1,
    "tools": lambda v: all(tool.get("type") in ("function", "custom") for tool in v),
}


def parse_chat(body: bytes, covenant_header: str | None, limits: JsonLimits, lenient: bool = False) -> ChatRequest:
    """A request body, checked.

    Args: covenant_header: the text of the `x-harpoon-covenant` header, if there is one. lenient: leave out of the
    covenant what can't be read, instead of refusing it.
    Raises: MalformedRequest; RequestTooLarge; UnreadableCovenant.
    """
    parsed = parse_object(body, limits)
    values: Mapping[str, Any] = parsed.values
    model = read_model(values)
    check_members(values, SHARED_CHECKS)
    messages = values.get("messages")
    images = _check_messages(messages)
    assert isinstance(messages, list)
    options = values.get("stream_options") or {}
    include_usage = options.get("include_usage")
    if include_usage is not None and not isinstance(include_usage, bool):
        raise MalformedRequest("stream_options.include_usage must be true or false", param="stream_options")
    stream = values.get("stream") is True
    if options and not stream:
        raise MalformedRequest("stream_options is only allowed with stream: true", param="stream_options")
    policy, covenant_id, warnings = requested_covenant(
        parsed, covenant_header, lenient, lambda: last_user_text(messages), limits
    )
    if policy.budget_usd_micros is not None or covenant_id:
        refuse_unpriced(values)
    return ChatRequest(
        body=parsed,
        model=model,
        messages=messages,
        stream=stream,
        include_usage=include_usage is True,
        # A provider may obey either of the two, so the larger one is what can be spent.
        max_output_tokens=max(values.get("max_completion_tokens") or 0, values.get("max_tokens") or 0),
        choices=values.get("n") or 1,
        images=images,
        needs=_needs(values, images),
        policy=policy,
        covenant_id=covenant_id,
        lenient=lenient,
        covenant_warnings=warnings,
    )


def read_model(values: Mapping[str, Any]) -> str:
    """The name of the model. Raises: MalformedRequest."""
    model = values.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MAX_MODEL_CHARACTERS:
        raise MalformedRequest("model must be a string: auto, a model id, or provider/model", param="model")
    return model


def check_members(values: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Raises: MalformedRequest for the first known member of a wrong type; null counts as absent."""
    for member, value in values.items():
        check = checks.get(member)
        if check is not None and value is not None and not check[0](value):
            raise MalformedRequest(f"{member} must be {check[1]}", param=member)


def last_user_text(messages: list[Any]) -> str:
    """The text of the last user message, its text parts joined by line feeds; "" if there is none."""
    content = next((message.get("content") for message in reversed(messages) if message.get("role") == "user"), None)
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


def _check_messages(messages: Any) -> int:
    """Check the conversation's shape; returns how many images it holds, other attachments included."""
    if not isinstance(messages, list) or not messages:
        raise MalformedRequest("messages must be a list of at least one message", param="messages")
    images = 0
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise MalformedRequest(f"{where} must be an object with role and content", param=where)
        role = message.get("role")
        if not isinstance(role, str) or role not in ROLES:
            raise MalformedRequest(f"{where}.role must be one of {', '.join(sorted(ROLES))}", param=f"{where}.role")
        content = message.get("content")
        if isinstance(content, list):
            images += _check_parts(content, where)
        elif content is None:
            if role not in ("assistant", "function"):
                raise MalformedRequest(f"{where}.content is missing", param=f"{where}.content")
        elif not isinstance(content, str):
            raise MalformedRequest(f"{where}.content must be a string or a list of parts", param=f"{where}.content")
    return images


def _check_parts(parts: list[Any], where: str) -> int:
    images = 0
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise MalformedRequest(f"{where}.content parts must be objects with a type", param=f"{where}.content")
        if kind == "text":
            if not isinstance(part.get("text"), str):
                raise MalformedRequest(f"{where}.content text parts need a text", param=f"{where}.content")
        elif kind in ATTACHMENTS:
            images += 1
        elif kind != "refusal":
            known = ", ".join(sorted(_PART_TYPES))
            raise MalformedRequest(f"{where}.content parts must be of type {known}", param=f"{where}.content")
    return images


def refuse_unpriced(values: Mapping[str, Any]) -> None:
    """Raises: MalformedRequest for a member whose price nobody can bound by counting tokens."""
    for member, is_priced in _PRICED_BY_TOKENS.items():
        value = values.get(member)
        if value is not None and not is_priced(value):
            raise MalformedRequest(
                f"{member} as given here can't be priced by tokens, so no budget can be kept with it: "
                "leave it out, or ask without a budget or a covenant_id",
                param=member,
            )


def _needs(values: Mapping[str, Any], images: int) -> tuple[str, ...]:
    """The capabilities a model must have to serve this request."""
    needs = ["chat"]
    if values.get("tools"):
        needs.append("tools")
    if (values.get("response_format") or {}).get("type") in ("json_object", "json_schema"):
        needs.append("json")
    if images:
        needs.append("vision")
    return tuple(needs)


def upstream_body(request: ChatRequest, route: Route, output_tokens: int, label: Label | None = None) -> bytes:
    """The body for one route: its model id, usage asked for, an output limit if there is none; the rest untouched.

    Args: label: the label that the request names, if it names one: what it sets by default is added.
    """
    replace: dict[str, str | None] = {"model": json.dumps(route.served_id)}
    for member in OWN_MEMBERS:
        if member in request.body.raw:
            replace[member] = None
    if request.stream and not request.include_usage:
        options: Any = request.body.values.get("stream_options") or {}
        replace["stream_options"] = json.dumps({**options, "include_usage": True})
    if not request.max_output_tokens:
        replace["max_completion_tokens"] = str(output_tokens)
    if route.preferences or "provider" in request.body.raw:
        replace.update(preferences_member(request.body, route))
    if label is not None:
        replace.update(request_defaults(label, request.body.values, route.template_options))
    return request.body.with_members(replace)


def preferences_member(body: JsonObject, route: Route) -> dict[str, str | None]:
    """What becomes of OpenRouter's `provider` member: the client's, at prices no higher than reserved; none elsewhere.

    Providers that don't know the member would refuse the request for it.
    """
    if not route.preferences:
        return {"provider": None} if "provider" in body.raw else {}
    given: Any = body.values.get("provider") or {}
    prices = given.get("max_price")
    asked = prices if isinstance(prices, dict) else {}
    ceilings = {name: json.dumps(value) for name, value in asked.items()}
    for name, price in (("prompt", route.input_price), ("completion", route.output_price)):
        wished: Any = asked.get(name)
        if not _is_number(wished) or wished * 1_000_000 > price:
            ceilings[name] = usd_text(price)
    members = {name: json.dumps(value) for name, value in given.items()}
    members["max_price"] = _object_text(ceilings)
    return {"provider": _object_text(members)}


def _object_text(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in members.items()) + "}"


class Identity(NamedTuple):
    """What names an answer in OpenAI's schema: id, time (seconds since 1970, UTC) and model."""

    id: str
    created: int
    model: str


def fill_identity(answer: dict[str, Any], identity: Callable[[], Identity]) -> bool:
    """Give an answer or a chunk what its provider left out or got wrong of its identity; whether that was needed."""
    if isinstance(answer.get("id"), str) and is_int(answer.get("created")) and isinstance(answer.get("model"), str):
        return False
    named = identity()
    if not isinstance(answer.get("id"), str):
        answer["id"] = named.id
    if not is_int(answer.get("created")):
        answer["created"] = named.created
    if not isinstance(answer.get("model"), str):
        answer["model"] = named.model
    return True


def usage_of(answer: Mapping[str, Any]) -> tuple[int, int] | None:
    """Input and output tokens as the provider reports them, or None if it reports nothing usable."""
    return reported_usage(answer, "prompt_tokens", "completion_tokens")


def reported_usage(answer: Mapping[str, Any], input_name: str, output_name: str | None) -> tuple[int, int] | None:
    """The two counts of an answer's `usage` by their names, if they are believable; no name = no output."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get(input_name), 0 if output_name is None else usage.get(output_name)
    if not is_int(prompt) or not is_int(completion):
        return None
    sane = 0 <= prompt <= MAX_OUTPUT_TOKENS and 0 <= completion <= MAX_OUTPUT_TOKENS
    return (prompt, completion) if sane else None


def generated_bytes(message: Mapping[str, Any]) -> int:
    """UTF-8 bytes of what a model made, in a message or a delta: content, refusal, reasoning and tool calls."""
    fields = ("content", "refusal", "reasoning_content", "tool_calls")
    return sum(size_of(message.get(field)) for field in fields)


def size_of(value: Any) -> int:
    """UTF-8 bytes of a text, or of the JSON of anything else."""
    if isinstance(value, str):
        return len(value.encode())
    return len(json.dumps(value)) if value else 0


def conform_answer(answer: dict[str, Any]) -> bool:
    """Add what OpenAI's schema requires and providers leave out; returns whether anything was added.

    Raises: MalformedRequest if it is no chat completion at all.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise MalformedRequest("the provider's answer has no choices")
    changed = False
    for index, choice in enumerate(choices):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise MalformedRequest("the provider's answer has a choice without a message")
        for target, member, value in (
            (message, "refusal", None),
            (message, "content", None),
            (message, "role", "assistant"),
            (choice, "logprobs", None),
            (choice, "finish_reason", "stop"),
            (choice, "index", index),
        ):
            if member not in target:
                target[member] = value
                changed = True
        content = message["content"]
        if isinstance(content, int | float):
            # Some models of Workers AI answer a number with a number.
            message["content"] = json.dumps(content)
            changed = True
    if answer.get("object") != "chat.completion":
        answer["object"] = "chat.completion"
        changed = True
    return changed
