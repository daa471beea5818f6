"""Times one classification of 2,000 characters in every engine, and how soon the kernel is ready.

    python -m bench.kernel [--calls 5000] [--write docs/performance.md] [--date YYYY-MM-DD]

Every engine scores the same texts, the recorded ones joined and cut, through the adapter that the product uses there,
and every call is timed alone. workerd stands its clock still while code runs, so its row is the mean of many calls in
one request, seen from outside, less a request with none. Ready: from the module's bytes to a checked instance, in a
process that has loaded the engine itself; workerd compiles when a Worker is published. Needs the dev extra and the
tools of tests/edge/setup_edge.py; installs none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from bench.edge import list_modules, load_setup
from bench.report import describe_machine, write_section
from bench.run import say
from bench.servers import BUILD, ROOT, BenchError, Server, free_port, running
from deploy.kernel.build import OUTPUT, BuildError, build, write
from gateway.adapters.wasmtime_kernel import KernelScorer
from wasm_classifier.reference import classify

CHARACTERS = 2_000
TEXTS = 50
WARM_UP = 500
ROUNDS = 5
#: Calls of one request to workerd, and how many such requests.
WORKERD_CALLS = 2_000
WORKERD_REQUESTS = 9
GOAL_P99_US = 100
GOAL_READY_MS = 20
FOLDER = BUILD / "kernel"
VECTORS = ROOT / "tests" / "data" / "classifier_vectors.jsonl"

CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [
{modules}
    ],
    compatibilityDate = {date},
    compatibilityFlags = {flags},
  ))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")],
);
"""

Figures = dict[str, float]


def make_texts() -> list[str]:
    """Texts of CHARACTERS characters, all different."""
    rows = [json.loads(line) for line in VECTORS.read_text("ascii").splitlines()]
    joined = "\n".join(row["text"] for row in rows if 20 < len(row.get("text", "")) < 2_000)
    step = (len(joined) - CHARACTERS) // TEXTS
    return [joined[at * step : at * step + CHARACTERS] for at in range(TEXTS)]


