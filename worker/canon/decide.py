"""The only place that orders: a total in integer microseconds, least first, over the admissible candidates.

    total = E[min(TTV, H)] + lC*cost + lR*risk - lP*ln p + tier penalty

TTV is the time to the full answer, so its restricted mean here is min(ttv, H); that the answer may not serve is p's
business, and counted once. H is the deadline, or the catalogue's horizon. The tier penalty multiplies time and cost
by a named factor: a route of a worse tier wins only if the better tier's is worse by that factor. Ties: (total, ttv,
risk, cost, id), ids unique, so the order is total and no input order shows through.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from worker.canon.fixed_point import neg_ln_micronats
from worker.canon.gates import Bounds, Verdict, judge_all
from worker.routing.candidates import MILLION, Candidate, Load, complexity_index

#: The columns of a candidate's row, apart by blanks; `-` = none. Denials are apart by commas.
ROW_COLUMNS = (
    "route",
    "ttv_us",
    "cost_usd_micros",
    "risk_ppm",
    "success_ppm",
    "worst_case_usd_micros",
    "output_limit_tokens",
    "observed_samples",
    "total_us",
    "denials",
)


class Decision(NamedTuple):
    """Candidates with verdicts and totals (None = denied), and the positions of the admissible ones, best first."""

    candidates: tuple[Candidate, ...]
    verdicts: tuple[Verdict, ...]
    totals: tuple[int | None, ...]
    ranking: tuple[int, ...]

    def to_rows(self) -> list[str]:
        """One line a candidate, in `ROW_COLUMNS`: text, because nested values cost more to hash than to write."""
        rows = []
        for candidate, verdict, total in zip(self.candidates, self.verdicts, self.totals, strict=True):
            denials = verdict.denials
            if total is None:
                end = "- " + (denials[0].to_text() if len(denials) == 1 else ",".join([d.to_text() for d in denials]))
            else:
                end = f"{total} -"
            rows.append(
                f"{candidate.route.id} {candidate.ttv_us} {candidate.cost_usd_micros} {candidate.risk_ppm} "
                f"{candidate.success_ppm} {verdict.worst_usd_micros} {verdict.output_tokens} "
                f"{candidate.observation.samples} {end}"
            )
        return rows


@lru_cache(maxsize=4096)
def _improbability(success_ppm: int) -> int:
    """-ln p, remembered: a model has few success probabilities."""
    return neg_ln_micronats(success_ppm)


def total_us(candidate: Candidate, bounds: Bounds, horizon_us: int, complexity: int) -> int:
    """The candidate's total in microseconds. Raises: ValueError for a success probability of zero or above one."""
    weights = bounds.weights
    spent = min(candidate.ttv_us, horizon_us) + weights.cost_us_per_usd_micro * candidate.cost_usd_micros
    tier_penalty = spent * (candidate.route.tier_factor_ppm[complexity] - MILLION) // MILLION
    return (
        spent
        + tier_penalty
        + weights.risk_us_per_ppm * candidate.risk_ppm
        + weights.improbability_us_per_micronat * _improbability(candidate.success_ppm)
    )


class Terms(NamedTuple):
    """The summands of a candidate's total, in microseconds."""

    time_us: int
    cost_us: int
    risk_us: int
    improbability_us: int
    tier_penalty_us: int


def terms_of(candidate: Candidate, bounds: Bounds, horizon_us: int, complexity: int) -> Terms:
    """What `total_us` is made of, for whoever wants to look at it. Raises: ValueError as `total_us` does."""
    weights = bounds.weights
    time_us = min(candidate.ttv_us, horizon_us)
    cost_us = weights.cost_us_per_usd_micro * candidate.cost_usd_micros
    return Terms(
        time_us=time_us,
        cost_us=cost_us,
        risk_us=weights.risk_us_per_ppm * candidate.risk_ppm,
        improbability_us=weights.improbability_us_per_micronat * _improbability(candidate.success_ppm),
        tier_penalty_us=(time_us + cost_us) * (candidate.route.tier_factor_ppm[complexity] - MILLION) // MILLION,
    )


def decide(candidates: Sequence[Candidate], load: Load, bounds: Bounds, horizon_us: int) -> Decision:
    """Judge every candidate, total and rank the admissible ones. Pure; nothing is mutated; empty ranking = refused."""
    verdicts = judge_all(candidates, load, bounds)
    complexity = complexity_index(load.complexity)
    totals: list[int | None] = []
    keys: list[tuple[int, int, int, int, str, int]] = []
    for position, (candidate, verdict) in enumerate(zip(candidates, verdicts, strict=True)):
        if verdict.denials:
            totals.append(None)
            continue
        total = total_us(candidate, bounds, horizon_us, complexity)
        totals.append(total)
        keys.append(
            (
                total,
                candidate.ttv_us,
                candidate.risk_ppm,
                candidate.cost_usd_micros,
                candidate.route.id,
                position,
            )
        )
    keys.sort()
    return Decision(tuple(candidates), tuple(verdicts), tuple(totals), tuple(key[-1] for key in keys))
