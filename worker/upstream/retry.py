"""How long to wait before a route is asked again: arithmetic alone, without a clock, chance or network of its own.

Full jitter: a wait is drawn evenly between nothing and a limit that doubles with every retry, up to a cap. What a
provider asks for in `retry-after` is the least.
Source: RFC 9110 sections 5.6.7 (dates) and 10.2.3 (Retry-After); M. Brooker, "Exponential Backoff And Jitter" (2015).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

#: Draws are whole numbers below this: eight hexadecimal digits of randomness.
DRAWS = 2**32
#: More patience than this nobody asks for in earnest; it also keeps sums of times within integers everyone has.
MAX_ASKED_US = 366 * 86_400 * 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


def backoff_us(retry: int, draw: int, base_us: int, cap_us: int) -> int:
    """The wait before retry number `retry` (from 0), for a `draw` below DRAWS. Microseconds."""
    limit_us = min(cap_us, base_us << min(retry, 32))
    return limit_us * draw // DRAWS


def asked_wait_us(value: str, now_us: int) -> int | None:
    """What a Retry-After header asks for, from `now_us` (UTC) on, in microseconds; None for what can't be read.

    A date is read in its only form that may still be sent (IMF-fixdate); one that has passed asks for nothing.
    """
    if value.isascii() and value.isdigit():
        return min(int(value[:9]) * 1_000_000, MAX_ASKED_US)
    found = _DATE.fullmatch(value)
    if found is None or found[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    try:
        moment = datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return min(max(0, (moment - _EPOCH) // _MICROSECOND - now_us), MAX_ASKED_US)
