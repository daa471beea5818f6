"""session.completed: the fact that a session ended, in the shape billing, analytics and audit receive.

Our own sessions derive the event id from decision and attempt, so a repeated settlement can't make a second event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from worker.admission import Settlement
from worker.compact_json import build_encoder
from worker.money import usd_text

EVENT_TYPE = "session.completed"
CORRECTION_SUFFIX = "_corrected"
#: Stands for the amount until the text is made. What the client wrote (session and user id) comes before it.
_COST = "0-usd"
_encode = build_encoder()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_us: int) -> str:
    """Microseconds since 1970 as an RFC 3339 UTC time."""
    second, micros = divmod(at_us, 1_000_000)
    return f"{_second_text(second)}.{micros:06d}Z"


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    """Requests come many to a second, and a calendar is the dear part."""
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def event_id(decision_id: str, attempts: int) -> str:
    """The id of our own session's event: the same decision and attempt always give the same id."""
    return f"evt_{decision_id.removeprefix('dec_')}_{attempts}"


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it was; `started_us` since 1970. Empty ids = the client named none."""

    tenant: str
    session_id: str
    user_id: str
    started_us: int


def session_completed(
    session: Session, settlement: Settlement, cost_usd_micros: int, corrects: str | None = None
) -> tuple[str, str]:
    """The event's id and its JSON text. No prompt, no answer, no token of the caller is in it.

    Args: corrects: id of the event of this session that told a worst case; a consumer puts this one in its place.
    """
    ended = rfc3339(session.started_us + settlement.elapsed_us)
    identity = event_id(settlement.decision_id, len(settlement.attempts))
    metadata = {"decision_id": settlement.decision_id, "usage_source": settlement.usage}
    if corrects is not None:
        identity += CORRECTION_SUFFIX
        metadata["corrects"] = corrects
    event: dict[str, Any] = {
        "event_type": EVENT_TYPE,
        "event_id": identity,
        "timestamp": ended,
        "session": {
            "session_id": session.session_id or settlement.decision_id,
            "session_type": "api",
            "start_time": rfc3339(session.started_us),
            "end_time": ended,
            "duration_ms": settlement.elapsed_us // 1_000,
        },
        "user": {"user_id": session.user_id or "anonymous", "organization_id": session.tenant},
        "usage": {
            "input_tokens": settlement.input_tokens,
            "output_tokens": settlement.output_tokens,
            "total_tokens": settlement.input_tokens + settlement.output_tokens,
            "model": settlement.route,
            "estimated_cost_usd": _COST,
        },
        "outcome": {"status": settlement.outcome},
        "metadata": metadata,
    }
    text = _encode(event)
    # The amount is written as an exact decimal number; a float on the way could change its last digit.
    before, _, after = text.rpartition(f'"{_COST}"')
    return identity, before + usd_text(cost_usd_micros) + after
