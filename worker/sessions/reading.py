"""Events as services report them: two forms, checked field by field, made into one SessionCompleted.

The full form has the groups session, user, usage and outcome. The short form has session_id, and what else is known of
session and user, at its top; all but session_id and the tokens may be left out, and `metadata.assumed_fields` then
names what was assumed. Both take an outcome as a word or as an object, and OpenAI's names for tokens. What the table of
fields doesn't know goes to metadata under the path it had.

Nothing is guessed beyond that: a value that contradicts another, or isn't what its field may hold, refuses the event.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from worker.errors import MalformedRequest, RequestTooLarge
from worker.ledger.canonical import MAX_INT
from worker.ports import Ids
from worker.sessions.completed import SessionCompleted, WrongPart, value_text
from worker.sessions.fields import (
    ALIASES,
    END_US,
    FIELDS,
    FLAT_GROUPS,
    GROUPS,
    KNOWN,
    EventTooLarge,
    InvalidEvent,
    WrongValue,
)
from worker.sessions.quick_reading import count_names, read_full, scan
from worker.strict_json import JsonLimits, parse_decimal_json

ASSUMED_FIELDS: Final = "assumed_fields"
MAX_EVENTS: Final = 1_000
MAX_METADATA_BYTES: Final = 512 * 1024
#: How far a duration may be off what its two times say, in microseconds.
DURATION_SLACK_US: Final = 1_000
MAX_BYTES: Final = 8 * 1024 * 1024
LIMITS: Final = JsonLimits(max_bytes=MAX_BYTES, max_depth=32)
_IN_FULL: Final = tuple(field.path for field in FIELDS if field.in_full)
# Kept ready, because it is looked up twenty times an event: group, path, how it is read, whether it may be null.
_READERS: Final = {
    group: {name: (group, field.path, field.kind.read, field.nullable) for name, field in KNOWN[group].items()}
    for group in ("", *GROUPS)
}
_STATUS: Final = _READERS["outcome"]["status"]
_FLAT: Final = {name: reader for group in FLAT_GROUPS for name, reader in _READERS[group].items()}
_GROUPS: Final = frozenset(GROUPS)
_ANONYMOUS: Final = "anonymous"


_FieldReader = tuple[str, str, Callable[[object], Any], bool]


class Now(Protocol):
    """What time it is; the clock's, or the one time that holds for a whole request."""

    def now_us(self) -> int:
        """UTC wall time in microseconds since 1970."""
        ...


class CaptureContext(NamedTuple):
    """What a capture adds: whose it is, where fresh ids come from, and what time it is."""

    tenant: str
    ids: Ids
    clock: Now


def new_event_id(context: CaptureContext) -> str:
    """`evt_` + 14 hexadecimal digits of time and 18 of randomness: neighbours in time are neighbours on disk."""
    return f"evt_{context.clock.now_us():014x}{context.ids.new('r')[-18:]}"


class Captured(NamedTuple):
    """What a body brought: its events in order, and whether it was a batch (a list)."""

    events: tuple[SessionCompleted, ...]
    is_batch: bool


def parse_events(data: bytes, context: CaptureContext, max_events: int = MAX_EVENTS) -> Captured:
    """One event, or a list of them, from JSON text; all of them are good, or none is taken.

    Raises: InvalidEvent, whose `param` is the path of the field; EventTooLarge.
    """
    if len(data) > LIMITS.max_bytes:
        raise EventTooLarge("", f"the text has more than {LIMITS.max_bytes} bytes")
    return parse_quickly(data, context, max_events) or parse_strictly(data, context, max_events)


def parse_quickly(data: bytes, context: CaptureContext, max_events: int = MAX_EVENTS) -> Captured | None:
    """What `parse_strictly` makes of good events without anything unusual; None = ask that."""
    try:
        scanned = scan(data.decode())
    except UnicodeDecodeError:
        return None
    if scanned is None:
        return None
    plain, names = scanned
    listed = plain if type(plain) is list else [plain]
    if not 1 <= len(listed) <= max_events:
        return None
    now_us, new_id = context.clock.now_us(), partial(new_event_id, context)
    events = []
    try:
        for one in listed:
            if type(one) is not dict:
                return None
            event, count = read_full(one, now_us, new_id) or (_event(one, context), count_names(one))
            events.append(event)
            names -= count
    except WrongPart:
        return None
    # With a name that is there twice the text has more of them than its objects.
    return None if names else Captured(tuple(events), listed is plain)


