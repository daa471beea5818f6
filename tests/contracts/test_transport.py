"""Every Transport of this host, against real servers on the loopback that behave well, badly, and not at all.

A failure must come out as httpx.TransportError, and must not claim "never sent" (NotSent, NotSentInTime) when
the server may have read the request: a caller would otherwise pay twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import uvloop

from gateway.adapters.provider_transport import SIMULATOR_HOST, ProviderTransport, TransportSettings
from tests.contracts.exchanging import BODY, exchange, post
from tests.contracts.misbehaving_server import (
    Answer,
    Server,
    close_at_once,
    hang,
    hang_in_body,
    read_request,
    replies,
    reset,
    reset_after_reading,
    reset_at_once,
    reset_in_body,
)
from worker.ports import NotSent, NotSentInTime
from worker.upstream.http_request import build_request

NEVER_SENT = (NotSent, NotSentInTime)


@pytest.fixture(params=[ProviderTransport], ids=lambda adapter: adapter.__name__)
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncBaseTransport]:
    transport: httpx.AsyncBaseTransport = request.param()
    yield transport
    await transport.aclose()


async def test_a_request_arrives_as_built_and_its_answer_as_sent(transport: httpx.AsyncBaseTransport) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head + await reader.readexactly(len(BODY)))
        writer.write(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nX-A: 1\r\nX-A: 2\r\ncontent-length: 5\r\n\r\nsorry")

    async with Server(answer) as server:
        response, body = await exchange(transport, post(server.port))
    assert response.status_code == 429
    assert body == b"sorry"
    assert response.headers["retry-after"] == "7"
    assert response.headers.get_list("x-a") == ["1", "2"]
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    assert sent == BODY
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /v1/chat/completions HTTP/1.1"
    headers = sorted(line.lower() for line in lines)
    assert headers == sorted(
        [
            b"host: 127.0.0.1:%d" % server.port,
            b"content-length: %d" % len(BODY),
            b"content-type: application/json",
            b"authorization: bearer hush",
            b"accept: */*",
            b"accept-encoding: identity",
            b"user-agent: harpoon",
        ]
    )


async def test_a_stream_arrives_while_it_is_being_sent(transport: httpx.AsyncBaseTransport) -> None:
    first_was_read = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await first_was_read.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        await writer.drain()

    async with Server(answer) as server:
        response = await transport.handle_async_request(post(server.port))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        chunks = aiter(response.stream)
        assert await anext(chunks) == b"first"
        first_was_read.set()
        assert b"".join([chunk async for chunk in chunks]) == b"second"
        await response.stream.aclose()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(transport: httpx.AsyncBaseTransport, status: int) -> None:
    data = b"HTTP/1.1 %d Elsewhere\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n" % status
    async with Server(replies(data)) as server:
        response, body = await exchange(transport, post(server.port))
    assert (response.status_code, body) == (status, b"")


async def test_cookies_are_not_kept(transport: httpx.AsyncBaseTransport) -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: who=tenant-a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    async with Server(answer) as server:
        await exchange(transport, post(server.port))
        await exchange(transport, post(server.port))
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


async def test_compressed_bodies_are_passed_on_unread(transport: httpx.AsyncBaseTransport) -> None:
    data = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b??"
    async with Server(replies(data)) as server:
        _, body = await exchange(transport, post(server.port))
    assert body == b"\x1f\x8b??"


async def test_a_refused_connection_was_never_sent(transport: httpx.AsyncBaseTransport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(NotSent):
            await exchange(transport, post(unused.getsockname()[1]))


async def test_a_name_that_does_not_exist_was_never_sent(transport: httpx.AsyncBaseTransport) -> None:
    with pytest.raises(NotSent):
        await exchange(transport, post(80, host="nowhere.invalid"))


async def test_a_failed_tls_handshake_was_never_sent(transport: httpx.AsyncBaseTransport) -> None:
    async def not_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Server(not_tls) as server:
        with pytest.raises(NotSent):
            await exchange(transport, post(server.port, scheme="https"))


async def test_no_connection_in_time_was_never_sent() -> None:
    async with Server(hang) as server:
        transport = ProviderTransport(settings=TransportSettings(max_connections=1))
        first = asyncio.ensure_future(exchange(transport, post(server.port)))
        await server.reached.wait()
        second = post(server.port)
        second.extensions["timeout"]["pool"] = 0.02
        with pytest.raises(NotSentInTime):
            await exchange(transport, second)
        with pytest.raises(httpx.ReadTimeout):
            await first
        assert server.connections == 1
        await transport.aclose()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (close_at_once, (httpx.RemoteProtocolError, httpx.ReadError)),
        (reset_at_once, (httpx.ReadError,)),
        (replies(b""), (httpx.RemoteProtocolError,)),
        (reset_after_reading, (httpx.ReadError,)),
        (hang, (httpx.ReadTimeout,)),
        (replies(b"HTTP/1.1 200 OK\r\nx-half: "), (httpx.RemoteProtocolError,)),
        (replies(b"220 mail.example ESMTP\r\n\r\n"), (httpx.RemoteProtocolError,)),
        (replies(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"), (httpx.RemoteProtocolError,)),
        (replies(b"HTTP/1.1 200 OK\r\nx-big: " + b"a" * 100_000 + b"\r\n\r\n"), (httpx.RemoteProtocolError,)),
        (replies(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"), (httpx.RemoteProtocolError,)),
        (replies(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), (httpx.RemoteProtocolError,)),
        (replies(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"), (httpx.RemoteProtocolError,)),
        (replies(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc"), (httpx.RemoteProtocolError,)),
        (replies(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"), (httpx.RemoteProtocolError,)),
        (reset_in_body, (httpx.ReadError, httpx.RemoteProtocolError)),
        (hang_in_body, (httpx.ReadTimeout,)),
    ],
    ids=[
        "closes before reading",
        "resets before reading",
        "closes after reading",
        "resets after reading",
        "hangs",
        "half a head",
        "not HTTP",
        "content-length not a number",
        "header too large",
        "content-length short",
        "no chunk",
        "chunked without end",
        "half a chunk",
        "chunk size not a number",
        "resets in the body",
        "hangs in the body",
    ],
)
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_what_may_have_been_sent_never_claims_otherwise(
    loop: Callable[[], asyncio.AbstractEventLoop], answer: Answer, expected: tuple[type[Exception], ...]
) -> None:
    # `harpoon serve` runs on uvloop, whose connections end in other ways than the standard library's.
    async def ask() -> httpx.TransportError:
        transport = ProviderTransport()
        async with Server(answer) as server:
            with pytest.raises(httpx.TransportError) as caught:
                await exchange(transport, post(server.port))
        await transport.aclose()
        return caught.value

    with asyncio.Runner(loop_factory=loop) as runner:
        problem = runner.run(ask())
    assert type(problem) in expected
    assert not isinstance(problem, (*NEVER_SENT, httpx.ConnectError, httpx.ConnectTimeout))
    assert "hush" not in str(problem)
    assert problem.request.method == "POST"


async def test_a_large_body_that_nobody_reads_is_not_called_unsent(transport: httpx.AsyncBaseTransport) -> None:
    async def reset_after_a_little(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        reset(writer)

    async with Server(reset_after_a_little) as server:
        with pytest.raises(httpx.TransportError) as caught:
            await exchange(transport, post(server.port, b"x" * 1_000_000))
    assert type(caught.value) in (httpx.ReadError, httpx.RemoteProtocolError)


async def test_a_kept_connection_that_the_server_resets_is_not_called_unsent(
    transport: httpx.AsyncBaseTransport,
) -> None:
    async def once_then_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await read_request(reader)
        reset(writer)

    async with Server(once_then_reset) as server:
        assert (await exchange(transport, post(server.port)))[1] == b"ok"
        with pytest.raises(httpx.TransportError) as caught:
            await exchange(transport, post(server.port))
        assert server.connections == 1  # a POST is not sent again
    assert not isinstance(caught.value, NEVER_SENT)


@pytest.mark.parametrize(
    "header", [(b"x-a", b"1\r\nx-b: 2"), (b"x-a", b"1\n2"), (b"x-a\r\nx-b", b"2")], ids=["crlf", "lf", "name"]
)
async def test_header_injection_is_refused_before_anything_is_sent(
    transport: httpx.AsyncBaseTransport, header: tuple[bytes, bytes]
) -> None:
    request = post(1)
    async with Server(hang) as server:
        request = build_request(
            "POST",
            httpx.URL(f"http://127.0.0.1:{server.port}/"),
            [header],
            BODY,
            connect_timeout_s=5,
            read_timeout_s=0.2,
        )
        with pytest.raises(httpx.LocalProtocolError):
            await exchange(transport, request)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "mailto:nobody", "http:///path"])
async def test_urls_that_are_not_http_are_refused(transport: httpx.AsyncBaseTransport, url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        await exchange(transport, httpx.Request("POST", url, content=BODY))


async def test_a_cancelled_request_closes_its_connection(transport: httpx.AsyncBaseTransport) -> None:
    async with Server(hang) as server:
        task = asyncio.ensure_future(exchange(transport, post(server.port)))
        await server.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.gone.wait()


async def test_leaving_a_stream_early_closes_its_connection(transport: httpx.AsyncBaseTransport) -> None:
    async with Server(hang_in_body) as server:
        response = await transport.handle_async_request(post(server.port))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        assert await anext(aiter(response.stream)) == b"abc"
        await response.stream.aclose()
        await server.gone.wait()


async def test_a_body_read_to_its_end_keeps_its_connection(transport: httpx.AsyncBaseTransport) -> None:
    async def serve_many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await serve_many(reader, writer)

    async with Server(patient) as server:
        for _ in range(5):
            assert (await exchange(transport, post(server.port)))[1] == b"ok"
        assert server.connections == 1
        await transport.aclose()


async def test_small_writes_are_not_delayed() -> None:
    async with Server(hang_in_body) as server:
        transport = ProviderTransport()
        response = await transport.handle_async_request(post(server.port))
        connection = response.stream.connection  # type: ignore[union-attr]
        raw = connection.transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        await response.stream.aclose()
        await transport.aclose()


class Simulator(httpx.AsyncBaseTransport):
    """An in-process transport that remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, content=b"simulated", request=request)

    async def aclose(self) -> None:
        self.closed = True


