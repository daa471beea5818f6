"""What a server does with clients that send little, slowly or too much, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from gateway.adapters.http_protocol import BoundedProtocol, ReceiveLimits

PATIENCE_S = 20
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n"


class Echo:
    """Answers with the length of the body it got; keeps what it heard."""

    def __init__(self, limits: ReceiveLimits) -> None:
        self.receive_limits = limits
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while True:
            message = await receive()
            self.heard.append(message["type"])
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            if not message.get("more_body"):
                break
        body = b"%d" % size
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def serving(what: ReceiveLimits | Talker, idle_s: int = PATIENCE_S) -> AsyncIterator[tuple[Any, int]]:
    app = Echo(what) if isinstance(what, ReceiveLimits) else what
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=BoundedProtocol, lifespan="off", log_level="critical", timeout_keep_alive=idle_s, ws="none"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield app, listening.getsockname()[1]
    finally:
        server.should_exit = True
        await running
        listening.close()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes the connection."""
    return await asyncio.wait_for(reader.read(), PATIENCE_S)


def error_in(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert b"content-type: application/json" in head
    error: dict[str, Any] = json.loads(body)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    return int(head.split(b" ")[1]), error


async def trickle(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send a byte now and then, for ever if the server lets it."""
    with contextlib.suppress(ConnectionError):
        while True:
            for byte in data:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)


IMPATIENT = ReceiveLimits(head_us=300_000, body_us=300_000)


async def test_an_ordinary_request_is_answered_whole_or_in_pieces() -> None:
    async with serving(ReceiveLimits()) as (_, port), connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST + b"hello")
            assert (await reader.readuntil(b"\r\n\r\n5")).startswith(b"HTTP/1.1 200")
        for piece in (REQUEST[:20], REQUEST[20:], b"he", b"llo"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        assert (await reader.readuntil(b"\r\n\r\n5")).startswith(b"HTTP/1.1 200")


async def test_a_body_that_comes_too_slowly_is_a_408_and_the_application_hears_of_it() -> None:
    async with serving(IMPATIENT) as (app, port), connected(port) as (reader, writer):
        writer.write(REQUEST.replace(b"5", b"100000"))
        sending = asyncio.create_task(trickle(writer, b"x"))
        status, error = error_in(await rest_of(reader))
        sending.cancel()
        assert (status, error["code"], error["type"]) == (408, "request_timeout", "invalid_request_error")
        assert app.heard[-1] == "http.disconnect"


async def test_a_head_that_comes_too_slowly_is_a_408() -> None:
    async with serving(IMPATIENT) as (app, port), connected(port) as (reader, writer):
        sending = asyncio.create_task(trickle(writer, b"GET / HTTP/1.1\r\n" + b"x-a: b\r\n" * 10_000))
        status, error = error_in(await rest_of(reader))
        sending.cancel()
        assert (status, error["code"]) == (408, "request_timeout")
        assert app.heard == []


async def test_a_second_head_on_the_same_connection_has_its_own_time() -> None:
    async with serving(IMPATIENT) as (_, port), connected(port) as (reader, writer):
        writer.write(REQUEST + b"hello")
        await reader.readuntil(b"\r\n\r\n5")
        await asyncio.sleep(0.4)  # idle between two requests: no part of any
        writer.write(b"POST / HT")
        assert error_in(await rest_of(reader))[0] == 408


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with serving(IMPATIENT) as (_, port), connected(port) as (reader, _):
        assert await rest_of(reader) == b""


async def test_a_connection_that_is_idle_between_requests_is_closed() -> None:
    async with serving(ReceiveLimits(), idle_s=1) as (_, port), connected(port) as (reader, writer):
        writer.write(REQUEST + b"hello")
        await reader.readuntil(b"\r\n\r\n5")
        assert await rest_of(reader) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"x-many: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-long: " + b"y" * 5_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 5_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-endless: " + b"y" * 20_000,
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y\r\n" * 1_000,
    ],
)
async def test_a_head_that_is_too_large_is_a_431(head: bytes) -> None:
    async with (
        serving(ReceiveLimits(max_head_bytes=4_096, max_headers=100)) as (app, port),
        connected(port) as (reader, writer),
    ):
        writer.write(head)
        status, error = error_in(await rest_of(reader))
        assert (status, error["code"]) in ((431, "request_too_large"), (400, "invalid_request"))
        assert b"x-many" not in head or status == 431
        assert app.heard == []


async def test_a_large_body_right_behind_its_head_is_no_large_head() -> None:
    async with serving(ReceiveLimits(max_head_bytes=1_024)) as (_, port), connected(port) as (reader, writer):
        writer.write(REQUEST.replace(b"5", b"50000") + b"x" * 50_000)
        assert (await reader.readuntil(b"\r\n\r\n50000")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_no_request_is_a_400_in_the_same_shape(data: bytes) -> None:
    async with serving(ReceiveLimits()) as (_, port), connected(port) as (reader, writer):
        writer.write(data)
        status, error = error_in(await rest_of(reader))
        assert (status, error["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: +5\r\n",
        b"content-length: 5, 5\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding : chunked\r\n",
        b"x\x00y: z\r\n",
    ],
)
async def test_a_request_whose_end_could_be_read_in_two_ways_is_refused(headers: bytes) -> None:
    async with serving(IMPATIENT) as (app, port), connected(port) as (reader, writer):
        writer.write(
            b"POST / HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: x\r\n\r\n"
        )
        answer = await rest_of(reader)
        assert answer.split(b" ")[1] == b"400"
        assert answer.count(b"\r\n\r\n") == 1
        assert "http.request" not in app.heard


class Talker:
    """Answers each request with a stream that goes on until its client has left; keeps what happened."""

    def __init__(self) -> None:
        self.receive_limits = ReceiveLimits()
        self.begun = 0
        self.left = asyncio.Event()
        self.goes_on = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        while (await receive()).get("more_body"):
            pass
        leaving = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while self.goes_on and not leaving.done():
            await send({"type": "http.response.body", "body": b"token ", "more_body": True})
            await asyncio.sleep(0.001)
        await send({"type": "http.response.body", "body": b""})
        await leaving
        self.left.set()


WHOLE = REQUEST + b"12345"


@pytest.mark.parametrize("sent", [[WHOLE, WHOLE], [WHOLE + WHOLE], [WHOLE + WHOLE[:-1]]])
async def test_the_first_of_two_requests_hears_that_its_client_left(sent: list[bytes]) -> None:
    app = Talker()
    async with serving(app) as (_, port), connected(port) as (reader, writer):
        for data in sent:
            writer.write(data)
            await reader.readuntil(b"token ")
        writer.transport.abort()
        await asyncio.wait_for(app.left.wait(), PATIENCE_S)
        assert app.begun == 1


@pytest.mark.parametrize("then", [b"GARBAGE\r\n\r\n", WHOLE * 20, b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000])
async def test_a_request_that_is_refused_says_nothing_into_the_answer_to_another(then: bytes) -> None:
    app = Talker()
    async with serving(app) as (_, port), connected(port) as (reader, writer):
        writer.write(WHOLE)
        begun = await reader.readuntil(b"token ")
        writer.write(then)
        answer = begun + await rest_of(reader)
        assert answer.count(b"HTTP/1.1") == 1
        assert not answer.endswith(b"0\r\n\r\n")
        await asyncio.wait_for(app.left.wait(), PATIENCE_S)
        assert app.begun == 1


async def test_a_few_requests_at_once_are_answered_one_after_the_other() -> None:
    async with serving(ReceiveLimits()) as (_, port), connected(port) as (reader, writer):
        writer.write(WHOLE * 10 + b"GARBAGE\r\n\r\n")
        answer = await rest_of(reader)
        # What can't be read ends the connection; what was asked before it may or may not be answered, but never mixed.
        assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"\r\n\r\n5")
    async with serving(ReceiveLimits()) as (app, port), connected(port) as (reader, writer):
        writer.write(WHOLE * 10 + WHOLE.replace(b"host: x", b"host: x\r\nconnection: close"))
        assert (await rest_of(reader)).count(b"HTTP/1.1 200 OK") == 11
        assert app.heard == ["http.request"] * 11
