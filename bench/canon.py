"""Times deciding, certifying and verifying: the request path's decision and the engine, in CPython and in workerd.

    python -m bench.canon [--rounds 9] [--write docs/performance.md] [--date YYYY-MM-DD] [--no-edge]

Every figure is the median over rounds of the mean of many calls. workerd stands its clock still while code runs, so its
row is the mean of many decisions in one request, seen from outside, less a request with one. Needs the dev extra, and
for workerd the tools of tests/edge/setup_edge.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from bench.report import describe_machine, write_section
from gateway.adapters.host import PySha3Hasher
from tests.edge.harness import EdgeWorker
from tests.edge.hosts import PROOF_MODULES, TESTS
from worker.canon.certificate import certificate_of, verify_certificate
from worker.canon.decide import decide
from worker.canon.gates import Funds, bounds_of
from worker.canon.problem import Problem, read_problem
from worker.canon.resolve import resolve
from worker.covenant.policy import Policy
from worker.ports import Hasher
from worker.routing.candidates import Candidate, Load, build_candidates
from worker.routing.catalogue import compile_catalogue
from worker.routing.default_catalogue import DEFAULT_CATALOGUE

CANDIDATES = 20
SIZES = (20, 200, 2_000, 10_000)
GOAL_CPYTHON_US, GOAL_WORKERD_US = 150, 1_000
EDGE_DECISIONS = 2_000
LOAD = Load(1_200, 0, 1, 0, 400, 250_000, "moderate", frozenset())


def problem_of(count: int, hasher: Hasher) -> dict[str, Any]:
    """A problem whose candidates each cite an item and have a prerequisite; a few are denied by a bound."""
    law = {
        "id": "law",
        "kind": "policy",
        "level": "CANON",
        "at_us": 1,
        "provenance": {"source": "repo", "ref": "bench"},
        "content": {"says": "decide"},
    }
    cites = [{"id": "law", "hash": hasher.sha3_256(b'{"says":"decide"}').hex()}]
    candidates = [
        {
            "id": f"c{at}",
            "actions": [{"id": f"a{at}", "tags": ["serve"], "prerequisites": ["law"], "cites": cites}],
            "features": {
                "ttv_us": 1_000_000 + at * 7_919 % 900_000,
                "cost_usd_micros": at * 31 % 400,
                "risk_ppm": at * 4_001 % 100_000,
                "success_ppm": 900_000 + at * 997 % 100_000,
            },
        }
        for at in range(count)
    ]
    weights = {"cost_us_per_usd_micro": 1_000, "risk_us_per_ppm": 20, "improbability_us_per_micronat": 10}
    bounds = {"max_risk_ppm": 80_000, "max_cost_usd_micros": 390, "required_kinds": ["policy"]}
    return {"candidates": candidates, "weights": weights, "bounds": bounds, "canon": [law]}


def request_candidates() -> list[Candidate]:
    """Twenty candidates of the built-in catalogue, the first ones again under other ids if there are fewer."""
    catalogue = compile_catalogue(DEFAULT_CATALOGUE)
    found = build_candidates(catalogue, "auto", LOAD, {})
    more = [one._replace(route=one.route._replace(id=f"{one.route.id}-again")) for one in found]
    return (found + more)[:CANDIDATES]


def mean_us(rounds: int, calls: int, function: Callable[[], object]) -> float:
    """The median over rounds of a call's mean time."""
    function()
    means = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(calls):
            function()
        means.append((time.perf_counter() - begun) / calls * 1e6)
    return median(means)


def measure_cpython(hasher: Hasher, rounds: int) -> dict[str, float]:
    """Deciding over twenty candidates, on the request path and by the engine."""
    catalogue = compile_catalogue(DEFAULT_CATALOGUE)
    policy = Policy(budget_usd_micros=2_000_000, deadline_us=30_000_000, priority="balanced")
    configured = frozenset(provider.id for provider in DEFAULT_CATALOGUE.providers)
    bounds = bounds_of(catalogue, policy, (Funds("request", 2_000_000),), configured, None, True)
    candidates = request_candidates()
    problem = read_problem(problem_of(CANDIDATES, hasher), hasher)
    return {
        "a request's decision, CPython": mean_us(rounds, 500, lambda: decide(candidates, LOAD, bounds, 30_000_000)),
        "a problem's decision, CPython": mean_us(rounds, 500, lambda: resolve(problem, hasher)),
    }


