"""A request's headers are looked up by name, in the scope they came in and in no other."""

from __future__ import annotations

from typing import Any

from worker.api.answers import header_of


def scope_of(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers)}


def test_of_two_headers_of_a_name_the_first_counts() -> None:
    scope = scope_of((b"x-user-id", b" first\t"), (b"x-user-id", b"second"))
    assert header_of(scope, b"x-user-id") == "first"
    assert header_of(scope, b"x-user-id") == "first"


def test_what_nobody_sent_is_none() -> None:
    scope = scope_of((b"x-a", b"1"))
    assert header_of(scope, b"x-b") is None
    assert header_of(scope, b"x-b") is None


def test_a_scope_made_from_another_has_headers_of_its_own() -> None:
    scope = scope_of((b"content-length", b"7"))
    assert header_of(scope, b"content-length") == "7"
    assert header_of({**scope, "headers": []}, b"content-length") is None
    assert header_of(scope, b"content-length") == "7"
