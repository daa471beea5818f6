"""An upstream the edge tests hold in their hand: it sends each piece when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(slots=True)
class HeldConnection:
    """One request, read by the server and now in the test's hand."""

    request: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, content: bytes) -> None:
        """Write raw bytes at once."""
        self.writer.write(content)
        await self.writer.drain()

    async def send_chunk(self, content: bytes) -> None:
        """Write one chunk of a chunked body; an empty one ends it."""
        await self.send(b"%x\r\n%s\r\n" % (len(content), content))

    async def wait_closed_by_peer(self) -> None:
        """Return once the other side has hung up."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    async def answer(self, content: bytes) -> None:
        """A whole JSON answer, after which the connection ends."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        await self.send(head % len(content) + content)
        self.writer.close()

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


@dataclass(slots=True)
class HeldUpstream:
    """A listening upstream; `accept` gives the next request."""

    url: str
    connections: asyncio.Queue[HeldConnection] = field(default_factory=asyncio.Queue)

    async def accept(self) -> HeldConnection:
        return await self.connections.get()


@contextlib.asynccontextmanager
async def held_upstream(port: int = 0) -> AsyncIterator[HeldUpstream]:
    """Serve until the context ends, at `port` or any free one; every connection carries one request."""
    opened: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            await upstream.connections.put(HeldConnection(head, reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    upstream = HeldUpstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield upstream
    finally:
        server.close()
        for writer in opened:
            writer.transport.abort()
        await server.wait_closed()
