"""Servers whose behaviour is known, over real TCP, and a clock that only they move.

A server passes time in lockstep with the probe: it writes, waits until the probe has looked at the clock, and only then
lets time pass. So every time in a test is exact, however slow the machine is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.adapters.provider_transport import ProviderTransport, TransportSettings
from gateway.probe.endpoint import Endpoint
from gateway.probe.limits import Limits, Price
from gateway.probe.run import Found, Plan, look, probe
from worker.ports import Timer

KEY = "sk-canary-of-the-probe"
FREE = Price(0, 0, "as given")
MS = 1_000
SECOND = 1_000_000
#: More tries than any wait here needs, on any machine.
_LOOKS = 20_000


class LockstepClock:
    """A `worker.ports.Clock` that stands still unless a server, or a sleep, moves it."""

    def __init__(self) -> None:
        self.us = 1_000_000_000
        self.looks = 0
        self.slept: list[int] = []
        self._timeouts: list[asyncio.Timeout] = []

    def now_us(self) -> int:
        return self.us

    def monotonic_us(self) -> int:
        self.looks += 1
        return self.us

    def timeout(self, delay_us: int) -> AbstractAsyncContextManager[object]:
        timeout = asyncio.timeout(None)
        self._timeouts.append(timeout)
        return timeout

    def expire(self) -> None:
        """Let the last timeout that was set end its body, now."""
        self._timeouts[-1].reschedule(asyncio.get_running_loop().time())

    async def sleep(self, delay_us: int) -> None:
        self.slept.append(delay_us)
        self.us += delay_us

    def call_later(self, delay_us: int, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(0, callback)

    async def looked(self, before: int) -> None:
        """Wait until somebody has looked at the clock since it had been looked at `before` times."""
        for _ in range(_LOOKS):
            if self.looks > before:
                return
            await asyncio.sleep(0.001)
        raise AssertionError("nobody looked at the clock")


class Asked(NamedTuple):
    """A request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def number(self) -> int:
        """Of a timed request, by its prompt; 0 for another."""
        try:
            text = self.json["messages"][-1]["content"]
        except (ValueError, KeyError, TypeError, IndexError):
            return 0
        return int(text.split()[1].rstrip(".")) if text.startswith("Task ") else 0


