"""What a provider's refusal means: one table of statuses and codes, per provider and for all of them.

It decides nothing about routes: it says what happened, and the attempt flow decides what follows. A provider's rows
come first, a row with a code before one without, and what no row names is read by its status alone.

    ELSEWHERE     not now or not here: another route may do better, and so may this one, once
    CAPACITY      full: another route, and not this one at once
    ABSENT        the model or the endpoint is not there
    RATE_LIMITED  we ask too often; `retry-after` says until when
    QUOTA         the account's allowance is used up for the day: nothing of this provider until 00:00 UTC
    UNFIT         this route can't serve this request (too large for it); another may
    KEY_TROUBLE   our key or account is not accepted: nothing of this provider helps
    REJECTED      the request itself is wrong: every route would refuse it

Sources: the providers' error pages, as of 2026: developers.cloudflare.com/workers-ai/platform/errors,
console.groq.com/docs/errors, platform.openai.com/docs/guides/error-codes, openrouter.ai/docs/api-reference/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worker.errors import HarpoonError
from worker.strict_json import parse_json
from worker.upstream import attempts

ELSEWHERE, CAPACITY, RATE_LIMITED, QUOTA = "elsewhere", "capacity", "rate_limited", "quota"
ABSENT, UNFIT, KEY_TROUBLE, REJECTED = "absent", "unfit", "key_trouble", "rejected"
#: Codes of the gateway itself, for every provider behind it.
AI_GATEWAY: Final = "ai-gateway"
EVERY_PROVIDER: Final = ""
MAX_MESSAGE_CHARACTERS = 500
_DAY_US = 86_400_000_000
_DIGITS = frozenset("0123456789")


class Rule(NamedTuple):
    """One row: a status, a code ("" = any), what it means and why."""

    status: int
    code: str
    meaning: str
    because: str


class Refused(NamedTuple):
    """What a refusal means, the code that told it, and the provider's own words, "" if it gave none."""

    meaning: str
    code: str
    words: str


ERROR_MAP: Final[Mapping[str, tuple[Rule, ...]]] = MappingProxyType(
    {
        AI_GATEWAY: (
            Rule(400, "2001", KEY_TROUBLE, "the gateway does not exist"),
            Rule(400, "2016", REJECTED, "its guardrails blocked the prompt"),
            Rule(400, "2017", REJECTED, "its guardrails blocked the answer"),
            Rule(401, "2009", KEY_TROUBLE, "AI_GATEWAY_TOKEN is missing or wrong, or no key is stored"),
            Rule(429, "2003", RATE_LIMITED, "the gateway's own rate limit"),
        ),
        "groq": (
            Rule(413, "", UNFIT, "larger than its token limit per minute lets through"),
            Rule(424, "", REJECTED, "a remote tool refused its authentication"),
            Rule(429, "", RATE_LIMITED, "requests are limited per day, tokens per minute"),
            Rule(498, "", CAPACITY, "flex capacity exceeded"),
            Rule(499, "", ELSEWHERE, "called off on its side"),
            Rule(400, "model_decommissioned", UNFIT, "the model is no longer served"),
        ),
        "hosted-ai": (Rule(400, "model_not_found", UNFIT, "the pod serves another model"),),
        "openai": (
            Rule(429, "insufficient_quota", KEY_TROUBLE, "the account has no credit left"),
            Rule(429, "billing_hard_limit_reached", KEY_TROUBLE, "the account's own limit is reached"),
            Rule(429, "rate_limit_exceeded", RATE_LIMITED, "requests or tokens per minute"),
        ),
        "openrouter": (
            Rule(402, "", KEY_TROUBLE, "the account has no credit left"),
            Rule(403, "", REJECTED, "moderation flagged the input"),
            Rule(404, "", UNFIT, "no endpoint fits the request and its preferences"),
            Rule(408, "", ELSEWHERE, "timed out"),
            Rule(502, "", ELSEWHERE, "the provider behind it failed"),
            Rule(503, "", UNFIT, "no provider behind it fits the preferences, `max_price` included"),
        ),
        "workers-ai": (
            Rule(400, "5007", UNFIT, "no such model there"),
            Rule(403, "3023", KEY_TROUBLE, "the account is blocked"),
            Rule(403, "5016", KEY_TROUBLE, "the model's terms are not accepted"),
            Rule(404, "3042", UNFIT, "no such model there"),
            Rule(408, "3007", ELSEWHERE, "timed out"),
            Rule(408, "3008", ELSEWHERE, "aborted"),
            Rule(413, "3006", UNFIT, "larger than it takes"),
            Rule(429, "3036", QUOTA, "the daily allocation is used up; no retry before 00:00 UTC"),
            Rule(429, "3040", CAPACITY, "out of capacity"),
        ),
        EVERY_PROVIDER: (
            Rule(400, "context_length_exceeded", UNFIT, "more tokens than the model's window holds"),
            Rule(401, "", KEY_TROUBLE, "the key is wrong"),
            Rule(402, "", KEY_TROUBLE, "the account has no credit left"),
            Rule(403, "", KEY_TROUBLE, "the key may not do this"),
            Rule(404, "", ABSENT, "the model or the endpoint is not there"),
            Rule(408, "", ELSEWHERE, "timed out"),
            Rule(409, "", ELSEWHERE, "a conflict on its side"),
            Rule(429, "", RATE_LIMITED, "too many requests or tokens"),
            Rule(498, "", CAPACITY, "out of capacity"),
            Rule(503, "", ELSEWHERE, "overloaded or down"),
            Rule(529, "", ELSEWHERE, "overloaded"),
        ),
    }
)
_TABLE: Final = MappingProxyType(
    {(name, rule.status, rule.code): rule.meaning for name, rules in ERROR_MAP.items() for rule in rules}
)
#: The cause that an attempt which met this ends with, and whether asking the same route again could be of use; of a
#: cause that ends the flow, or speaks against the whole provider, nobody asks.
CAUSES: Final[Mapping[str, tuple[str, bool]]] = MappingProxyType(
    {
        ELSEWHERE: (attempts.STATUS, True),
        CAPACITY: (attempts.STATUS, False),
        ABSENT: (attempts.STATUS, False),
        RATE_LIMITED: (attempts.STATUS, True),
        QUOTA: (attempts.QUOTA, False),
        UNFIT: (attempts.UNFIT, False),
        KEY_TROUBLE: (attempts.KEY_REFUSED, True),
        REJECTED: (attempts.REJECTED, True),
    }
)


