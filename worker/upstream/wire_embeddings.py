"""OpenAI's embeddings: what a caller may send, what goes upstream, and what must be in an answer.

Vectors of different models can't be compared, so a request names one model: it falls back to another provider of that
model, never to another model. There is no output to pay for and nothing to stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worker.covenant.requested import requested_covenant
from worker.errors import MalformedRequest
from worker.routing.catalogue import AUTO, CompiledCatalogue, Route
from worker.routing.labels import Label, fold_ascii
from worker.routing.tables import EMBEDDINGS
from worker.strict_json import JsonLimits, parse_object
from worker.upstream.wire import OWN_MEMBERS, ChatRequest, Check, check_members, is_int, read_model, reported_usage

MAX_INPUTS = 2_048
MAX_DIMENSIONS = 65_536
MAX_TOKEN = 2**31
_CHECKS: Mapping[str, Check] = {
    "dimensions": (lambda v: is_int(v) and 1 <= v <= MAX_DIMENSIONS, f"a whole number from 1 to {MAX_DIMENSIONS}"),
    "encoding_format": (lambda v: v in ("float", "base64"), "float or base64"),
    "user": (lambda v: isinstance(v, str), "a string"),
    "stream": (lambda v: v is False, "left out: embeddings are not streamed"),
}


def parse_embeddings(
    body: bytes, covenant_header: str | None, limits: JsonLimits, lenient: bool = False
) -> ChatRequest:
    """A request body, checked; its texts stand as user messages, for whoever judges text.

    Raises: MalformedRequest; RequestTooLarge; UnreadableCovenant.
    """
    parsed = parse_object(body, limits)
    values: Mapping[str, Any] = parsed.values
    model = read_model(values)
    if fold_ascii(model).rpartition("/")[2] == AUTO:
        raise MalformedRequest("name an embedding model: vectors of different models can't be compared", param="model")
    check_members(values, _CHECKS)
    texts = _texts(values.get("input"))
    policy, covenant_id, warnings = requested_covenant(parsed, covenant_header, lenient, lambda: "", limits)
    return ChatRequest(
        body=parsed,
        model=model,
        messages=[{"role": "user", "content": text} for text in texts],
        stream=False,
        include_usage=False,
        max_output_tokens=0,
        choices=1,
        images=0,
        needs=(EMBEDDINGS,),
        policy=policy,
        covenant_id=covenant_id,
        lenient=lenient,
        covenant_warnings=warnings,
        endpoint=EMBEDDINGS,
    )


def check_one_model(request: ChatRequest, catalogue: CompiledCatalogue, positions: tuple[int, ...]) -> None:
    """Raises: MalformedRequest if the name stands for several models, as a label may."""
    if len({catalogue.routes[position].model for position in positions}) > 1:
        raise MalformedRequest(
            f"{request.model} stands for several models, whose vectors can't be compared: name one", param="model"
        )


def _texts(given: Any) -> list[str]:
    """The texts of `input`; a list of tokens is none. Raises: MalformedRequest."""
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not given:
        raise MalformedRequest("input must be a string, or a list of strings or of lists of tokens", param="input")
    if all(map(_is_token, given)):
        return []
    if len(given) > MAX_INPUTS:
        raise MalformedRequest(f"input may have at most {MAX_INPUTS} items", param="input")
    texts = []
    for item in given:
        if isinstance(item, str) and item:
            texts.append(item)
        elif not isinstance(item, list) or not item or not all(map(_is_token, item)):
            raise MalformedRequest("input may not hold an empty text, nor anything but texts and tokens", param="input")
    return texts


def _is_token(value: Any) -> bool:
    return is_int(value) and 0 <= value < MAX_TOKEN


def embeddings_body(request: ChatRequest, route: Route, output_tokens: int, label: Label | None = None) -> bytes:
    """The body for one route: its model id, without our own members; the rest untouched."""
    return request.body.with_members(
        {"model": json.dumps(route.served_id), **{name: None for name in OWN_MEMBERS if name in request.body.raw}}
    )


def conform_embeddings(answer: dict[str, Any]) -> bool:
    """Add what OpenAI's schema requires and providers leave out; returns whether anything was added.

    Raises: MalformedRequest if it is no list of embeddings at all.
    """
    data = answer.get("data")
    if not isinstance(data, list) or not data:
        raise MalformedRequest("the provider's answer has no data")
    changed = answer.get("object") != "list"
    answer["object"] = "list"
    for index, item in enumerate(data):
        if not isinstance(item, dict) or not isinstance(item.get("embedding"), list | str):
            raise MalformedRequest("the provider's answer has an item without an embedding")
        for member, value in (("object", "embedding"), ("index", index)):
            if member not in item:
                item[member] = value
                changed = True
    return changed


def embeddings_usage(answer: Mapping[str, Any]) -> tuple[int, int] | None:
    """Input tokens as the provider reports them, and no output; None if it reports nothing usable."""
    return reported_usage(answer, "prompt_tokens", None)


def nothing_generated(answer: Mapping[str, Any]) -> int:
    """Embeddings have no output tokens."""
    return 0
