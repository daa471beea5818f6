"""The decision on a request: its routes judged by the gates, and the admissible ones in the order of their totals.

The total and the order are those of `worker.canon.totals`, as for any decision problem. TTV is the time to the full
answer, so its restricted mean here is min(ttv, H); that the answer may not serve is p's business, and counted once. H
is the deadline, or the catalogue's horizon. By the tier penalty a route of a worse tier wins only if the better tier's
is worse by a named factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.canon import totals
from worker.canon.gates import Bounds, Verdict, judge_all
from worker.canon.totals import Key, Terms, rank
from worker.routing.candidates import NOTHING_OBSERVED, Candidate, Load, complexity_index

__all__ = [
    "FIRST_ROW_COLUMNS",
    "ROW_COLUMNS",
    "Decision",
    "Terms",
    "decide",
    "key_of",
    "terms_of",
    "total_us",
]

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
    "observed_ratio_ppm",
    "observed_failures",
    "observed_open",
    "total_us",
    "denials",
)
#: Those of records of version 1, from which a decision can't be derived again.
FIRST_ROW_COLUMNS = tuple(
    name for name in ROW_COLUMNS if name not in ("observed_ratio_ppm", "observed_failures", "observed_open")
)

#: The cells of a route of which nothing is known: written once, because most are.
_UNOBSERVED = "0 1000000 0 0"


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
            observation, observed = candidate.observation, _UNOBSERVED
            if observation is not NOTHING_OBSERVED:
                samples, ratio_ppm, failures, is_open = observation
                observed = f"{samples} {ratio_ppm} {failures} {1 if is_open else 0}"
            rows.append(
                f"{candidate.route.id} {candidate.ttv_us} {candidate.cost_usd_micros} {candidate.risk_ppm} "
                f"{candidate.success_ppm} {verdict.worst_usd_micros} {verdict.output_tokens} "
                f"{observed} {end}"
            )
        return rows


def total_us(candidate: Candidate, bounds: Bounds, horizon_us: int, complexity: int) -> int:
    """The candidate's total in microseconds. Raises: ValueError for a success probability of zero or above one."""
    return totals.total_of(
        min(candidate.ttv_us, horizon_us),
        candidate.cost_usd_micros,
        candidate.risk_ppm,
        candidate.success_ppm,
        candidate.route.tier_factor_ppm[complexity],
        bounds.weights,
    )


def terms_of(candidate: Candidate, bounds: Bounds, horizon_us: int, complexity: int) -> Terms:
    """What `total_us` is made of, for whoever wants to look at it. Raises: ValueError as `total_us` does."""
    return totals.terms_of(
        min(candidate.ttv_us, horizon_us),
        candidate.cost_usd_micros,
        candidate.risk_ppm,
        candidate.success_ppm,
        candidate.route.tier_factor_ppm[complexity],
        bounds.weights,
    )


def decide(candidates: Sequence[Candidate], load: Load, bounds: Bounds, horizon_us: int) -> Decision:
    """Judge every candidate, total and rank the admissible ones. Pure; nothing is mutated; empty ranking = refused."""
    verdicts = judge_all(candidates, load, bounds)
    complexity = complexity_index(load.complexity)
    found: list[int | None] = []
    keys: list[Key] = []
    for position, (candidate, verdict) in enumerate(zip(candidates, verdicts, strict=True)):
        if verdict.denials:
            found.append(None)
            continue
        total = total_us(candidate, bounds, horizon_us, complexity)
        found.append(total)
        keys.append(key_of(candidate, total, position))
    return Decision(tuple(candidates), tuple(verdicts), tuple(found), rank(keys))


def key_of(candidate: Candidate, total: int, position: int) -> Key:
    """What a candidate is ordered by."""
    return (total, candidate.ttv_us, candidate.risk_ppm, candidate.cost_usd_micros, candidate.route.id, position)
