"""The other teams: they hold slots, send requests at random times, and their rows turn up where they shouldn't."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.simulator.platform.speeds import work_of
from gateway.simulator.pools.card import Tenant
from gateway.simulator.pools.chance import Chance
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import ParameterError


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A team on a pool and its traffic. Args: per_hour: requests, at random times; 0 = none. Raises: ParameterError."""

    team: str
    pool: int
    per_hour: int = 0
    model: str = "llama-3.1-8b-instruct"
    prompt_tokens: int = 400
    output_tokens: int = 200
    share_percent: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.per_hour <= 3_600_000 or min(self.prompt_tokens, self.output_tokens) < 0:
            raise ParameterError("a neighbour sends up to 3,600,000 requests an hour, of no negative length")


def send_traffic(engine: Engine, neighbour: Neighbour, tenant: Tenant, seed: int) -> None:
    """Have the neighbour's requests arrive at its pod, from now until the pod is gone; lengths vary around the mean."""
    if not neighbour.per_hour:
        return
    chance, mean_us = Chance(seed), 3_600_000_000 // neighbour.per_hour

    def arrive() -> None:
        if tenant.card is None or tenant.failed:
            return
        output = max(1, chance.exponential_us(neighbour.output_tokens))
        work = work_of(neighbour.model, neighbour.prompt_tokens, min(output, 8 * neighbour.output_tokens))
        engine.submit(tenant, work.work_us, work.first_us)
        engine.at(engine.now_us + chance.exponential_us(mean_us), arrive)

    engine.at(engine.now_us + chance.exponential_us(mean_us), arrive)
