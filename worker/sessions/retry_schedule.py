"""When a delivery is tried again, and when it is given up: arithmetic on a draw, without a clock or chance of its own.

Full jitter: a wait is drawn evenly between nothing and a ceiling that doubles with every failure, up to a cap; or,
where steps are given, between three quarters and five quarters of a step. What a destination asks for is the least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from worker.upstream.retry import DRAWS, backoff_us

_SECOND_US: Final = 1_000_000
#: What Standard Webhooks' "Deliverability and reliability" gives as an example: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h.
STANDARD_WEBHOOKS_STEPS_US: Final = tuple(second * _SECOND_US for second in (5, 300, 1_800, 7_200, 18_000, 36_000))


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Attempt 1 is at once; after the failure of attempt n there is a wait, or, after the last, none (dead letter).

    `steps_us`, if given, stand for base and cap, and there is one attempt more than steps.
    """

    base_us: int = _SECOND_US
    cap_us: int = 600 * _SECOND_US
    max_attempts: int = 12
    steps_us: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raises: ValueError for a schedule that can't be followed."""
        if not 1 <= self.base_us <= self.cap_us or self.max_attempts < 1 or any(step < 1 for step in self.steps_us):
            raise ValueError("a retry schedule has 1 <= base <= cap, at least one attempt, and steps above 0")

    def ceiling_us(self, failures: int) -> int | None:
        """The longest wait after failure number `failures` (from 1); None = no attempt follows."""
        if failures < 1:
            raise ValueError("waits come after failures, which are counted from 1")
        if self.steps_us:
            return self.steps_us[failures - 1] * 5 // 4 if failures <= len(self.steps_us) else None
        return backoff_us(failures - 1, DRAWS, self.base_us, self.cap_us) if failures < self.max_attempts else None

    def wait_us(self, failures: int, draw: int, asked_us: int = 0) -> int | None:
        """The wait after that failure for a `draw` below DRAWS, at least `asked_us`; None = no attempt follows."""
        ceiling_us = self.ceiling_us(failures)
        if ceiling_us is None:
            return None
        if self.steps_us:
            step_us = self.steps_us[failures - 1]
            drawn_us = step_us * 3 // 4 + (ceiling_us - step_us * 3 // 4) * draw // DRAWS
        else:
            drawn_us = backoff_us(failures - 1, draw, self.base_us, self.cap_us)
        return max(drawn_us, asked_us)
