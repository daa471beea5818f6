"""Decides the HTTP answer to each request of the simulator; the ASGI app and the in-process transport both serve it.

Paths: POST /v1/chat/completions, /v1/responses and /v1/embeddings; GET /v1/models, /v1/models/{id} and /health. A
streamed answer is an async iterator of whole SSE events; whoever stops reading closes it, and nothing is left running.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from gateway.simulator import respond
from gateway.simulator.chat import MODEL_SUFFIX, Completion, complete, encode, to_chunks, to_error, to_response
from gateway.simulator.embed import embed
from gateway.simulator.pace import POOL_HEADER, Pacer, Pacing, TellsTime, Timing
from gateway.simulator.request import ChatRequest, JsonObject, parse_request, read_body
from worker.errors import CallerError, HarpoonError, UnknownModel
from worker.routing.pool_readings import HEADER as STATE_HEADER

_DONE = b"data: [DONE]\n\n"
_OWNER = "harpoon-simulator"
_LONGEST_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """What the simulator serves."""

    models: frozenset[str]
    max_body_bytes: int = 1 << 20


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
    """The server without its socket. `pacing`: what answers wait for, None = nothing."""

    def __init__(self, settings: SimulatorSettings, clock: TellsTime, pacing: Pacing | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._pacing = pacing

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
        pool = header(POOL_HEADER)
        if pool and self._pacing is not None:
            headers.append((POOL_HEADER, pool if pool.isascii() and pool.isprintable() else "?"))
        if self._pacing is not None and (told := self._pacing.tells(pool)):
            headers.append((STATE_HEADER, told))
        try:
            if path == "/v1/chat/completions":
                _allow(method, "POST")
                return await self._reply_to_chat(pool, body, headers, start_us)
            if path == "/v1/responses":
                _allow(method, "POST")
                return await self._reply_to_responses(pool, body, headers, start_us)
            if path == "/v1/embeddings":
                _allow(method, "POST")
                return await self._reply_to_embeddings(pool, body, headers, start_us)
            value = self._look_up(method, path)
        except HarpoonError as error:
            return _whole(error.status, to_error(error), headers)
        return _whole(200, value, headers)

    def _look_up(self, method: str, path: str) -> JsonObject:
        if path == "/health":
            _allow(method, "GET")
            return {"status": "ok", "simulated": True, "models": len(self._settings.models)}
        if path == "/v1/pools":
            _allow(method, "GET")
            return {
                "object": "list",
                "simulated": True,
                "data": [] if self._pacing is None else self._pacing.overview(),
            }
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
        pacer = None if self._pacing is None else self._pacing.at(pool)
        completion = complete(request, body, lambda: self._clock.now_us() // 1_000_000)
        if request.stream:
            return self._streamed(headers, self._stream(request, completion, pacer), start_us)
        await _made(completion, pacer)
        return self._made_whole(to_response(completion), headers, start_us)

    async def _reply_to_responses(
        self, pool: str | None, data: bytes, headers: list[tuple[str, str]], start_us: int
    ) -> Reply:
        settings = self._settings
        body = read_body(data, max_bytes=settings.max_body_bytes)
        request = parse_request(respond.to_chat(body), settings.models)
        pacer = None if self._pacing is None else self._pacing.at(pool)
        completion = complete(request, body, lambda: self._clock.now_us() // 1_000_000)
        if request.stream:
            return self._streamed(headers, self._events(completion, body, pacer), start_us)
        await _made(completion, pacer)
        return self._made_whole(respond.to_response(completion, body), headers, start_us)

    async def _reply_to_embeddings(
        self, pool: str | None, data: bytes, headers: list[tuple[str, str]], start_us: int
    ) -> Reply:
        settings = self._settings
        value = embed(read_body(data, max_bytes=settings.max_body_bytes), settings.models)
        pacer = None if self._pacing is None else self._pacing.at(pool)
        if pacer is not None:
            usage = value["usage"]
            assert isinstance(usage, dict)
            await _until_all(pacer, str(value["model"]).removesuffix(MODEL_SUFFIX), usage["prompt_tokens"], 0)
        return self._made_whole(value, headers, start_us)

    def _streamed(self, headers: list[tuple[str, str]], events: AsyncGenerator[bytes, None], start_us: int) -> Reply:
        headers += [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
        headers += [("x-accel-buffering", "no"), ("openai-processing-ms", self._elapsed_ms(start_us))]
        return Reply(200, headers, events=events)

    def _made_whole(self, value: JsonObject, headers: list[tuple[str, str]], start_us: int) -> Reply:
        headers.append(("openai-processing-ms", self._elapsed_ms(start_us)))
        return _whole(200, value, headers)

    async def _events(
        self, completion: Completion, body: JsonObject, pacer: Pacer | None
    ) -> AsyncGenerator[bytes, None]:
        """The events of a streamed response, each when it is due."""
        if pacer is None:
            for _, event in respond.to_events(completion, body):
                yield event
            return
        timing = _begin(completion, pacer)
        try:
            for tokens, event in respond.to_events(completion, body):
                await timing.until(min(tokens, completion.answer.completion_tokens))
                yield event
        finally:
            timing.leave()

    async def _stream(
        self, request: ChatRequest, completion: Completion, pacer: Pacer | None
    ) -> AsyncGenerator[bytes, None]:
        """The events of a streamed answer, each when it is due: the roles with the first token."""
        chunks = to_chunks(completion, include_usage=request.include_usage)
        if pacer is None:
            for chunk in chunks:
                yield b"data: %b\n\n" % encode(chunk)
            yield _DONE
            return
        timing, roles = _begin(completion, pacer), completion.choices
        try:
            for number, chunk in enumerate(chunks):
                if number % roles == 0:
                    await timing.until(min(number // roles, completion.answer.completion_tokens))
                yield b"data: %b\n\n" % encode(chunk)
            yield _DONE
        finally:
            timing.leave()

    def _elapsed_ms(self, start_us: int) -> str:
        return str((self._clock.monotonic_us() - start_us) // 1_000)


def _begin(completion: Completion, pacer: Pacer) -> Timing:
    model = completion.model.removesuffix(MODEL_SUFFIX)
    return pacer.begin(model, completion.answer.prompt_tokens, completion.answer.completion_tokens)


async def _made(completion: Completion, pacer: Pacer | None) -> None:
    """Return once the whole answer would be there."""
    if pacer is not None:
        answer, model = completion.answer, completion.model.removesuffix(MODEL_SUFFIX)
        await _until_all(pacer, model, answer.prompt_tokens, answer.completion_tokens)


async def _until_all(pacer: Pacer, model: str, prompt_tokens: int, output_tokens: int) -> None:
    timing = pacer.begin(model, prompt_tokens, output_tokens)
    try:
        await timing.until(output_tokens)
    finally:
        timing.leave()


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
