"""How each destination is: whether it is on, and what went wrong last."""

from __future__ import annotations

from typing import Any

from worker.ports import Sql, as_int
from worker.sessions.event import rfc3339


def standings_in(sql: Sql, now_us: int) -> dict[str, dict[str, Any]]:
    """By name. off: why it is off, "" = it is on; failures: in a row; retry_at: when it is tried again, if it waits."""
    found: dict[str, dict[str, Any]] = {}
    for name, off, failures, reason, retry_us, holder in sql.execute(
        "SELECT name, off, failures, reason, retry_us, holder FROM destination"
    ):
        found[str(name)] = {
            "off": off,
            "failures": failures,
            "reason": reason,
            "retry_at": rfc3339(as_int(retry_us)) if as_int(retry_us) > now_us else None,
            "is_held": bool(holder),
        }
    return found
