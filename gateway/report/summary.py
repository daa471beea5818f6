"""The figures of a report, in integers: nothing is rounded towards the better, and every figure carries its n.

Rates are rounded down, percentiles are values that were really measured (nearest rank), a sum of money is exact. Real
and simulated requests are never added up: each has figures and targets of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.report.facts import KNOWN_USAGE, LEFT, SUCCESS, RequestFact
from worker.routing.candidates import MILLION, cost_usd_micros
from worker.routing.catalogue import Route

#: The targets a gateway is held against.
TARGET_SUCCESS_PPM: Final = 999_000
TARGET_LATENCY_US: Final = 1_000_000
TARGET_SAVING_PPM: Final = 300_000
TARGET_REQUESTS: Final = 10_000
TARGET_DAYS: Final = 30
#: With fewer requests one failure alone would decide on 99.9 %; a mean of fewer times or costs says little.
LEAST_FOR_SUCCESS: Final = 1_000
LEAST_FOR_MEAN: Final = 100
MET, NOT_MET, TOO_FEW = "met", "not met", "not enough data"
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of `n` requests in microseconds; None where there are none."""

    n: int
    mean_us: int | None
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What was charged, and what the same tokens cost on the baseline; micro-dollars.

    `total`: all that was charged. The comparison is over the `compared` requests whose tokens are known: `charged` is
    their part of the total, `baseline` the counterfactual. `unknown`: requests whose usage nobody knows, and
    `unknown_usd_micros` what they were charged: their worst case. `other_catalogue`: compared ones that were decided
    under another catalogue than the one whose price is taken.
    """

    total_usd_micros: int
    compared: int
    charged_usd_micros: int
    baseline_usd_micros: int
    unknown: int
    unknown_usd_micros: int
    other_catalogue: int

    @property
    def saved_usd_micros(self) -> int:
        """Less than zero where the baseline would have been cheaper."""
        return self.baseline_usd_micros - self.charged_usd_micros

    @property
    def saving_ppm(self) -> int | None:
        """The part of the baseline's cost that was saved, rounded down; None where the baseline costs nothing."""
        if not self.baseline_usd_micros:
            return None
        return self.saved_usd_micros * MILLION // self.baseline_usd_micros


