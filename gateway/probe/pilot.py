"""The product's pilot: three models, 100 requests, then 1,000, over a mixture of tasks written for it; targets beside.

The targets are what the product is meant to reach, not promises of the endpoint. The second phase runs only if the
first went well enough to be worth its cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.probe.chat import Chat, Timed
from gateway.probe.limits import Limits
from gateway.probe.measure import run_workers
from gateway.probe.prompts import MIXTURE, numbered
from gateway.probe.statistics import Estimate, mean, rate
from gateway.report.summary import (
    LEAST_FOR_MEAN,
    LEAST_FOR_SUCCESS,
    MET,
    NOT_MET,
    TARGET_LATENCY_US,
    TARGET_SAVING_PPM,
    TARGET_SUCCESS_PPM,
    TOO_FEW,
)
from worker.money import MICROS

MODELS: Final = 3
PHASES: Final = (100, 1_000)
#: The second phase is left out below this share of answers in the first.
GO_ON_PPM: Final = 900_000
#: Bounds that suit the pilot, but for the dollars, which stay as they are for every probe.
LIMITS: Final = Limits(requests=1_200, answer_tokens=96, tokens=500_000, seconds=3_600, timeout_s=60)


@dataclass(slots=True)
class Phase:
    """So many requests over the models in turn."""

    planned: int
    timed: list[Timed] = field(default_factory=list)


@dataclass(slots=True)
class Pilot:
    """Both phases, and why the second was left out, if it was. concurrency: requests at once."""

    models: tuple[str, ...]
    concurrency: int
    phases: list[Phase] = field(default_factory=list)
    left_out: str = ""

    @property
    def timed(self) -> list[Timed]:
        return [one for phase in self.phases for one in phase.timed]


@dataclass(frozen=True, slots=True)
class Goal:
    """A target beside what was measured. unit: ppm or us. verdict: MET, NOT_MET or TOO_FEW."""

    name: str
    wanted: str
    unit: str
    measured: Estimate
    verdict: str


async def run_pilot(chat: Chat, pilot: Pilot, phases: Sequence[int] = PHASES) -> None:
    """Run the phases. Raises: LimitReached, with what was measured kept."""
    number = 0
    for planned in phases:
        if pilot.phases and (why := _why_not_on(pilot.phases[-1])):
            pilot.left_out = why
            return
        phase = Phase(planned)
        pilot.phases.append(phase)
        tasks = [task_of(pilot.models, number + at) for at in range(planned)]
        number += planned
        await run_workers(chat, pilot.concurrency, tasks, phase.timed)


def task_of(models: Sequence[str], number: int) -> tuple[str, str]:
    """The model and the prompt of a request: every model gets every prompt in its turn."""
    prompt = MIXTURE[number // len(models) % len(MIXTURE)]
    return models[number % len(models)], numbered(number, prompt.text)


def goals_of(timed: Sequence[Timed], baseline: tuple[int, int] | None, *, is_priced: bool) -> list[Goal]:
    """The pilot's targets. baseline: micro-dollars for a million tokens in and out, None = no comparison."""
    answered = [one for one in timed if one.is_ok]
    success = rate(len(answered), len(timed))
    latency = mean([one.total_us for one in answered])
    goals = [
        _goal("success rate", "at least 99.9 %", "ppm", success, TARGET_SUCCESS_PPM, LEAST_FOR_SUCCESS, rising=True),
        _goal("average latency", "below 1 s", "us", latency, TARGET_LATENCY_US, LEAST_FOR_MEAN, rising=False),
    ]
    if baseline is not None and is_priced:
        saving = saving_of(answered, baseline)
        goals.append(
            _goal("saving against the baseline", "at least 30 %", "ppm", saving, TARGET_SAVING_PPM, LEAST_FOR_MEAN,
                  rising=True)
        )  # fmt: skip
    return goals


def saving_of(answered: Sequence[Timed], baseline: tuple[int, int]) -> Estimate:
    """The part of the baseline's cost that was saved, of answers whose tokens are known and that cost something."""
    told = [one for one in answered if one.tokens is not None and one.tokens_in is not None and not one.is_simulated]
    there = sum((one.tokens_in or 0) * baseline[0] + (one.tokens or 0) * baseline[1] for one in told) // MICROS
    if not there:
        return Estimate(len(told), None, None, None)
    here = sum(one.cost_usd_micros for one in told)
    return Estimate(len(told), (there - here) * 1_000_000 // there, None, None)


def _goal(name: str, wanted: str, unit: str, measured: Estimate, target: int, least: int, *, rising: bool) -> Goal:
    if measured.value is None or measured.n < least:
        return Goal(name, wanted, unit, measured, TOO_FEW)
    holds = measured.value >= target if rising else measured.value < target
    return Goal(name, wanted, unit, measured, MET if holds else NOT_MET)


def _why_not_on(phase: Phase) -> str:
    """Why the next phase isn't worth it; "" if it is."""
    answered = sum(one.is_ok for one in phase.timed)
    if answered * 1_000_000 >= GO_ON_PPM * len(phase.timed):
        return ""
    return f"only {answered} of the first {len(phase.timed)} requests were answered"
