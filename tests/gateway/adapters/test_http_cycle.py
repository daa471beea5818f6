"""The brisk cycle writes what uvicorn's own would have written, and refuses what that refuses."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.adapters.http_cycle import BriskCycle


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data
        self.writes += 1

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def begin(status: int, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def cycle_of(kind: type[RequestResponseCycle], wire: Wire, method: str = "POST", **more: Any) -> RequestResponseCycle:
    given: dict[str, Any] = {"keep_alive": True, "on_response": lambda: None, **more}
    return kind(
        scope={"method": method},  # type: ignore[typeddict-item]
        transport=wire,
        flow=FlowControl(wire),
        logger=logging.getLogger("test"),
        access_logger=logging.getLogger("test"),
        access_log=False,
        default_headers=[(b"date", b"Fri, 20 Nov 2026 00:00:00 GMT")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        **given,
    )


async def play(
    kind: type[RequestResponseCycle], messages: list[dict[str, Any]], method: str, keep_alive: bool
) -> tuple[bytes, bool, bool, int, str]:
    """What was written, whether the connection was closed and the answer complete, who was told, and the complaint."""
    wire, told = Wire(), []
    cycle = cycle_of(kind, wire, method, keep_alive=keep_alive, on_response=lambda: told.append(1))
    complaint = ""
    try:
        for message in messages:
            await cycle.send(message)  # type: ignore[arg-type]
    except RuntimeError as problem:
        complaint = str(problem)
    return wire.written, wire.is_closed, cycle.response_complete, len(told), complaint


LENGTH = (b"content-length", b"2")
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "plain": [begin(200, (b"content-type", b"application/json"), LENGTH), body(b"ok")],
    "in two pieces": [begin(200, LENGTH), body(b"o", more=True), body(b"k")],
    "empty": [begin(200, (b"content-length", b"0")), body()],
    "a stream": [begin(200, (b"x-a", b"1")), body(b"data: 1\n\n", more=True), body(b"data: 2\n\n", more=True), body()],
    "a stream whose last piece ends it": [begin(200), body(b"x" * 300, more=True), body(b"y")],
    "a stream with nothing in between": [begin(200), body(b"", more=True), body(b"y")],
    "a stream without a byte": [begin(200), body()],
    "no content": [begin(204), body()],
    "not modified": [begin(304), body()],
    "an error": [begin(429, (b"retry-after", b"7"), LENGTH), body(b"no")],
    "ends the connection": [begin(200, (b"connection", b"close"), LENGTH), body(b"ok")],
    "names its coding": [begin(200, (b"transfer-encoding", b"chunked")), body(b"ok")],
    "capitals": [begin(200, (b"Content-Length", b"2"), (b"X-A", b"1")), body(b"ok")],
    "a line feed in a value": [begin(200, (b"x-a", b"1\nx-b: 2"), LENGTH), body(b"ok")],
    "a whole line in a value": [begin(200, (b"x-a", b"1\r\nx-b: 2"), LENGTH), body(b"ok")],
    "a null in a value": [begin(200, (b"x-a", b"\x00"), LENGTH), body(b"ok")],
    "a tab in a value": [begin(200, (b"x-a", b"1\t2"), LENGTH), body(b"ok")],
    "a colon in a name": [begin(200, (b"x:a", b"1"), LENGTH), body(b"ok")],
    "a line in a name": [begin(200, (b"x-a: 1\r\nx-b", b"2"), LENGTH), body(b"ok")],
    "too long": [begin(200, LENGTH), body(b"okay")],
    "too short": [begin(200, LENGTH), body(b"o")],
    "a length twice": [begin(200, LENGTH, LENGTH), body(b"ok")],
    "a body first": [body(b"ok")],
    "two beginnings": [begin(200, LENGTH), begin(200, LENGTH), body(b"ok")],
    "more after the end": [begin(200, LENGTH), body(b"ok"), body(b"more")],
}


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "closed"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_the_bytes_are_the_servers_own(name: str, keep_alive: bool, method: str) -> None:
    for _ in range(2):  # names are learnt by the first answer
        ours = await play(BriskCycle, ANSWERS[name], method, keep_alive)
        assert ours == await play(RequestResponseCycle, ANSWERS[name], method, keep_alive)


@pytest.mark.parametrize(("size", "writes"), [(2, 1), (64 * 1024, 1), (64 * 1024 + 1, 2)])
async def test_a_head_is_written_with_what_follows_it(size: int, writes: int) -> None:
    wire = Wire()
    cycle = cycle_of(BriskCycle, wire)
    await cycle.send(begin(200, (b"content-length", b"%d" % size)))  # type: ignore[arg-type]
    await cycle.send(body(b"x" * size))  # type: ignore[arg-type]
    assert wire.writes == writes
    assert wire.written.endswith(b"\r\n\r\n" + b"x" * size)
    await asyncio.sleep(0)
    assert wire.writes == writes


async def test_a_head_that_nothing_follows_is_written_all_the_same() -> None:
    wire = Wire()
    cycle = cycle_of(BriskCycle, wire)
    await cycle.send(begin(200))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert wire.written.endswith(b"transfer-encoding: chunked\r\n\r\n")
    await cycle.send(body(b"ok", more=True))  # type: ignore[arg-type]
    assert wire.written.endswith(b"\r\n\r\n2\r\nok\r\n")


async def test_nothing_is_written_to_a_connection_that_was_closed_meanwhile() -> None:
    wire = Wire()
    cycle = cycle_of(BriskCycle, wire)
    await cycle.send(begin(200))  # type: ignore[arg-type]
    wire.close()
    await asyncio.sleep(0)
    assert not wire.writes


async def read(cycle: RequestResponseCycle) -> None:
    """Have the request's only message received."""
    cycle.body, cycle.more_body = bytearray(b"{}"), False
    cycle.message_event.set()
    assert await cycle.receive() == {"type": "http.request", "body": b"{}", "more_body": False}


async def test_who_waits_after_the_request_hears_that_the_client_left() -> None:
    cycle = cycle_of(BriskCycle, Wire())
    assert isinstance(cycle, BriskCycle)
    await read(cycle)
    waiting = asyncio.ensure_future(cycle.receive())
    assert waiting is asyncio.ensure_future(cycle.receive())  # a future, and no task
    cycle.disconnected = True
    cycle.over()
    assert await waiting == {"type": "http.disconnect"}
    assert await cycle.receive() == {"type": "http.disconnect"}


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_the_end_of_an_answer_is_told_after_whoever_sent_it_has_gone_on(keep_alive: bool) -> None:
    cycle = cycle_of(BriskCycle, Wire(), keep_alive=keep_alive)
    await read(cycle)
    ended, waiting = asyncio.ensure_future(cycle.receive()), asyncio.ensure_future(cycle.receive())
    for message in ANSWERS["plain"]:
        await cycle.send(message)  # type: ignore[arg-type]
    assert not ended.done()
    assert await waiting == {"type": "http.disconnect"}


async def test_a_watch_that_was_ended_can_be_set_again() -> None:
    cycle = cycle_of(BriskCycle, Wire())
    assert isinstance(cycle, BriskCycle)
    await read(cycle)
    asyncio.ensure_future(cycle.receive()).cancel()
    waiting = asyncio.ensure_future(cycle.receive())
    cycle.over()
    assert await waiting == {"type": "http.disconnect"}
