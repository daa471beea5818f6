"""One attempt against real servers that behave well, badly, and not at all: its cause, and whether it can have cost."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from gateway.adapters.provider_transport import ProviderTransport
from tests.contracts.misbehaving_server import (
    Answer,
    Server,
    close_at_once,
    hang,
    read_request,
    replies,
    reset,
    reset_after_reading,
    reset_at_once,
)
from worker.routing.catalogue import Route, compile_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE
from worker.upstream import attempts
from worker.upstream.attempts import Ended
from worker.upstream.dispatch import Dispatcher, Reply, UpstreamLimits
from worker.upstream.providers import build_access

ROUTE = compile_catalogue(DEFAULT_CATALOGUE).by_id["hosted-ai/llama-3.1-8b-instruct@shared-4x"]
LIMITS = UpstreamLimits(silence_timeout_us=300_000, max_answer_bytes=2_000, max_error_bytes=500)
ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": None}
WHOLE = {
    **ANSWER,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi", "refusal": None}, "logprobs": None}
        | {"finish_reason": "stop"}
    ],
}

Send = Callable[..., Awaitable[Reply]]


@pytest.fixture
async def transport() -> AsyncIterator[ProviderTransport]:
    transport = ProviderTransport()
    yield transport
    await transport.aclose()


@pytest.fixture
def send(transport: ProviderTransport) -> Send:
    """Call a port as if hosted.ai were there."""

    async def send(port: int, *, stream: bool = False, route: Route = ROUTE) -> Reply:
        access = build_access(DEFAULT_CATALOGUE, {route.provider: f"http://127.0.0.1:{port}"}, {route.provider: "k3y"})
        return await Dispatcher(transport, access, LIMITS).send(route, b'{"model":"m"}', stream=stream)

    return send


def http(body: bytes | dict[str, Any], status: int = 200, kind: str = "application/json", cut: int = 0) -> Answer:
    """A server that answers once; `cut` promises that many bytes more than it sends."""
    data = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(data) + cut}\r\n\r\n"
    return replies(head.encode() + data)


async def test_a_whole_answer_comes_back_as_the_bytes_it_came_as(send: Send) -> None:
    async with Server(http(WHOLE)) as server:
        reply = await send(server.port)
    assert reply.ended == Ended(attempts.OK, unbilled=False)
    assert reply.body == json.dumps(WHOLE, separators=(",", ":")).encode()
    assert reply.answer == WHOLE


async def test_an_answer_with_gaps_is_mended(send: Send) -> None:
    async with Server(http({"choices": [{"message": {"content": "hi"}}]})) as server:
        reply = await send(server.port)
    assert reply.body == b""
    assert reply.answer is not None
    assert reply.answer["choices"][0]["message"] == {"content": "hi", "refusal": None, "role": "assistant"}


@pytest.mark.parametrize("simulated", [False, True])
async def test_what_a_provider_is_sent(send: Send, simulated: bool) -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader)).lower())
        writer.write(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n")

    route = ROUTE._replace(provider="simulator") if simulated else ROUTE
    async with Server(answer) as server:
        await send(server.port, route=route)
    assert heads[0].startswith(b"post /v1/chat/completions http/1.1\r\n")
    for header in (b"authorization: bearer k3y", b"content-type: application/json", b"accept-encoding: identity"):
        assert header + b"\r\n" in heads[0]
    assert (b"x-harpoon-pool: shared-4x\r\n" in heads[0]) is simulated


BROKEN, CONNECT = Ended(attempts.BROKEN, unbilled=False), Ended(attempts.CONNECT, unbilled=True)
MALFORMED, STATUS = Ended(attempts.MALFORMED, unbilled=False), Ended(attempts.STATUS, unbilled=True)
TIMEOUT, KEY_REFUSED = Ended(attempts.TIMEOUT, unbilled=False), Ended(attempts.KEY_REFUSED, unbilled=True)
REJECTED = Ended(attempts.REJECTED, unbilled=True)
#: The same route would say it again at once.
LASTING = Ended(attempts.STATUS, True, None)


async def hang_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    await reader.read(-1)


async def reset_after_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(0.02)  # let the head be read
    reset(writer)


async def hang_after_comment(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(STREAM_HEAD + b"a\r\n: wait...\n\r\n")
    await reader.read(-1)


EVENTS = "text/event-stream; charset=utf-8"
STREAM_HEAD = f"HTTP/1.1 200 OK\r\ncontent-type: {EVENTS}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
ERROR_EVENT = b'data: {"error":{"message":"overloaded"}}\n\n'
ENDINGS: list[tuple[str, Answer, bool, Ended, int]] = [
    ("closed before it read anything", close_at_once, False, BROKEN, 0),
    ("reset before it read anything", reset_at_once, False, BROKEN, 0),
    ("reset after reading", reset_after_reading, False, BROKEN, 0),
    ("silence", hang, False, TIMEOUT, 0),
    ("silence, asked for a stream", hang, True, TIMEOUT, 0),
    ("silence after the head", hang_after_head, True, TIMEOUT, 200),
    ("silence within a plain answer", hang_after_head, False, TIMEOUT, 200),
    ("reset after the head", reset_after_head, True, BROKEN, 200),
    ("not HTTP", replies(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), False, BROKEN, 0),
    ("an answer cut short", http(WHOLE, cut=5), False, BROKEN, 200),
    ("no JSON", http(b"<html>oops</html>"), False, MALFORMED, 200),
    ("no object", http(b"[]"), False, MALFORMED, 200),
    ("no choices", http(ANSWER), False, MALFORMED, 200),
    ("duplicate keys", http(b'{"choices":[],"choices":[]}'), False, MALFORMED, 200),
    ("more than we read", http(b" " * 2_001), False, MALFORMED, 200),
    ("a stream that ends before it begins", http(b"", kind=EVENTS), True, BROKEN, 200),
    ("a stream of comments alone", http(b": wait\n\n: wait\n\n", kind=EVENTS), True, BROKEN, 200),
    ("a stream that opens with an error", http(ERROR_EVENT, kind=EVENTS), True, STATUS, 200),
    ("the same after comments", http(b": wait\r\n\r\n" + ERROR_EVENT, kind=EVENTS), True, STATUS, 200),
    ("the same without its empty line", http(ERROR_EVENT.rstrip(), kind=EVENTS), True, STATUS, 200),
    ("a stream that goes silent after a comment", hang_after_comment, True, TIMEOUT, 200),
    ("a stream that opens with no JSON", http(b"data: {half\n\n", kind=EVENTS), True, MALFORMED, 200),
    ("a stream that opens with its end", http(b"data: [DONE]\n\n", kind=EVENTS), True, MALFORMED, 200),
    ("a plain answer where a stream was asked for", http(WHOLE), True, MALFORMED, 200),
    *[
        (f"status {status}", http({"error": {"message": "no"}}, status), stream, ended, status)
        for statuses, ended in (((408, 409, 429, 500, 502, 503, 504, 529), STATUS), ((404, 498, 301), LASTING))
        for status in statuses
        for stream in (False, True)
    ],
    *[(f"status {status}", http(b"", status), False, KEY_REFUSED, status) for status in (401, 402, 403)],
    *[(f"status {status}", http(b"", status), True, REJECTED, status) for status in (400, 413, 415, 422)],
    ("an endless error page", http(b"x" * 501, 503), False, STATUS, 503),
    ("an error page cut short", http(b"x", 503, cut=5), False, BROKEN, 503),
]


@pytest.mark.parametrize(("answer", "stream", "ended", "status"), [e[1:] for e in ENDINGS], ids=[e[0] for e in ENDINGS])
async def test_how_an_attempt_ends(send: Send, answer: Answer, stream: bool, ended: Ended, status: int) -> None:
    async with Server(answer) as server:
        reply = await send(server.port, stream=stream)
        assert (reply.ended, reply.status) == (ended, status)
        assert (reply.answer, reply.stream, reply.response) == (None, None, None)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_nobody_there_means_never_sent(send: Send) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        reply = await send(unused.getsockname()[1])
    assert reply.ended == CONNECT


REJECTIONS = [
    (b'{"error":{"message":"temperature is too hot"}}', "the provider refused the request: temperature is too hot"),
    (b'{"error":{"message":"' + b"x" * 450 + b'"}}', "the provider refused the request: " + "x" * 450),
    (b'{"error":{"message":7}}', "the provider refused the request as malformed"),
    (b'{"error":"bad"}', "the provider refused the request: bad"),
    (b'{"error":[]}', "the provider refused the request as malformed"),
    (b"<html>", "the provider refused the request as malformed"),
    (b"\xff" * 501, "the provider refused the request as malformed"),
    (b"", "the provider refused the request as malformed"),
]


@pytest.mark.parametrize(("body", "words"), REJECTIONS, ids=range(len(REJECTIONS)))
async def test_a_providers_own_words_on_a_bad_request_are_passed_on(send: Send, body: bytes, words: str) -> None:
    async with Server(http(body, 400)) as server:
        reply = await send(server.port)
    assert reply.rejection is not None
    assert (reply.rejection.message, reply.rejection.status) == (words, 400)


OPENINGS = [
    ("at once", [b"data: {}\n\n"]),
    ("in CRLF", [b"data: {}\r\n\r\n"]),
    ("with a null error", [b'data: {"error":null}\n\n']),
    ("in pieces", [b"d", b"ata: {", b"}\n", b"\n"]),
    ("after comments", [b": wait\n\n", b": wait\n\n", b"data: {}\n\n"]),
    ("larger than an error page may be", [b"data: {" + b" " * 600, b"}\n\n"]),
]


@pytest.mark.parametrize("pieces", [opening[1] for opening in OPENINGS], ids=[opening[0] for opening in OPENINGS])
async def test_a_stream_is_an_answer_once_its_first_event_is_here(send: Send, pieces: list[bytes]) -> None:
    go_on = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD)
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0.005)  # so that the pieces are read one by one
        await go_on.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    async with Server(answer) as server:
        reply = await send(server.port, stream=True)
        assert (reply.ended, reply.first) == (Ended(attempts.OK, unbilled=False), b"".join(pieces))
        go_on.set()
        assert reply.stream is not None
        assert [chunk async for chunk in reply.stream] == [b"second"]
        await reply.aclose()
        await reply.aclose()


async def test_how_long_a_provider_wants_to_be_left_alone_is_taken_down(send: Send) -> None:
    header = f"retry-after: 7{' ' * 80}\r\n"
    for status in (429, 503):
        async with Server(replies(f"HTTP/1.1 {status} X\r\n{header}content-length: 0\r\n\r\n".encode())) as server:
            reply = await send(server.port)
        assert (reply.ended, reply.status, reply.retry_after, reply.retry_after_s) == (STATUS, status, "7", 1)


class Claiming(httpx.AsyncBaseTransport):
    """A transport like httpx-aiohttp's: names of its own for what aiohttp met."""

    def __init__(self, real: ProviderTransport, claims: type[httpx.TransportError]) -> None:
        self._real = real
        self._claims = claims

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._real.handle_async_request(request)
        except httpx.TransportError as problem:
            raise self._claims("Connection closed", request=request) from problem.__cause__