def parse_strictly(data: bytes, context: CaptureContext, max_events: int = MAX_EVENTS) -> Captured:
    """As `parse_events`, by the rule and whatever the events are like. Raises: InvalidEvent, EventTooLarge."""
    try:
        plain = parse_decimal_json(data.decode(), LIMITS)
    except UnicodeDecodeError as error:
        raise InvalidEvent("", f"not UTF-8: an invalid sequence at byte {error.start}") from None
    except RequestTooLarge as error:
        raise EventTooLarge("", error.message) from None
    except MalformedRequest as error:
        raise InvalidEvent("", error.message) from None
    if type(plain) is not list:
        return Captured((read_event(plain, context),), False)
    if not 1 <= len(plain) <= max_events:
        raise EventTooLarge("", f"a batch has 1 to {max_events} events")
    return Captured(tuple([read_event(one, context, f"[{index}]") for index, one in enumerate(plain)]), True)


def read_event(plain: object, context: CaptureContext, path: str = "") -> SessionCompleted:
    """The event that a parsed value describes. Args: path: where it stands, for errors. Raises: InvalidEvent."""
    try:
        if not isinstance(plain, dict):
            raise WrongPart("", "an event must be an object")
        return _event(plain, context)
    except WrongPart as wrong:
        kind = EventTooLarge if isinstance(wrong, _TooLong) else InvalidEvent
        raise kind(".".join(filter(None, (path, wrong.path))), wrong.problem) from None


class _TooLong(WrongPart):
    pass


