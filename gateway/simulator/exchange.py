"""Decides the HTTP answer to each request of the simulator; the ASGI app and the in-process transport both serve it.

Paths: POST /v1/chat/completions, /v1/responses and /v1/embeddings; GET /v1/models, /v1/models/{id} and /health. A
streamed answer is an async iterator of whole SSE events; whoever stops reading closes it, and nothing is left running.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field

from gateway.simulator import respond
from gateway.simulator.chat import Completion, complete, encode, to_chunks, to_error, to_response
from gateway.simulator.embed import embed
from gateway.simulator.pace import POOL_HEADER, POOL_PACES, Pace, Sleep, find_pace
from gateway.simulator.request import ChatRequest, JsonObject, parse_request, read_body
from worker.errors import CallerError, HarpoonError, UnknownModel
from worker.ports import Clock

_DONE = b"data: [DONE]\n\n"
_OWNER = "harpoon-simulator"
_LONGEST_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """What the simulator serves and how fast."""

    models: frozenset[str]
    paces: Mapping[str, Pace] = field(default_factory=lambda: POOL_PACES)
    speed: int = 0  # HARPOON_SIMULATOR_SPEED: how many times the table's pace; 0 = no waiting
    max_body_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        if self.speed < 0:
            raise ValueError(f"speed has to be 0 or more, got {self.speed}")


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer: `body` if it is whole, else `events`, to be closed by whoever reads them."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    events: AsyncGenerator[bytes, None] | None = None


class _NoSuchPath(CallerError):
    status = 404
    code = "not_found"


class _WrongMethod(CallerError):
    status = 405
    code = "method_not_allowed"


class Simulator:
    """The server without its socket."""

    def __init__(self, settings: SimulatorSettings, clock: Clock, sleep: Sleep) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep

    @property
    def max_body_bytes(self) -> int:
        return self._settings.max_body_bytes

    async def reply(self, method: str, path: str, header: Callable[[str], str | None], body: bytes) -> Reply:
        """Answer one request; `header` looks a header up by its lower-case name. Raises nothing a caller can cause."""
        start_us = self._clock.monotonic_us()
        headers = [
            ("x-request-id", _request_id(header("x-request-id"), body)),
            ("x-harpoon-simulated", "1"),
        ]
        try:
            if path == "/v1/chat/completions":
                _allow(method, "POST")
                return await self._reply_to_chat(header(POOL_HEADER), body, headers, start_us)
            if path == "/v1/responses":
                _allow(method, "POST")
                return await self._reply_to_responses(header(POOL_HEADER), body, headers, start_us)
            if path == "/v1/embeddings":
                _allow(method, "POST")
                return await self._reply_to_embeddings(header(POOL_HEADER), body, headers, start_us)
            value = self._look_up(method, path)
        except HarpoonError as error:
            return _whole(error.status, to_error(error), headers)
        return _whole(200, value, headers)

    def _look_up(self, method: str, path: str) -> JsonObject:
        if path == "/health":
            _allow(method, "GET")
            return {"status": "ok", "simulated": True, "models": len(self._settings.models)}
        if path == "/v1/models":
            _allow(method, "GET")
            return {"object": "list", "data": [_describe(model) for model in sorted(self._settings.models)]}
        if path.startswith("/v1/models/"):
            _allow(method, "GET")
            model = path.removeprefix("/v1/models/")
            if model not in self._settings.models:
                raise UnknownModel("The simulator serves no such model.", param="model")
            return _describe(model)
        raise _NoSuchPath("There is nothing at this path; the simulator serves chat, responses, embeddings and models.")

    async def _reply_to_chat(
        self, pool: str | None, data: bytes, headers: list[tuple[str, str]], start_us: int
    ) -> Reply:
        settings = self._settings
        body = read_body(data, max_bytes=settings.max_body_bytes)
        request = parse_request(body, settings.models)
        pace = find_pace(pool, settings.paces) if settings.speed else None
        completion = complete(request, body, lambda: self._clock.now_us() // 1_000_000)
        if request.stream:
            return self._streamed(headers, self._stream(request, completion, pace, start_us), start_us)
        return await self._paced(to_response(completion), completion.answer.completion_tokens, pace, headers, start_us)

    async def _reply_to_responses(
        self, pool: str | None, data: bytes, headers: list[tuple[str, str]], start_us: int
    ) -> Reply:
        settings = self._settings
        body = read_body(data, max_bytes=settings.max_body_bytes)
        request = parse_request(respond.to_chat(body), settings.models)
        pace = find_pace(pool, settings.paces) if settings.speed else None
        completion = complete(request, body, lambda: self._clock.now_us() // 1_000_000)
        if request.stream:
            return self._streamed(headers, self._events(completion, body, pace, start_us), start_us)
        value = respond.to_response(completion, body)
        return await self._paced(value, completion.answer.completion_tokens, pace, headers, start_us)

    async def _reply_to_embeddings(
        self, pool: str | None, data: bytes, headers: list[tuple[str, str]], start_us: int
    ) -> Reply:
        settings = self._settings
        value = embed(read_body(data, max_bytes=settings.max_body_bytes), settings.models)
        pace = find_pace(pool, settings.paces) if settings.speed else None
        return await self._paced(value, 0, pace, headers, start_us)

    def _streamed(self, headers: list[tuple[str, str]], events: AsyncGenerator[bytes, None], start_us: int) -> Reply:
        headers += [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
        headers += [("x-accel-buffering", "no"), ("openai-processing-ms", self._elapsed_ms(start_us))]
        return Reply(200, headers, events=events)

    async def _paced(
        self, value: JsonObject, tokens: int, pace: Pace | None, headers: list[tuple[str, str]], start_us: int
    ) -> Reply:
        """A whole answer, once all its tokens are due."""
        if pace is not None:
            await self._wait_until(start_us + pace.due_us(tokens, self._settings.speed))
        headers.append(("openai-processing-ms", self._elapsed_ms(start_us)))
        return _whole(200, value, headers)

    async def _events(
        self, completion: Completion, body: JsonObject, pace: Pace | None, start_us: int
    ) -> AsyncGenerator[bytes, None]:
        """The events of a streamed response, each when it is due."""
        for tokens, event in respond.to_events(completion, body):
            if pace is not None:
                due = min(tokens, completion.answer.completion_tokens)
                await self._wait_until(start_us + pace.due_us(due, self._settings.speed))
            yield event

    async def _stream(
        self, request: ChatRequest, completion: Completion, pace: Pace | None, start_us: int
    ) -> AsyncGenerator[bytes, None]:
        """The events of a streamed answer, each when it is due: the roles with the first token."""
        roles = completion.choices
        for number, chunk in enumerate(to_chunks(completion, include_usage=request.include_usage)):
            if pace is not None and number % roles == 0:
                tokens = min(number // roles, completion.answer.completion_tokens)
                await self._wait_until(start_us + pace.due_us(tokens, self._settings.speed))
            yield b"data: %b\n\n" % encode(chunk)
        yield _DONE

    async def _wait_until(self, due_us: int) -> None:
        remaining_us = due_us - self._clock.monotonic_us()
        if remaining_us > 0:
            await self._sleep(remaining_us)

    def _elapsed_ms(self, start_us: int) -> str:
        return str((self._clock.monotonic_us() - start_us) // 1_000)


def _allow(method: str, allowed: str) -> None:
    if method != allowed:
        raise _WrongMethod(f"This path answers {allowed} only.")


def _describe(model: str) -> JsonObject:
    return {"id": model, "object": "model", "created": 0, "owned_by": _OWNER}


def _request_id(given: str | None, body: bytes) -> str:
    """The caller's own id if it is plain, else one worked out from the body: the simulator draws no random numbers."""
    if given and len(given) <= _LONGEST_REQUEST_ID and given.isascii() and given.isprintable():
        return given
    return f"req_sim_{hashlib.sha256(body).hexdigest()[:32]}"


def _whole(status: int, value: JsonObject, headers: list[tuple[str, str]]) -> Reply:
    data = encode(value)
    described = [("content-type", "application/json"), ("content-length", str(len(data)))]
    return Reply(status, headers + described, body=data)
