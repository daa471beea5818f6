"""POST /v1/chat/completions, and its like: the way of a request, from bytes read to bytes sent and settled.

The endpoints beside it differ in their wire alone (worker/upstream/wires.py).

A raw ASGI endpoint: one awaited state call before dispatch, one after. The last bytes of an answer do not wait for its
settlement; the endpoint does, so a host keeps its task alive until it returns (waitUntil, at the edge).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import lru_cache

from worker.admission import BUDGET, UNAVAILABLE, UNKNOWN_COVENANT, Facts, Refusal
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
from worker.api.auth import Caller
from worker.api.covenant_headers import covenant_headers, warning_headers
from worker.api.guarding import (
    guard_chat,
    guardrail_error,
    redacted_chat,
    redaction_headers,
    restored_body,
    signal_headers,
    without_secrets,
)
from worker.api.limit_headers import limits_named, rate_headers, refusal_before_decision
from worker.api.relaying import KeepAlive, StreamWatch, end_with_error, first_status, relay_stream, settle
from worker.canon import codes
from worker.canon.reasons import reason_sentence
from worker.classification import prompt_text
from worker.covenant.policy import Policy
from worker.errors import (
    AllRoutesDown,
    BudgetExceeded,
    DeadlineExceeded,
    HarpoonError,
    NothingAdmissible,
    RateLimited,
    RequestTooLarge,
    UnknownCovenant,
)
from worker.exchange import ERROR, LEFT, NONE, SUCCESS, TIMED_OUT, UNKNOWN, Exchange, run_attempts
from worker.failed_attempts import tried_text
from worker.guard.guarding import guarded_facts
from worker.live import FIRST_TOKEN, Note
from worker.metrics import NO_STATUS
from worker.money import usd_text
from worker.ports import Ids
from worker.routing.candidates import requested_routes
from worker.routing.catalogue import CompiledCatalogue
from worker.services import Services
from worker.upstream import attempts
from worker.upstream.ai_gateway import read_options
from worker.upstream.dispatch import Reply
from worker.upstream.providers import setting_prefix
from worker.upstream.wire import ChatRequest
from worker.upstream.wires import CHAT_WIRE, Wire

#: What the message of a refusal names, by what stands in the way.
_DECISIVE = {BUDGET: codes.COST_BOUND_EXCEEDED, UNAVAILABLE: codes.PROVIDER_AVAILABLE}
MAX_ID_CHARACTERS = 128
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
        try:
            try:
                exchange = await self._admit(scope, receive, headers, began_us)
            except HarpoonError as problem:
                services.metrics.refused(problem.status, services.clock.monotonic_us() - began_us)
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
        guarded = guard_chat(services.guard, request)
        if guarded is not None:
            facts = guarded_facts(facts, guarded)
            headers += signal_headers(guarded)
        if not facts.covenant_id:
            headers += decision_headers(facts, request)
        services.metrics.saw_text(facts.classification.complexity)
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
        return Exchange(facts, admission, request, began_us, first, options=options)

    async def _serve(self, exchange: Exchange, headers: Headers, receive: Receive, send: Send) -> None:
        """From admission to settlement; whatever is raised, the exchange is settled first."""
        services = self._services
        # Nobody reads a stream whose client has left. A plain answer is waited for: its usage is worth knowing.
        watch = self._watch(exchange, headers, receive, send) if exchange.request.stream else None
        try:
            reply = await run_attempts(exchange, services)
        except BaseException as reason:
            if await self._broken_off(exchange, headers, watch, send, reason):
                return
            raise
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
        if exchange.reply is not None:
            found += exchange.reply.told
        if exchange.request.stream:
            estimate = usd_text(exchange.admission.estimate_usd_micros)
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


def facts_of(
    services: Services,
    scope: Scope,
    caller: Caller,
    request_id: str,
    body: bytes,
    covenant: str | None,
    request: ChatRequest,
) -> Facts:
    """What admission is decided from, for a checked request; its time is now."""
    at_us = services.clock.now_us()
    return Facts(
        tenant=caller.tenant,
        key_id=caller.key_id,
        key_digest=caller.key_digest,
        decision_id=decision_id(at_us, services.ids),
        request_id=request_id,
        at_us=at_us,
        request_digest=request_digest(body, covenant, request.lenient),
        model=request.model,
        policy=request.policy,
        covenant_id=request.covenant_id,
        classification=services.scorer.score(prompt_text(request.messages)),
        input_bytes=len(body),
        images=request.images,
        choices=request.choices,
        max_output_tokens=request.max_output_tokens,
        needs=request.needs,
        time_limit_us=min(request.policy.deadline_us or services.limits.request_us, services.limits.request_us),
        session_id=_identifier(header_of(scope, b"x-session-id")),
        user_id=_identifier(header_of(scope, b"x-user-id")),
    )


def request_digest(body: bytes, covenant: str | None, lenient: bool = False) -> str:
    """What identifies the request in a decision: SHA-256 over the body, the covenant header and its mode.

    No JSON holds the bytes 0 and 1, so nothing else can be hashed as the same bytes.
    """
    tail = b"\x01lenient" if lenient else b""
    if covenant is not None:
        tail += b"\x00" + covenant.encode("latin-1")
    return "sha256:" + hashlib.sha256(body + tail).hexdigest()


def decision_headers(facts: Facts, request: ChatRequest) -> Headers:
    """What every answer says of a request that came as far as a decision."""
    return [
        (b"x-harpoon-decision-id", facts.decision_id.encode()),
        (b"x-harpoon-complexity", facts.classification.complexity.encode()),
        (b"x-harpoon-policy", policy_text(facts.policy).encode()),
        *warning_headers(request.covenant_warnings),
    ]


def decision_id(at_us: int, ids: Ids) -> str:
    """`dec_` + 14 hexadecimal digits of time and 18 of randomness: neighbours in time are neighbours on disk."""
    return f"dec_{at_us:014x}{ids.new('r')[2:20]}"


def _identifier(value: str | None) -> str:
    return value[:MAX_ID_CHARACTERS] if value and value.isascii() else ""


@lru_cache(maxsize=1024)
def policy_text(policy: Policy) -> str:
    """The policy in a header's worth of words, such as `priority=balanced; budget_usd=2; deadline_s=30`."""
    parts = [f"priority={policy.effective_priority}"]
    if policy.budget_usd_micros is not None:
        scope = f" {policy.budget_scope}" if policy.budget_scope else ""
        parts.append(f"budget_usd={usd_text(policy.budget_usd_micros)}{scope}")
    if policy.deadline_us is not None:
        parts.append(f"deadline_s={usd_text(policy.deadline_us)}")
    if policy.quality is not None:
        parts.append(f"quality={policy.quality}")
    for name, values in (
        ("residency", policy.residency),
        ("not_in", policy.residency_exclude),
        ("requires", policy.requirements),
        ("flags", policy.flags),
    ):
        if values:
            parts.append(f"{name}={','.join(values)}")
    return "; ".join(parts)


