"""A receiver of webhooks as the edge tests run it: it keeps what it is sent, and answers what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Delivered(NamedTuple):
    """One request that was answered with yes. `headers`: under lower-case names."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


@dataclass(slots=True)
class Receiver:
    """What came in, and what is answered: `answers` by path, 204 where there is nothing, 0 = the connection breaks."""

    answers: dict[str, int] = field(default_factory=dict)
    taken: list[Delivered] = field(default_factory=list)
    refused: int = 0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def of(self, path: str) -> list[dict[str, Any]]:
        """The events that one path has taken, in the order of their coming."""
        return [one.event for one in self.taken if one.path == path]

    def ids(self, path: str) -> list[str]:
        return [event["event_id"] for event in self.of(path)]

    async def until(self, path: str, event_ids: set[str], patience_s: float = 40) -> None:
        """Return once the path has taken all of these events."""
        async with asyncio.timeout(patience_s), self.arrived:
            while not event_ids <= set(self.ids(path)):
                await self.arrived.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                path = first.split(" ")[1]
                pairs = [line.partition(":") for line in lines if line]
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status = self.answers.get(path, 204)
                async with self.arrived:
                    if 200 <= status < 300:
                        self.taken.append(Delivered(path, headers, body))
                    else:
                        self.refused += 1
                    self.arrived.notify_all()
                if not status:
                    break
                writer.write(b"HTTP/1.1 %d So\r\ncontent-length: 0\r\n\r\n" % status)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiving(port: int, receiver: Receiver) -> AsyncIterator[Receiver]:
    """Listen at `port` until the context ends; nobody is there before and after."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await receiver.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield receiver
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
