"""The whole application in this process: a real database in memory, the real transport, providers on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from gateway.adapters.host import PySha3Hasher, SystemClock, SystemIds
from gateway.adapters.provider_transport import ProviderTransport
from gateway.adapters.sqlite_database import SqliteDatabase
from gateway.simulator.exchange import Simulator, SimulatorSettings
from gateway.simulator.pace import Pacing
from gateway.simulator.transport import SimulatorTransport
from tests.contracts.misbehaving_server import Server, close_at_once
from worker.app import create_app
from worker.classification import ReferenceScorer
from worker.configuration import read_configuration
from worker.mediator import Mediator
from worker.ports import Sql, SqlRow
from worker.services import Services
from worker.sessions.spool import Spool
from worker.telemetry import Observer
from worker.upstream.dispatch import Dispatcher, UpstreamLimits

QUESTION = {"role": "user", "content": "What is a vGPU?"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
EVENT_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
#: Bounds every wait for something that happens at once, or never because of a fault.
PATIENCE_S = 10


def ask(**fields: Any) -> dict[str, Any]:
    """A chat body."""
    return {"model": "auto", "messages": [QUESTION], **fields}


class Auditor:
    """Looks on before every commit, once there are tables: no account holds or has spent more than it may."""

    def __init__(self) -> None:
        self.is_looking = False

    def __call__(self, sql: Sql) -> None:
        if self.is_looking:
            wrong = "SELECT * FROM account WHERE spent + reserved > cap + overrun OR reserved < 0 OR spent < 0"
            assert sql.execute(wrong) == []


class Application:
    """`create_app` with everything behind it, and what can be asked of its state. `kept`: the spool's database."""

    services: Services
    kept: SqliteDatabase

    def __init__(self, app: Starlette, database: SqliteDatabase, mediator: Mediator, clock: SystemClock) -> None:
        self.app = app
        self.mediator = mediator
        self.clock = clock
        self._database = database
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost/v1")

    async def rows(self, statement: str) -> list[SqlRow]:
        return await self._database.transact(lambda sql: sql.execute(statement))

    async def money(self) -> tuple[int, int, int]:
        """Spent, reserved and overrun of all accounts together, in micro-dollars."""
        rows = await self.rows("SELECT spent, reserved, overrun FROM account")
        spent, reserved, overrun = (sum(int(str(row[column])) for row in rows) for column in range(3))
        return spent, reserved, overrun

    async def entries(self, kind: str) -> int:
        """How many entries of a kind the ledger has."""
        rows = await self.rows("SELECT kind FROM ledger")
        return [row[0] for row in rows].count(kind)

    async def none_open(self) -> None:
        """Wait until every decision is settled."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.rows("SELECT 1 FROM decision WHERE state = 'open'"):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)

    async def settled(self) -> dict[str, Any]:
        """The only decision, once it is no longer open; it must have been settled once and only once."""
        await self.none_open()
        rows = await self.rows("SELECT tenant, decision_id FROM decision")
        assert len(rows) == 1
        assert await self.entries("SESSION_COMPLETION") == 1
        assert await self.rows("SELECT COUNT(*) FROM outbox") == [(1,)]
        spent, reserved, _ = await self.money()
        record = await self.mediator.read(str(rows[0][0]), str(rows[0][1]))
        assert record is not None
        assert (reserved, spent) == (0, record["charged_usd_micros"])
        return record


@contextlib.asynccontextmanager
async def application(
    request_us: int = 60_000_000,
    last_send_us: int = 10_000_000,
    upstream: UpstreamLimits | None = None,
    observer: Observer | None = None,
    pacing: Pacing | None = None,
    **settings: str,
) -> AsyncIterator[Application]:
    """The application under `settings`; open to everyone unless they name tokens. `pacing`: of the simulator."""
    configuration = read_configuration({"HARPOON_OPEN": "1", **settings})
    auditor = Auditor()
    database = SqliteDatabase(":memory:", commit_listener=auditor)
    await database.open()
    hasher, clock = PySha3Hasher(), SystemClock()
    await hasher.load()
    mediator = Mediator(database, hasher, configuration.mediator_config(hasher), configuration.answers(clock))
    await mediator.open()
    auditor.is_looking = True
    kept = SqliteDatabase(":memory:")
    await kept.open()
    spool = Spool(kept, configuration.sessions.spool_max_events)
    await spool.open()
    models = frozenset(route.served_id for route in configuration.catalogue.routes if route.simulated)
    simulator = Simulator(SimulatorSettings(models), clock, pacing)
    transport = ProviderTransport(simulator=SimulatorTransport(simulator))
    services = Services(
        mediator=mediator,
        dispatcher=Dispatcher(transport, configuration.access, upstream or UpstreamLimits()),
        scorer=ReferenceScorer(),
        clock=clock,
        ids=SystemIds(),
        catalogue=configuration.catalogue,
        configured=configuration.configured,
        keyring=configuration.keyring(),
        admin_digest=configuration.admin_digest,
        guard=configuration.guard,
        telemetry=replace(configuration.telemetry, observer=observer),
        cache=configuration.cache,
        limits=replace(configuration.limits, request_us=request_us, last_send_us=last_send_us),
        sessions=configuration.sessions,
        spool=spool,
    )
    harness = Application(create_app(services), database, mediator, clock)
    harness.kept = kept
    harness.services = services
    try:
        yield harness
    finally:
        await harness.client.aclose()
        await transport.aclose()
        await kept.close()
        await database.close()


@contextlib.asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application behind a real server on a real socket."""
    # Only where a socket names its protocol does asyncio switch off the delay of small writes.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(app, http="httptools", lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    try:
        async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=PATIENCE_S) as client:
            yield client
    finally:
        server.should_exit = True
        await running
        listening.close()


