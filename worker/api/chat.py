"""POST /v1/chat/completions, and its like: the way of a request, from bytes read to bytes sent and settled.

The endpoints beside it differ in their wire alone (worker/upstream/wires.py).

A raw ASGI endpoint: one awaited state call before dispatch, one after. The last bytes of an answer do not wait for its
settlement; the endpoint does, so a host keeps its task alive until it returns (waitUntil, at the edge).
"""

from __future__ import annotations

import asyncio
import json

from worker.api.answers import (
    JSON_TYPE,
    Headers,
    Receive,
    Scope,
    Send,
    header_of,
    send_body,
    send_error,
)
from worker.api.asked import decision_headers, facts_of, intent_in
from worker.api.caching import find_kept, free_of_charge, keep_plain, with_told
from worker.api.covenant_headers import covenant_headers
from worker.api.guarding import guard_chat, redacted_chat, redaction_headers, restored_body, signal_headers
from worker.api.limit_headers import limits_named, rate_headers, refusal_before_decision
from worker.api.refusals import failure_error, refusal_error
from worker.api.relaying import (
    STREAM_HEADERS,
    KeepAlive,
    StreamWatch,
    end_with_error,
    first_status,
    relay_stream,
    settle,
)
from worker.cache.kept import Kept
from worker.cache.key import wish_of
from worker.errors import DeadlineExceeded, HarpoonError, RateLimited, RequestTooLarge
from worker.exchange import ERROR, LEFT, NONE, SUCCESS, TIMED_OUT, UNKNOWN, Exchange, run_attempts
from worker.guard.guarding import guarded_facts
from worker.live import FIRST_TOKEN, Note
from worker.metrics import NO_STATUS
from worker.money import usd_text
from worker.routing.candidates import requested_routes
from worker.services import Services
from worker.telemetry import seen_of
from worker.upstream import attempts
from worker.upstream.ai_gateway import read_options
from worker.upstream.wires import CHAT_WIRE, Wire

#: Servers hold back a sender only beyond this much that is not sent yet.
MAX_UNWAITED_BYTES = 32 * 1024


