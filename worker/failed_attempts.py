"""How failed attempts are told: to the caller in a message, and to the operator in the log, seldom.

A provider's own words are passed on only where they speak of configuration, bounded and without keys. The log has none
of them, because they may quote a prompt: it names provider, route, status and cause, and which setting to look at.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from worker.admission import Attempt
from worker.guard.finding import mask
from worker.guard.span import CREDENTIALS
from worker.upstream import attempts
from worker.upstream.providers import setting_prefix

#: The same provider and cause are logged again after so long.
LOGGED_AGAIN_US: Final = 60_000_000
#: Kinds of failure that are remembered; beyond it all are forgotten, and some may be logged again early.
MAX_REMEMBERED: Final = 1_000
MAX_WORDS: Final = 300
_UNREMARKABLE: Final = frozenset({attempts.OK, attempts.REJECTED, attempts.CALLED_OFF})
_KEY_TROUBLE: Final = frozenset({401, 402, 403})
_NOT_FOUND: Final = 404
_ENDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        attempts.CONNECT: "nobody answers at its address",
        attempts.TIMEOUT: "no answer in time",
        attempts.BROKEN: "the connection broke",
        attempts.MALFORMED: "an answer that can't be read",
        attempts.STATUS: "an error in its stream",
        attempts.CALLED_OFF: "called off",
    }
)
_log = logging.getLogger("harpoon")


def tried_text(tried: Sequence[Attempt], words: Mapping[int, str]) -> str:
    """What was tried, in order, and how each ended: `openai/gpt-4o@serverless (HTTP 404: no such model)`.

    Args: words: what providers said, by the attempt's position.
    """
    return ", then ".join(
        f"{attempt.route} ({_ending(attempt, words.get(at, ''))})" for at, attempt in enumerate(tried)
    )


def _ending(attempt: Attempt, words: str) -> str:
    if not attempt.status or attempt.status == 200:
        said = _ENDINGS.get(attempt.cause)
        return f"{attempt.cause}: {said}" if said else attempt.cause
    if words and (attempt.status in _KEY_TROUBLE or attempt.status == _NOT_FOUND):
        return f"HTTP {attempt.status}: {_shown(words)}"
    return f"HTTP {attempt.status}"


def _shown(words: str) -> str:
    """A provider's words on one line, without keys, and not too many of them."""
    line = " ".join("".join(one if one.isprintable() else " " for one in mask(words, CREDENTIALS)).split())
    return line if len(line) <= MAX_WORDS else f"{line[: MAX_WORDS - 3]}..."


@dataclass(frozen=True, slots=True)
class FailureLog:
    """Which failures this process has logged, and when, in UTC microseconds."""

    logged_us: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def saw(self, ended: Iterable[Attempt], decision_id: str, at_us: int) -> None:
        """Attempts of one request have ended: a warning for each kind of failure that was not logged lately."""
        for attempt in ended:
            if attempt.cause in _UNREMARKABLE:
                continue
            provider = attempt.route.partition("/")[0]
            kind = (provider, attempt.cause, attempt.status)
            last_us = self.logged_us.get(kind)
            if last_us is not None and at_us - last_us < LOGGED_AGAIN_US:
                continue
            if len(self.logged_us) >= MAX_REMEMBERED:
                self.logged_us.clear()
            self.logged_us[kind] = at_us
            _log.warning("%s; decision %s", failure_line(attempt), decision_id)


def failure_line(attempt: Attempt) -> str:
    """A failed attempt for the operator: where, how, and which setting to look at."""
    prefix = setting_prefix(attempt.route.partition("/")[0])
    hint = ""
    if attempt.status in _KEY_TROUBLE:
        hint = f": look at {prefix}_API_KEY"
    elif attempt.status == _NOT_FOUND:
        hint = f": look at {prefix}_BASE_URL, and whether it serves this model (harpoon health --detailed)"
    elif attempt.cause == attempts.CONNECT:
        hint = f": look at {prefix}_BASE_URL"
    how = f"HTTP {attempt.status}, {attempt.cause}" if attempt.status else _ending(attempt, "")
    return f"no answer from {attempt.route} ({how}){hint}"
