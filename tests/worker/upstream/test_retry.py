"""Waits between two tries: drawn within a limit that doubles and is capped, and what a provider asks for."""

from __future__ import annotations

import pytest

from worker.upstream.retry import DRAWS, MAX_ASKED_US, asked_wait_us, backoff_us

BASE_US, CAP_US = 100_000, 2_000_000
NOW_US = 1_767_225_600_000_000  # Thu, 01 Jan 2026 00:00:00 GMT


def test_the_limit_doubles_up_to_the_cap_and_the_wait_is_anything_below() -> None:
    highest = [backoff_us(retry, DRAWS - 1, BASE_US, CAP_US) for retry in range(8)]
    assert highest == [99_999, 199_999, 399_999, 799_999, 1_599_999, 1_999_999, 1_999_999, 1_999_999]
    assert {backoff_us(retry, 0, BASE_US, CAP_US) for retry in range(8)} == {0}
    assert backoff_us(0, DRAWS // 2, BASE_US, CAP_US) == 50_000
    assert backoff_us(10_000, DRAWS - 1, BASE_US, CAP_US) < CAP_US


ASKED = [
    ("0", 0),
    ("7", 7_000_000),
    ("900", 900_000_000),
    ("1" + "0" * 5_000, MAX_ASKED_US),
    ("Thu, 01 Jan 2026 00:00:30 GMT", 30_000_000),
    ("Thu, 01 Jan 2026 00:00:60 GMT", 59_000_000),  # a leap second is as good as the one before
    ("Wed, 31 Dec 2025 23:59:59 GMT", 0),
    ("Fri, 01 Jan 2100 00:00:00 GMT", MAX_ASKED_US),
    *[
        (odd, None)
        for odd in (
            "",
            "soon",
            "-5",
            "1.5",
            "+3",
            " 3",
            "٣",
            "Thu, 01 Jan 2026 00:00:30 CET",
            "Thu, 32 Jan 2026 00:00:30 GMT",
            "Thu, 01 Foo 2026 00:00:30 GMT",
            "Thu, 01 Jan 2026 24:00:00 GMT",
            "Thu, 01 Jan 0000 00:00:00 GMT",
            "Thursday, 01-Jan-26 00:00:30 GMT",
            "Thu Jan  1 00:00:30 2026",
        )
    ],
]


@pytest.mark.parametrize(("value", "wait_us"), ASKED)
def test_what_a_provider_asks_for(value: str, wait_us: int | None) -> None:
    assert asked_wait_us(value, NOW_US) == wait_us
