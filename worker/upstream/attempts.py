"""Which route to try next, and when to stop: the fallback policy as a generator, without a network or an event loop.

`attempt_flow` yields what it wants done and is sent what came of it. Rules:
  - what was never sent may be sent again to the same route, after a wait, as often as `max_retries` allows;
  - a failed attempt falls back along the ranking, each hop judged and reserved for anew, at most `max_fallbacks` times;
  - a route of a provider that could not be reached is passed over while another provider's is left;
  - without a route to fall back to, a refusal that cost nothing may be asked again once the provider's own wait is
    over, if that is no longer than `max_retry_after_us`; reserved for anew if a refused hop has given it up;
  - what may have been sent is not sent to the same route again: a completion is not idempotent and would be paid twice;
  - no wait goes beyond the deadline;
  - the first byte of an answer ends the flow: nobody falls back from here on.
Nothing is hedged: a second call in parallel is paid twice, and no covenant can ask for that.
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
#: The account's allowance is used up for the day; nothing of this provider is served before the next one.
QUOTA = "quota"
#: This route can't serve this request, such as a too large one; another may.
UNFIT = "unfit"
#: Broken off by us: the client left, or the host is stopping. It says nothing about the route.
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
class Wait:
    """Let time pass before retry number `retry` (from 0): drawn by chance, but at least `least_us`."""

    retry: int
    least_us: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: a cause, whether it can have cost money, and when the same route may be asked again.

    `wait_us`: how long the provider wants to be left alone, 0 = it didn't say; None = asking it again is of no use.
    """

    cause: str
    unbilled: bool
    wait_us: int | None = 0

    @property
    def is_final(self) -> bool:
        return self.cause in (OK, REJECTED)


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """How often a request may be sent again, and how long each step may take, in microseconds.

    `first_byte_us`: from sending until a plain answer, or a stream's first event, is there. The wait before a retry is
    at most `backoff_us`, doubled with each, up to `max_backoff_us`; a provider that wants more than
    `max_retry_after_us` is not waited for.
    """

    max_retries: int = 1
    max_fallbacks: int = 1
    first_byte_us: int = 120_000_000
    backoff_us: int = 100_000
    max_backoff_us: int = 2_000_000
    max_retry_after_us: int = 5_000_000


Flow = Generator[Send | Reserve | Wait, "Ended | bool", Ended]


def attempt_flow(routes: Sequence[Route], limits: AttemptLimits) -> Flow:
    """What to do next, until it is known how it all ended.

    Yields Send (answer with Ended), Reserve (answer with whether it was granted) and Wait (answer with whether there
    was time for it).
    """
    waiting = list(routes[1:])
    route, retries, fallbacks = routes[0], 0, limits.max_fallbacks
    while True:
        ended = yield Send(route)
        assert isinstance(ended, Ended)
        if ended.is_final:
            return ended
        if ended.cause == CONNECT and retries < limits.max_retries and (yield Wait(retries, 0)) is True:
            retries += 1
            continue
        following, is_held = None, True
        while following is None and waiting and fallbacks:
            fallbacks -= 1
            proposed = waiting.pop(_next(waiting, route, ended.cause))
            is_held = (yield Reserve(proposed, ended.unbilled)) is True
            following = proposed if is_held else None
        if following is not None:
            route = following
            continue
        if not _may_repeat(ended, limits) or retries >= limits.max_retries:
            return ended
        assert ended.wait_us is not None
        if (yield Wait(retries, ended.wait_us)) is not True:
            return ended
        retries += 1
        if not is_held and (yield Reserve(route, unbilled=True)) is not True:
            return ended


def _may_repeat(ended: Ended, limits: AttemptLimits) -> bool:
    """Whether the same route may be asked again after a refusal that cost nothing."""
    free = ended.unbilled and ended.cause == STATUS
    return free and ended.wait_us is not None and ended.wait_us <= limits.max_retry_after_us


def _next(waiting: Sequence[Route], failed: Route, cause: str) -> int:
    """The best-ranked route, of another provider if this one could not be reached or refuses our key."""
    if cause in (CONNECT, KEY_REFUSED, QUOTA):
        for position, route in enumerate(waiting):
            if route.provider != failed.provider:
                return position
    return 0
