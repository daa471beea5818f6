"""Which route to try next, and when to stop: the fallback policy as a generator, without a network or an event loop.

`attempt_flow` yields what it wants done and is sent what came of it. Rules:
  - what was never sent may be sent again to the same route, as often as `max_retries` allows;
  - a failed attempt falls back along the ranking, each hop reserved for anew, at most `max_fallbacks` times;
  - a route of a provider that could not be reached is passed over while another provider's is left;
  - without a route to fall back to, an attempt that cost nothing may be repeated, reserved for anew if a refused hop
    has given its reservation up;
  - the first byte of an answer ends the flow: nobody falls back from here on.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from worker.routing.catalogue import Route

OK = "ok"
#: The provider says the request itself is wrong: every route would.
REJECTED = "rejected"
CONNECT = "connect"
TIMEOUT = "timeout"
STATUS = "status"
BROKEN = "broken"
MALFORMED = "malformed"
KEY_REFUSED = "key_refused"
#: Broken off by us: the deadline passed, or the client left. It says nothing about the route.
CALLED_OFF = "called_off"


@dataclass(frozen=True, slots=True)
class Send:
    """Call this route."""

    route: Route


@dataclass(frozen=True, slots=True)
class Reserve:
    """Move the reservation to this route; `unbilled` = the attempt before can't have cost anything."""

    route: Route
    unbilled: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: a cause, whether it can have cost money, and whether it reached the provider at all."""

    cause: str
    unbilled: bool

    @property
    def is_final(self) -> bool:
        return self.cause in (OK, REJECTED)


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How often a request may be sent again."""

    max_retries: int = 1
    max_fallbacks: int = 1


Flow = Generator[Send | Reserve, "Ended | bool", Ended]


def attempt_flow(routes: Sequence[Route], limits: AttemptLimits) -> Flow:
    """Yields Send (answer with Ended) and Reserve (answer with whether it was granted); returns how it all ended."""
    waiting = list(routes[1:])
    route, retries, fallbacks = routes[0], limits.max_retries, limits.max_fallbacks
    while True:
        ended = yield Send(route)
        assert isinstance(ended, Ended)
        if ended.is_final:
            return ended
        if ended.cause == CONNECT and retries:
            retries -= 1
            continue
        following, is_held = None, True
        while following is None and waiting and fallbacks:
            fallbacks -= 1
            proposed = waiting.pop(_next(waiting, route, ended.cause))
            is_held = (yield Reserve(proposed, ended.unbilled)) is True
            following = proposed if is_held else None
        if following is not None:
            route = following
        elif ended.unbilled and ended.cause == STATUS and retries:
            retries -= 1
            if not is_held and (yield Reserve(route, unbilled=True)) is not True:
                return ended
        else:
            return ended


def _next(waiting: Sequence[Route], failed: Route, cause: str) -> int:
    """The best-ranked route, of another provider if this one could not be reached or refuses our key."""
    if cause in (CONNECT, KEY_REFUSED):
        for position, route in enumerate(waiting):
            if route.provider != failed.provider:
                return position
    return 0
