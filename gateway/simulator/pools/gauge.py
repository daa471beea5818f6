"""What a card tells one of its tenants of the others: the reading that predicted waits are made from."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.simulator.pools.card import Card, Tenant
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.parameters import MILLION
from worker.routing.pool_waits import SPATIAL, TEMPORAL, PoolReading

#: A reading tells of at least half of this, and of all of it at most.
WINDOW_US: Final = 120 * MILLION


class _Sums(NamedTuple):
    """Counters of a card's neighbours at one time."""

    at_us: int
    present_us: int
    spells: int
    spell_us: int
    grants: int
    grant_us: int


class Gauge:
    """Reads the card of `tenant`, over the last two minutes or since its neighbours last changed."""

    def __init__(self, engine: Engine, tenant: Tenant, window_us: int = WINDOW_US) -> None:
        self.tenant = tenant
        self._engine = engine
        self._window_us = window_us
        self._neighbours: frozenset[int] = frozenset()
        self._older = self._newer = _Sums(0, 0, 0, 0, 0, 0)

    def read(self) -> PoolReading | None:
        """What the tenant would be told now; None where its pod doesn't run."""
        card = self.tenant.card
        if card is None or self.tenant.failed:
            return None
        self._engine.touch(card)
        others = [one for one in card.tenants if one is not self.tenant and not one.failed]
        now = _sums(card, others, self._engine.now_us)
        names = frozenset([one.id for one in others])
        if names != self._neighbours:
            self._neighbours, self._older, self._newer = names, now, now
        elif now.at_us - self._newer.at_us >= self._window_us // 2:
            self._older, self._newer = self._newer, now
        return self._reading(card, others, self._older, now)

    def _reading(self, card: Card, others: list[Tenant], before: _Sums, now: _Sums) -> PoolReading:
        passed_us = now.at_us - before.at_us
        if not others:
            busy_ppm = 0
        elif passed_us:
            busy_ppm = min(MILLION, (now.present_us - before.present_us) * MILLION // (passed_us * len(others)))
        else:  # nothing is known yet but who is at work now
            busy_ppm = sum([1 for one in others if one.running_count]) * MILLION // len(others)
        if not card.temporal:
            return PoolReading(SPATIAL, 0, 0, 0, len(others), busy_ppm)
        quantum_us = card.spec.quantum_us
        spells, grants = now.spells - before.spells, now.grants - before.grants
        turn_us = (now.spell_us - before.spell_us) // spells if spells else quantum_us
        drain_us = card.parameters.drain_us
        switch_us = max(drain_us, (now.grant_us - before.grant_us) // grants) if grants else drain_us
        return PoolReading(TEMPORAL, quantum_us, switch_us, min(quantum_us, turn_us), len(others), busy_ppm)


def sped_up(reading: PoolReading, speed: int) -> PoolReading:
    """The reading as a client on a clock sees it on which the model runs `speed` times as fast as life."""
    if speed == 1:
        return reading
    return reading._replace(
        quantum_us=reading.quantum_us // speed,
        switch_us=reading.switch_us // speed,
        turn_us=reading.turn_us // speed,
    )


def _sums(card: Card, others: list[Tenant], now_us: int) -> _Sums:
    return _Sums(
        now_us,
        sum([one.present_us for one in others]),
        sum([one.spells for one in others]),
        sum([one.spell_us for one in others]),
        card.grants,
        card.grant_us,
    )
