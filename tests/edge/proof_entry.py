"""A Worker that exercises each adapter, for tests/edge/test_adapters.py; never deployed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import traceback
from collections.abc import AsyncIterator
from typing import Any

import database_contract
import httpx
import spool_contract
from decide_routes import DECIDE_ROUTES
from kernel_routes import KERNEL_ROUTES
from pool_routes import POOL_ROUTES
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from workers import WorkerEntrypoint

from worker.edge.asgi import Receive, Send, serve
from worker.edge.bindings import MediatorStub, read_variable
from worker.edge.fetch_transport import FetchTransport
from worker.edge.mediator_agent import MediatorObject, ObjectHost
from worker.errors import StateError

__all__ = ["Default", "MediatorAgent", "SessionSpool"]

MAX_BODY_BYTES = 100_000
# Cloudflare compresses text of most other types for a client that accepts it, and a compressor holds small chunks back.
EVENT_STREAM = "text/event-stream"
EVENT_HEADERS = [(b"content-type", EVENT_STREAM.encode())]
MAX_SAFE = 2**53 - 1


class StoryError(Exception):
    """Raised by a transaction on purpose."""


class ProofMediator:
    """Counters in the tenant's database, and the stories of the Database contract."""

    def __init__(self, host: ObjectHost) -> None:
        self._host = host

    async def prepare(self) -> ProofMediator:
        def create(sql: Any) -> None:
            sql.execute("CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
            sql.execute("CREATE TABLE IF NOT EXISTS cell (id INTEGER PRIMARY KEY, value)")

        if not self._host.name.startswith("case_"):  # a case of the contract wants an empty database
            await self._host.database.transact(create)
        return self

    async def admit(self, json_text: str) -> str:
        """Add one to the named counter."""
        name = json.loads(json_text)["counter"]

        def increment(sql: Any) -> int:
            rows = sql.execute(
                "INSERT INTO counter VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
                name,
            )
            return rows[0][0]

        return json.dumps({"value": await self._host.database.transact(increment)})

    async def read(self, json_text: str) -> str:
        name = json.loads(json_text)["counter"]
        rows = await self._host.database.transact(
            lambda sql: sql.execute("SELECT value FROM counter WHERE name = ?", name)
        )
        return json.dumps({"value": rows[0][0] if rows else 0, "object": self._host.name})

    async def settle(self, _json_text: str) -> str:
        """Ask for an alarm now; it adds one to the counter `alarm`."""
        await self._host.set_alarm(self._host.clock.now_us())
        return "{}"

    async def alarm(self) -> None:
        await self.admit('{"counter": "alarm"}')

    async def advance(self, json_text: str) -> str:
        story = json.loads(json_text)["story"]
        if story.startswith("case_"):
            return json.dumps(await try_case(self._host, story))
        return json.dumps(await STORIES[story](self._host))


async def try_case(host: ObjectHost, name: str) -> str:
    """Run one case of the contracts of Database and spool; empty when it is kept, else the traceback."""
    try:
        found = getattr(database_contract, name, None) or getattr(spool_contract, name)
        await found(host.database)
    except Exception:
        return traceback.format_exc()
    return ""


async def tell_values(host: ObjectHost) -> Any:
    """Every storable value comes back as it was."""
    values = (None, 0, -1, MAX_SAFE, -MAX_SAFE, "", "grüße 🐋\0end", b"", bytes(range(256)))

    def write_and_read(sql: Any) -> list[Any]:
        sql.execute("DELETE FROM cell")
        for index, value in enumerate(values):
            sql.execute("INSERT INTO cell VALUES (?, ?)", index, value)
        return sql.execute("SELECT id, value, typeof(value) FROM cell ORDER BY id")

    rows = await host.database.transact(write_and_read)
    return {
        "equal": [row[:2] for row in rows] == list(enumerate(values)),
        "types": [type(row[1]).__name__ for row in rows],
        "stored": [row[2] for row in rows],
    }


async def tell_rollback(host: ObjectHost) -> Any:
    """A transaction's own exception comes out as the same object, and nothing of it stays."""
    original = StoryError("on purpose")

    def write_and_fail(sql: Any) -> None:
        sql.execute("INSERT INTO counter VALUES ('rolled back', 1)")
        raise original

    try:
        await host.database.transact(write_and_fail)
    except StoryError as exc:
        same = exc is original
    rows = await host.database.transact(lambda sql: sql.execute("SELECT * FROM counter WHERE name = 'rolled back'"))
    return {"same": same, "rows": rows}


async def tell_refusals(host: ObjectHost) -> Any:
    """What can't be stored exactly, or isn't SQL, is a StateError and nothing else."""
    attempts = {
        "above": ("INSERT INTO cell (value) VALUES (?)", [MAX_SAFE + 1]),
        "below": ("INSERT INTO cell (value) VALUES (?)", [-MAX_SAFE - 1]),
        "float": ("INSERT INTO cell (value) VALUES (?)", [0.5]),
        "surrogate": ("INSERT INTO cell (value) VALUES (?)", ["\ud800"]),
        "many": (f"SELECT {' + '.join('?' * 101)}", list(range(101))),
        "missing": ("SELECT ?", []),
        "syntax": ("SELEKT 1", []),
        "begin": ("BEGIN", []),
        "savepoint": ("SAVEPOINT a", []),
        "conflict": ("INSERT INTO cell (id) VALUES (1), (1)", []),
        "fraction read": ("SELECT 0.5", []),
        "huge read": ("SELECT 9007199254740993", []),
    }
    outcomes = {}
    for name, (statement, parameters) in attempts.items():
        try:
            await host.database.transact(lambda sql, s=statement, p=parameters: sql.execute(s, *p))
            outcomes[name] = "accepted"
        except Exception as exc:
            outcomes[name] = type(exc).__name__
    return outcomes


async def tell_hundred(host: ObjectHost) -> Any:
    """A hundred parameters are bound in order."""
    statement = f"SELECT {', '.join('?' * 100)}"
    rows = await host.database.transact(lambda sql: sql.execute(statement, *range(100)))
    return rows == [tuple(range(100))]


async def tell_caught(host: ObjectHost) -> Any:
    """A transaction may catch a refused statement, go on, and commit."""

    def catch_and_go_on(sql: Any) -> str:
        sql.execute("DELETE FROM counter WHERE name = 'caught'")
        try:
            sql.execute("SELEKT 1")
        except StateError:
            sql.execute("INSERT INTO counter VALUES ('caught', 7)")
        return "went on"

    outcome = await host.database.transact(catch_and_go_on)
    rows = await host.database.transact(lambda sql: sql.execute("SELECT value FROM counter WHERE name = 'caught'"))
    return [outcome, rows]


async def tell_integers(host: ObjectHost) -> Any:
    """Where a bound integer meets a typed column, a LIMIT or a CAST, it is an integer."""

    def calculate(sql: Any) -> list[Any]:
        sql.execute("INSERT OR REPLACE INTO counter VALUES ('sum', ?)", 7)
        sql.execute("UPDATE counter SET value = value + ? WHERE value >= ? AND name = 'sum'", MAX_SAFE - 7, 7)
        stored = sql.execute("SELECT value, typeof(value) FROM counter WHERE name = 'sum' LIMIT ?", 1)
        return [*stored, *sql.execute("SELECT CAST(? AS INTEGER) / 2", 7)]

    return await host.database.transact(calculate)


async def tell_ports(host: ObjectHost) -> Any:
    """The small ports: hasher, identifiers, clock."""
    await host.hasher.load()
    await host.hasher.load()
    first, second = host.ids.new("ses"), host.ids.new("ses")
    before = host.clock.monotonic_us()
    try:
        async with host.clock.timeout(20_000):
            await asyncio.sleep(20)
    except TimeoutError:
        ended = "TimeoutError"
    return {
        "sha3_256": host.hasher.sha3_256(b"abc").hex(),
        "id": first,
        "distinct": first != second,
        "ended": ended,
        "waited": host.clock.monotonic_us() > before,
        "now_us": host.clock.now_us(),
    }


STORIES = {
    "values": tell_values,
    "rollback": tell_rollback,
    "refusals": tell_refusals,
    "hundred": tell_hundred,
    "caught": tell_caught,
    "integers": tell_integers,
    "ports": tell_ports,
}


class MediatorAgent(MediatorObject):
    @staticmethod
    async def build(host: ObjectHost) -> ProofMediator:
        return await ProofMediator(host).prepare()


class SessionSpool(MediatorAgent):
    """Only because wrangler.toml binds a class of this name."""


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        extensions = {"harpoon.edge": self.env}
        return await serve(app, request, self.ctx, max_body_bytes=MAX_BODY_BYTES, extensions=extensions)


def _mediator(scope: Any) -> MediatorStub:
    return MediatorStub(scope["extensions"]["harpoon.edge"], "proof")


async def health(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def describe(request: Request) -> Response:
    scope = request.scope
    body = await request.body()
    return JSONResponse(
        {
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "scheme": scope["scheme"],
            "server": scope["server"],
            "header": request.headers.get("x-proof"),
            "body_bytes": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "variable": read_variable(scope["extensions"]["harpoon.edge"], "PROOF", "unset"),
        },
        status_code=201,
        headers={"x-answer": "yes"},
    )


async def cookies(_request: Request) -> Response:
    answer = Response(status_code=204)
    answer.set_cookie("a", "1")
    answer.set_cookie("b", "2")
    return answer


async def call_object(request: Request) -> Response:
    stub = MediatorStub(request.scope["extensions"]["harpoon.edge"], request.query_params.get("tenant", "proof"))
    answer = await getattr(stub, request.path_params["method"])((await request.body()).decode())
    return Response(answer, media_type="application/json")


async def pass_through(request: Request) -> Response:
    """Stream an upstream's answer, or its failure."""
    read_s = request.query_params.get("read_s")
    timeout = {"connect": float(read_s), "read": float(read_s)} if read_s else {}
    outgoing = httpx.Request(
        request.method,
        request.query_params["url"],
        headers={"x-proof": "through", "connection": "close", "accept-encoding": "identity"},
        content=await request.body(),
        extensions={"timeout": timeout},
    )
    try:
        answer = await FetchTransport().handle_async_request(outgoing)
    except httpx.TransportError as exc:
        return PlainTextResponse(type(exc).__name__, status_code=502)
    headers = {f"up-{name}": value for name, value in answer.headers.items()}
    kind = answer.headers.get("content-type")
    return StreamingResponse(answer.aiter_raw(), status_code=answer.status_code, headers=headers, media_type=kind)


async def paced(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for index in range(5):
            await asyncio.sleep(0.1)
            yield b"%d;" % index

    return StreamingResponse(chunks(), media_type=EVENT_STREAM)


async def broken(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.sleep(int(request.query_params.get("ms", "0")) / 1000)
        raise StoryError("in mid-stream")

    return StreamingResponse(chunks(), media_type=EVENT_STREAM)


async def fail(_request: Request) -> Response:
    raise StoryError("secret words")


class Endless:
    """Streams until the client leaves, then does its accounting: the shape of the chat endpoint."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        gone = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_HEADERS})
        sent = 0
        while not gone.done():
            await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
            sent += 1
            await asyncio.sleep(0.01)
        assert (await gone)["type"] == "http.disconnect"
        await asyncio.sleep(0.2)
        stub = _mediator(scope)
        await stub.admit('{"counter": "left"}')


class Afterwards:
    """Works on after its last byte."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})
        await asyncio.sleep(0.2)
        await _mediator(scope).admit('{"counter": "afterwards"}')


class Unread:
    """Offers 200 MB and counts the megabytes that were taken."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_HEADERS})
        gone = asyncio.ensure_future(receive())
        for _ in range(200):
            await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
            if gone.done():
                break
            await _mediator(scope).admit('{"counter": "taken"}')
        await _mediator(scope).admit('{"counter": "unread ended"}')


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/describe/{rest:path}", describe, methods=["GET", "POST"]),
        Route("/cookies", cookies),
        *KERNEL_ROUTES,
        *DECIDE_ROUTES,
        *POOL_ROUTES,
        Route("/object/{method}", call_object, methods=["POST"]),
        Route("/through", pass_through, methods=["GET", "POST"]),
        Route("/paced", paced),
        Route("/broken", broken),
        Route("/fail", fail),
        Route("/endless", Endless()),
        Route("/afterwards", Afterwards()),
        Route("/unread", Unread()),
    ]
)