class Answering:
    """Writes one answer; `spend` passes time once what was written has been seen."""

    def __init__(self, writer: asyncio.StreamWriter, clock: LockstepClock) -> None:
        self._writer = writer
        self.clock = clock

    async def whole(self, status: int, body: bytes | Mapping[str, Any], **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self._writer.write(f"HTTP/1.1 {status} X\r\n{head}content-length: {len(data)}\r\n\r\n".encode() + data)
        await self._writer.drain()

    async def begin(self, content_type: str = "text/event-stream", **headers: str) -> None:
        named = {"content-type": content_type, **{name.replace("_", "-"): text for name, text in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        await self.seen(f"HTTP/1.1 200 X\r\n{head}transfer-encoding: chunked\r\n\r\n".encode())

    async def piece(self, data: bytes) -> None:
        await self.seen(b"%x\r\n%b\r\n" % (len(data), data))

    async def seen(self, data: bytes) -> None:
        """Write, and wait until the probe has noted when it came."""
        before = self.clock.looks
        self._writer.write(data)
        await self._writer.drain()
        await self.clock.looked(before)

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def spend(self, us: int) -> None:
        self.clock.us += us


Behaviour = Callable[[Asked, Answering], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(behave: Behaviour, clock: LockstepClock) -> AsyncIterator[str]:
    """A server on the loopback that behaves so; its base URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await behave(await _read(reader), Answering(writer, clock))
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Asked:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    pairs = (line.partition(": ") for line in lines[1:] if line)
    headers = {name.lower(): value for name, _, value in pairs}
    return Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def chunk(content: str | None = None, *, finish: str | None = None, **members: Any) -> dict[str, Any]:
    """A conformant chunk."""
    delta: dict[str, Any] = {} if content is None else {"role": "assistant", "content": content}
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return {**head, "choices": choices, **members}


def event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


USAGE = {"prompt_tokens": 12, "completion_tokens": 10, "total_tokens": 22}


@dataclass
class Model:
    """A conformant server, but for what is set. Times in microseconds.

    pieces: of a streamed answer; first_us before the first of them, gap_us before each other. buffered: all at the end.
    spoil: changes whole answers, or each chunk. headers: of every chat answer. asked: all requests in order.
    """

    models: tuple[str, ...] = ("m",)
    pieces: int = 10
    first_us: int = 50 * MS
    gap_us: int = 20 * MS
    buffered: bool = False
    stream_type: str = "text/event-stream"
    spoil: Callable[[dict[str, Any]], Any] = lambda value: value
    spoil_chunk: Callable[[dict[str, Any]], Any] = lambda value: value
    done: bytes = event(b"[DONE]")
    headers: dict[str, str] = field(default_factory=lambda: {"x_request_id": "req_1", "openai_processing_ms": "1"})
    pages: dict[str, tuple[int, bytes | Mapping[str, Any]]] = field(default_factory=dict)
    listed: Mapping[str, Any] | None = None
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, asked: Asked, answer: Answering) -> None:
        self.asked.append(asked)
        if asked.method == "GET":
            await self.page(asked, answer)
        elif problem := self.problem(asked):
            await answer.whole(*problem)
        elif asked.json.get("stream"):
            await self.stream(asked, answer)
        else:
            await self.plain(asked, answer)

    async def page(self, asked: Asked, answer: Answering) -> None:
        listed = [{"id": one, "object": "model", "created": 1, "owned_by": "tests"} for one in self.models]
        pages: dict[str, tuple[int, Any]] = {f"/v1/models/{one['id']}": (200, one) for one in listed}
        pages["/v1/models"] = (200, self.listed or {"object": "list", "data": listed})
        found = (pages | self.pages).get(asked.path, (404, refused("nothing is here", "not_found")))
        await answer.whole(*found)

    def problem(self, asked: Asked) -> tuple[int, Any] | None:
        """What a request is refused with."""
        try:
            body = asked.json
        except ValueError:
            return 400, refused("no JSON", "bad_json")
        if not isinstance(body, dict):
            return 400, refused("no object", "bad_type")
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or messages[0].get("role") not in ("user", "system"):
            return 400, refused("bad messages", "bad_messages")
        if not isinstance(body.get("max_tokens", body.get("max_completion_tokens", 1)), int):
            return 400, refused("bad max_tokens", "bad_type")
        if body.get("temperature", 0) > 2:
            return 400, refused("bad temperature", "bad_value")
        return None if body.get("model") in self.models else (404, refused("no such model", "model_not_found"))

    async def plain(self, asked: Asked, answer: Answering) -> None:
        answer.spend(self.first_us)
        await answer.whole(200, self.spoil(self.answer_to(asked.json)), **self.headers)

    def answer_to(self, body: dict[str, Any]) -> dict[str, Any]:
        text = "Red" if "stop" in body else "Red, yellow, blue."
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if "response_format" in body:
            message["content"] = '{"colours": ["red", "yellow", "blue"]}'
        if "tools" in body:
            call = {"id": "call_1", "type": "function", "function": {"name": "paint", "arguments": "{}"}}
            message = {**message, "content": None, "tool_calls": [call]}
        logprobs = {"content": [], "refusal": None} if body.get("logprobs") else None
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
        choices = [{**choice, "index": at} for at in range(body.get("n", 1))]
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m"}
        return {**head, "choices": choices, "usage": USAGE}

    async def stream(self, asked: Asked, answer: Answering) -> None:
        has_usage = bool(asked.json.get("stream_options", {}).get("include_usage"))
        await answer.begin(self.stream_type, **self.headers)
        held = []
        for at in range(self.pieces):
            answer.spend(self.gap_us if at else self.first_us)
            data = event(self.spoil_chunk(chunk(f"w{at} ", **({"usage": None} if has_usage else {}))))
            if self.buffered:
                held.append(data)
            else:
                await answer.piece(data)
        last = [self.spoil_chunk(chunk(finish="stop", **({"usage": None} if has_usage else {})))]
        if has_usage:
            last.append(self.spoil_chunk({**chunk(), "choices": [], "usage": USAGE}))
        await answer.piece(b"".join(held) + b"".join(event(one) for one in last) + self.done)
        await answer.end()


def refused(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


async def probed(
    behave: Behaviour,
    plan: Plan | None = None,
    *,
    limits: Limits | None = None,
    price: Price = FREE,
    key: str = "",
    clock: LockstepClock | None = None,
) -> Found:
    """All that a probe finds out about a server that behaves so."""
    clock = clock or LockstepClock()
    transport = ProviderTransport(settings=TransportSettings())
    async with serving(behave, clock) as base:
        found = Found(plan or Plan(warm=2, most=1), limits or Limits(seconds=100_000), clock.us)
        try:
            await look(Endpoint(base, key, transport, clock, 60 * SECOND), found)
            await probe(found, price, lambda: None)
        finally:
            await transport.aclose()
    return found


def verdicts(found: Found) -> dict[str, str]:
    """Each item's verdict."""
    return {one.id: one.verdict.value for one in found.items}


def faults(found: Found, name: str) -> Iterable[str]:
    """What was seen of an item."""
    return next(one.faults for one in found.items if one.id == name)
