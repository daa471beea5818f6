"""What answers say of limits: OpenAI's x-ratelimit headers where a limit is set, and the refusal that names one.

Source: https://platform.openai.com/docs/guides/rate-limits (headers); RFC 9110 section 10.2.3 (retry-after).
"""

from __future__ import annotations

from collections.abc import Iterable

from worker.admission import LIMITED, UNKNOWN_KEY, Admission
from worker.api.answers import Headers
from worker.api.auth import refused_key
from worker.errors import HarpoonError, LimitExceeded
from worker.tenants.limits import REQUESTS, TOKENS, Rate

_OF = {REQUESTS: b"requests", TOKENS: b"tokens"}
_SECOND_US = 1_000_000


def rate_headers(rates: Iterable[Rate]) -> Headers:
    """How the limits by the minute stand: of each kind the limit, what is left, and when nothing will be used."""
    found: Headers = []
    for rate in rates:
        kind = _OF[rate.name]
        found += [
            (b"x-ratelimit-limit-" + kind, b"%d" % rate.per_minute),
            (b"x-ratelimit-remaining-" + kind, b"%d" % rate.remaining),
            (b"x-ratelimit-reset-" + kind, duration_text(rate.reset_us).encode()),
        ]
    return found


def duration_text(duration_us: int) -> str:
    """A duration as OpenAI writes it: `17ms`, `1.26s`, `6m0s`; rounded up to a millisecond."""
    minutes, milliseconds = divmod(-(-duration_us // 1_000), 60_000)
    if not minutes and milliseconds < 1_000:
        return f"{milliseconds}ms"
    seconds, rest = divmod(milliseconds, 1_000)
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{minutes}m{seconds}{fraction}s" if minutes else f"{seconds}{fraction}s"


def refusal_before_decision(admission: Admission) -> tuple[HarpoonError, Headers] | None:
    """The refusal of a request that no decision was made on, with its headers; None if one was made."""
    refusal = admission.refusal
    if refusal is None or refusal.kind not in (LIMITED, UNKNOWN_KEY):
        return None
    if refusal.kind == UNKNOWN_KEY:
        return refused_key(refusal.reasons[0]), []
    first = refusal.reasons[0]
    wait_s = max(1, -(-admission.retry_after_us // _SECOND_US))
    problem = LimitExceeded(f"this request is over a limit: {first}; try again in {wait_s} s", details=refusal.reasons)
    if first.startswith(TOKENS):
        problem.type = "tokens"
    return problem, [(b"retry-after", b"%d" % wait_s), *rate_headers(admission.rates)]


def limits_named(admission: Admission) -> list[str]:
    """The names of the limits that refused, for counting."""
    refusal = admission.refusal
    if refusal is None or refusal.kind != LIMITED:
        return []
    return sorted({reason.partition(" ")[0] for reason in refusal.reasons})
