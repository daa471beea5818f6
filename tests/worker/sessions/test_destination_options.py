"""Options of destinations: what is read, and what is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from worker.sessions.destination_options import COMMON, TYPES, type_of
from worker.sessions.rules_form import RoutesRefused, compile_routes

WEBHOOK = {"type": "webhook", "url": "https://example.com/hook", "secret_env": "HOOK_SECRET"}


def read(options: Any) -> Any:
    plain = {"version": 1, "destinations": {"d": options}, "rules": []}
    return compile_routes(plain).destinations["d"].options


@pytest.mark.parametrize(
    "options",
    [
        None,
        {"type": "jsonl", "path": "x/y.jsonl", "fsync": True, "rotate_bytes": 1_024},
        {"type": "sqlite", "begin": "beginning", "max_attempts": 3, "max_wait_s": 60},
        {**WEBHOOK, "secret_env": ["NEW_SECRET", "OLD_SECRET"], "format": "cloudevents", "at_once": 1},
        {**WEBHOOK, "url": "http://10.0.0.7:9000/hook", "allow_private": True},
        {"type": "postgres", "url_env": "DATABASE_URL", "table": "sessions"},
        {"type": "nats", "url": "nats://nats:4222", "subject": "a.b", "stream": "S"},
        {"type": "nats", "url_env": "NATS_URL"},
        {"type": "prometheus"},
        {"type": "otel"},
        {"type": "log"},
    ],
)
def test_good_options_are_read(options: dict[str, Any] | None) -> None:
    found = read(options)
    for name, value in (options or {}).items():
        assert found[name] in (value, (value,), tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "webhok"}, "destinations.d.type: must be one of webhook, jsonl"),
        ({"type": ["webhook"]}, "destinations.d.type: must be one of"),
        ({"type": "webhook"}, "destinations.d: url is missing; destinations.d: secret_env is missing"),
        ({**WEBHOOK, "secret_env": "whsec_c2VjcmV0"}, "not the secret itself"),
        ({**WEBHOOK, "secret_env": []}, "the name of an environment variable, or a list of up to 8"),
        ({**WEBHOOK, "url": "http://example.com/hook"}, "destinations.d.url: .*allow_private"),
        ({**WEBHOOK, "url": "https://localhost/hook"}, "destinations.d.url: .*allow_private"),
        ({**WEBHOOK, "url": "https://169.254.169.254/"}, "destinations.d.url: .*allow_private"),
        ({**WEBHOOK, "url": "ftp://files/", "allow_private": True}, "must begin with https:// or http://"),
        ({**WEBHOOK, "timeout_ms": 1}, "destinations.d.timeout_ms: must be a whole number from 100 to 60000"),
        ({**WEBHOOK, "timeout_ms": True}, "must be a whole number"),
        ({**WEBHOOK, "allow_private": "yes"}, "must be true or false"),
        ({**WEBHOOK, "format": "xml"}, "must be one of event, cloudevents"),
        ({"type": "jsonl", "url": "https://example.com"}, "there is no such key here"),
        ({"type": "jsonl", "path": ""}, "must be a path"),
        ({"type": "postgres"}, "url_env is missing"),
        ({"type": "postgres", "url_env": "U", "table": 'x"; DROP TABLE y'}, "a table's name"),
        ({"type": "nats"}, "needs url or url_env"),
        ({"type": "nats", "url": "nats://n", "subject": "a.>"}, "a subject such as"),
        ({"begin": "now"}, "must be one of end, beginning"),
        ({"max_attempts": 0}, "from 1 to 1000"),
        ("jsonl", "must be a section"),
    ],
)
def test_bad_options_are_refused_where_they_stand(options: Any, words: str) -> None:
    with pytest.raises(RoutesRefused, match=words):
        read(options)


def test_a_name_alone_is_a_file_and_the_store_is_a_table() -> None:
    assert (type_of("billing", None), type_of("store", None), type_of("store", "log")) == ("jsonl", "sqlite", "log")


def test_every_type_that_may_be_said_has_its_options() -> None:
    assert set(COMMON["type"].words) == set(TYPES)  # type: ignore[union-attr]
