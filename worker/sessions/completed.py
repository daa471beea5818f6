"""SessionCompleted: a checked event as a value, and its one text, which is stored, hashed and delivered.

The text is RFC 8785's canonical form, except that a number with a fraction stands as the exact decimal it is, without
an exponent: that standard would send it through a float, and amounts of money would change.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from worker.ledger.canonical import MAX_INT
from worker.ledger.canonical import canonical_string as quote
from worker.sessions.event import EVENT_TYPE, rfc3339
from worker.sessions.fields import SCHEMA_VERSION, WrongValue, exact_number, refuse_surrogates

#: Levels of nesting within metadata.
MAX_DEPTH = 16
_MICRO = Decimal("0.000001")


class SessionCompleted(NamedTuple):
    """An event of schema version 1. Times are microseconds since 1970; None = not known, or not given.

    `metadata` is the canonical text of an object, so that the value as a whole can't change.
    """

    event_id: str
    timestamp_us: int
    session_id: str
    session_type: str
    start_us: int
    end_us: int
    duration_ms: int | Decimal
    user_id: str
    organization_id: str
    tier: str | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int
    model: str | None
    cost_usd: int | Decimal | None
    status: str
    final_message: str | None
    error_code: str | None
    error_message: str | None
    metadata: str

    def cost_usd_micros(self) -> int | None:
        """The cost in whole micro-dollars, half of one rounded up; None = unknown."""
        if self.cost_usd is None:
            return None
        return int(Decimal(self.cost_usd).quantize(_MICRO, ROUND_HALF_UP).scaleb(6))


def to_text(event: SessionCompleted) -> str:
    """The canonical text of the event; `worker.sessions.reading.parse_events` is its inverse."""
    # By hand and in the order of the keys: it is done for every event, and a generic writer takes four times as long.
    codes = "".join(
        f'"{name}":{quote(value)},'
        for name, value in (
            ("error_code", event.error_code),
            ("error_message", event.error_message),
            ("final_message", event.final_message),
        )
        if value is not None
    )
    cost = "null" if event.cost_usd is None else number_text(event.cost_usd)
    input_tokens = "" if event.input_tokens is None else f'"input_tokens":{event.input_tokens},'
    model = "" if event.model is None else f'"model":{quote(event.model)},'
    output_tokens = "" if event.output_tokens is None else f'"output_tokens":{event.output_tokens},'
    tier = "" if event.tier is None else f'"tier":"{event.tier}",'
    return (
        f'{{"event_id":"{event.event_id}","event_type":"{EVENT_TYPE}","metadata":{event.metadata},'
        f'"outcome":{{{codes}"status":"{event.status}"}},"schema_version":{SCHEMA_VERSION},'
        f'"session":{{"duration_ms":{number_text(event.duration_ms)},"end_time":"{rfc3339(event.end_us)}",'
        f'"session_id":{quote(event.session_id)},"session_type":"{event.session_type}",'
        f'"start_time":"{rfc3339(event.start_us)}"}},"timestamp":"{rfc3339(event.timestamp_us)}",'
        f'"usage":{{"estimated_cost_usd":{cost},{input_tokens}{model}{output_tokens}'
        f'"total_tokens":{event.total_tokens}}},'
        f'"user":{{"organization_id":{quote(event.organization_id)},{tier}"user_id":{quote(event.user_id)}}}}}'
    )


def number_text(number: int | Decimal) -> str:
    """The number as JSON, all of its digits and no exponent."""
    return str(number) if type(number) is int else format(number, "f")


class WrongPart(Exception):
    """What is wrong within a value, and where: `path` begins with the name that was given for all of it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


def value_text(value: object, path: str, depth: int = 0) -> str:
    """The canonical text of any JSON value. Args: path: its name in errors. Raises: WrongPart."""
    kind = type(value)
    if kind is str:
        return quote(_checked(value, path))
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if depth > MAX_DEPTH:
        raise WrongPart(path, f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: _checked(name, path).encode("utf-16-be"))
        members = [f"{quote(name)}:{value_text(value[name], f'{path}.{name}', depth + 1)}" for name in names]
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        parts = [value_text(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        return f"[{','.join(parts)}]"
    try:
        number = exact_number(value)
    except WrongValue as wrong:
        raise WrongPart(path, str(wrong)) from None
    if not -MAX_INT <= number <= MAX_INT:
        raise WrongPart(path, "is a number beyond 2^53-1, which not every reader keeps: write it as a text")
    return number_text(number)


def _checked(text: object, path: str) -> str:
    if type(text) is not str:
        raise WrongPart(path, "has a name that is no text")
    if not text.isascii():
        try:
            refuse_surrogates(text)
        except WrongValue as wrong:
            raise WrongPart(path, str(wrong)) from None
    return text
