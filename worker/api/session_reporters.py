"""Who may report sessions, and read of them: SCR_API_KEY, tenants' tokens, public keys, the dashboard's login.

Every comparison takes the same time whatever it is given. A public key is for pages: it can only report, little at a
time, and from the origins that are set.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from worker.api.answers import Headers, Scope, header_of
from worker.api.auth import authenticate, is_admin
from worker.api.dashboard_login import client_of, is_login
from worker.errors import CallerError, NotAuthenticated
from worker.services import Services
from worker.sessions.settings import SessionsSettings

PUBLIC_KEY: Final = "public_key"
MAX_CREDENTIAL: Final = 1_024
_MAX_FIELDS: Final = 16


class OriginNotAllowed(CallerError):
    """A page from an origin that is not among SCR_ALLOWED_ORIGINS."""

    status = 403
    code = "origin_not_allowed"


class Reporter(NamedTuple):
    """Whose events it reports. `is_public`: by a key that pages have."""

    tenant: str
    is_public: bool = False


async def reporter_of(services: Services, scope: Scope) -> Reporter:
    """Who captures. Raises: NotAuthenticated, OriginNotAllowed."""
    settings = services.sessions
    if settings.public_keys:
        given = _public_key(scope) or _given_key(scope)
        if _is_one_of(given, settings.public_keys):
            origin = header_of(scope, b"origin")
            if origin is not None and origin not in settings.allowed_origins:
                raise OriginNotAllowed("this origin may not report sessions: add it to SCR_ALLOWED_ORIGINS")
            return Reporter(settings.tenant, is_public=True)
    return Reporter(await _tenant_of(services, scope))


async def reader_of(services: Services, scope: Scope) -> str | None:
    """Whose events may be read; None = everybody's, for the operator. Raises: NotAuthenticated, TooManyLogins."""
    authorization = header_of(scope, b"authorization")
    if is_admin(services.admin_digest, authorization) or _has_login(services, scope, authorization):
        return None
    return await _tenant_of(services, scope)


def cross_origin(settings: SessionsSettings, scope: Scope) -> Headers:
    """The headers by which a browser lets a page of an allowed origin report, and read the answer (Fetch, CORS)."""
    origin = header_of(scope, b"origin")
    if origin is None or not settings.allowed_origins:
        return []
    vary: Headers = [(b"vary", b"origin")]
    if origin not in settings.allowed_origins:
        return vary
    # sendBeacon always asks in the mode that needs "credentials" (Beacon, 4.1); we neither set nor read a cookie.
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"retry-after, x-request-id"),
        *vary,
    ]


async def _tenant_of(services: Services, scope: Scope) -> str:
    settings = services.sessions
    if not settings.api_key:
        return await authenticate(services, scope)
    given = _given_key(scope)
    if _is_one_of(given, (settings.api_key,)):
        return settings.tenant
    if services.keyring.is_open or not given.startswith("hk_"):
        raise NotAuthenticated('send SCR_API_KEY\'s value as "Authorization: Bearer <key>" or "X-API-Key: <key>"')
    return await authenticate(services, scope)


def _given_key(scope: Scope) -> str:
    authorization = header_of(scope, b"authorization")
    if authorization is None:
        return header_of(scope, b"x-api-key") or ""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme in ("Bearer", "bearer") else ""


def _public_key(scope: Scope) -> str:
    """The key in the query string: what sends when a page closes can't set a header."""
    try:
        pairs = parse_qsl(scope["query_string"].decode("ascii"), errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return ""
    return next((value for name, value in pairs if name == PUBLIC_KEY), "")


def _is_one_of(given: str, known: tuple[str, ...]) -> bool:
    digest = hashlib.sha256(given[:MAX_CREDENTIAL].encode()).digest()
    found = False
    for key in known:
        found |= hmac.compare_digest(hashlib.sha256(key.encode()).digest(), digest)
    return found


def _has_login(services: Services, scope: Scope, authorization: str | None) -> bool:
    """Whether it is the dashboard's user and password (Basic, RFC 7617). A guess here is as slow as at its form.

    Raises: TooManyLogins.
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme not in ("Basic", "basic") or not services.sessions.dashboard_password:
        return False
    throttle, address, now_us = services.logins, client_of(scope), services.clock.monotonic_us()
    throttle.check(address, now_us)
    try:
        given = base64.b64decode(encoded.strip(), validate=True) if len(encoded) <= MAX_CREDENTIAL else b""
        user, _, password = given.decode().partition(":")
    except ValueError:
        user, password = "", ""
    if not is_login(services.sessions, user, password):
        throttle.failed(address, now_us)
        return False
    throttle.succeeded(address)
    return True