async def test_the_simulator_is_reached_without_a_network() -> None:
    simulator = Simulator()
    transport = ProviderTransport(simulator)
    request = post(80, host=SIMULATOR_HOST)
    _, body = await exchange(transport, request)
    assert body == b"simulated"
    assert simulator.requests == [request]
    async with Server(replies(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal")) as server:
        assert (await exchange(transport, post(server.port)))[1] == b"real"
    await transport.aclose()
    assert simulator.closed


async def test_without_a_simulator_its_host_is_never_looked_up() -> None:
    transport = ProviderTransport()
    with pytest.raises(NotSent, match="No simulator"):
        await exchange(transport, post(80, host=SIMULATOR_HOST))
    await transport.aclose()


async def test_a_closed_transport_sends_nothing(transport: httpx.AsyncBaseTransport) -> None:
    async with Server(replies(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")) as server:
        await exchange(transport, post(server.port))
        await transport.aclose()
        await transport.aclose()
        with pytest.raises(NotSent):
            await exchange(transport, post(server.port))
        assert server.connections == 1


async def test_requests_without_timeouts_get_the_settings() -> None:
    transport = ProviderTransport(settings=TransportSettings(read_timeout_s=1))
    async with Server(hang) as server:
        request = httpx.Request("POST", f"http://127.0.0.1:{server.port}/", content=BODY)
        with pytest.raises(httpx.ReadTimeout):
            await exchange(transport, request)
    await transport.aclose()
