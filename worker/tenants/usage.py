"""How much a key has used, day by day: counters written in the transactions they tell of.

Requests with a token that the host was given are not counted here, so that they cost nothing more; their money stands
in the tenant's account, and each of them in the ledger. What a limit refused is counted for every tenant, because
nothing else keeps it.
"""

from __future__ import annotations

from typing import Any

from worker.ports import Sql

DAY_US = 86_400_000_000


def note_in(
    sql: Sql,
    tenant: str,
    key_id: str,
    at_us: int,
    *,
    requests: int = 0,
    refused: int = 0,
    input_tokens: int = 0,
    output_tokens: int = 0,
    charged: int = 0,
) -> None:
    """Add to the counters of the day of `at_us` (UTC). `charged` in micro-dollars, less than 0 for a correction."""
    sql.execute(
        """INSERT INTO usage (tenant, key_id, day, requests, refused, input_tokens, output_tokens, charged)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (tenant, key_id, day) DO UPDATE SET requests = requests + excluded.requests,
           refused = refused + excluded.refused, input_tokens = input_tokens + excluded.input_tokens,
           output_tokens = output_tokens + excluded.output_tokens, charged = charged + excluded.charged""",
        tenant,
        key_id,
        at_us // DAY_US,
        requests,
        refused,
        input_tokens,
        output_tokens,
        charged,
    )


def usage_in(sql: Sql, tenant: str, key_id: str | None, first_day: int, last_day: int) -> list[dict[str, Any]]:
    """The counters of each day that has any, the latest first. Args: key_id: of one key; None = all together.

    Days count from 1970-01-01, both included.
    """
    only, parameters = ("", ()) if key_id is None else (" AND key_id = ?", (key_id,))
    rows = sql.execute(
        f"""SELECT day, SUM(requests), SUM(refused), SUM(input_tokens), SUM(output_tokens), SUM(charged) FROM usage
            WHERE tenant = ? AND day >= ? AND day <= ?{only} GROUP BY day ORDER BY day DESC""",
        tenant,
        first_day,
        last_day,
        *parameters,
    )
    names = ("day", "requests", "refused", "input_tokens", "output_tokens", "cost_usd_micros")
    return [dict(zip(names, row, strict=True)) for row in rows]
