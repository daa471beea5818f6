"""What every host reads alike out of a destination's options: when it is tried again, with which event it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from worker.sessions.destination_options import OptionValue
from worker.sessions.retry_schedule import RetrySchedule

_SECOND_US = 1_000_000


def schedule_of(options: Mapping[str, OptionValue]) -> RetrySchedule:
    """When deliveries to a destination are tried again."""
    usual = RetrySchedule()
    cap_us = int(cast("int", options.get("max_wait_s", usual.cap_us // _SECOND_US))) * _SECOND_US
    return RetrySchedule(usual.base_us, cap_us, int(cast("int", options.get("max_attempts", usual.max_attempts))))


def begins_early(options: Mapping[str, OptionValue]) -> bool:
    """Whether a new destination gets what was captured before it."""
    return options.get("begin") == "beginning"
