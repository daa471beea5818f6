"""What the guard makes of a request before it is admitted: what it would replace, what it tells, what it forbids.

Pure: it reads the body and the settings. Whether a stored covenant asks for redaction is known only at admission, so
the redacted body is made before and used after; admission and the request path ask the same question, `is_redacted`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.admission import REDACT_PII, Facts
from worker.canon import codes
from worker.covenant.policy import Policy
from worker.guard.finding import find_all
from worker.guard.redaction import NotRedactable, Redaction, redact_body
from worker.guard.signals import THRESHOLD, injection_score
from worker.guard.span import KINDS
from worker.strict_json import JsonObject

OFF, BY_POLICY, ALWAYS = "off", "policy", "always"
FLAG, REDACT, DENY = "flag", "redact", "deny"
REDACT_MODES = (OFF, BY_POLICY, ALWAYS)
INJECTION_MODES = (OFF, FLAG, DENY)
PERSONAL_DATA_MODES = (OFF, FLAG, REDACT, DENY)
#: Members of a request that hold names which both sides know, numbers, or what is never sent.
_NOT_LOOKED_AT = frozenset({"covenant", "covenant_id", "model", "stream", "stream_options", "service_tier"})


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """`redact`: off = a provider must attest it; policy = when a covenant asks; always.

    `injection` and `personal_data`: what such a signal leads to. `max_characters`: of a request that is looked through.
    """

    redact: str = BY_POLICY
    injection: str = OFF
    personal_data: str = OFF
    max_characters: int = 200_000

    @property
    def watches(self) -> bool:
        """Whether also a request is looked at that asks for nothing."""
        return self.redact == ALWAYS or self.injection != OFF or self.personal_data != OFF


class Guarded(NamedTuple):
    """`redaction` None = nothing is to be replaced, or it can't be; `always`: it is used whatever the policy says.

    `guardrails`: what forbids the request, as `INVARIANT:bound:value`. `signals`: what is told of it, as `name=number`.
    """

    redaction: Redaction | None = None
    always: bool = False
    guardrails: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()


def inspect(
    settings: GuardSettings, body: JsonObject, texts: Iterable[str], attachments: int, policy: Policy, covenant_id: str
) -> Guarded:
    """What the guard makes of a checked request.

    Args: texts: what comes from outside, such as users' and tools' messages. attachments: parts that are no text.
    """
    guardrails: list[str] = []
    signals: list[str] = []
    heard: Sequence[str] = ()
    if settings.injection != OFF or settings.personal_data in (FLAG, DENY):
        heard = list(texts)
    if settings.injection != OFF:
        score = max(map(injection_score, heard), default=0)
        if score >= THRESHOLD:
            signals.append(f"injection={score}")
            if settings.injection == DENY:
                guardrails.append(f"{codes.GUARDRAIL_INJECTION}:{THRESHOLD}:{score}")
    if settings.personal_data in (FLAG, DENY):
        found = _counts(heard, settings.max_characters)
        signals += [f"{kind}={count}" for kind, count in found.items()]
        if settings.personal_data == DENY and found:
            guardrails.append(f"{codes.GUARDRAIL_PERSONAL_DATA}:0:{sum(found.values())}")
    asked = settings.redact == BY_POLICY and (bool(covenant_id) or REDACT_PII in policy.requirements)
    always = settings.redact == ALWAYS or settings.personal_data == REDACT
    redaction = None
    if asked or always:
        redaction = _redaction(settings, body)
        if redaction is None and always:
            guardrails.append(f"{codes.GUARDRAIL_REDACTION}:0:1")
        if attachments and settings.redact == ALWAYS:
            guardrails.append(f"{codes.GUARDRAIL_REDACTION}:0:{attachments}")
        if attachments and settings.personal_data != REDACT:
            redaction = None
    return Guarded(redaction, always and redaction is not None, tuple(guardrails), tuple(signals))


def _redaction(settings: GuardSettings, body: JsonObject) -> Redaction | None:
    members = [member for member in body.values if member not in _NOT_LOOKED_AT]
    try:
        return redact_body(body, members, settings.max_characters)
    except NotRedactable:
        return None


def _counts(texts: Sequence[str], most: int) -> dict[str, int]:
    """How much of each kind there is. A text that is too long to be looked through counts as one of all kinds."""
    if sum(map(len, texts)) > most:
        return {"unread": 1}
    found = [span.kind for text in texts for span in find_all(text)]
    return {kind: found.count(kind) for kind in KINDS if kind in found}


def guarded_facts(facts: Facts, guarded: Guarded) -> Facts:
    """The facts of a request that was looked at. Its bytes are those of the longer body: either may be sent."""
    redaction = guarded.redaction
    if redaction is None:
        return facts._replace(guardrails=guarded.guardrails)
    return facts._replace(
        guardrails=guarded.guardrails,
        redactable=redaction.counts,
        redact_always=guarded.always,
        input_bytes=max(facts.input_bytes, len(redaction.body.with_members({}))),
    )
