"""/dashboard: what the operator sees of all tenants' sessions, behind a login; the page itself is a file.

Open without a login only where the whole gateway is: without any token, to this machine. Whoever can't look is told
what to set. POSTs take JSON alone, which no other site's page can send without asking first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from starlette.routing import Route

from worker.api.answers import Headers, Receive, Scope, Send, header_of, send_error, send_json
from worker.api.chat import read_body
from worker.api.dashboard_login import (
    COOKIE,
    COOKIE_S,
    client_of,
    cookie_in,
    cookie_key,
    is_good_cookie,
    is_login,
    new_cookie,
)
from worker.api.query import read_query
from worker.api.sessions import SessionsOff, UnknownEvent
from worker.errors import CallerError, HarpoonError, MalformedRequest
from worker.services import Services
from worker.sessions.event import rfc3339
from worker.sessions.ledger_link import with_ledger
from worker.sessions.session_figures import brief_figures
from worker.sessions.spool_port import SpoolPort
from worker.strict_json import parse_json

PATH: Final = "/dashboard"
OPEN, LOGIN = "open", "login"
MAX_BODY: Final = 8_192
_SECOND_US: Final = 1_000_000
_MOST: Final = 128


class LoginRequired(CallerError):
    """Nobody is logged in."""

    status = 401
    type = "authentication_error"
    code = "login_required"


class WrongLogin(CallerError):
    """Not the user and password that are set."""

    status = 401
    type = "authentication_error"
    code = "wrong_login"


class DashboardOff(CallerError):
    """No login is set, and the gateway is not open."""

    status = 403
    code = "dashboard_off"


class Desk:
    """What the endpoints share: the services, and the cookies' key."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._key = b""

    @property
    def key(self) -> bytes:
        """Made when the first login or cookie comes: a host that starts has better things to do."""
        self._key = self._key or cookie_key(self.services.sessions, self.services.admin_digest)
        return self._key

    @property
    def access(self) -> str:
        """How one gets in. Raises: DashboardOff."""
        if self.services.sessions.dashboard_password:
            return LOGIN
        if self.services.keyring.is_open:
            return OPEN
        raise DashboardOff(
            "the dashboard has no login: set SCR_DASHBOARD_USER and SCR_DASHBOARD_PASSWORD, and start again"
        )

    def let_in(self, scope: Scope) -> str:
        """How the caller got in. Raises: LoginRequired, DashboardOff."""
        access = self.access
        if access == LOGIN:
            value = cookie_in(header_of(scope, b"cookie"))
            now_s = self.services.clock.now_us() // _SECOND_US
            if not value or not is_good_cookie(self.key, value, now_s):
                raise LoginRequired("log in at /dashboard")
        return access

    @property
    def spool(self) -> SpoolPort:
        """Raises: SessionsOff."""
        if self.services.spool is None:
            raise SessionsOff("this host keeps no sessions: its operator has not set it up to")
        return self.services.spool


class Call(NamedTuple):
    """One request. `body`: empty for what is only read."""

    desk: Desk
    scope: Scope
    body: bytes
    headers: Headers

    def fields(self, *names: str) -> list[str]:
        """The texts that the body's members hold, these and no others. Raises: MalformedRequest."""
        given = parse_json(self.body)
        if not isinstance(given, dict):
            raise MalformedRequest("the body must be a JSON object")
        for name in given:
            if name not in names:
                raise MalformedRequest(
                    f"the body has {', '.join(names) or 'no members'} and nothing else", param=str(name)[:64]
                )
        texts = [given.get(name) for name in names]
        for name, text in zip(names, texts, strict=True):
            if not isinstance(text, str) or len(text) > MAX_BODY:
                raise MalformedRequest(f"{name} must be there, as a text", param=name)
        return [str(text) for text in texts]


Handler = Callable[[Call], Awaitable[dict[str, Any]]]


class Dashboard:
    """One path, as an ASGI application."""

    def __init__(self, desk: Desk, handler: Handler) -> None:
        self._desk = desk
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = [
            (b"x-request-id", self._desk.services.ids.new("req").encode()),
            (b"cache-control", b"no-store"),
        ]
        try:
            body: bytes | None = b""
            if scope["method"] == "POST":
                _refuse_other_pages(scope)
                body = await read_body(scope, receive, MAX_BODY)
            if body is not None:
                await send_json(send, await self._handler(Call(self._desk, scope, body, headers)), headers)
        except HarpoonError as problem:
            await send_error(send, problem, headers)


