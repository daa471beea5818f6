"""Limits by the minute and of requests at a time, inside the transactions of admission and settlement.

All limits are looked at before any is counted, so a request that one of them refuses uses up none. A request counts
once it passes them; its tokens count once it is admitted, as many as planned, and are put right when it is settled.
A request is at work as long as its reservation is open, so nothing else counts those.
"""

from __future__ import annotations

from typing import NamedTuple

from worker.admission import Facts
from worker.ports import Sql, as_int
from worker.routing.candidates import BYTES_PER_TOKEN, PLANNED_IMAGE_TOKENS
from worker.tenants.limits import (
    CONCURRENT,
    EMPTY,
    REQUESTS,
    TOKENS,
    Bucket,
    LimitSet,
    Rate,
    corrected,
    filled,
    fits,
    rate_of,
    wait_us,
)
from worker.tenants.standing import Standing

#: When to come back for what ends with no clock: another request.
CONCURRENT_RETRY_US = 1_000_000
OF_TENANT = ""


class _Look(NamedTuple):
    """One bucket as it was found, leaked, and what this request would put in."""

    subject: str
    name: str
    per_minute: int
    amount: int
    bucket: Bucket

    def is_counted(self, *, admitted: bool) -> bool:
        """Whether a request that the limits let pass goes in: one that is denied takes no tokens."""
        return admitted or self.name != TOKENS


class Held(NamedTuple):
    """What the limits say of a request: `reasons` empty = it passes. `rates`: at most one for each name."""

    reasons: tuple[str, ...]
    retry_after_us: int
    looks: tuple[_Look, ...]
    planned_tokens: int

    def rates(self, *, admitted: bool) -> tuple[Rate, ...]:
        """The tightest limit of each kind, once what `count_in` counts of this request is in; nothing if refused."""
        found: dict[str, Rate] = {}
        for look in self.looks:
            counts = not self.reasons and look.is_counted(admitted=admitted)
            bucket = filled(look.bucket, look.amount) if counts else look.bucket
            rate = rate_of(look.name, bucket, look.per_minute)
            known = found.get(look.name)
            if known is None or (rate.remaining, -rate.reset_us) < (known.remaining, -known.reset_us):
                found[look.name] = rate
        return tuple(found.values())


FREE = Held((), 0, (), 0)


def look_in(sql: Sql, standing: Standing, facts: Facts) -> Held:
    """What the limits say; nothing is written."""
    if not standing.counts:
        return FREE
    planned = planned_tokens(facts)
    subjects = [(OF_TENANT, f"tenant {standing.tenant}", standing.limits)]
    if standing.key is not None:
        subjects.append((standing.key.key_id, f"key {standing.key.name}", standing.key.terms.limits))
    rows = sql.execute(
        "SELECT subject, name, per_minute, level, at_us FROM bucket WHERE tenant = ? AND subject IN (?, ?)",
        standing.tenant,
        OF_TENANT,
        subjects[-1][0],
    )
    known = {
        (subject, name): (as_int(rate), Bucket(as_int(level), as_int(at_us)))
        for subject, name, rate, level, at_us in rows
    }
    looks, reasons, waits = [], [], [0]
    for subject, whose, limits in subjects:
        most = limits.concurrent_requests
        if most is not None and _open_requests(sql, standing.tenant, subject, facts.at_us) >= most:
            reasons.append(f"{CONCURRENT} of {whose}: {most}")
            waits.append(CONCURRENT_RETRY_US)
        for name, per_minute, amount in _by_minute(limits, planned):
            before, bucket = known.get((subject, name), (per_minute, EMPTY))
            bucket = bucket.leaked(before, facts.at_us).lowered(before, per_minute)
            look = _Look(subject, name, per_minute, amount, bucket)
            looks.append(look)
            if not fits(bucket, per_minute, amount):
                told = f"; this request is planned with {amount}" if amount > 1 else ""
                reasons.append(f"{name} of {whose}: {per_minute}{told}")
                waits.append(wait_us(bucket, per_minute, amount, facts.at_us))
    plans = any(look.name == TOKENS for look in looks)
    return Held(tuple(reasons), max(waits), tuple(looks), planned if plans else 0)


def _by_minute(limits: LimitSet, planned: int) -> list[tuple[str, int, int]]:
    found = [(REQUESTS, limits.requests_per_minute, 1), (TOKENS, limits.tokens_per_minute, planned)]
    return [(name, per_minute, amount) for name, per_minute, amount in found if per_minute is not None]


def planned_tokens(facts: Facts) -> int:
    """What a request is counted as until it is settled: a quarter of its bytes, and the output it asks for.

    Without a limit of the client's that is the output the classifier expects. The worst case, a token a byte and the
    model's longest output, would refuse nearly everything under a limit that a person would set.
    """
    load = facts.load
    output = load.max_output_tokens or load.expected_output_tokens
    return -(-load.input_bytes // BYTES_PER_TOKEN) + load.images * PLANNED_IMAGE_TOKENS + load.choices * output


def _open_requests(sql: Sql, tenant: str, key_id: str, now_us: int) -> int:
    # "+tenant" keeps SQLite from walking all the tenant's decisions: the index of what is held has the open ones alone.
    only = " AND key_id = ?" if key_id else ""
    parameters = (key_id,) if key_id else ()
    rows = sql.execute(
        f"SELECT COUNT(*) FROM decision WHERE expires_us > ? AND +tenant = ?{only}", now_us, tenant, *parameters
    )
    return as_int(rows[0][0])


def count_in(sql: Sql, tenant: str, held: Held, *, admitted: bool) -> None:
    """Put a request that passed into its buckets; its tokens only if a route was found."""
    for look in held.looks:
        if look.is_counted(admitted=admitted):
            _write(sql, tenant, look.subject, look.name, look.per_minute, filled(look.bucket, look.amount))


def correct_in(sql: Sql, tenant: str, key_id: str, planned: int, used: int, planned_us: int, now_us: int) -> None:
    """Put the tokens that were used in the place of those planned, in the tenant's bucket and the key's."""
    rows = sql.execute(
        "SELECT subject, per_minute, level, at_us FROM bucket WHERE tenant = ? AND subject IN (?, ?) AND name = ?",
        tenant,
        OF_TENANT,
        key_id,
        TOKENS,
    )
    for subject, per_minute, level, at_us in rows:
        rate = as_int(per_minute)
        bucket = Bucket(as_int(level), as_int(at_us)).leaked(rate, now_us)
        _write(sql, tenant, str(subject), TOKENS, rate, corrected(bucket, rate, planned, used, planned_us))


def _write(sql: Sql, tenant: str, subject: str, name: str, per_minute: int, bucket: Bucket) -> None:
    sql.execute(
        """INSERT INTO bucket (tenant, subject, name, per_minute, level, at_us) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT (tenant, subject, name) DO UPDATE
           SET per_minute = excluded.per_minute, level = excluded.level, at_us = excluded.at_us""",
        tenant,
        subject,
        name,
        per_minute,
        bucket.level,
        bucket.at_us,
    )
