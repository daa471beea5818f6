"""The values that pass between the request path and the mediator, and their JSON form for a mediator elsewhere.

At the edge the mediator lives in a Durable Object, so each value crosses as one JSON text; on one machine the same
values are passed as they are. They are named tuples, because each request makes half a dozen: a frozen dataclass takes
three times as long.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from worker.cache.kept import Awaited, Keep, Kept, Wish
from worker.classification import Classification
from worker.covenant.policy import Policy, policy_from_plain
from worker.routing.candidates import Load
from worker.routing.pool_waits import PoolReading
from worker.tenants.limits import Rate

BUDGET, POLICY, UNAVAILABLE = "budget", "policy", "unavailable"
#: Nothing was decided: the request names a covenant that the tenant does not have.
UNKNOWN_COVENANT = "unknown_covenant"
#: The requirement of a covenant that the gateway fulfils itself, where it can redact the whole prompt.
REDACT_PII = "redact_pii"
#: Nothing was decided: a limit on requests or tokens stands before it, or the key is none of the tenant's.
LIMITED, UNKNOWN_KEY = "limited", "unknown_key"


class Facts(NamedTuple):
    """All that admission is decided from, besides the tenant's state and the catalogue.

    `deadline_us` and `time_limit_us` count from `at_us`; `max_output_tokens` 0 = the client set none. With a
    `covenant_id` the policy is that of the tenant's stored covenant, which admission puts in the place of `policy`.
    `key_id` names the tenant's stored key, if it is one that asks; `key_digest`, hex SHA-256 of its token, proves it.
    `redactable`: what redaction would replace or replaces, as `kind:count`; None = this prompt can't be redacted, or
    nobody may ask for it. `redact_always`: it is redacted whatever the policy says. `guardrails`: what forbids the
    request, as `INVARIANT:bound:value`. `cache`: what it wishes of the answer cache; no decision reads it.
    """

    tenant: str
    decision_id: str
    request_id: str
    at_us: int
    request_digest: str
    model: str
    policy: Policy
    classification: Classification
    input_bytes: int
    images: int
    choices: int
    max_output_tokens: int
    needs: tuple[str, ...]
    time_limit_us: int
    session_id: str
    user_id: str
    covenant_id: str = ""
    key_id: str = ""
    key_digest: str = ""
    redactable: tuple[str, ...] | None = None
    redact_always: bool = False
    guardrails: tuple[str, ...] = ()
    cache: Wish | None = None

    @property
    def is_redacted(self) -> bool:
        """Whether the prompt leaves redacted, now that the policy is known."""
        return self.redactable is not None and (self.redact_always or REDACT_PII in self.policy.requirements)

    @property
    def load(self) -> Load:
        """What the request asks of any route."""
        return Load(
            input_bytes=self.input_bytes,
            images=self.images,
            choices=self.choices,
            max_output_tokens=self.max_output_tokens,
            expected_output_tokens=self.classification.expected_output_tokens,
            p_small_fails_ppm=self.classification.p_small_fails_ppm,
            complexity=self.classification.complexity,
            needs=frozenset(self.needs),
        )


class Refusal(NamedTuple):
    """Why nothing was admitted: what stands in the way (one of the kinds above), and every reason."""

    kind: str
    reasons: tuple[str, ...]


class Admission(NamedTuple):
    """The mediator's answer: route ids, best first, and the output limit that the funds buy on the first one.

    `policy` and `time_limit_us` are those of the stored covenant that the request names; None and 0 without one.
    `rates`: how the limits by the minute stand, of those that are set; `retry_after_us`: of a refusal by one.
    `cache`: how the look into the answer cache ended, "" = nobody looked; `kept` is the answer that it found.
    """

    decision_id: str
    digest: str
    routes: tuple[str, ...]
    output_tokens: int
    estimate_usd_micros: int
    refusal: Refusal | None
    policy: Policy | None = None
    time_limit_us: int = 0
    rates: tuple[Rate, ...] = ()
    retry_after_us: int = 0
    cache: str = ""
    kept: Kept | None = None


class Fallback(NamedTuple):
    """A wish to go on with the next route; `unbilled` = the attempt that failed can't have cost money."""

    tenant: str
    decision_id: str
    at_us: int
    route: str
    unbilled: bool


