"""Times the capture of sessions beside a bare Starlette POST that parses JSON and answers, in one interleaved run.

    python -m bench.capture [--rounds 5] [--seconds 2] [--write docs/performance.md]

Every round visits each load in shuffled order and under it every system in shuffled order: the bare POST, and `harpoon
serve` with nothing but the sessions API, once with SCR_DURABILITY=process and once with power, each with a spool of its
own; and once more with a JSON-lines file as destination, so that deliveries go on beside the captures. Events are of
the full form, 660 bytes, each with times of its own, their ids minted by the server. Ratios are taken inside a round,
then the median over rounds is told. A bad answer ends the run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.bare_post import PATH
from bench.report import describe_machine, write_section
from bench.servers import BUILD, BenchError, Server, free_port, load, running

KEY = "scr_bench_0123456789abcdef"
HEADERS = (f"authorization: Bearer {KEY}", "content-type: application/json")
BATCH = 100
MOST = 10_000_000
BARE, PROCESS, POWER, DELIVERING = "bare POST", "process", "power", "process, delivering"
SYSTEMS = (BARE, PROCESS, POWER, DELIVERING)
NOWHERE = "version: 1\ndestinations: {}\nrules: []\n"
ROUTES = "version: 1\ndestinations:\n  store: {type: jsonl, path: store.jsonl}\nrules:\n  - {name: all, to: [store]}\n"


class Load(NamedTuple):
    """One way of reporting: events a request, connections."""

    events: int
    connections: int


LOADS = (Load(1, 1), Load(1, 16), Load(1, 64), Load(BATCH, 1), Load(BATCH, 4))


def event(number: int) -> dict[str, Any]:
    """A session of its own length, with nothing in it that two have in common by chance."""
    minute, second, milli = number % 60, number * 7 % 60, number * 37 % 1_000
    return {
        "event_type": "session.completed",
        "timestamp": f"2026-01-01T10:{minute:02d}:{second:02d}.{milli:03d}Z",
        "session": {
            "session_id": f"sess_{number:08d}",
            "session_type": "chat",
            "start_time": f"2026-01-01T09:{minute:02d}:{second:02d}.{milli:03d}Z",
            "end_time": f"2026-01-01T10:{minute:02d}:{second:02d}.{milli:03d}Z",
            "duration_ms": 3_600_000,
        },
        "user": {"user_id": f"user_{number % 977}", "organization_id": "org_1", "tier": "pro"},
        "usage": {
            "input_tokens": 1_000 + number,
            "output_tokens": 890,
            "total_tokens": 1_890 + number,
            "model": "gpt-4",
            "estimated_cost_usd": 0.0428,
        },
        "outcome": {"status": "success", "final_message": "Done.", "error_code": None},
        "metadata": {"client_version": "1.2", "custom_tags": ["a", "b"], "source_ip": "203.0.113.7"},
    }


def write_bodies() -> dict[int, Path]:
    """One event, and a batch, as files for the load client."""
    BUILD.mkdir(parents=True, exist_ok=True)
    bodies = {1: json.dumps(event(1)), BATCH: json.dumps([event(number) for number in range(BATCH)])}
    files = {events: BUILD / f"capture-{events}.json" for events in bodies}
    for events, path in files.items():
        path.write_text(bodies[events])
    return files


@contextlib.contextmanager
def run_bare() -> Iterator[Server]:
    """The bare POST, in one uvicorn process with uvloop and httptools."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.bare_post:create_app", "--factory", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with running("bare", command, port, {}, headers=HEADERS) as server:
        yield server


@contextlib.contextmanager
def run_sessions(durability: str, *, delivers: bool = False) -> Iterator[Server]:
    """The sessions API alone, one process, no earlier state."""
    port = free_port()
    program = Path(sys.executable).with_name("harpoon")
    with tempfile.TemporaryDirectory(prefix="bench-sessions-") as state:
        environment = {
            "HARPOON_STATE": state,
            "HARPOON_SURFACES": "sessions",
            "SCR_API_KEY": KEY,
            "SCR_DURABILITY": durability,
            "SCR_SPOOL_MAX_EVENTS": "1000000000",
        }
        routes = Path(state) / "routes.yaml"
        routes.write_text(NOWHERE)
        environment["SCR_ROUTES"] = str(routes)
        if delivers:
            routes.write_text(ROUTES)
        name = f"sessions-{durability}{'-delivering' if delivers else ''}"
        command = [str(program), "serve", "--port", str(port)]
        with running(name, command, port, environment, headers=HEADERS) as server:
            yield server


