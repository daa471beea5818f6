"""CloudEvents 1.0 around an event: structured, binary and batched, its `data` being the event's text byte for byte.

Sources: CloudEvents 1.0.2, JSON Event Format sections 2 to 4, HTTP Protocol Binding section 3 (3.1.3.2: headers).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from worker.ledger.canonical import canonical_string as quote
from worker.sessions.completed import SessionCompleted, to_text
from worker.sessions.event import rfc3339

SPEC_VERSION: Final = "1.0"
EVENT_TYPE: Final = "ai.harpoon.session.completed.v1"
DATA_TYPE: Final = "application/json"
STRUCTURED_TYPE: Final = "application/cloudevents+json"
BATCH_TYPE: Final = "application/cloudevents-batch+json"
_NONCHARACTERS: Final = frozenset(
    [*range(0xFDD0, 0xFDF0), *(plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF))]
)


class Message(NamedTuple):
    """The headers and the body of an HTTP request that carries events."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


class CloudEvent(NamedTuple):
    """An event in its envelope. `source`: a URI reference, who tells it; `subject`: the tenant; `data`: JSON text."""

    id: str
    source: str
    subject: str
    time: str
    data: str


def cloud_event(event: SessionCompleted, source: str, tenant: str) -> CloudEvent:
    """The envelope of `event`. Raises: ValueError for a source or a tenant that no attribute can hold."""
    for name, text in (("source", source), ("subject", tenant)):
        if not text or not all(_is_allowed(ord(character)) for character in text):
            raise ValueError(f"a CloudEvent's {name} is a text of at least one character, without control characters")
    return CloudEvent(event.event_id, source, tenant, rfc3339(event.timestamp_us), to_text(event))


def structured(event: CloudEvent) -> Message:
    """One event, all of it in the body."""
    return Message((("content-type", STRUCTURED_TYPE),), structured_text(event).encode())


def binary(event: CloudEvent) -> Message:
    """One event, its attributes in headers and its data alone in the body."""
    attributes = (
        ("ce-specversion", SPEC_VERSION),
        ("ce-id", event.id),
        ("ce-source", event.source),
        ("ce-type", EVENT_TYPE),
        ("ce-subject", event.subject),
        ("ce-time", event.time),
    )
    headers = [(name, _header(value)) for name, value in attributes]
    return Message((("content-type", DATA_TYPE), *headers), event.data.encode())


def batch(events: Iterable[CloudEvent]) -> Message:
    """Any number of events in one body, in their order."""
    body = f"[{','.join([structured_text(event) for event in events])}]"
    return Message((("content-type", BATCH_TYPE),), body.encode())


def structured_text(event: CloudEvent) -> str:
    """The event in CloudEvents' JSON format."""
    return (
        f'{{"specversion":"{SPEC_VERSION}","id":{quote(event.id)},"source":{quote(event.source)},'
        f'"type":"{EVENT_TYPE}","subject":{quote(event.subject)},"time":"{event.time}",'
        f'"datacontenttype":"{DATA_TYPE}","data":{event.data}}}'
    )


def _is_allowed(code: int) -> bool:
    """Whether CloudEvents' String may have the character (core specification, "Type System")."""
    return code > 0x1F and not 0x7F <= code <= 0x9F and not 0xD800 <= code <= 0xDFFF and code not in _NONCHARACTERS


def _header(value: str) -> str:
    """Percent-encoded UTF-8, but for printable ASCII other than space, double quote and the percent sign."""
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'"%' else f"%{byte:02X}" for byte in value.encode()
    )
