"""A request like those of the dispatcher, and one whole exchange, for the contract of the transports."""

from __future__ import annotations

import httpx

from worker.upstream.http_request import build_request

BODY = b'{"model":"m","messages":[]}'


def post(port: int, body: bytes = BODY, *, host: str = "127.0.0.1", scheme: str = "http") -> httpx.Request:
    return build_request(
        "POST",
        httpx.URL(f"{scheme}://{host}:{port}/v1/chat/completions"),
        [(b"content-type", b"application/json"), (b"authorization", b"Bearer hush")],
        body,
        connect_timeout_s=5,
        read_timeout_s=0.2,
    )


async def exchange(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> tuple[httpx.Response, bytes]:
    response = await transport.handle_async_request(request)
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        return response, b"".join([chunk async for chunk in stream])
    finally:
        await stream.aclose()