@pytest.mark.parametrize("claims", [httpx.ConnectTimeout, httpx.ConnectError])
async def test_only_a_transport_that_knows_that_nothing_was_sent_is_believed(
    transport: ProviderTransport, claims: type[httpx.TransportError]
) -> None:
    """Closed after reading the request, and called a connection that never was: it may have cost, so it is final."""
    async with Server(replies(b"")) as server:
        access = build_access(DEFAULT_CATALOGUE, {ROUTE.provider: f"http://127.0.0.1:{server.port}"}, {})
        dispatcher = Dispatcher(Claiming(transport, claims), access, LIMITS)
        reply = await dispatcher.send(ROUTE, b"{}", stream=False)
        assert server.connections == 1
    assert not reply.ended.unbilled
    assert reply.ended.cause in (attempts.BROKEN, attempts.TIMEOUT)


async def test_closing_a_reply_closes_the_connection(send: Send) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {EVENTS}\r\n\r\ndata: {{}}\n\n".encode())
        await reader.read(-1)

    async with Server(answer) as server:
        reply = await send(server.port, stream=True)
        assert not server.gone.is_set()
        await reply.aclose()
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_an_attempt_that_is_called_off_closes_the_connection(send: Send) -> None:
    for answer in (hang, hang_after_head):
        async with Server(answer) as server:
            attempt = asyncio.ensure_future(send(server.port, stream=True))
            await server.reached.wait()
            await asyncio.sleep(0.02)  # into the wait for the answer
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_transport_without_a_stream_breaks_no_promise() -> None:
    class Odd(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = httpx.Response(200, request=request)
            response.stream = httpx.SyncByteStream()
            return response

    access = build_access(DEFAULT_CATALOGUE, {"hosted-ai": "http://h.example"}, {})
    dispatcher = Dispatcher(Odd(), access, LIMITS)
    with pytest.raises(RuntimeError):
        await dispatcher.send(ROUTE, b"{}", stream=False)
