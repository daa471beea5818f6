"""The four priorities in the pools that they mean: who is faster, who pays more, and how many share a card."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.simulator.pools.cluster import INSUFFICIENT, Cluster, Refused, Server, Subscription
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import AUTO, MILLION, SPATIAL, TEMPORAL, Parameters, PoolSpec
from tests.gateway.simulator.pools.pool_kit import SECOND, poisson, took

#: Four fit a card together, eight overcommit it by less than what fails pods.
SERVER = Server(allocated_mb=14_000, working_set_mb=14_000, batch=8)
CARD_HOURLY = 660_000
#: Requests of every tenant, ours and the others', and how long they take alone.
REQUESTS, MEAN_GAP_US, WORK_US = 1_500, 120 * SECOND, SECOND


@dataclass(frozen=True, slots=True)
class Choice:
    """What a priority takes: the pool, how much of a card, and how others there share it."""

    ratio: int
    mode: str
    share_percent: int = 0
    private: bool = False
    quantum_s: int = 30


SECURITY = Choice(1, TEMPORAL, private=True)
PERFORMANCE = Choice(1, SPATIAL)
FULL_SHARE = Choice(4, SPATIAL, share_percent=100)
BALANCED = Choice(4, AUTO)
COST = Choice(8, AUTO, quantum_s=90)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a choice with every slot taken: of a tenant's latency, price for an hour, and company."""

    p95_us: int
    hourly_usd_micros: int
    others: int
    takes_turns: bool


def seen(choice: Choice, seed: int) -> Seen:
    """Take what the choice says, let others have whatever is left, and have all of them ask at random times."""
    pool = PoolSpec(
        1, "pool", 1, choice.ratio, choice.quantum_s * SECOND, choice.mode, choice.private,
        hourly_usd_micros=CARD_HOURLY,
    )  # fmt: skip
    engine = Engine(Parameters(provision_median_us=0), seed)
    cluster = Cluster(engine, [pool])
    ours = cluster.subscribe("ours", 1, SERVER, share_percent=choice.share_percent)
    others = taken_by_others(cluster)
    engine.run_until(5 * SECOND)
    tasks = poisson(engine, ours.tenants[0], mean_us=MEAN_GAP_US, count=REQUESTS, work_us=WORK_US)
    for other in others:
        poisson(engine, other.tenants[0], mean_us=MEAN_GAP_US, count=REQUESTS, work_us=WORK_US)
    engine.run()
    assert not any(task.failed for task in engine.finished)
    card = ours.cards[0]
    assert len(card.tenants) == 1 + len(others)
    latencies = sorted(map(took, tasks))
    hourly = CARD_HOURLY * ours.slices // choice.ratio
    return Seen(latencies[len(latencies) * 95 // 100], hourly, len(card.tenants) - 1, card.temporal)


def taken_by_others(cluster: Cluster) -> list[Subscription]:
    found = []
    while True:
        try:
            found.append(cluster.subscribe(f"other-{len(found)}", 1, SERVER))
        except Refused as refused:
            assert refused.reason == INSUFFICIENT  # noqa: PT017 - the only reason there can be here
            return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_priorities_are_ordered_in_speed_price_and_company(seed: int) -> None:
    security, performance, full, balanced, cost = (
        seen(choice, seed) for choice in (SECURITY, PERFORMANCE, FULL_SHARE, BALANCED, COST)
    )
    assert performance.p95_us <= security.p95_us < balanced.p95_us < cost.p95_us
    assert full.p95_us <= security.p95_us
    prices = [one.hourly_usd_micros for one in (security, performance, balanced, cost)]
    assert prices[0] >= prices[1] > prices[2] > prices[3]
    assert full.hourly_usd_micros == CARD_HOURLY
    assert (security.others, performance.others, full.others) == (0, 0, 0)
    assert balanced.others == BALANCED.ratio - 1
    assert cost.others == COST.ratio - 1
    assert (balanced.takes_turns, cost.takes_turns) == (False, True)


def test_a_turn_taking_pool_breaks_what_an_interactive_client_wants_and_the_others_do_not() -> None:
    latencies = {choice: seen(choice, 4).p95_us for choice in (PERFORMANCE, BALANCED, COST)}
    assert latencies[PERFORMANCE] < 2 * SECOND
    assert latencies[BALANCED] < 2 * WORK_US * (MILLION + 50_000) // MILLION
    assert latencies[COST] > 5 * SECOND