class _Gathered:
    """The fields of one event by path, and what belongs into its metadata."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.nested: dict[str, dict[str, Any]] = {}

    def take(self, reader: _FieldReader, value: object, path: str) -> None:
        """Check and keep a field. Args: path: where it stood. Raises: WrongPart."""
        _, name, read, nullable = reader
        if value is None and nullable:
            return
        if name in self.values:
            raise WrongPart(path, f"says {name} a second time")
        try:
            self.values[name] = read(value)
        except WrongValue as wrong:
            raise WrongPart(path, str(wrong)) from None

    def take_group(self, group: str, members: dict[str, Any]) -> None:
        known = _READERS[group]
        for name, value in members.items():
            reader = known.get(name)
            if reader is None and group == "usage" and name in ALIASES:
                reader = known[ALIASES[name]]
            if reader is not None:
                self.take(reader, value, f"{group}.{name}")
            else:
                self.nested.setdefault(group, {})[name] = value


def _event(plain: dict[str, Any], context: CaptureContext) -> SessionCompleted:
    gathered = _gather(plain)
    values = gathered.values
    assumed: list[str] = []
    is_short = "session" not in plain
    if is_short and "session.session_id" not in values:
        raise WrongPart("session", "is missing, and so is session_id of the short form")
    if not is_short:
        for path in _IN_FULL:
            if path not in values:
                raise WrongPart(path, "is missing")
    total = _total_tokens(values)
    timestamp_us = values.get("timestamp")
    if timestamp_us is None:
        timestamp_us = context.clock.now_us()
    start_us, end_us, duration_ms = _times(values, timestamp_us, assumed)
    if is_short:
        _assume(values, context, assumed)
    get = values.get
    return SessionCompleted(
        event_id=get("event_id") or new_event_id(context),
        timestamp_us=timestamp_us,
        session_id=values["session.session_id"],
        session_type=values["session.session_type"],
        start_us=start_us,
        end_us=end_us,
        duration_ms=duration_ms,
        user_id=values["user.user_id"],
        organization_id=values["user.organization_id"],
        tier=get("user.tier"),
        input_tokens=get("usage.input_tokens"),
        output_tokens=get("usage.output_tokens"),
        total_tokens=total,
        model=get("usage.model"),
        cost_usd=get("usage.estimated_cost_usd"),
        status=values["outcome.status"],
        final_message=get("outcome.final_message"),
        error_code=get("outcome.error_code"),
        error_message=get("outcome.error_message"),
        metadata=_metadata(plain.get("metadata"), gathered, assumed),
    )


def _gather(plain: dict[str, Any]) -> _Gathered:
    """Every member put where it belongs. Raises: WrongPart."""
    gathered = _Gathered()
    top = _READERS[""]
    for name, value in plain.items():
        if name in top:
            gathered.take(top[name], value, name)
        elif name == "outcome" and type(value) is str:
            gathered.take(_STATUS, value, name)
        elif name in _GROUPS:
            if not isinstance(value, dict):
                raise WrongPart(name, "must be an object")
            gathered.take_group(name, value)
        elif name in _FLAT:
            group = _FLAT[name][0]
            if "session" in plain or group in plain:
                raise WrongPart(name, f"belongs into {group}: the two forms don't mix")
            gathered.take(_FLAT[name], value, name)
        elif name != "metadata":
            gathered.extra[name] = value
    return gathered


def _total_tokens(values: dict[str, Any]) -> int:
    path = "usage.total_tokens"
    given: int | None = values.get(path)
    read: int | None = values.get("usage.input_tokens")
    written: int | None = values.get("usage.output_tokens")
    if read is None or written is None:
        if given is None:
            raise WrongPart(path, "is missing, and so are the two counts it could be the sum of")
        if (read or written or 0) > given:
            raise WrongPart(path, "is less than one of its parts")
        return given
    total = read + written
    if total > MAX_INT:
        raise WrongPart(path, "the sum of its parts is beyond 2^53-1")
    if given is not None and given != total:
        raise WrongPart(path, "is not input_tokens + output_tokens")
    return total


def _times(values: dict[str, Any], timestamp_us: int, assumed: list[str]) -> tuple[int, int, int | Decimal]:
    """Start and end in microseconds and the duration in milliseconds, the missing ones from the others."""
    start_us: int | None = values.get("session.start_time")
    end_us: int | None = values.get("session.end_time")
    duration_ms: int | Decimal | None = values.get("session.duration_ms")
    length_us = 0 if duration_ms is None else int(duration_ms * 1_000)
    if end_us is None:
        end_us = timestamp_us if start_us is None or duration_ms is None else start_us + length_us
        assumed.append("session.end_time")
        if end_us >= END_US:
            raise WrongPart("session.duration_ms", "ends after the year 9999")
    if start_us is None:
        start_us = end_us - length_us
        assumed.append("session.start_time")
        if start_us < 0:
            raise WrongPart("session.duration_ms", "is longer than the time since 1970")
    if end_us < start_us:
        raise WrongPart("session.end_time", "is before start_time")
    if duration_ms is None:
        return start_us, end_us, (end_us - start_us) // 1_000
    if not -DURATION_SLACK_US <= duration_ms * 1_000 - (end_us - start_us) <= DURATION_SLACK_US:
        raise WrongPart("session.duration_ms", "is more than 1 ms off end_time - start_time")
    return start_us, end_us, duration_ms


def _assume(values: dict[str, Any], context: CaptureContext, assumed: list[str]) -> None:
    """Fill in what the short form may leave out, and note it."""
    for path, value in (
        ("session.session_type", "api"),
        ("user.user_id", _ANONYMOUS),
        ("user.organization_id", context.tenant),
        ("outcome.status", "success"),
    ):
        if path not in values:
            values[path] = value
            assumed.append(path)


def _metadata(given: object, gathered: _Gathered, assumed: list[str]) -> str:
    """The text of the metadata with everything that goes there. Raises: WrongPart."""
    if given is None:
        metadata: dict[str, Any] = {}
    elif isinstance(given, dict):
        metadata = dict(given)
    else:
        raise WrongPart("metadata", "must be an object")
    for name, value in gathered.extra.items():
        _add(metadata, name, value, name)
    for group, members in gathered.nested.items():
        place = metadata.get(group, {})
        if not isinstance(place, dict):
            raise WrongPart(f"metadata.{group}", f"must be an object, because fields of {group} go there")
        metadata[group] = place = dict(place)
        for name, value in members.items():
            _add(place, name, value, f"{group}.{name}")
    if assumed:
        _add(metadata, ASSUMED_FIELDS, sorted(assumed), f"metadata.{ASSUMED_FIELDS}")
    if not metadata:
        return "{}"
    text = value_text(metadata, "metadata")
    if len(text) > MAX_METADATA_BYTES or len(text.encode()) > MAX_METADATA_BYTES:
        raise _TooLong("metadata", f"has more than {MAX_METADATA_BYTES} bytes")
    return text


def _add(place: dict[str, Any], name: str, value: object, path: str) -> None:
    if name in place:
        raise WrongPart(path, "goes to metadata, where that name is taken")
    place[name] = value
