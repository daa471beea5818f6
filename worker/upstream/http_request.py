"""Builds outbound requests the cheap way: what goes on the wire is exactly what is given, plus its framing.

`httpx.Request(content=...)` parses and sorts out defaults for some 13 us; with a ready stream and raw headers it
takes 4 us. It decides nothing about providers, routes or retries.
"""

from __future__ import annotations

import httpx

_FRAMING_NAMES = frozenset((b"host", b"content-length", b"transfer-encoding"))


def build_request(
    method: str,
    url: httpx.URL,
    headers: list[tuple[bytes, bytes]],
    content: bytes,
    *,
    connect_timeout_s: float,
    read_timeout_s: float,
) -> httpx.Request:
    """The request for a Transport, with `host` and `content-length` set from `url` and `content`.

    `method` is upper case, `headers` have lower-case names and none that frames the message (RFC 9112 section 6),
    `connect_timeout_s` bounds waiting for a connection and making one, `read_timeout_s` the silence between two
    reads. Parse `url` once and keep it: that costs as much as all the rest. Raises: ValueError.
    """
    for name, _ in headers:
        if name in _FRAMING_NAMES:
            raise ValueError("host, content-length and transfer-encoding are set by build_request")
    framing = [(b"host", url.netloc)]
    if content or method not in ("GET", "HEAD"):
        framing.append((b"content-length", b"%d" % len(content)))
    timeout = {
        "pool": connect_timeout_s,
        "connect": connect_timeout_s,
        "read": read_timeout_s,
        "write": read_timeout_s,
    }
    request = httpx.Request(
        method, url, headers=framing + headers, stream=httpx.ByteStream(content), extensions={"timeout": timeout}
    )
    # Makes `request.content` available, so that a transport sends the body in one piece.
    request.read()
    return request
