"""Random fault schedules against the whole application: the books balance after each, and the check would notice."""

from __future__ import annotations

import httpx
import pytest

from bench import fault_schedules
from bench.fault_schedules import Broken, Played
from bench.faulty_providers import ENDINGS
from worker.api import chat
from worker.upstream import dispatch

SCHEDULES = 200


def test_random_fault_schedules_leave_the_books_in_order() -> None:
    played = Played()
    for number in range(SCHEDULES):
        played.add(fault_schedules.play(number))
    assert played.schedules == SCHEDULES
    # They are worth something: every way to fail was met, and every way to end.
    assert len(played.endings) == len(ENDINGS)
    assert {"200", "402", "403", "503", "504", "left"} <= set(played.statuses)
    assert {"success", "error", "timeout", "user_terminated"} <= set(played.outcomes)
    assert played.overruns > 0


def test_a_schedule_is_the_same_every_time() -> None:
    assert fault_schedules.play(3) == fault_schedules.play(3)


def first_fault(most: int = 300) -> str:
    """What the first broken law says."""
    for number in range(most):
        try:
            fault_schedules.play(number)
        except Broken as problem:
            return str(problem)
    raise AssertionError("nothing was noticed")


def test_a_second_call_after_one_that_may_have_billed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a library's word for "never connected" were believed."""
    monkeypatch.setattr(dispatch, "NotSentInTime", httpx.ConnectTimeout)
    assert "was asked again after it may have billed" in first_fault()


def test_an_attempt_that_is_not_charged_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = dispatch._failed
    monkeypatch.setattr(
        dispatch, "_failed", lambda cause, *, unbilled, status=0: failed(cause, unbilled=True, status=status)
    )
    assert "billed" in first_fault()


def test_a_request_that_is_never_settled_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a departure before the first byte were forgotten."""

    async def forget(*_: object) -> None:
        return None

    monkeypatch.setattr(chat, "settle", forget)
    assert "not settled" in first_fault()