def dashboard_routes(services: Services) -> list[Route]:
    """The paths behind the page."""
    desk = Desk(services)
    return [
        Route(PATH + "/data", Dashboard(desk, data), methods=["GET"]),
        Route(PATH + "/events/{event_id}", Dashboard(desk, event), methods=["GET"]),
        Route(PATH + "/login", Dashboard(desk, login), methods=["POST"]),
        Route(PATH + "/logout", Dashboard(desk, logout), methods=["POST"]),
        Route(PATH + "/replay", Dashboard(desk, replay), methods=["POST"]),
    ]


async def login(call: Call) -> dict[str, Any]:
    """User and password for a cookie. Raises: WrongLogin, TooManyLogins, DashboardOff."""
    desk, clock = call.desk, call.desk.services.clock
    if desk.access == OPEN:
        raise DashboardOff("no login is set, and none is needed: this gateway is open to this machine")
    user, password = call.fields("user", "password")
    throttle, address, now_us = desk.services.logins, client_of(call.scope), clock.monotonic_us()
    throttle.check(address, now_us)
    if not is_login(desk.services.sessions, user, password):
        throttle.failed(address, now_us)
        raise WrongLogin("user or password is wrong")
    throttle.succeeded(address)
    value = new_cookie(desk.key, clock.now_us() // _SECOND_US + COOKIE_S, desk.services.ids.new("login"))
    call.headers.append((b"set-cookie", _cookie(call.scope, value, COOKIE_S)))
    return {"ok": True, "expires_in_s": COOKIE_S}


async def logout(call: Call) -> dict[str, Any]:
    """Have the browser forget the cookie."""
    call.fields()
    call.headers.append((b"set-cookie", _cookie(call.scope, "", 0)))
    return {"ok": True}


async def data(call: Call) -> dict[str, Any]:
    """Everything that the page shows at once."""
    access, services = call.desk.let_in(call.scope), call.desk.services
    read_query(call.scope, ())
    now_us = services.clock.now_us()
    counts = await call.desk.spool.figures(None, now_us)
    overview = await call.desk.spool.overview(now_us)
    return {
        "ts": rfc3339(now_us),
        "access": access,
        "host": services.host,
        "process": services.metrics.process,
        "figures": {"ts": rfc3339(now_us), **brief_figures(counts, services.session_metrics)},
        **overview,
    }


async def event(call: Call) -> dict[str, Any]:
    """One event with its deliveries and its place in the ledger. Raises: UnknownEvent."""
    call.desk.let_in(call.scope)
    tenant = read_query(call.scope, ("tenant",)).get("tenant")
    event_id = call.scope["path_params"]["event_id"]
    known = len(event_id) <= _MOST and (tenant is None or len(tenant) <= _MOST)
    found = await call.desk.spool.find(tenant, event_id) if known else None
    if found is None:
        raise UnknownEvent("no event has this id; those that were delivered are dropped after their retention")
    return await with_ledger(call.desk.services.mediator, found)


async def replay(call: Call) -> dict[str, Any]:
    """Have a dead letter delivered again."""
    call.desk.let_in(call.scope)
    destination, event_id, tenant = call.fields("destination", "event_id", "tenant")
    count = await call.desk.spool.replay(call.desk.services.clock.now_us(), destination, event_id, tenant)
    return {"replayed": count}


def _refuse_other_pages(scope: Scope) -> None:
    """Raises: MalformedRequest for what a form or a beacon of any page could send without being asked."""
    kind = (header_of(scope, b"content-type") or "").partition(";")[0].strip(" \t")
    if kind != "application/json":
        raise MalformedRequest("send JSON, with content-type: application/json")


def _cookie(scope: Scope, value: str, age_s: int) -> bytes:
    """The Set-Cookie header. Over HTTPS, of which a proxy in front may be the end, it never goes out without."""
    is_https = scope.get("scheme") == "https" or (header_of(scope, b"origin") or "").startswith("https://")
    said = f"{COOKIE}={value}; Path={PATH}; Max-Age={age_s}; HttpOnly; SameSite=Strict"
    return (said + ("; Secure" if is_https else "")).encode()
