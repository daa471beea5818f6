"""Who may look at the dashboard: a user and a password from the settings, and a signed cookie for whoever knew them.

The cookie says only until when it is good. Its key is made of the password and the other secrets of the host, so every
process of a host knows the cookies of the others, and a changed secret ends them all.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from worker.api.answers import Scope
from worker.sessions.settings import SessionsSettings

COOKIE: Final = "harpoon_dashboard"
#: A working day: then one logs in again.
COOKIE_S: Final = 28_800
MAX_COOKIE: Final = 256
#: Rounds of hashing that each guess of the password from a stolen cookie costs.
ROUNDS: Final = 20_000
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


def client_of(scope: Scope) -> str:
    """Whose failures are counted together: the address that the host knows, "" = none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


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
