"""session.completed: the fact that a session ended, in the shape billing, analytics and audit receive.

Our own sessions derive the event id from decision and attempt, so a repeated settlement can't make a second event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from worker.admission import Attempt, Settlement
from worker.ledger.canonical import canonical_string as quote
from worker.money import usd_text

EVENT_TYPE = "session.completed"
CORRECTION_SUFFIX = "_corrected"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TWO_DIGITS = tuple([f"{number:02d}" for number in range(60)])
# Of a decision and its attempts; and, of before events had ids, of an entry (worker/sessions/outbox.py).
_IS_OWN_ID = re.compile(rf"evt_(?:[0-9a-f]{{32}}_[0-9]+(?:{CORRECTION_SUFFIX})?|entry_[0-9]+)").fullmatch


def rfc3339(at_us: int) -> str:
    """Microseconds since 1970 as an RFC 3339 UTC time."""
    second, micros = divmod(at_us, 1_000_000)
    return f"{_second_text(second)}.{micros:06d}Z"


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    """Requests come many to a second; reported sessions begin and end on any."""
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    day, hour = divmod(hour, 24)
    return f"{_day_text(day)}T{_TWO_DIGITS[hour]}:{_TWO_DIGITS[minute]}:{_TWO_DIGITS[second]}"


@lru_cache(maxsize=64)
def _day_text(day: int) -> str:
    """The calendar is the dear part."""
    return (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


def event_id(decision_id: str, attempts: int) -> str:
    """The id of our own session's event: the same decision and attempt always give the same id."""
    return f"evt_{decision_id.removeprefix('dec_')}_{attempts}"


def is_own_id(identity: str) -> bool:
    """Whether an event's id is of the form of our own sessions' ids.

    A caller is told its decision while its session goes on: under the id that this session's event will have, it could
    report another session before, and ours would count as the duplicate.
    """
    return _IS_OWN_ID(identity) is not None


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it was; `started_us` since 1970. Empty ids = the client named none: its request is its session."""

    tenant: str
    session_id: str
    user_id: str
    started_us: int
    request_id: str = ""


def session_completed(
    session: Session, settlement: Settlement, cost_usd_micros: int, corrects: str | None = None
) -> tuple[str, str]:
    """The event's id and its text, as `worker.sessions.completed.to_text` writes it.

    No prompt, no answer, no token of the caller is in it. Args: corrects: id of the event of this session that told a
    worst case; a consumer puts this one in its place.
    """
    ended = rfc3339(session.started_us + settlement.elapsed_us)
    identity = event_id(settlement.decision_id, len(settlement.attempts))
    correction = ""
    if corrects is not None:
        identity += CORRECTION_SUFFIX
        correction = f'"corrects":{quote(corrects)},'
    trace = f'"trace_id":{quote(settlement.trace_id)},' if settlement.trace_id else ""
    cached = '"cached":true,' if settlement.cached else ""
    intent = f'"intent_at_us":{settlement.intent_at_us},' if settlement.intent_at_us else ""
    used = settlement
    named = session.session_id or session.request_id or used.decision_id
    # Put together by hand: one a request, and the amount stays an exact decimal number with no float on the way. In the
    # order of the names, so that nothing has to be written anew before it is delivered.
    return identity, (
        f'{{"event_id":{quote(identity)},"event_type":"{EVENT_TYPE}",'
        f'"metadata":{{"attempts":[{",".join([_attempt_text(attempt) for attempt in used.attempts])}],{cached}'
        f'{correction}"decision_id":{quote(used.decision_id)},"elapsed_us":{used.elapsed_us},'
        f'"first_byte_us":{used.first_byte_us},{intent}{trace}"usage_source":{quote(used.usage)}}},'
        f'"outcome":{{"status":{quote(used.outcome)}}},"schema_version":1,'
        f'"session":{{"duration_ms":{used.elapsed_us // 1_000},"end_time":"{ended}","session_id":{quote(named)},'
        f'"session_type":"api","start_time":"{rfc3339(session.started_us)}"}},"timestamp":"{ended}",'
        f'"usage":{{"estimated_cost_usd":{usd_text(cost_usd_micros)},"input_tokens":{used.input_tokens},'
        f'"model":{quote(used.route)},"output_tokens":{used.output_tokens},'
        f'"total_tokens":{used.input_tokens + used.output_tokens}}},'
        f'"user":{{"organization_id":{quote(session.tenant)},"user_id":{quote(session.user_id or "anonymous")}}}}}'
    )


def _attempt_text(attempt: Attempt) -> str:
    return f"[{quote(attempt.route)},{quote(attempt.cause)},{attempt.status},{attempt.elapsed_us}]"


def outcome_of(event: dict[str, Any]) -> dict[str, Any]:
    """How a session ended, read back from its event: tokens, times, attempts as [route, cause, status, elapsed_us].

    With the id of its trace, if it belonged to one, `cached`, if the answer came from the answer cache, and
    `intent_at_us`, if the client told when its intent arose.
    """
    metadata, usage = event["metadata"], event["usage"]
    told = {name: metadata[name] for name in ("trace_id", "cached", "intent_at_us") if name in metadata}
    return {
        "attempts": metadata["attempts"],
        "elapsed_us": metadata["elapsed_us"],
        "first_byte_us": metadata["first_byte_us"],
        "input_tokens": usage["input_tokens"],
        "outcome": event["outcome"]["status"],
        "output_tokens": usage["output_tokens"],
        "route": usage["model"],
        "usage": metadata["usage_source"],
        **told,
    }