def time_calls(score: Callable[[bytes], object], texts: list[str], calls: int) -> Figures:
    """Median and 99th percentile of one call, in microseconds: of several rounds the middle one, and the quietest."""
    encoded = [text.encode() for text in texts]
    for at in range(WARM_UP):
        score(encoded[at % TEXTS])
    halves, tails = [], []
    for _ in range(ROUNDS):
        took = []
        for at in range(calls):
            text = encoded[at % TEXTS]
            began = time.perf_counter_ns()
            score(text)
            took.append((time.perf_counter_ns() - began) / 1e3)
        took.sort()
        halves.append(took[calls // 2])
        tails.append(took[calls * 99 // 100])
    return {"p50_us": median(halves), "p99_us": median(tails), "quiet_us": min(tails)}


def measure_cpython(texts: list[str], calls: int) -> dict[str, Figures]:
    """The kernel by wasmtime, and the reference."""
    import wasmtime  # noqa: F401  (loading the engine is no part of the kernel's being ready)

    ready = []
    for _ in range(5):
        scorer = KernelScorer()
        began = time.perf_counter_ns()
        asyncio.run(scorer.load())
        ready.append((time.perf_counter_ns() - began) / 1e6)
    return {
        "CPython, wasmtime": {**time_calls(scorer.score, texts, calls), "ready_ms": ready[0]},
        "CPython, pure Python": time_calls(classify, texts, calls),
    }


def measure_in_node(tools: Any, script: str, texts: list[str], calls: int) -> dict[str, Figures]:
    """What a script beside this file measures; it prints one JSON object. Raises: BenchError."""
    npm = tools.wrangler.parents[2]
    given = {"texts": texts, "calls": calls, "warmUp": WARM_UP, "rounds": ROUNDS}
    given |= {"root": str(ROOT), "pyodide": str(npm / "pyodide")}
    command = [str(tools.node), str(ROOT / "bench" / script)]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{script} failed:\n{done.stderr[-2_000:]}")
    figures: dict[str, Figures] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_workerd(tools: Any) -> AbstractContextManager[Server]:
    """bench/kernel_entry.py in raw workerd."""
    source, port = FOLDER / "src", free_port()
    entry = ["--entry", str(ROOT / "bench" / "kernel_entry.py")]
    stage = [sys.executable, str(ROOT / "deploy" / "edge" / "stage.py"), "--out", str(source), *entry]
    subprocess.run(stage, check=True, stdout=subprocess.DEVNULL)
    link = FOLDER / "python_modules"
    if not link.is_symlink():
        link.symlink_to(tools.python_modules, target_is_directory=True)
    deployed = tomllib.loads((ROOT / "wrangler.toml").read_text())
    config = CONFIG.format(
        modules="\n".join(list_modules(FOLDER)),
        date=json.dumps(str(deployed["compatibility_date"])),
        flags=json.dumps(deployed["compatibility_flags"] + tools.local_flags),
        port=port,
    )
    (FOLDER / "config.capnp").write_text(config)
    command = [str(tools.workerd), "serve", str(FOLDER / "config.capnp"), "--experimental"]
    return running("workerd", command, port, {})


def measure_workerd(tools: Any, texts: list[str]) -> dict[str, Figures]:
    """The mean of one call in workerd, by kernel and by reference. Raises: BenchError."""
    opener = build_opener(ProxyHandler({}))
    body = json.dumps(texts).encode()

    def took_us(server: Server, engine: str, calls: int) -> float:
        began = time.perf_counter_ns()
        asked = Request(f"http://127.0.0.1:{server.port}/{engine}/{calls}", data=body)
        with opener.open(asked, timeout=120) as answer:
            answer.read()
        return (time.perf_counter_ns() - began) / 1e3

    found = {}
    with run_workerd(tools) as server:
        for engine, title in (("kernel", "workerd, kernel"), ("reference", "workerd, pure Python")):
            took_us(server, engine, WORKERD_CALLS)
            means = [
                (took_us(server, engine, WORKERD_CALLS) - took_us(server, engine, 0)) / WORKERD_CALLS
                for _ in range(WORKERD_REQUESTS)
            ]
            found[title] = {"mean_us": median(means)}
    return found


def describe(figures: dict[str, Figures], calls: int, date: str) -> str:
    """The section of the page."""
    keys = {"p50_us": "p50 us", "p99_us": "p99 us", "quiet_us": "p99 us, quietest round", "mean_us": "mean us"}
    keys["ready_ms"] = "kernel ready, ms"
    lines = [f"| engine | {' | '.join(keys.values())} |", f"| --- |{' ---: |' * len(keys)}"]
    for name, one in figures.items():
        cells = [f"{one[key]:.1f}" if key in one else "-" for key in keys]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    through = [one for name, one in figures.items() if "pure" not in name]
    slowest = max(one.get("p99_us", 0) for one in through)
    latest = max(one.get("ready_ms", 0) for one in through)
    kept = "kept" if slowest <= GOAL_P99_US and latest < GOAL_READY_MS else "**not kept**"
    return "\n\n".join(
        [
            "## One classification",
            f"{date}, {describe_machine()}. {CHARACTERS:,} characters, {TEXTS} texts in turn, each call timed alone "
            f"through the host's own adapter, {calls:,} calls a round, of {ROUNDS} rounds the middle one. In workerd "
            f"the clock stands still while code runs: the mean there is of {WORKERD_CALLS:,} calls in one request.",
            f"Asked of the kernel: p99 at most {GOAL_P99_US} us in CPython, Node and Pyodide, ready in under "
            f"{GOAL_READY_MS} ms: {kept} (slowest {slowest:.0f} us, latest {latest:.1f} ms). Its module has "
            f"{OUTPUT.stat().st_size:,} bytes.",
            f"Reproduce it with `python -m bench.kernel --calls {calls}`.",
            "\n".join(lines),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kernel", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--write", type=Path, help="page to write the table into")
    parser.add_argument("--date", default="", help="date to print (today)")
    options = parser.parse_args()
    calls, texts = max(100, options.calls), make_texts()
    FOLDER.mkdir(parents=True, exist_ok=True)
    setup = load_setup()
    try:
        tools = setup.ensure(install=False)
        write(build(), OUTPUT)
        figures = measure_cpython(texts, calls)
        figures |= measure_in_node(tools, "kernel_node.mjs", texts, calls)
        figures |= measure_in_node(tools, "kernel_pyodide.mjs", texts, calls)
        figures |= measure_workerd(tools, texts)
    except (BenchError, BuildError, setup.SetupError) as problem:
        say(f"bench: {problem}")
        return 1
    date = options.date or datetime.now(UTC).date().isoformat()
    text = describe(figures, calls, date)
    print(text)
    if options.write:
        write_section(options.write, "kernel", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
