"""Who gets a connection, in what order, and that none is counted that is not there."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import Callable

import httpx
import pytest
import uvloop

from gateway.adapters import connection_pool
from gateway.adapters.connection_pool import Address, Origin, Resolver
from gateway.adapters.http_connection import Connection
from gateway.adapters.provider_transport import ProviderTransport, TransportSettings
from tests.contracts.exchanging import exchange, post
from tests.contracts.misbehaving_server import Server, hang, hang_in_body, read_request
from worker.ports import NotSent

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Loop = Callable[[], asyncio.AbstractEventLoop]


async def serve_many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            await read_request(reader)
            writer.write(OK)


class Busy:
    """A server that answers each request when it is told to, and remembers the order they came in."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.has_come = asyncio.Event()
        self.may_answer = asyncio.Semaphore(0)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.came.append(head.split(b" ")[1])
                self.has_come.set()
                await self.may_answer.acquire()
                writer.write(OK)


def asked(transport: ProviderTransport, port: int, path: str) -> asyncio.Task[tuple[httpx.Response, bytes]]:
    timeout = {"pool": 5, "connect": 5, "read": 5, "write": 5}
    request = httpx.Request("GET", f"http://127.0.0.1:{port}{path}", extensions={"timeout": timeout})
    return asyncio.ensure_future(exchange(transport, request))


async def test_nobody_who_came_later_goes_before_one_who_waits() -> None:
    transport = ProviderTransport(settings=TransportSettings(max_connections_per_host=1))
    busy = Busy()
    async with Server(busy) as server:
        tasks = [asked(transport, server.port, f"/{number}") for number in range(3)]
        await busy.has_come.wait()
        freed = asyncio.Event()
        tasks[0].add_done_callback(lambda _: freed.set())
        busy.may_answer.release()
        # The newcomer asks in the very turn in which the connection becomes free.
        await freed.wait()
        tasks.append(asked(transport, server.port, "/3"))
        for _ in range(3):
            busy.may_answer.release()
        await asyncio.gather(*tasks)
        await transport.aclose()
    assert busy.came == [b"/0", b"/1", b"/2", b"/3"]


async def test_one_origin_does_not_keep_all_connections_from_another() -> None:
    transport = ProviderTransport(settings=TransportSettings(max_connections=1))
    busy, other = Busy(), Busy()
    async with Server(busy) as one, Server(other) as two:
        tasks = [asked(transport, one.port, "/0")]
        await busy.has_come.wait()
        tasks += [asked(transport, two.port, "/a"), asked(transport, one.port, "/1")]
        await asyncio.sleep(0)
        busy.may_answer.release()
        await other.has_come.wait()  # the first who waits gets the room, though the connection leads elsewhere
        assert busy.came == [b"/0"]
        busy.may_answer.release()
        other.may_answer.release()
        await asyncio.gather(*tasks)
        await transport.aclose()


@LOOPS
def test_a_request_that_is_called_off_anywhere_leaves_no_connection_counted(loop: Loop) -> None:
    async def play() -> None:
        settings = TransportSettings(max_connections=4, max_connections_per_host=2)
        for answer in (hang, hang_in_body, serve_many):
            transport = ProviderTransport(settings=settings)
            async with Server(answer) as server:
                for turns in range(24):
                    tasks = [asyncio.ensure_future(exchange(transport, post(server.port))) for _ in range(3)]
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                pool = transport._pool
                for _ in range(500):
                    idle = sum(len(connections) for connections in pool._idle.values())
                    if pool._count == idle:
                        break
                    await asyncio.sleep(0.01)  # an answer that was left in its midst may still come to its end
                assert pool._count == sum(pool._counts.values()) == len(pool._origins) == idle
                assert not pool._waiters
                await transport.aclose()
                assert (pool._count, pool._counts, pool._origins, pool._idle) == (0, {}, {}, {})

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(play())


async def test_who_is_called_off_with_a_connection_in_hand_passes_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = ProviderTransport(settings=TransportSettings(max_connections_per_host=1))
    pool, busy = transport._pool, Busy()
    async with Server(busy) as server:
        tasks = [asked(transport, server.port, f"/{number}") for number in range(3)]
        await busy.has_come.wait()
        hand_on = pool._hand_on

        def and_call_off(connection: Connection, origin: Origin) -> bool:
            is_handed = hand_on(connection, origin)
            tasks[1].cancel()  # it was given the connection, and has not run since
            return is_handed

        monkeypatch.setattr(pool, "_hand_on", and_call_off)
        for _ in range(2):
            busy.may_answer.release()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [False, True, False]
        assert busy.came == [b"/0", b"/2"]
        assert server.connections == 1
        await transport.aclose()


class Listener:
    """A server in the hands of the test: what it does happens at once, before the event loop can notice."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    async def answer(self) -> socket.socket:
        """Answer one request of a new connection."""
        loop = asyncio.get_running_loop()
        accepted, _ = await loop.sock_accept(self.socket)
        await self.again(accepted)
        return accepted

    async def again(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        data = b""
        while not data.endswith(b"}"):
            data += await loop.sock_recv(accepted, 4096)
        await loop.sock_sendall(accepted, OK)


@LOOPS
@pytest.mark.parametrize("late", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nforeigner"], ids=["end", "answer"])
def test_an_end_or_an_answer_nobody_asked_for_is_seen_before_a_rested_connection_is_used(
    loop: Loop, late: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "_TRUSTED_S", 0)

    async def play() -> None:
        transport, listener = ProviderTransport(), Listener()
        first = asyncio.ensure_future(exchange(transport, post(listener.port)))
        accepted = await listener.answer()
        await first
        again = asyncio.ensure_future(exchange(transport, post(listener.port)))
        await listener.again(accepted)  # a quiet one is used again
        await again
        if late:
            accepted.send(late)
        else:
            accepted.close()
        (connection,) = transport._pool._origins
        assert select.select([connection.socket], [], [], 5)[0]  # it has arrived, and the loop has not looked
        second = asyncio.ensure_future(exchange(transport, post(listener.port)))
        other = await listener.answer()
        assert (await second)[1] == b"ok"
        await transport.aclose()
        for one in (accepted, other, listener.socket):
            one.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(play())


async def test_those_who_ask_for_one_name_at_a_time_share_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, looked_up = asyncio.get_running_loop(), []
    answer: asyncio.Future[list[Address]] = loop.create_future()

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Address]:
        looked_up.append(host)
        return await answer

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    resolver = Resolver(60)
    tasks = [asyncio.ensure_future(resolver("pool.example", 443)) for _ in range(50)]
    await asyncio.sleep(0)
    tasks[0].cancel()  # it began the look-up, and the others still get its answer
    await asyncio.sleep(0)
    found: list[Address] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]
    answer.set_result(found)
    assert await asyncio.gather(*tasks[1:]) == [found] * 49
    assert await resolver("pool.example", 443) == found
    assert looked_up == ["pool.example"]


async def test_a_failed_look_up_is_not_remembered() -> None:
    resolver = Resolver(60)
    for _ in range(2):
        with pytest.raises(OSError, match=r".*"):
            await resolver("nowhere.invalid", 80)


async def test_a_host_without_an_address_was_never_sent_anything() -> None:
    async def nowhere(host: str, port: int) -> list[Address]:
        return []

    transport = ProviderTransport(resolve=nowhere)
    with pytest.raises(NotSent):
        await exchange(transport, post(80, host="pool.example"))
    assert transport._pool._count == 0
    await transport.aclose()
