"""What makes two requests the same: tenant, endpoint, form of the answer, and every member of the body.

The model that was decided on is compared as well, but by whoever keeps the answers: it is known after admission only.
"""

from __future__ import annotations

import hashlib
import json

from worker.cache.kept import Wish
from worker.cache.settings import ASK, OFF, CacheSettings
from worker.strict_json import JsonObject
from worker.upstream.ai_gateway import GatewayOptions
from worker.upstream.wire import OWN_MEMBERS, ChatRequest

_SECOND_US = 1_000_000
#: Members that don't make another answer: ours, which admission obeys; the form, which is said apart; labels for logs.
_LEFT_OUT = frozenset({*OWN_MEMBERS, "stream", "metadata"})


def wish_of(settings: CacheSettings, tenant: str, request: ChatRequest, options: GatewayOptions) -> Wish | None:
    """What a request wishes of the cache; None if it wishes nothing, or is one whose answer is more than its body.

    Whether its policy lets it is for `worker.cache.answers`, after admission.
    """
    if settings.mode == OFF or options.skip_cache:
        return None
    if settings.mode == ASK and options.cache_ttl_s is None and options.cache_key is None:
        return None
    # What a provider keeps beside the answer, or builds it from, isn't kept here.
    if request.pinned_by or request.body.values.get("store") is True:
        return None
    ttl_us = settings.ttl_us if options.cache_ttl_s is None else options.cache_ttl_s * _SECOND_US
    return Wish(cache_key(tenant, request, options.cache_key), ttl_us, joins=not request.stream)


def cache_key(tenant: str, request: ChatRequest, own_key: str | None = None) -> str:
    """Hex SHA-256 of what makes a request the same. Args: own_key: what the client gave in the place of its body."""
    said = body_lines(request.body) if own_key is None else [f"key {own_key}"]
    lines = [json.dumps(tenant), request.endpoint, _form(request), *said]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _form(request: ChatRequest) -> str:
    """A whole answer and a stream are kept apart, and so are streams with and without a usage chunk."""
    if not request.stream:
        return "whole"
    return "stream with usage" if request.include_usage else "stream"


def body_lines(body: JsonObject) -> list[str]:
    """The members that matter, one to a line, in the order of their names.

    Numbers stay the text they came as. Inside lists and objects the order stays too: a model answers in the order of
    the schema it is given. No JSON text holds a line feed once it is written without spaces.
    """
    values, raw = body.values, body.raw
    return [
        f"{json.dumps(name)}:{json.dumps(values[name], separators=(',', ':')) if raw[name][:1] in '[{' else raw[name]}"
        for name in sorted(raw)
        if name not in _LEFT_OUT
    ]
