"""Keeps personal data and secrets out of logs: a filter for loggers and handlers, which rewrites every record.

Prompts and answers are never logged in the first place. This is for what may be in other people's words: an exception's
text, a library's message. The secrets that a host was given are masked wherever they stand, whatever their form.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from worker.guard.finding import mask
from worker.guard.span import CARD, CREDENTIALS, EMAIL, IBAN, ID, PHONE

#: IP addresses are not among them: whoever reads a log has to see which server didn't answer.
_KINDS: Final = CREDENTIALS | {CARD, EMAIL, IBAN, ID, PHONE}
#: Shorter ones would mask ordinary words; no key is so short.
_LEAST_SECRET_CHARACTERS: Final = 6
_MASK: Final = "[SECRET]"
_CUT: Final = "... (cut off)"
#: Longer messages are cut: a log is no place for a body.
MAX_CHARACTERS: Final = 16_000


class RedactingFilter(logging.Filter):
    """Rewrites a record's message, its trace and what was added to it by `extra`; drops none."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        super().__init__()
        # The longest first: one may be a part of another.
        usable = {secret for secret in secrets if len(secret) >= _LEAST_SECRET_CHARACTERS}
        self._own = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
        self._secrets = sorted(usable, key=lambda secret: (-len(secret), secret))

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true. A record that is redacted already stays as it is: a second filter finds nothing."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = f"{record.msg} (its arguments don't fit)"
        record.msg, record.args = self.clean(message), ()
        trace = record.exc_text or ""
        if record.exc_info and record.exc_info[0] is not None:
            trace = trace or "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if trace:
            # A formatter writes `exc_text` if it is there, and what is in `exc_info` it can't write any more.
            record.exc_info, record.exc_text = None, self.clean(trace)
        if record.stack_info:
            record.stack_info = self.clean(record.stack_info)
        for name, value in vars(record).items():
            if name not in self._own and isinstance(value, str):
                setattr(record, name, self.clean(value))
        return True

    def clean(self, text: str) -> str:
        """The text as it may be logged."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        if len(text) > MAX_CHARACTERS:
            text = text[: MAX_CHARACTERS - len(_CUT)] + _CUT
        return mask(text, _KINDS)

    def __repr__(self) -> str:
        return f"RedactingFilter({len(self._secrets)} secrets)"


def install(redacting: RedactingFilter, places: Iterable[logging.Logger | logging.Handler]) -> None:
    """Have every record that passes these loggers or handlers redacted; it takes the place of an earlier one."""
    for place in places:
        for earlier in [one for one in place.filters if isinstance(one, RedactingFilter)]:
            place.removeFilter(earlier)
        place.addFilter(redacting)


def secrets_in(values: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    """The secrets among a host's settings. Args: names: of the settings that hold one, or several by commas."""
    given = [values.get(name, "") for name in names]
    return tuple(part.strip() for text in given for part in (text, *text.split(",")) if part.strip())
