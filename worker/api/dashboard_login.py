"""Who may look at the dashboard: a user and a password from the settings, and a signed cookie for whoever knew them.

The cookie says only until when it is good. Its key is made of the password and the other secrets of the host, so every
process of a host knows the cookies of the others, and a changed secret ends them all.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from worker.sessions.settings import SessionsSettings

COOKIE: Final = "harpoon_dashboard"
#: A working day: then one logs in again.
COOKIE_S: Final = 28_800
MAX_COOKIE: Final = 256
#: Rounds of hashing that each guess of the password from a stolen cookie costs.
ROUNDS: Final = 20_000
FREE_FAILURES: Final = 5
FREE_FAILURES_OF_ALL: Final = 30
LONGEST_WAIT_US: Final = 60_000_000
FORGOTTEN_AFTER_US: Final = 900_000_000
MOST_ADDRESSES: Final = 1_000
_SECOND_US: Final = 1_000_000
_IS_COOKIE: Final = re.compile("(?P<until>[0-9]{1,12})[.](?P<id>[a-z0-9_]{1,64})[.](?P<mac>[0-9a-f]{64})").fullmatch


def cookie_key(settings: SessionsSettings, admin_digest: str) -> bytes:
    """The key that signs cookies; some 15 ms of work. Without a password there is none: never ask."""
    secrets = (settings.dashboard_user, settings.dashboard_password, settings.api_key, admin_digest)
    text = "".join(f"{len(one)}:{one}" for one in secrets).encode()
    key = b"harpoon dashboard cookie"
    for _ in range(ROUNDS):
        key = hashlib.sha256(key + text).digest()
    return key


def is_login(settings: SessionsSettings, user: str, password: str) -> bool:
    """Whether these are the ones that are set, in a time that tells nothing of them; never while none are set."""
    right = _same(user, settings.dashboard_user) & _same(password, settings.dashboard_password)
    return right and bool(settings.dashboard_password)


def new_cookie(key: bytes, until_s: int, cookie_id: str) -> str:
    """A cookie's value. Args: until_s: seconds since 1970. cookie_id: fresh, of a-z, 0-9 and _."""
    said = f"{until_s}.{cookie_id}"
    return f"{said}.{_mac(key, said)}"


def is_good_cookie(key: bytes, value: str, now_s: int) -> bool:
    """Whether it was made with this key and has not expired."""
    found = _IS_COOKIE(value)
    if found is None or len(value) > MAX_COOKIE:
        return False
    is_ours = hmac.compare_digest(_mac(key, f"{found['until']}.{found['id']}"), found["mac"])
    return is_ours and now_s < int(found["until"])


def cookie_in(header: str | None) -> str:
    """The dashboard's cookie in a Cookie header (RFC 6265 section 4.2), "" = none."""
    for pair in (header or "").split(";"):
        name, found, value = pair.strip(" \t").partition("=")
        if found and name == COOKIE:
            return value
    return ""


def _same(given: str, known: str) -> bool:
    digests = [hashlib.sha256(one.encode("utf-8", "surrogatepass")).digest() for one in (given, known)]
    return hmac.compare_digest(*digests)


def _mac(key: bytes, said: str) -> str:
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


class LoginThrottle:
    """How long a client waits after wrong logins, in this process: nothing at first, then twice as long each time.

    All clients together wait a second between attempts once there were many failures, so that a guess from many
    addresses is slow too, and a lockout by strangers short.
    """

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, int]] = {}
        self._of_all = (0, 0)

    def wait_us(self, address: str, now_us: int) -> int:
        """How long until this client may try, 0 = now. Args: now_us: of a clock that never goes back."""
        own = _wait_us(*self._failures.get(address, (0, 0)), FREE_FAILURES, LONGEST_WAIT_US, now_us)
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
        """Forget a client's failures."""
        self._failures.pop(address, None)


def _wait_us(failures: int, at_us: int, free: int, longest_us: int, now_us: int) -> int:
    if failures < free:
        return 0
    wait_us = min(longest_us, _SECOND_US << min(failures - free, 20))
    return max(0, at_us + wait_us - now_us)
