"""Measures Harpoon beside LiteLLM and Portkey in one interleaved run, and writes docs/performance.md.

    python -m bench.peers [--rounds 3] [--seconds 2] [--write [docs/performance.md]]

All stand before the same upstream, get the same body over the same connections for the same time, system by system in
shuffled order, and so again in each round; the median over rounds is told. Each system has its token or key checked and
nothing else switched on but what it cannot do without; Harpoon serves as `harpoon serve` does: budget, decision, ledger
and settlement for every request, state on disk. A bad answer ends the run. The first run installs the peers
(bench/peer_tools.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.peer_tools import install_peers, peer_versions, run_litellm, run_portkey
from bench.report import describe_machine, write_section
from bench.run import PLAIN, say, write_bodies
from bench.servers import BUILD, ROOT, BenchError, Server, ask, load, run_floor, run_harpoon, run_upstream

#: More requests than any of them answers in a visit.
MOST_REQUESTS = 400_000
WARMING_REQUESTS = 200
Start = Callable[[], contextlib.AbstractContextManager[Server]]
NAMES = {
    "direct": "mock upstream, direct",
    "floor": "Starlette + aiohttp: the Python floor",
    "harpoon": "**Harpoon**, one process",
    "litellm1": "LiteLLM, one worker",
    "litellm2": "LiteLLM, two workers",
    "portkey": "Portkey",
}
PEERS = ("litellm1", "litellm2", "portkey")


class Cell(NamedTuple):
    """One figure of the comparison: of a load's answer, or of the process. `more`: whether more is better."""

    title: str
    load: str
    field: str
    more: bool
    form: str


CELLS = (
    Cell("c1 p50 ms", "plain/1", "p50_ms", False, ".2f"),
    Cell("c1 p99 ms", "plain/1", "p99_ms", False, ".2f"),
    Cell("c16 req/s", "plain/16", "rps", True, ",.0f"),
    Cell("c64 req/s", "plain/64", "rps", True, ",.0f"),
    Cell("stream c1 first byte ms", "stream/1", "ttfb_p50_ms", False, ".2f"),
    Cell("stream c16 req/s", "stream/16", "rps", True, ",.0f"),
    Cell("memory MB", "process", "memory_mb", False, ".0f"),
    Cell("cold start s", "process", "start_s", False, ".2f"),
)
LOADS = tuple(dict.fromkeys(cell.load for cell in CELLS if cell.load != "process"))


def starts(upstream: Server) -> dict[str, Start]:
    """How each system is started."""
    tools = install_peers()
    return {
        "floor": lambda: run_floor(upstream),
        "harpoon": lambda: run_harpoon(upstream),
        "litellm1": lambda: run_litellm(tools, upstream, 1),
        "litellm2": lambda: run_litellm(tools, upstream, 2),
        "portkey": lambda: run_portkey(tools, upstream),
    }


def measure(rounds: int, seconds: int, seed: int) -> list[dict[str, dict[str, dict[str, float]]]]:
    """Figures by system, load and field, in each round. Raises: BenchError."""
    chance, bodies, results = random.Random(seed), write_bodies(), []
    with run_upstream() as upstream, contextlib.ExitStack() as stack:
        how, servers = starts(upstream), {"direct": upstream}
        for name, start in how.items():
            say(f"starting {name}")
            servers[name] = stack.enter_context(start())
            for kind in ("plain", "stream"):  # what is done once, at a first request, is no part of any round
                load(servers[name], bodies[kind], 16, WARMING_REQUESTS, stream=kind == "stream")
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            results.append(one_round(servers, how, bodies, seconds, chance))
    return results


def one_round(
    servers: dict[str, Server], how: dict[str, Start], bodies: dict[str, Path], seconds: int, chance: random.Random
) -> dict[str, dict[str, dict[str, float]]]:
    """Every load on every system once, and each system started once more from nothing."""
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in servers}
    for one in chance.sample(LOADS, len(LOADS)):
        kind, connections = one.split("/")
        for name in chance.sample(sorted(servers), len(servers)):
            stream = kind == "stream"
            figures: dict[str, Any] = load(
                servers[name], bodies[kind], int(connections), MOST_REQUESTS, stream=stream, seconds=seconds
            )
            found[name][one] = figures
        say(f"  {one:10}" + "".join(f"  {name} {found[name][one]['rps']:8.0f}/s" for name in servers))
    for name in chance.sample(sorted(how), len(how)):
        found[name]["process"] = {
            "memory_mb": servers[name].tree_memory_mb(),
            "start_s": cold_start(name, how[name]),
        }
    return found


