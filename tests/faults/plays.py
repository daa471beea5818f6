"""What a failing provider does, fault by fault: each a `Play` for the fault server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.faults.upstream import (
    LAST_CHUNK,
    STREAM_HEAD,
    Call,
    Play,
    event,
    framed,
    http_answer,
    whole_answer,
    whole_stream,
)

HUNDRED_MB = 100 * 1024 * 1024
_MB = b"x" * (1024 * 1024)
_ERROR = b'data: {"error":{"message":"out of memory"}}\n\n'


async def answers_well(call: Call) -> None:
    """A good answer of the form asked for."""
    if call.stream:
        await call.send(STREAM_HEAD + b"".join(map(framed, whole_stream())) + LAST_CHUNK)
    else:
        await call.send(http_answer(200, whole_answer()))


async def hangs(call: Call) -> None:
    await call.hang()


async def hangs_after_the_headers(call: Call) -> None:
    head = STREAM_HEAD if call.stream else b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    await call.send(head if call.stream else head + b'content-length: 90\r\n\r\n{"id":')
    await call.hang()


async def comments_for_ever(call: Call) -> None:
    """Never silent, and never an event."""
    await call.send(STREAM_HEAD)
    with contextlib.suppress(ConnectionError):
        while not call.writer.is_closing():
            await call.send(framed(b": still there\n\n"))
            with contextlib.suppress(TimeoutError):
                async with _moment():
                    if not await call.reader.read(1):
                        return


def _moment() -> asyncio.Timeout:
    return asyncio.timeout(0.02)


async def hangs_inside_the_stream(call: Call) -> None:
    await call.send(STREAM_HEAD + framed(event("one ")) + framed(event("two ")))
    await call.hang()


def refuses(status: int, header: str = "", body: bytes = b'{"error":{"message":"no"}}') -> Play:
    """Answers with a status that is none of success."""

    async def play(call: Call) -> None:
        await call.send(http_answer(status, body, header=header))

    return play


async def sends_malformed_json(call: Call) -> None:
    if call.stream:
        await call.send(STREAM_HEAD + framed(b'data: {"choices":[{\n\n'))
        await call.send(framed(event("too late")) + LAST_CHUNK)
    else:
        await call.send(http_answer(200, whole_answer()[:-9]))


async def sends_malformed_json_inside_the_stream(call: Call) -> None:
    await call.send(STREAM_HEAD + framed(event("one ")) + framed(event("two ")) + framed(b'data: {"choices":[{\n\n'))
    await call.hang()


async def opens_with_an_error(call: Call) -> None:
    await call.send(STREAM_HEAD + framed(_ERROR) + LAST_CHUNK)


async def reports_an_error_inside_the_stream(call: Call) -> None:
    await call.send(STREAM_HEAD + framed(event("one ")) + framed(event("two ")) + framed(_ERROR) + LAST_CHUNK)


async def ends_before_the_first_event(call: Call) -> None:
    await call.send(STREAM_HEAD + framed(b": processing\n\n") + LAST_CHUNK)


async def ends_inside_the_stream(call: Call) -> None:
    await call.send(STREAM_HEAD + framed(event("one ")) + framed(event("two ")) + LAST_CHUNK)


async def closes_inside_the_stream(call: Call) -> None:
    await call.send(STREAM_HEAD + framed(event("one ")) + framed(event("two ")) + framed(event("three"))[:-20])
    call.close()


async def resets_inside_the_stream(call: Call) -> None:
    """The reset waits until the gateway has shown that it read the events: it would overtake them otherwise."""
    await call.send(STREAM_HEAD + framed(event("one ")) + framed(event("two ")))
    with contextlib.suppress(TimeoutError):
        async with _moment():
            await call.reader.read(1)
    call.reset()


async def ends_without_done(call: Call) -> None:
    """Everything but the usage and [DONE]: some providers never say it."""
    await call.send(STREAM_HEAD + b"".join(map(framed, whole_stream()[:-2])) + LAST_CHUNK)


async def closes_after_reading(call: Call) -> None:
    call.close()


async def resets_after_reading(call: Call) -> None:
    call.reset()


async def closes_inside_the_answer(call: Call) -> None:
    await call.send(http_answer(200, whole_answer())[:-30])
    call.close()


async def has_the_wrong_content_type(call: Call) -> None:
    if call.stream:
        await call.send(http_answer(200, whole_answer()))
    else:
        await call.send(http_answer(200, b"<html>It works!</html>", kind="text/html"))


async def answers_100_mb(call: Call) -> None:
    """One answer, or one event, that is larger than anybody should keep."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % HUNDRED_MB
    with contextlib.suppress(ConnectionError):
        await call.send(STREAM_HEAD + framed(b'data: {"x":"') if call.stream else head + b'{"x":"')
        for _ in range(HUNDRED_MB // len(_MB)):
            await call.send(framed(_MB) if call.stream else _MB)
    call.close()


def says_a_number(number: Any) -> Play:
    """Answers well, with a number where the text should be."""

    async def play(call: Call) -> None:
        if call.stream:
            await call.send(STREAM_HEAD + b"".join(map(framed, whole_stream("It is ", number, "."))) + LAST_CHUNK)
        else:
            await call.send(http_answer(200, whole_answer(number)))

    return play


async def leaves_things_out(call: Call) -> None:
    """Answers with nothing but the text, as small servers do."""
    if call.stream:
        choices = [
            b'{"delta":{"content":"one "}}',
            b'{"delta":{"content":"two"}}',
            b'{"delta":{},"finish_reason":"stop"}',
        ]
        events = [b'data: {"choices":[%b]}\n\n' % choice for choice in choices]
        await call.send(STREAM_HEAD + b"".join(map(framed, [*events, b"data: [DONE]\n\n"])) + LAST_CHUNK)
    else:
        await call.send(http_answer(200, b'{"choices":[{"message":{"content":"one two"}}]}'))
