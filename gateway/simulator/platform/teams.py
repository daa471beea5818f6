"""Teams, and who may speak: API keys for the user panel, a session for the admin's."""

from __future__ import annotations

import hmac

from gateway.simulator.platform.calls import Call
from gateway.simulator.platform.forms import Answer
from gateway.simulator.platform.platform import Platform
from gateway.simulator.platform.records import ApiError


def create_team(platform: Platform, call: Call) -> Answer:
    name = call.text("name")
    team = platform.fresh_uuid()
    platform.teams[team] = name
    return Answer({"id": team, "name": name})


def team(platform: Platform, call: Call) -> Answer:
    wanted = call.team()
    if wanted not in platform.teams:
        raise ApiError(404, "team not found")
    return Answer({"team": {"id": wanted, "name": platform.teams[wanted], "is_suspended": False}})


def login(platform: Platform, call: Call) -> Answer:
    settings = platform.settings
    given = f"{call.body.get('username')}\n{call.body.get('password')}".encode()
    if not hmac.compare_digest(given, f"{settings.admin_username}\n{settings.admin_password}".encode()):
        raise ApiError(401, "invalid credentials")
    token = platform.fresh_uuid()
    for old in [one for one, until_us in platform.sessions.items() if until_us <= platform.now_us]:
        del platform.sessions[old]
    platform.sessions[token] = platform.now_us + settings.session_us
    value = {"id": 1, "username": settings.admin_username, "email": "admin@simulator.invalid", "role": "admin"}
    return Answer({**value, "is_super_admin": True, "token": token, "page_access": []})


def is_admin(platform: Platform, authorization: str, cookie: str) -> bool:
    """Whether a session's token is there, as a bearer or in a cookie, and has not run out."""
    scheme, _, token = authorization.partition(" ")
    tokens = [token.strip()] if scheme.casefold() == "bearer" else []
    for part in cookie.split(";"):
        name, _, value = part.strip().partition("=")
        if name == "token":
            tokens.append(value)
    return any(platform.sessions.get(one, 0) > platform.now_us for one in tokens)


def teams_of_key(platform: Platform, key: str, authorization: str) -> frozenset[str] | None:
    """Whom a key may act for, None = any team. Raises: ApiError for no key or a wrong one."""
    scheme, _, token = authorization.partition(" ")
    given = key or (token.strip() if scheme.casefold() == "bearer" else "")
    for one, teams in platform.settings.api_keys.items():
        if hmac.compare_digest(given.encode(), one.encode()):
            return teams
    raise ApiError(401, "invalid or expired API key")
