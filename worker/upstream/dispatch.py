"""One attempt: send a chat body to a route and say how it ended. Knows HTTP and causes, no fallback and no budget."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from worker.errors import CallerError, HarpoonError, MalformedRequest
from worker.ports import NotSent, NotSentInTime, Transport
from worker.routing.catalogue import Route
from worker.routing.pool_readings import told_by
from worker.routing.pool_waits import PoolReading
from worker.routing.tables import CHAT
from worker.strict_json import JsonLimits, parse_json
from worker.upstream import attempts, error_map
from worker.upstream.ai_gateway import NO_OPTIONS, GatewayOptions, answered_headers
from worker.upstream.event_frames import EventFrames, payload_of, payloads_of
from worker.upstream.http_request import build_request
from worker.upstream.providers import ProviderAccess
from worker.upstream.relay import MAX_EVENT_BYTES
from worker.upstream.wires import CHAT_WIRE, Wire

_EVENT_STREAM = b"text/event-stream"
#: Longer values of a header say nothing worth reading.
_MAX_HEADER_CHARACTERS = 64


class ProviderRejected(CallerError):
    """The provider finds the request itself wrong; its words are passed on."""

    code = "provider_rejected"


@dataclass(frozen=True, slots=True)
class UpstreamLimits:
    """Bounds of one upstream call.

    `max_error_bytes`: of a refusal's body.
    """

    connect_timeout_us: int = 10_000_000
    silence_timeout_us: int = 120_000_000
    max_answer_bytes: int = 32 * 1024 * 1024
    max_error_bytes: int = 64 * 1024


@dataclass(slots=True)
class Reply:
    """How an attempt ended, with what came of it: a plain answer, an open stream, or the provider's refusal.

    `first`: the bytes of the stream that were read to know that it is an answer. `retry_after`: a refusal's header,
    as it came; `retry_after_s` is what a client is told. `told`: headers of an AI Gateway for the client.
    `words`: a refusal's own, bounded. `is_whole`: a plain answer says by itself that nothing of it is missing.
    `pool`: what an answer tells of the shared pool that it comes from.
    """

    ended: attempts.Ended
    status: int = 0
    answer: dict[str, Any] | None = None
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    first: bytes = b""
    response: httpx.Response | None = None
    rejection: HarpoonError | None = None
    retry_after: str = ""
    retry_after_s: int = 1
    told: tuple[tuple[bytes, bytes], ...] = ()
    words: str = ""
    is_whole: bool = False
    pool: PoolReading | None = None

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
        # Its bytes bound an answer's reading; a limit on members would refuse vectors that have been paid for.
        self._answer_limits = JsonLimits(max_bytes=limits.max_answer_bytes, max_members=limits.max_answer_bytes)
        self._prefixes = {name: one.model_prefix for name, one in access.items() if one.model_prefix}

    def spoken(self, route: Route, wire: Wire) -> Route:
        """`route` under the model id that its provider wants to hear where it is called."""
        if route.provider not in self._prefixes or wire.endpoint != CHAT:
            return route
        return route._replace(served_id=self._prefixes[route.provider] + route.served_id)

    async def send(
        self,
        route: Route,
        body: bytes,
        *,
        stream: bool,
        wire: Wire = CHAT_WIRE,
        options: GatewayOptions = NO_OPTIONS,
        leave_no_trace: bool = False,
        trace: tuple[tuple[bytes, bytes], ...] = (),
    ) -> Reply:
        """Call `route` with `body`. Raises nothing for what a provider or the network does; may be cancelled.

        Args: options: what goes along if an AI Gateway stands between, which `leave_no_trace` forbids to keep or log.
        trace: headers that say which trace the call belongs to.
        """
        access = self._access[route.provider]
        headers = access.headers_for(route.pool)
        if access.is_through_gateway:
            headers = httpx.Headers([*headers.raw, *options.headers(leave_no_trace)])
        if trace:
            headers = httpx.Headers([*headers.raw, *trace])
        request = build_request(
            "POST",
            access.urls[wire.endpoint],
            headers,
            body,
            connect_timeout_s=self._limits.connect_timeout_us / 1_000_000,
            read_timeout_s=(access.silence_timeout_us or self._limits.silence_timeout_us) / 1_000_000,
        )
        try:
            response = await self._transport.handle_async_request(request)
        except (NotSent, NotSentInTime):
            return _failed(attempts.CONNECT, unbilled=True)
        except httpx.TransportError as problem:
            return _failed(_cause(problem), unbilled=False)
        try:
            if response.status_code != 200:
                reply = await self._refused(response, access)
            elif stream:
                reply = await self._open_stream(response, wire)
            else:
                reply = await self._read_answer(response, wire)
            if route.is_shared and response.status_code == 200:
                reply.pool = told_by(response.headers.raw)
            if access.is_through_gateway:
                reply.told = answered_headers(response.headers)
            return reply
        except httpx.TransportError as problem:
            await response.aclose()
            return _failed(_cause(problem), unbilled=False, status=response.status_code)
        except BaseException:
            await response.aclose()
            raise

    async def probe(self, provider: str, timeout_us: int) -> httpx.Response | None:
        """What `provider` answers GET <base>/models with, for nothing, to be closed; None = no answer."""
        access = self._access[provider]
        timeout_s = timeout_us / 1_000_000
        request = build_request(
            "GET", access.models_url, access.headers, b"", connect_timeout_s=timeout_s, read_timeout_s=timeout_s
        )
        try:
            return await self._transport.handle_async_request(request)
        except httpx.TransportError:
            return None

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

    async def _read_answer(self, response: httpx.Response, wire: Wire) -> Reply:
        body = await self._read(response, self._limits.max_answer_bytes)
        if body is None:
            return _failed(attempts.MALFORMED, unbilled=False, status=200)
        try:
            answer = parse_json(body, self._answer_limits)
            if not isinstance(answer, dict):
                raise MalformedRequest("the provider's answer is not an object")
            is_whole = wire.is_whole(answer)
            changed = wire.conform(answer)
        except HarpoonError:
            return _failed(attempts.MALFORMED, unbilled=False, status=200)
        ended = attempts.Ended(attempts.OK, unbilled=False)
        return Reply(ended, 200, answer, b"" if changed else body, is_whole=is_whole)

    async def _open_stream(self, response: httpx.Response, wire: Wire) -> Reply:
        """A stream counts as an answer once its first event is here and reports no error."""
        # A third of the time that httpx's own look-up takes.
        kind = next((value for name, value in response.headers.raw if name.lower() == b"content-type"), b"")
        if not kind.startswith(_EVENT_STREAM):
            await response.aclose()
            return _failed(attempts.MALFORMED, unbilled=False, status=200)
        stream = aiter(_stream_of(response))
        first = await anext(stream, None)
        # Nearly every stream opens with a chunk like this; only the others are looked into.
        if (
            first is None
            or not first.startswith(b"data: {")
            or first.find(b"}\n\n") != first.find(b"\n\n") - 1
            or b'"error"' in first
        ):
            first, cause = await self._read_opening(stream, first, wire)
            if cause != attempts.OK:
                await response.aclose()
                return _failed(cause, unbilled=cause == attempts.STATUS, status=200)
        return Reply(attempts.Ended(attempts.OK, unbilled=False), 200, stream=stream, first=first, response=response)

    async def _read_opening(self, stream: AsyncIterator[bytes], chunk: bytes | None, wire: Wire) -> tuple[bytes, str]:
        """All bytes up to the end of the first event, comments included, and what they say of the attempt."""
        read, size, frames = [], 0, EventFrames()
        while chunk is not None:
            read.append(chunk)
            size += len(chunk)
            payload = next(payloads_of(frames.feed(chunk)), None)
            if payload is not None:
                return b"".join(read), _cause_of_opening(payload, wire)
            if size > MAX_EVENT_BYTES:
                return b"", attempts.MALFORMED
            chunk = await anext(stream, None)
        # The last event may lack its empty line.
        payload = payload_of(frames.finish())
        if payload is None or not _is_json(payload):
            return b"", attempts.BROKEN
        return b"".join(read), _cause_of_opening(payload, wire)

    async def _refused(self, response: httpx.Response, access: ProviderAccess) -> Reply:
        status = response.status_code
        body = await self._read(response, self._limits.max_error_bytes)
        refused = error_map.read_refusal(
            access.provider, status, body or b"", through_gateway=access.is_through_gateway
        )
        cause, may_repeat = error_map.CAUSES[refused.meaning]
        reply = Reply(attempts.Ended(cause, True, 0 if may_repeat else None), status, words=refused.words)
        if cause in (attempts.REJECTED, attempts.UNFIT):
            reply.rejection = ProviderRejected(_message(refused.words))
        else:
            reply.retry_after = response.headers.get("retry-after", "")[:_MAX_HEADER_CHARACTERS]
        return reply


def _failed(cause: str, *, unbilled: bool, status: int = 0) -> Reply:
    return Reply(attempts.Ended(cause, unbilled), status)


def _cause_of_opening(payload: bytes, wire: Wire) -> str:
    """What a stream's first event says of the attempt; a stream that is over at once, or no JSON, is no answer."""
    if not payload.startswith(b"{") or not payload.endswith(b"}"):
        return attempts.MALFORMED
    return attempts.STATUS if wire.is_error(payload) else attempts.OK


def _is_json(payload: bytes) -> bool:
    """Whether an event that lacks its empty line is whole all the same."""
    try:
        parse_json(payload)
    except HarpoonError:
        return payload == b"[DONE]"
    return True


def _cause(problem: httpx.TransportError) -> str:
    return attempts.TIMEOUT if isinstance(problem, httpx.TimeoutException) else attempts.BROKEN


def _stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream), "a Transport answers with an asynchronous stream"
    return stream


def _message(words: str) -> str:
    """The provider's own words on what is wrong with the request, or a general sentence."""
    return f"the provider refused the request: {words}" if words else "the provider refused the request as malformed"
