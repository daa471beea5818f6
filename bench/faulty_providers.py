"""Providers in memory that fail by chance, and know what they would bill for each call.

A call is identified by the request's own number in its prompt. What a provider bills is at most what a request may
cost at its worst, except where it breaks its word (an overrun), which the gateway can only record.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from worker.ports import NotSent, NotSentInTime

#: How a call ends, and how often among a hundred.
ENDINGS = (
    ("answers", 40),
    ("refuses", 8),
    ("connects too late", 3),
    ("hangs", 6),
    ("closes after reading", 8),
    ("status", 15),
    ("malformed", 5),
    ("cut off", 6),
    ("stalls", 5),
    ("ends early", 4),
    ("reports an error", 5),
)
STATUSES = (429, 429, 500, 503, 503, 408, 404, 401, 400)
BILLED_NOTHING = frozenset({"refuses", "connects too late", "status"})
CHUNK = '{"id":"c","object":"chat.completion.chunk","created":7,"model":"m","choices":[%s]%s}'


@dataclass(slots=True)
class Call:
    """One call as its provider saw it. `tokens_in`, `tokens_out`: what it bills, so far; 0 for what cost nothing."""

    request: int
    provider: str
    ending: str
    tokens_in: int = 0
    tokens_out: int = 0
    has_overrun: bool = False

    @property
    def is_billed(self) -> bool:
        return self.tokens_in > 0


@dataclass(slots=True)
class FaultyProviders(httpx.AsyncBaseTransport):
    """A Transport: each call's fate is drawn from `chance`; `calls` is what happened, in order."""

    chance: Random
    calls: list[Call] = field(default_factory=list)
    open_streams: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        words, weights = zip(*ENDINGS, strict=True)
        call = Call(
            int(body["messages"][0]["content"].split()[1]),
            request.url.host.partition(".")[0],
            self.chance.choices(words, weights)[0],
        )
        self.calls.append(call)
        await self._let_pass(0.0, 0.4)
        if call.ending == "refuses":
            raise NotSent("nobody listens", request=request)
        if call.ending == "connects too late":
            await self._let_pass(0.0, 3.0)
            raise NotSentInTime("no connection", request=request)
        if call.ending == "status":
            return self._status(request)
        limit = body.get("max_tokens") or body["max_completion_tokens"]
        tokens_out = self.chance.randint(1, max(1, min(limit, 40)))
        if self.chance.random() < 0.05:
            # Beyond the limit, and beyond the slack that counting bytes as input tokens leaves.
            tokens_out, call.has_overrun = limit + self.chance.randint(1, 2 * len(request.content)), True
        call.tokens_in = max(1, len(request.content) // 8)
        if call.ending in ("closes after reading", "hangs", "malformed"):
            call.tokens_out = min(tokens_out, limit)
            return await self._nothing_usable(call, request)
        await self._let_pass(0.0, 2.0)
        if body.get("stream"):
            return _response(request, self._events(call, tokens_out, request), "text/event-stream")
        if call.ending != "answers":
            call.tokens_out = min(tokens_out, limit)
            raise httpx.RemoteProtocolError("the answer broke", request=request)
        call.tokens_out = tokens_out
        return _response(request, _once(_answer(call).encode()), "application/json")

    async def _let_pass(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(least_s, most_s))

    def _status(self, request: httpx.Request) -> httpx.Response:
        status = self.chance.choice(STATUSES)
        headers = {"retry-after": str(self.chance.choice((0, 1, 3, 30)))} if self.chance.random() < 0.5 else {}
        return httpx.Response(status, headers=headers, stream=_Stream(_once(b"{}")), request=request)

    async def _nothing_usable(self, call: Call, request: httpx.Request) -> httpx.Response:
        if call.ending == "hangs":
            await asyncio.sleep(request.extensions["timeout"]["read"])
            raise httpx.ReadTimeout("silence", request=request)
        if call.ending == "closes after reading":
            # Another library calls it a connect timeout; that must not make it one.
            kinds = (httpx.RemoteProtocolError, httpx.ReadError, httpx.ConnectTimeout)
            raise self.chance.choice(kinds)("closed", request=request)
        return _response(request, _once(b"<html>"), "text/html")

    async def _events(self, call: Call, tokens_out: int, request: httpx.Request) -> AsyncGenerator[bytes, None]:
        stop = tokens_out if call.ending == "answers" else self.chance.randint(0, tokens_out)
        self.open_streams += 1
        try:
            for _ in range(stop):
                await self._let_pass(0.0, 0.3)
                call.tokens_out += 1
                yield _event('{"index":0,"delta":{"content":"word"},"finish_reason":null}')
            if call.ending == "stalls":
                await asyncio.sleep(request.extensions["timeout"]["read"])
                raise httpx.ReadTimeout("silence", request=request)
            if call.ending == "cut off":
                raise httpx.ReadError("reset", request=request)
            if call.ending == "reports an error":
                if not stop:
                    call.tokens_in = 0  # a stream that opens with its error is a refusal
                yield b'data: {"error":{"message":"out of memory"}}\n\n'
            elif call.ending == "answers":
                yield _event('{"index":0,"delta":{},"finish_reason":"stop"}')
                if self.chance.random() < 0.9:
                    yield _event("", f',"usage":{json.dumps(_usage(call))}') + b"data: [DONE]\n\n"
        finally:
            self.open_streams -= 1


def _usage(call: Call) -> dict[str, int]:
    return {"prompt_tokens": call.tokens_in, "completion_tokens": call.tokens_out, "total_tokens": 0}


def _event(choice: str, more: str = "") -> bytes:
    return b"data: " + (CHUNK % (choice, more)).encode() + b"\n\n"


def _answer(call: Call) -> str:
    message = {"role": "assistant", "content": "word" * call.tokens_out, "refusal": None}
    answer: dict[str, Any] = {"id": "c", "object": "chat.completion", "created": 7, "model": "m"}
    answer["choices"] = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    return json.dumps({**answer, "usage": _usage(call)})


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


class _Stream(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        await self._chunks.aclose()


def _response(request: httpx.Request, chunks: AsyncGenerator[bytes, None], kind: str) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": kind}, stream=_Stream(chunks), request=request)
