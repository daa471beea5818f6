"""What this process has counted since it began: plain numbers, added to on the request path, read by GET /metrics.

Counts are of one process, of every tenant together: no label names a tenant, a token or a text, and every label's
values come from a short list (outcomes, causes, codes, the catalogue's models and providers). Times are kept in
microseconds and money in micro-dollars; `worker.exposition` writes them in the base units that Prometheus asks for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from worker.admission import Settlement
from worker.canon.codes import PROVIDER_CONFIGURED
from worker.routing.catalogue import Route

#: Upper bounds of the histograms' buckets, in microseconds: from an error that costs nothing to the longest request.
BUCKETS_US = (
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
)
#: The outcome of a request that ended before any provider was asked.
REFUSED = "refused"
#: How looks into the answer cache end beside hit and miss: with the answer to the same request of somebody else, or
#: without a look, because the request wants none or may have none.
JOINED, BYPASS = "joined", "bypass"
#: The status of a request whose client left before an answer began.
NO_STATUS = "none"


class Histogram:
    """How often a duration fell into each bucket, the last of them without an upper bound, and their sum."""

    __slots__ = ("counts", "sum_us")
    bounds = BUCKETS_US

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_US) + 1)
        self.sum_us = 0

    def observe(self, duration_us: int) -> None:
        self.counts[bisect_left(BUCKETS_US, duration_us)] += 1
        self.sum_us += duration_us


class Metrics:
    """The counts of one process; `process` tells its scrapes from those of others behind the same address."""

    def __init__(self, process: str = "0") -> None:
        self.process = process
        self.in_flight = 0
        self.requests: dict[tuple[str, str], int] = {}
        self.attempts: dict[tuple[str, str], int] = {}
        self.tokens: dict[tuple[str, str], int] = {}
        self.cost_usd_micros: dict[str, int] = {}
        self.denials: dict[str, int] = {}
        self.limits: dict[str, int] = {}
        self.classified: dict[str, int] = {}
        self.cache_lookups: dict[str, int] = {}
        self.duration = Histogram()
        self.first_byte = Histogram()

    def saw_text(self, complexity: str) -> None:
        """A text was classified."""
        self.classified[complexity] = self.classified.get(complexity, 0) + 1

    def looked_up(self, result: str) -> None:
        """The answer cache was looked into, or passed by."""
        self.cache_lookups[result] = self.cache_lookups.get(result, 0) + 1

    def denied(self, reasons: Iterable[str]) -> None:
        """A decision admitted no route; `reasons` read `CODE: subject ...`, and each code counts once.

        That a provider is not configured is said of every request, so it counts only where nothing else is said.
        """
        given = list(reasons)
        telling = [reason for reason in given if PROVIDER_CONFIGURED not in reason]
        for code in {reason.partition(":")[0] for reason in telling or given}:
            self.denials[code] = self.denials.get(code, 0) + 1

    def limited(self, names: Iterable[str]) -> None:
        """A request was refused by limits of these names, before any decision."""
        for name in names:
            self.limits[name] = self.limits.get(name, 0) + 1

    def refused(self, status: int, elapsed_us: int) -> None:
        """A request ended before any provider was asked."""
        key = (REFUSED, str(status))
        self.requests[key] = self.requests.get(key, 0) + 1
        self.duration.observe(elapsed_us)

    def ended(self, settlement: Settlement, route: Route, status: str) -> None:
        """A request that was admitted has ended on `route`; `status`: what the client was sent first, or NO_STATUS."""
        requests, attempts, tokens = self.requests, self.attempts, self.tokens
        key = (settlement.outcome, status)
        requests[key] = requests.get(key, 0) + 1
        for attempt in settlement.attempts:
            key = (attempt.route.partition("/")[0], attempt.cause)
            attempts[key] = attempts.get(key, 0) + 1
        if settlement.output_tokens or settlement.input_tokens:
            key = ("input", route.model)
            tokens[key] = tokens.get(key, 0) + settlement.input_tokens
            key = ("output", route.model)
            tokens[key] = tokens.get(key, 0) + settlement.output_tokens
        self.duration.observe(settlement.elapsed_us)
        if settlement.first_byte_us and status == "200":
            self.first_byte.observe(settlement.first_byte_us)

    def charged(self, provider: str, usd_micros: int) -> None:
        """What a request cost in the end, put down to the provider that was asked last."""
        self.cost_usd_micros[provider] = self.cost_usd_micros.get(provider, 0) + usd_micros
