"""Times the pool model beside SimPy on the same queue, and a day of traffic in every pool configuration.

    python -m bench.pools [--requests 60000] [--rounds 7] [--day] [--write docs/performance.md] [--date YYYY-MM-DD]

The queue is M/D/1 at 80 % load: one server, fixed service, random arrivals, waits recorded. SimPy runs it as one
process a request over a Resource, as its documentation does. Both draw their arrivals beforehand, so only the models
are timed; rounds alternate. A transition is an arrival or an end, two a request in either. The day: 10 requests a
second for 24 hours, four tenants, on two cards of ratio 2; told is how long a configuration took here. Needs the dev
extra.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.report import describe_machine, write_section
from bench.run import say
from gateway.simulator.pools.card import Card, Tenant
from gateway.simulator.pools.chance import Chance
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.engine import Engine
from gateway.simulator.pools.formulas import md1_wait_us
from gateway.simulator.pools.parameters import ONE_AT_A_TIME, Parameters, PoolSpec, batch_speeds
from gateway.simulator.pools.study import Configuration, study
from gateway.simulator.pools.traffic import Poisson

WORK_US = 100_000
LOAD_PPM = 800_000
DAY_US = 86_400_000_000
GOAL_DAY_S = 60
#: Work of a request in the day: at 10 a second two cards are 75 % used.
DAY_WORK_US = 150_000


def arrival_times(count: int) -> list[int]:
    """When the queue's requests come, in microseconds."""
    chance, at_us, found = Chance(1), 0, []
    for _ in range(count):
        at_us += chance.exponential_us(WORK_US * 1_000_000 // LOAD_PPM)
        found.append(at_us)
    return found


def run_harpoon(times: list[int]) -> int:
    """The queue in the pool model; returns the mean wait in microseconds."""
    parameters = Parameters()
    engine = Engine(parameters, 1)
    only = Tenant(1, "a", batch_speeds(ONE_AT_A_TIME, 1))
    engine.place(Card(0, PoolSpec(1, "queue"), parameters), only)
    for at_us in times:
        engine.run_until(at_us)
        engine.submit(only, WORK_US)
    engine.run()
    return sum([(task.started_us or 0) - task.arrival_us for task in engine.finished]) // len(times)


def run_simpy(times: list[int]) -> int:
    """The same queue in SimPy; returns the mean wait in microseconds."""
    import simpy

    env = simpy.Environment()
    server = simpy.Resource(env, capacity=1)
    waits: list[int] = []

    def request() -> Generator[Any, Any, None]:
        came = env.now
        with server.request() as turn:
            yield turn
            waits.append(env.now - came)
            yield env.timeout(WORK_US)

    def source() -> Generator[Any, Any, None]:
        for at_us in times:
            yield env.timeout(at_us - env.now)
            env.process(request())

    env.process(source())
    env.run()
    return sum(waits) // len(waits)


def time_s(run: Callable[[list[int]], int], times: list[int]) -> tuple[float, int]:
    """Seconds of one run, without the collector's pauses of the other, and the mean wait it found."""
    gc.collect()
    begun = time.perf_counter()
    wait_us = run(times)
    return time.perf_counter() - begun, wait_us


def compare(requests: int, rounds: int) -> list[str]:
    """The table of both models; the rounds alternate, and who begins does too."""
    times = arrival_times(requests)
    runs = (("Harpoon's pool model", run_harpoon), ("SimPy 4.1", run_simpy))
    took: dict[str, list[float]] = {name: [] for name, _ in runs}
    waits: dict[str, int] = {}
    for number in range(rounds):
        for name, run in runs if number % 2 else runs[::-1]:
            seconds, waits[name] = time_s(run, times)
            took[name].append(seconds)
        say(f"round {number + 1} of {rounds}")
    theory = md1_wait_us(WORK_US, LOAD_PPM)
    ours, theirs = (took[name] for name, _ in runs)
    ratios = sorted(there / here for here, there in zip(ours, theirs, strict=True))
    lines = [
        "| model | transitions a second | mean wait, ms |",
        "| --- | --- | --- |",
        *(f"| {name} | {2 * requests / median(took[name]):,.0f} | {waits[name] / 1_000:.1f} |" for name, _ in runs),
        f"| theory | - | {theory / 1_000:.1f} |",
        "",
        f"Ratio in the same round: **{median(ratios):.2f}** ({ratios[0]:.2f} to {ratios[-1]:.2f}); asked: at least 1.",
    ]
    return lines


def day() -> list[str]:
    """The table of a day of traffic by configuration."""
    lines = [
        "| configuration | requests | transitions | p95, ms | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    slowest = 0.0
    for mode, quantum_s in (("spatial", 30), ("temporal", 2), ("temporal", 10), ("temporal", 30), ("temporal", 90)):
        traffic = Poisson(36_000, DAY_US, 4, DAY_WORK_US, 30_000)
        configuration = Configuration(2, 2, quantum_s * 1_000_000, mode)
        gc.collect()
        begun = time.perf_counter()
        found = study(traffic, configuration, Server(), Parameters(), hourly_usd_micros=660_000)
        seconds = time.perf_counter() - begun
        slowest = max(slowest, seconds)
        name = "in space" if mode == "spatial" else f"in turns of {quantum_s} s"
        lines.append(
            f"| {name} | {found.served:,} | {found.transitions:,} | {found.latency.percentiles_us[2] // 1_000:,} |"
            f" {seconds:.1f} |"
        )
        say(lines[-1])
    held = "yes" if slowest <= GOAL_DAY_S else "**no**"
    return [*lines, "", f"Asked: at most {GOAL_DAY_S} seconds each; held: {held}."]


def main() -> None:
    """Measure, print, and write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--day", action="store_true", help="a day of traffic in every configuration too")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--date", default=datetime.now(UTC).date().isoformat())
    asked = parser.parse_args()
    lines = ["### Pool model", "", f"{asked.date}, {describe_machine()}.", ""]
    lines += compare(asked.requests, asked.rounds)
    if asked.day:
        lines += ["", "A day of traffic, 10 requests a second, on one core:", "", *day()]
    extra = " --day" if asked.day else ""
    lines += ["", f"Reproduce it with `python -m bench.pools --rounds {asked.rounds}{extra}`."]
    text = "\n".join(lines)
    print(text)
    if asked.write:
        write_section(asked.write, "pools", text)


if __name__ == "__main__":
    main()