@dataclass(frozen=True, slots=True)
class Ends:
    """How requests ended. `refused`: by a covenant, a budget or an outage, before anything was sent."""

    requests: int
    refused: int
    still_open: int
    succeeded: int
    failed: int
    left: int
    unsettled: int

    @property
    def judged(self) -> int:
        """What the success rate is of: requests that were sent and ended, other than by their client's leaving."""
        return self.succeeded + self.failed

    @property
    def success_ppm(self) -> int | None:
        """Rounded down; None where nothing ended."""
        return self.succeeded * MILLION // self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Share:
    """Requests of one name (a route, a model, a complexity): how many, how many succeeded, their cost and mean time."""

    name: str
    requests: int
    succeeded: int
    cost_usd_micros: int
    mean_us: int | None


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How much of their budgets requests used. `name`: `request`, or the kind of account.

    Shares in parts per million, above a million = an overrun. `used_ppm`: the mean over single requests; for an account
    what was spent and held when the last of `n` requests was admitted. `most_ppm`: the largest share seen.
    """

    name: str
    n: int
    used_ppm: int
    most_ppm: int


@dataclass(frozen=True, slots=True)
class Target:
    """A line to hold against: the figure in words, what it is of, and whether it is met."""

    name: str
    wanted: str
    figure: int | None
    unit: str
    n: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything about one kind of requests: the real ones, or the simulated ones."""

    is_simulated: bool
    from_us: int
    until_us: int
    ends: Ends
    cost: Cost
    latency: Latency
    first_byte: Latency
    quality_ppm: int | None
    quality_n: int
    budgets: tuple[BudgetUse, ...]
    refusals: tuple[tuple[str, int], ...]
    routes: tuple[Share, ...]
    models: tuple[Share, ...]
    complexities: tuple[Share, ...]
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A report's content. `groups`: real requests first, simulated ones after them; none where there are no requests.

    Prices in micro-dollars per million tokens.
    """

    baseline: str
    baseline_input_price: int
    baseline_output_price: int
    catalogue_hash: str
    catalogue_source: str
    groups: tuple[Figures, ...]


def summarise(facts: Sequence[RequestFact], baseline: Route, hashes: frozenset[str], source: str) -> Summary:
    """The figures of all requests against one baseline.

    Args: hashes: of the catalogue that the baseline's price is taken from (the first, sorted, is shown). source: where
    that catalogue came from, in words.
    """
    # A refused request was given to nobody: it counts with the real ones, unless all that was served is simulated.
    only_simulated = all(fact.is_simulated or not fact.route for fact in facts)
    real = [fact for fact in facts if not (fact.is_simulated or (only_simulated and not fact.route))]
    simulated = [fact for fact in facts if fact.is_simulated or (only_simulated and not fact.route)]
    if only_simulated and not any(fact.is_simulated for fact in facts):
        real, simulated = simulated, []
    groups = tuple(_figures(some, baseline, hashes, kind) for some, kind in ((real, False), (simulated, True)) if some)
    return Summary(
        baseline=baseline.id,
        baseline_input_price=baseline.input_price,
        baseline_output_price=baseline.output_price,
        catalogue_hash=min(hashes, default=""),
        catalogue_source=source,
        groups=groups,
    )


def _figures(facts: Sequence[RequestFact], baseline: Route, hashes: frozenset[str], is_simulated: bool) -> Figures:
    served = [fact for fact in facts if fact.state != "denied"]
    succeeded = [fact for fact in served if fact.outcome == SUCCESS]
    ends, cost = _ends(facts), _cost(served, baseline, hashes)
    latency = latency_of([fact.elapsed_us for fact in succeeded])
    chances = [fact.success_ppm for fact in served if fact.success_ppm]
    first, last = facts[0].at_us, facts[-1].at_us
    return Figures(
        is_simulated=is_simulated,
        from_us=first,
        until_us=last,
        ends=ends,
        cost=cost,
        latency=latency,
        first_byte=latency_of([fact.first_byte_us for fact in succeeded if fact.first_byte_us]),
        quality_ppm=sum(chances) // len(chances) if chances else None,
        quality_n=len(chances),
        budgets=_budgets(facts),
        refusals=_refusals(facts),
        routes=_shares(served, lambda fact: fact.route),
        models=_shares(served, lambda fact: fact.model),
        complexities=_shares(served, lambda fact: fact.complexity),
        targets=_targets(facts, ends, cost, latency),
    )


def _ends(facts: Sequence[RequestFact]) -> Ends:
    served = [fact for fact in facts if fact.state not in ("denied", "open")]
    succeeded = sum(fact.outcome == SUCCESS for fact in served)
    left = sum(fact.outcome == LEFT for fact in served)
    return Ends(
        requests=len(facts),
        refused=sum(fact.state == "denied" for fact in facts),
        still_open=sum(fact.state == "open" for fact in facts),
        succeeded=succeeded,
        failed=len(served) - succeeded - left,
        left=left,
        unsettled=sum(fact.state == "unsettled" for fact in facts),
    )


def _cost(served: Sequence[RequestFact], baseline: Route, hashes: frozenset[str]) -> Cost:
    compared = [fact for fact in served if fact.usage in KNOWN_USAGE]
    unknown = [fact for fact in served if fact.usage == "unknown"]
    return Cost(
        total_usd_micros=sum(fact.cost_usd_micros for fact in served),
        compared=len(compared),
        charged_usd_micros=sum(fact.cost_usd_micros for fact in compared),
        baseline_usd_micros=sum(cost_usd_micros(baseline, fact.input_tokens, fact.output_tokens) for fact in compared),
        unknown=len(unknown),
        unknown_usd_micros=sum(fact.cost_usd_micros for fact in unknown),
        other_catalogue=sum(fact.catalogue not in hashes for fact in compared),
    )


def latency_of(times_us: Iterable[int]) -> Latency:
    """Mean (rounded up: never faster than measured) and percentiles by nearest rank."""
    times = sorted(times_us)
    if not times:
        return Latency(0, None, None, None, None)
    return Latency(
        len(times),
        -(-sum(times) // len(times)),
        nearest_rank(times, 50),
        nearest_rank(times, 95),
        nearest_rank(times, 99),
    )


def nearest_rank(ordered: Sequence[int], percent: int) -> int:
    """The least value that so many per cent of the ordered values do not exceed. Raises: IndexError for no values."""
    return ordered[max(1, -(-len(ordered) * percent // 100)) - 1]


def _shares(served: Sequence[RequestFact], name_of: Callable[[RequestFact], str]) -> tuple[Share, ...]:
    """By name, the most frequent first."""
    grouped: dict[str, list[RequestFact]] = {}
    for fact in served:
        grouped.setdefault(name_of(fact), []).append(fact)
    shares = [
        Share(
            name,
            len(some),
            sum(fact.outcome == SUCCESS for fact in some),
            sum(fact.cost_usd_micros for fact in some),
            latency_of([fact.elapsed_us for fact in some if fact.outcome == SUCCESS]).mean_us,
        )
        for name, some in grouped.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.requests, share.name)))


def _budgets(facts: Sequence[RequestFact]) -> tuple[BudgetUse, ...]:
    """Budgets of single requests that ended, then accounts with a limit as they last stood."""
    uses: list[BudgetUse] = []
    shares = [
        fact.cost_usd_micros * MILLION // fact.budget_usd_micros
        for fact in facts
        if fact.budget_usd_micros and fact.budget_scope in (None, "total", "per_request") and fact.outcome
    ]
    if shares:
        uses.append(BudgetUse("request", len(shares), sum(shares) // len(shares), max(shares)))
    accounts: dict[str, list[int]] = {}
    for fact in facts:
        for account in fact.accounts:
            if account.cap:
                used = (account.spent + account.reserved) * MILLION // account.cap
                accounts.setdefault(account.kind, []).append(used)
    uses += [BudgetUse(kind, len(used), used[-1], max(used)) for kind, used in sorted(accounts.items())]
    return tuple(uses)


def _refusals(facts: Sequence[RequestFact]) -> tuple[tuple[str, int], ...]:
    """How many refused requests each code stood in the way of; a request may count under several."""
    counts: dict[str, int] = {}
    for fact in facts:
        for code in fact.denials:
            counts[code] = counts.get(code, 0) + 1
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _targets(facts: Sequence[RequestFact], ends: Ends, cost: Cost, latency: Latency) -> tuple[Target, ...]:
    within = facts[-1].at_us - TARGET_DAYS * _DAY_US
    recent = sum(fact.at_us > within for fact in facts)
    is_whole = facts[0].at_us <= within
    success = _verdict(ends.succeeded * MILLION >= TARGET_SUCCESS_PPM * ends.judged, ends.judged, LEAST_FOR_SUCCESS)
    fast = latency.mean_us is not None and latency.mean_us < TARGET_LATENCY_US
    saving = cost.saving_ppm is not None and cost.saving_ppm >= TARGET_SAVING_PPM
    return (
        Target("success rate", "at least 99.9 %", ends.success_ppm, "ppm", ends.judged, success),
        Target(
            "average latency, routing included",
            "below 1 s",
            latency.mean_us,
            "us",
            latency.n,
            _verdict(fast, latency.n, LEAST_FOR_MEAN),
        ),
        Target(
            "saving against the baseline",
            "at least 30 %",
            cost.saving_ppm,
            "ppm",
            cost.compared,
            _verdict(saving, cost.compared, LEAST_FOR_MEAN),
        ),
        Target(
            "requests in the last 30 days",
            "at least 10,000",
            recent,
            "",
            len(facts),
            MET if recent >= TARGET_REQUESTS else NOT_MET if is_whole else TOO_FEW,
        ),
    )


def _verdict(holds: bool, n: int, least: int) -> str:
    return TOO_FEW if n < least else MET if holds else NOT_MET
