"""A built request holds exactly what was given."""

from __future__ import annotations

import httpx

from worker.upstream.http_request import build_request

URL = httpx.URL("https://api.example:8443/v1/chat/completions?x=1")


def build(
    content: bytes = b"{}", headers: list[tuple[bytes, bytes]] | None = None, method: str = "POST"
) -> httpx.Request:
    return build_request(method, URL, headers or [], content, connect_timeout_s=3, read_timeout_s=30)


def test_headers_are_taken_as_they_are_and_framing_is_left_to_the_transport() -> None:
    headers = [(b"content-type", b"application/json"), (b"x-a", b"1"), (b"x-a", b"2")]
    assert build(b"{}", headers).headers.raw == headers
    assert build(b"{}", []).headers.raw == []


def test_the_body_can_be_read_as_bytes_and_as_a_stream() -> None:
    request = build(b'{"a":1}')
    assert request.content == b'{"a":1}'
    assert isinstance(request.stream, httpx.ByteStream)
    assert b"".join(request.stream) == b'{"a":1}'


def test_timeouts_are_where_transports_look() -> None:
    assert build().extensions["timeout"] == {"pool": 3, "connect": 3, "read": 30, "write": 30}


def test_the_given_headers_are_not_changed() -> None:
    headers = [(b"x-a", b"1")]
    build(b"{}", headers)
    assert headers == [(b"x-a", b"1")]
