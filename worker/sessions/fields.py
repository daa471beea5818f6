"""The fields of a session.completed event: the one table that the reader and the published JSON Schema both follow.

A kind decides which plain values a field may have and what becomes of them: times turn into microseconds, numbers into
exact ones. Nothing here knows about the two forms of an event or about rules between fields: worker.sessions.reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from worker.errors import CallerError
from worker.ledger.canonical import MAX_INT
from worker.sessions.event import EVENT_TYPE

SCHEMA_VERSION: Final = 1
SESSION_TYPES: Final = ("chat", "api", "autonomous", "webhook", "realtime")
TIERS: Final = ("free", "pro", "enterprise")
OUTCOMES: Final = ("success", "error", "timeout", "user_terminated")
MAX_ID_CHARACTERS: Final = 1_024
MAX_MESSAGE_CHARACTERS: Final = 16_384
MAX_COST_USD: Final = 1_000_000_000
MAX_DIGITS: Final = 28
#: No full stop: in a webhook's signature the id is told from what follows by one.
EVENT_ID: Final = "^[A-Za-z0-9_:-]{1,128}$"
#: RFC 3339 section 5.6 in UTC or with an offset, capital T and Z, no leap second, from 1970 on.
MOMENT: Final = (
    "^(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    "T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,9})?"
    "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
_MOMENT: Final = re.compile(MOMENT[1:-1])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: 10000-01-01, the first moment that no RFC 3339 time can name.
END_US: Final = 253_402_300_800_000_000
_SECOND_CHARACTERS: Final = len("1970-01-01T00:00:00")


class InvalidEvent(CallerError):
    """An event that is refused. `param`: the path of the field, such as `[3].usage.total_tokens`; "" = all of it."""

    status = 422
    code = "invalid_event"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem, param=path)


class EventTooLarge(InvalidEvent):
    """More than a capture may bring at once, or than one event may hold."""

    status = 413
    code = "request_too_large"


class WrongValue(Exception):
    """What is wrong with a value, in words that hold nothing of it."""


class Kind(Protocol):
    """Which values a field may have."""

    def read(self, value: object) -> Any:
        """The value as it is kept. Raises: WrongValue."""
        ...

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema (draft 2020-12)."""
        ...


def exact_number(value: object) -> int | Decimal:
    """A number without a float in it; whole ones are integers. Raises: WrongValue, for true and false too."""
    if type(value) is int:
        return value
    if type(value) is float:
        value = Decimal(repr(value))
    if type(value) is not Decimal:
        raise WrongValue("must be a number")
    if not value.is_finite():
        raise WrongValue("must be a finite number")
    if len(value.as_tuple().digits) > MAX_DIGITS or abs(value.adjusted()) > MAX_DIGITS:
        raise WrongValue(f"has more than {MAX_DIGITS} digits")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return Decimal(text) if "." in text else int(text)


