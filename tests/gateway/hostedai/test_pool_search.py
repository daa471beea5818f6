"""Which pool is leased next, by priority, and what follows a refusal."""

from __future__ import annotations

import pytest

from gateway.hostedai.models import PoolOffer
from gateway.hostedai.policy_table import POLICY_TABLE, ROW_OF_POOL, OnFull, pool_class
from gateway.hostedai.pool_search import (
    WAIT_US,
    GiveUp,
    Memory,
    PoolState,
    Take,
    WaitUntil,
    admits,
    kappa_ppm,
    next_move,
    state_of,
)
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

DEMO = Memory()


def a_pool(identity: int, ratio: int, *, held: int = 0, gpus: int = 1, price: int = 100, **more: object) -> PoolState:
    slots = ratio * gpus
    offer = PoolOffer(identity, "", "", slots - held, slots, price, ratio)
    found = state_of(offer, None, **more)  # type: ignore[arg-type]
    assert found is not None
    return found


def taken(
    priority: str, pools: list[PoolState], refused: tuple[int, ...] = (), deadline_us: int | None = None
) -> object:
    move = next_move(POLICY_TABLE[priority], pools, DEMO, frozenset(refused), 0, deadline_us)
    return move.state.offer.id if isinstance(move, Take) else move


def test_the_table_is_the_catalogues() -> None:
    for priority, row in POLICY_TABLE.items():
        configuration = DEFAULT_CATALOGUE.weights[priority].pools[row.pool]
        assert (row.scheduling, row.optimisation) == (configuration.scheduling, configuration.optimisation)
        pool = next(pool for pool in DEFAULT_CATALOGUE.pools if pool.id == row.pool)
        assert row.ratio == pool.sharing_ratio
    assert [row.on_full for row in POLICY_TABLE.values()] == [
        OnFull.DENY,
        OnFull.NEXT_IN_CLASS_ELSE_DEARER,
        OnFull.NEXT_POOL_THEN_TIER,
        OnFull.WAIT_THEN_NEXT,
    ]


@pytest.mark.parametrize(
    ("ratio", "percent"),
    [(1, 0), (2, 50), (3, 0), (4, 25), (5, 20), (8, 0), (10, 10)],
)
def test_one_slice_is_sent_where_it_is_a_whole_percent(ratio: int, percent: int) -> None:
    assert POLICY_TABLE["cost_optimized"].share_sent(ratio) == percent


def test_pools_are_known_by_name_or_by_ratio() -> None:
    assert [pool_class("", ratio) for ratio in (1, 2, 4, 5, 8, 10)] == [
        *("private-1x", "shared-4x", "shared-4x", "shared-8x", "shared-8x", "shared-8x")
    ]
    assert pool_class("shared-8x", None) == "shared-8x"
    assert pool_class("whatever", None) is None
    assert set(ROW_OF_POOL) == {"private-1x", "shared-4x", "shared-8x"}


@pytest.mark.parametrize(
    ("ratio", "held", "kappa"),
    [(1, 0, 210_592), (4, 0, 210_592), (4, 1, 421_185), (4, 3, 842_371), (8, 7, 1_684_742)],
)
def test_overcommit_counts_live_allocations(ratio: int, held: int, kappa: int) -> None:
    assert kappa_ppm(POLICY_TABLE["cost_optimized"], a_pool(1, ratio, held=held), DEMO) == kappa


def test_unknown_neighbours_count_as_a_full_card_and_known_memory_as_it_is() -> None:
    row = POLICY_TABLE["balanced"]
    unknown = state_of(PoolOffer(1, "shared-4x", "", 1, None, 100, 4), None)
    assert unknown is not None
    assert unknown.neighbours == 3
    told = a_pool(1, 4, held=2, neighbours_mb=70_000)
    assert kappa_ppm(row, told, DEMO) == 90_000 * 1_000_000 // 94_970
    assert admits(row, a_pool(1, 4, held=3, neighbours_mb=90_000), DEMO).startswith("VRAM would be overcommitted 1.16")


def test_caps_differ_by_priority() -> None:
    crowded = a_pool(1, 8, held=5)
    assert "cap is 1.25" in admits(POLICY_TABLE["cost_optimized"], crowded, DEMO)
    assert admits(POLICY_TABLE["cost_optimized"], a_pool(1, 8, held=4), DEMO) == ""
    assert admits(POLICY_TABLE["balanced"], a_pool(1, 8, held=4), DEMO)


def test_security_takes_a_card_alone_or_nothing() -> None:
    pools = [a_pool(1, 4), a_pool(2, 1), a_pool(3, 1)]
    assert taken("max_security", pools) == 2
    denied = taken("max_security", pools, refused=(2,))
    assert isinstance(denied, GiveUp)
    assert not denied.may_leave
    barred = taken("max_security", [a_pool(2, 1, is_allowed=False)])
    assert isinstance(barred, GiveUp)
    assert not barred.may_leave


def test_performance_takes_the_emptiest_then_a_dearer_one_then_an_empty_shared_one() -> None:
    pools = [a_pool(1, 1, price=300), a_pool(2, 1, gpus=2, held=1, price=100), a_pool(3, 4), a_pool(4, 4, held=1)]
    assert taken("max_performance", pools) == 1
    assert taken("max_performance", pools, refused=(1,)) == 2
    assert taken("max_performance", pools, refused=(1, 2)) == 3
    assert isinstance(taken("max_performance", pools, refused=(1, 2, 3)), GiveUp)


def test_balanced_takes_the_least_memory_in_use_then_leaves_for_the_next_tier() -> None:
    pools = [a_pool(1, 4, held=2), a_pool(2, 4, held=1), a_pool(3, 1), a_pool(4, 8)]
    assert taken("balanced", pools) == 2
    assert taken("balanced", pools, refused=(2,)) == 1
    left = taken("balanced", pools, refused=(1, 2))
    assert isinstance(left, GiveUp)
    assert left.may_leave


def test_cost_takes_the_cheapest_waits_within_the_deadline_and_then_takes_another() -> None:
    pools = [a_pool(1, 8, price=90), a_pool(2, 8, price=80), a_pool(3, 4, price=170)]
    assert taken("cost_optimized", pools) == 2
    assert taken("cost_optimized", pools, refused=(2,)) == 1
    assert taken("cost_optimized", pools, refused=(1, 2), deadline_us=WAIT_US + 1) == WaitUntil(
        WAIT_US, "every pool of the class is full"
    )
    assert taken("cost_optimized", pools, refused=(1, 2), deadline_us=WAIT_US) == 3
    assert isinstance(taken("cost_optimized", pools, refused=(1, 2, 3)), GiveUp)


def test_a_full_pool_is_asked_last_not_never() -> None:
    assert taken("balanced", [a_pool(1, 4, gpus=2, held=3), a_pool(2, 2, held=2)]) == 1


def test_no_pool_is_an_answer() -> None:
    for priority in POLICY_TABLE:
        assert isinstance(taken(priority, []), GiveUp)
