"""Who is asking: tokens of the form hk_<tenant>_<secret>, compared by hash in constant time.

Two kinds are known: those the host was given, which are told here, and stored keys, `hk_<tenant>_key_<id>_<secret>`,
which only the tenant's state can tell: admission asks it in its own transaction, other endpoints by `authenticate`.

Where no token is needed, because nobody else can connect, a browser still can, for any page it shows. So such a host
answers only what was addressed to the loopback by name, and by no page from elsewhere: a page can make its own name
resolve to 127.0.0.1, but it can't forge the Host and Origin headers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from worker.api.answers import Scope, header_of
from worker.errors import CallerError, NotAuthenticated, SettingsError
from worker.tenants.standing import EXPIRED, REVOKED

if TYPE_CHECKING:
    from worker.services import Services

OPEN_TENANT = "local"
#: No tenant may be made of this name: a token that begins so is the administrator's.
ADMIN_TENANT = "admin"
ADMIN_PREFIX = f"hk_{ADMIN_TENANT}_"
MIN_ADMIN_SECRET = 24
_VISIBLE = frozenset(map(chr, range(33, 127))) - {","}
MAX_TOKEN_CHARACTERS = 512
_TENANT_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_ABSENT = "0" * 64
_NOT_KNOWN = "this token is not known here; check it, or ask the operator for another"
_IS_KEY_ID = re.compile("key_[0-9a-f]{24}").fullmatch
_IS_STORED_SECRET = re.compile("(key_[0-9a-f]{24})_[0-9a-f]{64}").fullmatch
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


class Caller(NamedTuple):
    """Who asks. A stored key has an id and the hex SHA-256 of its token, which the tenant's state has yet to accept."""

    tenant: str
    key_id: str = ""
    key_digest: str = ""


def stored_key_id(token: str) -> str:
    """The id that a stored key's token names, "" for a token of another form. `token` is a well-formed one."""
    found = _IS_STORED_SECRET(token.split("_", 2)[2])
    return found[1] if found else ""


def is_key_id(text: str) -> bool:
    """Whether it has the form of a stored key's id."""
    return _IS_KEY_ID(text) is not None


def key_token(tenant: str, key_id: str, secret: str) -> str:
    """The token of a stored key. Args: secret: 64 hexadecimal digits of randomness."""
    return f"hk_{tenant}_{key_id}_{secret}"


def refused_key(problem: str) -> NotAuthenticated:
    """What the caller is told of a stored key that was not accepted."""
    if problem == REVOKED:
        return NotAuthenticated("this key was revoked; ask the operator for another")
    if problem == EXPIRED:
        return NotAuthenticated("this token has expired; ask the operator for another")
    return NotAuthenticated(_NOT_KNOWN)


async def authenticate(services: Services, scope: Scope) -> str:
    """The tenant a request speaks for; of a stored key, its tenant's state is asked. Raises: NotAuthenticated."""
    return (await identify(services, scope)).tenant


async def identify(services: Services, scope: Scope) -> Caller:
    """Who asks, accepted, for an endpoint that does not admit. Raises: NotAuthenticated."""
    caller = services.keyring.identify(header_of(scope, b"authorization"))
    if caller.key_id:
        at_us = services.clock.now_us()
        problem = await services.mediator.authorise(caller.tenant, caller.key_id, caller.key_digest, at_us)
        if problem:
            raise refused_key(problem)
    return caller


def admin_digest(token: str) -> str:
    """The digest by which an administrator's token is known, "" for no token.

    Raises: SettingsError for a token of another form, or one that could be guessed (without showing it).
    """
    if not token:
        return ""
    secret = token.removeprefix(ADMIN_PREFIX)
    if secret == token or len(secret) < MIN_ADMIN_SECRET or not _VISIBLE.issuperset(secret):
        raise SettingsError(
            f"HARPOON_ADMIN_TOKEN must be {ADMIN_PREFIX} and at least {MIN_ADMIN_SECRET} more characters, which nobody "
            "can guess",
            param="HARPOON_ADMIN_TOKEN",
        )
    return token_digest(token)


def is_admin(digest: str, authorization: str | None) -> bool:
    """Whether an Authorization header has the administrator's token, compared in constant time."""
    scheme, _, token = (authorization or "").partition(" ")
    given = token_digest(token.strip()) if scheme in ("Bearer", "bearer") and len(token) <= MAX_TOKEN_CHARACTERS else ""
    return hmac.compare_digest(digest or _ABSENT, given or "-" * 64) and bool(digest)


class Keyring:
    """The tokens a host was given, as hashes. Open means: no token is known and the host says that is all right.

    `stored_keys`: whether tenants' own keys are accepted too; then it is never open.
    """

    __slots__ = ("_digests", "_open", "_stored_keys")

    def __init__(self, digests: Mapping[str, frozenset[str]], *, open_access: bool, stored_keys: bool = False) -> None:
        self._digests = dict(digests)
        self._stored_keys = stored_keys
        self._open = open_access and not digests and not stored_keys

    @classmethod
    def from_tokens(cls, tokens: Iterable[str], *, open_access: bool, stored_keys: bool = False) -> Keyring:
        """A keyring for plain tokens. Raises: SettingsError for one of another form or the administrator's, unshown."""
        digests: dict[str, set[str]] = {}
        for position, token in enumerate(tokens, 1):
            tenant = tenant_of(token)
            if tenant is None or not token.isascii():
                raise SettingsError(
                    f"token {position} is not of the form hk_<tenant>_<secret> (tenant: a-z, 0-9, -)",
                    param="HARPOON_TOKENS",
                )
            if tenant == ADMIN_TENANT:
                raise SettingsError(
                    f"token {position} begins with {ADMIN_PREFIX}, as the administrator's does, which is for "
                    "HARPOON_ADMIN_TOKEN; name the tenant otherwise",
                    param="HARPOON_TOKENS",
                )
            digests.setdefault(tenant, set()).add(token_digest(token))
        kept = {tenant: frozenset(found) for tenant, found in digests.items()}
        return cls(kept, open_access=open_access, stored_keys=stored_keys)

    @property
    def is_open(self) -> bool:
        return self._open

    def authenticate(self, authorization: str | None) -> str:
        """The tenant an Authorization header speaks for, by the host's tokens alone. Raises: NotAuthenticated."""
        caller = self.identify(authorization)
        if caller.key_id:
            raise NotAuthenticated(_NOT_KNOWN)
        return caller.tenant

    def identify(self, authorization: str | None) -> Caller:
        """Who an Authorization header speaks for. A stored key is only read, not known. Raises: NotAuthenticated."""
        if self._open:
            return Caller(OPEN_TENANT)
        if authorization is None:
            raise NotAuthenticated('send your token as "Authorization: Bearer hk_<tenant>_<secret>"')
        scheme, _, token = authorization.partition(" ")
        tenant = tenant_of(token.strip()) if scheme in ("Bearer", "bearer") else None
        digest = token_digest(token.strip()) if tenant else _ABSENT
        known = False
        for candidate in self._digests.get(tenant or "", frozenset()):
            known |= hmac.compare_digest(candidate, digest)
        if known and tenant is not None:
            return Caller(tenant)
        key_id = stored_key_id(token.strip()) if tenant and self._stored_keys else ""
        if tenant is None or not key_id:
            raise NotAuthenticated(_NOT_KNOWN)
        return Caller(tenant, key_id, digest)

    def __repr__(self) -> str:
        return f"Keyring({len(self._digests)} tenants, open={self._open})"