def one_round(
    servers: dict[str, Server], bodies: dict[int, Path], seconds: int, chance: random.Random
) -> dict[str, dict[str, Any]]:
    """Visit every load and system once; figures by "events/connections" and system."""
    figures: dict[str, dict[str, Any]] = {}
    for one in chance.sample(LOADS, len(LOADS)):
        key = f"{one.events}/{one.connections}"
        figures[key] = {}
        for name in chance.sample(SYSTEMS, len(SYSTEMS)):
            server, before_s = servers[name], servers[name].cpu_s()
            found = load(server, bodies[one.events], one.connections, MOST, stream=False, seconds=seconds, path=PATH)
            used_us = (server.cpu_s() - before_s) * 1e6 / found["requests"] / one.events
            figures[key][name] = {**found, "cpu_us": used_us}
        rates = "".join(f"  {name} {figures[key][name]['rps'] * one.events:9,.0f}/s" for name in SYSTEMS)
        print(f"  {key:7}{rates}", file=sys.stderr, flush=True)
    return figures


def measure(rounds: int, seconds: int, seed: int) -> list[dict[str, dict[str, Any]]]:
    """All rounds. Raises: BenchError."""
    chance, bodies = random.Random(seed), write_bodies()
    with (
        run_bare() as bare,
        run_sessions("process") as process,
        run_sessions("power") as power,
        run_sessions("process", delivers=True) as delivering,
    ):
        servers = {BARE: bare, PROCESS: process, POWER: power, DELIVERING: delivering}
        for server in servers.values():  # what is done once, at a first request, is no part of any round
            for events, body in bodies.items():
                load(server, body, 4, 400 // min(events, 10), stream=False, path=PATH)
        found = []
        for number in range(1, rounds + 1):
            print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
            found.append(one_round(servers, bodies, seconds, chance))
        return found


def table(found: list[dict[str, dict[str, Any]]]) -> str:
    """Rates and latencies by load; ratios to the bare POST of the same round."""
    lines = [
        "| events a request, connections | system | events/s | of the bare POST's | CPU an event, us | p50, ms "
        "| p99, ms | of its p99 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in LOADS:
        rounds = [figures[f"{one.events}/{one.connections}"] for figures in found]
        for name in SYSTEMS:
            rate = median(systems[name]["rps"] for systems in rounds) * one.events
            share = median(systems[name]["rps"] / systems[BARE]["rps"] for systems in rounds)
            slower = median(systems[name]["p99_ms"] / systems[BARE]["p99_ms"] for systems in rounds)
            p50, p99, cpu = (
                median(systems[name][field] for systems in rounds) for field in ("p50_ms", "p99_ms", "cpu_us")
            )
            lines.append(
                f"| {one.events}, {one.connections} | {name} | {rate:,.0f} | {share:.2f} | {cpu:,.0f} | {p50:.2f} "
                f"| {p99:.2f} | {slower:.1f}x |"
            )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.capture", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each visit")
    parser.add_argument("--seed", type=int, default=1, help="of the order of visits")
    parser.add_argument("--write", type=Path, default=None, help="page to write the table into, beside printing it")
    options = parser.parse_args()
    try:
        found = measure(max(1, options.rounds), max(1, options.seconds), options.seed)
    except BenchError as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    (BUILD / "capture.json").write_text(json.dumps(found, indent=1))
    text = table(found)
    print(text)
    if options.write is not None:
        command = f"python -m bench.capture --rounds {options.rounds} --seconds {options.seconds}"
        head = (
            f"{describe_machine()}; the load client shares the cores. The bare POST parses the JSON and answers; it "
            "keeps nothing. `process`: what is acknowledged survives kill -9; `power`: also a loss of power, at an "
            "fsync a commit; `delivering`: a JSON-lines file takes every event meanwhile. Median over rounds, ratios "
            f"within a round: `{command}`."
        )
        write_section(options.write, "capture", f"## Capturing sessions\n\n{head}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
