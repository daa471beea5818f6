"""Measures Harpoon beside the floor and the bare upstream, in one interleaved run, and writes docs/performance.md.

    python -m bench.run [--rounds 5] [--out docs/performance.md] [--quick] [--date YYYY-MM-DD]

Every round visits every load in shuffled order, and under each load every system in shuffled order, with the same body
and connections. A bad answer ends the run: a fast failure must not count as speed. Ratios and differences are taken
inside a round, where the machine is the same for both sides, and then the median over rounds is told.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.report import write_run
from bench.servers import BUILD, ROOT, BenchError, Server, ask, load, run_floor, run_harpoon, run_upstream

QUESTION = "What does a sharing ratio of four mean for the workloads on a physical GPU? One sentence, please."
PLAIN: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "You answer questions about GPU pools, briefly and precisely."},
        {"role": "user", "content": QUESTION},
    ],
    "temperature": 0.2,
    "max_tokens": 128,
}
STREAM = {**PLAIN, "stream": True, "stream_options": {"include_usage": True}}
#: The mock upstream reads this as one millisecond between two events.
PACED = {**STREAM, "metadata": {"gap_ms": "1"}}
BODIES = {"plain": PLAIN, "stream": STREAM, "paced": PACED}
SYSTEMS = ("direct", "floor", "harpoon")


class Load(NamedTuple):
    """One way of asking: kind of body, connections, requests per visit."""

    kind: str
    connections: int
    requests: int


LOADS = (
    Load("plain", 1, 1500),
    Load("plain", 16, 5000),
    Load("plain", 64, 5000),
    Load("stream", 1, 1200),
    Load("stream", 16, 4000),
    Load("stream", 64, 4000),
    Load("paced", 64, 1500),
)
QUICK_DIVISOR = 4


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def write_bodies() -> dict[str, Path]:
    """The request bodies as files for the load client."""
    BUILD.mkdir(parents=True, exist_ok=True)
    files = {kind: BUILD / f"{kind}.json" for kind in BODIES}
    for kind, path in files.items():
        path.write_text(json.dumps(BODIES[kind], separators=(",", ":")))
    return files


def cold_start(upstream: Server, system: str) -> dict[str, float]:
    """Milliseconds from starting the process to its first answered /health, and to its first chat answer."""
    start = run_harpoon if system == "harpoon" else run_floor
    began = time.perf_counter()
    with start(upstream) as server:
        healthy = time.perf_counter()
        status, _ = ask(server, json.dumps(PLAIN).encode())
        answered = time.perf_counter()
        if status != 200:
            raise BenchError(f"the first chat answer of {system} has status {status}")
        now_mb, _ = server.memory_mb()
    return {"health_ms": (healthy - began) * 1e3, "chat_ms": (answered - began) * 1e3, "rss_mb": now_mb}


def one_round(
    servers: dict[str, Server], bodies: dict[str, Path], divisor: int, chance: random.Random
) -> dict[str, Any]:
    """Visit every load and system once; returns figures by "kind/connections" and system."""
    figures: dict[str, Any] = {}
    for one in chance.sample(LOADS, len(LOADS)):
        key = f"{one.kind}/{one.connections}"
        figures[key] = {}
        for name in chance.sample(SYSTEMS, len(SYSTEMS)):
            server, requests = servers[name], one.requests // divisor
            before_s = server.cpu_s()
            found = load(server, bodies[one.kind], one.connections, requests, stream=one.kind != "plain")
            figures[key][name] = {**found, "cpu_us": (server.cpu_s() - before_s) * 1e6 / requests}
        rps = {name: figures[key][name]["rps"] for name in SYSTEMS}
        ratio = rps["harpoon"] / rps["floor"]
        say(f"  {key:10}" + "".join(f"  {name} {rps[name]:8.0f}/s" for name in SYSTEMS) + f"  ratio {ratio:.2f}")
    return figures


def measure(rounds: int, divisor: int, seed: int) -> dict[str, Any]:
    """All rounds, and what the processes took. Raises: BenchError."""
    chance, bodies = random.Random(seed), write_bodies()
    results: dict[str, Any] = {"rounds": [], "cold": {"floor": [], "harpoon": []}, "memory": {}}
    with run_upstream() as upstream, run_floor(upstream) as floor, run_harpoon(upstream) as harpoon:
        servers = {"direct": upstream, "floor": floor, "harpoon": harpoon}
        for name in SYSTEMS:  # what is done once, at a first request, is no part of any round
            for kind, body in bodies.items():
                load(servers[name], body, 16, 200, stream=kind != "plain")
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            results["rounds"].append(one_round(servers, bodies, divisor, chance))
            for name in chance.sample(("floor", "harpoon"), 2):
                results["cold"][name].append(cold_start(upstream, name))
        for name in ("floor", "harpoon"):
            now_mb, highest_mb = servers[name].memory_mb()
            results["memory"][name] = {"rss_mb": now_mb, "peak_mb": highest_mb}
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "performance.md", help="page to write into")
    parser.add_argument("--quick", action="store_true", help="two rounds of a quarter of the requests")
    parser.add_argument("--date", default="", help="date to print (today)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of visits")
    options = parser.parse_args()
    rounds, divisor = (2, QUICK_DIVISOR) if options.quick else (max(1, options.rounds), 1)
    try:
        results = measure(rounds, divisor, options.seed)
    except BenchError as problem:
        say(f"bench: {problem}")
        return 1
    (BUILD / "run.json").write_text(json.dumps(results, indent=1))
    command = "python -m bench.run" + (" --quick" if options.quick else f" --rounds {rounds}")
    date = options.date or datetime.now(UTC).date().isoformat()
    print(write_run(options.out, results, date=date, command=command))
    say(f"written into {options.out}; every single figure is in {(BUILD / 'run.json').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
