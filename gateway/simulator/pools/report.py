"""A study in words: rows of a table, a sentence that recommends, and what must be said beside the figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.simulator.pools.parameters import MILLION
from gateway.simulator.pools.study import PERCENTILES, Configuration, Outcome, Spread, Wish
from worker.money import usd_text

HEADS = (
    "GPUs", "ratio", "quantum", "shares in", "served", "refused", "failed", "p50", "p95", "p99", "wait p95",
    "first token p95", "per hour", "busy", "per request",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """Outcomes in the order they ran, the recommended one (None = none keeps the wish), why each other is not."""

    outcomes: tuple[Outcome, ...]
    best: Outcome | None
    reasons: dict[Configuration, str]
    wish: Wish
    hourly_usd_micros: int
    seed: int


def seconds(time_us: int) -> str:
    """A time as a person reads it: milliseconds below ten seconds."""
    return f"{time_us // 1_000} ms" if time_us < 10 * MILLION else f"{time_us // 100_000 / 10} s"


def name_of(configuration: Configuration) -> str:
    """A configuration in a few words."""
    cards = "1 GPU" if configuration.gpus == 1 else f"{configuration.gpus} GPUs"
    if configuration.sharing_ratio == 1:
        return f"{cards}, not shared"
    return f"{cards}, ratio {configuration.sharing_ratio}, quantum {configuration.quantum_us // MILLION} s"


def row_of(outcome: Outcome) -> list[str]:
    """An outcome's cells, in the order of HEADS."""
    configuration, times = outcome.configuration, outcome.latency.percentiles_us
    p95 = PERCENTILES.index(95)
    return [
        str(configuration.gpus),
        str(configuration.sharing_ratio),
        f"{configuration.quantum_us // MILLION} s" if configuration.sharing_ratio > 1 else "-",
        configuration.share_mode if configuration.sharing_ratio > 1 else "-",
        str(outcome.served),
        str(outcome.refused),
        str(outcome.failed),
        seconds(times[0]),
        seconds(times[p95]),
        seconds(times[-1]),
        seconds(outcome.wait.percentiles_us[p95]),
        seconds(outcome.first_token.percentiles_us[p95]),
        str(outcome.per_hour),
        f"{outcome.busy_ppm // 10_000} %",
        f"${usd_text(outcome.cost_per_request_usd_micros)}" if outcome.served else "-",
    ]


def said_of(report: Report) -> str:
    """The recommendation, or that there is none, in a sentence."""
    asked = _wish_text(report.wish)
    if report.best is None:
        return f"No configuration keeps {asked}." if asked else "No configuration served every request."
    what = f"the cheapest per request that keeps {asked}" if asked else "the cheapest per request that serves them all"
    return f"Recommended: {name_of(report.best.configuration)}: {what}."


def _wish_text(wish: Wish) -> str:
    parts = []
    if wish.deadline_us is not None:
        parts.append(f"{wish.percentile} of 100 answers within {seconds(wish.deadline_us)}")
    if wish.budget_usd_micros is not None:
        parts.append(f"${usd_text(wish.budget_usd_micros)} a request")
    if wish.alone:
        parts.append("a card for oneself")
    return ", ".join(parts)


def notes_of(report: Report) -> list[str]:
    """Why the others were not taken, and what these figures are."""
    notes = [
        f"{name_of(outcome.configuration)}: {report.reasons[outcome.configuration]}"
        for outcome in report.outcomes
        if outcome is not report.best
    ]
    notes.append(
        "All figures are outputs of a model, none is a measurement: `harpoon pools parameters` lists its assumptions."
    )
    notes.append(
        f"Cost: ${usd_text(report.hourly_usd_micros)} an hour for each card, idle or not, divided by what was served."
    )
    return notes


def to_plain(report: Report) -> dict[str, Any]:
    """The report as JSON-like values; times in microseconds, money in micro-dollars, shares in ppm."""
    return {
        "object": "pool_study",
        "simulated": True,
        "seed": report.seed,
        "hourly_usd_micros": report.hourly_usd_micros,
        "wish": report.wish._asdict(),
        "recommended": report.best.configuration._asdict() if report.best else None,
        "outcomes": [_plain(outcome, report.reasons.get(outcome.configuration)) for outcome in report.outcomes],
    }


def _plain(outcome: Outcome, reason: str | None) -> dict[str, Any]:
    return {
        **outcome.configuration._asdict(),
        "served": outcome.served,
        "refused": outcome.refused,
        "failed": outcome.failed,
        "latency": _spread(outcome.latency),
        "wait": _spread(outcome.wait),
        "first_token": _spread(outcome.first_token),
        "per_hour": outcome.per_hour,
        "busy_ppm": outcome.busy_ppm,
        "turns_changed": outcome.switches,
        "cost_usd_micros": outcome.cost_usd_micros,
        "cost_per_request_usd_micros": outcome.cost_per_request_usd_micros,
        "not_recommended_because": reason,
    }


def _spread(spread: Spread) -> dict[str, int]:
    percentiles = {f"p{percent}_us": time for percent, time in zip(PERCENTILES, spread.percentiles_us, strict=True)}
    return {"mean_us": spread.mean_us, **percentiles, "max_us": spread.max_us}
