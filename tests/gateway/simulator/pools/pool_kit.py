"""Ready-made cards, tenants and traffic for the pool model's tests."""

from __future__ import annotations

from typing import Any

from gateway.simulator.pools.card import Card, Task, Tenant
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import ONE_AT_A_TIME, Parameters, PoolSpec, batch_speeds

SECOND = 1_000_000
#: A working set that takes 1.45 s to come back, which with the 0.05 s of draining makes a change of turns cost 1.5 s.
WORKING_SET_MB = 17_400
SWITCH_US = 1_500_000


def card_of(engine: Engine, **spec: Any) -> Card:
    return Card(0, PoolSpec(**{"id": 1, "name": "pool", "sharing_ratio": 10, **spec}), engine.parameters)


def tenant(number: int, *, batch: int = 1, **options: Any) -> Tenant:
    points = ONE_AT_A_TIME if batch == 1 else ((1, 1_000_000), (batch, 1_000_000 // batch))
    return Tenant(number, f"team-{number}", batch_speeds(points, batch), **options)


def tight_memory() -> Parameters:
    """A card that holds one working set at a time, so that every change of turns pages in full."""
    return Parameters(gpu_memory_mb=WORKING_SET_MB + 1_536)


def poisson(engine: Engine, to: Tenant, *, mean_us: int, count: int, work_us: int) -> list[Task]:
    """Let requests come at random times; they are in the list once the engine has run."""
    sent: list[Task] = []

    def arrive() -> None:
        sent.append(engine.submit(to, work_us))
        if len(sent) < count:
            engine.at(engine.now_us + engine.chance.exponential_us(mean_us), arrive)

    engine.at(engine.now_us, arrive)
    return sent


def took(task: Task) -> int:
    assert task.done_us is not None
    return task.done_us - task.arrival_us


def waited(task: Task) -> int:
    assert task.started_us is not None
    return task.started_us - task.arrival_us
