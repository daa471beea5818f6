"""What past attempts teach about a route: a moving average of seen over planned time, and a circuit breaker.

Estimates belong to the tenant's state and change only when a request settles, so a decision can be replayed from its
snapshot. With `frozen` estimates the catalogue's figures stand alone and equal requests get equal decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.ports import Sql
from worker.routing.candidates import MILLION, Observation

#: An answer moves the average by 1/8 of the difference, and counts as no more than ten times or a tenth of the plan.
MIN_RATIO_PPM = MILLION // 10
MAX_RATIO_PPM = MILLION * 10
#: After this many failures in a row a route rests; then one request at a time probes it, and the others see it rest.
FAILURES_TO_OPEN = 3
OPEN_FOR_US = 30_000_000
#: Causes that say something about the route's health; a caller's own bad request does not.
UNHEALTHY_CAUSES = frozenset({"connect", "timeout", "status", "broken", "malformed"})


def read_observations(sql: Sql, tenant: str, now_us: int) -> dict[str, Observation]:
    """The tenant's observations by route id; a breaker is open while its rest lasts."""
    rows = sql.execute(
        "SELECT route, samples, ratio_ppm, failures, open_until_us FROM estimate WHERE tenant = ?", tenant
    )
    found: dict[str, Observation] = {}
    for route, samples, ratio_ppm, failures, open_until_us in rows:
        assert isinstance(route, str)
        assert isinstance(samples, int)
        assert isinstance(ratio_ppm, int)
        assert isinstance(failures, int)
        assert isinstance(open_until_us, int)
        found[route] = Observation(samples, ratio_ppm, failures, open_until_us > now_us)
    return found


def claim_probe(sql: Sql, tenant: str, route: str, observed: Observation, now_us: int) -> None:
    """Let this request alone probe a route whose rest is over: it rests for all others until the probe has ended.

    A probe that never tells how it ended (its client left) holds no longer than a rest. Nothing for a healthy route.
    """
    if observed.failures >= FAILURES_TO_OPEN:
        sql.execute(
            "UPDATE estimate SET open_until_us = ? WHERE tenant = ? AND route = ?", now_us + OPEN_FOR_US, tenant, route
        )


def return_probe(sql: Sql, tenant: str, route: str, claimed_us: int) -> None:
    """Let another request probe a route: the one that claimed it at `claimed_us` asked nobody after all."""
    sql.execute(
        """UPDATE estimate SET open_until_us = ?
           WHERE tenant = ? AND route = ? AND failures >= ? AND open_until_us = ?""",
        claimed_us,
        tenant,
        route,
        FAILURES_TO_OPEN,
        claimed_us + OPEN_FOR_US,
    )


def seen_ratio_ppm(planned_us: int, seen_us: int) -> int:
    """Seen over planned time in ppm, within bounds; nothing planned divides nothing."""
    return min(MAX_RATIO_PPM, max(MIN_RATIO_PPM, seen_us * MILLION // max(1, planned_us)))


def record_answer(sql: Sql, tenant: str, route: str, planned_us: int, seen_us: int) -> None:
    """Learn from an answered attempt: average the time (the first one counts in full), close the breaker.

    Once eight are known, one within 2 % of the average teaches nothing, and nothing is written.
    """
    sql.execute(
        """INSERT INTO estimate (tenant, route, samples, ratio_ppm, failures, open_until_us) VALUES (?, ?, 1, ?, 0, 0)
           ON CONFLICT (tenant, route) DO UPDATE SET samples = samples + 1, failures = 0, open_until_us = 0,
           ratio_ppm = CASE WHEN samples = 0 THEN excluded.ratio_ppm
               ELSE ratio_ppm + (excluded.ratio_ppm - ratio_ppm) / 8 END
           WHERE samples < 8 OR failures > 0 OR ABS(excluded.ratio_ppm - ratio_ppm) * 50 > ratio_ppm""",
        tenant,
        route,
        seen_ratio_ppm(planned_us, seen_us),
    )


def record_life(sql: Sql, tenant: str, route: str) -> None:
    """Close the breaker of a route that answered, where nothing is to be learned of its time: the client left."""
    sql.execute(
        "UPDATE estimate SET failures = 0, open_until_us = 0 WHERE tenant = ? AND route = ? AND failures > 0",
        tenant,
        route,
    )


def record_failure(sql: Sql, tenant: str, route: str, now_us: int) -> None:
    """Count a failed attempt, and open the breaker of a route that failed too often in a row."""
    sql.execute(
        """INSERT INTO estimate (tenant, route, samples, ratio_ppm, failures, open_until_us) VALUES (?, ?, 0, ?, 1, 0)
           ON CONFLICT (tenant, route) DO UPDATE SET failures = failures + 1,
           open_until_us = CASE WHEN failures + 1 >= ? THEN ? ELSE open_until_us END""",
        tenant,
        route,
        MILLION,
        FAILURES_TO_OPEN,
        now_us + OPEN_FOR_US,
    )


def record_rest(sql: Sql, tenant: str, routes: Sequence[str], until_us: int) -> None:
    """Let routes rest until a time that is known (UTC, microseconds), whatever they have answered so far."""
    for route in routes:
        sql.execute(
            """INSERT INTO estimate (tenant, route, samples, ratio_ppm, failures, open_until_us)
               VALUES (?, ?, 0, ?, 0, ?)
               ON CONFLICT (tenant, route) DO UPDATE SET open_until_us = excluded.open_until_us""",
            tenant,
            route,
            MILLION,
            until_us,
        )
