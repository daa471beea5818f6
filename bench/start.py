"""Takes a start of the gateway apart: processor and wall time to its first answers, and what it imported on the way.

    python -m bench.start [--starts 15] [--against FOLDER] [--modules 20] [--busy] [--write docs/performance.md]

Every round starts the floor and `harpoon serve`, each with no earlier state, in shuffled order, and with --against the
gateway of another checkout too. Processor time (user and system, all threads, as the scheduler counts it) hardly feels
what else runs on the machine, so on a busy one believe it first; the count of modules does not feel it at all. The
table of imports comes from one more start, under `python -X importtime`, whose own cost is in its figures.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.report import describe_machine, write_section
from bench.run import PLAIN
from bench.servers import BUDGET_USD, ROOT, TOKEN, BenchError, Server, ask, free_port, run_floor, run_upstream, running

PROGRAM = "from gateway.cli import main; main()"
FLOOR, HARPOON, OTHER = "floor", "Harpoon", "the other checkout"
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)")


class Start(NamedTuple):
    """One start, in milliseconds from the process's beginning: processor and wall time to the first answers."""

    health_cpu: float
    health: float
    chat_cpu: float
    chat: float


class Imported(NamedTuple):
    """A module with the microseconds that its own import took, without those it imported."""

    name: str
    own_us: int


@contextmanager
def started(tree: Path, upstream: Server, *options: str) -> Iterator[Server]:
    """`harpoon serve` of a checkout, as bench/servers.py runs it. Args: options: of the interpreter."""
    port = free_port()
    # With -P the checkout that is measured comes from PYTHONPATH alone, wherever this program stands.
    command = [sys.executable, "-P", *options, "-c", PROGRAM, "serve", "--port", str(port)]
    with tempfile.TemporaryDirectory(prefix="bench-state-") as state:
        environment = {
            "PYTHONPATH": str(tree),
            "HARPOON_STATE": state,
            "HARPOON_TOKENS": TOKEN,
            "HARPOON_BUDGET_USD": BUDGET_USD,
            "HOSTED_AI_BASE_URL": f"http://127.0.0.1:{upstream.port}",
        }
        with running("harpoon", command, port, environment) as server:
            yield server


def cpu_ms(pid: int) -> float:
    """Processor time of a process's threads so far, which the scheduler counts in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def measure(start: AbstractContextManager[Server], began: float) -> Start:
    """Start once, and ask once. Args: began: what the clock showed before. Raises: BenchError."""
    with start as server:
        healthy, healthy_cpu = time.perf_counter(), cpu_ms(server.pid)
        status, _ = ask(server, json.dumps(PLAIN).encode())
        answered, answered_cpu = time.perf_counter(), cpu_ms(server.pid)
        if status != 200:
            raise BenchError(f"the first chat answer of {server.name} has status {status}")
    return Start(healthy_cpu, (healthy - began) * 1e3, answered_cpu, (answered - began) * 1e3)


def measure_all(starts: int, against: Path | None, seed: int) -> dict[str, list[Start]]:
    """So many starts of each, interleaved; one more of each before, whose files the page cache then has."""
    chance, found = random.Random(seed), dict[str, list[Start]]()
    with run_upstream() as upstream:
        ways: dict[str, Callable[[], AbstractContextManager[Server]]]
        ways = {FLOOR: partial(run_floor, upstream), HARPOON: partial(started, ROOT, upstream)}
        if against is not None:
            ways[OTHER] = partial(started, against, upstream)
        for _ in range(starts + 1):
            for name in chance.sample(sorted(ways), len(ways)):
                found.setdefault(name, []).append(measure(ways[name](), time.perf_counter()))
    return {name: all_starts[1:] for name, all_starts in found.items()}


def imports_of(tree: Path) -> list[Imported]:
    """What a start imports until its first chat answer, in order."""
    with run_upstream() as upstream, started(tree, upstream, "-X", "importtime") as server:
        ask(server, json.dumps(PLAIN).encode())
        found = _IMPORT.findall(server.log.read_text("utf-8", "replace"))
    return [Imported(name, int(own)) for own, _, name in found]


def table(found: dict[str, list[Start]], modules: dict[str, int], *, busy: bool) -> str:
    """Medians of all starts, and of the ratio to the floor's in the same round. Args: busy: leave out wall time."""
    wall = "" if busy else " wall ms to /health | wall ms to the first chat answer |"
    lines = [
        f"| medians | modules | processor ms to /health | times the floor's | to the first chat answer |{wall}",
        "| --- | ---: | ---: | ---: | ---: |" + " ---: |" * wall.count("wall"),
    ]
    for name, starts in sorted(found.items()):
        health_cpu, health, chat_cpu, chat = (median(column) for column in zip(*starts, strict=True))
        ratio = median([one.health_cpu / base.health_cpu for one, base in zip(starts, found[FLOOR], strict=True)])
        figures = [f"{health_cpu:.0f}", f"{ratio:.2f}", f"{chat_cpu:.0f}"]
        figures += [] if busy else [f"{health:.0f}", f"{chat:.0f}"]
        lines.append(f"| {name} | {modules.get(name, '-')} | {' | '.join(figures)} |")
    return "\n".join(lines)


def import_table(imports: list[Imported], rows: int) -> str:
    """The packages that take longest, each with all its modules."""
    took, count = Counter[str](), Counter[str]()
    for name, own_us in imports:
        package = ".".join(name.split(".")[:2]) if name.startswith(("gateway.", "worker.")) else name.split(".")[0]
        took[package] += own_us
        count[package] += 1
    lines = ["| package | modules | ms under -X importtime |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {count[name]} | {own_us / 1e3:.1f} |" for name, own_us in took.most_common(rows)]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--starts", type=int, default=15, help="of each, of which the median is told")
    parser.add_argument("--against", type=Path, default=None, help="another checkout, started in the same rounds")
    parser.add_argument("--modules", type=int, default=20, help="rows of the table of imports")
    parser.add_argument("--busy", action="store_true", help="leave out what another program changes: wall time")
    parser.add_argument("--write", type=Path, default=None, help="page to write the table into, beside printing it")
    parser.add_argument("--seed", type=int, default=1, help="of the order of starts")
    options = parser.parse_args()
    other = None if options.against is None else options.against.resolve()
    try:
        imports = imports_of(ROOT)
        modules = {HARPOON: len(imports)} | ({} if other is None else {OTHER: len(imports_of(other))})
        text = table(measure_all(max(1, options.starts), other, options.seed), modules, busy=options.busy)
    except BenchError as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    print(text)
    print()
    print(import_table(imports, options.modules))
    if options.write is not None:
        command = "python -m bench.start" + (" --busy" if options.busy else "")
        head = f"{describe_machine()}. {options.starts} starts of each, interleaved: `{command}`."
        head += " Processor time is that of all threads; a provider is set, so the simulator has no part in it."
        write_section(options.write, "start", f"## A start\n\n{head}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