class Grant(NamedTuple):
    """Whether the next route was reserved for, the output limit its funds buy, and what the request has cost so far."""

    granted: bool
    output_tokens: int
    charged_usd_micros: int


class Attempt(NamedTuple):
    """One upstream call: the route, how it ended (`ok` or a cause), its HTTP status (0 = none), how long it took."""

    route: str
    cause: str
    status: int
    elapsed_us: int


class Settlement(NamedTuple):
    """What became of a request. `usage`: reported | counted | none | unknown (unknown is charged at the worst case).

    `trace_id`: of the W3C trace that the request belongs to, "" = none. `cached`: the answer came from the answer
    cache; `keep`: it is to go there. `intent_at_us`: when its intent arose, as the client says, 0 = it did not say.
    `pool`: what the answer told of the pool that it came from.
    """

    tenant: str
    decision_id: str
    at_us: int
    route: str
    usage: str
    input_tokens: int
    output_tokens: int
    outcome: str
    first_byte_us: int
    elapsed_us: int
    attempts: tuple[Attempt, ...]
    trace_id: str = ""
    cached: bool = False
    keep: Keep | None = None
    intent_at_us: int = 0
    pool: PoolReading | None = None


class Settled(NamedTuple):
    """What was charged, in micro-dollars."""

    cost_usd_micros: int


Value = Facts | Admission | Fallback | Grant | Settlement | Settled | Awaited


def to_json(value: Value) -> str:
    """The value as JSON text."""
    return json.dumps(_plain(value), separators=(",", ":"))


def _plain(value: Any) -> Any:
    """A value as objects and lists: named tuples and dataclasses by their field names."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        return [_plain(item) for item in value] if names is None else dict(zip(names, map(_plain, value), strict=True))
    return value.decode() if isinstance(value, bytes) else value


def facts_from_json(text: str) -> Facts:
    plain = json.loads(text)
    plain["policy"] = policy_from_plain(plain["policy"])
    plain["classification"] = Classification(**plain["classification"])
    plain["cache"] = Wish(**plain["cache"]) if plain["cache"] else None
    return Facts(**_tuples(plain))


def admission_from_json(text: str) -> Admission:
    plain = json.loads(text)
    refusal = plain["refusal"]
    plain["refusal"] = Refusal(**_tuples(refusal)) if refusal else None
    plain["policy"] = policy_from_plain(plain["policy"]) if plain["policy"] else None
    plain["rates"] = [Rate(**rate) for rate in plain["rates"]]
    plain["kept"] = kept_from_plain(plain["kept"])
    return Admission(**_tuples(plain))


def fallback_from_json(text: str) -> Fallback:
    return Fallback(**json.loads(text))


def grant_from_json(text: str) -> Grant:
    return Grant(**json.loads(text))


def settlement_from_json(text: str) -> Settlement:
    plain = json.loads(text)
    plain["attempts"] = tuple(Attempt(**attempt) for attempt in plain["attempts"])
    keep = plain["keep"]
    plain["keep"] = Keep(keep["key"], keep["ttl_us"], keep["body"].encode()) if keep else None
    plain["pool"] = PoolReading(**plain["pool"]) if plain["pool"] else None
    return Settlement(**plain)


def settled_from_json(text: str) -> Settled:
    return Settled(**json.loads(text))


def awaited_from_json(text: str) -> Awaited:
    return Awaited(**_tuples(json.loads(text)))


def kept_from_plain(plain: dict[str, str] | None) -> Kept | None:
    return Kept(plain["route"], plain["body"].encode()) if plain else None


def kept_to_json(kept: Kept | None) -> str:
    return json.dumps(_plain(kept), separators=(",", ":"))


def _tuples(plain: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