def cold_start(name: str, start: Start) -> float:
    """Seconds from starting the process to its first chat answer. Raises: BenchError."""
    began = time.perf_counter()
    with start() as server:
        status, _ = ask(server, json.dumps(PLAIN).encode())
        took = time.perf_counter() - began
    if status != 200:
        raise BenchError(f"the first chat answer of {name} has status {status}")
    return took


def middle(results: list[dict[str, Any]], name: str, cell: Cell) -> float | None:
    """The median of one cell over rounds, None where a system has none."""
    values = [one[name][cell.load][cell.field] for one in results if cell.load in one[name]]
    return median(values) if values else None


def is_ahead(results: list[dict[str, Any]], cell: Cell) -> bool:
    """Whether Harpoon's median is better than that of every peer, in whichever way it was started."""
    ours = middle(results, "harpoon", cell)
    theirs = [middle(results, name, cell) for name in PEERS]
    assert ours is not None
    return all(other is not None and (ours > other if cell.more else ours < other) for other in theirs)


def table(results: list[dict[str, Any]]) -> list[str]:
    """Systems down, cells across; the last two rows say how far Harpoon is ahead of the better peer in each."""
    lines = ["| system | " + " | ".join(cell.title for cell in CELLS) + " |", "| --- |" + " ---: |" * len(CELLS)]
    for name, title in NAMES.items():
        values = [middle(results, name, cell) for cell in CELLS]
        shown = ["-" if value is None else f"{value:{cell.form}}" for value, cell in zip(values, CELLS, strict=True)]
        lines.append(f"| {title} | " + " | ".join(shown) + " |")
    times, ahead = [], []
    for cell in CELLS:
        ours = middle(results, "harpoon", cell)
        theirs = [value for name in PEERS if (value := middle(results, name, cell)) is not None]
        assert ours is not None
        times.append(f"{ours / max(theirs):.1f}" if cell.more else f"{min(theirs) / ours:.1f}")
        ahead.append("yes" if is_ahead(results, cell) else "**no**")
    lines.append("| times as good as the best of the peers | " + " | ".join(times) + " |")
    return [*lines, "| ahead of both | " + " | ".join(ahead) + " |"]


def ratios(results: list[dict[str, Any]]) -> str:
    """Harpoon's share of the floor's answers a second, within each round."""
    said = []
    for one in ("plain/16", "plain/64", "stream/16"):
        shares = [each["harpoon"][one]["rps"] / each["floor"][one]["rps"] for each in results]
        said.append(f"{median(shares):.2f} ({one.replace('/', ', ')} connections)")
    return "Harpoon's answers a second as a share of the floor's, in this run: " + "; ".join(said) + "."


def page_section(results: list[dict[str, Any]], date: str, command: str) -> str:
    """The section of docs/performance.md."""
    versions = ", ".join(f"{name} {version}" for name, version in peer_versions().items())
    head = (
        f"{date}, {describe_machine()}. {versions}. {len(results)} interleaved rounds, medians. All stand before the "
        "same upstream and share the machine with it and the load client; a stream is 20 deltas and the usage. Memory "
        "is that of the process and its children after the loads, what they share counted once; a cold start lasts to "
        "the first chat answer. No peer had a database or a budget; Harpoon had a token, a tenant budget, a decision "
        "over the whole catalogue and a ledger entry for every request, state on disk."
    )
    parts = ["## Beside LiteLLM and Portkey", head, f"Reproduce it with `{command}`."]
    return "\n\n".join([*parts, "\n".join(table(results)), ratios(results)])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of one load on one system")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=ROOT / "docs" / "performance.md",
        default=None,
        help="page to write the table into, beside printing it",
    )
    parser.add_argument("--date", default="", help="date to print (today)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of visits")
    options = parser.parse_args()
    rounds, seconds = max(1, options.rounds), max(1, options.seconds)
    try:
        results = measure(rounds, seconds, options.seed)
    except BenchError as problem:
        say(f"bench: {problem}")
        return 1
    (BUILD / "peers.json").write_text(json.dumps(results, indent=1))
    date = options.date or datetime.now(UTC).date().isoformat()
    text = page_section(results, date, f"python -m bench.peers --rounds {rounds} --seconds {seconds}")
    print(text)
    if options.write is not None:
        write_section(options.write, "peers", text)
    return 0 if all(is_ahead(results, cell) for cell in CELLS) else 3


if __name__ == "__main__":
    sys.exit(main())
