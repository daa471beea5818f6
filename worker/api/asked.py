"""What a checked request is to admission: its facts, its digest and its ids; and the headers that tell of them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from worker.admission import Facts
from worker.api.answers import Headers, Scope, header_of
from worker.api.auth import Caller
from worker.api.covenant_headers import warning_headers
from worker.classification import prompt_text
from worker.covenant.policy import Policy
from worker.errors import MalformedRequest
from worker.money import usd_text
from worker.ports import Ids
from worker.services import Services
from worker.upstream.wire import ChatRequest

MAX_ID_CHARACTERS = 128
INTENT_HEADER = b"x-harpoon-intent-at"
MAX_INTENT_DIGITS = 16
MAX_INTENT_AGE_US = 7 * 86_400_000_000
_DIGITS = frozenset("0123456789")


def facts_of(
    services: Services,
    scope: Scope,
    caller: Caller,
    request_id: str,
    body: bytes,
    covenant: str | None,
    request: ChatRequest,
) -> Facts:
    """What admission is decided from, for a checked request; its time is now."""
    at_us = services.clock.now_us()
    return Facts(
        tenant=caller.tenant,
        key_id=caller.key_id,
        key_digest=caller.key_digest,
        decision_id=decision_id(at_us, services.ids),
        request_id=request_id,
        at_us=at_us,
        request_digest=request_digest(body, covenant, request.lenient),
        model=request.model,
        policy=request.policy,
        covenant_id=request.covenant_id,
        classification=services.scorer.score(prompt_text(request.messages)),
        input_bytes=len(body),
        images=request.images,
        choices=request.choices,
        max_output_tokens=request.max_output_tokens,
        needs=request.needs,
        time_limit_us=min(request.policy.deadline_us or services.limits.request_us, services.limits.request_us),
        session_id=_identifier(header_of(scope, b"x-session-id")) or _session_in(request),
        user_id=_identifier(header_of(scope, b"x-user-id")),
    )


def intent_in(scope: Scope, now_us: int) -> int:
    """When the request's intent arose, by its header x-harpoon-intent-at, UTC microseconds; 0 = it does not say.

    A client's clock that is ahead of ours says now. Raises: MalformedRequest.
    """
    text = header_of(scope, INTENT_HEADER)
    if text is None:
        return 0
    is_number = 1 <= len(text) <= MAX_INTENT_DIGITS and _DIGITS.issuperset(text)
    if not is_number or int(text) < now_us - MAX_INTENT_AGE_US:
        message = "x-harpoon-intent-at must be microseconds since 1970, of the last seven days"
        raise MalformedRequest(message, param="x-harpoon-intent-at")
    return min(int(text), now_us)


def request_digest(body: bytes, covenant: str | None, lenient: bool = False) -> str:
    """What identifies the request in a decision: SHA-256 over the body, the covenant header and its mode.

    No JSON holds the bytes 0 and 1, so nothing else can be hashed as the same bytes.
    """
    tail = b"\x01lenient" if lenient else b""
    if covenant is not None:
        tail += b"\x00" + covenant.encode("latin-1")
    return "sha256:" + hashlib.sha256(body + tail).hexdigest()


def decision_headers(facts: Facts, request: ChatRequest) -> Headers:
    """What every answer says of a request that came as far as a decision."""
    return [
        (b"x-harpoon-decision-id", facts.decision_id.encode()),
        (b"x-harpoon-complexity", facts.classification.complexity.encode()),
        (b"x-harpoon-policy", policy_text(facts.policy).encode()),
        *warning_headers(request.covenant_warnings),
    ]


def decision_id(at_us: int, ids: Ids) -> str:
    """`dec_` + 14 hexadecimal digits of time and 18 of randomness: neighbours in time are neighbours on disk."""
    return f"dec_{at_us:014x}{ids.new('r')[2:20]}"


def _identifier(value: str | None) -> str:
    return value[:MAX_ID_CHARACTERS] if value and value.isascii() else ""


def _session_in(request: ChatRequest) -> str:
    """The session that the body's metadata names, "" if it names none."""
    metadata: Any = request.body.values.get("metadata")
    named = metadata.get("session_id") if metadata else None
    return named[:MAX_ID_CHARACTERS] if isinstance(named, str) else ""


@lru_cache(maxsize=1024)
def policy_text(policy: Policy) -> str:
    """The policy in a header's worth of words, such as `priority=balanced; budget_usd=2; deadline_s=30`."""
    parts = [f"priority={policy.effective_priority}"]
    if policy.budget_usd_micros is not None:
        scope = f" {policy.budget_scope}" if policy.budget_scope else ""
        parts.append(f"budget_usd={usd_text(policy.budget_usd_micros)}{scope}")
    if policy.deadline_us is not None:
        parts.append(f"deadline_s={usd_text(policy.deadline_us)}")
    if policy.quality is not None:
        parts.append(f"quality={policy.quality}")
    for name, values in (
        ("residency", policy.residency),
        ("not_in", policy.residency_exclude),
        ("requires", policy.requirements),
        ("flags", policy.flags),
    ):
        if values:
            parts.append(f"{name}={','.join(values)}")
    return "; ".join(parts)