def _decisive_reason(refusal: Refusal) -> str:
    """The most frequent reason of the kind that stands in the way; a provider without a key only if nothing else."""
    decisive = _DECISIVE.get(refusal.kind)
    found = [
        reason
        for reason in refusal.reasons
        if (decisive in reason if decisive else codes.PROVIDER_CONFIGURED not in reason)
    ]
    return (found or list(refusal.reasons) or ["no route serves it"])[0]


def failure_error(exchange: Exchange, reply: Reply) -> HarpoonError:
    """Attempts without an answer as an error: the provider's refusal, a common rate limit, or what was tried."""
    if reply.rejection is not None:
        return without_secrets(reply.rejection)
    tried = tried_text(exchange.attempts, exchange.words)
    if all(attempt.status == RateLimited.status for attempt in exchange.attempts):
        return RateLimited(f"every provider asked is at its rate limit: {tried}")
    return AllRoutesDown(f"no route answered: {tried}")


def _how_to_configure(catalogue: CompiledCatalogue, model: str) -> str:
    """What to set, so that somebody can be asked for a model."""
    providers = {catalogue.routes[position].provider for position in requested_routes(catalogue, model)}
    if len(providers) > 1:
        return f"configure one of {', '.join(sorted(providers))}"
    prefix = setting_prefix(min(providers))
    return f"set {prefix}_API_KEY, or {prefix}_BASE_URL if it has no public address"


def refusal_error(catalogue: CompiledCatalogue, refusal: Refusal, facts: Facts) -> HarpoonError:
    """The refusal as an error: what stands in the way, and every reason."""
    if refusal.kind == UNKNOWN_COVENANT:
        return UnknownCovenant("no covenant of yours has this id", param="covenant_id")
    if facts.guardrails:
        return guardrail_error(refusal)
    first = _decisive_reason(refusal)
    said = reason_sentence(first, facts.covenant_id)
    if refusal.kind == BUDGET:
        return BudgetExceeded(f"no route fits the budget: {said}", details=refusal.reasons)
    if refusal.kind == UNAVAILABLE:
        return AllRoutesDown(f"every admissible route is resting after failures: {said}", details=refusal.reasons)
    hint = ""
    if facts.model != "auto" and "PROVIDER_CONFIGURED" in first:
        how = _how_to_configure(catalogue, facts.model)
        hint = f"; its provider has no key or base URL here: {how}, or use model auto"
    return NothingAdmissible(f"no route is admissible: {said}{hint}", details=refusal.reasons)
