"""One admitted request from its first attempt to its settlement: drives the attempt flow, keeps the account of it.

Whatever happens, an admitted request is settled exactly once: with the usage reported, the usage counted in the stream,
nothing if nothing was sent, or the worst case if nobody can know.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from worker.admission import Admission, Attempt, Facts, Fallback, Grant, Settlement
from worker.cache.kept import Keep
from worker.routing.candidates import BYTES_PER_TOKEN, PLANNED_IMAGE_TOKENS, cost_usd_micros
from worker.routing.catalogue import Route
from worker.services import Services
from worker.telemetry import Seen
from worker.upstream.ai_gateway import NO_OPTIONS, GatewayOptions, asked_delay_us
from worker.upstream.attempts import CALLED_OFF, TIMEOUT, AttemptLimits, Ended, Reserve, Send, Wait, attempt_flow
from worker.upstream.dispatch import Reply
from worker.upstream.retry import DRAWS, asked_wait_us, backoff_us
from worker.upstream.wire import ChatRequest, Identity, fill_identity
from worker.upstream.wires import CHAT_WIRE, WIRES, Wire

SUCCESS, ERROR, TIMED_OUT, LEFT = "success", "error", "timeout", "user_terminated"
REPORTED, COUNTED, NONE, UNKNOWN = "reported", "counted", "none", "unknown"
#: A client that is told to wait is told no more than this.
MAX_TOLD_WAIT_S = 60


@dataclass(slots=True)
class Exchange:
    """The running account of one request; `may_owe`: what is held for it may be spent already.

    `started_us` is on the monotonic clock; `charged_usd_micros` is what earlier attempts have been charged; `words`
    is what providers said of attempts that failed, by the attempt's position; `seen` is the record that somebody wants.
    `cached`: the answer comes from the answer cache; `keep`: it is to go there. `intent_at_us`: see `Settlement`.
    """

    facts: Facts
    admission: Admission
    request: ChatRequest
    started_us: int
    route: Route
    attempts: list[Attempt] = field(default_factory=list)
    reply: Reply | None = None
    may_owe: bool = False
    first_byte_us: int = 0
    charged_usd_micros: int = 0
    options: GatewayOptions = NO_OPTIONS
    words: dict[int, str] = field(default_factory=dict)
    seen: Seen | None = None
    cached: bool = False
    keep: Keep | None = None
    intent_at_us: int = 0

    @property
    def wire(self) -> Wire:
        """How its endpoint is spoken."""
        return WIRES[self.request.endpoint]

    @property
    def ends_us(self) -> int:
        """When the deadline passes, on the monotonic clock."""
        return self.started_us + self.facts.time_limit_us

    @property
    def identity(self) -> Identity:
        """What stands in an answer whose provider says neither its id, nor when and by what it was made."""
        facts = self.facts
        return Identity(f"chatcmpl-{facts.decision_id[4:]}", facts.at_us // 1_000_000, self.route.served_id)

    @property
    def planned_input_tokens(self) -> int:
        """Input tokens to charge when the provider reports none."""
        return -(-self.facts.input_bytes // BYTES_PER_TOKEN) + self.facts.images * PLANNED_IMAGE_TOKENS

    def shown_cost_usd_micros(self, tokens: tuple[int, int]) -> int:
        """What the client is told it pays: this answer's tokens, and the attempts before it that were charged."""
        return self.charged_usd_micros + cost_usd_micros(self.route, *tokens)

    def settlement(self, outcome: str, usage: str, tokens: tuple[int, int], now_us: int, elapsed_us: int) -> Settlement:
        """What became of it, as the mediator wants to hear it."""
        return Settlement(
            tenant=self.facts.tenant,
            decision_id=self.facts.decision_id,
            at_us=now_us,
            route=self.route.id,
            usage=usage,
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            outcome=outcome,
            first_byte_us=self.first_byte_us,
            elapsed_us=elapsed_us,
            attempts=tuple(self.attempts),
            trace_id="" if self.seen is None else self.seen.trace.trace_id,
            cached=self.cached,
            keep=self.keep,
            intent_at_us=self.intent_at_us,
            pool=None if self.reply is None else self.reply.pool,
        )

    def plain_usage(self) -> tuple[str, tuple[int, int]]:
        """The usage of a plain answer: as reported, or counted from its text."""
        assert self.reply is not None
        assert self.reply.answer is not None
        reported = self.wire.usage(self.reply.answer)
        if reported is not None:
            return REPORTED, reported
        return COUNTED, (self.planned_input_tokens, -(-self.wire.generated(self.reply.answer) // BYTES_PER_TOKEN))


def attempt_limits(limits: AttemptLimits, options: GatewayOptions) -> AttemptLimits:
    """The host's limits as the request's own headers want them."""
    if options is NO_OPTIONS:
        return limits
    return replace(
        limits,
        max_retries=limits.max_retries if options.max_attempts is None else options.max_attempts - 1,
        first_byte_us=min(limits.first_byte_us, options.request_timeout_us or limits.first_byte_us),
    )


async def run_attempts(exchange: Exchange, services: Services) -> Reply:
    """Drive the attempt flow to its end; the last reply is also kept in the exchange.

    Raises: TimeoutError once the deadline has passed; StateError if a fallback can't be recorded. Nothing more is sent
    then.
    """
    limits, catalogue = attempt_limits(services.limits.attempts, exchange.options), services.catalogue
    routes = [catalogue.by_id[route_id] for route_id in exchange.admission.routes]
    output_tokens = exchange.admission.output_tokens
    flow = attempt_flow(routes, limits)
    reply = Reply(Ended("none", unbilled=True))
    step = next(flow)
    try:
        while True:
            if isinstance(step, Send):
                reply = await _attempt(exchange, services, step.route, output_tokens, limits.first_byte_us)
                step = flow.send(reply.ended)
            elif isinstance(step, Wait):
                step = flow.send(await _wait(exchange, services, step))
            else:
                grant = await _hop(exchange, services, step)
                output_tokens = grant.output_tokens
                step = flow.send(grant.granted)
    except StopIteration:
        return reply


async def _attempt(
    exchange: Exchange, services: Services, route: Route, output_tokens: int, first_byte_us: int
) -> Reply:
    """One call upstream, entered into the account however it ends. Raises: TimeoutError at the deadline."""
    clock, label = services.clock, services.catalogue.label_of(exchange.request.model)
    exchange.route = route
    wire, policy = exchange.wire, exchange.facts.policy
    body = wire.body(exchange.request, services.dispatcher.spoken(route, wire), output_tokens, label and label.label)
    began_us = clock.monotonic_us()
    left_us = exchange.ends_us - began_us
    exchange.may_owe = True
    leave_no_trace = policy.leaves_no_trace
    seen = exchange.seen
    trace = () if seen is None else seen.attempts(route, began_us, services.ids, leave_no_trace=leave_no_trace)
    cause, status = CALLED_OFF, 0
    try:
        async with clock.timeout(max(1, min(left_us, first_byte_us))):
            reply = await services.dispatcher.send(
                route,
                body,
                stream=exchange.request.stream,
                wire=wire,
                options=exchange.options,
                leave_no_trace=leave_no_trace,
                trace=trace,
            )
        cause, status = reply.ended.cause, reply.status
        exchange.may_owe = not reply.ended.unbilled
    except TimeoutError:
        # Whoever was admitted was expected to answer within the deadline, so its silence speaks against the route.
        cause = TIMEOUT
        if left_us <= first_byte_us:
            raise
        reply = Reply(Ended(TIMEOUT, unbilled=False))
    finally:
        now_us = clock.monotonic_us()
        exchange.attempts.append(Attempt(route.id, cause, status, now_us - began_us))
    if seen is not None:
        seen.answered(reply.answer, reply.first)
    if reply.words:
        exchange.words[len(exchange.attempts) - 1] = reply.words
    if reply.answer is not None:
        if wire is CHAT_WIRE and fill_identity(reply.answer, lambda: exchange.identity):
            reply.body = b""
    elif reply.retry_after:
        _heed(reply, clock.now_us())
    exchange.reply = reply
    exchange.first_byte_us = now_us - exchange.started_us
    return reply


def _heed(reply: Reply, now_us: int) -> None:
    """Take down how long the provider wants to be left alone."""
    asked_us = asked_wait_us(reply.retry_after, now_us)
    if asked_us is not None:
        reply.retry_after_s = min(-(-asked_us // 1_000_000), MAX_TOLD_WAIT_S)
        if reply.ended.wait_us is not None:
            reply.ended = replace(reply.ended, wait_us=asked_us)


async def _wait(exchange: Exchange, services: Services, step: Wait) -> bool:
    """Let time pass before a retry, unless the deadline would pass with it."""
    limits: AttemptLimits = services.limits.attempts
    draw = int(services.ids.new("draw")[5:13], 16) % DRAWS
    asked_us = asked_delay_us(exchange.options, step.retry, limits.backoff_us)
    if asked_us is None:
        asked_us = backoff_us(step.retry, draw, limits.backoff_us, limits.max_backoff_us)
    delay_us = max(step.least_us, asked_us)
    if services.clock.monotonic_us() + delay_us >= exchange.ends_us:
        return False
    await services.clock.sleep(delay_us)
    return True


async def _hop(exchange: Exchange, services: Services, step: Reserve) -> Grant:
    """Have the next route judged and reserved for. Raises: TimeoutError at the deadline; StateError."""
    facts, clock = exchange.facts, services.clock
    wish = Fallback(facts.tenant, facts.decision_id, clock.now_us(), step.route.id, step.unbilled)
    async with clock.timeout(max(1, exchange.ends_us - clock.monotonic_us())):
        grant = await services.mediator.advance(wish)
    exchange.may_owe = False
    exchange.charged_usd_micros = grant.charged_usd_micros
    return grant
