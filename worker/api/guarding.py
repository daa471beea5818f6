"""The guard on the chat endpoint: what it is shown of a request, and how the request and its answer are changed.

What is decided, and from what, is in `worker.guard.guarding`. With nothing switched on this is a few comparisons.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from worker.admission import Refusal
from worker.api.answers import Headers
from worker.canon import codes
from worker.errors import GuardrailDenied, HarpoonError
from worker.guard.finding import mask
from worker.guard.guarding import Guarded, GuardSettings, inspect
from worker.guard.restoring import Events, RestoredRelay, json_texts, restore_value
from worker.guard.restoring_chat import ChatEvents
from worker.guard.restoring_responses import ResponseEvents
from worker.guard.signals import heard_texts
from worker.guard.span import CREDENTIALS
from worker.routing.tables import EMBEDDINGS, RESPONSES
from worker.upstream.wire import ChatRequest
from worker.upstream.wires import StreamRelay

#: Personal data without a form that can be checked stays in a prompt, and whoever asked for redaction is told so.
UNCHECKED = "unchecked=names,addresses,dates"
_SAID = {
    codes.GUARDRAIL_INJECTION: "it reads like an attempt to override a model's instructions",
    codes.GUARDRAIL_PERSONAL_DATA: "it holds personal data or a secret",
    codes.GUARDRAIL_REDACTION: "all prompts are redacted here, and this one can't be: send text only, and less of it",
}


def guard_chat(settings: GuardSettings, request: ChatRequest) -> Guarded | None:
    """What the guard makes of a request; None if nobody wants it looked at."""
    if not (request.policy.requirements or request.covenant_id or settings.watches):
        return None
    texts = heard_texts(request.messages)
    unread = request.images + _token_lists(request)
    return inspect(settings, request.body, texts, unread, request.policy, request.covenant_id)


def _token_lists(request: ChatRequest) -> int:
    """How many inputs of an embedding are tokens: texts as well, which nobody here can read."""
    given: Any = request.body.values.get("input")
    if request.endpoint != EMBEDDINGS or isinstance(given, str):
        return 0
    return 1 if isinstance(given[0], int) else sum(isinstance(item, list) for item in given)


def signal_headers(guarded: Guarded) -> Headers:
    """The header that tells what was found in a request: kinds and numbers, no text."""
    return [(b"x-harpoon-signals", "; ".join(guarded.signals).encode())] if guarded.signals else []


def redaction_headers(guarded: Guarded) -> Headers:
    """The header that tells what was replaced before the prompt left, and what nobody looked for."""
    assert guarded.redaction is not None
    told = [count.replace(":", "=") for count in guarded.redaction.counts] or ["none"]
    return [(b"x-harpoon-redacted", "; ".join([*told, UNCHECKED]).encode())]


def redacted_chat(request: ChatRequest, guarded: Guarded) -> ChatRequest:
    """The request as it leaves: placeholders in the place of what was found."""
    assert guarded.redaction is not None
    if not guarded.redaction.originals:
        return request
    body = guarded.redaction.body
    messages: Any = body.values.get("messages", request.messages)  # other endpoints have none
    return replace(request, body=body, messages=messages, placeholders=guarded.redaction.originals)


def restored_body(answer: dict[str, Any], request: ChatRequest) -> bytes:
    """A plain answer with what the placeholders stand for."""
    restored = restore_value(answer, request.placeholders, escaped=json_texts(wants_json=_wants_json(request)))
    return json.dumps(restored, separators=(",", ":"), ensure_ascii=False).encode()


def restored_relay(relay: StreamRelay, request: ChatRequest) -> StreamRelay:
    """The relay itself, or, for a redacted request, one that restores its events."""
    if not request.placeholders:
        return relay
    kind = ResponseEvents if request.endpoint == RESPONSES else ChatEvents
    events: Events = kind(request.placeholders, wants_json=_wants_json(request))
    return RestoredRelay(relay, events)


def _wants_json(request: ChatRequest) -> bool:
    return "json" in request.needs


def held_back(relay: StreamRelay) -> bytes:
    """What a stream that ends before its answer still owes of what it held back."""
    return relay.flush() if isinstance(relay, RestoredRelay) else b""


def guardrail_error(refusal: Refusal) -> HarpoonError:
    """The refusal of a request that a guardrail forbids, in words, with every reason."""
    named = next((said for code, said in _SAID.items() if any(f" {code}" in one for one in refusal.reasons)), "")
    return GuardrailDenied(f"a guardrail refuses this request: {named}", details=refusal.reasons)


def without_secrets(problem: HarpoonError) -> HarpoonError:
    """An error in a provider's words, with no key or token in it: it may quote what it was sent."""
    problem.message = mask(problem.message, CREDENTIALS)
    problem.args = (problem.message,)
    return problem
