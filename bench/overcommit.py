"""Latency against overcommit, by the pool model: one card sold in 2, 4, 8 and 10 slots, in space and in turns.

    python -m bench.overcommit [--requests 6000] [--write presentation/slides/overcommit.json]

Every slot is taken by a tenant with a small server, so that ten fit on the card together and nothing differs but how
they share it. A cell is one run of `gateway.simulator.pools.study` in virtual time: no GPU is used and none measured.
Equal seeds give equal files on any machine. Without `--write` the table is printed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.run import say
from gateway.simulator.pools.cluster import Server
from gateway.simulator.pools.parameters import MILLION, SPATIAL, TEMPORAL, Parameters
from gateway.simulator.pools.study import PERCENTILES, Configuration, Outcome, study
from gateway.simulator.pools.traffic import Poisson

RATIOS: Final = (2, 4, 8, 10)
QUANTA_S: Final = (2, 10, 30, 90)
#: Memory of a tenant's server: ten times it is less than what a 96 GB card has to give.
SERVER_MB: Final = 9_000
WORK_US: Final = 3 * MILLION
FIRST_US: Final = 300_000
HOURLY_USD_MICROS: Final = 660_000
SEED: Final = 1
REQUESTS: Final = 6_000
HOUR_US: Final = 3_600 * MILLION


class Load(NamedTuple):
    """What each tenant asks for: requests an hour."""

    name: str
    per_hour: int


LOADS: Final = (Load("quiet", 12), Load("busy", 60))


class Way(NamedTuple):
    """How the card is shared; in space there is no quantum (0)."""

    mode: str
    quantum_s: int


WAYS: Final = (Way(SPATIAL, 0), *[Way(TEMPORAL, quantum_s) for quantum_s in QUANTA_S])


def run_cell(load: Load, way: Way, ratio: int, requests: int = REQUESTS) -> Outcome:
    """What the model says of one card with `ratio` tenants; about `requests` requests are sent."""
    per_hour = load.per_hour * ratio
    traffic = Poisson(per_hour, requests * HOUR_US // per_hour, ratio, WORK_US, FIRST_US, work_varies=True, seed=SEED)
    # A quantum must be given even where nobody takes turns.
    configuration = Configuration(1, ratio, max(way.quantum_s, min(QUANTA_S)) * MILLION, way.mode)
    server = Server(allocated_mb=SERVER_MB, working_set_mb=SERVER_MB)
    return study(traffic, configuration, server, Parameters(), hourly_usd_micros=HOURLY_USD_MICROS, seed=SEED)


def cell_of(load: Load, way: Way, ratio: int, outcome: Outcome) -> dict[str, Any]:
    """A cell as the page reads it: times in milliseconds, money in micro-dollars."""
    p50, p95 = (PERCENTILES.index(percent) for percent in (50, 95))
    return {
        "load": load.name,
        "mode": way.mode,
        "quantum_s": way.quantum_s,
        "ratio": ratio,
        "p50_ms": outcome.latency.percentiles_us[p50] // 1_000,
        "p95_ms": outcome.latency.percentiles_us[p95] // 1_000,
        "first_token_p95_ms": outcome.first_token.percentiles_us[p95] // 1_000,
        "busy_percent": outcome.busy_ppm // 10_000,
        "cost_per_request_usd_micros": outcome.cost_per_request_usd_micros,
        "served": outcome.served,
    }


def document(cells: list[dict[str, Any]], requests: int) -> dict[str, Any]:
    """The file: what was assumed, and the cells."""
    return {
        "kind": "modelled",
        "command": "python -m bench.overcommit --write presentation/slides/overcommit.json",
        "assumed": {
            "server_mb": SERVER_MB,
            "card_mb": Parameters().gpu_memory_mb,
            "work_mean_ms": WORK_US // 1_000,
            "first_token_ms": FIRST_US // 1_000,
            "hourly_usd_micros": HOURLY_USD_MICROS,
            "requests_per_cell": requests,
            "seed": SEED,
            "loads": {load.name: load.per_hour for load in LOADS},
        },
        "ratios": list(RATIOS),
        "quanta_s": list(QUANTA_S),
        "columns": list(cells[0]),
        "cells": [list(cell.values()) for cell in cells],
    }


def main() -> None:
    """Run every cell, print it, and write the file if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    cells = []
    for load in LOADS:
        for way in WAYS:
            for ratio in RATIOS:
                cells.append(cell_of(load, way, ratio, run_cell(load, way, ratio, asked.requests)))
                say(json.dumps(cells[-1]))
    text = json.dumps(document(cells, asked.requests), separators=(",", ":"))
    if asked.write:
        asked.write.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
