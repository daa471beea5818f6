"""One attempt: send a chat body to a route and say how it ended. Knows HTTP and causes, no fallback and no budget."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from worker.errors import CallerError, HarpoonError, MalformedRequest
from worker.ports import Transport
from worker.routing.catalogue import Route
from worker.strict_json import JsonLimits, parse_json
from worker.upstream import attempts
from worker.upstream.http_request import build_request
from worker.upstream.providers import ProviderAccess
from worker.upstream.relay import is_error, opening_event
from worker.upstream.wire import conform_answer

#: Statuses that say "not now" or "not here": another route may do better.
_ELSEWHERE = frozenset({404, 408, 409, 429, 498, 500, 502, 503, 504, 529})
_KEY_TROUBLE = frozenset({401, 402, 403})
_EVENT_STREAM = "text/event-stream"
_TOO_MANY_REQUESTS = 429
#: A provider that asks for more patience than this is not waited for: its word is passed on as this many seconds.
MAX_RETRY_AFTER_S = 60


class ProviderRejected(CallerError):
    """The provider finds the request itself wrong; its words are passed on."""

    code = "provider_rejected"


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """Bounds of one upstream call.

    `max_error_bytes`: of a refusal's body, and of what is kept of a stream before it counts as an answer.
    """

    connect_timeout_us: int = 10_000_000
    silence_timeout_us: int = 120_000_000
    max_answer_bytes: int = 32 * 1024 * 1024
    max_error_bytes: int = 64 * 1024


@dataclass(slots=True)
class Reply:
    """How an attempt ended, with what came of it: a plain answer, an open stream, or the provider's refusal.

    `first`: the bytes of the stream that were read to know that it is an answer. `retry_after_s`: after a 429, how long
    the provider wants to be left alone.
    """

    ended: attempts.Ended
    status: int = 0
    answer: dict[str, Any] | None = None
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    first: bytes = b""
    response: httpx.Response | None = None
    rejection: HarpoonError | None = None
    retry_after_s: int = 0

    async def aclose(self) -> None:
        """Close the upstream connection; harmless when it is closed already."""
        if self.response is not None:
            response, self.response = self.response, None
            await response.aclose()


class Dispatcher:
    """Performs attempts over a Transport."""

    def __init__(self, transport: Transport, access: Mapping[str, ProviderAccess], limits: UpstreamLimits) -> None:
        self._transport = transport
        self._access = access
        self._limits = limits
        self._answer_limits = JsonLimits(max_bytes=limits.max_answer_bytes)

    async def send(self, route: Route, body: bytes, *, stream: bool) -> Reply:
        """Call `route` with `body`. Raises nothing for what a provider or the network does; may be cancelled."""
        access = self._access[route.provider]
        request = build_request(
            "POST",
            access.chat_url,
            access.headers_for(route.pool),
            body,
            connect_timeout_s=self._limits.connect_timeout_us / 1_000_000,
            read_timeout_s=(access.silence_timeout_us or self._limits.silence_timeout_us) / 1_000_000,
        )
        try:
            response = await self._transport.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return _failed(attempts.CONNECT, unbilled=True)
        except httpx.TransportError as problem:
            return _failed(_cause(problem), unbilled=False)
        try:
            if response.status_code != 200:
                return await self._refused(response)
            return await (self._open_stream(response) if stream else self._read_answer(response))
        except httpx.TransportError as problem:
            await response.aclose()
            return _failed(_cause(problem), unbilled=False, status=response.status_code)
        except BaseException:
            await response.aclose()
            raise

    async def probe(self, provider: str, timeout_us: int) -> int:
        """The HTTP status that `provider` answers GET <base>/models with, for nothing; 0 = no answer."""
        access = self._access[provider]
        timeout_s = timeout_us / 1_000_000
        request = build_request(
            "GET", access.models_url, access.headers, b"", connect_timeout_s=timeout_s, read_timeout_s=timeout_s
        )
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.TransportError:
            return 0
        await response.aclose()
        return response.status_code

    async def _read(self, response: httpx.Response, most: int) -> bytes | None:
        chunks, size = [], 0
        async for chunk in _stream_of(response):
            size += len(chunk)
            if size > most:
                await response.aclose()
                return None
            chunks.append(chunk)
        await response.aclose()
        return b"".join(chunks)

    async def _read_answer(self, response: httpx.Response) -> Reply:
        body = await self._read(response, self._limits.max_answer_bytes)
        if body is None:
            return _failed(attempts.MALFORMED, unbilled=False, status=200)
        try:
            answer = parse_json(body, self._answer_limits)
            if not isinstance(answer, dict):
                raise MalformedRequest("the provider's answer is not an object")
            changed = conform_answer(answer)
        except HarpoonError:
            return _failed(attempts.MALFORMED, unbilled=False, status=200)
        return Reply(attempts.Ended(attempts.OK, unbilled=False), 200, answer, b"" if changed else body)

    async def _open_stream(self, response: httpx.Response) -> Reply:
        """A stream counts as an answer once its first event is here and reports no error."""
        kind = response.headers.get("content-type", "")
        if not kind.startswith(_EVENT_STREAM):
            await response.aclose()
            return _failed(attempts.MALFORMED, unbilled=False, status=200)
        stream = aiter(_stream_of(response))
        first = await anext(stream, None)
        # Nearly every stream opens with a chunk like this; only the others are looked into.
        if first is None or not first.startswith(b"data: {") or b"\n\n" not in first or b'"error"' in first:
            first, cause = await self._read_opening(stream, first)
            if cause != attempts.OK:
                await response.aclose()
                return _failed(cause, unbilled=cause == attempts.STATUS, status=200)
        return Reply(attempts.Ended(attempts.OK, unbilled=False), 200, stream=stream, first=first, response=response)

    async def _read_opening(self, stream: AsyncIterator[bytes], chunk: bytes | None) -> tuple[bytes, str]:
        """All bytes up to the end of the first event, comments included, and what they say of the attempt."""
        data = b""
        while chunk is not None:
            data += chunk
            payload = opening_event(data)
            if payload is not None:
                return data, attempts.STATUS if is_error(payload) else attempts.OK
            if len(data) > self._limits.max_error_bytes:
                return data, attempts.OK
            chunk = await anext(stream, None)
        # The last event may lack its empty line.
        payload = opening_event(data + b"\n\n")
        if payload is None:
            return data, attempts.BROKEN
        return data, attempts.STATUS if is_error(payload) else attempts.OK

    async def _refused(self, response: httpx.Response) -> Reply:
        status = response.status_code
        body = await self._read(response, self._limits.max_error_bytes)
        if status in _KEY_TROUBLE:
            return _failed(attempts.KEY_REFUSED, unbilled=True, status=status)
        if status in _ELSEWHERE or not 400 <= status < 500:
            reply = _failed(attempts.STATUS, unbilled=True, status=status)
            if status == _TOO_MANY_REQUESTS:
                reply.retry_after_s = _retry_after_s(response.headers.get("retry-after", ""))
            return reply
        reply = _failed(attempts.REJECTED, unbilled=True, status=status)
        reply.rejection = ProviderRejected(_message(body or b""))
        return reply


def _failed(cause: str, *, unbilled: bool, status: int = 0) -> Reply:
    return Reply(attempts.Ended(cause, unbilled), status)


def _retry_after_s(value: str) -> int:
    """Seconds of a Retry-After header (RFC 9110 section 10.2.3), bounded; one second for a date, or for nothing."""
    is_count = value.isascii() and value.isdigit()
    return min(int(value[:9]), MAX_RETRY_AFTER_S) if is_count else 1


def _cause(problem: httpx.TransportError) -> str:
    return attempts.TIMEOUT if isinstance(problem, httpx.TimeoutException) else attempts.BROKEN


def _stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream), "a Transport answers with an asynchronous stream"
    return stream


def _message(body: bytes) -> str:
    """The provider's own words on what is wrong with the request, bounded, or a general sentence."""
    try:
        plain = parse_json(body)
    except HarpoonError:
        plain = None
    error = plain.get("error") if isinstance(plain, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    if isinstance(message, str) and message:
        return f"the provider refused the request: {message[:500]}"
    return "the provider refused the request as malformed"
