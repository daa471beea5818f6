"""When a delivery is tried again: the ceilings exactly, the jitter within them, and an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.sessions.retry_schedule import STANDARD_WEBHOOKS_STEPS_US, RetrySchedule
from worker.upstream.retry import DRAWS

S = 1_000_000
DRAW = st.integers(0, DRAWS - 1)


def test_ceilings_double_from_the_base() -> None:
    schedule = RetrySchedule(base_us=S, cap_us=600 * S, max_attempts=4)
    ceilings = [schedule.ceiling_us(failures) for failures in (1, 2, 3, 4)]
    assert ceilings == [1 * S, 2 * S, 4 * S, None]
    assert sum(ceiling for ceiling in ceilings if ceiling) == S * (2**3 - 1)


def test_they_stop_at_the_cap_and_never_overflow() -> None:
    schedule = RetrySchedule(base_us=S, cap_us=5 * S, max_attempts=10**6)
    assert [schedule.ceiling_us(failures) for failures in (3, 4, 5, 10**6 - 1, 10**6)] == [
        4 * S,
        5 * S,
        5 * S,
        5 * S,
        None,
    ]


@given(st.integers(1, 11), DRAW)
def test_a_wait_is_drawn_from_nothing_to_the_ceiling(failures: int, draw: int) -> None:
    schedule = RetrySchedule()
    wait_us, ceiling_us = schedule.wait_us(failures, draw), schedule.ceiling_us(failures)
    assert wait_us is not None
    assert ceiling_us is not None
    assert 0 <= wait_us < ceiling_us
    assert schedule.wait_us(failures, 0) == 0
    assert schedule.wait_us(failures, DRAWS // 2) == ceiling_us // 2


@given(st.integers(1, 6), DRAW)
def test_steps_are_kept_by_a_quarter(failures: int, draw: int) -> None:
    schedule = RetrySchedule(steps_us=STANDARD_WEBHOOKS_STEPS_US)
    wait_us, step_us = schedule.wait_us(failures, draw), STANDARD_WEBHOOKS_STEPS_US[failures - 1]
    assert wait_us is not None
    assert step_us * 3 // 4 <= wait_us < step_us * 5 // 4
    assert schedule.wait_us(7, draw) is None


@given(st.integers(1, 30), DRAW, st.integers(0, 10**12))
def test_what_is_asked_for_is_the_least(failures: int, draw: int, asked_us: int) -> None:
    schedule = RetrySchedule()
    wait_us = schedule.wait_us(failures, draw, asked_us)
    assert (wait_us is None) == (failures >= schedule.max_attempts)
    assert wait_us is None or wait_us >= asked_us


@pytest.mark.parametrize(
    "bad", [{"base_us": 0}, {"base_us": 2, "cap_us": 1}, {"max_attempts": 0}, {"steps_us": (1, 0)}]
)
def test_a_schedule_that_makes_no_sense_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="retry schedule"):
        RetrySchedule(**bad)  # type: ignore[arg-type]


def test_failures_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        RetrySchedule().wait_us(0, 0)