def meaning_of(provider: str, status: int, code: str = "", *, through_gateway: bool = False) -> str:
    """What a status and a code mean, by the first row that has them."""
    books = _books(provider, through_gateway)
    for told in (code, "") if code else ("",):
        for book in books:
            found = _TABLE.get((book, status, told))
            if found is not None:
                return found
    # Of what is not named: a request is at fault only where the status says so.
    if status < 400:
        return ABSENT  # a redirect is not followed
    return REJECTED if status < 500 else ELSEWHERE


def _books(provider: str, through_gateway: bool) -> tuple[str, ...]:
    return (AI_GATEWAY, provider, EVERY_PROVIDER) if through_gateway else (provider, EVERY_PROVIDER)


def read_refusal(provider: str, status: int, body: bytes, *, through_gateway: bool = False) -> Refused:
    """What a provider's answer to a refused request says; a body of any form."""
    codes, words = _codes_and_words(body)
    books = _books(provider, through_gateway)
    code = next((code for code in codes if any((book, status, code) in _TABLE for book in books)), "")
    meaning = meaning_of(provider, status, code, through_gateway=through_gateway)
    return Refused(meaning, code or next(iter(codes), ""), words)


def quota_ends_us(now_us: int) -> int:
    """When an allowance that was used up at `now_us` is there again: the next 00:00 UTC, in microseconds since 1970."""
    return (now_us // _DAY_US + 1) * _DAY_US


def _codes_and_words(body: bytes) -> tuple[list[str], str]:
    """The codes of an error body, most telling first, and its message.

    Forms: OpenAI's `{"error": {message, type, code}}`; Cloudflare's `{"errors": [{code, message}]}`, and the same list
    as `error`; a message that begins with its code, such as `AiError: 3040: ...`.
    """
    try:
        value: Any = parse_json(body)
    except HarpoonError:
        return [], ""
    if not isinstance(value, dict):
        return [], ""
    error = next((value[name] for name in ("error", "errors") if value.get(name)), None)
    if isinstance(error, list):
        error = error[0] if error else None
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        return [], ""
    message = error.get("message")
    words = message[:MAX_MESSAGE_CHARACTERS] if isinstance(message, str) else ""
    told = [_code_text(error.get("code")), _leading_code(words), _code_text(error.get("type"))]
    return [code for code in told if code], words


def _code_text(code: Any) -> str:
    if isinstance(code, str):
        return code[:64]
    return str(code) if isinstance(code, int) and not isinstance(code, bool) and 0 <= code < 1_000_000 else ""


def _leading_code(words: str) -> str:
    for part in words.split(":")[:2]:
        digits = part.strip()
        if len(digits) == 4 and _DIGITS.issuperset(digits):
            return digits
    return ""