@dataclass(frozen=True, slots=True)
class Text:
    """One to `max_characters` characters; of the form `pattern` if there is one."""

    max_characters: int = MAX_ID_CHARACTERS
    pattern: str = ""
    least: int = 1

    def read(self, value: object) -> str:
        """Raises: WrongValue."""
        if type(value) is not str:
            raise WrongValue("must be a text")
        if not self.least <= len(value) <= self.max_characters:
            raise WrongValue(f"must have {self.least} to {self.max_characters} characters")
        if self.pattern and re.fullmatch(self.pattern[1:-1], value) is None:
            raise WrongValue(f"must have the form {self.pattern}")
        if not value.isascii():
            refuse_surrogates(value)
        return value

    def schema(self) -> dict[str, Any]:
        length = {"type": "string", "minLength": self.least, "maxLength": self.max_characters}
        return length | ({"pattern": self.pattern} if self.pattern else {})


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: object) -> str:
        """Raises: WrongValue."""
        if type(value) is not str or value not in self.words:
            raise WrongValue(f"must be one of {', '.join(self.words)}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Version:
    """The version of this table; another one may mean something else by the same names."""

    def read(self, value: object) -> int:
        """Raises: WrongValue."""
        if exact_number(value) != SCHEMA_VERSION:
            raise WrongValue(f"must be {SCHEMA_VERSION}, the only version there is")
        return SCHEMA_VERSION

    def schema(self) -> dict[str, Any]:
        return {"const": SCHEMA_VERSION}


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from 0 to 2^53-1."""

    def read(self, value: object) -> int:
        """Raises: WrongValue."""
        number = value if type(value) is int else exact_number(value)
        if type(number) is not int or not 0 <= number <= MAX_INT:
            raise WrongValue("must be a whole number from 0 to 2^53-1")
        return number

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": MAX_INT}


@dataclass(frozen=True, slots=True)
class Amount:
    """A number from 0 to `most`, with a fraction or without."""

    most: int

    def read(self, value: object) -> int | Decimal:
        """Raises: WrongValue."""
        number = exact_number(value)
        if not 0 <= number <= self.most:
            raise WrongValue(f"must be a number from 0 to {self.most}")
        return number

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": 0, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, kept as microseconds since 1970; finer fractions are cut off."""

    def read(self, value: object) -> int:
        """Raises: WrongValue."""
        if type(value) is not str or _MOMENT.fullmatch(value) is None:
            raise WrongValue("must be an RFC 3339 time such as 2026-01-31T09:30:00Z")
        zone = -1 if value[-1] == "Z" else -6
        fraction = value[_SECOND_CHARACTERS + 1 : zone]
        try:
            at = datetime.fromisoformat(value[:_SECOND_CHARACTERS] + ("+00:00" if zone == -1 else value[zone:]))
        except ValueError:
            raise WrongValue("is no day of the calendar") from None
        at_us = (at - _EPOCH) // _MICROSECOND + (int(fraction[:6].ljust(6, "0")) if fraction else 0)
        if not 0 <= at_us < END_US:
            raise WrongValue("must lie between 1970 and 9999 in UTC")
        return at_us

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "pattern": MOMENT}


def refuse_surrogates(text: str) -> None:
    """Raises: WrongValue for text that has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise WrongValue("has half of a surrogate pair, which is no character") from None


class Field(NamedTuple):
    """A field: where it stands, what it may hold, when it must be there.

    in_full: a reporter must give it in the full form. delivered: every destination gets it. nullable: may be null,
    which says the same as leaving it out.
    """

    group: str
    name: str
    kind: Kind
    in_full: bool = False
    delivered: bool = False
    nullable: bool = False

    @property
    def path(self) -> str:
        return f"{self.group}.{self.name}" if self.group else self.name


GROUPS: Final = ("session", "user", "usage", "outcome")
FIELDS: Final = (
    Field("", "schema_version", Version()),
    Field("", "event_type", OneOf((EVENT_TYPE,)), delivered=True),
    Field("", "event_id", Text(128, EVENT_ID), delivered=True),
    Field("", "timestamp", Moment(), delivered=True),
    Field("session", "session_id", Text(), in_full=True, delivered=True),
    Field("session", "session_type", OneOf(SESSION_TYPES), in_full=True, delivered=True),
    Field("session", "start_time", Moment(), in_full=True, delivered=True),
    Field("session", "end_time", Moment(), in_full=True, delivered=True),
    Field("session", "duration_ms", Amount(MAX_INT), delivered=True),
    Field("user", "user_id", Text(), in_full=True, delivered=True),
    Field("user", "organization_id", Text(), in_full=True, delivered=True),
    Field("user", "tier", OneOf(TIERS), nullable=True),
    Field("usage", "input_tokens", Count()),
    Field("usage", "output_tokens", Count()),
    Field("usage", "total_tokens", Count(), delivered=True),
    Field("usage", "model", Text()),
    Field("usage", "estimated_cost_usd", Amount(MAX_COST_USD), nullable=True),
    Field("outcome", "status", OneOf(OUTCOMES), in_full=True, delivered=True),
    Field("outcome", "final_message", Text(MAX_MESSAGE_CHARACTERS, least=0), nullable=True),
    Field("outcome", "error_code", Text(least=0), nullable=True),
    Field("outcome", "error_message", Text(MAX_MESSAGE_CHARACTERS, least=0), nullable=True),
)
#: Group to name to field; "" = the top of the event.
KNOWN: Final = {group: {field.name: field for field in FIELDS if field.group == group} for group in ("", *GROUPS)}
PATHS: Final = frozenset(field.group + "." + field.name if field.group else field.name for field in FIELDS)
#: How OpenAI's usage names them.
ALIASES: Final = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
#: Groups whose fields may stand at the top of the short form.
FLAT_GROUPS: Final = ("session", "user")
