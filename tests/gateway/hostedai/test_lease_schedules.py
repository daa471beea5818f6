"""A short form of `python -m bench.lease_schedules`; its laws are shown to be able to fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from bench import lease_schedules
from bench.lease_schedules import Played
from bench.lease_watch import Broken
from gateway.hostedai.lease_store import LeaseStore
from gateway.hostedai.reconciler import EVERY_US, Reconciler


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def play_until_broken(schedules: int) -> None:
    for number in range(schedules):
        lease_schedules.play(number)


def test_random_schedules_leave_no_lease_behind_and_the_books_in_order() -> None:
    played = Played()
    for number in range(25):
        played.add(lease_schedules.play(number))
    assert played.leases > 25
    assert played.faults > 25
    assert played.kills > 5
    assert played.charged_usd_micros > 0


def test_a_schedule_is_the_same_each_time() -> None:
    assert lease_schedules.play(3) == lease_schedules.play(3)


def test_without_the_reconciler_something_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def looks_away(self: Reconciler) -> int:
        self.due_us = self._clock.now_us() + EVERY_US
        return 0

    monkeypatch.setattr(Reconciler, "run", looks_away)
    with pytest.raises(Broken, match=r"leaked|charged"):
        play_until_broken(60)


def test_money_that_is_not_booked_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgets(self: LeaseStore, tenant: str) -> int:
        return 0

    monkeypatch.setattr(LeaseStore, "spent", forgets)
    with pytest.raises(Broken, match="charges"):
        play_until_broken(20)
