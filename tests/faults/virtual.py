"""The application on virtual time over providers in memory: what waits, waits exactly as long as it should."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx

from bench.virtual_time import VirtualClock, VirtualLoop
from gateway.adapters.host import PySha3Hasher
from gateway.adapters.sqlite_database import SqliteDatabase
from tests.faults.upstream import whole_answer, whole_stream
from tests.faults.world import STEPS, catalogue_text, chat
from worker.app import create_app
from worker.classification import ReferenceScorer
from worker.configuration import read_configuration
from worker.mediator import Mediator
from worker.services import Services
from worker.upstream.dispatch import Dispatcher, UpstreamLimits

T = TypeVar("T")
S = 1_000_000
#: Answers one call of a provider in memory.
Play = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Chunks(httpx.AsyncByteStream):
    """A body that arrives as its generator says; `closed` once somebody has closed it."""

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        self.closed = True
        await self._chunks.aclose()


def response(request: httpx.Request, chunks: AsyncGenerator[bytes, None], kind: str) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": kind}, stream=Chunks(chunks), request=request)


async def one(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


def answers(after_s: float = 0) -> Play:
    """A good answer, or a good stream all at once."""

    async def play(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(after_s)
        if json.loads(request.content).get("stream"):
            return response(request, one(b"".join(whole_stream())), "text/event-stream")
        return response(request, one(whole_answer()), "application/json")

    return play


def fails(status: int, **headers: str) -> Play:
    async def play(request: httpx.Request) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, headers=named, stream=Chunks(one(b"{}")), request=request)

    return play


def raises(problem: type[httpx.TransportError]) -> Play:
    async def play(request: httpx.Request) -> httpx.Response:
        raise problem("no", request=request)

    return play


def streams(*pieces: bytes | float) -> Play:
    """A stream of these bytes, with pauses of so many seconds."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                await asyncio.sleep(piece)

    async def play(request: httpx.Request) -> httpx.Response:
        return response(request, chunks(), "text/event-stream")

    return play


class Middle:
    """`worker.ports.Ids` whose every draw is in the middle."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_80000000{self._count:010x}{0:014x}"


@dataclass(slots=True)
class Transport(httpx.AsyncBaseTransport):
    """Plays the script, one call after the other, the last one again and again; `calls`: when, and of which step."""

    script: list[Play]
    calls: list[tuple[float, str]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        play = self.script[min(len(self.calls), len(self.script) - 1)]
        self.calls.append((round(asyncio.get_running_loop().time(), 6), request.url.path.split("/")[1]))
        return await play(request)


@dataclass(slots=True)
class Answer:
    """What a client got: the status, the headers, and each piece of the body with the second it came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    ended_s: float = 0

    @property
    def text(self) -> str:
        return b"".join(piece for _, piece in self.pieces).decode()

    @property
    def error(self) -> Any:
        """The error of the body, or of a stream's last event."""
        return json.loads(self.text.split("data: ")[-1])["error"]


class World:
    """The application and its books."""

    def __init__(self, script: list[Play]) -> None:
        self.transport = Transport(script)
        self.database = SqliteDatabase(":memory:")
        self.services: Services

    async def open(self, **settings: str) -> None:
        bases = {f"{name.replace('-', '_').upper()}_BASE_URL": f"http://x.test/{step}" for name, step in STEPS.items()}
        given = {"HARPOON_OPEN": "1", "HARPOON_CATALOGUE_JSON": catalogue_text(), **bases, **settings}
        configuration, hasher = read_configuration(given), PySha3Hasher()
        await hasher.load()
        await self.database.open()
        mediator = Mediator(self.database, hasher, configuration.mediator_config(hasher))
        await mediator.open()
        self.services = Services(
            mediator=mediator,
            dispatcher=Dispatcher(self.transport, configuration.access, UpstreamLimits()),
            scorer=ReferenceScorer(),
            clock=VirtualClock(),
            ids=Middle(),
            catalogue=configuration.catalogue,
            configured=configuration.configured,
            keyring=configuration.keyring(),
            limits=replace(configuration.limits),
        )

    async def ask(self, leaves_s: float | None = None, **fields: Any) -> Answer:
        """One request, from a client that leaves after so many seconds, or stays."""
        loop, answer = asyncio.get_running_loop(), Answer()
        messages = [{"type": "http.request", "body": json.dumps(chat(**fields)).encode()}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await asyncio.sleep(10_000_000 if leaves_s is None else leaves_s)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert not answer.status
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            elif message.get("body"):
                assert answer.status
                answer.pieces.append((round(loop.time(), 6), message["body"]))

        path = "/v1/chat/completions"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        headers = [(b"host", b"127.0.0.1")]
        await create_app(self.services)({**scope, "headers": headers, "client": ("127.0.0.1", 9)}, receive, send)
        answer.ended_s = round(loop.time(), 1)  # without the moment a settlement waits for company
        return answer

    async def records(self) -> list[dict[str, Any]]:
        """Every decision, oldest first; none of them may be open."""
        query = "SELECT decision_id, state FROM decision ORDER BY at_us"
        rows = await self.database.transact(lambda sql: sql.execute(query))
        assert all(state != "open" for _, state in rows)
        found = [await self.services.mediator.read("local", str(row[0])) for row in rows]
        return [record for record in found if record is not None]


def play(script: list[Play], story: Callable[[World], Coroutine[Any, Any, T]], **settings: str) -> T:
    """Run a story on virtual time; nothing may be left running behind it."""

    async def whole() -> T:
        world = World(script)
        await world.open(**settings)
        try:
            return await story(world)
        finally:
            await world.database.close()
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())
