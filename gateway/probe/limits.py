"""What a probe may take of an endpoint: requests, tokens, seconds and dollars, asked before every request is sent.

Before a request its worst case is held (its bytes as tokens in, its maximum as tokens out), after it what it really
took is kept instead, so that no bound is passed by requests that are under way together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from worker.money import MICROS, usd_text

#: Dollars for a million tokens where nobody told a price: more than most models cost.
ASSUMED_INPUT: Final = 5_000_000
ASSUMED_OUTPUT: Final = 15_000_000
#: What a chat template puts around a prompt.
TEMPLATE_TOKENS: Final = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one probe. answer_tokens: the most one timed answer may have; tokens: all of them, in and out."""

    requests: int = 200
    answer_tokens: int = 64
    tokens: int = 50_000
    seconds: int = 300
    timeout_s: int = 60
    cost_usd_micros: int = 250_000


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars for a million tokens. source: where it is from, in words."""

    input: int
    output: int
    source: str
    is_told: bool = True

    def cost(self, tokens_in: int, tokens_out: int) -> int:
        """In micro-dollars, rounded up."""
        return -(-(tokens_in * self.input + tokens_out * self.output) // MICROS)


def assumed_price() -> Price:
    """The price where none is known."""
    return Price(ASSUMED_INPUT, ASSUMED_OUTPUT, "assumed, because nobody told one", is_told=False)


class LimitReached(Exception):
    """Another request would pass a bound; the message says which, and the option that moves it."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The worst case of a request that is under way."""

    model: str
    tokens_in: int
    tokens_out: int
    cost_usd_micros: int


@dataclass(slots=True)
class Spending:
    """What has been taken so far, and what is held for requests under way. ends_us: on the monotonic clock.

    prices: by model; a model that is not in it costs `price`.
    """

    limits: Limits
    price: Price
    prices: dict[str, Price]
    ends_us: int
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd_micros: int = 0
    held_tokens: int = 0
    held_usd_micros: int = 0

    def price_of(self, model: str) -> Price:
        """What a model's tokens are reckoned at."""
        return self.prices.get(model, self.price)

    def left_us(self, now_us: int) -> int:
        """The time that is left. Raises: LimitReached if none is."""
        if now_us >= self.ends_us:
            raise LimitReached(f"the {self.limits.seconds} s of --seconds are over")
        return self.ends_us - now_us

    def hold(self, model: str, body_bytes: int, answer_tokens: int, now_us: int) -> Hold:
        """Make room for one more request. Raises: LimitReached."""
        limits = self.limits
        tokens_in = body_bytes + TEMPLATE_TOKENS
        cost = self.price_of(model).cost(tokens_in, answer_tokens)
        if self.requests >= limits.requests:
            raise LimitReached(f"the {limits.requests} requests of --requests are used")
        self.left_us(now_us)
        if self.tokens_in + self.tokens_out + self.held_tokens + tokens_in + answer_tokens > limits.tokens:
            raise LimitReached(f"another request could pass the {limits.tokens} tokens of --total-tokens")
        if self.cost_usd_micros + self.held_usd_micros + cost > limits.cost_usd_micros:
            raise LimitReached(f"another request could pass the ${usd_text(limits.cost_usd_micros)} of --max-cost")
        self.requests += 1
        self.held_tokens += tokens_in + answer_tokens
        self.held_usd_micros += cost
        return Hold(model, tokens_in, answer_tokens, cost)

    def settle(self, held: Hold, used: tuple[int, int] | None, *, is_free: bool) -> int:
        """Keep what a request took; its cost in micro-dollars.

        used: tokens in and out, None = nobody told: the worst case. is_free: it was refused or simulated.
        """
        self.held_tokens -= held.tokens_in + held.tokens_out
        self.held_usd_micros -= held.cost_usd_micros
        tokens_in, tokens_out = used if used is not None else (0, 0) if is_free else (held.tokens_in, held.tokens_out)
        cost = 0 if is_free else self.price_of(held.model).cost(tokens_in, tokens_out)
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.cost_usd_micros += cost
        return cost
