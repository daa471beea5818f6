"""One admitted request from its first attempt to its settlement: drives the attempt flow, keeps the account of it.

Whatever happens, an admitted request is settled exactly once: with the usage reported, the usage counted in the stream,
nothing if nothing was sent, or the worst case if nobody can know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from worker.admission import Admission, Attempt, Facts, Fallback, Settlement
from worker.mediator import MediatorPort
from worker.ports import Clock
from worker.routing.candidates import BYTES_PER_TOKEN, PLANNED_IMAGE_TOKENS, cost_usd_micros
from worker.routing.catalogue import CompiledCatalogue, Route
from worker.upstream.attempts import CALLED_OFF, AttemptLimits, Ended, Reserve, Send, attempt_flow
from worker.upstream.dispatch import Dispatcher, Reply
from worker.upstream.wire import ChatRequest, generated_bytes, upstream_body, usage_of

SUCCESS, ERROR, TIMED_OUT, LEFT = "success", "error", "timeout", "user_terminated"
REPORTED, COUNTED, NONE, UNKNOWN = "reported", "counted", "none", "unknown"


@dataclass(slots=True)
class Exchange:
    """The running account of one request; `may_owe`: what is held for it may be spent already.

    `started_us` is on the monotonic clock; `charged_usd_micros` is what earlier attempts have been charged.
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
        )

    def plain_usage(self) -> tuple[str, tuple[int, int]]:
        """The usage of a plain answer: as reported, or counted from its text."""
        assert self.reply is not None
        assert self.reply.answer is not None
        reported = usage_of(self.reply.answer)
        if reported is not None:
            return REPORTED, reported
        return COUNTED, (self.planned_input_tokens, _answer_tokens(self.reply.answer))


def _answer_tokens(answer: dict[str, Any]) -> int:
    total = sum(generated_bytes(choice["message"]) for choice in answer["choices"])
    return -(-total // BYTES_PER_TOKEN)


async def run_attempts(
    exchange: Exchange,
    catalogue: CompiledCatalogue,
    dispatcher: Dispatcher,
    mediator: MediatorPort,
    clock: Clock,
    limits: AttemptLimits,
) -> Reply:
    """Drive the attempt flow to its end; the last reply is also kept in the exchange.

    Raises: StateError if a fallback can't be recorded; then nothing more is sent.
    """
    routes = [catalogue.by_id[route_id] for route_id in exchange.admission.routes]
    output_tokens, label = exchange.admission.output_tokens, catalogue.label_of(exchange.request.model)
    flow = attempt_flow(routes, limits)
    reply = Reply(Ended("none", unbilled=True))
    step = next(flow)
    try:
        while True:
            if isinstance(step, Send):
                exchange.route = step.route
                body = upstream_body(exchange.request, step.route, output_tokens, label and label.label)
                began_us = clock.monotonic_us()
                exchange.may_owe = True
                cause, status = CALLED_OFF, 0
                try:
                    reply = await dispatcher.send(step.route, body, stream=exchange.request.stream)
                    cause, status = reply.ended.cause, reply.status
                    exchange.may_owe = not reply.ended.unbilled
                finally:
                    now_us = clock.monotonic_us()
                    exchange.attempts.append(Attempt(step.route.id, cause, status, now_us - began_us))
                exchange.reply = reply
                exchange.first_byte_us = now_us - exchange.started_us
                step = flow.send(reply.ended)
            else:
                assert isinstance(step, Reserve)
                facts = exchange.facts
                grant = await mediator.advance(
                    Fallback(facts.tenant, facts.decision_id, clock.now_us(), step.route.id, step.unbilled)
                )
                exchange.may_owe = False
                exchange.charged_usd_micros = grant.charged_usd_micros
                output_tokens = grant.output_tokens
                step = flow.send(grant.granted)
    except StopIteration:
        return reply
