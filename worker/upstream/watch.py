"""What this process knows of its providers: how their last calls ended, and what a cheap probe says. No network here.

A provider counts as known to be down
  - after a call that found nobody there, or that it met with 401, until a call or a later probe gets an answer;
  - after FAILURES_TO_BE_DOWN other failures in a row, because one may be an accident of its request or its model: until
    a call is answered, or a probe FAILURE_HOLDS_US after the last of them, or a probe after one that failed as well;
  - after a probe that got no answer, until a call or a later probe gets one;
  - after a probe that met a refused key or a server's error, until the same, but not for ANSWER_HOLDS_US after a call
    was answered: some keys may call models and not list them.
A rate limit (429) is no word against it: it is there, and says when to come back. Nothing known is nothing against it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.admission import Attempt
from worker.upstream import attempts

#: A probe's word holds so long; whoever asks sooner is told the same.
PROBE_HOLDS_US = 10_000_000
#: A probe takes no longer than this.
PROBE_TIMEOUT_US = 2_000_000
FAILURES_TO_BE_DOWN = 3
#: As long as a route rests after failures: by then calls are tried again, so silence is no longer a sign.
FAILURE_HOLDS_US = 30_000_000
ANSWER_HOLDS_US = 60_000_000
#: What a probe found: 401 and 403; any status from 500 on, as of a proxy before a dead server; any other answer; none.
KEY_REFUSED, SERVER_ERROR, REACHED, UNREACHED = "key refused", "server error", "reached", "no answer"

_SAYS_NOTHING = frozenset({attempts.CALLED_OFF, attempts.REJECTED})
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR_FROM = 500


@dataclass(slots=True)
class Sighting:
    """All that is known of one provider. Times are UTC microseconds, 0 = never; `probing_us`: a probe is under way.

    `failed_in_a_row` counts calls since the last answer; `cause` and `status` are of the last failure; `listed` is what
    the last probe found to be served, empty = it didn't say.
    """

    answered: int = 0
    failed: int = 0
    failed_in_a_row: int = 0
    answered_us: int = 0
    failed_us: int = 0
    cause: str = ""
    status: int = 0
    probe: str = ""
    probe_status: int = 0
    probed_us: int = 0
    probing_us: int = 0
    listed: frozenset[str] = frozenset()

    @property
    def is_down(self) -> bool:
        """Whether it is known that it can't serve."""
        return self._is_down_by_probe() or self._is_down_by_calls()

    def _is_down_by_probe(self) -> bool:
        if self.probe == UNREACHED:
            return self.probed_us > self.answered_us
        if self.probe in (KEY_REFUSED, SERVER_ERROR):
            return not self.answered_us or self.probed_us - self.answered_us >= ANSWER_HOLDS_US
        return False

    def _is_down_by_calls(self) -> bool:
        is_certain = self.cause == attempts.CONNECT or self.status == _UNAUTHORIZED
        if self.failed_in_a_row < (1 if is_certain else FAILURES_TO_BE_DOWN):
            return False
        holds_us = 0 if is_certain else FAILURE_HOLDS_US
        return self.probe != REACHED or self.probed_us - self.failed_us <= holds_us

    @property
    def is_known(self) -> bool:
        """Whether anything was ever seen of it."""
        return bool(self.probe or self.answered_us or self.failed_us)

    def is_fresh(self, now_us: int) -> bool:
        """Whether the last probe's word still holds, or another is being asked for."""
        probed = self.probed_us and now_us - self.probed_us < PROBE_HOLDS_US
        return bool(probed) or self.is_being_probed(now_us)

    def is_being_probed(self, now_us: int) -> bool:
        return bool(self.probing_us) and now_us - self.probing_us < 2 * PROBE_TIMEOUT_US


@dataclass(frozen=True, slots=True)
class ProviderWatch:
    """The sightings of one process, or of one isolate at the edge."""

    sightings: dict[str, Sighting] = field(default_factory=dict)

    def of(self, provider: str) -> Sighting:
        """What is known of a provider; a record of its own from the first question on."""
        found = self.sightings.get(provider)
        if found is None:
            found = self.sightings[provider] = Sighting()
        return found

    def saw(self, ended: Iterable[Attempt], at_us: int) -> None:
        """Attempts of one request have ended, in this order."""
        for attempt in ended:
            if attempt.cause in _SAYS_NOTHING or attempt.status == _TOO_MANY_REQUESTS:
                continue
            seen = self.of(attempt.route.partition("/")[0])
            if attempt.cause == attempts.OK:
                seen.answered += 1
                seen.failed_in_a_row = 0
                seen.answered_us = at_us
            else:
                seen.failed += 1
                seen.failed_in_a_row += 1
                seen.failed_us = at_us
                seen.cause, seen.status = attempt.cause, attempt.status

    def probed(self, provider: str, status: int, now_us: int, listed: frozenset[str] = frozenset()) -> None:
        """A probe ended with this HTTP status, 0 = no answer, and these models."""
        seen = self.of(provider)
        found, earlier = _finding(status), seen.probe
        if found == REACHED and earlier not in ("", REACHED):
            # What the calls met, the earlier probe met too: it is over.
            seen.failed_in_a_row = 0
        seen.probe, seen.listed = found, listed
        seen.probe_status, seen.probed_us, seen.probing_us = status, now_us, 0

    def all_down(self, providers: Iterable[str]) -> bool:
        """Whether every one of them is known to be down; True for none, because then nobody can serve."""
        return all(provider in self.sightings and self.sightings[provider].is_down for provider in providers)


def _finding(status: int) -> str:
    """What a probe's HTTP status says; 0 = no answer."""
    if not status:
        return UNREACHED
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return KEY_REFUSED
    return SERVER_ERROR if status >= _SERVER_ERROR_FROM else REACHED
