"""Runs of the pool model that touch all of it, as one digest: equal on every Python, or the model has no seed."""

from __future__ import annotations

import hashlib

from gateway.simulator.pools.card import Task
from gateway.simulator.pools.cluster import Cluster, Refused, Server, Subscription
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import AUTO, SPATIAL, TEMPORAL, Parameters, PoolSpec
from gateway.simulator.pools.study import Configuration, study
from gateway.simulator.pools.traffic import Poisson

SECOND = 1_000_000
HOUR = 3_600 * SECOND


def digest_of(seed: int) -> str:
    """SHA-256 over all that these runs did, for a seed."""
    told = [repr(outcome) for outcome in _studies(seed)] + _lives(seed)
    return hashlib.sha256("\n".join(told).encode("ascii")).hexdigest()


def _studies(seed: int) -> list[object]:
    traffic = Poisson(1_800, HOUR, 5, SECOND, 200_000, work_varies=True, seed=seed)
    return [
        study(traffic, Configuration(gpus, 4, 2 * SECOND, mode), Server(memory_mb, memory_mb, batch=8), Parameters(),
              hourly_usd_micros=660_000, seed=seed)
        for mode in (AUTO, SPATIAL, TEMPORAL)
        for gpus, memory_mb in ((1, 20_000), (1, 29_000), (2, 35_000))
    ]  # fmt: skip


def _lives(seed: int) -> list[str]:
    """Teams come to two pools, ask, call off, fail and leave at random times."""
    engine = Engine(Parameters(), seed)
    pools = [PoolSpec(1, "turns", 2, 4, 5 * SECOND, TEMPORAL), PoolSpec(2, "either", 1, 8, 10 * SECOND)]
    cluster, tasks, told = Cluster(engine, pools), [], []
    for step in range(600):
        engine.run_until(engine.now_us + engine.chance.exponential_us(20 * SECOND))
        told.append(_step(cluster, f"team-{engine.chance.below(9)}", tasks))
        if step % 50 == 0:
            told.append(repr([[card.busy_us, card.switches] for cards in cluster.cards.values() for card in cards]))
    engine.run()
    told += [repr((one.id, one.arrival_us, one.started_us, one.first_token_us, one.done_us, one.failed))
             for one in tasks]  # fmt: skip
    return [*told, repr((engine.now_us, engine.transitions))]


def _step(cluster: Cluster, team: str, tasks: list[Task]) -> str:
    engine, pool = cluster.engine, cluster.engine.chance.below(2) + 1
    held: Subscription | None = next((one for one in cluster.live(pool) if one.team == team), None)
    if held is None:
        try:
            cluster.subscribe(team, pool, Server(18_000, 16_000, 4), vgpus=1, vip=engine.chance.below(4) == 0)
        except Refused as refused:
            return f"{team} {refused.reason}"
        return f"{team} came"
    what = engine.chance.below(20)
    if not held.tenants:
        return f"{team} waits"
    if what == 0:
        cluster.release(held)
    elif what == 1:
        engine.fail(held.tenants[0])
    elif what < 4 and tasks:
        engine.cancel(tasks[engine.chance.below(len(tasks))])
    else:
        work_us = engine.chance.exponential_us(8 * SECOND)
        tasks.append(engine.submit(held.tenants[0], work_us, work_us // 3))
    return f"{team} {what}"
