"""Connections to providers: when one is used again, where an answer ends, who waits for whom."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.adapters.provider_transport import ProviderTransport, TransportSettings, _head_of
from tests.contracts.exchanging import exchange, post
from tests.contracts.misbehaving_server import Server, read_request, replies
from worker.upstream.http_request import build_request


@pytest.fixture
async def transport() -> AsyncIterator[ProviderTransport]:
    transport = ProviderTransport()
    yield transport
    await transport.aclose()


async def test_bytes_beyond_an_answer_never_reach_the_next_one(transport: ProviderTransport) -> None:
    async def too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        one = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
        writer.write(one + b"ok" + one + b"no")
        await reader.read()

    async with Server(too_much) as server:
        for asked in range(1, 4):
            assert (await exchange(transport, post(server.port)))[1] == b"ok"
            assert server.connections == asked


async def test_a_late_word_on_an_idle_connection_ends_it(transport: ProviderTransport) -> None:
    first_is_over = asyncio.Event()

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await first_is_over.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno")
        await reader.read()

    async with Server(talkative) as server:
        assert (await exchange(transport, post(server.port)))[1] == b"ok"
        first_is_over.set()
        await server.gone.wait()
        assert (await exchange(transport, post(server.port)))[1] == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it closes", b"until it closes"),
        (b"HTTP/1.0 200 OK\r\n\r\nof old", b"of old"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nwhatever", b"whatever"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nx:\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nx-end: 1\r\n\r\n", b"ok"),
    ],
    ids=["no length", "HTTP/1.0", "another coding", "continue", "hints", "no content", "trailer"],
)
async def test_a_body_ends_where_its_framing_says(transport: ProviderTransport, data: bytes, body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for at in range(len(data)):  # a byte at a time
            writer.write(data[at : at + 1])
            await asyncio.sleep(0)

    async with Server(answer) as server:
        response, received = await exchange(transport, post(server.port))
    assert received == body
    assert "link" not in response.headers
    assert "x-end" not in response.headers


async def test_a_switch_of_protocols_is_no_answer(transport: ProviderTransport) -> None:
    data = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\nbytes"
    async with Server(replies(data)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport, post(server.port))


@pytest.mark.parametrize("status", [b"000", b"007", b"099"])
async def test_a_status_that_is_none_is_no_answer(transport: ProviderTransport, status: bytes) -> None:
    # 0 once looked like "no head yet": the request waited for ever, on a connection that was already free.
    async with Server(replies(b"HTTP/1.1 %b OK\r\ncontent-length: 2\r\n\r\nok" % status)) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport, post(server.port))
    assert transport._pool._count == 0


@pytest.mark.parametrize(
    ("begin", "more"),
    [(b"0\r\nx-end: ", b"a"), (b"0\r\n", b"x-end: a\r\n"), (b"2;x=", b"a"), (b"2\r\nok\r\n0;", b"a")],
    ids=["a trailer", "trailers", "an extension", "the last extension"],
)
async def test_what_is_no_part_of_a_body_ends_somewhere(
    transport: ProviderTransport, begin: bytes, more: bytes
) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + begin)
        while sent < 1_000:
            writer.write(more * 4096)
            await writer.drain()
            sent += 1

    async with Server(endless) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport, post(server.port))
        await server.gone.wait()
    assert sent < 1_000


async def test_interim_answers_end_somewhere(transport: ProviderTransport) -> None:
    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 100)
            await writer.drain()

    async with Server(patient) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport, post(server.port))


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 3\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        b"content-length: 2\r\ncontent-length: 7\r\n",
        b"content-length: 2, 2\r\n",
        b"content-length: +2\r\n",
        b"content-length : 2\r\n",
        b"content-length:\r\n 2\r\n",
        b"x-a: 1\r\n folded: 2\r\ncontent-length: 2\r\n",
        b"x-a: \x00\r\ncontent-length: 2\r\n",
        b"x-a: 1\rx-b: 2\r\ncontent-length: 2\r\n",
        b"transfer-encoding: chunked, gzip\r\n",
        b"transfer-encoding: xchunked\r\n",
    ],
)
async def test_framing_that_can_be_read_in_two_ways_is_no_answer(transport: ProviderTransport, framing: bytes) -> None:
    body = b"2\r\nok\r\n0\r\n\r\n" if b"chunked" in framing else b"ok"
    async with Server(replies(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body)) as server:
        for asked in (1, 2):
            with pytest.raises(httpx.RemoteProtocolError):
                await exchange(transport, post(server.port))
            assert server.connections == asked


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://who:p%40ss@pool.example/v1", b"authorization: Basic d2hvOnBAc3M=\r\n"),
        ("https://pool.example/v1", b""),
    ],
)
def test_a_name_and_a_password_in_an_address_are_said_in_a_header(address: str, said: bytes) -> None:
    head = _head_of(httpx.Request("GET", address), "harpoon")
    assert head.startswith(b"GET /v1 HTTP/1.1\r\nhost: pool.example\r\n")
    assert said in head
    assert (b"authorization" in head) == bool(said)
    own = _head_of(httpx.Request("GET", address, headers={"Authorization": "Bearer key"}), "harpoon")
    assert own.lower().count(b"authorization") == 1
    assert b"Bearer key" in own


async def test_a_body_is_not_read_far_ahead_of_its_reader(transport: ProviderTransport) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n")
        while sent < 64:
            writer.write(bytes(1024 * 1024))
            await writer.drain()
            sent += 1

    async with Server(flood) as server:
        response = await transport.handle_async_request(post(server.port))
        await asyncio.sleep(0.1)
        assert sent < 32
        assert isinstance(response.stream, httpx.AsyncByteStream)
        size = 0
        async for chunk in response.stream:
            size += len(chunk)
        assert size == 64 * 1024 * 1024
        await response.stream.aclose()


@pytest.mark.parametrize("ends", [True, False], ids=["the end follows", "more follows"])
async def test_a_stream_that_is_left_before_its_end_keeps_its_connection_only_if_nothing_else_follows(
    transport: ProviderTransport, ends: bool
) -> None:
    is_left = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await read_request(reader)
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nDONE\r\n")
                await is_left.wait()
                writer.write(b"0\r\n\r\n" if ends else b"4\r\nmore\r\n0\r\n\r\n")

    async with Server(answer) as server:
        for asked in range(1, 4):
            response = await transport.handle_async_request(post(server.port))
            assert isinstance(response.stream, httpx.AsyncByteStream)
            assert await anext(aiter(response.stream)) == b"DONE"
            await response.aclose()
            is_left.set()
            for _ in range(1_000):
                if not transport._pool._count or any(transport._pool._idle.values()):
                    break
                await asyncio.sleep(0.005)
            is_left.clear()
            assert server.connections == (1 if ends else asked)
            assert transport._pool._count == (1 if ends else 0)
        await transport.aclose()


async def test_a_stream_that_is_left_is_closed_if_its_end_does_not_follow(transport: ProviderTransport) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nDONE\r\n")
        await reader.read()

    async with Server(answer) as server:
        response = await transport.handle_async_request(post(server.port))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        assert await anext(aiter(response.stream)) == b"DONE"
        await response.aclose()
        await server.gone.wait()
    assert transport._pool._count == 0


async def test_a_get_is_sent_again_when_its_kept_connection_was_closed(transport: ProviderTransport) -> None:
    async def once_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await reader.readuntil(b"\r\n\r\n")

    async with Server(once_each) as server:
        for asked in range(1, 4):
            url = httpx.URL(f"http://127.0.0.1:{server.port}/models")
            request = build_request("GET", url, [], b"", connect_timeout_s=5, read_timeout_s=1)
            assert (await exchange(transport, request))[1] == b"ok"
            assert server.connections == asked


async def test_whoever_waits_for_a_connection_gets_the_one_that_is_freed() -> None:
    async def serve_many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await read_request(reader)
                await asyncio.sleep(0.001)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    transport = ProviderTransport(settings=TransportSettings(max_connections=3, max_connections_per_host=2))
    async with Server(serve_many) as one, Server(serve_many) as other:
        asked = [exchange(transport, post(server.port)) for _ in range(20) for server in (one, other)]
        tasks = [asyncio.ensure_future(ask) for ask in asked]
        await asyncio.sleep(0.002)
        for task in tasks[::7]:
            task.cancel()  # who leaves the queue passes its turn on
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) or one[1] == b"ok" for one in done)
        await transport.aclose()


async def test_idle_connections_are_closed_after_a_while() -> None:
    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await reader.read()

    transport = ProviderTransport(settings=TransportSettings(keepalive_s=0))
    async with Server(patient) as server:
        assert (await exchange(transport, post(server.port)))[1] == b"ok"
        await server.gone.wait()
    await transport.aclose()