def measure_certificates(hasher: Hasher, rounds: int) -> list[tuple[int, int, float, float, float]]:
    """By size: bytes of the certificate, and microseconds a candidate to decide, to certify and to verify."""
    rows = []
    for size in SIZES:
        problem: Problem = read_problem(problem_of(size, hasher), hasher)
        resolution = resolve(problem, hasher)
        certificate = json.loads(json.dumps(certificate_of(problem, resolution, hasher)))
        calls, few = max(1, 2_000 // size), max(3, rounds // 3)
        decided = mean_us(few, calls, lambda: resolve(problem, hasher))  # noqa: B023
        made = mean_us(few, calls, lambda: certificate_of(problem, resolution, hasher))  # noqa: B023
        checked = mean_us(few, calls, lambda: verify_certificate(certificate, hasher))  # noqa: B023
        rows.append((size, len(json.dumps(certificate, separators=(",", ":"))), decided, made, checked))
    return [(size, length, *(us / size for us in times)) for size, length, *times in rows]


def measure_workerd(hasher: Hasher, rounds: int) -> dict[str, float]:
    """Deciding over twenty candidates in workerd."""
    body = json.dumps(problem_of(CANDIDATES, hasher)).encode()
    with EdgeWorker(TESTS / "edge" / "proof_entry.py", added=PROOF_MODULES, label="bench-canon") as worker:
        opener = build_opener(ProxyHandler({}))

        def asked_s(times: int) -> float:
            begun = time.perf_counter()
            with opener.open(Request(f"{worker.url}/decide?times={times}", data=body)) as answer:
                answer.read()
            return time.perf_counter() - begun

        asked_s(1)
        means = [(asked_s(EDGE_DECISIONS + 1) - asked_s(1)) / EDGE_DECISIONS * 1e6 for _ in range(rounds)]
    return {"a problem's decision, workerd": median(means)}


def describe(figures: dict[str, float], sizes: list[tuple[int, int, float, float, float]], date: str) -> str:
    """The section of the page."""
    lines = ["| what | us |", "| --- | ---: |", *[f"| {name} | {us:.0f} |" for name, us in figures.items()]]
    kept = all(us <= (GOAL_WORKERD_US if "workerd" in name else GOAL_CPYTHON_US) for name, us in figures.items())
    table = [
        "| candidates | certificate, bytes | deciding, us each | certifying, us each | verifying, us each |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *[f"| {size:,} | {length:,} | {a:.1f} | {b:.1f} | {c:.1f} |" for size, length, a, b, c in sizes],
    ]
    return "\n\n".join(
        [
            "## One decision",
            f"{date}, {describe_machine()}. {CANDIDATES} candidates: those of the built-in catalogue under a covenant, "
            "and those of a problem in which each cites an item and has a prerequisite. Medians of means.",
            f"Asked: at most {GOAL_CPYTHON_US} us in CPython and {GOAL_WORKERD_US:,} us in workerd: "
            f"{'kept' if kept else '**not kept**'}.",
            "\n".join(lines),
            "What a candidate takes must not grow with their number, or verifying were not linear (deciding sorts):",
            "\n".join(table),
            "Reproduce it with `python -m bench.canon`.",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.canon", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", type=Path, help="page to write the table into")
    parser.add_argument("--date", default="", help="date to print (today)")
    parser.add_argument("--no-edge", action="store_true", help="leave workerd out")
    options = parser.parse_args()
    hasher = PySha3Hasher()
    asyncio.run(hasher.load())
    figures = measure_cpython(hasher, options.rounds)
    if not options.no_edge:
        figures |= measure_workerd(hasher, options.rounds)
    sizes = measure_certificates(hasher, options.rounds)
    text = describe(figures, sizes, options.date or datetime.now(UTC).date().isoformat())
    print(text)
    if options.write:
        write_section(options.write, "canon", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
