"""Predicted waits of pools against what the pool model then does, per configuration: model against model.

    python -m bench.pool_calibration [--requests 2000] [--seed 1] [--write docs/pool-model.md]

Before each request the predictor that decisions use (worker/routing/pool_waits.py) is given what the simulated card
tells of its neighbours; then the request is sent into the simulation. No GPU is used and none is measured. Equal seeds
give equal tables on any machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.report import write_section
from bench.run import say
from gateway.simulator.pools.calibration import SETUPS, Calibration, calibrate
from gateway.simulator.pools.parameters import MILLION, SPATIAL

HEAD = (
    "| card | neighbours | each at work | in the way | mean predicted, s | mean simulated, s | error |"
    " p95 simulated, s | worst predicted, s | longest simulated, s |"
)


def seconds(time_us: int) -> str:
    return f"{time_us / MILLION:.2f}"


def row_of(found: Calibration) -> str:
    """One configuration as a line of the table."""
    setup = found.setup
    name = "in space" if setup.mode == SPATIAL else f"turns of {setup.quantum_us // MILLION} s"
    load = "always" if setup.load_ppm >= MILLION else f"{setup.load_ppm / 10_000:.0f} %"
    cells = (
        name,
        str(setup.neighbours),
        load,
        f"{found.busy_ppm / 10_000:.0f} %",
        seconds(found.expected_us),
        seconds(found.simulated_us),
        f"{found.error_ppm / 10_000:+.0f} %",
        seconds(found.p95_us),
        seconds(found.worst_us),
        seconds(found.longest_us),
    )
    return f"| {' | '.join(cells)} |"


def table(requests: int, seed: int) -> list[str]:
    """All configurations, and what they come to."""
    lines, found = [HEAD, "| --- | ---: | ---: " + "| ---: " * 7 + "|"], []
    for setup in SETUPS:
        found.append(calibrate(setup, requests, seed))
        lines.append(row_of(found[-1]))
        say(lines[-1])
    resting = [one for one in found if one.setup.load_ppm < MILLION]
    never = [one for one in found if one.setup.load_ppm >= MILLION]
    beyond = sum([one.beyond_ppm * one.requests // MILLION for one in found])
    return [
        *lines,
        "",
        f"Greatest error of a mean: {_worst(never)} % behind neighbours that never rest, {_worst(resting)} % behind"
        f" others. Requests that waited longer than the worst predicted: {beyond} of {len(found) * requests:,}.",
    ]


def _worst(found: list[Calibration]) -> int:
    return max([-(-abs(one.error_ppm) // 10_000) for one in found])


def main() -> None:
    """Simulate, print, and write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    lines = [
        f"{asked.requests:,} requests of 2 s of GPU time into each configuration, seed {asked.seed}; the neighbours'"
        " requests take 2 s on average.",
        "",
        *table(asked.requests, asked.seed),
        "",
        "Reproduce it with `python -m bench.pool_calibration`.",
    ]
    text = "\n".join(lines)
    print(text)
    if asked.write:
        write_section(asked.write, "calibration", text)


if __name__ == "__main__":
    main()
