"""What holds cost: half hours paid in advance and credited back, stopped pods, periods, and the sum of it all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.platform.billing import BLOCK_US, HOUR_US, date_of, stretch_cost, time_of
from gateway.simulator.platform.records import ApiError, Stretch
from tests.gateway.simulator.platform.platform_kit import TEAM, World, world

MILLION = 1_000_000
DAY = "2026-01-01T00:00/2026-01-02T00:00"
PRICE = 660_000


async def bill(w: World, period: str = DAY) -> dict[str, Any]:
    found: dict[str, Any] = (await w.get(f"/team-billing/summary/{TEAM}/{period}")).json()
    return found


@pytest.mark.parametrize(
    ("held_min", "goes_on", "usd_micros"),
    [
        (1, True, 330_000),  # the first half hour, paid in advance
        (29, True, 330_000),
        (30, True, 660_000),  # the second one has begun
        (45, True, 660_000),
        (45, False, 495_000),  # its unused third is given back
        (30, False, 330_000),
        (1, False, 11_000),
        (0, False, 0),
    ],
)
def test_half_hours_are_prepaid_and_what_was_not_used_comes_back(held_min: int, goes_on: bool, usd_micros: int) -> None:
    end_us = 1_000 + held_min * 60 * MILLION
    stretch = Stretch(1_000, MILLION, None if goes_on else end_us)
    assert stretch_cost(PRICE, stretch, 0, 100 * HOUR_US, end_us) == usd_micros


def test_a_stopped_pod_costs_a_quarter() -> None:
    assert stretch_cost(PRICE, Stretch(0, 250_000, HOUR_US), 0, 2 * HOUR_US, 2 * HOUR_US) == PRICE // 4


@given(
    start=st.integers(0, 10 * HOUR_US),
    held=st.integers(0, 10 * HOUR_US),
    cut=st.integers(0, 21 * HOUR_US),
    ended=st.booleans(),
    price=st.integers(0, 10_000_000),
)
def test_two_periods_cost_together_what_the_whole_costs(
    start: int, held: int, cut: int, ended: bool, price: int
) -> None:
    stretch, now = Stretch(start, MILLION, start + held if ended else None), start + held
    end = 21 * HOUR_US
    whole = stretch_cost(price, stretch, 0, end, now)
    parts = stretch_cost(price, stretch, 0, cut, now) + stretch_cost(price, stretch, cut, end, now)
    assert parts == whole
    # Prepaid is never less than the time, and never more than one half hour above it.
    exact = -(-price * held // HOUR_US)
    if ended:
        assert whole == exact
    else:
        assert exact <= whole <= -(-price * (held + BLOCK_US) // HOUR_US)


async def test_a_bill_follows_a_subscription_from_its_first_minute_to_its_last() -> None:
    async with world(answer_us=0) as w:
        assert (await bill(w)) == {"result": "FAILURE", "errors": [f"team {TEAM} not found"]}
        hold = await w.subscribed(2)
        slot = PRICE // 4
        assert (await bill(w))["total_cost"] == slot / 2 / MILLION
        w.wait(1_200)  # 1,900 s in all
        assert (await bill(w))["total_cost"] == slot / MILLION
        await w.post("/gpuaas/pool/unsubscribe", subscription_id=hold.id, pool_id=2)
        w.wait(100)  # the row goes after 8 s
        found = await bill(w)
        held_us = 1_908 * MILLION
        assert found["total_cost"] == -(-slot * held_us // HOUR_US) / MILLION
        assert found["pool_hours"] == held_us / HOUR_US
        (row,) = found["gpuaas_summary"]
        assert (row["pool_name"], row["total"]) == ("shared-4x", found["total_cost"])
        assert row["subscription_rate"] == 0.165
        assert found["currency"] == {"code": "USD", "symbol": "$"}
        # The same date twice is an empty period, and before it there was nothing.
        assert (await bill(w, "2026-01-01/2026-01-01"))["total_cost"] == 0
        assert (await bill(w, "2025-12-01T00:00:00/2026-01-01T00:00:00"))["total_cost"] == 0

        usage = (await w.get(f"/gpuaas/{TEAM}/metrics", start_date="2026-01-01", end_date="2026-01-02")).json()
        assert (usage["total_cost"], usage["total_hours"]) == (found["total_cost"], found["pool_hours"])
        assert usage["items"][0]["status"] == "unsubscribed"
        by_day = (await w.get(f"/team-billing/{TEAM}/{DAY}/daily")).json()
        assert by_day["total_cost"] == found["total_cost"]
        pools = (await w.get(f"/team-billing/gpuaas-pool/{TEAM}/{DAY}/hourly", region_id="all")).json()
        (interval,) = pools["2"]["intervals"].values()
        assert interval["SubscriptionRate"]["cost"] == interval["interval_cost"] == found["total_cost"]
        start = time_of("2026-01-01") // MILLION
        graph = await w.get(f"/gpuaas/{TEAM}/metrics-graph", start_timestamp=start, end_timestamp=start + 86_400)
        assert graph.json()["total_hours"] == pytest.approx(found["pool_hours"])


async def test_a_stopped_pod_pays_less_while_it_is_stopped() -> None:
    async with world(answer_us=0) as w:
        hold = await w.subscribed(1)
        body = {"pod_name": hold.pods[0].name, "pool_subscription_id": hold.id}
        await w.post("/pods/action", **body, pod_action="stop")
        w.wait(3_600)
        await w.post("/pods/action", **body, pod_action="start")
        w.wait(20)
        await w.post("/gpuaas/pool/unsubscribe", subscription_id=hold.id, pool_id=1)
        w.wait(8)
        rates = [(one.rate_ppm, ((one.end_us or 0) - one.start_us) // MILLION) for one in hold.stretches]
        assert rates == [(MILLION, 700), (250_000, 3_620), (MILLION, 8)]
        exact = sum([-(-PRICE * rate * seconds // (3_600 * MILLION)) for rate, seconds in rates])
        assert (await bill(w))["total_cost"] == exact / MILLION


async def test_a_share_costs_its_slices_and_a_quote_says_so() -> None:
    async with world(answer_us=0) as w:
        body = {"pool_id": 2, "vgpus": 1, "duration_hours": 24, "guaranteed_gpu_share_percent": 50}
        quote = (await w.post("/gpuaas/calculate-pool-subscription", **body)).json()
        assert (quote["hourly_cost"], quote["total_cost"]) == (0.33, 7.92)
        hold = await w.subscribed(2, guaranteed_gpu_share_percent=50)
        assert hold.hourly_usd_micros == 330_000


def test_dates_in_every_form_and_none() -> None:
    assert time_of("2026-01-01") == time_of("2026-01-01T00:00") == time_of("2026-01-01T00:00:00")
    assert date_of(time_of("2026-11-20T16:04:53") + 7) == "2026-11-20T16:04:53.000007Z"
    for wrong in ("", "2026", "2026-02-30", "2026-01-01T24:00", "2026-01-01T00:00Z", "01-01-2026", "2026-01-01 00:00"):
        with pytest.raises(ApiError):
            time_of(wrong)
