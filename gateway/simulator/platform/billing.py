"""What holds cost: prepaid half hours, credited back for what was not used, a stopped pod at a quarter of its rate.

A stretch is a time at one rate. While it goes on, every half hour begun is paid in advance; when it ends, what was not
used of its last half hour is given back, so an ended stretch costs exactly its time. A stretch ends when the rate
changes or the subscription's row goes. All in integer micro-dollars, rounded up once for each stretch: what the parts
of a period cost adds up to what it costs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.simulator.platform.records import ApiError, Hold, Stretch
from gateway.simulator.pools.parameters import MILLION

BLOCK_US: Final = 1_800 * MILLION
HOUR_US: Final = 3_600 * MILLION
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?)?", re.ASCII)


def time_of(text: str) -> int:
    """Microseconds since 1970 (UTC) of a date, with minutes, seconds or neither (then midnight). Raises: ApiError."""
    if _DATE.fullmatch(text) is None:
        raise ApiError(400, "dates are YYYY-MM-DDTHH:mm")
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as problem:
        raise ApiError(400, "there is no such date") from problem
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def date_of(utc_us: int) -> str:
    """ISO 8601 of microseconds since 1970."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=utc_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc_us % MILLION:06d}Z"


def _cost(hourly_usd_micros: int, rate_ppm: int, time_us: int) -> int:
    return -(-hourly_usd_micros * rate_ppm * time_us // (HOUR_US * MILLION))


def stretch_cost(hourly_usd_micros: int, stretch: Stretch, start_us: int, end_us: int, now_us: int) -> int:
    """What a stretch costs within a period, as of now. Of one that goes on: the half hours bought in the period."""
    if stretch.end_us is not None:
        paid_us = [min(time_us, stretch.end_us) - stretch.start_us for time_us in (start_us, end_us)]
    else:
        # A half hour is bought at its first moment, and only one that has begun by now.
        bought_us = [min(time_us, now_us + 1) - stretch.start_us for time_us in (start_us, end_us)]
        paid_us = [-(-time_us // BLOCK_US) * BLOCK_US for time_us in bought_us]
    before, after = [_cost(hourly_usd_micros, stretch.rate_ppm, max(0, time_us)) for time_us in paid_us]
    return max(0, after - before)


def hold_cost(hold: Hold, start_us: int, end_us: int, now_us: int) -> int:
    """What a hold costs within a period, as of now."""
    return sum([stretch_cost(hold.hourly_usd_micros, one, start_us, end_us, now_us) for one in hold.stretches])


def held_us(hold: Hold, start_us: int, end_us: int, now_us: int) -> int:
    """How long it was held within a period, stopped or not, by now: what `pool_hours` counts, times its vGPUs."""
    times = [min(end_us, one.end_us or now_us, now_us) - max(start_us, one.start_us) for one in hold.stretches]
    return hold.vgpus * sum([max(0, time_us) for time_us in times])
