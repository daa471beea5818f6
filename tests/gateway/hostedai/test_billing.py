"""Our accounts against a bill: each kind of difference is named, and one without a reason is not hidden."""

from __future__ import annotations

from dataclasses import replace

from gateway.hostedai.billing import Statement, reconcile, to_plain
from gateway.hostedai.lease import Charge, Doing, Lease, State, cost_usd_micros
from gateway.hostedai.lease_store import ChargeRow
from gateway.hostedai.models import Bill, Usage

SECOND = 1_000_000
HOUR = 3_600 * SECOND
HOURLY = 660_000
START = 1_767_225_600 * SECOND
ENDED = Lease(
    "lease_1",
    "red",
    "team",
    2,
    HOURLY,
    state=State.GONE,
    doing=Doing.REST,
    subscription_id=7,
    created_us=START,
    paid_from_us=START,
    paid_until_us=START + HOUR,
    ended_us=START + 2_700 * SECOND,
    is_seen=True,
    reason="unwanted",
)
BLOCKS = [Charge("block", 330_000, START, START + HOUR // 2), Charge("block", 330_000, START + HOUR // 2, START + HOUR)]
CREDIT = Charge("credit", -165_000, START + 2_700 * SECOND, START + HOUR)


def stated(lease: Lease, charges: list[Charge], metered: list[Usage], total: int, **bill: int) -> Statement:
    rows = [ChargeRow(lease.id, charge, START) for charge in charges]
    return reconcile([lease], rows, [], metered, Bill(total, "USD", **bill), START + HOUR)


def used(hours_us: int, usd_micros: int, identity: int = 7) -> Usage:
    return Usage(identity, "shared-4x", hours_us, usd_micros, "unsubscribed")


def test_three_quarters_of_an_hour_cost_what_they_cost() -> None:
    found = stated(ENDED, [*BLOCKS, CREDIT], [used(2_700 * SECOND, 495_000)], 495_000)
    assert (found.is_explained, found.lines[0].difference_usd_micros, found.lines[0].parts) == (True, 0, ())


def test_seconds_that_one_side_counts_are_named() -> None:
    seen = used(2_690 * SECOND, cost_usd_micros(HOURLY, 2_690 * SECOND))
    found = stated(ENDED, [*BLOCKS, CREDIT], [seen], seen.usd_micros)
    (part,) = found.lines[0].parts
    assert (part.usd_micros, found.is_explained) == (1_833, True)
    assert "until it was seen to be gone: 10000 ms more" in part.why


def test_a_stopped_pod_costs_a_quarter() -> None:
    billed = cost_usd_micros(HOURLY, 1_700 * SECOND) + cost_usd_micros(HOURLY // 4, 1_000 * SECOND)
    found = stated(ENDED, [*BLOCKS, CREDIT], [used(2_700 * SECOND, billed)], billed)
    assert found.is_explained
    assert "its pod was stopped for 999 s" in found.lines[0].parts[0].why or "1000 s" in found.lines[0].parts[0].why


def test_a_live_lease_may_have_bought_the_next_half_hour_already() -> None:
    live = replace(ENDED, state=State.HELD, doing=Doing.READ, ended_us=0)
    found = stated(live, BLOCKS, [used(1_750 * SECOND, 330_000)], 330_000)
    assert found.is_explained
    assert found.lines[0].parts[0].why == "1 half hours bought ahead of the platform's"


def test_a_hold_made_by_hand_is_not_ours() -> None:
    metered = [used(2_700 * SECOND, 495_000), used(HOUR, 82_500, 9)]
    found = stated(ENDED, [*BLOCKS, CREDIT], metered, 577_500)
    assert found.is_explained
    assert (found.lines[1].lease_id, found.lines[1].parts[0].usd_micros) == ("", -82_500)


def test_a_bill_has_more_than_pools() -> None:
    more = {"base_usd_micros": 5_000_000, "storage_usd_micros": 20_000}
    found = stated(ENDED, [*BLOCKS, CREDIT], [used(2_700 * SECOND, 495_000)], 5_515_000, **more)
    assert found.is_explained
    assert [part.usd_micros for part in found.bill_parts] == [5_000_000, 20_000]


def test_another_price_is_no_explanation() -> None:
    found = stated(ENDED, [*BLOCKS, CREDIT], [used(2_700 * SECOND, 990_000)], 990_000)
    assert not found.is_explained
    assert found.lines[0].unexplained_usd_micros == -495_000
    assert to_plain(found)["explained"] is False


def test_what_the_platform_never_heard_of_is_unexplained() -> None:
    found = stated(ENDED, [*BLOCKS, CREDIT], [], 0)
    assert found.lines[0].unexplained_usd_micros == 495_000


def test_a_bill_that_says_more_than_its_parts_is_unexplained() -> None:
    found = stated(ENDED, [*BLOCKS, CREDIT], [used(2_700 * SECOND, 495_000)], 600_000)
    assert found.unexplained_usd_micros == 105_000