class ChatCompletions:
    """The endpoint, as an ASGI application. `wire`: which of OpenAI's endpoints it is."""

    def __init__(self, services: Services, wire: Wire = CHAT_WIRE) -> None:
        self._services = services
        self._wire = wire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        began_us = services.clock.monotonic_us()
        headers: Headers = [(b"x-request-id", services.ids.new("req").encode())]
        services.metrics.in_flight += 1
        seen = seen_of(scope, self._wire.endpoint)
        try:
            try:
                exchange = await self._admit(scope, receive, headers, began_us)
            except HarpoonError as problem:
                services.metrics.refused(problem.status, services.clock.monotonic_us() - began_us)
                if seen is not None:
                    seen.error = problem
                await send_error(send, problem, headers)
                return
            if exchange is not None:
                await self._serve(exchange, headers, receive, send)
        finally:
            services.metrics.in_flight -= 1

    async def _admit(self, scope: Scope, receive: Receive, headers: Headers, began_us: int) -> Exchange | None:
        """Everything before dispatch. None = the client left while sending. Raises: HarpoonError, nothing reserved."""
        services = self._services
        caller = services.keyring.identify(header_of(scope, b"authorization"))
        body = await read_body(scope, receive, services.limits.json.max_bytes)
        if body is None:
            return None
        covenant, options = covenant_headers(scope), read_options(scope["headers"])
        request = self._wire.parse(body, covenant.text, services.limits.json, covenant.lenient)
        positions = requested_routes(services.catalogue, request.model)
        if self._wire.check is not None:
            self._wire.check(request, services.catalogue, positions)
        facts = facts_of(services, scope, caller, headers[0][1].decode(), body, covenant.raw, request)
        intent_us = intent_in(scope, facts.at_us)
        guarded = guard_chat(services.guard, request)
        if guarded is not None:
            facts = guarded_facts(facts, guarded)
            headers += signal_headers(guarded)
        if not facts.covenant_id:
            headers += decision_headers(facts, request)
        services.metrics.saw_text(facts.classification.complexity)
        seen = seen_of(scope, self._wire.endpoint)
        if seen is not None:
            seen.decides(facts, is_stream=request.stream)
        if services.cache.is_on:
            facts = facts._replace(cache=wish_of(services.cache, facts.tenant, request, options))
        admission = await services.mediator.admit(facts)
        undecided = refusal_before_decision(admission)
        if undecided is not None:
            services.metrics.limited(limits_named(admission))
            headers[1:] = undecided[1]
            raise undecided[0]
        if admission.policy is not None:
            # Which policy a stored covenant holds is only known now.
            facts = facts._replace(policy=admission.policy, time_limit_us=admission.time_limit_us)
            headers += decision_headers(facts, request)
        headers += rate_headers(admission.rates)
        if admission.refusal is not None:
            services.metrics.denied(admission.refusal.reasons)
            raise refusal_error(services.catalogue, admission.refusal, facts)
        if guarded is not None and facts.is_redacted:
            request = redacted_chat(request, guarded)
            headers += redaction_headers(guarded)
        first = services.catalogue.by_id[admission.routes[0]]
        return Exchange(facts, admission, request, began_us, first, options=options, seen=seen, intent_at_us=intent_us)

    async def _serve(self, exchange: Exchange, headers: Headers, receive: Receive, send: Send) -> None:
        """From admission to settlement; whatever is raised, the exchange is settled first."""
        services = self._services
        # Nobody reads a stream whose client has left. A plain answer is waited for: its usage is worth knowing.
        is_read = exchange.request.stream and exchange.admission.kept is None
        watch = self._watch(exchange, headers, receive, send) if is_read else None
        try:
            kept = await find_kept(services, exchange, headers) if services.cache.is_on else None
            reply = await run_attempts(exchange, services) if kept is None else None
        except BaseException as reason:
            if await self._broken_off(exchange, headers, watch, send, reason):
                return
            raise
        if kept is not None:
            await self._replay(exchange, kept, headers, send)
            return
        assert reply is not None
        if reply.ended.cause == attempts.OK:
            first_us = exchange.facts.at_us + exchange.first_byte_us
            services.live.append(Note(exchange.facts.decision_id, FIRST_TOKEN, first_us))
        if reply.ended.cause != attempts.OK:
            if watch is not None:
                await watch.stop()
            usage = NONE if reply.ended.unbilled else UNKNOWN
            failure = failure_error(exchange, reply)
            await self._settle(exchange, ERROR, usage, (0, 0), first_status(failure, watch))
            out = self._headers(exchange, headers)
            if isinstance(failure, RateLimited):
                out.append((b"retry-after", b"%d" % reply.retry_after_s))
            await end_with_error(send, failure, out, watch, exchange.wire)
        elif watch is not None:
            await relay_stream(services, exchange, self._headers(exchange, headers), watch, send)
        else:
            await self._answer(exchange, headers, send)

    def _watch(self, exchange: Exchange, headers: Headers, receive: Receive, send: Send) -> StreamWatch:
        """Whether a stream's client is still there; it gets comments while the provider is silent."""
        clock, limits = self._services.clock, self._services.limits
        return StreamWatch(receive, KeepAlive(clock, send, limits.keep_alive_us, headers))

    async def _broken_off(
        self, exchange: Exchange, headers: Headers, watch: StreamWatch | None, send: Send, reason: BaseException
    ) -> bool:
        """Settle what ended before an answer began; whether that is all: the deadline passed, or the client left."""
        if watch is not None:
            await watch.stop()
        usage = UNKNOWN if exchange.may_owe else NONE
        if isinstance(reason, TimeoutError):
            problem = DeadlineExceeded("the deadline passed before an answer came; nothing more was tried")
            await self._settle(exchange, TIMED_OUT, usage, (0, 0), first_status(problem, watch))
            await end_with_error(send, problem, self._headers(exchange, headers), watch, exchange.wire)
            return True
        left = watch is not None and watch.left
        await self._settle(exchange, LEFT if left else ERROR, usage, (0, 0), NO_STATUS if left else "500")
        return left

    async def _answer(self, exchange: Exchange, headers: Headers, send: Send) -> None:
        """A plain answer: priced, sent, settled."""
        assert exchange.reply is not None
        usage, tokens = exchange.plain_usage()
        cost = exchange.shown_cost_usd_micros(tokens)
        body = (
            exchange.reply.body or json.dumps(exchange.reply.answer, separators=(",", ":"), ensure_ascii=False).encode()
        )
        out = [JSON_TYPE, *self._headers(exchange, headers), (b"x-harpoon-cost-usd", usd_text(cost).encode())]
        if exchange.request.placeholders:
            assert exchange.reply.answer is not None
            body = restored_body(exchange.reply.answer, exchange.request)
        if exchange.admission.cache:
            keep_plain(self._services, exchange, body)
        await self._deliver(exchange, usage, tokens, out, body, send)

    async def _replay(self, exchange: Exchange, kept: Kept, headers: Headers, send: Send) -> None:
        """A kept answer, in the form it was kept in: free of charge, sent, settled."""
        out, body = self._headers(exchange, headers), kept.body
        if exchange.request.stream:
            out, body = [*STREAM_HEADERS, *out], free_of_charge(body)
        else:
            out = [JSON_TYPE, *out, (b"x-harpoon-cost-usd", b"0")]
        await self._deliver(exchange, NONE, (0, 0), out, body, send)

    async def _deliver(
        self, exchange: Exchange, usage: str, tokens: tuple[int, int], out: Headers, body: bytes, send: Send
    ) -> None:
        """Send an answer that is there in one piece, and settle it."""
        # Nobody waits for the commit: the settlement is queued once the answer is handed over, and before the client's
        # next request can be read, so that the next admission sees it. A large answer may wait for a slow reader, so
        # its settlement does not wait for it.
        early = len(body) > MAX_UNWAITED_BYTES
        settling = self._settle(exchange, SUCCESS, usage, tokens, "200")
        settled = asyncio.ensure_future(settling) if early else settling
        try:
            await send_body(send, 200, out, body)
        finally:
            await settled

    async def _settle(self, exchange: Exchange, outcome: str, usage: str, tokens: tuple[int, int], status: str) -> None:
        clock = self._services.clock
        elapsed_us = clock.monotonic_us() - exchange.started_us
        settlement = exchange.settlement(outcome, usage, tokens, clock.now_us(), elapsed_us)
        await settle(self._services, exchange, settlement, status)

    def _headers(self, exchange: Exchange, headers: Headers) -> Headers:
        """The headers of an answer, or of an error after attempts."""
        elapsed_ms = (self._services.clock.monotonic_us() - exchange.started_us) // 1_000
        found: Headers = [
            *headers,
            (b"openai-processing-ms", b"%d" % elapsed_ms),
            (b"x-harpoon-route", exchange.route.id.encode()),
            (b"x-harpoon-attempts", b"%d" % len(exchange.attempts)),
        ]
        if exchange.route.simulated:
            found.append((b"x-harpoon-simulated", b"1"))
        if exchange.reply is not None and exchange.reply.told:
            found = with_told(found, exchange.reply.told)
        if exchange.request.stream:
            estimate = "0" if exchange.cached else usd_text(exchange.admission.estimate_usd_micros)
            found.append((b"x-harpoon-cost-estimate-usd", estimate.encode()))
        return found


async def read_body(scope: Scope, receive: Receive, most_bytes: int) -> bytes | None:
    """The request's body, or None if the client left. Raises: RequestTooLarge, before more than the limit is read."""
    declared = header_of(scope, b"content-length")
    if declared is not None and len(declared) < 20 and declared.isdecimal() and int(declared) > most_bytes:
        raise RequestTooLarge(f"the body has {declared} bytes; at most {most_bytes} are read")
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most_bytes:
            raise RequestTooLarge(f"the body has more than {most_bytes} bytes")
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
