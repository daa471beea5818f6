"""CloudEvents: the official package reads every form we write, and finds our event in it byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as OfficialEvent

from tests.worker.sessions.session_kit import FULL, captured
from worker.sessions.cloudevents import CloudEvent, Message, batch, binary, cloud_event, structured
from worker.sessions.completed import to_text

SOURCE, TENANT = "/gateways/one", 'acme \u00e4\u2192\U0001f600%"x'
EVENT = captured(FULL)
TEXT = to_text(EVENT)


def ours() -> CloudEvent:
    return cloud_event(EVENT, SOURCE, TENANT)


def read(message: Message) -> OfficialEvent:
    found = from_http_event(HTTPMessage(dict(message.headers), message.body))
    assert isinstance(found, OfficialEvent)
    return found


@pytest.mark.parametrize("form", [structured, binary])
def test_the_official_package_reads_it(form: object) -> None:
    assert form in (structured, binary)
    message = structured(ours()) if form is structured else binary(ours())
    event = read(message)
    assert event.get_id() == EVENT.event_id
    assert event.get_source() == SOURCE
    assert event.get_type() == "ai.harpoon.session.completed.v1"
    assert event.get_subject() == TENANT
    assert event.get_time() == datetime(2026, 1, 1, 0, 5, 45, 123_000, tzinfo=UTC)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == json.loads(TEXT)


def test_data_is_the_event_byte_for_byte() -> None:
    assert binary(ours()).body == TEXT.encode()
    assert f'"data":{TEXT}}}'.encode() in structured(ours()).body


def test_a_batch_is_a_list_of_them() -> None:
    message = batch([ours(), ours()._replace(id="evt_2")])
    assert message.headers == (("content-type", "application/cloudevents-batch+json"),)
    events = [JSONFormat().read(None, json.dumps(one)) for one in json.loads(message.body)]
    assert [event.get_id() for event in events] == ["evt_1", "evt_2"]
    assert [event.get_data() for event in events] == [json.loads(TEXT)] * 2
    assert batch([]).body == b"[]"


def test_headers_are_printable_ascii() -> None:
    headers = dict(binary(ours()).headers)
    assert headers["ce-subject"] == "acme%20%C3%A4%E2%86%92%F0%9F%98%80%25%22x"
    assert all(value.isascii() and value.isprintable() for value in headers.values())


@pytest.mark.parametrize("text", ["", "a\nb", "\x00", "\x7f", "\x85", "\ud800", "\ufdd0", "\uffff", "\U0010ffff"])
def test_what_no_attribute_can_hold_is_refused(text: str) -> None:
    for source, tenant in ((text, TENANT), (SOURCE, text)):
        with pytest.raises(ValueError, match="a CloudEvent's"):
            cloud_event(EVENT, source, tenant)
