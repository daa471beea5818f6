"""What requests held of a lease, and that it adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.hostedai.lease import HOUR_US
from gateway.hostedai.metering import LeaseMeter

HOURLY = 660_000
SECOND = 1_000_000


def test_a_request_alone_is_charged_its_time() -> None:
    meter = LeaseMeter(HOURLY)
    held = meter.end(meter.begin(5 * SECOND), 15 * SECOND)
    assert (held.held_us, held.usd_micros, held.share_ppm) == (10 * SECOND, 1_833, 1_000_000)


def test_requests_at_the_same_time_share_it() -> None:
    meter = LeaseMeter(HOURLY)
    first = meter.begin(0)
    second = meter.begin(4 * SECOND)
    ended = meter.end(first, 8 * SECOND)
    late = meter.end(second, 10 * SECOND)
    assert (ended.held_us, late.held_us) == (6 * SECOND, 4 * SECOND)
    assert ended.share_ppm == 750_000
    assert ended.usd_micros + late.usd_micros == HOURLY * 10 * SECOND // HOUR_US


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=40), st.integers(1, 10**8))
def test_all_requests_together_are_charged_what_their_time_costs(steps: list[tuple[int, bool]], hourly: int) -> None:
    meter, running, now_us, busy_us, charged = LeaseMeter(hourly), [], 0, 0, 0
    for wait_us, begins in steps:
        now_us += wait_us
        busy_us += wait_us if running else 0
        if begins or not running:
            running.append(meter.begin(now_us))
        else:
            charged += meter.end(running.pop(0), now_us).usd_micros
    while running:
        charged += meter.end(running.pop(), now_us).usd_micros
    exact = hourly * busy_us // HOUR_US
    # Shares are counted in millionths of a microsecond, each rounded down.
    assert exact - len(steps) * (hourly // HOUR_US + 1) - 1 <= charged <= exact
