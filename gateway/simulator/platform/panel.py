"""Answers one call to the panels: who asks, what goes wrong on purpose, the handler, and the form of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from gateway.simulator.platform.calls import Call
from gateway.simulator.platform.faults import BEFORE
from gateway.simulator.platform.forms import Answer, Outcome, dress, refuse
from gateway.simulator.platform.platform import INSUFFICIENT_CODE, NO_ACCESS_CODE, Platform
from gateway.simulator.platform.records import ApiError, Hold
from gateway.simulator.platform.routes import ADMIN, USER, Endpoint, find
from gateway.simulator.platform.teams import is_admin, teams_of_key
from gateway.simulator.pools.parameters import MILLION
from worker.errors import HarpoonError
from worker.strict_json import parse_json

#: How long an answer that never comes takes.
NEVER_US: Final = 3_600 * MILLION
_PAGE: Final = b"<html><body>502 Bad Gateway</body></html>"
_REFUSALS: Final = {
    "refuse": (400, "subscription resources validation failed: Insufficient resources", INSUFFICIENT_CODE),
    "no_access": (500, "team does not have resource access permission", NO_ACCESS_CODE),
    "conflict": (409, "Already subscribed", 0),
    "unauthorized": (401, "invalid or expired API key", 0),
    "not_found": (404, "not found", 0),
    "error": (500, "internal server error", 0),
    "error_after": (500, "internal server error", 0),
}


class Panel:
    """The panels of one platform, without their socket."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def answer(self, method: str, path: str, query: str, header: Callable[[str], str | None], body: bytes) -> Outcome:
        """Answer one call. Args: path: with its `/api`. header: looks one up by its lower-case name."""
        platform = self.platform
        platform.pump.catch_up()
        found = find(method, unquote(path).removeprefix("/api"))
        if isinstance(found, str):
            wrong = ApiError(405, "method not allowed") if found == "method" else ApiError(404, "404 page not found")
            return self._refused(wrong)
        endpoint, parts = found
        kind = platform.faults.take(endpoint.name)
        if kind in BEFORE:
            return self._failed(kind)
        try:
            if len(body) > platform.settings.most_body_bytes:
                raise ApiError(413, "the request's body is too large")
            call = self._call(endpoint, parts, query, header, body)
            if endpoint.method == "GET" and platform.dice.shows("busy_503"):
                return Outcome(503, b"service temporarily unavailable", content_type="text/plain")
            answer = endpoint.handler(platform, call)
        except ApiError as error:
            outcome, call = self._refused(error), None
        else:
            outcome = self._dressed(endpoint, answer)
        finally:
            platform.pump.catch_up()
        return outcome if kind is None else self._spoilt(kind, outcome, call)

    def _call(
        self,
        endpoint: Endpoint,
        parts: Mapping[str, str],
        query: str,
        header: Callable[[str], str | None],
        body: bytes,
    ) -> Call:
        """Raises: ApiError."""
        authorization = header("authorization") or ""
        teams: frozenset[str] | None = None
        if endpoint.who == USER:
            teams = teams_of_key(self.platform, header("x-api-key") or "", authorization)
        elif endpoint.who == ADMIN and not is_admin(self.platform, authorization, header("cookie") or ""):
            raise ApiError(401, "unauthorized")
        return Call(parts, dict(parse_qsl(query)), _object_of(body), teams)

    def _dressed(self, endpoint: Endpoint, answer: Answer) -> Outcome:
        status, body, content_type = dress(answer, self.platform.dice)
        cookie = f"token={answer.value['token']}" if endpoint.name == "login" else ""
        return Outcome(status, body, self.platform.settings.answer_us + answer.late_us, content_type, cookie=cookie)

    def _refused(self, error: ApiError) -> Outcome:
        status, body, content_type = refuse(error, self.platform.dice)
        return Outcome(status, body, self.platform.settings.answer_us, content_type)

    def _failed(self, kind: str) -> Outcome:
        """What a fault answers in the place of the handler."""
        if kind == "busy":
            return Outcome(503, b"service temporarily unavailable", content_type="text/plain")
        if kind == "empty_before":
            return Outcome(200, b"")
        if kind == "hang":
            return Outcome(200, b"", NEVER_US)
        if kind == "drop":
            return Outcome(0, b"", is_dropped=True)
        return self._refused(ApiError(*_REFUSALS[kind]))

    def _spoilt(self, kind: str, outcome: Outcome, call: Call | None) -> Outcome:
        """What a fault makes of a call that has had its effect."""
        if kind == "hang_after":
            return Outcome(outcome.status, outcome.body, NEVER_US, outcome.content_type)
        if kind == "drop_after":
            return Outcome(0, b"", is_dropped=True)
        if kind == "error_after":
            return self._refused(ApiError(*_REFUSALS[kind]))
        if kind == "empty":
            return Outcome(200, b"", outcome.delay_us)
        if kind == "garbage":
            return Outcome(200, _PAGE, outcome.delay_us, "text/html")
        for hold in [] if call is None else self._meant(call):
            self._harm(kind, hold)
        self.platform.pump.catch_up()
        return outcome

    def _harm(self, kind: str, hold: Hold) -> None:
        platform = self.platform
        if kind == "pod_fails":
            platform.fail_pods(hold)
        elif kind == "pod_pending":
            platform.never_ready(hold)
        elif kind == "vanish":
            platform.vanish(hold)
        elif kind == "stuck":
            platform.stick(hold)

    def _meant(self, call: Call) -> list[Hold]:
        """The holds that a call is about: by subscription, pod, instance, or team with pool; else all of the team's."""
        holds = [hold for hold in self.platform.live_holds() if not hold.is_neighbour]
        named = {**call.query, **call.body, **call.parts}
        for name, of in (
            ("subscription_id", lambda hold: [f"{hold.id}"]),
            ("pool_subscription_id", lambda hold: [f"{hold.id}"]),
            ("pod_name", lambda hold: [pod.name for pod in hold.pods]),
            ("id", lambda hold: [hold.instance_id]),
        ):
            if named.get(name):
                return [hold for hold in holds if f"{named[name]}" in of(hold)]
        team, pool = named.get("team_id"), named.get("pool_id")
        return [hold for hold in holds if hold.team == team and pool in (None, hold.pool, f"{hold.pool}")]


def _object_of(body: bytes) -> dict[str, Any]:
    """Raises: ApiError."""
    if not body.strip():
        return {}
    try:
        value = parse_json(body)
    except HarpoonError as problem:
        raise ApiError(400, "invalid JSON") from problem
    if not isinstance(value, dict):
        raise ApiError(400, "an object was expected")
    return value
