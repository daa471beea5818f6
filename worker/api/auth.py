"""Who is asking: tokens of the form hk_<tenant>_<secret>, compared by hash in constant time.

Where no token is needed, because nobody else can connect, a browser still can, for any page it shows. So such a host
answers only what was addressed to the loopback by name, and by no page from elsewhere: a page can make its own name
resolve to 127.0.0.1, but it can't forge the Host and Origin headers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

from worker.api.answers import Scope
from worker.errors import CallerError, NotAuthenticated, SettingsError

OPEN_TENANT = "local"
MAX_TOKEN_CHARACTERS = 512
_TENANT_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_ABSENT = "0" * 64
#: RFC 6761 section 6.3 (localhost), RFC 1122 section 3.2.1.3 (127/8); no name a page could have looks like them.
_LOOPBACK = rb"(?i:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?"
_IS_LOOPBACK_HOST = re.compile(_LOOPBACK).fullmatch
_IS_LOOPBACK_ORIGIN = re.compile(b"https?://" + _LOOPBACK).fullmatch


class NotLocal(CallerError):
    """Without a token, from somewhere that is not this machine."""

    status = 403
    code = "not_local"


def refuse_strangers(scope: Scope) -> None:
    """Raises: NotLocal unless a request is for the loopback by name, and its page, if any, is from there too."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or _IS_LOOPBACK_HOST(hosts[0]) is None:
        raise NotLocal(
            "without a token only requests to 127.0.0.1, localhost or [::1] are served: use such an address, or set "
            "HARPOON_TOKENS and send a token"
        )
    for name, value in scope["headers"]:
        if name == b"origin" and _IS_LOOPBACK_ORIGIN(value) is None:
            raise NotLocal("without a token no page from elsewhere is served: set HARPOON_TOKENS and send a token")


def token_digest(token: str) -> str:
    """Hex SHA-256 of a token: tokens are long and random, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def tenant_of(token: str) -> str | None:
    """The tenant a well-formed token names, or None."""
    parts = token.split("_", 2)
    if len(parts) != 3 or parts[0] != "hk" or not parts[1] or not parts[2] or len(token) > MAX_TOKEN_CHARACTERS:
        return None
    return parts[1] if _TENANT_CHARACTERS.issuperset(parts[1]) and len(parts[1]) <= 63 else None


class Keyring:
    """The tokens a host was given, as hashes. Open means: no token is known and the host says that is all right."""

    __slots__ = ("_digests", "_open")

    def __init__(self, digests: Mapping[str, frozenset[str]], *, open_access: bool) -> None:
        self._digests = dict(digests)
        self._open = open_access and not digests

    @classmethod
    def from_tokens(cls, tokens: Iterable[str], *, open_access: bool) -> Keyring:
        """A keyring for plain tokens. Raises: SettingsError for a token of another form (without showing it)."""
        digests: dict[str, set[str]] = {}
        for position, token in enumerate(tokens, 1):
            tenant = tenant_of(token)
            if tenant is None or not token.isascii():
                raise SettingsError(
                    f"token {position} is not of the form hk_<tenant>_<secret> (tenant: a-z, 0-9, -)",
                    param="HARPOON_TOKENS",
                )
            digests.setdefault(tenant, set()).add(token_digest(token))
        return cls({tenant: frozenset(found) for tenant, found in digests.items()}, open_access=open_access)

    @property
    def is_open(self) -> bool:
        return self._open

    def authenticate(self, authorization: str | None) -> str:
        """The tenant an Authorization header speaks for. Raises: NotAuthenticated."""
        if self._open:
            return OPEN_TENANT
        if authorization is None:
            raise NotAuthenticated('send your token as "Authorization: Bearer hk_<tenant>_<secret>"')
        scheme, _, token = authorization.partition(" ")
        tenant = tenant_of(token.strip()) if scheme in ("Bearer", "bearer") else None
        digest = token_digest(token.strip()) if tenant else _ABSENT
        known = False
        for candidate in self._digests.get(tenant or "", frozenset()):
            known |= hmac.compare_digest(candidate, digest)
        if not known or tenant is None:
            raise NotAuthenticated("this token is not known here; check it, or ask the operator for another")
        return tenant

    def __repr__(self) -> str:
        return f"Keyring({len(self._digests)} tenants, open={self._open})"
