"""How long a client waits after wrong logins to the dashboard, by its form or by HTTP Basic, in this process."""

from __future__ import annotations

from typing import Final

from worker.errors import CallerError

FREE_FAILURES: Final = 5
FREE_FAILURES_OF_ALL: Final = 30
LONGEST_WAIT_US: Final = 60_000_000
FORGOTTEN_AFTER_US: Final = 900_000_000
MOST_ADDRESSES: Final = 1_000
_SECOND_US: Final = 1_000_000


class TooManyLogins(CallerError):
    """Wrong logins, too many of them."""

    status = 429
    type = "requests"
    code = "too_many_logins"

    def __init__(self, wait_us: int) -> None:
        self.retry_after_s = -(-wait_us // _SECOND_US)
        super().__init__(f"too many wrong logins: try again in {self.retry_after_s} s")


class LoginThrottle:
    """Nothing at first, then twice as long with each failure.

    All clients together wait a second between attempts once there were many failures, so that a guess from many
    addresses is slow too. Who has logged in before does not wait for others, so strangers can't lock the operator out.
    """

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, int]] = {}
        self._known: dict[str, None] = {}
        self._of_all = (0, 0)

    def check(self, address: str, now_us: int) -> None:
        """Args: now_us: of a clock that never goes back. Raises: TooManyLogins if this client may not try now."""
        wait_us = self.wait_us(address, now_us)
        if wait_us:
            raise TooManyLogins(wait_us)

    def wait_us(self, address: str, now_us: int) -> int:
        """How long until this client may try, 0 = now. Args: now_us: of a clock that never goes back."""
        own = _wait_us(*self._failures.get(address, (0, 0)), FREE_FAILURES, LONGEST_WAIT_US, now_us)
        if address in self._known:
            return own
        return max(own, _wait_us(*self._of_all, FREE_FAILURES_OF_ALL, _SECOND_US, now_us))

    def failed(self, address: str, now_us: int) -> None:
        """Note a wrong login."""
        old = [one for one, (_, at_us) in self._failures.items() if now_us - at_us > FORGOTTEN_AFTER_US]
        for one in old:
            del self._failures[one]
        if len(self._failures) >= MOST_ADDRESSES and address not in self._failures:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = self._failures.pop(address, (0, 0))[0] + 1, now_us
        of_all, at_us = self._of_all
        self._of_all = (1 if now_us - at_us > FORGOTTEN_AFTER_US else of_all + 1), now_us

    def succeeded(self, address: str) -> None:
        """Forget a client's failures, and know it from now on."""
        self._failures.pop(address, None)
        if address not in self._known:
            if len(self._known) >= MOST_ADDRESSES:
                del self._known[next(iter(self._known))]
            self._known[address] = None


def _wait_us(failures: int, at_us: int, free: int, longest_us: int, now_us: int) -> int:
    if failures < free:
        return 0
    wait_us = min(longest_us, _SECOND_US << min(failures - free, 20))
    return max(0, at_us + wait_us - now_us)
