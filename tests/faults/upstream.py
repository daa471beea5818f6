"""A provider that fails on command: one server, a script for each base URL, any fault at any step.

It speaks just enough HTTP/1.1 for that, keeps connections open between good answers, and never delays a small write. A
base URL is `url(step)`; what is played there is `script[step]`. It serves tests in this process and a Worker alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

#: Bounds every wait for something that happens at once, or never because of a fault.
PATIENCE_S = 20
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(slots=True)
class Call:
    """One request that was read: where it was sent, and its body."""

    step: str
    body: dict[str, Any]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    async def send(self, data: bytes) -> None:
        """Write bytes as they are, at once."""
        self.writer.write(data)
        await self.writer.drain()

    async def hang(self) -> None:
        """Say nothing until the other side hangs up."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass

    def close(self) -> None:
        """End the connection in the ordinary way."""
        self.writer.close()

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


#: Plays one call. The connection stays open afterwards unless it was closed.
Play = Callable[[Call], Awaitable[None]]


@dataclass(slots=True)
class FaultUpstream:
    """The server's script, and what it has seen: every call, and how many of them are under way."""

    port: int = 0
    script: dict[str, Play] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    under_way: int = 0
    connections: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, step: str) -> str:
        """The base URL of a step."""
        return f"http://127.0.0.1:{self.port}/{step}/v1"

    async def settled(self) -> None:
        """Return once no call is under way: nobody has left a faulty exchange open."""
        await self._until(lambda: not self.under_way)

    async def left(self) -> None:
        """Return once no connection is open."""
        await self._until(lambda: not self.connections)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        try:
            while not writer.is_closing():
                call = await _read_call(reader, writer)
                self.calls.append(call)
                self.under_way += 1
                try:
                    await self.script[call.step](call)
                finally:
                    self.under_way -= 1
                    self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            self._changed.set()
            writer.close()


async def _read_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    body = await reader.readexactly(length)
    return Call(first.split(b"/")[1].decode(), json.loads(body or b"{}"), reader, writer)


@contextlib.asynccontextmanager
async def fault_upstream(port: int = 0) -> AsyncIterator[FaultUpstream]:
    """Serve at `port`, or any free one, until the context ends."""
    upstream = FaultUpstream()
    open_writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        try:
            await upstream.serve(reader, writer)
        finally:
            open_writers.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for writer in tuple(open_writers):
            writer.transport.abort()
        await server.wait_closed()
        await upstream.left()


@contextlib.contextmanager
def refusing_url() -> Iterator[str]:
    """The base URL of a port where nobody listens, kept from others meanwhile."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/v1"


def framed(data: bytes) -> bytes:
    """A chunk of HTTP/1.1's chunked coding (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(content: Any = None, finish: str | None = None, **members: Any) -> bytes:
    """One event of a stream; content None = an empty delta."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice], **members}
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def whole_stream(*contents: Any) -> list[bytes]:
    """The events of a stream that ends well."""
    said = [event(content) for content in contents or ("Gr\u00fc\u00dfe ", "aus ", "K\u00f6ln")]
    return [*said, event(finish="stop"), event(choices=[], usage=USAGE), b"data: [DONE]\n\n"]


def whole_answer(content: Any = "A share of a GPU.") -> bytes:
    """The body of a plain answer."""
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    answer = {"id": "c1", "object": "chat.completion", "created": 7, "model": "m", "choices": [choice], "usage": USAGE}
    return json.dumps(answer).encode()


def http_answer(status: int, body: bytes, kind: str = "application/json", header: str = "") -> bytes:
    """A response that is framed by its length."""
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{header}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body