async def stream_to(harpoon: Application, on_body: Callable[[bytes], Awaitable[None]], **fields: Any) -> None:
    """Ask for a stream in this very task, as a server would; `on_body` is a client that reads as it likes."""
    body = json.dumps(ask(stream=True, **fields)).encode()
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await on_body(message["body"])

    path = "/v1/chat/completions"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    await harpoon.app({**scope, "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 9)}, receive, send)


async def read_call(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The JSON body of the request a provider was sent."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    body: dict[str, Any] = json.loads(await reader.readexactly(int(length.partition(b":")[2])))
    return body


def chunk_bytes(content: str | None, finish: str | None = None, **members: Any) -> bytes:
    """One event of a provider's stream, framed for HTTP; content None = an empty delta."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice], **members}
    return framed(b"data: " + json.dumps(event).encode() + b"\n\n")


def framed(data: bytes) -> bytes:
    """A chunk of HTTP/1.1's chunked coding (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


USAGE_CHUNK = chunk_bytes(None, choices=[], usage=USAGE)
DONE_CHUNK = framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Provider:
    """A provider whose every call is played by `play`; keeps the bodies it was sent."""

    def __init__(self, play: Callable[[asyncio.StreamWriter, asyncio.StreamReader], Awaitable[None]]) -> None:
        self.calls: list[dict[str, Any]] = []
        self.play = play

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls.append(await read_call(reader))
        await self.play(writer, reader)


def says(*parts: bytes) -> Provider:
    """A provider that writes these bytes and closes the connection."""

    async def play(writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return Provider(play)


def answers(content: str = "A share of a GPU.", usage: Any = USAGE, status: int = 200) -> Provider:
    """A provider of plain answers."""
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    value = {"id": "c1", "object": "chat.completion", "created": 7, "model": "m", "choices": [choice], "usage": usage}
    return says(http_answer(status, json.dumps(value).encode()))


def refuses(status: int, body: bytes = b"{}", header: str = "") -> Provider:
    return says(http_answer(status, body, header))


def http_answer(status: int, body: bytes, header: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{header}"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


def streams(*contents: str) -> Provider:
    """A provider of well-behaved streams."""
    pieces = [chunk_bytes(content) for content in contents]
    return says(EVENT_STREAM, *pieces, chunk_bytes(None, "stop"), USAGE_CHUNK, DONE_CHUNK)


def answers_bytes() -> bytes:
    return http_answer(200, json.dumps({"choices": [{"message": {"content": "hi"}}]}).encode())


@contextlib.asynccontextmanager
async def two_providers(first: Provider | None, second: Provider, **settings: Any) -> AsyncIterator[Application]:
    """hosted.ai and OpenAI, played by these; None = nobody listens there."""
    async with Server(first or close_at_once) as hosted, Server(second) as openai:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = hosted.port if first is not None else unused.getsockname()[1]
            async with application(
                HOSTED_AI_BASE_URL=f"http://127.0.0.1:{port}",
                OPENAI_BASE_URL=f"http://127.0.0.1:{openai.port}/v1",
                **settings,
            ) as harpoon:
                yield harpoon


@contextlib.asynccontextmanager
async def one_provider(play: Any, **settings: Any) -> AsyncIterator[tuple[Application, Server]]:
    """hosted.ai alone."""
    async with (
        Server(Provider(play)) as server,
        application(HOSTED_AI_BASE_URL=f"http://127.0.0.1:{server.port}", **settings) as harpoon,
    ):
        yield harpoon, server


def causes(record: dict[str, Any]) -> list[str]:
    return [cause for _, cause, _, _ in record["outcome"]["attempts"]]


async def gone(server: Server) -> None:
    """The gateway has closed its connection to the provider."""
    await asyncio.wait_for(server.gone.wait(), PATIENCE_S)
