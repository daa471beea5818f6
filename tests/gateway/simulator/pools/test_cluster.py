"""Who gets slices of a pool, on which card, when their pod runs, and that every slice comes back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.simulator.pools.chance import Chance, exp_ppm
from gateway.simulator.pools.cluster import (
    ALREADY,
    BAD_SHARE,
    INSUFFICIENT,
    NO_ACCESS,
    UNKNOWN_POOL,
    Cluster,
    Refused,
    Server,
    slices_of,
)
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import PACK, Parameters, PoolSpec

SERVER = Server()


def cluster(**spec: Any) -> Cluster:
    options = {"id": 1, "name": "pool", "gpus": 2, "sharing_ratio": 4, **spec}
    return Cluster(Engine(Parameters(), seed=4), [PoolSpec(**options)])


def refusal(one: Cluster, team: str, pool: int = 1, **options: Any) -> str:
    with pytest.raises(Refused) as caught:
        one.subscribe(team, pool, SERVER, **options)
    return caught.value.reason


def test_slices_are_taken_at_once_and_the_pod_runs_later() -> None:
    pools = cluster()
    held = pools.subscribe("a", 1, SERVER, share_percent=50)
    assert (held.slices, held.status, pools.pod_status(held), pools.free_slots(1)) == (2, "subscribing", "Pending", 6)
    pools.engine.run()
    assert held.ready_us is not None
    assert (held.status, pools.pod_status(held)) == ("subscribed", "Running")
    pools.release(held)
    pools.release(held)
    assert (pools.free_slots(1), pools.pod_status(held)) == (8, "Deleted")


def test_every_reason_to_refuse() -> None:
    pools = cluster()
    pools.barred.add(("b", 1))
    pools.subscribe("a", 1, SERVER)
    assert refusal(pools, "a") == ALREADY
    assert refusal(pools, "b") == NO_ACCESS
    assert refusal(pools, "c", pool=9) == UNKNOWN_POOL
    assert refusal(pools, "c", share_percent=30) == BAD_SHARE
    assert refusal(pools, "c", vgpus=2, share_percent=100) == INSUFFICIENT
    assert pools.free_slots(1) == 7


def test_a_private_pool_has_one_team() -> None:
    pools = cluster(private=True)
    pools.subscribe("a", 1, SERVER)
    assert refusal(pools, "b") == INSUFFICIENT


def test_one_teams_gpus_are_apart_and_placement_is_a_choice() -> None:
    assert [card.index for card in cluster().subscribe("a", 1, SERVER, vgpus=2).cards] == [0, 1]
    spread, packed = cluster(), cluster(placement=PACK)
    for pools, second in ((spread, 1), (packed, 0)):
        pools.subscribe("a", 1, SERVER)
        assert pools.subscribe("b", 1, SERVER).cards[0].index == second


def test_a_pod_that_stays_pending_is_deleted_and_its_slices_are_free() -> None:
    slow = Parameters(provision_median_us=3_600_000_000, provision_sigma_ppm=0)
    pools = Cluster(Engine(slow, seed=1), [PoolSpec(1, "pool")])
    held = pools.subscribe("a", 1, SERVER)
    pools.engine.run_until(600_000_000)
    assert (pools.pod_status(held), pools.free_slots(1)) == ("Deleted", 1)


@settings(max_examples=100, deadline=None)
@given(orders=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0, 25, 50, 100]), st.integers(1, 2)), max_size=30))
def test_slices_are_never_sold_twice_and_all_come_back(orders: list[tuple[int, int, int]]) -> None:
    pools = cluster()
    for team, share, vgpus in orders:
        mine = [one for one in pools.live(1) if one.team == str(team)]
        if mine:
            pools.release(mine[0])
            continue
        try:
            pools.subscribe(str(team), 1, SERVER, share_percent=share, vgpus=vgpus)
        except Refused as refused:
            assert refused.reason == INSUFFICIENT  # noqa: PT017 - the only reason there can be here
        pools.engine.run_until(pools.engine.now_us + 30_000_000)
        for card in pools.cards[1]:
            assert sum([one.slices * one.cards.count(card) for one in pools.live(1)]) <= 4
    for one in pools.live(1):
        pools.release(one)
    assert pools.free_slots(1) == 8
    assert all(not card.tenants for card in pools.cards[1])


@pytest.mark.parametrize(("ratio", "share", "slices"), [(4, 0, 1), (4, 25, 1), (4, 100, 4), (10, 30, 3), (1, 100, 1)])
def test_a_share_is_a_whole_number_of_slices(ratio: int, share: int, slices: int) -> None:
    assert slices_of(ratio, share) == slices


def test_chance_is_integers_with_the_moments_it_names() -> None:
    chance = Chance(1)
    times = [chance.exponential_us(1_000_000) for _ in range(40_000)]
    assert abs(sum(times) // len(times) - 1_000_000) < 15_000
    normal = [chance.normal_ppm() for _ in range(40_000)]
    assert abs(sum(normal) // len(normal)) < 15_000
    assert abs(sum([value * value for value in normal]) // len(normal) - 10**12) < 3 * 10**10
    lognormal = sorted(chance.lognormal_us(60_000_000, 600_000) for _ in range(20_001))
    assert abs(lognormal[10_000] - 60_000_000) < 1_500_000


@pytest.mark.parametrize(
    ("exponent", "power"), [(0, 1_000_000), (1_000_000, 2_718_281), (-1_000_000, 367_879), (3_600_000, 36_598_234)]
)
def test_the_exponential_is_exact_to_a_millionth(exponent: int, power: int) -> None:
    assert abs(exp_ppm(exponent) - power) <= power // 500_000 + 1
