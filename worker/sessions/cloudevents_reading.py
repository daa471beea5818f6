"""CloudEvents 1.0 as services send them: the event is taken out of its envelope, and judged as any other.

Structured, batched and binary. What an envelope says beside its data is only needed where the data doesn't say it: the
id becomes the event's id. An envelope of another kind is refused, because its data would be something else.
Sources: CloudEvents 1.0.2, JSON Event Format sections 2 and 4, HTTP Protocol Binding section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from worker.errors import MalformedRequest, RequestTooLarge
from worker.sessions.cloudevents import BATCH_TYPE, EVENT_TYPE, SPEC_VERSION, STRUCTURED_TYPE
from worker.sessions.event import EVENT_TYPE as PLAIN_TYPE
from worker.sessions.fields import EventTooLarge, InvalidEvent
from worker.sessions.reading import LIMITS, MAX_BYTES, MAX_EVENTS, CaptureContext, Captured, read_event
from worker.strict_json import parse_decimal_json

#: What an envelope may say that its data is.
TYPES: Final = (EVENT_TYPE, PLAIN_TYPE)


def is_cloudevent(content_type: str, ce_spec_version: str | None) -> bool:
    """Whether a request carries CloudEvents, by its headers."""
    return ce_spec_version is not None or _media_type(content_type) in (STRUCTURED_TYPE, BATCH_TYPE)


def parse_cloudevents(
    data: bytes, content_type: str, attributes: Mapping[str, str], context: CaptureContext
) -> Captured:
    """The events of a request. Args: attributes: the values of its `ce-` headers by the rest of their names.

    Raises: InvalidEvent, whose `param` is a path in the body, such as `[3].data.usage`; EventTooLarge.
    """
    plain = _plain(data)
    kind = _media_type(content_type)
    if kind == BATCH_TYPE:
        if not isinstance(plain, list):
            raise InvalidEvent("", "a batch of CloudEvents is a list")
        if not 1 <= len(plain) <= MAX_EVENTS:
            raise EventTooLarge("", f"a batch has 1 to {MAX_EVENTS} events")
        found = [_opened(one, context, f"[{index}].") for index, one in enumerate(plain)]
        return Captured(tuple(found), True)
    if kind == STRUCTURED_TYPE:
        return Captured((_opened(plain, context, ""),), False)
    _check(attributes, "ce-")
    return Captured((read_event(_with_id(plain, attributes.get("id")), context),), False)


def _plain(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise EventTooLarge("", f"the text has more than {MAX_BYTES} bytes")
    try:
        return parse_decimal_json(data.decode(), LIMITS)
    except UnicodeDecodeError as error:
        raise InvalidEvent("", f"not UTF-8: an invalid sequence at byte {error.start}") from None
    except RequestTooLarge as error:
        raise EventTooLarge("", error.message) from None
    except MalformedRequest as error:
        raise InvalidEvent("", error.message) from None


def _opened(envelope: Any, context: CaptureContext, path: str) -> Any:
    if not isinstance(envelope, dict):
        raise InvalidEvent(path.removesuffix("."), "a CloudEvent is an object")
    _check(envelope, path)
    if "data" not in envelope:
        raise InvalidEvent(f"{path}data", "is missing")
    return read_event(_with_id(envelope["data"], envelope.get("id")), context, f"{path}data")


def _check(attributes: Mapping[str, Any], path: str) -> None:
    if attributes.get("specversion") != SPEC_VERSION:
        raise InvalidEvent(f"{path}specversion", f"must be {SPEC_VERSION}")
    if attributes.get("type") not in TYPES:
        raise InvalidEvent(f"{path}type", f"must be {' or '.join(TYPES)}")
    for name in ("id", "source"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise InvalidEvent(f"{path}{name}", "must be a text of at least one character")


def _with_id(data: Any, identity: Any) -> Any:
    """The data with the envelope's id where it has none of its own."""
    if isinstance(data, dict) and "event_id" not in data:
        return {"event_id": identity, **data}
    return data


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip(" \t")
