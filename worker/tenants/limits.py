"""Which limits there are, and the law of those that count by the minute: a leaky bucket in whole numbers. Pure.

A bucket holds what was used; `per_minute` of it leak out in a minute, evenly. What is asked for is admitted if it still
fits. So for any limit N:
  1. at most N are admitted at one moment, and at most N + N * t / 60 in any t seconds;
  2. who stays at or below N in every 60 seconds is never refused.
Times of requests that ran at once come a little out of order, so a bucket's time does not go back by less than a
minute; it follows a clock that was set back by more. Nothing is forgotten, and the leak resumes within a minute.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

from worker.ports import SqlValue

#: One request or token in a bucket. A bucket's level is in these, so that it leaks `per_minute` of them a microsecond.
UNIT = 60_000_000
MAX_PER_MINUTE = 100_000_000
#: Levels stay within the integers that both hosts keep exactly; only a debt can come so far.
MAX_LEVEL = 2**53 - 1

REQUESTS, TOKENS, CONCURRENT = "requests_per_minute", "tokens_per_minute", "concurrent_requests"
COUNTED = (REQUESTS, TOKENS, CONCURRENT)


class LimitSet(NamedTuple):
    """The limits of a tenant or a key; None = none. Money in micro-dollars; `user_day`: for each x-user-id."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    request_usd_micros: int | None = None
    hour_usd_micros: int | None = None
    day_usd_micros: int | None = None
    month_usd_micros: int | None = None
    total_usd_micros: int | None = None
    user_day_usd_micros: int | None = None

    @property
    def counts(self) -> bool:
        """Whether it limits anything but money."""
        return not (self[0] is None and self[1] is None and self[2] is None)

    def over(self, defaults: LimitSet) -> LimitSet:
        """These limits, and the defaults where there are none."""
        if self is NO_LIMITS:
            return defaults
        return LimitSet(*[default if own is None else own for own, default in zip(self, defaults, strict=True)])

    def to_plain(self) -> dict[str, int]:
        """The limits that are set, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}


NO_LIMITS = LimitSet()


class Terms(NamedTuple):
    """What is stored of a tenant or a key besides its name: its limits, and what it may use (None = everything)."""

    limits: LimitSet = NO_LIMITS
    providers: frozenset[str] | None = None
    models: frozenset[str] | None = None

    def to_plain(self) -> dict[str, object]:
        """The inverse of `terms_from_text`, before it is text: only what is set, lists in order."""
        plain: dict[str, object] = {"limits": self.limits.to_plain()}
        for name, allowed in (("providers", self.providers), ("models", self.models)):
            if allowed is not None:
                plain[name] = sorted(allowed)
        return plain


NO_TERMS = Terms()


def stored_terms(value: SqlValue) -> Terms:
    """The terms in a column; NULL = none."""
    return terms_from_text(value) if isinstance(value, str) else NO_TERMS


@lru_cache(maxsize=4096)
def terms_from_text(text: str) -> Terms:
    """The inverse of a text of `Terms.to_plain`. Cached, because every request of a tenant reads the same one."""
    plain = json.loads(text)
    limits = LimitSet(**plain["limits"])
    return Terms(limits if plain["limits"] else NO_LIMITS, _names(plain, "providers"), _names(plain, "models"))


def _names(plain: dict[str, list[str]], name: str) -> frozenset[str] | None:
    return frozenset(plain[name]) if name in plain else None


class Bucket(NamedTuple):
    """What one limit by the minute remembers: how full it was (in `UNIT`s), and when."""

    level: int
    at_us: int

    def leaked(self, per_minute: int, now_us: int) -> Bucket:
        """The bucket as it is now."""
        if now_us >= self.at_us:
            return Bucket(max(0, self.level - (now_us - self.at_us) * per_minute), now_us)
        return self if self.at_us - now_us <= UNIT else Bucket(self.level, now_us)

    def lowered(self, before: int, per_minute: int) -> Bucket:
        """The leaked bucket under another limit: as long until it is empty, or sooner if the limit was raised.

        Else a lower limit would be shut for as long as it takes to leak what a higher one had let in.
        """
        return self if per_minute >= before else self._replace(level=-(-self.level * per_minute // before))


EMPTY = Bucket(0, 0)


class Rate(NamedTuple):
    """How a limit by the minute stands after a request: what OpenAI's x-ratelimit headers say. `name`: which limit."""

    name: str
    per_minute: int
    remaining: int
    reset_us: int


def fits(bucket: Bucket, per_minute: int, amount: int) -> bool:
    """Whether so much more goes in; `bucket` has leaked already."""
    return bucket.level + amount * UNIT <= per_minute * UNIT


def wait_us(bucket: Bucket, per_minute: int, amount: int, now_us: int) -> int:
    """After how long it fits; what is more than the limit never does, and is told when the bucket is empty."""
    over = bucket.level - max(0, per_minute - amount) * UNIT
    return max(0, bucket.at_us - now_us) + max(0, -(-over // per_minute))


def filled(bucket: Bucket, amount: int) -> Bucket:
    """With so much more in it."""
    return bucket._replace(level=min(MAX_LEVEL, bucket.level + amount * UNIT))


def corrected(bucket: Bucket, per_minute: int, planned: int, used: int, planned_us: int) -> Bucket:
    """The leaked bucket once it is known that `used` went in where `planned` did at `planned_us`.

    What has leaked since then has made room for others, so it is not given back again: the law above holds for what was
    used, wherever that was at most what was planned. What was used beyond the plan is a debt.
    """
    if used >= planned:
        return filled(bucket, used - planned)
    back = (planned - used) * UNIT - max(0, bucket.at_us - planned_us) * per_minute
    return bucket._replace(level=max(0, bucket.level - max(0, back)))


def rate_of(name: str, bucket: Bucket, per_minute: int) -> Rate:
    """How the limit stands."""
    remaining = max(0, per_minute * UNIT - bucket.level) // UNIT
    return Rate(name, per_minute, remaining, -(-bucket.level // per_minute))
